"""python -m kit exercises: which there are and how far you are; start one over; make them from the solutions."""

import os

from kit.commands.environment import ROOT, go_on_with
from kit.commands.grade import default_files, graded
from kit.errors import BadInput
from kit.progress import bar


def add_parser(subparsers):
    """`exercises`: the command, its options, and the function that does it."""
    parser = subparsers.add_parser(
        "exercises", help="list the exercises, and how far you are",
        description="List the exercises with points, difficulty (1 to 5), minutes and how far you are.")
    parser.add_argument("--restore", metavar="ID", help="start an exercise over; what was there is kept")
    parser.add_argument("--make", action="store_true",
                        help="make exercises/ from solutions/ (for those who write exercises)")
    parser.set_defaults(func=run)


def run(args):
    """List, restore or make."""
    if args.restore:
        return restore(args.restore)
    return make() if args.make else show()


def show():
    """A line for each exercise."""
    from kit.grading.exercise import exercises
    from kit.grading.notebooks import answers, read
    sources = {}
    for path in default_files():
        sources.update(answers(read(path), path.name))
    known = list(exercises().values())
    reports = graded([(exercise, sources.get(exercise.id)) for exercise in known], os.cpu_count())
    width = max(len(exercise.title) for exercise in known)
    for exercise, report in zip(known, reports, strict=True):
        print(f"{exercise.id:<14} {exercise.title:<{width}}  {report.points:>2} of {exercise.points:>2} points  "
              f"{'*' * exercise.difficulty:<5}  {exercise.minutes:>3} min  {report.outcome}")


def restore(id):
    """Put the stub of an exercise back into the learner's notebook."""
    from kit.grading import notebooks
    from kit.grading.exercise import exercise_called
    exercise = exercise_called(id)
    for path in default_files():
        if path.parent != ROOT / "exercises" and id in notebooks.answers(notebooks.read(path), path.name):
            kept = notebooks.restore(path, exercise)
            print(f"{id} starts over in {path.name}; what was there is kept in {kept.name}. "
                  "If the notebook is open in Jupyter, choose File, Reload Notebook from Disk.")
            return
    there = next((ROOT / "exercises").glob(f"{id.split('-')[0]}_*.ipynb")).stem
    raise BadInput(f"there is no notebook of yours with {id} in {ROOT / 'work'}. Open it first: "
                   f"python3 -m kit lab {there}")


def make():
    """Write and execute exercises/ from solutions/."""
    go_on_with("test")

    from kit.commands.notebooks import executed
    from kit.grading import notebooks
    for path in bar(sorted(notebooks.SOLUTIONS.glob("*.ipynb")), unit=" notebooks"):
        made = notebooks.EXERCISES / path.name
        notebooks.write(made, notebooks.exercise_from(notebooks.read(path)))
        made.write_text(executed(made), encoding="utf-8")
