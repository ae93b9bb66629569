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
"""

from kit import traps
from kit.gfp import WAIT
from kit.memory import mempool
from kit.memory.ledger import Ledger
from kit.memory.mempool import Mempool
from kit.traps import hold, let_go, might_sleep, never_sleeps, yield_cpu


class Supply:
    """What the three without a ledger share: a request has nothing to ask."""

    def __init__(self):
        self.sources = []       # for check() and for the tables of who waited where

    def of(self, name, backing, min_nr):
        """A source of elements of one kind, from `backing`, of which `min_nr` are kept back where that is the way."""
        source = self._source(name, backing, min_nr)
        self.sources.append(source)
        return source

    def part(self, backing):
        """A source for a part of a composite element, which is kept back as a whole or not at all."""
        return backing

    def request(self, needs):
        """`async with` this while a task takes what one request needs: {allocator: how many}."""
        return NothingToAsk()

    def lend(self, cache):
        """What the page cache has to do for this supply: nothing, but where clean pages stand in for reserves."""

    def shape(self):
        """How many elements are kept back, and how many tasks wait; to compare states."""
        return [(len(source.elements), len(source.wait.tasks)) for source in self._pools()]

    def pages_kept(self, pages):
        """How many pages of `pages` lie idle in pools, slabs not counted."""
        return sum(len(pool.elements) for pool in self._pools() if pool.backing is pages)

    def _pools(self):
        return [source for source in self.sources if isinstance(source, Mempool)]

    def check(self):
        """Every source that keeps elements is sound."""
        for source in self.sources:
            source.check()


class NothingToAsk:
    """A request that may begin at once."""

    async def __aenter__(self):
        pass

    async def __aexit__(self, *_):
        pass


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
        let_go(element, of=self)
        await self.backing.free(element)

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


# == Reservations ==================================================================================


class Reserved(Supply):
    """Nothing is kept back; each request has what it needs promised by `ledger`, all at once.

    A task has one active reservation at a time, as in LaHaise's patch, so that its drivers need not
    hand one another anything.
    """

    name = "reservations"
    explored = ("active",)

    def __init__(self, ledger):
        super().__init__()
        self.ledger = ledger
        self.active = {}        # by task
        self.closed = []        # reservations of requests under way, whose elements are not all back

    def _source(self, name, backing, min_nr):
        return self.part(backing)

    def part(self, backing):
        """Pages and slab objects come from the reservation; what is made of parts is made of such parts."""
        return FromReservation(self, backing) if hasattr(backing, "take") else backing

    def request(self, needs):
        """Sleeps until the ledger says yes.  What was reserved is given up when its last element has come back."""
        return Granted(self, needs)

    def lend(self, cache):
        """Let clean pages of the cache stand in for what is reserved and not taken."""
        cache.lend_to(self.ledger)

    def shape(self):
        """What is promised, and who waits."""
        return [sorted(self.ledger.promised.items()), len(self.ledger.wait.tasks), len(self.closed)]

    def release_if_done(self, reservation):
        """The request is under way, and nothing that it took is out any more."""
        if reservation in self.closed and not reservation.out:
            self.closed.remove(reservation)
            reservation.release()


class Granted:
    """A request that begins when all it needs is promised."""

    def __init__(self, supply, needs):
        self.supply, self.needs = supply, needs

    async def __aenter__(self):
        active = self.supply.active
        self.before = active.get(traps.current)
        self.reservation = await self.supply.ledger.reserve(**_in_the_ledgers_words(self.needs))
        active[traps.current] = self.reservation

    async def __aexit__(self, *_):
        self.supply.active[traps.current] = self.before
        self.supply.closed.append(self.reservation)
        self.supply.release_if_done(self.reservation)


class FromReservation:
    """Elements of one kind, from the active reservation of whoever asks."""

    explored = ("taken",)

    def __init__(self, supply, backing):
        self.supply, self.backing, self.name = supply, backing, getattr(backing, "name", "page")
        self.kind = 0 if hasattr(backing, "zones") else backing
        self.taken = {}         # element -> the reservation that it belongs to

    @might_sleep
    async def alloc(self, gfp):
        """An element, at once: that is what the reservation is for."""
        return self._take()

    @never_sleeps
    async def try_alloc(self, gfp):
        """The same."""
        return self._take()

    def _take(self):
        reservation = self.supply.active[traps.current]
        element = reservation.take(self.kind)
        self.taken[element] = reservation
        return element

    @never_sleeps
    async def free(self, element):
        """Back into its reservation, whoever gives it back."""
        reservation = self.taken.pop(element)
        reservation.put(element)
        self.supply.release_if_done(reservation)

    def check(self):
        """What is out is out of one reservation."""
        for element, reservation in self.taken.items():
            assert any(out == element for out, *_ in reservation.out), f"{element} is out, and its reservation is not"


def _in_the_ledgers_words(needs):
    """{pages: 16, bio_cache: 1} as the arguments of Ledger.reserve."""
    pages = sum(count for allocator, count in needs.items() if hasattr(allocator, "zones"))
    return {"pages": pages, "objects": {cache: count for cache, count in needs.items() if not hasattr(cache, "zones")}}


# What the experiments compare, by name: each makes a supply for a page allocator.
SUPPLIES = {
    "plain": lambda pages: Plain(),
    "private": lambda pages: PrivatePool(),
    "mempool": lambda pages: Mempooled(ladder=mempool.MAIL),
    "mempool-2.5.1": lambda pages: Mempooled(ladder=mempool.LINUX_2_5_1),
    "reservation": lambda pages: Reserved(Ledger(pages)),
}
