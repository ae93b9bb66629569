"""supply: where a driver gets its elements from.  One argument changes it for all drivers at once.

    Plain()             the allocator beneath, asked again and again until it gives
    PrivatePool()       its own elements first, then the allocator, then wait: fs/bio.c before mempool
    Mempooled()         a mempool for each kind of element (Molnar)
    Reserved(ledger)    all that a request will need, promised before it begins (LaHaise)

A driver says once, when it is set up, which kinds of element it needs:

    self.r1bios = supply.of("r1bio", kmalloc.cache(152), min_nr=256)

and from then on r1bios.alloc(gfp) and r1bios.free(element), as with any allocator.  Whoever begins a
request says what all drivers below together will take for it:

    async with supply.request(needs): ...

which costs nothing in the first three, and is the moment of truth in the fourth: there the task
waits before it holds anything, and never after.

The promise of each: with WAIT in `gfp`, alloc never gives None.  Plain may go round for ever
instead, the two pools may sleep for ever, and a reservation may never be granted: where, is what
the experiments measure.

Stands beside: bio_alloc() of fs/bio.c in 2.5.1-pre2 to pre9 (PrivatePool), mm/mempool.c.  Sources
are made at the prompt, before the machine runs, as drivers are set up before there is pressure.
supply_base.py has what all four share, reserved.py the fourth.
"""

from kit.drivers.reserved import Reserved
from kit.drivers.supply_base import Supply
from kit.gfp import WAIT
from kit.locks import WaitQueue
from kit.memory import mempool
from kit.memory.ledger import Ledger
from kit.memory.mempool import Mempool
from kit.traps import hold, let_go, might_sleep, never_sleeps, yield_cpu

# == Plain allocation ==============================================================================


class Plain(Supply):
    """Nothing is kept back."""

    name = "plain allocation"

    def _source(self, name, backing, min_nr):
        return Again(name, backing)


class Again:
    """An allocator whose no is not taken for an answer: what drivers did that must not fail and had no pool."""

    explored = ("backing",)

    def __init__(self, name, backing):
        self.name, self.backing = name, backing
        self.refused = 0

    def __repr__(self):
        return self.name

    @might_sleep
    async def alloc(self, gfp):
        """An element; with WAIT it goes round until there is one.  Without WAIT, None if there is none."""
        while (element := await self.backing.alloc(gfp)) is None:
            self.refused += 1
            if not gfp & WAIT:
                return None
            await yield_cpu(f"ask for a {self.name} again")
        hold(element, of=self)
        return element

    @never_sleeps
    async def try_alloc(self, gfp):
        """An element, or None."""
        element = await self.backing.try_alloc(gfp)
        if element is not None:
            hold(element, of=self)
        return element

    @never_sleeps
    async def free(self, element):
        """Back to the allocator beneath."""
        await self.backing.free(element)
        let_go(element, of=self)

    def check(self):
        """Nothing is kept here."""


# == Pools =========================================================================================


class Mempooled(Supply):
    """A mempool for each kind.  policy: what Mempool.create takes (ladder, wake, timeout, kick ...)."""

    name = "mempools"

    def __init__(self, **policy):
        super().__init__()
        self.policy = policy

    def _source(self, name, backing, min_nr):
        return Mempool.create(min_nr, backing, name=name, **self.policy)


class PrivatePool(Mempooled):
    """The order that bio.c had before mempool: the pool, the slab, then wait for a free.

    only: the names of the kinds that have a pool; all, unless told.  (In bio.c it was {"bio"}: its
    vectors had no reserve.)
    """

    name = "private pools"

    def __init__(self, only=None, **policy):
        super().__init__(ladder=(mempool.drain, mempool.insist, mempool.queue), **policy)
        self.only = only

    def _source(self, name, backing, min_nr):
        if self.only is not None and name not in self.only:
            return Again(name, backing)
        return super()._source(name, backing, min_nr)


# What the experiments compare, by name: each makes a supply for a page allocator.  The mail does not say
# whether one or all are woken; "mempool" is Molnar's best case, and wakes all, as Linux has since October
# 2002.  Waking one, as 2.5.1 did, loses wake-ups: a pool can be full, and tasks asleep on it.  That 2.5.1
# also kicks the flusher before each look into the pool hides this where the flusher has enough to write.
SUPPLIES = {
    "plain": lambda pages: Plain(),
    "private": lambda pages: PrivatePool(),
    "mempool": lambda pages: Mempooled(ladder=mempool.MAIL, wake=WaitQueue.wake_all),
    "mempool-2.5.1": lambda pages: Mempooled(ladder=mempool.LINUX_2_5_1, kick=lambda: pages.wake_flusher()),
    "reservation": lambda pages: Reserved(Ledger(pages)),
}
