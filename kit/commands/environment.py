"""The environment: the packages that the kit needs, in `.venv` beside it, set up the first time.

A fresh machine has Python and nothing else, so this file runs on the standard library alone:

    go_on_with("test")      comes back in a Python that has the packages of pyproject.toml and those
                            of its extra `test`; makes that Python first if there is none

Always true: only `.venv` is written to, and once the packages are there nothing asks for a network.
The versions in `.pins` are those that the stored outputs of the notebooks were made with; a Python
too new for them gets the newest ones that pyproject.toml allows.
"""

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from kit.errors import KitError

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PINS = ".pins"


def go_on_with(*extras):
    """Return if this Python has the packages; else run the same command line again in one that has.

    Raises KitError, with what to do about it, if such a Python cannot be made.
    """
    if not lacking(extras):
        return
    if not _is_here(VENV):
        python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if not python.exists():
            _create_venv()
        _run_again_in(python)
    _install(extras)
    if still := lacking(extras):
        raise KitError(f"pip says that all is well, and yet {', '.join(still)} cannot be found. "
                       f"Delete the folder {VENV.name} and run the same command again.")


def lacking(extras=()):
    """The requirements of pyproject.toml, `extras` included, that this Python does not meet."""
    if not (ROOT / "pyproject.toml").exists():
        raise KitError(f"there is no pyproject.toml in {ROOT}: run the kit from a copy of its whole folder.")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [project["name"], *project["dependencies"]]
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    importlib.invalidate_caches()
    return [requirement for requirement in wanted if not _is_met(requirement)]


def _is_met(requirement):
    name, _, floor = requirement.partition(">=")
    try:
        return _numbers(metadata.version(name)) >= _numbers(floor)
    except metadata.PackageNotFoundError:
        return False


def _numbers(version):
    return [int(number) for number in re.findall(r"\d+", version)]


def _is_here(venv):
    """Whether this Python is the one of `venv`."""
    return venv.exists() and os.path.samefile(sys.prefix, venv)


def _create_venv():
    # Debian's python3 can come without ensurepip; `venv` notices only after it has left half a folder.
    if importlib.util.find_spec("ensurepip") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise KitError("this Python cannot make an environment for the kit's packages, since its module ensurepip is "
                       f"missing. On Debian and Ubuntu: sudo apt install python{version}-venv")
    print(f"Making {VENV.name}, for the kit's packages.", flush=True)
    if subprocess.call([sys.executable, "-m", "venv", str(VENV)]) != 0:
        raise KitError(f"{VENV} could not be made; Python's own words stand above.")


def _run_again_in(python):
    """Replace this process by the same command line in another Python."""
    os.chdir(ROOT)      # where `-m kit` is found before the kit is installed
    command = [str(python), "-m", "kit", *sys.argv[1:]]
    sys.stdout.flush()
    if os.name == "posix":
        os.execv(command[0], command)
    raise SystemExit(subprocess.call(command))      # Windows cannot replace a process


def _install(extras):
    """Install the kit (where it lies) and its packages here: as pinned, else as new as allowed."""
    if importlib.util.find_spec("pip") is None:
        raise KitError(f"{VENV.name} was begun and never finished. Delete that folder and run the same command again.")
    print("Installing the kit's packages: about 450 MB, once, in a minute or two. Later runs need no network.")
    what = ["--editable", f".[{','.join(extras)}]" if extras else "."]
    for versions in (["--constraint", PINS], []):
        if _pip("install", *what, *versions) == 0:
            return
        print("That did not work; trying once more without the versions that the kit was tested with.")
    raise KitError("the packages could not be installed; pip's own words stand above. Is there a network?")


def _pip(*arguments):
    """Run pip with a dot for every package that it looks at; returns its exit status."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, encoding="utf-8") as pip:
        for line in pip.stdout:
            if line.startswith(("Collecting", "Installing")):
                print(".", end="", flush=True)
        print()
    return pip.returncode
