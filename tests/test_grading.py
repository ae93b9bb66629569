"""Exercises: stubs, solutions, wrong answers, mutants; what is said, and where answers are found."""

import builtins
import dis
import importlib
import inspect
import json
import textwrap
from pathlib import Path

import pytest
from answers import changed
from hypothesis import given, settings
from hypothesis import strategies as st
from mutants import mutants

from kit.errors import BadInput
from kit.grading import notebooks
from kit.grading.child import plain
from kit.grading.exercise import Check, Exercise, Variant, exercise_called, exercises
from kit.grading.grade import grade
from kit.grading.report import NOT_ATTEMPTED, NOT_YET, PASSED, Report

EXERCISES = exercises()
SETS = sorted({id.split("-")[0] for id in EXERCISES})
VARIANTS = [(id, variant.name) for id, exercise in EXERCISES.items() for variant in exercise.variants]


def answers_of(number):
    return importlib.import_module(f"answers.set{number}")


WRONG = [(id, name, source) for number in SETS for id, wrong in answers_of(number).WRONG.items()
         for name, source in wrong.items()]


@pytest.fixture
def variant(monkeypatch):
    """A function that puts one variant of an exercise in force, whatever the private seed."""
    def put(id, name):
        chosen = EXERCISES[id].variant_named(name)
        monkeypatch.setattr(Exercise, "variant", property(
            lambda exercise: chosen if exercise.id == id else exercise.variants[0]))
    return put


# == The exercises themselves ======================================================================


@pytest.mark.parametrize(("id", "name"), VARIANTS)
def test_a_stub_is_not_attempted(id, name):
    exercise = EXERCISES[id]
    stub = exercise.stub_of(exercise.variant_named(name))
    assert "$" not in stub
    assert notebooks.defines(stub, exercise.name)
    report = grade(exercise, stub + "\n\n# a note of mine\n")
    assert (report.outcome, report.points, report.note) == (NOT_ATTEMPTED, 0, "")


@pytest.mark.slow
@pytest.mark.parametrize(("id", "name"), VARIANTS)
def test_a_solution_gets_full_marks(id, name, variant):
    variant(id, name)
    source, explanation = notebooks.solution_of(EXERCISES[id])
    report = grade(EXERCISES[id], source)
    assert report.outcome == PASSED, report.text()
    assert report.points == EXERCISES[id].points > 0
    assert explanation


@pytest.mark.slow
@pytest.mark.parametrize(("id", "name", "source"), WRONG, ids=[f"{id}: {name}" for id, name, _ in WRONG])
def test_a_wrong_answer_gets_its_own_sentence(id, name, source):
    report = grade(EXERCISES[id], source)
    assert report.outcome == NOT_YET
    assert report.misconception == name, report.text()
    assert report.says in report.text()


def test_every_misconception_has_a_wrong_answer_and_its_own_sentence():
    for exercise in EXERCISES.values():
        wrong = answers_of(exercise.id.split("-")[0]).WRONG.get(exercise.id, {})
        assert sorted(wrong) == sorted(each.name for each in exercise.misconceptions), exercise.id
        assert len({each.says for each in exercise.misconceptions}) == len(exercise.misconceptions) >= 3, exercise.id


@pytest.mark.parametrize("id", EXERCISES)
def test_an_exercise_is_whole(id):
    exercise = EXERCISES[id]
    assert len(exercise.hints) == 3 and 1 <= exercise.difficulty <= 5 and exercise.minutes > 0
    for check in exercise.checks:
        assert (check.expect is None) != (check.judge is None)
        assert len(inspect.signature(check.drive).parameters) == 2
    for variant in exercise.variants:
        assert "$" not in "".join(variant.fill(text) for text in
                                  (exercise.stub, *exercise.hints, *(check.rule for check in exercise.checks)))


@pytest.mark.slow
@pytest.mark.parametrize("number", SETS)
def test_every_mutant_of_a_solution_is_caught_or_explained(number):
    equivalent, survivors, tried = answers_of(number).EQUIVALENT, [], 0
    for id in [id for id in EXERCISES if id.startswith(number)]:
        for name, source in mutants(changed(id)):
            tried += 1
            if grade(EXERCISES[id], source).outcome == PASSED:
                survivors.append((id, name))
    assert sorted(survivors) == sorted(equivalent)
    assert tried >= 30


