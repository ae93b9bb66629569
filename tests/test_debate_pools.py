"""L1, L6 and M6, the claims on what a pool is and does: each can come out every way, and what was fixed is swept."""

import pytest

from kit.debate import composite_trial, half_full_trial
from kit.debate.claim import DEPENDS, FAILS, HOLDS, Evidence
from kit.debate.composite_trial import (
    COMPOSITE,
    EACH,
    LEDGER,
    M6,
    MAY_SAY_NO,
    NESTED,
    NEVER_NO,
    RESERVE_ALL,
    RESERVE_EACH,
    RESERVING,
    WAYS,
)
from kit.debate.duplication_trial import BLOCKS, FREEING, KINDS, L1, OBJECTS, ORDINARY, PAGES
from kit.debate.half_full_trial import BENEATH, L6, LADDERS, page_allocator
from kit.errors import BadInput
from kit.machine.explore import explore
from kit.memory.attempts import LINUX_2_5_1
from kit.memory.ledger import COUNTED

# == L1 ============================================================================================

RESERVES, DEPTH = "whether slab and page reserve", "how deep others dig"


@pytest.mark.parametrize("bare, reserving, word, on", [
    ((4, 4), (4, 4), HOLDS, ""), ((4, 4), (0, 0), HOLDS, ""), ((4, 0), (4, 4), DEPENDS, RESERVES),
    ((0, 0), (4, 4), DEPENDS, RESERVES), ((4, 0), (4, 0), DEPENDS, DEPTH), ((0, 0), (0, 3), FAILS, "")])
def test_l1_can_come_out_every_way(bare, reserving, word, on):
    rows = tuple(("pages", 20, depth, 4, had, had, reserved)
                 for depth, had, reserved in zip((ORDINARY, FREEING), bare, reserving, strict=True))
    verdict = L1.judge(Evidence(("of 4", "min mark", "others dig to", "", "", "", ""), rows))
    assert (verdict.word, verdict.on) == (word, on)


@pytest.mark.parametrize("kind", KINDS)
def test_below_the_mark_nothing_is_left_by_those_who_free_memory(kind):
    """A pool keeps four, as does who reserves; slabs keep free objects, but only until they are reaped."""
    (*_, pool, bare, reaped, reserving), = L1.experiment(0, kinds=(kind,), others=(FREEING,)).rows
    assert (pool, bare, reaped, reserving) == (4, 4 if kind == OBJECTS else 0, 0, 4)


def test_ordinary_callers_leave_what_lies_below_the_mark():
    kept = {row[:2]: row[5] for row in L1.experiment(0, others=(ORDINARY,), marks=(0, 20, 80)).rows}
    assert all(not kept[kind, 0] and kept[kind, 80] == 4 for kind in KINDS)
    assert kept[PAGES, 20] == 4 and kept[BLOCKS, 20] == 1


def test_a_reservation_that_is_only_counted_keeps_nothing_more():
    rows = L1.experiment(0, others=(FREEING,), policy=COUNTED).rows
    assert {row[0]: row[6] for row in rows} == {kind: 4 if kind == OBJECTS else 0 for kind in KINDS}


# == L6 ============================================================================================


@pytest.mark.parametrize("cells, word", [
    ([("1 2", "1 2", "-"), ("-", "-", "-")], FAILS), ([("1 2", "1", "-"), ("-", "-", "-")], HOLDS),
    ([("1 2", "1", "-"), ("1 2", "-", "-")], HOLDS), ([("-", "1", "-"), ("1", "1", "1")], FAILS)])
def test_l6_wants_one_world_that_the_condition_alone_hangs(cells, word):
    rows = tuple((beneath, 3, *hung, "1 to 2", 9) for beneath, hung in zip(("sleeps", "says no"), cells, strict=True))
    assert L6.judge(Evidence(("beneath", "tasks", *LADDERS, "of elements", "states"), rows)).word == word


@pytest.mark.parametrize("beneath, hung", [
    ("says no", ["-", "-", "-"]), ("sleeps until freed", ["1 2 3", "1 2", "-"]),
    ("goes round as 2.5.1's", ["1 2 3", "1 2", "-"]),
    pytest.param("goes round while others free", ["-", "-", "-"], marks=pytest.mark.slow)])
def test_with_as_many_elements_as_tasks_only_the_condition_hangs(beneath, hung):
    evidence, _ = L6.trial(beneath=(beneath,), tasks=(3,))
    assert list(evidence.rows[0][2:5]) == hung


