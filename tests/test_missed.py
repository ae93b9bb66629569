"""The worlds in which a rung is missed, and what the judges in the parent make of data that is none."""

import pytest

from kit.drivers.missed import without, world
from kit.errors import BadInput
from kit.grading.exercise import exercises
from kit.grading.grade import grade
from kit.grading.sets.set04_five_levels_absence import WORLDS
from kit.machine.explore import explore
from kit.memory.mempool import MAIL, ask, drain, insist, queue, skim

SMALLEST = (
    (ask, {"elements": 1, "spare": 1, "take": 2, "atomic": True}, "a promise is broken"),
    (skim, {"elements": 1, "beneath": "sleeping"}, "deadlock"),
    (insist, {"elements": 1, "beneath": "slow", "take": 2}, "deadlock"),
    (drain, {"elements": 3, "take": 3}, "no progress"),
    (queue, {"elements": 1, "tasks": 2, "one_cpu": True}, "no progress"),
)


@pytest.mark.parametrize(("rung", "sizes", "harm"), SMALLEST, ids=[repr(rung) for rung, _, _ in SMALLEST])
def test_each_rung_is_missed_somewhere(rung, sizes, harm):
    whole = explore(world(**sizes))
    assert (whole.verdict, whole.exhaustive) == ("none", True)
    assert explore(world(without(rung), **sizes)).verdict == harm


@pytest.mark.parametrize("elements", [1, 2])
def test_in_a_pool_of_one_or_two_nobody_misses_drain(elements):
    """Half of such a pool is one element: SKIM takes whatever there is."""
    for take in range(1, 4):
        one, other = (explore(world(ladder, elements=elements, take=take)) for ladder in (MAIL, without(drain)))
        assert one.verdict == other.verdict


def test_an_unknown_allocator_gets_the_list():
    with pytest.raises(BadInput, match="refusing, slow, sleeping"):
        world(beneath="generous")


@pytest.mark.parametrize("sizes", [{"tasks": 4}, {"tasks": True}, {"take": 1.0}, {"elements": 9}, {"one_cpu": 1},
                                   {"beneath": ["slow"]}, {"beneath": {"?": "an object of class Slow"}}], ids=str)
def test_sizes_that_are_none_get_a_sentence(sizes):
    judge = WORLDS.checks[0].judge
    assert "is no size of such a world; there are: " in judge(WORLDS.variant, ["ASK"], sizes)


@pytest.mark.parametrize("ladder", ["()", "(ask)", "('ask', 'queue')", "('',)", "5", "{}", "(ask,) * 30_000", "({},)"])
def test_a_ladder_that_is_none_gets_a_sentence(ladder):
    report = grade(exercises()["04-order"], f"from kit.memory.mempool import ask\nladder = {ladder}")
    assert (report.points, report.misconception) == (0, "")
    assert report.results[0].fault.why or report.results[0].fault.yours


@pytest.mark.parametrize("id", [id for id in exercises() if id.startswith("04")])
def test_whoever_does_nothing_gains_nothing(id):
    stub = exercises()[id].stub_of().replace("...  # your code here", "" if id == "04-order" else "return None")
    assert grade(exercises()[id], stub).points == 0
