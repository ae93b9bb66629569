"""grading: exercises, the checks that they stand up to, and what a learner is told.

    from kit.grading import check, hint, solution

    exercise.py     what an exercise is; which one, under which variant of its rule
    grade.py        grade(exercise, source) -> Report: the one judgement, whoever asks for it
    isolate.py      the learner's code runs in a child that is told little and believed less
    child.py        that child
    report.py       what was found, as sentences
    notebook.py, terminal.py, gradescope.py, nbgrader.py    the same Report for four kinds of reader
    notebooks.py    answers found in notebooks; exercises made from solutions
    classroom.py    a folder of submissions
    sets/           the exercises themselves

The rule behind all of it: observe in the child, judge in the parent.  What a child hands back is what
it saw, never whether that is right.
"""

import importlib

_NAMES = {"check": "notebook", "hint": "notebook", "solution": "notebook", "grade": "grade"}


def __getattr__(name):
    if name not in _NAMES:
        raise AttributeError(f"kit.grading has no name {name!r}")
    return getattr(importlib.import_module(f"kit.grading.{_NAMES[name]}"), name)
