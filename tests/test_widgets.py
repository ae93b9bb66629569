"""The widgets, driven in plain Python: every control, forward and back, and what is left without a kernel."""

import re

import pytest
from hygiene import faults
from nbformat import v4
from samples import METADATA, write

from kit import LINUX_2_5_1, Machine, Mempool, Refusing, Trail, explore, step
from kit.commands.notebooks import executed
from kit.drivers.small_worlds import pool
from kit.errors import BadInput
from kit.show.bench import BENEATH, LadderBench
from kit.show.scheduler import BeTheScheduler
from kit.show.stepper import CODE, Stepper, film
from kit.show.widget import squares

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
    with pytest.raises(BadInput, match="7 is no story"):
        BeTheScheduler(7)


# == The stepper ===================================================================================


async def borrower(reserve):
    """Takes one element and gives it back."""
    element = await reserve.alloc()
    await step("use it")
    await reserve.free(element)


@pytest.fixture
def stepper():
    machine, reserve = Machine(), Mempool.create(1, Refusing(1))
    for name in ("Ann", "Bob"):
        machine.spawn(name, borrower, reserve)
    with film(lambda: squares(reserve)) as trail:
        machine.run()
    return Stepper(trail, code=(*CODE, borrower))


def everything_shown(stepper, button):
    shown = [stepper.said.value]
    for _ in stepper.events[1:]:
        button.click()
        shown.append(stepper.said.value)
    return shown


def test_back_shows_what_forward_showed(stepper):
    forward = everything_shown(stepper, stepper.forward)
    assert stepper.position.value == len(stepper.events) == len(set(forward))
    assert everything_shown(stepper, stepper.back) == forward[::-1]
    stepper.back.click()
    assert stepper.position.value == 1
    stepper.last.click()
    assert stepper.said.value == forward[-1]
    stepper.forward.click()
    assert stepper.position.value == len(stepper.events)
    stepper.first.click()
    assert stepper.said.value == forward[0]
    stepper.position.value = 5
    assert stepper.said.value == forward[4]


def test_event_rung_pool_and_line_of_the_kit_stand_together(stepper):
    served = next(number for number, event in enumerate(stepper.events, 1) if event.what == "served")
    stepper.position.value = served
    told = repr(stepper)
    assert "Ann, served SKIM element=e0" in told and "pool: □ 0 of 1 elements, 0 beneath" in told
    assert "▶ async def skim(pool, gfp):" in told


@pytest.mark.parametrize(("label", "line"), [("look again", 'await step("look again")'), ("refill", 'step("refill")'),
                                             ("use it", 'await step("use it")'), ("DRAIN", "async def drain")])
def test_the_marked_line_is_where_the_task_stands(stepper, label, line):
    stepper.position.value = next(number for number, event in enumerate(stepper.events, 1)
                                  if event.what == "step" and event.label == label)
    task, marked = [row for row in repr(stepper).splitlines() if row.startswith("▶")]
    assert label in task and line in marked


def test_one_task_can_be_followed(stepper):
    stepper.follow.value = "Bob"
    stepper.forward.click()
    visited = set()
    while stepper.position.value not in visited:
        visited.add(stepper.position.value)
        assert stepper.events[stepper.position.value - 1].task == "Bob"
        stepper.forward.click()
    assert len(visited) == sum(event.task == "Bob" for event in stepper.events)


def test_a_counterexample_of_the_explorer_can_be_stepped_through():
    found = Stepper(explore(pool(2, 2, 2)).trail)
    found.last.click()
    assert "sleep pool.wait" in found.said.value and "▶             await sleep(pool.wait, pool.timeout)" in repr(found)


def test_an_empty_trail_gets_a_sentence():
    with pytest.raises(BadInput, match="nothing happened"):
        Stepper(Trail())


# == The bench =====================================================================================


def test_rungs_are_switched_off_and_on_again():
    bench = LadderBench(tasks=6, beneath="Sleeping")
    whole = bench.said.value
    assert "hung" in whole and "4 of 4 elements in the pool in the end" in whole and "sleeps on" in whole
    bench.insist.value = False
    assert "all served" in bench.said.value and "INSIST" not in bench.said.value
    assert bench.insist.description == "INSIST is off" and bench.queue.description == "4 QUEUE"
    bench.insist.value = True
    assert bench.said.value == whole


