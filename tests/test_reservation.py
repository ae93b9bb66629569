"""Reservations: the promise after every step, in any order of taking; and how it breaks when nobody asks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import traps
from kit.gfp import GFP_ATOMIC, GFP_KERNEL, PF_MEMALLOC
from kit.machine.core import Machine
from kit.memory.ledger import COUNTED, REFUSING, WAITING, Ledger, PromiseBroken
from kit.memory.reservation import NothingLeft
from kit.memory.slab import Cache
from kit.memory.zones import Pages, Zone
from kit.traps import step


def memory(pages=16, max_order=3, policy=WAITING):
    pages = Pages(zones=[Zone("NORMAL", 0, pages, pages_min=0, max_order=max_order)])
    return pages, Ledger(pages, policy)


class CleanCache:
    """A page cache of clean pages only: it lends what it holds, and counts what it loses."""

    def __init__(self, pages, ledger):
        self.pages, self.ledger, self.held, self.dropped = pages, ledger, [], 0

    def read(self):
        page = self.pages.take(GFP_ATOMIC)
        if page is not None:
            self.held.append(page)
            self.ledger.lend(page, lambda: self.drop(page))
        return page

    def drop(self, page):
        self.held.remove(page)
        self.dropped += 1


# == Yes or no, at once ============================================================================


@given(st.integers(0, 20), st.integers(0, 20))
def test_the_answer_is_yes_exactly_while_the_pages_are_there(first, second):
    pages, ledger = memory(16)
    granted = ledger.try_reserve(pages=first)
    assert (granted is not None) == (first <= 16)
    if granted:
        assert (ledger.try_reserve(pages=second) is not None) == (first + second <= 16)
    ledger.check()


def test_a_refused_reservation_leaves_no_trace():
    pages, ledger = memory(16)
    cache = Cache("bio", 64, pages)
    before = {name: list(promised) for name, promised in ledger.promised.items()}
    assert ledger.try_reserve(pages=10, blocks={2: 1}, objects={cache: 300}) is None
    assert ledger.promised == before
    ledger.check()


def test_clean_pages_populate_the_reserve_until_it_is_taken():
    pages, ledger = memory(16)
    cache = CleanCache(pages, ledger)
    for _ in range(16):
        cache.read()
    reservation = ledger.try_reserve(pages=16)
    assert reservation is not None and len(cache.held) == 16
    assert cache.read() is None, "a page that is being read in is not clean yet, and every page is promised"
    taken = [reservation.take() for _ in range(16)]
    assert sorted(taken) == list(range(16)) and cache.dropped == 16
    with pytest.raises(NothingLeft):
        reservation.take()


def test_free_pages_go_before_clean_ones():
    pages, ledger = memory(16)
    cache = CleanCache(pages, ledger)
    for _ in range(10):
        cache.read()
    assert [pages.take() is not None for _ in range(6)] == [True] * 6 and cache.dropped == 0
    assert pages.take() is not None and cache.dropped == 1


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_the_promise_holds_after_every_step_of_everybody(data):
    """Ordinary allocations, a page cache that lends, dirties and drops, reservations taken in any order."""
    pages, ledger = memory(16, policy=data.draw(st.sampled_from([WAITING, REFUSING])))
    cache, objects = CleanCache(pages, ledger), Cache("bio", 1000, pages, limit=0)
    held, reservations = [], []
    for _ in range(data.draw(st.integers(1, 40))):
        move = data.draw(st.sampled_from(["alloc", "free", "read", "pin", "reserve", "take", "put", "release"]))
        if move == "alloc":
            order = data.draw(st.integers(0, 2))
            page = pages.take(GFP_ATOMIC, order)
            if page is not None:
                held.append((page, order))
        elif move == "free" and held:
            pages.put(*held.pop(data.draw(st.integers(0, len(held) - 1))))
        elif move == "read":
            cache.read()
        elif move == "pin" and cache.held:
            page = data.draw(st.sampled_from(cache.held))
            if ledger.pin(page):
                cache.held.remove(page)
                held.append((page, 0))
        elif move == "reserve":
            reservation = ledger.try_reserve(pages=data.draw(st.integers(0, 3)),
                                             blocks={data.draw(st.integers(1, 3)): data.draw(st.integers(0, 2))},
                                             objects={objects: data.draw(st.integers(0, 5))})
            if reservation:
                reservations.append(reservation)
        elif reservations:
            reservation = data.draw(st.sampled_from(reservations))
            kinds = [kind for kind, left in reservation.left.items() if left]
            if move == "take" and kinds:
                reservation.take(data.draw(st.sampled_from(kinds)))
            elif move == "put" and reservation.out:
                reservation.put(data.draw(st.sampled_from(reservation.out))[0])
            elif move == "release" and not reservation.out:
                reservation.release()
                reservations.remove(reservation)
        ledger.check()
        pages.check()
        objects.check()
    for reservation in reservations:
        for kind, left in list(reservation.left.items()):
            for _ in range(left):
                assert reservation.take(kind) is not None
                ledger.check()


# == Everybody has to ask ==========================================================================


@pytest.mark.parametrize("flags, gfp", [(0, GFP_ATOMIC), (PF_MEMALLOC, GFP_KERNEL)])
def test_nobody_is_above_the_ledger(flags, gfp):
    pages, ledger = memory(4)
    reservation = ledger.try_reserve(pages=3)
    machine = Machine()

    async def taker():
        traps.current.flags |= flags
        return [await pages.try_alloc(gfp) for _ in range(2)]

    task = machine.spawn("taker", taker)
    machine.run()
    assert [page is None for page in task.result] == [False, True]
    assert len([reservation.take() for _ in range(3)]) == 3


def test_counted_at_the_grant_only_breaks_the_promise():
    pages, ledger = memory(4, policy=COUNTED)
    reservation = ledger.try_reserve(pages=3)
    for _ in range(2):
        assert pages.take() is not None
    with pytest.raises(AssertionError, match="promised"):
        ledger.check()
    reservation.take(), reservation.take()
    with pytest.raises(PromiseBroken, match="without asking"):
        reservation.take()


def test_refusing_says_no_and_waiting_waits():
    for policy, finishes in ((REFUSING, True), (WAITING, True)):
        pages, ledger = memory(4, policy=policy)
        reservation = ledger.try_reserve(pages=4)
        machine = Machine()

        async def ordinary(pages=pages):
            return await pages.alloc()

        async def owner(reservation=reservation):
            for _ in range(3):
                await step("work")
            reservation.release()

        task = machine.spawn("ordinary", ordinary)
        machine.spawn("owner", owner)
        machine.run()
        assert task.finished is finishes
        assert (task.result is None) == (policy is REFUSING)
        assert (ledger.waited > 0) == (policy is WAITING)


def test_two_who_wait_do_not_wake_each_other_for_ever():
    pages, ledger = memory(4)
    reservation = ledger.try_reserve(pages=4)
    machine = Machine()

    async def ordinary():
        return await pages.alloc()

    async def owner():
        for _ in range(50):
            await step("work")
        reservation.release()

    for name in ("first", "second", "third"):
        machine.spawn(name, ordinary)
    machine.spawn("owner", owner)
    machine.run(turns=500)
    assert ledger.waited == 3


def test_waiting_for_a_reservation_is_a_separate_call():
    pages, ledger = memory(4)
    first = ledger.try_reserve(pages=3)
    machine = Machine()

    async def second():
        return await ledger.reserve(pages=2)

    async def owner():
        await step("work")
        await step("work")
        first.release()

    task = machine.spawn("second", second)
    machine.spawn("owner", owner)
    machine.run()
    assert task.result.left == {0: 2}
    ledger.check()


# == Composites and the stampede ====================================================================


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 5))
def test_all_or_nothing_ends_the_stampede(seed, tasks):
    """Each wants two of two, one after the other: with a pool they hang, with a reservation for both they end."""
    machine = Machine(seed=seed)
    pages, ledger = memory(2, max_order=1)

    async def two_at_once():
        reservation = await ledger.reserve(pages=2)
        first = reservation.take()
        await step("something else")
        second = reservation.take()
        reservation.put(first)
        reservation.put(second)
        reservation.release()

    for number in range(tasks):
        machine.spawn(f"T{number}", two_at_once)
    machine.run(pick=machine.random.choice)
    ledger.check()
    assert pages.free_pages == 2


def test_objects_are_reserved_as_the_slabs_that_would_hold_them():
    pages, ledger = memory(16)
    bios = Cache("bio", 64, pages)
    reservation = ledger.try_reserve(objects={bios: 60})        # 59 fit in a slab of one page
    assert ledger.promised["NORMAL"][0] == 2 and bios.pages_held == 0
    taken = [reservation.take(bios) for _ in range(60)]
    assert len(set(taken)) == 60 and bios.pages_held == 2
    for bio in taken:
        reservation.put(bio)
    reservation.release()
    bios.check()
    bios.shrink()
    assert pages.free_pages == 16
    ledger.check()
