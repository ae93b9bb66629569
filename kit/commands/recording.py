"""python -m kit recording: a recording of a running Linux, through the kit's own allocators.

The file is read and checked whole before a line is printed.  The summary goes to stdout; a progress
bar goes to stderr, and only if that is a terminal.
"""

import json

from kit.errors import BadInput
from kit.progress import bar


def add_parser(subparsers):
    """Put `recording` and its options on the command line."""
    parser = subparsers.add_parser(
        "recording", help="run what a real Linux allocated through the kit's allocators",
        description="Run allocations recorded on a running Linux through the kit's page or slab allocator, and its "
                    "bios through mempools under pressure. Without FILE, list the recordings that come with the kit.")
    parser.add_argument("file", nargs="?", metavar="FILE",
                        help="the name of a recording of the kit, such as journal-objects, or a file of that form")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--pressure", type=float, metavar="P",
                        help="how often the allocator beneath a bio's mempool refuses, 0 to 1 (without it: several)")
    parser.add_argument("--elements", type=int, default=2, metavar="N", help="what each mempool keeps back (2)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="decides which requests are refused (1)")
    parser.set_defaults(func=run)


def run(args):
    """Print the list, the summary or the JSON."""
    from kit.linux import recording, summary
    if args.file is None:
        print(_list(recording, args))
        return
    figures = summary.figures(recording.read(args.file), _pressure(args, summary.ORDINARY), _progress)
    print(json.dumps(figures, indent=1) if args.json else summary.text(figures), end="\n" if args.json else "")


def _list(recording, args):
    names = recording.names()
    if args.json:
        return json.dumps(names, indent=1)
    return "\n".join(["recordings that come with the kit; python3 -m kit recording NAME runs one:",
                      *(f"  {name}" for name in names)])


def _pressure(args, ordinary):
    from dataclasses import replace
    if args.pressure is not None and not 0 <= args.pressure <= 1:
        raise BadInput(f"--pressure is {args.pressure:g}, but a probability lies between 0 and 1.")
    refusals = ordinary.refusals if args.pressure is None else (args.pressure,)
    return replace(ordinary, refusals=refusals, elements=args.elements, seed=args.seed)


def _progress(work):
    """What is to be done, one by one, with a progress bar if somebody watches."""
    return bar(work)
