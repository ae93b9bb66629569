"""In a notebook: check("01-take"), hint("01-take"), solution("01-take").

The answer is the text of the cell that defined it last.  IPython tells us every cell before it runs
it, so nothing depends on `In`, which not every front end fills.
"""

from kit.errors import BadInput
from kit.grading.exercise import exercise_called
from kit.grading.grade import grade
from kit.grading.notebooks import defines, solution_of
from kit.grading.report import PASSED

_cells, _passed, _hints = [], set(), {}


def check(id):
    """Grade the answer to exercise `id` and print the report; returns the points, which nbgrader takes as they are."""
    exercise = exercise_called(id)
    report = grade(exercise, _answer(exercise))
    print(report.text())
    if report.outcome == PASSED:
        _passed.add(id)
    elif report.results:
        print(f'  More help, a little at a time: hint("{id}")')
    return report.points


def hint(id, level=None):
    """Print the next hint for exercise `id`, or that of `level`: 1 a nudge, 2 the rule, 3 a worked sibling case."""
    exercise = exercise_called(id)
    _hints[id] = min(level or _hints.get(id, 0) + 1, len(exercise.hints))
    print(f"Hint {_hints[id]} of {len(exercise.hints)}. {exercise.variant.fill(exercise.hints[_hints[id] - 1])}")


def solution(id, give_up=False):
    """Print a solution of exercise `id` and why it is right: once it is passed, or with give_up=True."""
    exercise = exercise_called(id)
    if id not in _passed and not give_up:
        print(f'Pass check("{id}") first, or give up: solution("{id}", give_up=True)')
    elif (found := solution_of(exercise)) is None:
        print("The solutions are not in this copy of the kit: ask your instructor.")
    else:
        print("\n\n".join(part for part in found if part))


def _answer(exercise):
    return next((cell for cell in reversed(_cells) if defines(cell, exercise.name)), None)


def _listen():
    from IPython import get_ipython
    if get_ipython() is None:
        raise BadInput("check, hint and solution are for a notebook. In a terminal: python3 -m kit grade")
    get_ipython().events.register("pre_run_cell", lambda info: _cells.append(info.raw_cell))


_listen()