def test_rungs_are_reordered_by_buttons_and_stay_on_the_ladder():
    bench = LadderBench(tasks=6, beneath="Sleeping")
    bench.rung.value = "DRAIN"
    for names in ("ASK SKIM DRAIN INSIST QUEUE", "ASK DRAIN SKIM INSIST QUEUE", "DRAIN ASK SKIM INSIST QUEUE",
                  "DRAIN ASK SKIM INSIST QUEUE"):
        bench.earlier.click()
        assert [rung.name for rung in bench.ladder()] == names.split()
        assert [switch.description for switch in bench.row.children] == [
            f"{number} {name}" for number, name in enumerate(names.split(), 1)]
    bench.later.click()
    assert bench.ladder()[1].name == "DRAIN"
    bench.restore.click()
    assert [rung.name for rung in bench.ladder()] == ["ASK", "SKIM", "INSIST", "DRAIN", "QUEUE"]


def test_every_setting_counts_and_can_be_taken_back():
    bench = LadderBench()
    first = bench.said.value
    for control, value in (("tasks", 9), ("each", 3), ("elements", 1), ("spare", 5), ("beneath", "Pages")):
        bench.controls[control].value = value
        assert bench.said.value != first, control
        bench.restore.click()
        assert bench.said.value == first


@pytest.mark.parametrize("beneath", BENEATH)
@pytest.mark.parametrize("ladder", ["", "ask", "skim queue", "ask skim insist drain queue", "insist", "drain"])
def test_whatever_is_switched_on_the_bench_answers_and_says_the_same_again(beneath, ladder):
    told = []
    for _ in range(2):
        bench = LadderBench(tasks=5, each=2, elements=3, beneath=beneath)
        for name in bench.switch:
            bench.switch[name].value = name.lower() in ladder.split()
        told.append(bench.said.value)
    assert told[0] == told[1]
    assert any(end in told[0] for end in ("all served: ", "hung: ", "not done after", "no rung is on"))


def test_over_the_page_allocator_a_run_that_goes_round_is_told_from_one_that_sleeps():
    hung = repr(LadderBench(tasks=6, elements=2, each=2, beneath="Pages"))
    assert "hung: " in hung and "goes round" in hung


def test_another_ladder_can_be_put_on_the_bench():
    bench = LadderBench(LINUX_2_5_1)
    bench.insist_below_half.value = False
    assert [rung.name for rung in bench.ladder()] == ["ASK", "DRAIN", "QUEUE"]


def test_a_setting_that_the_bench_does_not_have_gets_a_sentence():
    with pytest.raises(BadInput, match="no 'pressure' to set"):
        LadderBench(pressure=3)
    with pytest.raises(BadInput, match="no allocator 'Slow'"):
        LadderBench(beneath="Slow")


# == Without a kernel ==============================================================================


@pytest.mark.parametrize("make", [BeTheScheduler, LadderBench, lambda: Stepper(explore(pool(2, 2, 2)).trail)])
def test_key_frames_tell_a_reader_without_a_kernel_what_one_would_see(make):
    widget = make()
    before = widget.said.value
    frames = widget.key_frames()
    assert frames.count("<figure") == 3 and frames == make().key_frames()
    assert widget.said.value == before == widget.now().html()


NOTEBOOK = ["""\
from kit import explore
from kit.drivers.small_worlds import pool
from kit.show.bench import LadderBench
from kit.show.scheduler import BeTheScheduler
from kit.show.stepper import Stepper

game = BeTheScheduler("pool", elements=2, tasks=2, take=2)
game""", """\
game.turns.value = "AAB"
stepper = Stepper(explore(pool(2, 2, 2)).trail)
stepper""", """\
stepper.position.value = 3
bench = LadderBench(tasks=6, beneath="Sleeping")
bench""", "bench.insist.value = False"]


@pytest.mark.slow
def test_a_notebook_with_widgets_may_be_committed_and_its_page_has_no_hole(tmp_path):
    from nbconvert import HTMLExporter
    cells = [v4.new_markdown_cell("# Widgets", id="title")]
    cells += [v4.new_code_cell(code, id=f"cell-{number}") for number, code in enumerate(NOTEBOOK)]
    file = write(v4.new_notebook(cells=cells, metadata=METADATA), tmp_path / "widgets.ipynb")
    file.write_text(executed(file), encoding="utf-8")
    assert executed(file) == file.read_text(encoding="utf-8")
    assert faults(file) == []
    page = re.sub(r"<script.*?</script>", "", HTMLExporter().from_filename(file)[0], flags=re.S)
    assert page.count("Without a kernel: what you would see") == 3
    for told in ("You have hung the machine!", "async def", "4 of 4 elements in the pool in the end"):
        assert told in page
