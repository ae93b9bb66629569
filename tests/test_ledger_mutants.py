"""Each subtle line of the ledger and of reservations changed once: which story notices, and as what."""

import random
from functools import partial

import pytest
from rewriting import line_of, tells_the_harm
from test_driver_mutants import in_many_orders

from kit.gfp import GFP_ATOMIC, GFP_KERNEL
from kit.memory import ledger, pagecache, reservation
from kit.memory.ledger import Ledger
from kit.memory.pagecache import PageCache
from kit.memory.slab import Cache
from kit.memory.zones import Pages, Zone
from kit.traps import step

# == Stories: each raises something when there is harm ==============================================


class Promises:
    """Memory with a ledger, a cache of clean pages, and reservations; anybody may do anything."""

    def __init__(self, seed, pages=16):
        self.dice, self.held, self.reservations, self.given_up = random.Random(seed), [], [], []
        self.pages = Pages(zones=[Zone("NORMAL", 0, pages, pages_min=0, max_order=3)])
        self.ledger, self.cache = Ledger(self.pages), PageCache(self.pages)
        self.cache.lend_to(self.ledger)
        headers = Cache("headers", 32, self.pages)
        self.objects = [Cache("bio", 1_000, self.pages, limit=0),
                        Cache("big", 2_048, self.pages, limit=0, headers=lambda size: headers)]
        self.caches = [*self.objects, headers]

    def move(self):
        """One of them, drawn; what may not be is refused."""
        move = self.dice.choice([self.alloc, self.free, self.read, self.change, self.drop, self.reserve, self.take,
                                 self.put, self.release])
        move()
        for each in (self.ledger, self.pages, self.cache, *self.caches):
            each.check()
        for account in self.ledger.accounts.values():
            assert len(account.spares) <= account.promised, "an object is set aside that nobody was promised"
            assert not account.slabs or account.promised > account._covered() - account.per_slab, (
                "a slab is promised that nobody needs")

    def alloc(self):
        order = self.dice.choice((0, 0, 1, 2))
        page = self.pages.take(GFP_ATOMIC, order)
        if page is not None:
            self.held.append((page, order))

    def free(self):
        if self.held:
            self.pages.put(*self.held.pop(self.dice.randrange(len(self.held))))

    def read(self):
        page = self.pages.take()
        if page is not None:
            page = self.cache.insert(("new", self.dice.random()), page)
            self.cache.unlock(page)
            self.cache.release(page)

    def change(self):
        """Clean becomes dirty, if the ledger lets it; dirty becomes clean."""
        page = self._cached()
        if page is not None and page.dirty:
            self.cache._set(page, dirty=False)
        elif page is not None and self.ledger.pin(page.pfn):
            self.cache.dirty_page(page)

    def drop(self):
        page = self._cached()
        if page is not None and page.droppable:
            self.cache.drop(page)

    def _cached(self):
        return self.dice.choice(list(self.cache.cached.values())) if len(self.cache) else None

    def reserve(self):
        reservation = self.ledger.try_reserve(pages=self.dice.randrange(2), blocks={1: self.dice.randrange(2)},
                                              objects={each: self.dice.randrange(4) for each in self.objects})
        if reservation is not None:
            self.reservations.append(reservation)

    def take(self):
        kinds = [(each, kind) for each in self.reservations for kind, left in each.left.items() if left]
        if kinds:
            reservation, kind = self.dice.choice(kinds)
            reservation.take(kind)

    def put(self):
        out = [(each, element, kind) for each in self.reservations + self.given_up for element, kind, _ in each.out]
        if out:
            reservation, element, kind = self.dice.choice(out)
            reservation.put(element, kind)

    def release(self):
        if self.reservations:
            self.given_up.append(self.reservations.pop(self.dice.randrange(len(self.reservations))))
            self.given_up[-1].release()


    def end(self):
        """Everything comes back, and everybody gives up what is left: nothing is promised any more."""
        for each in self.reservations + self.given_up:
            for element, kind, _ in list(each.out):
                each.put(element, kind)
            if each in self.reservations:
                each.release()
        assert not any(any(promised) for promised in self.ledger.promised.values()), "a block is promised to nobody"
        assert not any(account.promised for account in self.ledger.accounts.values()), "an object is promised to nobody"


def promises_are_kept(worlds=40, moves=60):
    """Whatever happens, all that is promised can be taken; and when all is given up, all is there."""
    for seed in range(worlds):
        world = Promises(seed)
        for _ in range(moves):
            world.move()
        for each in world.reservations:
            for kind, left in list(each.left.items()):
                for _ in range(left):
                    each.take(kind)
        world.end()


def a_free_object_can_be_promised():
    """No page is left, and an object lies free in a slab."""
    pages = Pages(zones=[Zone("NORMAL", 0, 2, pages_min=0, max_order=1)])
    ledger, objects = Ledger(pages), Cache("bio", 1_000, pages)
    objects.put(objects.take())
    assert pages.take() is not None and pages.take() is None
    assert ledger.try_reserve(objects={objects: 1}), "a free object cannot be promised"


