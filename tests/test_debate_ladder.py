"""The ladder against others: M3 can come out every way, and each allocator beneath does what its name says."""

import pytest

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Evidence
from kit.debate.ladder_trial import ALONE, BENEATH, LADDERS, M3, WHOLE, experiment, is_better
from kit.gfp import GFP_NOIO
from kit.memory.mempool import MAIL

GOOD, SLEEPY, SLOW = "9 / 1", "9 / 5", "1,012 / 1"


@pytest.mark.parametrize("one, other", [(GOOD, SLEEPY), (GOOD, SLOW), (SLOW, "hung"), (SLEEPY, "no end"),
                                        ("8 / 1", GOOD)])
def test_a_better_ladder_ends_or_takes_less_and_is_never_the_other_way_round(one, other):
    assert is_better(one, other) and not is_better(other, one)


@pytest.mark.parametrize("one, other", [(GOOD, GOOD), ("hung", "no end"), (SLEEPY, SLOW)])
def test_neither_of_two_ladders_is_better(one, other):
    assert not is_better(one, other) and not is_better(other, one)


@pytest.mark.parametrize("whole, shorter, alone, word", [
    ((GOOD, GOOD), (SLOW, "hung"), (SLEEPY, SLOW), HOLDS), ((GOOD, GOOD), (SLEEPY, SLOW), (GOOD, SLEEPY), HOLDS),
    ((GOOD, SLEEPY), (GOOD, GOOD), ("no end", "hung"), DEPENDS), ((GOOD, "hung"), (SLEEPY, "hung"), (GOOD,) * 2, FAILS),
    ((SLEEPY, "hung"), (GOOD, GOOD), ("hung", "hung"), FAILS), ((GOOD, GOOD), (SLOW, SLOW), (GOOD, GOOD), FAILS)])
def test_m3_weighs_the_whole_ladder_against_others(whole, shorter, alone, word):
    """Over two allocators."""
    rows = ((WHOLE, *whole), ("without SKIM", *shorter), (ALONE, *alone))
    verdict = M3.judge(Evidence(("ladder", "one", "another"), rows))
    assert verdict.word == word and verdict.on == ("the allocator beneath" if word == DEPENDS else "")


def test_the_allocator_alone_ends_where_others_give_memory_back():
    """So over one that says no for good, it is the world that keeps it from the end, and not the trial."""
    cells = experiment(0, ("says no", "says no 20 times", "says no 200 times"), (WHOLE, ALONE), draws=1).rows
    assert cells[1][1] == "no end" and is_better(cells[1][2], cells[0][2])


def test_one_that_says_no_for_a_time_says_so_that_often_and_then_has_what_it_began_with():
    later = BENEATH["says no 20 times"](2)
    first = [later.alloc(GFP_NOIO) for _ in range(2)]
    answers = [later.alloc(GFP_NOIO) for _ in range(22)]
    assert None not in first and answers[:19] == [None] * 19 and None not in answers[19:21] and answers[21] is None


def test_the_ladders_are_those_of_the_mail_with_a_rung_less_or_in_another_order():
    for name, ladder in LADDERS.items():
        assert set(ladder) <= set(MAIL) and len(set(ladder)) == len(ladder)
        assert len(ladder) == len(MAIL) - (1 if name.startswith("without") else 3 if name == ALONE else 0)


def test_skim_saves_sleep_where_memory_is_found_in_time():
    """Molnar's own reason for the half-full rule."""
    whole, without = experiment(0, ("finds some, in time",), (WHOLE, "without SKIM"), draws=2).rows
    assert int(whole[1].split(" / ")[1]) * 4 < int(without[1].split(" / ")[1])
