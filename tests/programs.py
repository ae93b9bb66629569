"""Random small programs for the explorer's tests: Python source, made from a seed.

They do what makes it hard to know where a task stands: loops over equal items, nested awaits,
closures, exceptions that are handled across a step, iterators, choices of the world, queues with and
without a time-out, locks, interrupts.
"""

import random
import textwrap

from kit.locks import Spinlock, WaitQueue
from kit.traps import choose, sleep, step, yield_cpu


class Cell:
    """What the tasks of a program share."""

    explored = ("x", "y", "line")

    def __init__(self):
        self.x = self.y = 0
        self.line = []          # rebound by some programs, changed in place by others
        self.calls = 0          # a counter, and so no state

    def bump(self, by):
        self.calls += 1
        self.x = (self.x + by) % 4


def program(seed, tasks=2, size=3, with_interrupt=False, alike=False):
    """A story whose tasks run random code; equal seeds give equal stories."""
    source = Source(random.Random(seed))
    functions = [source.function(f"task{number}", size) for number in range(1 if alike else tasks)]
    handler = source.function("handler", 2, atomic=True)
    names = {"step": step, "sleep": sleep, "choose": choose, "yield_cpu": yield_cpu}
    exec(compile("\n".join([*functions, handler]), f"program {seed}", "exec"), names)

    def story(machine):
        cell, queue, lock = Cell(), WaitQueue("queue"), Spinlock("lock")
        for number in range(tasks):
            machine.spawn("ABC"[number], names[f"task{0 if alike else number}"], cell, queue, lock)
        if with_interrupt:
            machine.interrupt("device", names["handler"], cell, queue, lock, cpu=0)
        return (lambda: _holds(cell)) if seed % 3 == 0 else None
    story.source = "\n".join([*functions, handler])
    return story


def _holds(cell):
    assert (cell.x, cell.y) != (3, 1), "x is 3 while y is 1"


class Source:
    """Writes functions; every block ends, and each names things by its own depth."""

    def __init__(self, random):
        self.random, self.names = random, 0

    def function(self, name, size, atomic=False):
        body = self.block(size, 2, atomic)
        return f"async def {name}(cell, queue, lock):\n" + textwrap.indent("found = 0\n" + body, "    ")

    def block(self, size, depth, atomic, locked=False):
        return "".join(self.statement(depth, atomic, locked) for _ in range(self.random.randint(1, size)))

    def statement(self, depth, atomic, locked):
        self.names += 1
        kinds = [self.write, self.step, self.write, self.step, self.lines]
        if depth:
            kinds += [self.loop, self.nested, self.handled, self.condition, self.chosen, self.closure, self.iterator]
        if not locked:
            kinds += [self.wake]
            kinds += [self.wait, self.late, self.gives_way] if not atomic else []
            kinds += [self.locked] if depth else []
        return self.random.choice(kinds)(depth - 1, atomic, locked)

    def step(self, *_):
        return 'await step("s")\n'

    def gives_way(self, *_):
        return 'await yield_cpu("y")\n'

    def write(self, *_):
        return self.random.choice(["cell.x = 1\n", "cell.y = 0\n", "cell.y = 1 - cell.y\n", "cell.bump(1)\n",
                                   "assert cell.x != 2 or cell.y\n", "found = cell.x\n", "cell.x = found\n"])

    def lines(self, *_):
        return self.random.choice(["cell.line = cell.line[1:]\n", "cell.line.append(cell.y)\ndel cell.line[:-2]\n",
                                   "found = len(cell.line)\n"])

    def wake(self, *_):
        return self.random.choice(["queue.wake_one()\n", "queue.wake_all()\n"])

    def wait(self, *_):
        return 'with queue.queued():\n    await step("look")\n    if not cell.y:\n        await sleep(queue)\n'

    def late(self, *_):
        return "with queue.queued():\n    found = await sleep(queue, 1000)\ncell.y = int(found)\n"

    def _inside(self, head, depth, atomic, locked=False, more=""):
        return head + textwrap.indent(more + self.block(2, depth, atomic, locked), "    ")

    def loop(self, depth, atomic, locked):
        over = self.random.choice(["(1, 1)", "range(2)", "[0, 0]", "'ab'"])
        return self._inside(f"for i{self.names} in {over}:\n", depth, atomic, locked)

    def iterator(self, depth, atomic, locked):
        name = f"j{self.names}"
        return (f"{name} = enumerate(zip((7, 7), [7, 7]))\nnext({name})\n" + self.block(1, depth, atomic, locked)
                + f"cell.x = (cell.x + len(list({name}))) % 4\n")

    def nested(self, depth, atomic, locked):
        name = f"f{self.names}"
        body = self._inside(f"async def {name}(found):\n", depth, atomic, locked)
        return body + f"    return found\nawait {name}(cell.y)\n"

    def handled(self, depth, atomic, locked):
        body = textwrap.indent(self.block(1, depth, atomic, locked), "    ")
        rest = textwrap.indent(self.block(1, depth, atomic, locked), "    ")
        return (f"try:\n{body}    raise ValueError(cell.x)\n"
                f"except ValueError as error:\n{rest}    cell.x = error.args[0]\n")

    def condition(self, depth, atomic, locked):
        head = self.random.choice(["if cell.x:\n", "if not cell.y:\n", "if found:\n"])
        return self._inside(head, depth, atomic, locked)

    def chosen(self, depth, atomic, locked):
        return self._inside('if choose("well?"):\n', depth, atomic, locked)

    def closure(self, depth, atomic, locked):
        name = f"c{self.names}"
        return (f"n{name} = 0\ndef {name}():\n    nonlocal n{name}\n    n{name} += 1\n    cell.x = n{name}\n{name}()\n"
                + self.block(1, depth, atomic, locked) + f"{name}()\n")

    def locked(self, depth, atomic, locked):
        return self._inside("async with lock:\n", depth, True, True)
