"""A student's kit: everything but solutions, wrong answers and the explanations of them.

    release(Path("for-my-class"))

Under a private seed the stubs are those of the variants that it picks, and the new kit knows which
(kit/grading/variants.json) without knowing the seed.
"""

import json
import shutil
from fnmatch import fnmatch
from pathlib import Path

from kit.errors import BadInput
from kit.grading.exercise import PICKED, exercises, private_seed
from kit.grading.isolate import HOME
from kit.grading.notebooks import read, tagged, write

KEPT_BACK = ("solutions", "tests/answers", "tests/mutants.py", "tests/test_grading*.py")
OF_THIS_MACHINE = ("work", "build", ".git", ".venv", ".ci")
NEVER = shutil.ignore_patterns("__pycache__", "*.pyc", ".ipynb_checkpoints", "*.egg-info", ".*_cache", ".hypothesis")


def release(folder):
    """Write the student's kit into `folder`, which must not be there yet; returns the variants picked, by exercise."""
    if folder.exists():
        raise BadInput(f"{folder} is there already: name a folder that is not.")
    if HOME in folder.resolve().parents:
        raise BadInput(f"{folder} lies inside the kit, and would be part of the next release: name one outside.")
    shutil.copytree(HOME, folder, ignore=_left_out)
    picked = {id: exercise.variant.name for id, exercise in exercises().items()}
    if private_seed() is not None:
        (folder / PICKED.relative_to(HOME)).write_text(json.dumps(picked, indent=1) + "\n", encoding="utf-8")
        for path in sorted((folder / "exercises").glob("*.ipynb")):
            _put_stubs_in(path)
    return picked


def _left_out(folder, names):
    """What copytree is not to copy."""
    here = {name: Path(folder, name).relative_to(HOME).as_posix() for name in names}
    return {*NEVER(folder, names), *(name for name, path in here.items() for left in KEPT_BACK + OF_THIS_MACHINE
                                     if fnmatch(path, left))}


def _put_stubs_in(path):
    notebook = read(path)
    for cell in notebook["cells"]:
        if id := tagged(cell, "answer"):
            cell["source"] = exercises()[id].stub_of()
    write(path, notebook)
