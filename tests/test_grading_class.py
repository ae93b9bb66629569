"""A class, the four formatters, the command line, and the student's kit."""

import concurrent.futures
import csv
import importlib
import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from answers import changed
from mutants import mutants

from kit.commands import exercises as exercises_command
from kit.commands import grade as grade_command
from kit.errors import BadInput
from kit.grading import classroom, gradescope, isolate, nbgrader, notebooks, release, terminal
from kit.grading.classroom import find, grade_class, last_of
from kit.grading.exercise import exercises
from kit.grading.grade import grade

EXERCISES = exercises()
IDS = [id for id in EXERCISES if id.startswith("01-")]
SET = notebooks.EXERCISES / "01_pages_exercises.ipynb"
WRONG = importlib.import_module("answers.set01").WRONG


def submission(answers):
    """The bytes of the exercise notebook with these answers filled in, by id."""
    book = notebooks.read(SET)
    for cell in book["cells"]:
        if (id := notebooks.tagged(cell, "answer")) in answers:
            cell["source"] = answers[id]
    return json.dumps(book).encode()


def hand_in(folder, **files):
    for name, data in files.items():
        path = folder / f"{name}/01_pages_exercises.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@pytest.fixture
def quick(monkeypatch):
    """Each answer is judged once and remembered, whoever asks: what is compared is what they make of it."""
    said = {}

    def remembered(exercise, source):
        if (exercise.id, source) not in said:
            said[exercise.id, source] = grade(exercise, source)
        return said[exercise.id, source]
    in_a_notebook()
    for module in ("grade", "notebook", "nbgrader", "classroom"):
        monkeypatch.setattr(f"kit.grading.{module}.grade", remembered)


FULL = {id: changed(id) for id in IDS}


# == Whose is what =================================================================================


@pytest.mark.parametrize(("paths", "ids"), [
    (["anna/01_pages.ipynb", "ben/01_pages.ipynb"], {"anna": 1, "ben": 1}),
    (["anna_lee/x.ipynb", "anna_lee/sub/y.ipynb", "ben/notes.txt"], {"anna_lee": 2, "ben": 0}),
    (["smith_123_01_pages.ipynb", "smith_123_01_pages-1.ipynb", "jones.ipynb"], {"smith": 2, "jones": 1}),
    (["anna/.ipynb_checkpoints/x.ipynb"], {"anna": 0}),
])
def test_any_layout(paths, ids, tmp_path):
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("{}")
    assert {id: len(files) for id, files in find(tmp_path).items()} == ids


def test_a_pattern_of_ones_own(tmp_path):
    (tmp_path / "week3").mkdir()
    (tmp_path / "week3/u4711-final.ipynb").write_text("{}")
    assert list(find(tmp_path, r"(?P<id>u\d+)")) == ["u4711"]
    for pattern in ("(", "(u)"):
        with pytest.raises(BadInput, match="is no pattern"):
            find(tmp_path, pattern)


