"""Locks and ledgers under the load of a recording: what is counted, and that the rivals keep their promises there."""

from random import Random

import pytest

from kit.machine.core import Machine
from kit.memory.ledger import COUNTED, WAITING, Ledger
from kit.memory.pcp import PerCpuZone
from kit.memory.zones import Pages
from kit.traps import step


def listed(pages=64, policy=WAITING):
    """A ledger over a zone whose single pages go through lists of each CPU."""
    memory = Pages(zones=[PerCpuZone("NORMAL", 0, pages, pages_min=0, batch=8, low=4, high=16)])
    return memory, Ledger(memory, policy)


@pytest.mark.parametrize("seed", range(20))
def test_a_ledger_behind_per_cpu_lists_keeps_its_promise_after_every_call(seed):
    pages, ledger = listed()
    drawn, held, lent, out = Random(seed), [], [], []
    reservation = ledger.try_reserve(pages=drawn.randrange(40), blocks={2: drawn.randrange(4)})
    for _ in range(150):
        what = drawn.randrange(6)
        if what == 0 and (page := pages.take()) is not None:
            held.append(page)
        elif what == 1 and held:
            pages.put(held.pop(drawn.randrange(len(held))))
        elif what == 2 and held:
            page = held.pop()
            lent.append(page)
            ledger.lend(page, lambda page=page: lent.remove(page))
        elif what == 3 and any(reservation.left.values()):
            kind = drawn.choice([kind for kind, left in reservation.left.items() if left])
            out.append((reservation.take(kind), kind))
        elif what == 4 and out:
            reservation.put(*out.pop(drawn.randrange(len(out))))
        elif what == 5 and lent and ledger.pin(lent[-1]):
            held.append(lent.pop())
        ledger.check()
        pages.check()


def test_a_ledger_is_asked_when_a_batch_is_fetched_and_not_when_a_page_goes_to_and_fro():
    pages, ledger = listed()
    pages.put(pages.take())
    asked = ledger.asked
    for _ in range(10):
        pages.put(pages.take())
    assert asked and ledger.asked == asked


def test_what_a_reservation_gives_back_lies_on_no_list():
    pages, ledger = listed(policy=COUNTED)
    reservation = ledger.try_reserve(1)
    reservation.put(reservation.take())
    assert not pages.zones[0].pages_on_lists()
    ledger.check()


def test_a_free_page_that_would_break_a_promised_pair_goes_on_no_list():
    pages, ledger = listed(pages=4)
    four = [pages.take() for _ in range(4)]
    pages.zones[0].put_back(0, 0)
    for page in (1, 2):
        ledger.lend(page, lambda: None)
    assert ledger.try_reserve(blocks={1: 1}) and sorted(four) == [0, 1, 2, 3]
    assert pages.take() == 2        # the clean one; the free one and its neighbour are the pair
    ledger.check()


@pytest.mark.parametrize("later", range(8))
def test_who_waits_for_the_ledger_gets_a_page_that_another_cpu_has_on_its_list_or_frees(later):
    pages, ledger = listed(pages=8)
    held = [pages.take() for _ in range(8)]
    machine = Machine()

    async def free_one():
        for _ in range(later):
            await step("a little later")
        await pages.free(held.pop())

    machine.spawn("waits", pages.alloc)
    machine.spawn("frees", free_one)
    machine.run()
    assert ledger.waited <= 1
