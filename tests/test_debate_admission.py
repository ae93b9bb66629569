"""Admission: the optimum is one, the small worlds are all of them, and L8 can come out every way."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.debate.admission_trial import (
    COLUMNS,
    L8,
    OVERCOMMIT,
    PAGES,
    PAIR,
    POLICIES,
    WAITS,
    Member,
    Search,
    _worlds,
    all_can_end,
    experiment,
)
from kit.debate.claim import DEPENDS, FAILS, HOLDS, Evidence
from kit.memory.ledger import COUNTED, REFUSING, WAITING


def free_blocks(pages, members, order):
    """The naive model: each block of that order that no member holds a page of."""
    taken = {page for one in members for page in one.pages()}
    return [first for first in range(0, pages, 1 << order)
            if first + (1 << order) <= pages and not taken & set(range(first, first + (1 << order)))]


@st.composite
def worlds(draw, order):
    """(pages, members): tasks in the middle of it, with blocks in hand; the first one's are of `order`."""
    pages, members = draw(st.integers(3, 7)), []
    for number in range(draw(st.integers(1, 4))):
        one = Member(draw(st.integers(1, 4)), 0, kept=draw(st.integers(0, 1)) * (not order), order=order * (not number))
        for _ in range(draw(st.integers(0, one.need))):
            blocks = free_blocks(pages, [*members, one], one.order)
            one = replace(one, held=(*one.held, draw(st.sampled_from(blocks)))) if blocks else one
        members.append(one)
    return pages, members


def ends_in_that_order(pages, order):
    """The naive model: let each in turn have all it still needs, then give back all but what it keeps."""
    members = list(order)
    for number, one in enumerate(order):
        while len(one.held) < one.need:
            blocks = free_blocks(pages, [*members[:number], one, *members[number + 1:]], one.order)
            if not blocks:
                return False
            one = replace(one, held=(*one.held, blocks[0]))
        members[number] = replace(one, held=one.held[:one.kept])
    return True


@given(st.one_of(worlds(0), worlds(1)))
def test_the_optimum_is_that_of_trying_every_order(world):
    pages, members = world
    assert all_can_end(pages, members) == any(ends_in_that_order(pages, order) for order in permutations(members))


def test_the_optimum_tells_a_state_from_which_nobody_can_end():
    one, other = Member(2, 0, held=(0,)), Member(2, 0, held=(1,))
    assert not all_can_end(2, (one, other)) and all_can_end(3, (one, other))


def test_a_page_in_the_wrong_place_keeps_somebody_from_a_pair():
    pair = Member(1, 0, order=1)
    kept_for_ever = [Member(1, 0, kept=1, held=(page,)) for page in range(3)]
    assert [all_can_end(3, (pair, one)) for one in kept_for_ever] == [False, False, True]


def test_the_small_worlds_are_all_of_them():
    assert len(_worlds(3, 3, PAGES, "in full", 0)) == 10                # three needs of three sizes, up to order
    kept = _worlds(3, 3, PAGES, "in full", 1)
    assert len(kept) == 18 and all(sum(one.kept for one in world) == 1 for world in kept)
    paired = _worlds(3, 3, PAIR, "in full", 0)
    assert len(paired) == 6 and all(sum(one.order for one in world) == 1 for world in paired)
    odd = _worlds(2, 2, PAGES, "by all but 1", 0)
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
    """Evidence of so many endless waits; the cases are (needs, declared, kept for ever)."""
    cases = [(PAGES, "in full", 0), (PAGES, "in full", 1), (PAGES, "not at all", 0), (PAIR, "in full", 0)]
    rows = [(OVERCOMMIT, *case, 9, 99, 0, 0, overcommit, 0) for case in cases]
    return Evidence(COLUMNS, tuple(rows + [(WAITS, *case, 9, 99, 0, 5, endless, 0)
                                           for case, endless in zip(cases, waiting, strict=True)]))


@pytest.mark.parametrize("overcommit, waiting, word, on", [
    (3, (0, 0, 0, 0), HOLDS, ""), (3, (1, 2, 1, 2), FAILS, ""), (0, (0, 0, 0, 0), FAILS, ""),
    (3, (0, 0, 1, 0), DEPENDS, "needs being declared"), (3, (0, 1, 0, 0), DEPENDS, "pages being returned"),
    (3, (0, 1, 1, 0), DEPENDS, "needs being declared and pages being returned"),
    (3, (0, 0, 0, 1), DEPENDS, "the size of the blocks")])
def test_l8_can_come_out_every_way(overcommit, waiting, word, on):
    verdict = L8.judge(table(overcommit, *waiting))
    assert (verdict.word, verdict.on) == (word, on)


def test_more_worlds_do_not_change_the_verdict():
    small, usual = (L8.judge(experiment(0, pages=pages, tasks=tasks)) for pages, tasks in ((2, 2), (3, 2)))
    assert (small.word, small.on) == (usual.word, usual.on) == (
        DEPENDS, "needs being declared and pages being returned")


@pytest.mark.slow
def test_a_ledger_that_asks_is_never_wrong_where_needs_are_declared_and_met():
    cases = [(needs, declared, 0) for needs in (PAGES, PAIR) for declared in ("in full", "by all but 1")]
    evidence = experiment(0, cases=cases, pages=4)
    for row in evidence.rows:
        told = dict(zip(COLUMNS, row, strict=True))
        asks = told["allocator"] in (WAITS, "refusing")
        assert not asks or not told["false yes"] + told["endless"]
        assert told["allocator"] != OVERCOMMIT or told["false yes"] and told["endless"]
    assert {row[0] for row in evidence.rows} == set(POLICIES)
