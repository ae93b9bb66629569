"""mempool: elements kept back, so that in process context an allocation never fails.

The problem.  To free memory the kernel writes pages out, and to write a page it must allocate: a
bio, a bounce page, a request.  If that allocation can fail, or waits for memory to be freed, the
machine hangs in the middle of helping itself.

The idea.  Keep `min_nr` elements back.  Whoever needs one climbs a ladder, Ingo Molnar's five
levels (linux-kernel, 15 Dec 2001), in this order:

    ASK       ask the underlying allocator atomically               never sleeps
    SKIM      take from the pool if it is at least half full        never sleeps
    INSIST    ask the underlying allocator, allowed to sleep        may sleep
    DRAIN     take from the pool if it is not empty                 never sleeps
    QUEUE     wait until an element is freed, then start again      may sleep

The promise.  A caller that may sleep gets an element, if everybody who holds one gives it back
without waiting for another.  That "if" is the whole price: tasks that take several elements one
after the other from one pool can hang once tasks * (each - 1) >= elements, whoever wrote the pool.
And what INSIST promises is only what the allocator beneath does.  One that answers in bounded time,
yes or no, does no harm; in one that sleeps until this pool's own elements are freed a task can sleep for
ever beside a full pool, since those go to the pool first.  Which ladders do so is in museum/levels.py.

Always true: the pool never holds more than `min_nr` elements; a freed element goes to the pool
first, and only what the pool does not want goes back to the allocator.

The ladder is data: a tuple of rungs.  Take one out, put them in another order, write your own.
Beside it: mm/mempool.c of Linux 2.5.1, whose ladder differs from the mail's (LINUX_2_5_1 below) and
whose five levels were gone by 2.6.12.  Left out: memory barriers, which sequentially consistent
steps do not need.
"""

from kit import trace
from kit.errors import BadInput, KitError
from kit.gfp import GFP_KERNEL, IO, WAIT
from kit.locks import Spinlock, WaitQueue
from kit.memory.poison import Poison
from kit.traps import hold, let_go, might_sleep, never_sleeps, note, sleep, sleeps, step


class OutOfMemory(KitError):
    """A pool could not be created whole."""


# == The ladder ====================================================================================


class Rung:
    """One level of the ladder: `await rung(pool, gfp)` gives an element, or None: climb on.

    Whether it may sleep is read off the function, and callers without WAIT step over those that may.
    """

    def __init__(self, function):
        self.function, self.name = function, function.__name__.upper()
        self.sleeps, self.__doc__ = sleeps(function), function.__doc__

    def __call__(self, pool, gfp):
        return self.function(pool, gfp)

    def __repr__(self):
        return self.name


@Rung
@never_sleeps
async def ask(pool, gfp):
    """Ask the underlying allocator atomically: the normal case ends here, and no lock of ours is touched."""
    return await pool.backing.try_alloc(gfp & ~(WAIT | IO))


