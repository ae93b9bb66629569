"""reserved: LaHaise's answer for drivers.  A request is promised all that it will need before it begins.

The problem: drivers stand on one another, and each takes memory in the middle of a request that holds
some already.  The idea: whoever begins a request has the ledger promise the sum, and waits *there*,
with empty hands; what the drivers below then take was promised, and comes at once.

So that requests come through when nothing at all is left, some of each kind is reserved for good when
a driver is set up.  What the ledger cannot promise anew is borrowed from there; if that does not do
either, the request waits for others to end.  All or nothing: who waits has borrowed nothing.

What is always true (`check()`): what was reserved for good is there, or borrowed.

Stands beside: nothing that was ever merged; the ledger (memory/ledger.py) is this kit's, built from the
mail, and this is how drivers would have to use it.  Left out: a request that begins in another one's
name; each task begins its own.
"""

from collections import Counter

from kit import traps
from kit.drivers.supply_base import Supply
from kit.memory.mempool import OutOfMemory
from kit.traps import might_sleep, never_sleeps, step


class Reserved(Supply):
    """`min_nr` of each kind are reserved with `ledger` for good; each request has all that it needs promised at once.

    A request is granted each unit anew by the ledger while there is memory, else out of what is reserved
    for good, else it waits, holding nothing.  What is reserved and not taken holds clean page cache.

    A task has one active promise at a time, as in LaHaise's patch, so that its drivers need not hand one
    another anything.
    """

    name = "reservations"
    explored = ("standing", "lent", "active")

    def __init__(self, ledger):
        super().__init__()
        self.ledger = ledger
        self.standing = ledger.try_reserve()    # what is reserved for good: that part of it that nobody has borrowed
        self.min_nr, self.lent = Counter(), Counter()   # kind -> how many were reserved for good, and are borrowed
        self.active = {}        # task -> the Promise that it takes from

    def _source(self, name, backing, min_nr):
        if hasattr(backing, "take"):
            self._reserve_for_good(name, _kind(backing), min_nr)
        return self.part(backing)

    def _reserve_for_good(self, name, kind, min_nr):
        """Two drivers with elements of one kind have their sum reserved."""
        self.min_nr[kind] += min_nr
        if not all(self.standing.add(kind) for _ in range(min_nr)):
            raise OutOfMemory(f"{min_nr} elements of {name} cannot be reserved: {self.ledger.name} has not enough.")

    def part(self, backing):
        """Pages and slab objects come from the reservation; what is made of parts is made of such parts."""
        return FromReservation(self, backing) if hasattr(backing, "take") else backing

    def keep_back(self, needs, requests):
        """Reserve for good what so many requests with such needs take."""
        for allocator, count in needs.items():
            self._reserve_for_good(getattr(allocator, 'name', 'page'), _kind(allocator), count * requests)

    def request(self, needs):
        """Sleeps until all of it is promised.  What is not taken is given up when the task has what it wants."""
        return Request(self, {_kind(allocator): count for allocator, count in needs.items()})

    def grant(self, needs):
        """A Promise of all of `needs`, {kind: count}, or None; wakes nobody."""
        promise = Promise(self)
        if all(promise.add(kind) for kind, count in needs.items() for _ in range(count)):
            return promise
        promise.undo()
        return None

    def would_grant(self, needs):
        """Whether `grant` would say yes; promises nothing and wakes nobody."""
        promise = self.grant(needs)
        if promise is not None:
            promise.undo()
        return promise is not None

    def lend(self, cache):
        """Let clean pages of the cache stand in for what is reserved and not taken."""
        cache.lend_to(self.ledger)

    def shape(self):
        """What is promised, what is not borrowed, and who waits; to compare states."""
        return [list(self.ledger.promised.items()), list(self.standing.left.values()), len(self.ledger.wait.tasks)]

    def check(self):
        """What was reserved for good is there, or borrowed."""
        super().check()
        for kind, min_nr in self.min_nr.items():
            left, lent = self.standing.left.get(kind, 0), self.lent[kind]
            assert left + lent == min_nr, f"of {min_nr} of {kind} reserved for good {left} are left, {lent} borrowed"


class Promise:
    """What one request was promised, anew or borrowed from what is reserved for good.  Every call is one instant."""

    explored = ("reservation", "borrowed", "over")

    def __init__(self, supply):
        self.supply, self.reservation, self.borrowed = supply, supply.ledger.try_reserve(), Counter()
        self.over = False       # the request has taken all that it wants

    def add(self, kind):
        """One unit more; says whether it could be promised."""
        if self.reservation.add(kind):
            return True
        if not self.supply.standing.hand_over(kind, to=self.reservation):
            return False
        self.borrowed[kind] += 1
        self.supply.lent[kind] += 1
        return True

    def undo(self):
        """What is left goes back where it came from, the borrowed first; wakes nobody."""
        for kind in self.borrowed:
            while self.borrowed[kind] and self.reservation.hand_over(kind, to=self.supply.standing):
                self.borrowed[kind] -= 1
                self.supply.lent[kind] -= 1
        self.reservation.undo()

    def give_up_rest(self):
        """The request is over, as far as taking goes: others may have what is left, and what still comes back."""
        self.over = True
        self.undo()
        self.supply.ledger.changed()

    def put(self, element, kind):
        """Take back an element of the reservation."""
        self.reservation.put(element, kind)
        if self.over:
            self.give_up_rest()


class Request:
    """`async with` this: the task sleeps until all that it needs is promised, and then takes from that."""

    explored = ("before", "promise")

    def __init__(self, supply, needs):
        self.supply, self.needs = supply, needs
        self.before = self.promise = None       # what the task took from until now, and what it takes from then on

    async def __aenter__(self):
        supply = self.supply
        self.before = supply.active.get(traps.current)
        while (promise := supply.grant(self.needs)) is None:
            await supply.ledger.wait_for_change(lambda: supply.would_grant(self.needs))
        self.promise = supply.active[traps.current] = promise

    async def __aexit__(self, *_):
        self.supply.active[traps.current] = self.before
        self.promise.give_up_rest()


class FromReservation:
    """Elements of one kind, from the active reservation of whoever asks."""

    explored = ("taken",)

    def __init__(self, supply, backing):
        self.supply, self.backing, self.kind = supply, backing, _kind(backing)
        self.name = getattr(backing, "name", "page")
        self.taken = {}         # element -> the Promise that it was taken from

    @might_sleep
    async def alloc(self, gfp):
        """An element, at once: that is what the reservation is for."""
        return self._take()

    @never_sleeps
    async def try_alloc(self, gfp):
        """The same."""
        return self._take()

    def _take(self):
        promise = self.supply.active[traps.current]
        element = promise.reservation.take(self.kind)
        self.taken[element] = promise
        return element

    @never_sleeps
    async def free(self, element):
        """Back where it was promised, whoever gives it back."""
        await step("back into the reservation")
        self.taken.pop(element).put(element, self.kind)

    def check(self):
        """What is out is out of one reservation."""
        for element, promise in self.taken.items():
            out = promise.reservation.out
            assert any(taken == element for taken, *_ in out), f"{element} is out, and its reservation is not"


def _kind(allocator):
    """What the ledger calls it: pages by their order, objects by their cache."""
    return 0 if hasattr(allocator, "zones") else allocator
