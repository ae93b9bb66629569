"""python -m kit: the command line.

A command is a module with `add_parser(subparsers)`, which names it, describes it and sets `func`;
`func(args)` does it and returns the exit status (None for 0).  Whatever goes wrong and can be mended
is a KitError: its sentence goes to stderr, and the exit status is 2.
"""

import argparse
import importlib
import os
import sys

from kit.commands import hook
from kit.errors import KitError

# In the order of --help.  Each is imported when the command line is read: standard library only.
COMMANDS = (
    "kit.commands.lab",
    "kit.commands.explore",
    "kit.commands.debate",
    "kit.commands.recording",
    "kit.commands.exercises",
    "kit.commands.grade",
    "kit.commands.classroom",
    "kit.commands.release",
    "kit.commands.bench",
    "kit.commands.notebooks",
    "kit.commands.test",
)

WELCOME = """\
Mempool or reservations?  In December 2001 two kernel developers disagreed on how a machine that has
run out of memory may still get the memory that it needs to free some.  Here you settle it yourself.

to begin with:
  python3 -m kit            the argument in a minute, in this terminal
  python3 -m kit lab        open the first notebook (and set everything up, the first time)
  python3 -m kit lab 04     open notebook 04, Five levels
  python3 -m kit test       run every test of the kit
"""


def main(argv=None):
    """Do what the command line says; returns the exit status."""
    if sys.version_info < (3, 11):
        print(f"kit: this is Python {sys.version.split()[0]}, and the kit needs 3.11 or newer. "
              "If you have one beside it, name it: python3.12 -m kit", file=sys.stderr)
        return 2
    try:
        parser = command_line()
        args = parser.parse_args(argv)
        status = args.func(args) or 0
        sys.stdout.flush()      # here, where a broken pipe is still ours to answer
        return status
    except KitError as error:
        print(f"kit: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output (`| head`) has seen enough; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def command_line():
    """The parser of the whole command line, with every command in it."""
    parser = argparse.ArgumentParser(prog="python3 -m kit", description=WELCOME,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(func=hook.show)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for module in COMMANDS:
        importlib.import_module(module).add_parser(subparsers)
    return parser


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8")    # on Windows a pipe would get an encoding without arrows
    sys.exit(main())
