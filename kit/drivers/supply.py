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
from kit.memory.mempool import Mempool, OutOfMemory
from kit.traps import hold, let_go, might_sleep, never_sleeps, step, yield_cpu


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
    """`min_nr` of each kind are reserved with `ledger` for good; each request has all that it needs promised at once.

    A request is granted anew by the ledger while there is memory, else out of what is reserved for
    good, else it waits, holding nothing.  What is reserved and not taken holds clean page cache.

    A task has one active reservation at a time, as in LaHaise's patch, so that its drivers need not
    hand one another anything.
    """

    name = "reservations"
    explored = ("standing", "claimed", "active", "closed")

    def __init__(self, ledger):
        super().__init__()
        self.ledger = ledger
        self.standing = {}      # kind -> the Reservation of `min_nr` of it
        self.claimed = {}       # kind -> how many of these are claimed by requests under way
        self.active = {}        # task -> the Reservation or Claim that it takes from
        self.closed = []        # those of requests that have taken all they want, and have elements out

    def _source(self, name, backing, min_nr):
        if hasattr(backing, "take"):
            self._reserve_for_good(name, _kind(backing), min_nr)
        return self.part(backing)

    def _reserve_for_good(self, name, kind, min_nr):
        """Two drivers with elements of one kind have their sum reserved."""
        reservation = self.standing.setdefault(kind, self.ledger.try_reserve())
        self.claimed.setdefault(kind, 0)
        if not all(reservation.add(kind) for _ in range(min_nr)):
            raise OutOfMemory(f"{min_nr} elements of {name} cannot be reserved: {self.ledger.name} has not enough.")

    def part(self, backing):
        """Pages and slab objects come from the reservation; what is made of parts is made of such parts."""
        return FromReservation(self, backing) if hasattr(backing, "take") else backing

    def request(self, needs):
        """Sleeps until all of it is promised.  What was promised is given up when its last element has come back."""
        return Granted(self, {_kind(allocator): count for allocator, count in needs.items()})

    def grant(self, needs):
        """A Reservation or a Claim of all of `needs`, or None."""
        return self.ledger.try_reserve(**_units(needs)) or self._claim(needs)

    def _claim(self, needs):
        if any(self.claimed[kind] + count > self._reserved(kind) for kind, count in needs.items()):
            return None
        for kind, count in needs.items():
            self.claimed[kind] += count
        return Claim(self, needs)

    def _reserved(self, kind):
        """How much of it was reserved for good, taken or not."""
        reservation = self.standing[kind]
        return reservation.left.get(kind, 0) + len(reservation.out)

    def lend(self, cache):
        """Let clean pages of the cache stand in for what is reserved and not taken."""
        cache.lend_to(self.ledger)

    def release_if_done(self, reservation):
        """The request is under way, and nothing that it took is out any more."""
        if reservation in self.closed and not reservation.out:
            self.closed.remove(reservation)
            reservation.release()

    def shape(self):
        """What is promised and claimed, and who waits; to compare states."""
        return [list(self.ledger.promised.items()), list(self.claimed.values()), len(self.ledger.wait.tasks)]

    def check(self):
        """No more is claimed than was reserved for good."""
        super().check()
        for kind, claimed in self.claimed.items():
            assert claimed <= self._reserved(kind), f"{claimed} of {kind} are claimed, {self._reserved(kind)} reserved"


class Claim:
    """A part of what is reserved for good, for one request; to be used as a Reservation is."""

    explored = ("out",)

    def __init__(self, supply, needs):
        self.supply, self.needs = supply, needs
        self.out = []           # (element, kind), taken and not put back

    def take(self, kind=0):
        """A unit of that kind, at once."""
        element = self.supply.standing[kind].take(kind)
        self.out.append((element, kind))
        return element

    def put(self, element, kind):
        """Give it back."""
        self.out.remove((element, kind))
        self.supply.standing[kind].put(element)

    def release(self):
        """The request is over: others may claim it."""
        for kind, count in self.needs.items():
            self.supply.claimed[kind] -= count
        self.supply.ledger.changed()


class Granted:
    """A request that begins when all it needs is promised."""

    def __init__(self, supply, needs):
        self.supply, self.needs = supply, needs

    async def __aenter__(self):
        supply = self.supply
        self.before = supply.active.get(traps.current)
        while (reservation := supply.grant(self.needs)) is None:
            await supply.ledger.wait_for_change(lambda: False)
        self.reservation = supply.active[traps.current] = reservation

    async def __aexit__(self, *_):
        self.supply.active[traps.current] = self.before
        self.supply.closed.append(self.reservation)
        self.supply.release_if_done(self.reservation)


class FromReservation:
    """Elements of one kind, from the active reservation of whoever asks."""

    explored = ("taken",)

    def __init__(self, supply, backing):
        self.supply, self.backing, self.kind = supply, backing, _kind(backing)
        self.name = getattr(backing, "name", "page")
        self.taken = {}         # element -> the Reservation or Claim that it belongs to

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
        await step("back into the reservation")
        reservation = self.taken.pop(element)
        reservation.put(element, self.kind)
        self.supply.release_if_done(reservation)

    def check(self):
        """What is out is out of one reservation."""
        for element, reservation in self.taken.items():
            assert any(out == element for out, *_ in reservation.out), f"{element} is out, and its reservation is not"


def _kind(allocator):
    """What the ledger calls it: pages by their order, objects by their cache."""
    return 0 if hasattr(allocator, "zones") else allocator


def _units(needs):
    """{0: 16, bio_cache: 1} as the arguments of Ledger.reserve."""
    return {"pages": needs.get(0, 0), "objects": {kind: count for kind, count in needs.items() if kind != 0}}


# What the experiments compare, by name: each makes a supply for a page allocator.
SUPPLIES = {
    "plain": lambda pages: Plain(),
    "private": lambda pages: PrivatePool(),
    "mempool": lambda pages: Mempooled(ladder=mempool.MAIL),
    "mempool-2.5.1": lambda pages: Mempooled(ladder=mempool.LINUX_2_5_1),
    "reservation": lambda pages: Reserved(Ledger(pages)),
}
