"""Admission: the optimum is one, the small worlds are all of them, and L8 can come out every way."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.debate.admission_trial import (
    COLUMNS,
    DECLARED,
    L8,
    OVERCOMMIT,
    POLICIES,
    Member,
    Search,
    _worlds,
    all_can_end,
    experiment,
)
from kit.debate.claim import DEPENDS, FAILS, HOLDS, Evidence
from kit.memory.ledger import COUNTED, REFUSING, WAITING


@st.composite
def members(draw):
    need = draw(st.integers(1, 4))
    return Member(need, 0, kept=draw(st.integers(0, need)), held=draw(st.integers(0, need)))


def ends_in_that_order(free, order):
    """The naive model: let each in turn have all it still needs, then give back all but what it keeps."""
    for one in order:
        free -= one.need - one.held
        if free < 0:
            return False
        free += one.need - one.kept
    return True


@given(st.integers(0, 4), st.lists(members(), min_size=1, max_size=4))
def test_the_optimum_is_that_of_trying_every_order(spare, world):
    pages = spare + sum(one.held for one in world)
    assert all_can_end(pages, world) == any(ends_in_that_order(spare, order) for order in permutations(world))


def test_the_optimum_tells_a_state_from_which_nobody_can_end():
    half = Member(2, 0, held=1)
    assert not all_can_end(2, (half, half)) and all_can_end(3, (half, half))


def test_the_small_worlds_are_all_of_them():
    assert len(_worlds(3, 3, DECLARED["in full"], 0)) == 10             # three needs of three sizes, up to order
    kept = _worlds(3, 3, DECLARED["in full"], 1)
    assert len(kept) == 18 and all(sum(one.kept for one in world) == 1 for world in kept)
    odd = _worlds(2, 2, DECLARED["one task nothing"], 0)
    assert [[(one.need, one.declared) for one in world] for world in odd] == [
        [(1, 0), (1, 1)], [(1, 0), (2, 2)], [(1, 1), (2, 0)], [(2, 0), (2, 2)]]


def test_two_tasks_in_two_pages_are_counted_by_hand():
    """Both need both: after one has one page, only giving that one another is safe."""
    seen = Search(None, (Member(2, 0), Member(2, 0)), 2)
    # States: nobody has a page; one has one; one has both; both have one (stuck); one is over, the other has 0, 1, 2.
    assert (seen.answers, seen.false_yes, seen.false_wait, seen.endless) == (9, 1, 0, True)
    # One has reserved both pages and taken none: the other could still go first, but the ledger does not lend.
    sure = Search(WAITING, (Member(2, 2), Member(2, 2)), 2)
    assert (sure.false_yes, sure.false_wait, sure.endless) == (0, 1, False)


def test_a_promise_that_is_only_counted_is_broken_by_who_never_asked():
    world = Member(2, 2), Member(2, 0)
    counted, waiting, refusing = (Search(policy, world, 3) for policy in (COUNTED, WAITING, REFUSING))
    assert counted.false_yes and not waiting.false_yes and not refusing.false_yes
    assert refusing.gave_up and not waiting.gave_up and not waiting.endless


@pytest.mark.parametrize("policy", [None, COUNTED, REFUSING, WAITING], ids=str)
def test_with_one_task_alone_every_answer_is_right(policy):
    for need in (1, 2, 3):
        seen = Search(policy, (Member(need, need),), 3)
        assert (seen.false_yes, seen.false_wait, seen.endless) == (0, 0, False)


def table(overcommit, *waiting):
    """Evidence of so many endless waits; the worlds are (declared, never returned)."""
    worlds = [("in full", 0), ("in full", 1), ("nothing", 0), ("nothing", 1)]
    rows = [(OVERCOMMIT, *world, 9, 99, 0, 0, overcommit, 0) for world in worlds]
    return Evidence(COLUMNS, tuple(rows + [(WAITING.name, *world, 9, 99, 0, 5, endless, 0)
                                           for world, endless in zip(worlds, waiting, strict=True)]))


@pytest.mark.parametrize("overcommit, waiting, word, on", [
    (3, (0, 0, 0, 0), HOLDS, ""), (3, (1, 2, 1, 2), FAILS, ""), (0, (0, 0, 0, 0), FAILS, ""),
    (3, (0, 0, 1, 2), DEPENDS, "needs being declared"), (3, (0, 1, 0, 1), DEPENDS, "pages being returned"),
    (3, (0, 1, 1, 2), DEPENDS, "needs being declared and pages being returned")])
def test_l8_can_come_out_every_way(overcommit, waiting, word, on):
    verdict = L8.judge(table(overcommit, *waiting))
    assert (verdict.word, verdict.on) == (word, on)


def test_more_worlds_do_not_change_the_verdict():
    small, usual = (L8.judge(experiment(0, pages=pages, tasks=tasks)) for pages, tasks in ((2, 2), (3, 2)))
    assert (small.word, small.on) == (usual.word, usual.on) == (
        DEPENDS, "needs being declared and pages being returned")


@pytest.mark.slow
def test_a_ledger_that_asks_is_never_wrong_where_needs_are_declared_and_met():
    rows = experiment(0, declared=("in full", "one task nothing"), kept=(0,), pages=4).rows
    for allocator, declared, _, worlds, answers, false_yes, _, endless, _ in rows:
        asks = allocator in (WAITING.name, REFUSING.name)
        assert not asks or not false_yes + endless
        assert allocator != OVERCOMMIT or false_yes and endless
    assert {row[0] for row in rows} == set(POLICIES)
