"""Wrong answers, written by hand from what people really get wrong.  No learner is given this folder.

A set's module holds WRONG: for each exercise, by the name of the misconception that must be recognised,
the answer that has it.  Most are one change to the solution:

    WRONG = {"01-take": {"upper half": changed("01-take", ("page + 2 ** found", "page"))}}

and EQUIVALENT: mechanical mutants of the solutions that behave as the solution does, each with the reason.
test_grading.py tries both.
"""

from kit.grading.exercise import exercise_called
from kit.grading.notebooks import solution_of


def changed(id, *changes):
    """The solution of exercise `id` with each (old, new) replaced; each `old` must be there."""
    source, _ = solution_of(exercise_called(id))
    for old, new in changes:
        assert old in source, f"the solution of {id} has no {old!r} (any more)"
        source = source.replace(old, new)
    return source