def the_block_that_can_be_spared():
    """Page 0 is free, 1 and 2 are clean, 3 is in use; a pair is promised.  Whoever wants a page gets 2, not 0."""
    pages = Pages(zones=[Zone("NORMAL", 0, 4, pages_min=0, max_order=2)])
    ledger, cache = Ledger(pages), PageCache(pages)
    cache.lend_to(ledger)
    for number in sorted(pages.take() for _ in range(4)):
        if number in (1, 2):
            page = cache.insert(number, number)
            cache.unlock(page)
            cache.release(page)
    pages.put(0)
    assert ledger.try_reserve(blocks={1: 1})
    assert pages.take() == 2, "the block that was taken is not the one that can be spared"
    ledger.check()


def somebody_waits_for_memory(machine):
    """All memory is in use; one task wants a page, another gives one back."""
    pages = Pages(zones=[Zone("NORMAL", 0, 2, pages_min=0, max_order=1)])
    Ledger(pages)
    held = [pages.take(), pages.take()]
    machine.spawn("A", pages.alloc, GFP_KERNEL)
    machine.spawn("B", pages.free, held[0])


def somebody_waits_for_a_write(machine):
    """All memory is dirty or promised; one task wants a page, and the end of a write makes one clean."""
    pages = Pages(zones=[Zone("NORMAL", 0, 1, pages_min=0, max_order=0)])
    cache = PageCache(pages)
    Ledger(pages)
    cache.lend_to(pages.ledger)
    page = cache.insert("a", pages.take())
    cache.release(page)
    cache.unlock(page)
    pages.ledger.pin(page.pfn)
    cache._set(page, writing=True)
    machine.spawn("A", pages.alloc, GFP_KERNEL)
    machine.interrupt("disk", cache.end_write, page)


def two_wait_for_memory(machine):
    """One waits for two pages in a row, the other for one; one comes free."""
    pages = Pages(zones=[Zone("NORMAL", 0, 4, pages_min=0, max_order=2)])
    Ledger(pages)
    held = [pages.take() for _ in range(4)]
    for name, order in (("A", 1), ("B", 0)):
        machine.spawn(name, pages.alloc, GFP_KERNEL, order, daemon=name == "A")
    machine.spawn("C", pages.free, held[0])


def a_reservation_is_given_up(machine):
    """All memory is promised; one task wants a page, another gives its reservation up."""
    pages = Pages(zones=[Zone("NORMAL", 0, 2, pages_min=0, max_order=1)])
    reservation = Ledger(pages).try_reserve(pages=2)

    async def gives_up():
        await step("work")
        reservation.release()

    machine.spawn("A", pages.alloc, GFP_KERNEL)
    machine.spawn("B", gives_up)


def a_refusal_leaves_no_trace():
    """There is a page for the slab, and none for what its own data need."""
    pages = Pages(zones=[Zone("NORMAL", 0, 1, pages_min=0, max_order=0)])
    ledger, headers = Ledger(pages), Cache("headers", 32, pages)
    objects = Cache("big", 2_048, pages, headers=lambda size: headers)
    assert ledger.try_reserve(objects={objects: 1}) is None
    assert ledger.promised == {"NORMAL": [0]}, "a block is promised to nobody"


def one_clean_page(reserved):
    """(reservation, cache, page): two pages of memory, one of them clean, and so many promised."""
    pages = Pages(zones=[Zone("NORMAL", 0, 2, pages_min=0, max_order=1)])
    cache, reservation = PageCache(pages), Ledger(pages).try_reserve(pages=reserved)
    cache.lend_to(pages.ledger)
    number = pages.zones[0].take(0)
    page = cache.insert(number, number)
    cache.unlock(page)
    cache.release(page)
    return reservation, cache, page


def dropped_while_somebody_waits_for_it(machine):
    """A wants to hold a page that is promised; B takes what was promised, and the page is dropped for it."""
    reservation, cache, page = one_clean_page(reserved=2)

    async def holds():
        assert await cache.hold(page) is (cache.cached.get(page.key) is page), "a page is held that was dropped"

    async def takes():
        await step("work")
        taken = [reservation.take(), reservation.take()]
        await step("work")
        reservation.put(taken[0])
        reservation.release()

    machine.spawn("A", holds)
    machine.spawn("B", takes)
    return cache.ledger.check


def everybody_asks_first(machine):
    """Two tasks want to change a page that is promised, in two ways; another gives the promise up."""
    reservation, cache, page = one_clean_page(reserved=2)

    async def gives_up():
        await step("work")
        reservation.release()

    machine.spawn("A", cache.dirty_page, page)
    machine.spawn("B", cache.map, page)
    machine.spawn("C", gives_up)
    return cache.ledger.check


