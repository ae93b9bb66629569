"""reserved: LaHaise's answer for drivers.  A request is promised all that it will need before it begins.

The problem: drivers stand on one another, and each takes memory in the middle of a request that holds
some already.  The idea: whoever begins a request has the ledger promise the sum, and waits *there*,
with empty hands; what the drivers below then take was promised, and comes at once.

So that requests come through when nothing at all is left, some of each kind is reserved for good when
a driver is set up.  A request that the ledger refuses claims what it needs of that, or waits for a
request before it to end.

What is always true (`check()`): no more is claimed than was reserved for good.

Stands beside: nothing that was ever merged; the ledger (memory/ledger.py) is the patch of the mail,
and this is how drivers would have had to use it.  Left out: a request that begins in another one's
name; each task begins its own.
"""

from kit import traps
from kit.drivers.supply_base import Supply
from kit.memory.mempool import OutOfMemory
from kit.traps import might_sleep, never_sleeps, step


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

    def would_grant(self, needs):
        """Whether `grant` would say yes; changes nothing and wakes nobody."""
        return self.ledger.would_grant(**_units(needs)) or self._could_claim(needs)

    def _claim(self, needs):
        if not self._could_claim(needs):
            return None
        for kind, count in needs.items():
            self.claimed[kind] += count
        return Claim(self, needs)

    def _could_claim(self, needs):
        return all(self.claimed[kind] + count <= self._reserved(kind) for kind, count in needs.items())

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

    explored = ("before", "reservation")

    def __init__(self, supply, needs):
        self.supply, self.needs = supply, needs
        self.before = self.reservation = None       # what the task took from until now, and what it takes from then on

    async def __aenter__(self):
        supply = self.supply
        self.before = supply.active.get(traps.current)
        while (reservation := supply.grant(self.needs)) is None:
            await supply.ledger.wait_for_change(lambda: supply.would_grant(self.needs))
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
