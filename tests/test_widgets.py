"""The widgets, driven in plain Python: every control, forward and back, and what is left without a kernel."""

import pytest

from kit.drivers.small_worlds import pool
from kit.errors import BadInput
from kit.show.scheduler import BeTheScheduler

HANG = "AAAABBBBBBBBBAAAAA"     # two tasks, two elements, two each


# == Be the scheduler ==============================================================================


@pytest.fixture
def game():
    return BeTheScheduler("pool", elements=2, tasks=2, take=2)


def test_buttons_and_a_schedule_lead_to_the_same_state(game):
    for letter in "AAB":
        game.button[letter].click()
    pressed = game.said.value
    game.restart.click()
    assert game.turns.value == "" and game.said.value != pressed
    game.turns.value = "AAB"
    assert game.said.value == pressed


def test_every_turn_can_be_taken_back(game):
    shown = [game.said.value]
    for letter in HANG:
        game.button[letter].click()
        shown.append(game.said.value)
    assert len(set(shown)) == len(HANG) + 1
    while shown:
        assert game.said.value == shown.pop()
        game.undo.click()
    assert game.turns.value == ""


def test_who_hangs_the_machine_is_told_so_and_why(game):
    game.turns.value = HANG
    assert "You have hung the machine" in game.said.value
    assert "hold and wait" in game.said.value and HANG in game.said.value
    assert "Only a free of an element of pool wakes it" in game.said.value
    game.button["A"].click()
    assert game.turns.value == HANG and "A cannot go on now; nobody can." in game.said.value


def test_who_lets_each_go_on_to_its_end_does_not_hang_it(game):
    while game.run.machine.options():
        game.button[game.run.machine.options()[0].letter].click()
    assert "all have ended; nobody hung" in game.said.value


def test_what_cannot_be_a_turn_leaves_all_as_it_was_and_says_so(game):
    game.turns.value = "AAB"
    game.turns.value = "AABZ"
    assert game.run.schedule == "AAB" and "turn 4 of the schedule is Z" in game.said.value
    game.turns.value = "AA?"
    assert "position 3" in game.said.value
    game.button["B"].click()
    assert game.turns.value == "AABB" and "?" not in game.said.value


def test_the_explorer_shows_the_shortest_way_which_the_learner_can_take(game):
    game.shortest.click()
    assert "deadlock" in game.found.value and HANG in game.found.value
    game.turns.value = HANG
    assert "You have hung" in game.said.value


def test_a_world_that_cannot_hang_is_said_to_be_one_with_its_size():
    game = BeTheScheduler("pool", elements=3, tasks=2, take=2)
    game.shortest.click()
    assert "none" in game.found.value and "all there are" in game.found.value
    assert len(game.frames()) == 2


def test_the_world_can_be_made_to_answer_otherwise():
    game = BeTheScheduler("ladder", programs=("take give", "take"), rounds=1)      # A asks, and the world answers
    game.otherwise.click()
    assert "nothing was asked" in game.said.value
    game.turns.value = "AA"
    assert game.turns.value == "AA0" and "True" in game.said.value      # with the world's answer
    game.otherwise.click()
    assert game.turns.value == "AA1" and "False" in game.said.value
    game.otherwise.click()
    assert game.turns.value == "AA0"
    game.undo.click()
    assert game.turns.value == "A"


def test_any_story_can_be_played_and_a_wrong_name_gets_a_sentence():
    assert "B can go on" in BeTheScheduler(pool(2, 2, 2)).said.value
    with pytest.raises(BadInput, match="no story"):
        BeTheScheduler("pond")
    with pytest.raises(BadInput, match="no size"):
        BeTheScheduler("pool", width=3)
