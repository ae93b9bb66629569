"""locks: who must keep out, who must wait, and where those who sleep are found again.

    with spinlock:          inside a `def`: held for that one instant, so nobody ever meets it taken.
                            Its cost, and the waiting that several CPUs cause each other, are counted.
    async with spinlock:    held across steps: taking it is a step of its own, others spin meanwhile,
                            interrupts are off on this CPU (spin_lock_irqsave), and nobody may sleep.
    async with mutex:       held across sleeps; whoever comes second sleeps.
    with queue.queued():    stand in a wait queue; only then look once more and sleep.

One lock is used in one of the first two ways, never in both.
What is left out: read-write locks, fairness of spinlocks (2.5.1 had none), weak memory.
"""

from kit import trace, traps
from kit.errors import Refused
from kit.tasks import Spin
from kit.traps import hold, let_go, might_sleep, note, sleep, step


class Spinlock:
    """A lock whose waiters stay busy.  `acquisitions`, `contended` and `waited_ns` count its use."""

    explored = ("owner",)

    def __init__(self, name):
        self.name, self.owner = name, None
        self.acquisitions = self.contended = self.waited_ns = 0
        self.free_at = 0        # by the holder's clock: CPUs that come earlier have to wait until then

    def __repr__(self):
        return self.name

    def instant(self):
        """Taken and given back within one instant: on a CPU whose clock lags behind, its cost is the waiting.

        `with lock:` in a `def` is this, written so that one sees how far it reaches; where a page or an
        object is handed out that is said with one call, since nobody can meet the lock taken anyway.
        """
        if self.owner is not None:
            raise Refused(f"{traps.current} takes {self.name} in an instant, but {self.owner} holds it across a step. "
                          f"Use `async with {self.name}` in both places.")
        self.acquisitions += 1
        cpu = traps.current.cpu
        if cpu.lock_ns:
            if cpu.clock < self.free_at:
                self._wait_until_free(cpu)
            cpu.clock += cpu.lock_ns
            self.free_at = cpu.clock

    __enter__ = instant

    def __exit__(self, *_):
        pass

    async def __aenter__(self):
        task, trap = traps.current, Spin(self.name, self)
        if self.owner is None:
            task.unawaited = trap       # no more than a step, then: the task may go on unasked
        await trap              # answered only when the lock is free, and then nobody comes in between
        cpu, self.owner = task.cpu, task
        self.acquisitions += 1
        if cpu.clock < self.free_at:
            self._wait_until_free(cpu)
        cpu.clock += cpu.lock_ns
        task.spinlocks.append(self)
        return self

    async def __aexit__(self, *_):
        task, self.owner = self.owner, None
        self.free_at = task.cpu.clock
        task.spinlocks.remove(self)
        task.world.released(self)

    def _wait_until_free(self, cpu):
        self.contended += 1
        self.waited_ns += self.free_at - cpu.clock
        cpu.clock = self.free_at


class WaitQueue:
    """Tasks that sleep until something comes true, first come first woken.

    why: one sentence, for whoever sleeps here for ever, on who could have woken them.
    of: what they wait for a piece of (a pool, a mutex), so that a report can name its holders.
    """

    explored = ("tasks",)

    def __init__(self, name, why="", of=None):
        self.name, self.why, self.of, self.tasks = name, why, of, []

    def __repr__(self):
        return self.name

    def queued(self):
        """`with queue.queued():` stand in the queue while the block runs: no wake-up can be missed any more."""
        return self

    def __enter__(self):
        traps.current.queue = self
        self.tasks.append(traps.current)

    def __exit__(self, *_):
        traps.current.queue = None
        if traps.current in self.tasks:
            self.tasks.remove(traps.current)

    def wake_one(self):
        """Wake whoever has stood here longest; one who has not gone to sleep yet will not.  Never sleeps."""
        if self.tasks:
            self._wake(self.tasks[0])

    def wake_all(self):
        """Wake everybody who stands here.  Never sleeps."""
        for task in list(self.tasks):
            self._wake(task)

    def _wake(self, task):
        was_asleep = task.asleep
        self.tasks.remove(task)
        if trace.watchers:
            note("wake", self.name, wakes=task.name)
        if was_asleep:
            task.world.woken(task)


class Mutex:
    """A lock whose waiters sleep, first come first served; not for interrupts, not under a spinlock."""

    explored = ("owner",)

    def __init__(self, name):
        self.name, self.owner = name, None
        self.wait = WaitQueue(f"{name}.wait", f"Only the holder of {name} can wake it.", of=self)

    def __repr__(self):
        return self.name

    async def __aenter__(self):
        await self.acquire()
        return self

    async def __aexit__(self, *_):
        self.release()

    @might_sleep
    async def acquire(self):
        """Sleeps while somebody else holds it.  Taking it twice is refused: it would sleep for ever."""
        task = traps.current
        if self.owner is task:
            raise Refused(f"{task} holds {self.name} already, and would wait for itself.")
        await step(f"lock {self.name}")
        while self.owner is not None:
            with self.wait.queued():
                await sleep(self.wait)
        self.owner = task
        hold(self, of=self)

    def release(self):
        """Never sleeps; wakes the longest waiter."""
        if self.owner is not traps.current:
            raise Refused(f"{traps.current} releases {self.name}, which {self.owner or 'nobody'} holds.")
        let_go(self, of=self)
        self.owner = None
        self.wait.wake_one()