# == Notebooks =====================================================================================


@pytest.mark.parametrize("path", sorted(notebooks.SOLUTIONS.glob("*.ipynb")), ids=lambda path: path.name)
def test_exercises_are_made_from_solutions(path):
    made = notebooks.exercise_from(notebooks.read(path))
    stored = notebooks.read(notebooks.EXERCISES / path.name)
    for cell in stored["cells"]:
        if cell["cell_type"] == "code":
            assert cell["execution_count"] is not None
            cell.update(outputs=[], execution_count=None)
    assert made == stored, "make them again: python3 -m kit exercises --make"


def test_no_exercise_is_without_its_cells():
    for path in sorted(notebooks.EXERCISES.glob("*.ipynb")):
        cells = notebooks.read(path)["cells"]
        ids = [cell["metadata"]["nbgrader"]["grade_id"] for cell in cells if "nbgrader" in cell["metadata"]]
        wanted = [id for id in EXERCISES if id in ids]
        assert ids == [each for id in wanted for each in (id, f"{id}-check")]
        for id in wanted:
            assert any(cell["source"] == f'check("{id}")' for cell in cells)
            assert not any(notebooks.tagged(cell, "explanation") for cell in cells)
    assert {id for path in notebooks.EXERCISES.glob("*.ipynb") for id in notebooks.answers(
        notebooks.read(path), path.name)} == set(EXERCISES)


def notebook(*cells):
    return {"cells": [{"cell_type": "code", "source": source, "metadata": {"nbgrader": {
        "grade_id": id, "solution": True}} if id else {}} for id, source in cells]}


SIBLINGS = "def siblings(page, order):\n    return []"


def test_an_answer_is_found_by_its_mark_and_without_it_by_its_name():
    stub = EXERCISES["01-siblings"].stub_of()
    marked, unmarked, untouched = ("01-siblings", SIBLINGS), (None, SIBLINGS), ("01-siblings", stub)
    for cells in ([marked], [unmarked], [marked, untouched], [untouched, marked], [marked, (None, "siblings = 1")]):
        assert notebooks.answer_to(EXERCISES["01-siblings"], notebook(*cells)) == SIBLINGS
    assert notebooks.answer_to(EXERCISES["01-take"], notebook((None, SIBLINGS))) is None


def test_the_set_of_a_notebook_is_told_by_its_answers_and_then_by_its_name():
    assert notebooks.set_of(notebook(("01-take", "x")), "mine.ipynb") == "01"
    assert notebooks.set_of(notebook((None, SIBLINGS)), "mine.ipynb") == "01"
    assert notebooks.set_of(notebook(), "smith_12_01_pages.ipynb") == "01"
    with pytest.raises(BadInput, match="answers no exercise"):
        notebooks.set_of(notebook(), "mine.ipynb")


@pytest.mark.parametrize("data", [
    b"", b"[]", b"{}", b"\xff", b'{"cells": 3}', b'{"cells": [3]}', b"[" * 100_000,
    b'{"cells": [{"cell_type": "code"}]}', b'{"cells": [{"cell_type": 1, "source": [1]}]}'], ids=range(9))
def test_what_is_no_notebook_gets_a_sentence(data, tmp_path):
    path = tmp_path / "answers.ipynb"
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"answers\.ipynb is not a notebook"):
        notebooks.read(path)


def test_restoring_keeps_what_was_there(tmp_path):
    path = tmp_path / "01_pages_exercises.ipynb"
    path.write_bytes((notebooks.EXERCISES / path.name).read_bytes())
    book = notebooks.read(path)
    notebooks.answer_cell(EXERCISES["01-take"], book)["source"] = "take = 7"
    notebooks.write(path, book)
    kept = [notebooks.restore(path, EXERCISES["01-take"]) for _ in range(2)]
    assert [each.read_text() for each in kept] == ["take = 7\n", EXERCISES["01-take"].stub_of() + "\n"]
    assert notebooks.answer_to(EXERCISES["01-take"], notebooks.read(path)) == EXERCISES["01-take"].stub_of()


