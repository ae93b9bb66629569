"""CPUs and arrivals: where a task runs, and what comes from outside.

A CPU has a stack: the task that runs, and on top of it the interrupts that came in meanwhile, each
of which runs to its end before the one below goes on.  Beside it wait the tasks that could run.
"""

from kit.tasks import Cpu, Spin


class Processor(Cpu):
    """A CPU of the machine: what runs on it, and what waits for it."""

    explored = ("stack", "ready")

    def __init__(self, number, step_ns, lock_ns):
        super().__init__(number, step_ns, lock_ns)
        self.stack = []         # the task that runs, under the interrupts that came in on top of it
        self.ready = []         # tasks that could run here, longest waiting first
        self.on_heap = False    # the machine's: whether it will find this CPU among those that have work

    def candidates(self):
        """Who may run next here: whoever is on the CPU; if nobody is, any that is ready."""
        if not self.stack:
            return self.ready
        top = self.stack[-1]
        return [] if type(top.request) is Spin and is_kept_out(top.request) else [top]

    def next_task(self):
        """Who does run next when time decides: the first of candidates(), or None."""
        if self.stack:
            top = self.stack[-1]
            return None if type(top.request) is Spin and is_kept_out(top.request) else top
        return self.ready[0] if self.ready else None

    @property
    def interrupts_off(self):
        """Interrupts are off while the task on top holds a spinlock across a step; none comes above it."""
        return bool(self.stack) and bool(self.stack[-1].spinlocks)


class Arrival:
    """Something that comes from outside, due at `time`: an interrupt, a time-out, a timer.

    number: in which order they were asked for, which decides between two of the same time.
    masks: for an interrupt; until its handler has ended, its device stays quiet.
    """

    def __init__(self, time, number, letter, name, cpu, action, masks=False):
        self.time, self.number, self.letter, self.name = time, number, letter, name
        self.cpu, self.action, self.masks = cpu, action, masks

    def __lt__(self, other):
        return (self.time, self.number) < (other.time, other.number)

    def __repr__(self):
        return self.name


def is_kept_out(spin):
    """Whether somebody holds the lock: then the task that spins on it is busy and gets nowhere."""
    return spin.lock.owner is not None
