"""ledger: the rival promise, kept inside the page and slab allocators.

The problem is mempool's: an allocation in the middle of writing memory out must not fail.

The idea (Ben LaHaise, linux-kernel, December 2001): do not set memory aside, *count*.
Whoever will need memory says so beforehand: "yes", and it is certain, or "no, wait until another
user frees some".  Until it is taken, the reserved memory holds clean, immediately reclaimable page
cache; many reservations are never touched.  With a reservation in hand, an allocation never fails
and never sleeps: it uses a free block, or drops clean pages on the spot.

The promise, which `check()` holds after every step: in every zone, all unused reservations of
every order could be taken at once, from blocks that are free or full of lent clean pages.
availability.py says why counting is enough.

The price: whoever makes memory unavailable has to ask the ledger first.  That is every ordinary
allocation (atomic ones and those under PF_MEMALLOC too), and everybody who dirties, maps, locks or
takes a reference to a lent page; and whoever is refused must wait.  `asked`, `refused` and
`waited` count it.  What happens to whoever is refused is a policy (policies.py); WAITING is the mail's.

The ledger counts; what a caller holds in hand is a Reservation (reservation.py).

Beside it: nothing that was ever merged.  The text of LaHaise's patch of May 2001 was not found; by Molnar's
summary it could still say no, and knew neither higher orders nor several parts, so this ledger is more than
that was.  mm/reserve.c of Peter Zijlstra (2008) came nearest.
Left out: reservations that move from zone to zone; each unit is promised in one zone.
"""

from kit.errors import BadInput, KitError
from kit.gfp import GFP_KERNEL
from kit.locks import WaitQueue
from kit.memory.attempts import ZONE_BITS
from kit.memory.availability import Availability
from kit.memory.policies import COUNTED, REFUSING, WAITING
from kit.memory.reservation import Account, Reservation
from kit.traps import might_sleep, sleep, step


class PromiseBroken(KitError):
    """A reservation in hand could not be taken.  No ledger that asks lets this happen."""


# == The ledger =====================================================================================