# == What is judged, and what is said ==============================================================


def doubling(**more):
    check = Check("the doubles of 0 to 99", "twice", 2, lambda variant, random: [(number,) for number in range(100)],
                  expect=lambda variant, number: variant.factor * number, **more)
    return Exercise("00-double", "Doubles", 1, 1, "", "double", "def double(number):\n    ...", ("", "", ""), (check,),
                    variants=(Variant("two", {"factor": 2}), Variant("three", {"factor": 3})))


def test_the_first_that_fails_is_told():
    report = grade(doubling(), "def double(number):\n    return 2 * number if number < 5 else 0")
    fault = report.results[0].fault
    assert (fault.typed, fault.yours, fault.wanted) == ("[5]", "0", "10")
    assert (report.results[0].right, report.results[0].worlds, report.points) == (5, 100, 0)


def test_none_may_be_the_right_answer():
    check = Check("nothing", "nothing is right", 1, lambda variant, random: [(1,)], expect=lambda variant, number: None)
    exercise = Exercise("00-none", "None", 1, 1, "", "none", "def none(number):\n    ...", ("", "", ""), (check,))
    fault = grade(exercise, "def none(number):\n    return 7").results[0].fault
    assert (fault.yours, fault.wanted) == ("7", "None")


@pytest.mark.parametrize("returned", [
    "2.0 * number", "str(2 * number)", "[2 * number]", "(2 * number == 2) or 2 * number", "{2 * number}",
    "type('Int', (int,), {'__eq__': lambda *_: True})(2 * number)"])
def test_only_the_plain_value_is_right(returned):
    assert grade(doubling(), f"def double(number):\n    return {returned}").points == 0


def test_a_long_case_is_shrunk():
    def long(variant, random):
        return [[[random.randrange(9) for _ in range(60)]]]

    def shorter(case):
        return [[case[0][:at] + case[0][at + step:]] for step in (30, 10, 3, 1) for at in range(0, len(case[0]), step)]
    check = Check("sums", "all are added", 1, long, expect=lambda variant, numbers: sum(numbers), shrink=shorter)
    exercise = Exercise("00-sum", "Sums", 1, 1, "", "add", "def add(numbers):\n    ...", ("", "", ""), (check,))
    report = grade(exercise, "def add(numbers):\n    return sum(number for number in numbers if number != 7)")
    assert report.results[0].fault.typed == "[[7]]"


def test_an_endless_loop_is_told_by_its_steps_and_its_line():
    report = grade(doubling(heap="a number"),
                   "def double(number):\n    while number > 50:\n        pass\n    return 2 * number")
    assert "line 2" not in report.text() and "line 3, `pass`: your loop ran 10,000 steps on a number" in report.text()
    assert report.results[0].right == 51


def test_an_error_is_told_by_its_line():
    text = grade(doubling(), "def double(number):\n    return nmber * 2").text()
    assert "line 2, `return nmber * 2`: NameError" in text and "Traceback" not in text
    text = grade(doubling(), "def double(number) return 2").text()
    assert "line 1, `def double(number) return 2`: SyntaxError" in text


def test_a_private_seed_picks_the_variant_and_the_data(monkeypatch, tmp_path):
    picked, data = set(), set()
    for seed in range(20):
        monkeypatch.setenv("KIT_PRIVATE_SEED", str(seed))
        picked.add(doubling().variant.name)
        data.add(doubling().random().random())
    assert picked == {"two", "three"} and len(data) == 20
    monkeypatch.setenv("KIT_PRIVATE_SEED_FILE", str(tmp_path / "none"))
    with pytest.raises(BadInput, match="KIT_PRIVATE_SEED_FILE"):
        doubling().variant  # noqa: B018


def test_a_report_survives_json():
    report = grade(EXERCISES["01-take"], "def take(free, order):\n    return 0")
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report


def test_the_same_answer_gets_the_same_words():
    source = "def take(free, order):\n    return [each for each in {'a', 'b', 'c', object()}]"
    assert grade(EXERCISES["01-take"], source).text() == grade(EXERCISES["01-take"], source).text()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3))


