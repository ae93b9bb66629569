"""python -m kit lab: JupyterLab on the learner's own copy of the notebooks.

The kit's notebooks stay as they were committed; learners work on copies in `work/`, which git
ignores.  After an update the new version of a notebook stands beside the learner's own:

    work/04_five_levels.ipynb           what the learner has made of it
    work/04_five_levels.new-2.ipynb     the kit's second version

Always true: no file in `work/` is ever written over, but for what this file keeps there under names
with a dot: the list of what was handed out, and the settings of JupyterLab.
"""

import hashlib
import json
import os
import re

from kit.commands.environment import ROOT, go_on_with
from kit.errors import BadInput

WORK = ROOT / "work"
HANDED_OUT = ".handed-out.json"     # in work/: for each file, the digests of its versions so far
SETTINGS = ".jupyterlab"


def add_parser(subparsers):
    """The command `lab` and its options."""
    parser = subparsers.add_parser(
        "lab", help="open a notebook in JupyterLab",
        description="Open JupyterLab on your own copy of the notebooks, in work/. Nothing you write there is ever "
                    "overwritten: after an update the new version of a notebook stands beside yours.")
    parser.add_argument("notebook", nargs="?", metavar="NOTEBOOK",
                        help="its number or a part of its name, such as 04 or levels; the first one if left out")
    parser.add_argument("--no-browser", action="store_true",
                        help="do not open a browser; JupyterLab prints the address to open")
    parser.set_defaults(func=run)


def run(args):
    """Hand out what is new, then be JupyterLab until it is stopped."""
    chosen = choose_notebook(args.notebook, shipped())
    go_on_with()
    for file in shipped():
        if (copy := hand_out(file, WORK)) is not None and ".new-" in copy.name:
            print(f"The kit has a new version of {file.name}: it stands beside yours, as {copy.name}.")
    from jupyterlab.labapp import main
    return main(jupyterlab_arguments(WORK, chosen.name, args.no_browser))


def shipped():
    """The files that a learner gets a copy of: the notebooks, then the exercises, by name."""
    files = [file for folder in ("notebooks", "exercises") for file in sorted((ROOT / folder).glob("*.ipynb"))]
    if not files:
        raise BadInput(f"there are no notebooks in {ROOT}: run the kit from a copy of its whole folder.")
    return files


def choose_notebook(wanted, files):
    """The one of `files` meant by a number ("4", "04") or a part of a name; the first for None."""
    if wanted is None:
        return files[0]
    if wanted.isdigit():
        found = [file for file in files if re.match(rf"0*{int(wanted)}(?!\d)", file.name)]
    else:
        found = [file for file in files if wanted.lower() in file.name.lower()]
    if not found:
        raise BadInput(f"no notebook is called {wanted}. There are: {', '.join(file.stem for file in files)}")
    return found[0]


def hand_out(file, work):
    """Put a copy of `file` into `work` unless this version of it is or was there; returns the copy or None."""
    work.mkdir(exist_ok=True)
    record = work / HANDED_OUT
    given = _read_record(record)
    digest, versions = digest_of(file), given.setdefault(file.name, [])
    copy = work / file.name
    if copy.exists():
        if digest in versions:
            return None
        copy = _beside(copy)
    with open(copy, "x", encoding="utf-8") as new:      # x: fails rather than write over anything
        new.write(without_outputs(file.read_text(encoding="utf-8")))
    if digest not in versions:
        versions.append(digest)
    record.write_text(json.dumps(given, indent=1) + "\n", encoding="utf-8")
    return copy


def without_outputs(text):
    """The notebook `text` as nobody has run it: a prediction is none when the outcome stands beneath it."""
    notebook = json.loads(text)
    notebook["metadata"].pop("widgets", None)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def digest_of(file):
    """What makes a version of a notebook: what its cells say, not what they once printed."""
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    said = json.dumps([[cell["cell_type"], "".join(cell["source"])] for cell in cells])
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def jupyterlab_arguments(work, name, no_browser):
    """The command line for JupyterLab: on the folder `work`, open at the notebook `name`."""
    settings = work / SETTINGS
    settings.mkdir(parents=True, exist_ok=True)
    # Otherwise it asks each new reader whether it may fetch news; a reader's own settings still win over these.
    quiet = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
    (settings / "overrides.json").write_text(json.dumps(quiet), encoding="utf-8")
    arguments = [f"--ServerApp.root_dir={work}", f"--LabApp.default_url=/lab/tree/{name}",
                 f"--LabApp.app_settings_dir={settings}"]
    if no_browser:
        arguments.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--allow-root")    # in a container there is nobody else; it listens on 127.0.0.1 only
    return arguments


def _read_record(record):
    try:
        return json.loads(record.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}       # nothing is lost: at worst, copies that are there already come once more


def _beside(copy):
    """The first free name beside `copy`: its own is version 1, so the next is new-2."""
    number = 2
    while (new := copy.with_name(f"{copy.stem}.new-{number}{copy.suffix}")).exists():
        number += 1
    return new
