"""traps: the only ways off the CPU.

The whole debate turns on two questions: *where may somebody else come in between?* and *who may
sleep?*  Here both can be read off the code.  Where there is no `await`, nobody comes in between;
where there is one, one of the four traps below lies at its bottom, and each hands the CPU back with
a request:

    await step(label)           another CPU may run here; I am about to do `label`
    await sleep(queue)          I run no further until somebody wakes me, or a time-out passes
    await yield_cpu(label)      let the others on my CPU run first; I could go on at any time
    async with spinlock         I spin until the lock is mine (locks.py)

Who answers is not said here.  At the prompt `now` does, in a timed run the Machine, in an
exploration the explorer: the allocators know none of the three.  All requests leave through one
`yield`, in Trap.__await__.

`@might_sleep` and `@never_sleeps` mark the functions in between, as the kernel's might_sleep() and
the words "atomic context" do.  Whoever calls them writes

    element = await pool.alloc()        inside a task
    element = pool.alloc()              at the prompt, where the call simply runs to its end

and whoever confuses the two is told so, with the line to write instead.
"""

import functools
import linecache
import sys

from kit import trace
from kit.errors import Refused, WouldSleepForever

# == Who is running ================================================================================


class Cpu:
    """A processor: its number and its own virtual clock, in nanoseconds."""

    def __init__(self, number, lock_ns=0):
        self.number, self.clock = number, 0
        self.lock_ns = lock_ns          # what taking a spinlock and giving it back costs, uncontended


class World:
    """Whoever answers for a task: what `choose` decides, and what to do with one that was woken.

    This one answers for the prompt: the world takes the first, the ordinary, answer to everything.
    """

    tasks = ()

    def choose(self, question, options):
        return options[0]

    def woken(self, task):
        """`task` may go on; it was asleep."""

    def released(self, lock):
        """`lock` is free; somebody may be spinning on it."""


class Task:
    """One thread of control: a coroutine, where it stands, and what it holds.

    explored: what the explorer counts as this task's state beside its frames.
    """

    explored = ("flags", "spinlocks", "queue")

    def __init__(self, name, call=None, cpu=None, world=None, in_interrupt=False, daemon=False):
        self.name, self.call, self.daemon = name, call, daemon
        self.cpu, self.world = cpu, world
        self.in_interrupt = in_interrupt    # an interrupt, like whoever holds a spinlock, must not sleep
        self.flags = 0                      # gfp.PF_MEMALLOC
        self.spinlocks = []                 # held across a step, innermost last
        self.queue = None                   # the wait queue whose `queued()` block it is inside of
        self.holds = []                     # what it has taken and not given back, for the deadlock report
        self.request = None                 # the trap it stands in; None before its first and after its last
        self.unawaited = None               # a call it made and has not awaited yet
        self.since = 0                      # when it stopped there, by its CPU's clock
        self.timed_out = False              # its last sleep ended by time-out; the machine's to say
        self.finished, self.result = False, None

    def __repr__(self):
        return self.name

    @property
    def asleep(self):
        """Asleep means: it asked to sleep, and it still stands in the queue."""
        return type(self.request) is Sleep and self in self.request.queue.tasks


PROMPT = Task("prompt", cpu=Cpu(None), world=World())   # the user, who types and belongs to no machine
current = PROMPT            # whose code is running now


def note(what, label="", **detail):
    """Remark on the trail; call it as `if trace.watchers: note(...)`.  Nobody comes in between here."""
    event = trace.Event(current.cpu.clock, current.cpu.number, current.name, what, str(label), detail)
    for see in trace.watchers:
        see(event)


def choose(question, options=(True, False)):
    """What the world decides: does this allocation fail, does this write hit a bad sector?

    Returns one of `options`.  The first is the ordinary answer and the one given at the prompt; a
    machine takes answers from its seed or script; the explorer tries them all.  No time passes, and
    nobody comes in between.
    """
    answer = current.world.choose(question, options)
    if trace.watchers:
        note("choose", question, answer=answer)
    return answer


def hold(thing, of):
    """Remember, for the deadlock report alone, that the current task has taken `thing` from `of`."""
    current.holds.append((thing, of))


def let_go(thing, of):
    """Forget it again; a task may give back what another one took."""
    for task in (current, *current.world.tasks):
        for index, (held, source) in enumerate(task.holds):
            if source is of and held == thing:
                del task.holds[index]
                return


# == The traps =====================================================================================


