"""Locks and ledgers under the load of a recording: what is counted, and that the rivals keep their promises there."""

from random import Random

import pytest

from kit.debate import contention
from kit.debate.claim import DEPENDS, FAILS, HOLDS, Evidence
from kit.debate.complexity_trial import L7, LEFT, OUTSIDER, TURNS, USED
from kit.debate.complexity_trial import WAITING as WAITS
from kit.debate.contention import measure, measure_bios, stretch
from kit.debate.kept_back import KEPT, WAYS, World
from kit.debate.lock_trial import M4
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


# == The load ======================================================================================


@pytest.mark.parametrize("lists", [False, True])
@pytest.mark.parametrize("free", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("way", WAYS)
def test_under_load_nothing_is_lost_and_what_was_kept_back_is_there_again(monkeypatch, way, free, lists):
    made = []
    monkeypatch.setattr(contention, "_world", lambda *how, make=contention._world: made.append(make(*how)) or made[0])
    measure(1, way, 8, lists, free, faster=10)
    world = made[0]
    world.pages.check()
    world.cache.check()
    on_lists = world.zone.pages_on_lists() if lists else 0
    kept_elsewhere = len(world.pool.elements) if world.pool else world.zone.buddy.hidden if way == "hidden" else 0
    assert world.zone.free_pages + on_lists + kept_elsewhere + len(world.cache) == world.zone.pages
    if world.ledger:
        assert world.reservation.left[0] == KEPT and not world.reservation.out
    if way == "waiting":
        world.ledger.check()
    assert kept_elsewhere == (KEPT if way in ("mempool", "hidden") else 0)


def test_only_what_is_firm_is_left_when_somebody_has_taken_the_last_page_and_only_a_ledger_lends_it_meanwhile():
    assert {way: (World(way, pages=256).left(), World(way, pages=256).used_meanwhile()) for way in WAYS} == {
        "nothing": (0, 16), "mempool": (16, 0), "hidden": (16, 0), "counted": (0, 16), "waiting": (16, 16)}


def test_a_stretch_frees_only_what_it_allocated_and_other_tasks_and_seeds_have_other_ones():
    for number in range(0, 64, 9):
        held, before = set(), 0
        for time, block, comes_back in stretch(3, number):
            assert time >= before and (comes_back or block not in held)
            held ^= {block}
            before = time
    assert len({tuple(stretch(seed, number)) for seed in range(3) for number in range(3)}) == 9


def test_one_cpu_waits_for_nobody_and_many_wait_the_more_the_denser_they_ask():
    one, sixteen = (measure(0, "nothing", cpus, lists=False, free=1.0, faster=10).waiting for cpus in (1, 16))
    denser = measure(0, "nothing", 16, lists=False, free=1.0, faster=100).waiting
    assert one == 0 < sixteen < denser


def test_lists_of_each_cpu_save_turns_and_a_ledger_behind_them_is_not_asked_more_often_than_a_batch_is_fetched():
    for way in ("nothing", "mempool", "waiting"):
        plain, listed_ = (measure(0, way, 4, lists, free=1.0, faster=10) for lists in (False, True))
        assert listed_.turns < plain.turns / 5
        assert listed_.touches < 2 * plain.touches + 1


@pytest.mark.parametrize("refused", [0.0, 0.5, 0.9])
def test_a_pool_of_bios_is_touched_as_often_as_they_are_refused_beneath(refused):
    pool, without = (measure_bios(0, way, 16, True, refused, faster=100) for way in ("mempool", "nothing"))
    assert abs(pool.refused - 100 * refused) < 3
    assert pool.in_alloc + pool.in_free >= 90 * refused
    assert without.in_alloc == without.in_free == 0


def test_looks_that_take_time_under_the_lock_undo_what_lists_of_each_cpu_save():
    free, dear = (measure(0, "waiting", 16, True, 1.0, faster=100, look_ns=ns).waiting for ns in (0, 20))
    assert dear > 10 * free


@pytest.mark.slow
def test_in_a_squeeze_many_cpus_meet_at_the_lock_of_a_pool_that_beneath_would_never_meet():
    pool, without = (measure_bios(0, way, 64, True, 0.5, faster=100) for way in ("mempool", "nothing"))
    assert pool.waiting > 10 * without.waiting


# == The verdicts ==================================================================================


@pytest.mark.parametrize("in_alloc, in_free, waits, word", [
    (0, 0, (5, 60), HOLDS), (0, 1, (5, 60), FAILS), (1, 1, (5, 60), FAILS), (0, 0, (5, 90), DEPENDS),
    (0, 0, (50, 90), FAILS)])
def test_m4_counts_both_calls_and_wants_the_pool_to_scale(in_alloc, in_free, waits, word):
    rows = [(f"bios 0% refused, {cpus} CPUs", in_alloc, in_free, 0, 100, 100, waiting, without)
            for cpus, waiting, without in zip((4, 64), waits, (5, 40), strict=True)]
    pressed = ("bios 10% refused, 64 CPUs", 9, 9, 9, 100, 100, 99, 1)
    verdict = M4.judge(Evidence(("memory", *"1234567"), (*rows, pressed)))
    assert verdict.word == word and "bios 10% refused, 64 CPUs" in verdict.because


def test_m4_does_not_choose_what_is_normal():
    rows = [(f"pages {memory}, 4 CPUs", touched, 0, 0, 100, 100, 5, 5)
            for memory, touched in (("free", 0), ("clean", 6))]
    for order in (rows, rows[::-1]):
        verdict = M4.judge(Evidence(("memory", *"1234567"), tuple(order)))
        assert (verdict.word, verdict.on) == (DEPENDS, "what the memory holds in the normal case")


@pytest.mark.parametrize("counted, waiting, word", [
    ((19, 20, 5), (20, 20, 5), HOLDS), ((19, 20, 5), (49, 20, 5), DEPENDS), ((19, 20, 5), (20, 50, 5), DEPENDS),
    ((19, 20, 5), (20, 20, 30), DEPENDS), ((19, 25, 12), (20, 25, 12), HOLDS), ((21, 1, 1), (49, 1, 1), FAILS)])
def test_l7_wants_one_branch_a_call_and_no_more_turns_and_waiting(counted, waiting, word):
    rows = ((OUTSIDER, 18, 18, counted[0], waiting[0]), (f"{TURNS}: so", 20, 20, counted[1], waiting[1]),
            (f"{WAITS}: so", 6, 5, counted[2], waiting[2]), (LEFT, 0, 16, 0, 16), (USED, 16, 0, 16, 16))
    verdict = L7.judge(Evidence(("a call", "nothing", "mempool", "counted", "waiting"), rows))
    assert verdict.word == word
    assert verdict.on == ("how firm the promise is" if word == DEPENDS else "")


CLAIMS = {"M4": M4, "L7": L7}
SMALL = {"M4": {"refused": (0.0,)}, "L7": {"cpus": (8,), "ways": ("nothing", "mempool", "hidden", "waiting")}}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("lock_ns", [2, 200])
def test_the_verdict_does_not_hang_on_what_a_lock_costs_beside_a_step(name, lock_ns):
    one, small = CLAIMS[name], SMALL[name]
    assert one.trial(0, **small, lock_ns=lock_ns)[1].word == one.trial(0, **small)[1].word


@pytest.mark.slow
def test_l7_is_judged_the_same_under_twenty_seeds():     # and M4 is in test_debate.py
    verdicts = [L7.trial(seed, **SMALL["L7"])[1] for seed in range(20)]
    assert len({(verdict.word, verdict.on) for verdict in verdicts}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name, fewer", [("M4", {"refused": (0.0, 0.9), "faster": (100,)}),
                                         ("L7", {"memory": (0.5,), "ways": SMALL["L7"]["ways"]})])
def test_the_verdict_is_the_same_on_1_to_64_cpus(name, fewer):
    one = CLAIMS[name]
    assert one.trial(1, **{**one.recorded, **fewer, "cpus": (1, 64)})[1].word == one.trial(1)[1].word
