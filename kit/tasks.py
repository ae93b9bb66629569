"""tasks: who can run, and what a task may ask for when it leaves its CPU.

A task is a coroutine, where it stands, and what it holds.  Where it stands is a trap: the request
that it left behind.  Nothing here acts: traps.py makes the requests and carries tasks from one to
the next, and a World (the prompt, a Machine, the explorer) says what becomes of them then.
"""

from collections import deque

from kit import trace

# == Who can run ===================================================================================


class Cpu:
    """A processor: its number and its own virtual clock, in nanoseconds."""

    def __init__(self, number, step_ns=0, lock_ns=0):
        self.number, self.clock = number, 0
        self.step_ns = step_ns          # what a step costs
        self.lock_ns = lock_ns          # what taking a spinlock and giving it back costs, uncontended


class World:
    """Whoever answers for a task: what `choose` decides, and what to do with one that was woken.

    This one answers for the prompt: the world takes the first, the ordinary, answer to everything.
    """

    tasks = ()
    schedule = deque(maxlen=0)      # the letters of the turns taken: here, of none
    horizon = -1                    # a task goes on from step to step unasked until its clock has reached this

    def choose(self, question, options):
        """The answer to `question`, one of `options`."""
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
        self.letter = ""                    # what a schedule calls it
        self.in_interrupt = in_interrupt    # an interrupt, like whoever holds a spinlock, must not sleep
        self.flags = 0                      # gfp.PF_MEMALLOC
        self.spinlocks = []                 # held across a step, innermost last
        self.queue = None                   # the wait queue whose `queued()` block it is inside of
        self.holds = []                     # what it has taken and not given back, for the deadlock report
        self.request = None                 # the trap it stands in; None while it runs, and before and after
        self.unawaited = None               # a call that it may not have awaited: a Step, or (call, code, offset)
        self.since = 0                      # when it went to sleep, by its CPU's clock
        self.timed_out = False              # its last sleep ended by time-out; the machine's to say
        self.finished, self.result = False, None

    def __repr__(self):
        return self.name

    @property
    def asleep(self):
        """Asleep means: it asked to sleep, and it still stands in the queue."""
        return type(self.request) is Sleep and self in self.request.queue.tasks


def task_note(task, what, label="", **detail):
    """Remark on the trail in the name of `task`; call it as `if trace.watchers: ...`."""
    trace.remark(task.cpu.clock, task.cpu.number, task.name, what, label, detail)


# == What a task may ask for =======================================================================


class Trap:
    """A request that a task leaves behind as it goes off its CPU."""

    __slots__ = ("label",)

    def __await__(self):
        return (yield self)     # the only `yield` of the kit: everybody who leaves a CPU leaves here

    def __repr__(self):
        return f"{self.what} {self.label}"


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


class Spin(Trap):
    """Busy, on its CPU, until `lock` is free."""

    __slots__ = ("lock",)
    what = "spin"

    def __init__(self, label, lock):
        self.label, self.lock = label, lock
