"""One pool over every allocator: what M1 says of each, and that it can say something else."""

from random import Random

import pytest

from kit.debate.backing_trial import ALLOCATORS, ELEMENTS, KINDS, M1, _run
from kit.debate.claim import DEPENDS, FAILS, HOLDS, Evidence
from kit.gfp import GFP_KERNEL
from kit.memory.attempts import LINUX_2_6_12
from kit.memory.mempool import Mempool

COLUMNS = ("beneath", "page allocator", "finished", "of schedules", "from the pool", "of no use", "lost")


@pytest.mark.parametrize("kind", KINDS)
def test_a_pool_takes_from_any_allocator_and_gives_everything_back(kind):
    beneath = KINDS[kind](LINUX_2_6_12)
    before = beneath.out()
    pool = Mempool.create(ELEMENTS, beneath.backing)
    held = [pool.alloc(GFP_KERNEL) for _ in range(3)]
    assert len(set(held)) == 3 and beneath.out() > before
    for element in held:
        pool.free(element)
    pool.check()
    pool.resize(0)
    assert beneath.out() == before


@pytest.mark.parametrize("kind", KINDS)
def test_with_everything_beneath_used_up_the_pool_serves_alone(kind):
    finished, served, _, lost = _run(KINDS[kind], *ALLOCATORS["2.6.12, may say no"], 12, Random(5), 4_000)
    assert finished and served and not lost


@pytest.mark.slow
def test_over_2_5_1_more_turns_do_not_help():
    assert not _run(KINDS["pages"], *ALLOCATORS["2.5.1, never no"], 12, Random(5), 60_000)[0]


def test_with_few_tasks_no_rung_below_skim_is_needed_and_any_allocator_will_do():
    verdict = M1.trial(0, tasks=2, beneath=("pages", "slab"), schedules=3)[1]
    assert verdict.word == HOLDS


def test_the_wrong_reserve_is_told():
    verdict = M1.trial(0, beneath=("pages", "pages for ISA"), allocators=("2.6.12, may say no",), schedules=2)[1]
    assert (verdict.word, verdict.on) == (DEPENDS, "the kind of element")
    assert "from the pool of pages for ISA, 72 are of no use" in verdict.because


@pytest.mark.parametrize("changed, word, on", [
    ({}, HOLDS, ""), ({("a", "x"): (0, 9, 0, 0)}, DEPENDS, "whether the page allocator may say no and the kind"),
    ({("a", "x"): (0, 9, 0, 0), ("b", "x"): (5, 9, 0, 0)}, DEPENDS, "whether the page allocator may say no"),
    ({("a", "x"): (6, 9, 2, 0), ("a", "y"): (6, 9, 1, 0)}, DEPENDS, "the kind of element"),
    ({(kind, name): (6, 9, 0, 1) for kind in "ab" for name in "xy"}, FAILS, "")])
def test_m1_can_come_out_every_way(changed, word, on):
    rows = []
    for kind in "ab":
        for name in "xy":
            finished, *faults = changed.get((kind, name), (6, 9, 0, 0))
            rows.append((kind, name, finished, 6, *faults))
    verdict = M1.judge(Evidence(COLUMNS, tuple(rows)))
    assert verdict.word == word and verdict.on.startswith(on) and bool(on) == bool(verdict.on)