@Rung
@never_sleeps
async def skim(pool, gfp):
    """Take from the pool if it is at least half full: rather than sleep, use what can be spared."""
    return pool.take(at_least=(pool.min_nr + 1) // 2)


@Rung
@might_sleep
async def insist(pool, gfp):
    """Ask the underlying allocator again, allowed to sleep: the lower half of the pool is for worse times."""
    return await pool.backing.alloc(gfp)


@Rung
@never_sleeps
async def drain(pool, gfp):
    """Take from the pool if it is not empty: nobody else has any, and this is what it was kept for."""
    return pool.take()


@Rung
@might_sleep
async def queue(pool, gfp):
    """Wait until an element is freed, then start again."""
    pool.unplug()
    with pool.wait.queued():
        await step("look again")
        if not pool.elements:       # whoever freed before we stood here woke nobody
            await sleep(pool.wait, pool.timeout)


@Rung
@might_sleep
async def insist_below_half(pool, gfp):
    """As INSIST, but only once half of the pool is out: 2.5.1's way to say SKIM, off by one.

    The C skips the blocking call while curr_nr > min_nr / 2, so an even pool that is exactly half
    full goes to the blocking allocator, where the mail would take from the pool.
    """
    if len(pool.elements) <= pool.min_nr // 2:
        return await pool.backing.alloc(gfp)


MAIL = (ask, skim, insist, drain, queue)
LINUX_2_5_1 = (ask, insist_below_half, drain, queue)


# == The pool ======================================================================================


class Mempool:
    """A reserve of `min_nr` elements in front of an allocator.  Make one with `Mempool.create`.

    backing: the underlying allocator: anything with try_alloc(gfp), alloc(gfp) and free(element).
    ladder: the rungs, in order.  again: those of the second and later climbs, where they differ (2005).
    wake: WaitQueue.wake_one (2.5.1) or WaitQueue.wake_all (since October 2002).
    timeout: nanoseconds that QUEUE sleeps at most; None, until woken (5 s since 2.6.18).
    kick: called before every look into the pool (2.5.1 wakes the flusher there).
    unplug: called before QUEUE waits (2.5.1 runs the disk's task queue there).
    poison: watch for double free, use after free and foreign elements, and say so.

    `served` counts allocations by the rung that served them.
    """

    explored = ("min_nr", "elements", "lock", "wait", "backing")

    def __init__(self, min_nr, backing, ladder=MAIL, again=None, wake=WaitQueue.wake_one, timeout=None,
                 kick=None, unplug=None, poison=False, name="pool"):
        if min_nr < 0:
            raise BadInput(f"{name}: a pool keeps 0 or more elements back, not {min_nr}.")
        self.min_nr, self.backing, self.name = min_nr, backing, name
        self.ladder, self.again = tuple(ladder), tuple(ladder if again is None else again)
        self.wake, self.timeout = wake, timeout
        self.kick, self.unplug = kick or _nothing, unplug or _nothing
        self.poison = Poison(self) if poison else None
        self.elements = []
        self.lock = Spinlock(f"{name}.lock")
        self.wait = WaitQueue(f"{name}.wait", f"Only a free of an element of {name} wakes it.", of=self)
        self.served = {rung.name: 0 for rung in self.ladder + self.again}

    def __repr__(self):
        return self.name

    @classmethod
    @might_sleep
    async def create(cls, min_nr, backing, **policy):
        """A pool with all its elements.  Fails whole: OutOfMemory, and what it had got is given back.

        Sleeps as the allocator beneath does when asked with GFP_KERNEL (mempool_create(), 2.5.1).
        """
        pool = cls(min_nr, backing, **policy)
        while len(pool.elements) < min_nr:
            element = await backing.alloc(GFP_KERNEL)
            if element is None:
                got = len(pool.elements)
                await pool._give_back_surplus(0)
                raise OutOfMemory(f"{pool.name} wanted {min_nr} elements, and the allocator beneath gave {got}; "
                                  "they were given back.")
            pool._put(element)
        return pool

    @might_sleep
    async def alloc(self, gfp=GFP_KERNEL):
        """An element.  With WAIT in `gfp` it never fails, but may sleep, in the rungs that may.

        Without WAIT it never sleeps, and gives None when the rungs that are left had nothing.
        Source: mempool_alloc(), mm/mempool.c; the order is the mail's.
        """
        ladder = self.ladder
        while True:
            for rung in ladder:
                if rung.sleeps and not gfp & WAIT:
                    continue
                await step(rung)
                element = await rung(self, gfp)
                if element is not None:
                    return self._hand_out(element, rung)
            if not gfp & WAIT:
                return None
            ladder = self.again

    @never_sleeps
    async def try_alloc(self, gfp=GFP_KERNEL):
        """An element without sleeping, or None: what another pool asks of this one as its backing."""
        return await self.alloc(gfp & ~WAIT)

    @never_sleeps
    async def free(self, element):
        """Take an element back: to the pool if one is missing there, else to the allocator beneath.

        Never sleeps, so interrupts may call it.  Whoever waits is woken only by an element that
        went to the pool.  Source: mempool_free(), mm/mempool.c.
        """
        if self.poison:
            self.poison.comes_back(element)
        await step("free")
        if len(self.elements) < self.min_nr:    # read without the lock: while the pool is full, free touches none
            await step("refill")
            if self._put(element):
                let_go(element, of=self)
                await step("wake")
                self.wake(self.wait)
                return
        await self.backing.free(element)
        let_go(element, of=self)

    @might_sleep
    async def resize(self, min_nr, gfp=GFP_KERNEL):
        """Keep `min_nr` elements back from now on; returns how many of them are missing still.

        Shrinking gives the surplus back.  Growing asks the allocator beneath for the difference,
        and where that gives none, later frees will fill the gap.  Sleeps as the allocator does.
        Source: mempool_resize(), mm/mempool.c of 2.5.1.
        """
        if min_nr < 0:
            raise BadInput(f"{self.name}: a pool keeps 0 or more elements back, not {min_nr}.")
        self.min_nr = min_nr
        await self._give_back_surplus(min_nr)
        for _ in range(min_nr - len(self.elements)):
            element = await self.backing.alloc(gfp)
            if element is None:
                break
            if self.poison:
                self.poison.goes_out(element)
            await self.free(element)
        return max(0, min_nr - len(self.elements))

    # -- What the rungs stand on, each one instant -----------------------------------------------------

    def take(self, at_least=1):
        """The element freed last, if at least that many are there; else None.  One instant."""
        self.kick()
        with self.lock:
            if len(self.elements) < max(at_least, 1):
                return None
            element = self.elements.pop()
        if self.poison:
            self.poison.leaves(element)
        return element

    def _put(self, element):
        """Keep `element` back, unless the pool is full: between the look and the lock another free may have come."""
        with self.lock:
            if len(self.elements) >= self.min_nr:
                return False
            self.elements.append(element)
        if self.poison:
            self.poison.enters(element)
        return True

    def _hand_out(self, element, rung):
        self.served[rung.name] += 1
        hold(element, of=self)
        if self.poison:
            self.poison.goes_out(element)
        if trace.watchers:
            note("served", rung, element=element)
        return element

    async def _give_back_surplus(self, keep):
        while len(self.elements) > keep:
            await self.backing.free(self.take())

    def check(self):
        """What is always true between two steps, read as a sentence."""
        assert 0 <= len(self.elements) <= self.min_nr, f"{self.name} holds {len(self.elements)} of {self.min_nr}"
        assert None not in self.elements, f"{self.name} holds nothing as if it were an element"
        if self.poison:
            self.poison.check()


def _nothing():
    """What a pool kicks when nobody told it whom to kick."""