@pytest.mark.slow
@pytest.mark.parametrize("tasks", [2, 3, 4])
def test_the_condition_alone_hangs_from_as_many_elements_as_tasks_to_three_less_than_twice_as_many(tasks):
    evidence, _ = L6.trial(beneath=("sleeps until freed",), tasks=(tasks,), elements=(1, 2, 3, 4, 5, 6))
    half_full, not_empty, never = (set(cell.split()) for cell in evidence.rows[0][2:5])
    assert half_full - not_empty == {str(size) for size in range(tasks, 2 * tasks - 2)}
    assert not_empty == {str(size) for size in range(1, tasks)} and never == {"-"}


@pytest.mark.slow
@pytest.mark.parametrize("elements", [2, 3])
@pytest.mark.parametrize("ladder", LADDERS)
def test_without_what_finds_nothing_the_page_allocator_ends_as_the_whole_of_2_5_1(monkeypatch, ladder, elements):
    def verdict():
        return explore(half_full_trial.story("goes round as 2.5.1's", elements, 3, LADDERS[ladder])).verdict

    short = verdict()
    whole = (lambda count: page_allocator(count, LINUX_2_5_1), False)
    monkeypatch.setitem(BENEATH, "goes round as 2.5.1's", whole)
    assert verdict() == short


def test_a_world_that_is_not_looked_at_whole_is_no_evidence(monkeypatch):
    monkeypatch.setattr(half_full_trial, "explore", lambda story: explore(story, limit=50))
    with pytest.raises(BadInput, match="too many states"):
        L6.trial(beneath=("says no",))


# == M6 ============================================================================================

ONCE, NESTING, ALLOCATOR = "having all parts at once", "whether pools are nested", "the page allocator"
EVERY = [(way, over) for way in WAYS for over in ((LEDGER,) if way in RESERVING else (MAY_SAY_NO, NEVER_NO))]


def m6(*hanging):
    """The verdict if of all ways these hang: under one of two schedules, or, if they are written so, in small."""
    rows = tuple((way, over, 2, 2 - (way in hanging or (way, over) in hanging), 2, "2 on 1" if (way, "small") in hanging
                  else "-") for way, over in EVERY)
    return M6.judge(Evidence(("way", "page allocator", "as many tasks", "one more", "of schedules", "small"), rows))


@pytest.mark.parametrize("hanging, word, on", [
    ((), FAILS, ""), ((COMPOSITE, EACH), FAILS, ""), ((EACH, NESTED, RESERVE_EACH, RESERVE_ALL), HOLDS, ""),
    ((RESERVE_EACH, RESERVE_ALL), HOLDS, ""), ((EACH, RESERVE_EACH), DEPENDS, ONCE),
    (((EACH, "small"), RESERVE_EACH), DEPENDS, ONCE), ((NESTED,), DEPENDS, NESTING),
    ((EACH, NESTED, RESERVE_EACH), DEPENDS, f"{ONCE} and {NESTING}"), (((COMPOSITE, NEVER_NO),), DEPENDS, ALLOCATOR)])
def test_m6_can_come_out_every_way(hanging, word, on):
    verdict = m6(*hanging)
    if on == ALLOCATOR:     # where the pool of each part does not hang, either, having all at once matters as well
        assert verdict.on.endswith(on)
    else:
        assert (verdict.word, verdict.on) == (word, on)


@pytest.mark.parametrize("way, over", EVERY)
def test_with_a_buffer_for_each_nobody_stands_in_anothers_way_unless_nobody_says_no(way, over):
    """Below half of the pages a pool of them insists, and 2.5.1 does not come back (L6)."""
    row, = M6.experiment(0, ways=(way,), allocators=(over,), loads=("as many tasks",), buffers=(1,), small=()).rows
    assert row[2] == (0 if (way, over) == (EACH, NEVER_NO) else row[3])


@pytest.mark.slow
@pytest.mark.parametrize("way, over", EVERY)
def test_who_has_not_ended_would_not_have_with_more_turns(monkeypatch, way, over):
    def row():
        return M6.experiment(1, ways=(way,), allocators=(over,), buffers=(2,), schedules=2, small=()).rows

    before = row()
    monkeypatch.setattr(composite_trial, "TURNS", 4 * composite_trial.TURNS)
    assert row() == before


def test_part_by_part_hangs_as_the_theorem_says():
    """Tasks * (parts - 1) >= all parts there are: a buffer of three reserved ones, and two pages of a pool."""
    for buffers, tasks in ((1, 1), (1, 2), (2, 2), (2, 3)):
        assert composite_trial._hangs(RESERVE_EACH, LEDGER, buffers, tasks) == (tasks * 2 >= 3 * buffers)
        assert not composite_trial._hangs(RESERVE_ALL, LEDGER, buffers, tasks)
    for buffers, tasks in ((1, 1), (1, 2), (2, 2)):
        assert composite_trial._hangs(EACH, MAY_SAY_NO, buffers, tasks) == (tasks >= 2 * buffers)
