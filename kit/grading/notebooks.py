"""Answers found in notebooks, and exercises made from solutions.

solutions/NN_*.ipynb is the source.  Its cells are marked by tags:

    answer:ID               the solution, between ### BEGIN SOLUTION and ### END SOLUTION
    check:ID                check("ID")
    solution:ID:VARIANT     a solution under another variant of the rule
    explanation:ID          (markdown) why it is right: shown after passing

exercise_from() turns it into exercises/NN_*.ipynb: answers become stubs, the last two kinds are left out, and
answers and checks carry nbgrader's metadata (schema 3).  A learner's notebook is read back by that
metadata, and where it was lost or copied, by the name that the answer's cell defines.
"""

import json
import re
from collections import Counter

from kit.errors import BadInput
from kit.grading.exercise import exercises
from kit.grading.isolate import HOME

SOLUTIONS, EXERCISES = HOME / "solutions", HOME / "exercises"
HOLE = "...  # your code here"
_SOLUTION = re.compile(r"^( *)### BEGIN SOLUTION\n.*?^ *### END SOLUTION$", re.M | re.S)


# == Reading a learner's notebook ==================================================================


def read(path):
    """The notebook in `path` as nested dicts; BadInput with a sentence if it is none."""
    try:
        return parse(path.read_bytes(), path.name)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from error


def parse(data, name):
    """The same, from the bytes of the file called `name`."""
    try:
        notebook = json.loads(data)
        for cell in notebook["cells"]:
            source = cell["source"]
            cell["source"] = source if isinstance(source, str) else "".join(source)
            cell["cell_type"], cell["metadata"] = str(cell["cell_type"]), dict(cell.get("metadata") or {})
        return notebook
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput(f"{name} is not a notebook (not JSON with cells, as Jupyter writes it). Open it in Jupyter "
                       "and save it again.") from error


def answers(notebook, name):
    """{id: the source of its answer, or None} for every exercise of the set that the notebook belongs to.

    name: of the file, which tells the set if no cell does.
    """
    known = exercises()
    number = set_of(notebook, name)
    return {id: answer_to(exercise, notebook) for id, exercise in known.items() if id.split("-")[0] == number}


def answer_to(exercise, notebook):
    """The source of the cell that answers `exercise`; None if there is none.  Of several, the last that was touched."""
    cell = answer_cell(exercise, notebook)
    return None if cell is None else cell["source"]


def answer_cell(exercise, notebook):
    """The cell itself, of a notebook as a dict: first those marked as its answer, else those that define its name."""
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    cells = [cell for cell in code if _answers(cell) == exercise.id] or \
        [cell for cell in code if defines(cell["source"], exercise.name)]
    touched = [cell for cell in cells if not exercise.untouched(cell["source"])]
    return (touched or cells or [None])[-1]


def defines(source, name):
    """Whether `name` is defined or assigned at the left margin; also of source that does not compile."""
    return re.search(rf"^((async +)?def|class) +{name}\b|^{name}\b *(:[^=\n]*)?=(?!=)", source, re.M) is not None


def _answers(cell):
    """The id of the exercise whose answer this cell is for, or None."""
    nbgrader = cell["metadata"].get("nbgrader")
    if isinstance(nbgrader, dict) and nbgrader.get("solution") is True:
        return nbgrader.get("grade_id")
    return tagged(cell, "answer")


def tagged(cell, kind):
    """What stands behind `kind:` in the tags of the cell, or None."""
    tags = cell["metadata"].get("tags") or []
    return next((tag.partition(":")[2] for tag in tags if isinstance(tag, str) and tag.startswith(kind + ":")), None)


def set_of(notebook, name):
    """The number of the set: by the ids of its answers and the names they define, else by the file's name."""
    known = exercises()
    votes = Counter(_answers(cell) for cell in notebook["cells"])
    sets = Counter({id.split("-")[0]: 0 for id in known})
    for id, exercise in known.items():
        sets[id.split("-")[0]] += 100 * votes[id] + any(defines(cell["source"], exercise.name)
                                                        for cell in notebook["cells"])
    number, count = sets.most_common(1)[0]
    if count:
        return number
    if number := set_in(name):
        return number
    raise BadInput(f"{name} answers no exercise of the kit: no cell is marked as an answer or defines one.")


