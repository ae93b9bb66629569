"""python -m kit release: a kit to give to students."""

from pathlib import Path


def add_parser(subparsers):
    """`release`: the command, its options, and the function that does it."""
    parser = subparsers.add_parser(
        "release", help="write a kit for students, without the solutions",
        description="Write a student's kit into DIR: no solutions, no wrong answers, no explanations of them. With "
                    "KIT_PRIVATE_SEED set, its exercises ask for the variants that your seed picks.")
    parser.add_argument("dir", type=Path, metavar="DIR", help="a folder that is not there yet")
    parser.set_defaults(func=run)


def run(args):
    """Write the release and say which variants it asks for."""
    from kit.grading.release import release
    for id, variant in release(args.dir).items():
        print(f"{id:<14} {variant}")
    print(f"The student's kit is in {args.dir}.")
