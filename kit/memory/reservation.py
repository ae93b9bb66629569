"""reservation: what a caller holds in hand once the ledger has said yes.

    reservation = await ledger.reserve(pages=16, objects={bios: 1})     # may sleep: here, and nowhere else
    page = reservation.take()                                           # never fails, never sleeps
    bio = reservation.take(bios)
    ...
    reservation.put(page)                                               # the unit can be taken again
    reservation.release()

All-or-nothing for several kinds at once is the answer to composite buffers, and to the stampede of
those who take one and then want another.

Objects of a slab cache are reserved as objects that lie free in its slabs, and where there are none as
the slabs that would hold them.  Only when the first object of such a slab is taken does the slab come
into being; what it holds beyond what is promised goes to everybody.  A cache that keeps its slabs' own
data in another cache reserves that as well.
"""

from kit.errors import KitError
from kit.gfp import DMA
from kit.memory.attempts import ZONE_BITS
from kit.traps import hold, let_go


class NothingLeft(KitError):
    """More was taken from a reservation, or put back into it, than it is about."""


class Reservation:
    """Units of a ledger: blocks by order, objects by cache.  Every call is one instant and never sleeps.

    A kind of unit is an order (0 is a single page) or a Cache.  left[kind]: units not taken.
    """

    explored = ("left", "zones", "out", "released")

    def __init__(self, ledger, gfp):
        self.ledger, self.zonelist = ledger, ledger.pages.zonelists[gfp & ZONE_BITS]
        self.left = {}
        self.zones = {}         # order -> where its units are promised, a zone a unit
        self.out = []           # (element, kind, zone or None), taken and not put back
        self.released = False

    def __repr__(self):
        return f"reservation of {self.ledger.name}"

    def take(self, kind=0):
        """A unit of that kind.  Never fails while `left[kind]` is not 0, and never sleeps."""
        if not self.left.get(kind):
            raise NothingLeft(f"nothing of kind {kind} is left of this reservation: reserve as much as you will take, "
                              "all at once, before you begin.")
        self.left[kind] -= 1
        zone = None
        if isinstance(kind, int):
            zone = self.zones[kind].pop()
            element = self.ledger.keep_promise(zone, kind)
        else:
            element = self.ledger.account(kind).take()
        self.out.append((element, kind, zone))
        hold(element, of=self)
        return element

    def put(self, element, kind=None):
        """Give a taken unit back to the reservation: it is promised again, and could be taken again.

        Without its kind, it is the first that is out and equal to `element`: an object's address may
        equal the number of a page.
        """
        for index, (taken, kind_taken, zone) in enumerate(self.out):
            if taken == element and kind in (None, kind_taken):
                kind = kind_taken
                break
        else:
            raise NothingLeft(f"{element!r} was not taken from this reservation, or was put back already.")
        del self.out[index]
        let_go(element, of=self)
        self.left[kind] = self.left.get(kind, 0) + 1
        if isinstance(kind, int):
            zone.put_back(element, kind)
            self.ledger.promise(zone, kind)         # certain: the block has just become free there
            self.zones[kind].append(zone)
        else:
            self.ledger.account(kind).put(element)
        if self.released:
            self.release()

    def release(self):
        """Need no more: what is promised and not taken is everybody's again, and what is out as soon as it is put."""
        self.released = True
        self.undo()
        self.ledger.changed()

    def hand_over(self, kind, to):
        """Let `to`, another reservation of the same ledger, have one unit of what is left; says whether there was one.

        What the ledger has promised stays the same, so this cannot fail for want of memory.
        """
        if not self.left.get(kind):
            return False
        self.left[kind] -= 1
        to.left[kind] = to.left.get(kind, 0) + 1
        if isinstance(kind, int):
            to.zones.setdefault(kind, []).append(self.zones[kind].pop())
        return True

    # -- Asked by the ledger -------------------------------------------------------------------------

    def add(self, kind):
        """Have one more unit promised; says whether that can be."""
        if isinstance(kind, int):
            zone = next((zone for zone in self.zonelist if self.ledger.promise(zone, kind)), None)
            if zone is None:
                return False
            self.zones.setdefault(kind, []).append(zone)
        elif not self.ledger.account(kind).add():
            return False
        self.left[kind] = self.left.get(kind, 0) + 1
        return True

    def undo(self):
        """As if what is left had never been promised; wakes nobody."""
        for kind, count in self.left.items():
            for _ in range(count):
                if isinstance(kind, int):
                    self.ledger.withdraw(self.zones[kind].pop(), kind)
                else:
                    self.ledger.account(kind).remove()
        self.left.clear()


class Account:
    """What a ledger has promised of one slab cache, to all reservations together.

    Always: promised <= spares + slabs promised * objects a slab.
    """

    explored = ("promised", "slabs", "spares")

    def __init__(self, ledger, cache):
        self.ledger, self.cache = ledger, cache
        self.order, self.per_slab = cache.geometry.order, cache.geometry.objects
        self.promised = 0
        self.slabs = []         # the zone in which each slab to come is promised
        self.spares = []        # objects of slabs that there are, set aside

    def add(self):
        """Promise one more object; says whether that can be."""
        if self.promised == self._covered() and not (self._find_spare() or self._promise_slab()):
            return False
        self.promised += 1
        return True

    def take(self):
        """A promised object; its slab comes into being if it must."""
        if not self.spares:
            page = self.ledger.keep_promise(self.slabs.pop(), self.order)
            header = self.ledger.account(self.cache.headers).take() if self.cache.headers else None
            self.cache.grow_with(page, header)
            self.spares = [self.cache.take() for _ in range(min(self.promised, self.per_slab))]
        self.promised -= 1
        return self.spares.pop()

    def put(self, obj):
        """A taken object comes back, and is promised again."""
        self.spares.append(obj)
        self.promised += 1

    def remove(self):
        """Promise one object less; slabs and spares that nobody is promised any more become everybody's."""
        self.promised -= 1
        while self.slabs and self.promised <= self._covered() - self.per_slab:
            self.ledger.withdraw(self.slabs.pop(), self.order)
            if self.cache.headers:
                self.ledger.account(self.cache.headers).remove()
        while len(self.spares) > self.promised:
            self.cache.put(self.spares.pop())

    def _find_spare(self):
        """Set an object aside that lies free in the cache: that costs nobody a page."""
        spare = self.cache.take_free()
        if spare is None:
            return False
        self.spares.append(spare)
        return True

    def _promise_slab(self):
        zonelist = self.ledger.pages.zonelists[self.cache.gfp & DMA]
        zone = next((zone for zone in zonelist if self.ledger.promise(zone, self.order)), None)
        if zone is None:
            return False
        if self.cache.headers and not self.ledger.account(self.cache.headers).add():
            self.ledger.withdraw(zone, self.order)
            return False
        self.slabs.append(zone)
        return True

    def _covered(self):
        return len(self.spares) + len(self.slabs) * self.per_slab

    def check(self):
        """What is promised is covered, and nobody else has the spares."""
        covered = self._covered()
        assert self.promised <= covered, f"{self.promised} objects of {self.cache} are promised, {covered} covered"
        assert all(spare in self.cache.live for spare in self.spares), f"a spare of {self.cache} is free for everybody"