def test_the_last_submission_wins(tmp_path):
    names = ["anna/attempt-10/01_a.ipynb", "anna/attempt-2/01_a.ipynb", "anna/attempt-9/04_a.ipynb"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(submission({}) if "01" in name else b"")
    assert last_of(find(tmp_path)["anna"], "01") == tmp_path / names[0]


# == A class =======================================================================================


@pytest.fixture
def few(tmp_path):
    """Five who handed in something, one who did not."""
    folder = tmp_path / "handed-in"
    hand_in(folder, anna=submission(FULL), ben=submission({}), dora=b"no notebook", emil=submission(
        {"01-siblings": WRONG["01-siblings"]["pairs"], "01-take": "import os\nos._exit(0)"}))
    (folder / "carl").mkdir()
    return folder


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_class_is_graded(few, tmp_path, quick):
    out = tmp_path / "out"
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        rows = grade_class(few, out, roster=["fay", "anna"], executor=pool)
    assert list(rows) == ["anna", "ben", "carl", "dora", "emil", "fay"]
    table = {row["id"]: row for row in csv.DictReader((out / "points.csv").open())}
    of = sum(EXERCISES[id].points for id in IDS)
    assert [(row["points"], row["status"]) for row in table.values()] == [
        (str(of), "graded"), ("0", "graded"), ("0", "missing"), ("0", "graded"), ("0", "graded"), ("0", "missing")]
    assert table["emil"]["file"] == "emil/01_pages_exercises.ipynb" and table["fay"]["file"] == ""
    summary = (out / "summary.md").read_text()
    assert "4 handed in, 2 missing" in summary and "- 1 x pairs" in summary and "ended the whole process" in summary
    assert "is not a notebook" in (out / "feedback/dora.html").read_text()
    assert "as if blocks were halved" in (out / "feedback/emil.html").read_text()
    assert "There was no notebook of yours" in (out / "feedback/fay.html").read_text()


@pytest.mark.slow
def test_the_same_class_gives_the_same_bytes_from_any_executor(few, tmp_path):
    grade_class(few, tmp_path / "one", jobs=2)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        grade_class(few, tmp_path / "two", executor=pool)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


@pytest.mark.slow
def test_a_class_goes_on_where_it_was(few, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(classroom, "grade_notebook", lambda data, name, *more: asked.append(name) or [
        grade(EXERCISES[id], None).to_dict() for id in IDS])

    def broken_off(done):
        yield from list(done)[:2]
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt), concurrent.futures.ThreadPoolExecutor(1) as pool:
        grade_class(few, tmp_path / "out", "01", executor=pool, progress=broken_off)
    first = len(asked)
    (tmp_path / "out/reports").joinpath("ben.json").write_text("{ broken off in the mid")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        grade_class(few, tmp_path / "out", "01", executor=pool)
        assert first == 4 and 4 < len(asked) <= 4 + 3
        before, stored = len(asked), files_of(tmp_path / "out")
    hand_in(few, ben=submission(FULL))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        grade_class(few, tmp_path / "out", "01", executor=pool)
    assert len(asked) == before + 1 and set(files_of(tmp_path / "out")) == set(stored)


def test_what_cannot_be_a_class_gets_a_sentence(tmp_path):
    for folder, number, words in ((tmp_path / "none", None, "not a folder"), (tmp_path, None, "nobody has handed in")):
        with pytest.raises(BadInput, match=words):
            grade_class(folder, tmp_path / "out", number)
    hand_in(tmp_path, anna=b"{}")
    with pytest.raises(BadInput, match="the kit has no set 77"):
        grade_class(tmp_path, tmp_path / "out", "77")


def test_a_name_is_no_formula_and_no_path():
    assert classroom._harmless("=1+1") == "'=1+1"
    assert "/" not in classroom._file_name("../../etc") and classroom._file_name("a b") != classroom._file_name("a-b")


# == The same points everywhere ====================================================================


def fifty():
    """50 submissions: solutions, stubs, wrong answers, mutants, and cells that do not run."""
    mixed = [{}, FULL]
    for id in IDS[:2]:
        mixed += [{id: FULL[id]}, {id: FULL[id].replace(":", "", 1)}, {**FULL, id: FULL[id] + "\n1 / 0"}]
        mixed += [{**FULL, id: source} for source in WRONG[id].values()]
        mixed += [{id: source} for _, source in mutants(FULL[id])]
    return mixed[:50]


@pytest.mark.slow
def test_equal_points_in_notebook_terminal_nbgrader_and_gradescope(quick, tmp_path):
    check = in_a_notebook()
    mixed = fifty()
    assert len(mixed) == 50
    totals = []
    for answers in mixed:
        path = tmp_path / "01_pages_exercises.ipynb"
        path.write_bytes(submission(answers))
        asked, _ = grade_command._asked([path])
        reports = grade_command.graded(asked, 2)
        points = [report.points for report in reports]
        tests = json.loads(gradescope.results(reports))["tests"]
        book = nbgrader.grade_outside(nbformat.read(path, as_version=4))
        assert [test["score"] for test in tests] == points
        assert json.loads(terminal.as_json(reports))["points"] == sum(points)
        assert [points_in(cell) for cell in book.cells if is_check(cell)] == points
        assert [check(id, answers.get(id)) for id in IDS] == points
        totals.append(sum(points))
    assert len(set(totals)) >= 4


def is_check(cell):
    return cell.metadata.get("nbgrader", {}).get("grade", False)


def points_in(cell):
    """As nbgrader reads them: the number that the cell gave."""
    return float(next(output for output in cell.outputs if output.output_type == "execute_result").data["text/plain"])


def in_a_notebook():
    """check(id, source) as a learner does it: run the cell, then the check."""
    from IPython.core.interactiveshell import InteractiveShell
    shell = InteractiveShell.instance()
    shell.run_cell("from kit.grading import check, hint, solution")

    def check(id, source):
        shell.run_cell(EXERCISES[id].stub_of() if source is None else source)
        return shell.run_cell(f'check("{id}")').result
    return check


def test_hints_and_solutions_in_a_notebook(capsys, monkeypatch):
    in_a_notebook()
    from kit.grading import notebook
    monkeypatch.setattr(notebook, "_passed", set())
    monkeypatch.setattr(notebook, "_hints", {})
    for level in (1, 2, 3, 3):
        notebook.hint("01-take")
        assert f"Hint {level} of 3" in capsys.readouterr().out
    notebook.hint("01-take", 1)
    assert "Hint 1 of 3" in capsys.readouterr().out
    notebook.solution("01-take")
    assert "give up" in capsys.readouterr().out
    notebook.solution("01-take", give_up=True)
    said = capsys.readouterr().out
    assert FULL["01-take"] in said and "**Why.**" in said and "SOLUTION" not in said
    monkeypatch.setattr(notebooks, "SOLUTIONS", Path("nowhere"))
    notebook.solution("01-take", give_up=True)
    assert "ask your instructor" in capsys.readouterr().out


@pytest.mark.slow
def test_the_status_says_whether_all_is_right(tmp_path, capsys):
    for name, answers in (("full", FULL), ("some", {**FULL, "01-take": "take = 1"}), ("stubs", {})):
        (tmp_path / f"01_{name}.ipynb").write_bytes(submission(answers))
    (tmp_path / "01_broken.ipynb").write_bytes(b"{")

    def status(*names, **more):
        from argparse import Namespace
        args = {"json": False, "gradescope": None, "jobs": 2, **more}
        return grade_command.run(Namespace(files=[tmp_path / f"01_{name}.ipynb" for name in names], **args))
    assert [status("full"), status("some"), status("stubs")] == [0, 1, 1]
    capsys.readouterr()
    assert status("broken", "full", json=True, gradescope=tmp_path / "results.json") == 2
    said = capsys.readouterr()
    assert json.loads(said.out)["points"] == json.loads(said.out)["of"] > 0
    assert "01_broken.ipynb is not a notebook" in said.err
    assert all(test["status"] == "passed" for test in json.loads((tmp_path / "results.json").read_text())["tests"])


def test_the_list_names_every_exercise(capsys, monkeypatch):
    monkeypatch.setattr(exercises_command, "default_files", lambda: [SET])
    exercises_command.show()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(EXERCISES)
    assert all("min" in line and "points" in line and "not attempted" in line for line in lines)


# == nbgrader ======================================================================================


def test_the_metadata_is_as_nbgrader_wants_it():
    for path in sorted(notebooks.EXERCISES.glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        marks = [cell.metadata.nbgrader for cell in cells if "nbgrader" in cell.metadata]
        assert len({mark.grade_id for mark in marks}) == len(marks)
        for mark in marks:
            assert mark.schema_version == 3 and re.fullmatch(r"[\w-]+", mark.grade_id)
            assert (mark.grade, mark.solution, mark.locked) in ((False, True, False), (True, False, True))
            assert not mark.grade or (mark.points > 0 and mark.cell_type == "code")


NBGRADER = os.environ.get("KIT_NBGRADER_PYTHON") or (sys.executable if find_spec("nbgrader") else None)


@pytest.mark.slow
@pytest.mark.skipif(NBGRADER is None, reason="nbgrader is not installed: install it here, or in an environment whose "
                                             "Python KIT_NBGRADER_PYTHON names")
@pytest.mark.parametrize("outside", [True, False], ids=["graded outside", "executed by nbgrader"])
def test_nbgrader_itself_generates_and_grades(outside, tmp_path):
    mixed = fifty()[:12] if outside else fifty()[:3]
    if outside:
        mixed.append({"01-take": FULL["01-take"], "01-siblings": "import kit.grading as g\ng.check = lambda id: 3"})
    (tmp_path / "source/pages").mkdir(parents=True)
    (tmp_path / "source/pages" / SET.name).write_bytes(SET.read_bytes())
    (tmp_path / "nbgrader_config.py").write_text("c = get_config()\n" + (
        "from kit.grading.nbgrader import instead_of_execute\ninstead_of_execute(c)\n" if outside else ""))
    for number, answers in enumerate(mixed):
        folder = tmp_path / f"submitted/s{number:02}/pages"
        folder.mkdir(parents=True)
        (folder / SET.name).write_bytes(submission(answers))
    environment = {**os.environ, "PYTHONPATH": str(isolate.HOME),
                   "PATH": f"{Path(NBGRADER).parent}{os.pathsep}{os.environ['PATH']}"}
    for step in (["generate_assignment", "pages"], ["autograde", "pages"], ["export"]):
        subprocess.run([NBGRADER, "-m", "nbgrader", *step], cwd=tmp_path, env=environment, check=True, timeout=300)
    scores = {row["student_id"]: float(row["score"]) for row in csv.DictReader((tmp_path / "grades.csv").open())}
    wanted = {f"s{number:02}": sum(grade(EXERCISES[id], answers.get(id, "")).points for id in IDS)
              for number, answers in enumerate(mixed)}
    assert scores == wanted


# == The student's kit =============================================================================


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """A release under a private seed, and the variants that it asks for."""
    folder = tmp_path_factory.mktemp("release") / "kit-for-students"
    patch = pytest.MonkeyPatch()
    patch.setenv("KIT_PRIVATE_SEED", "autumn")
    picked = release.release(folder)
    patch.undo()
    return folder, picked


def test_a_release_gives_nothing_away(student):
    folder, _ = student
    assert not (folder / "solutions").exists()
    texts = {path: path.read_text(encoding="utf-8", errors="ignore") for path in folder.rglob("*")
             if path.suffix in {".py", ".ipynb", ".md", ".json", ".toml", ".txt"}}
    for secret in secrets():
        found = [path.name for path, text in texts.items() if secret in text or json.dumps(secret)[1:-1] in text]
        assert not found, (secret, found)


def secrets():
    """Every telling line of the solutions, of the wrong answers and of the explanations, and the seed."""
    yield "autumn"
    stubs = "\n".join(exercise.stub_of(variant) for exercise in EXERCISES.values() for variant in exercise.variants)
    texts = [source for wrong in WRONG.values() for source in wrong.values()]
    for path in notebooks.SOLUTIONS.glob("*.ipynb"):
        for cell in notebooks.read(path)["cells"]:
            if any(notebooks.tagged(cell, kind) for kind in ("answer", "solution", "explanation")):
                texts.append(cell["source"])
    lines = {line.strip() for text in texts for line in text.splitlines()}
    yield from sorted(line for line in lines if len(line) > 25 and line not in stubs)


@pytest.mark.slow
def test_a_release_asks_for_the_variants_picked_and_grades_by_them(student):
    folder, picked = student
    assert json.loads((folder / "kit/grading/variants.json").read_text()) == picked
    for path in sorted((folder / "exercises").glob("*.ipynb")):
        for id, source in notebooks.answers(notebooks.read(path), path.name).items():
            assert source == EXERCISES[id].stub_of(EXERCISES[id].variant_named(picked[id]))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KIT_")}
    done = subprocess.run([sys.executable, "-c", "import kit.commands.grade as g, argparse as a, sys\n"
                           "p = a.ArgumentParser(); g.add_parser(p.add_subparsers())\n"
                           "args = p.parse_args(['grade']); sys.exit(args.func(args))"],
                          cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stdout.count("not attempted") == len(EXERCISES), done.stderr


def test_a_release_does_not_overwrite(student):
    with pytest.raises(BadInput, match="is there already"):
        release.release(student[0])
    with pytest.raises(BadInput, match="inside the kit"):
        release.release(isolate.HOME / "build" / "students")
