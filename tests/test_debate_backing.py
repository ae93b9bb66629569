"""One pool over every allocator: what M1 says of each, and that it can say something else."""

from random import Random

import pytest

from kit.debate.backing_trial import (
    ALLOCATORS,
    AS_ASKED,
    COLUMNS,
    ELEMENTS,
    FOR_ALL,
    ISA,
    KINDS,
    M1,
    SLAB,
    experiment,
    run,
)
from kit.debate.claim import DEPENDS, FAILS, HOLDS, Evidence
from kit.gfp import GFP_KERNEL
from kit.memory.attempts import LINUX_2_6_12
from kit.memory.mempool import Mempool
from kit.traps import never_sleeps


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
    outcome = run(KINDS[kind], *ALLOCATORS["2.6.12 with NORETRY"], 12, Random(5), 2_000)
    assert outcome.finished and outcome.served and not outcome.lost


@pytest.mark.slow
def test_over_2_5_1_more_turns_do_not_help():
    assert not run(KINDS["pages", AS_ASKED], *ALLOCATORS["2.5.1"], 12, Random(5), 60_000).finished


def test_release_and_flag_are_both_needed_and_few_tasks_need_neither():
    """Half of four elements can be had before anybody has to ask an allocator that never says no."""
    rows = {row[2]: row[4:9] for row in experiment(0, ((SLAB, AS_ASKED),), tasks=(2, 3, 12), schedules=2).rows}
    assert rows == {2: (2, 2, 2, 2, 2), 3: (2, 2, 2, 2, 2), 12: (2, 0, 0, 0, 2)}


def test_an_element_that_is_lost_is_counted_even_where_tasks_do_not_end():
    """An allocator that forgets what it is given back: each of the four tasks' pages, and the four of the pool."""
    def forgetful(attempts):
        beneath = KINDS["pages", AS_ASKED](attempts)

        @never_sleeps
        async def forget(page):
            """Whoever gives a page back does not notice."""
        beneath.backing.free = forget
        return beneath
    assert run(forgetful, *ALLOCATORS["2.6.12 with NORETRY"], 2, Random(1), 2_000, left=True).lost > ELEMENTS
    assert run(forgetful, *ALLOCATORS["2.5.1"], 12, Random(1), 2_000).lost > ELEMENTS


def test_the_wrong_reserve_is_told():
    verdict = M1.trial(0, beneath=((SLAB, AS_ASKED), (ISA, AS_ASKED), (ISA, FOR_ALL)), schedules=1)[1]
    assert (verdict.word, verdict.on) == (DEPENDS, "whether the reserve is filled by the request that it is for")
    assert "pages for ISA (filled with GFP_KERNEL)" in verdict.because


SAME = (2, 0, 2), (0, 0)
LESS, USELESS, LOST = ((2, 0, 1), (0, 0)), ((2, 0, 2), (3, 0)), ((2, 0, 2), (0, 1))


@pytest.mark.parametrize("kinds, word, on", [
    ({("a", AS_ASKED): SAME}, HOLDS, ""), ({("a", AS_ASKED): LESS}, FAILS, ""), ({("a", AS_ASKED): LOST}, FAILS, ""),
    ({("a", AS_ASKED): SAME, ("b", AS_ASKED): LESS}, DEPENDS, "the kind of allocator"),
    ({("a", AS_ASKED): SAME, ("a", FOR_ALL): USELESS}, DEPENDS,
     "whether the reserve is filled by the request that it is for")])
def test_m1_can_come_out_every_way(kinds, word, on):
    """Two schedules each: how many finish with memory left, over an allocator that never says no, and over others."""
    rows = [(*kind, 12, 2, left, never, says_no, never, says_no, *faults)
            for kind, ((left, never, says_no), faults) in {(SLAB, AS_ASKED): SAME, **kinds}.items()]
    verdict = M1.judge(Evidence(COLUMNS, tuple(rows)))
    assert (verdict.word, verdict.on) == (word, on)
