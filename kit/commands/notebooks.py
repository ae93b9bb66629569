"""python -m kit notebooks: execute the committed notebooks afresh and store what they print.

For those who write notebooks.  A notebook is stored in one form only, so that a change shows as a
change: executed top to bottom by a fresh kernel, outputs in one piece, no timings, no traces of the
editor or the machine, and widgets numbered in the order of their making instead of at random.

Always true: running it twice gives the same bytes.  What a cell prints is not touched; a notebook
that prints something else each time is mended, not normalised.
"""

import json
import re

from kit.commands.environment import ROOT, go_on_with
from kit.commands.lab import choose_notebook
from kit.errors import KitError

FOLDERS = ("notebooks", "exercises", "solutions")
WIDGETS = "application/vnd.jupyter.widget-state+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}


def add_parser(subparsers):
    """The command `notebooks` and its options."""
    parser = subparsers.add_parser(
        "notebooks", help="execute the committed notebooks afresh (for those who write them)",
        description="Execute the committed notebooks with a fresh kernel each and store their outputs in one form, "
                    "byte for byte the same however often it is run.")
    parser.add_argument("notebook", nargs="*", metavar="NOTEBOOK",
                        help="their numbers or parts of their names, for all of those numbers; all if left out")
    parser.set_defaults(func=run)


def run(args):
    """Rewrite the chosen notebooks; stops at the first cell that fails, and leaves that file as it was."""
    go_on_with("test")
    from tqdm import tqdm
    files = committed()
    numbers = {choose_notebook(wanted, files).name[:2] for wanted in args.notebook}
    chosen = [file for file in files if file.name[:2] in numbers] or files
    for file in tqdm(chosen, unit="notebook", disable=None):
        before = file.read_bytes()
        if (after := executed(file).encode()) != before:
            file.write_bytes(after)
            tqdm.write(f"{file.relative_to(ROOT)}: written")


def committed():
    """Every notebook of the kit, in reading order."""
    return [file for folder in FOLDERS for file in sorted((ROOT / folder).glob("*.ipynb"))]


def executed(file):
    """The text of the notebook in `file` after a fresh kernel has run it; the file is only read."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError
    notebook = nbformat.read(file, as_version=4)
    client = NotebookClient(notebook, timeout=60, kernel_name="python3", record_timing=False, coalesce_streams=True,
                            resources={"metadata": {"path": str(file.parent)}}, extra_arguments=["--log-level=ERROR"])
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError) as error:
        raise KitError(f"{file.name} does not run to its end:\n{error}") from error
    return normalised(notebook)


def normalised(notebook):
    """A notebook as the text that is stored: the same for every run that printed the same."""
    import nbformat
    widgets = notebook.metadata.get("widgets", {})
    numbers = {model: f"{number:032x}" for number, model in enumerate(widgets.get(WIDGETS, {}).get("state", {}), 1)}
    notebook.metadata = nbformat.from_dict({**METADATA, **({"widgets": widgets} if numbers else {})})
    notebook.nbformat_minor = 5
    for cell in notebook.cells:
        kept = {key: cell.metadata[key] for key in ("tags", "nbgrader") if cell.metadata.get(key)}
        cell.metadata = nbformat.from_dict(kept)
    text = json.dumps(notebook, ensure_ascii=False, sort_keys=True)
    renamed = re.sub("|".join(numbers) or "$.", lambda match: numbers[match[0]], text)
    return nbformat.writes(nbformat.from_dict(json.loads(renamed)), version=4).rstrip("\n") + "\n"
