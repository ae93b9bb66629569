"""python -m kit class: grade a folder of submissions."""

from pathlib import Path

from kit.errors import BadInput
from kit.progress import bar


def add_parser(subparsers):
    """`class`: the command, its options, and the function that does it."""
    parser = subparsers.add_parser(
        "class", help="grade a folder of submissions",
        description="Grade a folder of submissions into points.csv, summary.md and a page of feedback each. "
                    "Run it again after an interruption and it goes on where it was.")
    parser.add_argument("folder", type=Path, help="the submissions, in any layout")
    parser.add_argument("out", type=Path, help="the folder to write to")
    parser.add_argument("--id", metavar="REGEX", help="where in a path the student's name stands: a group (?P<id>...)")
    parser.add_argument("--set", metavar="NN", help="which set; by default the one that most submissions answer")
    parser.add_argument("--roster", type=Path, metavar="FILE", help="who should have handed in, a name a line")
    parser.add_argument("--jobs", type=int, metavar="N", help="grade N submissions at a time; by default one a CPU")
    parser.set_defaults(func=run)


def run(args):
    """Grade the class, with a progress bar; says where the results are."""
    from kit.grading.classroom import PATTERN, grade_class
    if args.jobs is not None and args.jobs < 1:
        raise BadInput(f"--jobs {args.jobs}: at least one submission has to be graded at a time.")
    rows = grade_class(args.folder, args.out, args.set, args.id or PATTERN, _roster(args.roster), jobs=args.jobs,
                       progress=lambda done: bar(done, unit=" submissions"))
    missing = sum(reports is None for reports in rows.values())
    print(f"{len(rows) - missing} graded, {missing} missing: see points.csv, summary.md and feedback/ in {args.out}.")


def _roster(path):
    if path is None:
        return ()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the roster {path} cannot be read: {error}") from error
    return [line.strip() for line in lines if line.strip()]