@settings(max_examples=50)
@given(VALUES)
def test_plain_values_come_back_as_they_are(value):
    assert plain(value) == value == json.loads(json.dumps(plain(value)))


@pytest.mark.parametrize("value", [object(), {1: 2}, {1, 2}, b"", 10**5000, [[0] * 1000] * 1000, len], ids=range(7))
def test_what_is_not_plain_is_named(value):
    json.dumps(plain(value))
    assert "?" in json.dumps(plain(value))


def test_an_unknown_exercise_gets_the_list():
    with pytest.raises(BadInput, match="01-siblings"):
        exercise_called("01-sibling")


def test_formatters_are_short():
    folder = Path(inspect.getfile(exercises)).parent
    for name in ("notebook", "terminal", "nbgrader", "gradescope"):
        assert len((folder / f"{name}.py").read_text().splitlines()) <= 60


def test_what_runs_in_the_child_stands_alone():
    """A drive is sent as source: a name from its own module would not be there."""
    for exercise in EXERCISES.values():
        for check in exercise.checks:
            code = compile(textwrap.dedent(inspect.getsource(check.drive)), "drive", "exec").co_consts[0]
            assert globals_of(code) <= set(dir(builtins)), check.name


def globals_of(code):
    """The global names that a code object and those inside it look up."""
    names = {each.argval for each in dis.get_instructions(code) if each.opname == "LOAD_GLOBAL"}
    return names.union(*(globals_of(inner) for inner in code.co_consts if hasattr(inner, "co_code")))


# == The explorer on an answer =====================================================================


def explored(driver, case):
    """In the child: every schedule of so many of the learner's drivers, over a pool of so many elements."""
    from kit.locks import WaitQueue
    from kit.machine.explore import explore
    from kit.traps import sleep, step
    elements, tasks = case

    class Pool:
        explored = ("free_elements",)

        def __init__(self):
            self.free_elements, self.wait = list(range(elements)), WaitQueue("pool.wait", of=self)

        async def alloc(self):
            await step("take")
            while not self.free_elements:
                with self.wait.queued():
                    await sleep(self.wait)
            return self.free_elements.pop()

        async def free(self, element):
            await step("free")
            self.free_elements.append(element)
            self.wait.wake_one()

    def story(machine):
        pool = Pool()
        for number in range(tasks):
            machine.spawn("ABC"[number], driver, pool)
    result = explore(story)
    return [result.verdict, result.schedule]


def no_harm(variant, case, seen):
    verdict, schedule = seen
    return None if verdict == "none" else f"There is a schedule that ends in {verdict}: {schedule}"


DRIVER = Exercise("00-driver", "A driver", 1, 1, "", "driver", "async def driver(pool):\n    ...", ("", "", ""), (Check(
    "pools of 2 with up to 3 tasks", "no schedule hangs", 2, lambda variant, random: [(2, 1), (2, 2), (2, 3)],
    judge=no_harm, drive=explored, typed=lambda case: f"{case[1]} tasks, {case[0]} elements", heap="a pool of 2"),))
GOOD = """\
async def driver(pool):
    for lap in range(2):
        one = await pool.alloc()
        await pool.free(one)
"""
TWO = """\
async def driver(pool):
    one = await pool.alloc()
    two = await pool.alloc()
    await pool.free(two)
    await pool.free(one)
"""


@pytest.mark.slow
def test_an_answer_is_explored_in_every_schedule():
    assert grade(DRIVER, GOOD).outcome == PASSED
    report = grade(DRIVER, TWO)
    assert report.results[0].right == 1 and report.results[0].fault.typed == "2 tasks, 2 elements"
    assert "ends in deadlock: " in report.text()
    assert "ends in no progress" in grade(DRIVER, GOOD.replace("for lap in range(2)", "while True")).text()
    assert "line 3, `pass`: your loop ran 10,000 steps on a pool of 2" in grade(
        DRIVER, "async def driver(pool):\n    while True:\n        pass").text()


@pytest.mark.slow
def test_a_patched_explorer_is_found_out():
    patch = "import kit.machine.explore as explorer\nexplorer.explore = lambda story: None\n"
    assert "It exchanged kit.machine.explore.explore" in grade(DRIVER, patch + GOOD).text()