class Trap:
    """A request that a task leaves behind as it goes off its CPU."""

    __slots__ = ("label",)

    def __init__(self, label):
        self.label = label
        _expect_await(self)

    def __await__(self):
        current.unawaited = None
        return (yield self)     # the only `yield` of the kit: everybody who leaves a CPU leaves here


class Step(Trap):
    """Another CPU may run here, or an interrupt come in; this task could go on at once."""

    __slots__ = ()
    what = "step"


class Yield(Trap):
    """As Step, and the other tasks of the same CPU may run first."""

    __slots__ = ()
    what = "yield"


class Sleep(Trap):
    """No further until `queue` is woken, or `timeout` nanoseconds have passed."""

    __slots__ = ("queue", "timeout")
    what = "sleep"

    def __init__(self, queue, timeout=None):
        self.queue, self.timeout = queue, timeout
        super().__init__(queue.name)


class Spin(Trap):
    """Busy, on its CPU, until `lock` is free."""

    __slots__ = ("lock",)
    what = "spin"

    def __init__(self, lock):
        self.lock = lock
        super().__init__(lock.name)


step = Step             # `await step(label)`: the commonest trap, and the cheapest
yield_cpu = Yield       # `await yield_cpu(label)`: what 2.5.1 does when it has found no page


def sleep(queue, timeout=None):
    """`await sleep(queue)`: off the CPU until somebody wakes this task.

    Only inside `with queue.queued():`, and only after a second look at what is waited for: whoever
    frees between the first look and joining the queue finds nobody to wake.  Gives True when woken,
    False when `timeout` (nanoseconds) passed first.  Source of the pattern: add_wait_queue(),
    look again, schedule() in Linux 2.5.1, mm/mempool.c.
    """
    return Sleep(queue, timeout)


def advance(task, answer=None):
    """Let `task` run up to its next trap and return that; None when the task has ended.

    `answer` is what its `await` gives: for a sleep, whether it was woken (rather than timed out).
    """
    global current
    before, current = current, task
    try:
        task.request = task.call.send(answer)
    except StopIteration as end:
        task.request, task.finished, task.result = None, True, end.value
    except Exception as error:
        _forgotten_await(task, error)
        raise
    finally:
        current = before
    if task.unawaited is not None:
        _forgotten_await(task)
    if type(task.request) is Sleep and not _may_sleep(task):
        _refuse_sleep(task)
    return task.request


# == Who may sleep =================================================================================


def might_sleep(function):
    """Mark `async def alloc(...)`: it may leave the CPU, so process context only, no spinlock held.

    Inside a task the call is awaited; at the prompt it runs to its end and returns the result.
    """
    return _callable_anywhere(function, sleeps=True)


def never_sleeps(function):
    """Mark `async def free(...)`: others may run between its steps, but it never leaves its CPU.

    So interrupts may call it, and holders of a spinlock.  The machine refuses a sleep inside.
    """
    _atomic_code.add(function.__code__)
    return _callable_anywhere(function, sleeps=False)


def sleeps(function):
    """Whether `function`, marked as above, may sleep.  An unmarked `def` has no way to."""
    return getattr(function, "sleeps", False)


def now(call):
    """Run a coroutine to its end as the only task there is, and return its result.

    This is what a call at the prompt does.  A sleep that only another task could end raises
    WouldSleepForever; a sleep with a time-out times out at once, since nothing else can happen.
    """
    task, answer = Task("prompt", call, PROMPT.cpu, PROMPT.world), None
    try:
        for _ in range(STEPS_AT_THE_PROMPT):
            request = advance(task, answer)
            if request is None:
                return task.result
            if trace.watchers:
                task_note(task, request.what, request.label)
            answer = None
            if type(request) is Sleep and task.asleep:
                answer = _sleep_at_the_prompt(task)
            elif type(request) is Spin and request.lock.owner is not None:
                raise WouldSleepForever(f"this call spins on {request.label}, which {request.lock.owner} holds, "
                                        "and at the prompt there is no other task to release it.")
        raise WouldSleepForever(f"this call took {STEPS_AT_THE_PROMPT:,} steps (the last: {request.label}) and goes round "
                                "in a circle: at the prompt there is no other task to change what it waits for.")
    finally:
        abandon(task)


STEPS_AT_THE_PROMPT = 100_000


def abandon(task):
    """Give `task` up where it stands: it leaves its queues and locks, and never runs again."""
    global current
    before, current = current, task
    try:
        task.call.close()
    except RuntimeError:
        pass            # it awaits in a `finally`; nobody will answer any more
    finally:
        current = before


