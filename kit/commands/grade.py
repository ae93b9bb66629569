"""python -m kit grade: what the answers in a notebook are worth."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kit.commands.environment import ROOT
from kit.errors import BadInput
from kit.progress import bar


def add_parser(subparsers):
    """`grade`: the command, its options, and the function that does it."""
    parser = subparsers.add_parser(
        "grade", help="grade the answers in your notebooks",
        description="Grade the answers in notebooks: by default your copies in work/. The exit status is 0 only for "
                    "full marks.")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="notebooks with answers")
    parser.add_argument("--json", action="store_true", help="print the reports as JSON")
    parser.add_argument("--gradescope", type=Path, metavar="FILE", help="write the results.json of Gradescope to FILE")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="grade N answers at a time")
    parser.set_defaults(func=run)


def run(args):
    """Grade and print; 0 for full marks, 1 for less, 2 if a file could not be graded at all."""
    from kit.grading import gradescope, terminal
    asked, unreadable = _asked(args.files or default_files())
    reports = graded(asked, args.jobs)
    if args.gradescope:
        args.gradescope.write_text(gradescope.results(reports), encoding="utf-8")
    if reports:
        print(terminal.as_json(reports) if args.json else terminal.table(reports))
    for error in unreadable:
        print(f"kit: {error}", file=sys.stderr)
    points, of = terminal.totals(reports)
    return 2 if unreadable else int(points < of)


def default_files():
    """The learner's own copies, if there are any with answers; else the exercises as they came."""
    for folder in ("work", "exercises"):
        found = [path for path in sorted((ROOT / folder).glob("*.ipynb"))
                 if ".new-" not in path.name and "nbgrader" in path.read_text(encoding="utf-8", errors="replace")]
        if found:
            return found
    raise BadInput(f"there are no exercises in {ROOT}: name the notebook to grade.")


def graded(asked, jobs):
    """The reports on all (exercise, source) pairs, in order.  Children do the work, so threads will do here."""
    from kit.grading.grade import grade
    if jobs < 1:
        raise BadInput(f"--jobs {jobs}: at least one answer has to be graded at a time.")
    with ThreadPoolExecutor(jobs) as pool:
        return list(bar(pool.map(lambda pair: grade(*pair), asked), total=len(asked), unit=" answers"))


def _asked(files):
    """(the (exercise, source) pairs of all files, the sentences on files that are no such notebook)."""
    from kit.grading.exercise import exercise_called
    from kit.grading.notebooks import answers, read
    asked, unreadable = [], []
    for path in files:
        try:
            asked += [(exercise_called(id), source) for id, source in answers(read(path), path.name).items()]
        except BadInput as error:
            unreadable.append(error)
    return asked, unreadable