def set_in(name):
    """The number of a set that stands in the name of a file, as in smith_01_pages.ipynb; None if there is none."""
    known = {id.split("-")[0] for id in exercises()}
    return next((number for number in re.findall(r"(?<!\d)(\d\d)(?=_)", name) if number in known), None)


# == Making exercises from solutions ===============================================================


def exercise_from(solutions, pick=lambda exercise: exercise.variants[0]):
    """The exercise notebook that the solution notebook makes, not executed; `pick` says under which variants."""
    known, cells = exercises(), []
    for cell in solutions["cells"]:
        if tagged(cell, "solution") or tagged(cell, "explanation"):
            continue
        cell = {**cell, "metadata": dict(cell["metadata"])}
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
        if id := tagged(cell, "answer"):
            _require_same_stub(known[id], cell["source"])
            cell["source"] = known[id].stub_of(pick(known[id]))
            cell["metadata"]["nbgrader"] = _nbgrader(id, solution=True)
        elif id := tagged(cell, "check"):
            cell["metadata"]["nbgrader"] = _nbgrader(f"{id}-check", grade=True, locked=True, points=known[id].points)
        cells.append(cell)
    return {**solutions, "cells": cells}


def write(path, notebook):
    """Store a notebook as Jupyter does, but for its outputs."""
    cells = [{**cell, "source": cell["source"].splitlines(True)} for cell in notebook["cells"]]
    text = json.dumps({**notebook, "cells": cells}, indent=1, ensure_ascii=False, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")


def cleared(source):
    """A solution's cell with its solution cut out."""
    return _SOLUTION.sub(lambda match: match[1] + HOLE, source)


def _require_same_stub(exercise, source):
    if cleared(source).strip() != exercise.stub_of(exercise.variants[0]).strip():
        raise BadInput(f"the cell answer:{exercise.id} in solutions/ and the stub in kit/grading/sets differ outside "
                       f"of ### BEGIN and ### END SOLUTION. In solutions/, cut out:\n{cleared(source)}")


def _nbgrader(id, solution=False, grade=False, locked=False, **points):
    return {"schema_version": 3, "grade_id": id, "grade": grade, "solution": solution, "locked": locked,
            "task": False, "cell_type": "code", **points} if grade else \
        {"schema_version": 3, "grade_id": id, "grade": grade, "solution": solution, "locked": locked, "task": False}


# == Looking up, and starting over =================================================================


def solution_of(exercise):
    """(source, explanation) of the solution under the variant in force; None where solutions/ is not there."""
    variant = exercise.variant
    source, explanation = None, ""
    for path in sorted(SOLUTIONS.glob("*.ipynb")):
        for cell in read(path)["cells"]:
            if tagged(cell, "solution") == f"{exercise.id}:{variant.name}" or \
                    tagged(cell, "answer") == exercise.id and variant == exercise.variants[0]:
                source = re.sub(r"^ *### (BEGIN|END) SOLUTION\n", "", cell["source"] + "\n", flags=re.M).strip()
            elif tagged(cell, "explanation") == exercise.id:
                explanation = cell["source"]
    return None if source is None else (source, explanation)


def restore(path, exercise):
    """Put the stub back into the notebook; what was there goes into a file beside it, whose path is returned."""
    notebook = read(path)
    cell = answer_cell(exercise, notebook)
    if cell is None:
        raise BadInput(f"{path.name} has no cell for {exercise.id}.")
    number = 1
    while (kept := path.with_name(f"{path.stem}.{exercise.id}.{number}.py")).exists():
        number += 1
    kept.write_text(cell["source"] + "\n", encoding="utf-8")
    cell.update(source=exercise.stub_of(), outputs=[], execution_count=None)
    write(path, notebook)
    return kept
