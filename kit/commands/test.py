"""python -m kit test: everything that says whether the kit is whole, in one run of pytest.

The tests in tests/, the house rules among them, and every committed notebook, executed cell by cell
and compared with its stored outputs (nbval).  The notebooks are also driven in a real browser; where
there is none, those tests are skipped and say so, but in CI (CI=true) they fail.
"""

import os

from kit.commands.environment import ROOT, go_on_with

NBVAL = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=60", "--nbval-sanitize-with", "tests/nbval.cfg"]
# One kernel serves the cells of one notebook in turn, so a notebook must not be split among workers: loadscope.
WORKERS = ["-n", "auto", "--maxprocesses", "4", "--dist", "loadscope",
           "--max-worker-restart", "0"]     # one that was ended for hanging would leave the others waiting for ever


def add_parser(subparsers):
    """The command `test` and its options."""
    parser = subparsers.add_parser(
        "test", help="run every test of the kit",
        description="Run every test of the kit: the code, the house rules, the notebooks, and the notebooks in a real "
                    "browser. Sets up its packages in .venv the first time.")
    parser.add_argument("--fast", action="store_true", help="leave out the notebooks and whatever takes over a second")
    parser.set_defaults(func=run)


def run(args):
    """The exit status of pytest."""
    go_on_with("test")
    os.chdir(ROOT)
    import pytest
    return int(pytest.main([*WORKERS, "-rfE", *(["-m", "not slow", "tests"] if args.fast else NBVAL)]))