def two_lock_a_promised_page(machine):
    """A and B want to lock a page, and C gives up the promise that it stands in for."""
    reservation, cache, page = one_clean_page(reserved=2)
    inside = []

    async def locks():
        await cache.lock(page)
        inside.append(1)
        assert len(inside) == 1, "two have the page locked"
        await step("fill it")
        inside.pop()
        cache.unlock(page)

    async def gives_up_and_comes_again():
        await step("work")
        reservation.release()
        again = cache.ledger.try_reserve(pages=2)
        await step("work")
        if again is not None:
            again.release()

    for name, does in (("A", locks), ("B", locks), ("C", gives_up_and_comes_again)):
        machine.spawn(name, does)
    return cache.ledger.check


# == The mutants ===================================================================================

asks = partial(in_many_orders, everybody_asks_first)
locks = partial(in_many_orders, two_lock_a_promised_page)
holds = partial(in_many_orders, dropped_while_somebody_waits_for_it)
waits_for_memory = partial(in_many_orders, somebody_waits_for_memory)
waits_for_a_write = partial(in_many_orders, somebody_waits_for_a_write)
two_wait = partial(in_many_orders, two_wait_for_memory)
gives_up = partial(in_many_orders, a_reservation_is_given_up)

MUTANTS = [
    # Where the page cache asks.
    (pagecache, "        if self.cached.get(page.key) is not page:\n            return False\n", "",
     holds, "a page is held that was dropped"),
    (pagecache, "if not page.busy:       #", "if True:       #",
     locks, "two have the page locked"),
    (pagecache, "await self._may_stay(page)\n            if not", "if not", locks, "promised"),
    (pagecache, "await self._may_stay(page)\n        self._set(page, dirty=True)", "self._set(page, dirty=True)",
     asks, "promised"),
    (pagecache, "await self._may_stay(page)\n        self._set(page, mapped=True)", "self._set(page, mapped=True)",
     asks, "promised"),
    (pagecache, "await self._may_stay(page)\n        if self.cached", "if self.cached", holds, "promised"),
    (pagecache, "self.ledger.call_in(page.pfn)", "pass",
     promises_are_kept, "overlaps|miscounted"),
    # The ledger.
    (ledger, "if page is None or self.is_kept(zone):\n            return page\n", "return page\n",
     the_block_that_can_be_spared, "can be spared"),
    (ledger, "if page is not None and self._spared(self.available[zone.name], zone.name, page, order):",
     "if page is not None:", promises_are_kept, "promised"),
    (ledger, """        if not self._spared(available, self.pages.zone_of(page).name, page, 0):
            return False\n""", "", promises_are_kept, "promised"),
    (ledger, "                self.available[zone.name].remove(number)\n", "",
     promises_are_kept, "miscounted|cannot be taken"),
    (ledger, "if not condition():\n                await", "if True:\n                await",
     waits_for_memory, "deadlock"),
    (ledger, "self.available[zone.name].add(page, order)\n        self.changed()",
     "self.available[zone.name].add(page, order)", waits_for_memory, "deadlock"),
    (ledger, "self._available_at(page).add(page)\n        self.changed()", "self._available_at(page).add(page)",
     waits_for_a_write, "deadlock"),
    (ledger, "self.wait.wake_all()", "self.wait.wake_one()", two_wait, "deadlock"),
    (ledger, "while page in self.lent and not self.pin(page):",
     "if page in self.lent and not self.pin(page):", locks, "promised"),
    (ledger, "promised[order] -= 1\n        return False", "return False",
     promises_are_kept, "promised"),
    # Reservations.
    (reservation, "self.ledger.promise(zone, kind)         #", "pass         #",
     promises_are_kept, "promised"),
    (reservation, "self.undo()\n        self.ledger.changed()", "self.undo()", gives_up, "deadlock"),
    (reservation, "        if self.released:\n            self.release()\n", "",
     promises_are_kept, "promised to nobody"),
    (reservation, "min(self.promised, self.per_slab)", "self.per_slab", promises_are_kept, "nobody was promised"),
    (reservation, """            if self.cache.headers:
                self.ledger.account(self.cache.headers).remove()\n""", "", promises_are_kept, "promised to nobody"),
    (reservation, "self.ledger.account(self.cache.headers).take() if", "self.cache.headers.take() if",
     promises_are_kept, "promised to nobody"),
    (reservation, "self.ledger.withdraw(zone, self.order)\n            return False",
     "return False", a_refusal_leaves_no_trace, "promised to nobody"),
    (reservation, """        while len(self.spares) > self.promised:
            self.cache.put(self.spares.pop())\n""", "", promises_are_kept, "nobody was promised"),
    (reservation, "self.promised <= self._covered() - self.per_slab", "self.promised < self._covered() - self.per_slab",
     promises_are_kept, "that nobody needs"),
    (reservation, "not (self._find_spare() or self._promise_slab())", "not self._promise_slab()",
     a_free_object_can_be_promised, "cannot be promised"),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=line_of)
def test_without_the_line_a_story_tells_the_harm(mutant):
    tells_the_harm(*mutant)


@pytest.mark.parametrize("story", dict.fromkeys(story for *_, story, _ in MUTANTS))
def test_with_it_there_is_none(story):
    story()
