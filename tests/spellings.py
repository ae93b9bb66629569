"""Every wrong spelling of a call, as a learner would type it, and the sentence that it gets.

The cells are run twice: in this process (test_traps.py) and in a real Jupyter kernel.
"""

SETUP = """\
from kit.errors import KitError
from kit.locks import Mutex, Spinlock, WaitQueue
from kit.machine.core import Machine
from kit.traps import might_sleep, never_sleeps, sleep, step, yield_cpu


class Pool:
    def __init__(self, *elements):
        self.elements, self.lock = list(elements), Spinlock("pool.lock")
        self.wait = WaitQueue("pool.wait", "An element must come back.", of=self)

    @might_sleep
    async def alloc(self):
        await step("take")
        while not self.elements:
            with self.wait.queued():
                await sleep(self.wait)
        return self.elements.pop()

    @never_sleeps
    async def free(self, element):
        await step("give back")
        self.elements.append(element)
        self.wait.wake_one()


pool = Pool([1], [2])
empty = Pool()


def run(function):
    machine = Machine()
    machine.spawn("A", function)
    machine.run()
"""

# The body of `async def story():`, and what is said of it after "A, in story, line 2: ".
FORGOTTEN = {
    "kept in a variable": ("x = pool.alloc()", "alloc", "x = await pool.alloc()"),
    "kept, then a step": ("x = pool.alloc(); await step('on')", "alloc", "x = await pool.alloc(); await step('on')"),
    "asked whether true": ("if pool.alloc(): await step('on')", "alloc", "if await pool.alloc(): await step('on')"),
    "an attribute of it": ("pool.alloc().sort()", "alloc", "(await pool.alloc()).sort()"),
    "an item of it": ("return pool.alloc()[0]", "alloc", "return (await pool.alloc())[0]"),
    "handed on": ("await pool.free(pool.alloc())", "alloc", "await pool.free(await pool.alloc())"),
    "measured": ("return len(pool.alloc())", "alloc", "return len(await pool.alloc())"),
    "the last statement": ("pool.free(3)", "free", "await pool.free(3)"),
    "returned": ("return pool.alloc()", "alloc", "return await pool.alloc()"),
    "beyond ASCII": ("x = 'größer', pool.alloc()", "alloc", "x = 'größer', await pool.alloc()"),
    "a step": ("step('look')", "step", "await step('look')"),
    "a step, then another": ("step('look'); await step('on')", "step", "await step('look'); await step('on')"),
    "a step after a step": ("await step('on'); step('look')", "step", "await step('on'); await step('look')"),
    "a yield": ("yield_cpu('wait')", "yield_cpu", "await yield_cpu('wait')"),
    "a sleep": ("with pool.wait.queued(): sleep(pool.wait)", "sleep",
                "with pool.wait.queued(): await sleep(pool.wait)"),
}

# Whole cells, and all that is said of them.
CELLS = {
    "a helper that ends right after": (
        "async def helper():\n    pool.free(3)\n\nasync def story():\n    await helper()\n    await step('on')\n\n"
        "run(story)",
        "Refused: A, in helper, line 2: free(...) was called without `await`, so it never ran. "
        "Write: await pool.free(3)"),
    "a step in a helper that ends right after": (
        "async def helper():\n    step('look')\n\nasync def story():\n    await helper()\n    await step('on')\n\n"
        "run(story)",
        "Refused: A, in helper, line 2: step(...) was called without `await`, so it never ran. "
        "Write: await step('look')"),
    "a helper without a mark": (
        "async def helper():\n    await step('look')\n\nasync def story():\n    helper()\n    await step('on')\n\n"
        "run(story)",
        "Refused: a task, in story, line 5: helper(...) was called without `await`, so it never ran. "
        "Write: await helper()"),
    "a needless await": (
        "element = await pool.alloc()",
        "Refused: line 1: at the prompt alloc(...) simply runs, and there is nothing to await. "
        "Write: element = pool.alloc()"),
    "a step at the prompt": (
        "await step('look')",
        "Refused: line 1: at the prompt step(...) simply runs, and there is nothing to await. Write: step('look')"),
    "a task's function awaited": (
        "async def story():\n    await step('look')\n    await pool.alloc()\n\nawait story()",
        "Refused: story, line 2: a task's function calls step(...), but no machine runs it. "
        'Write: machine.spawn("story", story, ...) and then machine.run()'),
    "a call that sleeps for ever": (
        "empty.alloc()",
        "WouldSleepForever: this call sleeps on pool.wait, and at the prompt there is no other task to wake it. "
        "An element must come back."),
    "a sleep at the prompt": (
        "sleep(empty.wait)",
        "WouldSleepForever: this call sleeps on pool.wait, and at the prompt there is no other task to wake it. "
        "An element must come back."),
    "a def as a task": (
        "def story():\n    pool.alloc()\n\nrun(story)",
        "BadInput: A cannot be a task: story is an ordinary function. Define it with `async def story(...)`, "
        "and await what it calls."),
    "a mark on a def": (
        "@might_sleep\ndef grab():\n    pass",
        "BadInput: grab is marked @might_sleep, but it is an ordinary function. Write `async def grab(...)`, "
        "or leave the mark out."),
    "a sleep under a spinlock": (
        "async def story():\n    async with empty.lock:\n        await empty.alloc()\n\nrun(story)",
        "Refused: A would sleep on pool.wait while it holds the spinlock pool.lock: whoever wants the lock would "
        "spin for ever. Release it first, or use a Mutex."),
    "a sleep in what never sleeps": (
        "@never_sleeps\nasync def quick():\n    await empty.alloc()\n\nrun(quick)",
        "Refused: A would sleep on pool.wait inside quick, which is marked @never_sleeps. "
        "Mark it @might_sleep, or do not sleep there."),
    "a sleep outside its queue": (
        "async def story():\n    await sleep(empty.wait)\n\nrun(story)",
        "Refused: A would sleep on pool.wait without standing in that queue, so that no wake-up could reach it. "
        "Write: with pool.wait.queued(): look again, then await sleep(pool.wait)"),
}

for shape, (body, name, written) in FORGOTTEN.items():
    CELLS[shape] = (f"async def story():\n    {body}\n\nrun(story)",
                    f"Refused: A, in story, line 2: {name}(...) was called without `await`, so it never ran. "
                    f"Write: {written}")