def task_note(task, what, label, **detail):
    """Remark on the trail in the name of `task`, though it is not the one that runs."""
    event = trace.Event(task.cpu.clock, task.cpu.number, task.name, what, str(label), detail)
    for see in trace.watchers:
        see(event)


# == What is refused, and how it is said ===========================================================

_atomic_code = set()        # the code of every @never_sleeps function


def _callable_anywhere(function, sleeps):
    @functools.wraps(function)
    def call(*args, **kwargs):
        coroutine = function(*args, **kwargs)
        if current is PROMPT:
            _refuse_stray_await(coroutine, sys._getframe(1))
            return now(coroutine)
        _expect_await(coroutine)
        return coroutine

    call.sleeps = sleeps
    return call


def _sleep_at_the_prompt(task):
    queue = task.request.queue
    if task.request.timeout is None:
        raise WouldSleepForever(f"this call sleeps on {queue.name}, and at the prompt there is no other task "
                                f"to wake it. {queue.why}".rstrip())
    queue.tasks.remove(task)
    return False


def _may_sleep(task):
    if task.in_interrupt or task.spinlocks or _atomic_frame(task.call):
        return False
    return task.queue is task.request.queue


def _refuse_sleep(task):
    """Throw the refusal into the task, at the line that asked to sleep."""
    queue, doing = task.request.queue, f"{task.name} would sleep on {task.request.queue.name}"
    if task.in_interrupt:
        say = f"{doing} inside an interrupt, which nobody can resume. Ask without WAIT there (GFP_ATOMIC)."
    elif task.spinlocks:
        say = (f"{doing} while it holds the spinlock {task.spinlocks[-1].name}: whoever wants the lock would spin "
               "for ever. Release it first, or use a Mutex.")
    elif atomic := _atomic_frame(task.call):
        say = f"{doing} inside {atomic}, which is marked @never_sleeps. Mark it @might_sleep, or do not sleep there."
    else:
        say = (f"{doing} without standing in that queue, so that no wake-up could reach it. Write: with "
               f"{queue.name}.queued(): look again, then await sleep({queue.name})")
    _throw(task, Refused(say))


def _throw(task, error):
    global current
    before, current = current, task
    try:
        task.call.throw(error)
    finally:
        current = before
    abandon(task)
    raise error     # the task caught it, and would go on as if nothing had been said


def _atomic_frame(call):
    """The name of the outermost @never_sleeps function that `call` is inside of, or None."""
    while call is not None and hasattr(call, "cr_await"):
        if call.cr_code in _atomic_code:
            return call.cr_code.co_qualname
        call = call.cr_await
    return None


def _expect_await(call):
    """Remember that `current` made this call; the next trap looks whether it was awaited."""
    if current is PROMPT:
        return
    if current.unawaited is not None:
        _forgotten_await(current)
    frame = sys._getframe(2)
    current.unawaited = (call, frame.f_code, frame.f_lineno)


def _forgotten_await(task, error=None):
    """Refuse a call that was made without `await`; say which line, and how it should read."""
    if task.unawaited is None:
        return
    (call, code, line), task.unawaited = task.unawaited, None
    if hasattr(call, "cr_code"):
        if call.cr_frame is None or call.cr_suspended or call.cr_running:
            return
        call.close()
        name = call.cr_code.co_name
    else:
        name = call.what
    source = linecache.getline(code.co_filename, line).strip()
    raise Refused(f"{task.name}, in {code.co_name}, line {line}: {name}(...) was called without `await`, so it never "
                  f"ran. {_should_read(source, name)}") from error


def _should_read(source, name):
    """`source` with the missing await put before the call of `name`."""
    at = source.find(name + "(")
    if at < 0:
        return "Inside a task, write `await` before it."
    while at and (source[at - 1].isalnum() or source[at - 1] in "_.])"):
        at -= 1
    return f"Write: {source[:at]}await {source[at:]}"


def _refuse_stray_await(coroutine, frame):
    """At the prompt no task runs; so who calls from inside a coroutine awaits where nothing is awaited."""
    if not frame.f_code.co_flags & 0x80:        # inspect.CO_COROUTINE, without importing inspect
        return
    coroutine.close()
    name = coroutine.cr_code.co_name
    source = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
    if frame.f_code.co_name == "<module>":
        say = f"At the prompt {name}(...) simply runs, and there is nothing to await."
        say += f" Write: {source.replace('await ', '', 1)}" if "await " in source else ""
    else:
        say = (f"{frame.f_code.co_name} is a task's function, but no machine runs it. Write: "
               f"machine.spawn({frame.f_code.co_name!r}, {frame.f_code.co_name}, ...); machine.run()")
    raise Refused(say)