class Ledger:
    """What has been promised of `pages`, and what it could be paid from.

    The page allocator's attempts are those of `policy` from now on.
    """

    explored = ("pages", "promised", "available", "lent", "accounts", "wait")

    def __init__(self, pages, policy=WAITING, name="ledger"):
        self.pages, self.policy, self.name = pages, policy, name
        self.promised = {zone.name: [0] * (zone.buddy.max_order + 1) for zone in pages.zones}
        self.available = {zone.name: _free_blocks(zone) for zone in pages.zones}
        self.lent = {}          # clean page -> what drops it from the page cache
        self.accounts = {}      # what is promised of each slab cache
        self.wait = WaitQueue(f"{name}.wait", of=self,
                              why="Only memory that is freed, cleaned or given back to the ledger wakes it.")
        self.asked = self.refused = self.waited = 0
        pages.ledger = self
        pages.follow(policy.attempts)
        for zone in pages.zones:
            zone.ledger = self

    def __repr__(self):
        return self.name

    def try_reserve(self, pages=0, blocks=None, objects=None, gfp=GFP_KERNEL):
        """A Reservation of all of that, or None: yes or no, at once, and nothing in between.

        pages: so many single pages.  blocks: {order: count}.  objects: {cache: count}.
        """
        reservation = Reservation(self, gfp)
        wanted = [(0, pages), *(blocks or {}).items(), *(objects or {}).items()]
        for kind, count in wanted:
            if count < 0:
                raise BadInput(f"nobody can reserve {count} units of {kind}.")
            if not all(reservation.add(kind) for _ in range(count)):
                reservation.undo()
                return None
        return reservation

    def would_grant(self, *need, **more):
        """Whether try_reserve would say yes; promises nothing and wakes nobody."""
        reservation = self.try_reserve(*need, **more)
        if reservation is not None:
            reservation.undo()
        return reservation is not None

    @might_sleep
    async def reserve(self, pages=0, blocks=None, objects=None, gfp=GFP_KERNEL):
        """The same Reservation; sleeps until the answer is yes."""
        while (reservation := self.try_reserve(pages, blocks, objects, gfp)) is None:
            await self.wait_for_change(lambda: self.would_grant(pages, blocks, objects, gfp))
        return reservation

    # -- Asked by the page allocator and the page cache, each one instant --------------------------------

    def take_spare(self, gfp, order, free_only=False):
        """A block for an ordinary caller, which no reservation needs; None if there is none."""
        for zone in self.pages.zonelists[gfp & ZONE_BITS]:
            if order <= zone.buddy.max_order:
                page = self._spare_free(zone, order) if free_only else self._spare_clean(zone, order)
                if page is not None:
                    return page
        return None

    def could_take(self, gfp, order):
        """Whether take_spare would find a block."""
        return any(self._best_spare(zone, order) is not None for zone in self.pages.zonelists[gfp & ZONE_BITS])

    def lend(self, page, drop):
        """The page cache holds `page`, clean and with no other user: `drop()` may be called to have it back."""
        self.lent[page] = drop
        self._available_at(page).add(page)
        self.changed()

    def call_in(self, page):
        """The page cache takes a lent page home of its own accord, to free it at once: so nobody need be asked."""
        self._available_at(page).remove(page)
        del self.lent[page]

    def pin(self, page):
        """`page` is about to be dirtied, mapped, locked or referred to; False if the promise needs it as it is."""
        available = self._available_at(page)
        if not self._spared(available, self.pages.zone_of(page).name, page, 0):
            return False
        available.remove(page)
        del self.lent[page]
        return True

    @might_sleep
    async def pin_or_wait(self, page):
        """As pin; sleeps until the promise can do without the page, or until the page was dropped for it."""
        while page in self.lent and not self.pin(page):
            await self.wait_for_change(lambda: page not in self.lent or self._could_pin(page))

    def became_free(self, zone, page, order):
        """The zone got a block back."""
        self.available[zone.name].add(page, order)
        self.changed()

    def was_taken(self, zone, page, order):
        """The zone handed a block out."""
        self.available[zone.name].remove(page, order)

    def can_spare(self, zone):
        """Whether a page of that zone can be had by somebody without a reservation."""
        return self._best_spare(zone, 0) is not None

    def is_kept(self, zone):
        """Whether what is promised of that zone could still be had; a policy that does not ask takes it for granted."""
        return not self.policy.asks or self.available[zone.name].fits(self.promised[zone.name])

    @might_sleep
    async def wait_for_change(self, condition):
        """Sleep until memory was freed, lent or given back, unless `condition()` holds by now."""
        self.waited += 1
        with self.wait.queued():
            await step("look again")
            for zone in self.pages.zones:
                zone.empty_lists()
            if not condition():
                await sleep(self.wait)

    # -- Inside --------------------------------------------------------------------------------------

    def promise(self, zone, order):
        """Promise one more block, if that can be kept; says whether."""
        promised = self.promised[zone.name]
        promised[order] += 1
        if self.available[zone.name].fits(promised):
            return True
        promised[order] -= 1
        return False

    def withdraw(self, zone, order):
        """Promise one block less."""
        self.promised[zone.name][order] -= 1

    def account(self, cache):
        """The Account of a slab cache."""
        if cache not in self.accounts:
            self.accounts[cache] = Account(self, cache)
        return self.accounts[cache]

    def changed(self):
        """There is more to have than before: whoever waits looks again."""
        self.wait.wake_all()

    def keep_promise(self, zone, order):
        """The block that was promised, now: free, or freed by dropping what was lent."""
        page = self.available[zone.name].best_fit(order)
        if page is None:
            raise PromiseBroken(f"{self.name} ({self.policy.name}) promised a block of order {order} in {zone.name}, "
                                "and none is left. Somebody took memory without asking the ledger.")
        self.promised[zone.name][order] -= 1
        return self._carve(zone, page, order)

    def _spare_free(self, zone, order):
        """The block that the buddy lists give, or nothing if the promise needs that one."""
        if order == 0 and zone.has_lists:
            return zone.take(0)     # where it asks itself, once for each page that it fetches
        if self._best_spare(zone, order) is None:
            return None
        page = zone.take(order)
        if page is None or self.is_kept(zone):
            return page
        zone.put(page, order)       # some block can be spared, but not this one
        return None

    def _spare_clean(self, zone, order):
        page = self._best_spare(zone, order)
        return None if page is None else self._carve(zone, page, order)

    def _best_spare(self, zone, order):
        """The available block that reservations would miss least, if they can do without it."""
        if order > zone.buddy.max_order:
            return None
        page = self.available[zone.name].best_fit(order)
        if page is not None and self._spared(self.available[zone.name], zone.name, page, order):
            return page
        return None

    def _spared(self, available, zone_name, page, order):
        if not self.policy.asks:
            return True
        self.asked += 1
        spared = available.fits_without(page, order, self.promised[zone_name])
        self.refused += not spared
        return spared

    def _carve(self, zone, page, order):
        """Drop what is lent in the block at `page`, then take that very block."""
        for number in range(page, page + (1 << order)):
            if number in self.lent:
                self.lent.pop(number)()
                self.available[zone.name].remove(number)
                zone.put_back(number, 0)
        return zone.take_at(page, order)

    def _could_pin(self, page):
        zone = self.pages.zone_of(page).name
        return self.available[zone].fits_without(page, 0, self.promised[zone])

    def _available_at(self, page):
        return self.available[self.pages.zone_of(page).name]

    def check(self):
        """The promise; and that the counters behind it tell the truth."""
        for zone in self.pages.zones:
            available = self.available[zone.name]
            available.check()
            for page, order, is_free in zone.buddy.blocks():
                for number in range(page, page + (1 << order)):
                    assert available.has(number) == (is_free or number in self.lent), f"page {number} is miscounted"
            assert available.fits(self.promised[zone.name]), (
                f"{self.name} promised {self.promised[zone.name]} blocks by order in {zone.name}, "
                f"and has {[len(blocks) for blocks in available.largest]}")
        for account in self.accounts.values():
            account.check()


def _free_blocks(zone):
    available = Availability(zone.start, zone.buddy.max_order)
    for page, order, is_free in zone.buddy.blocks():
        if is_free:
            available.add(page, order)
    return available


__all__ = ["COUNTED", "REFUSING", "WAITING", "Ledger", "PromiseBroken"]
