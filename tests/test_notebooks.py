"""The notebooks as they are committed, and the tests that guard them, tried on what they are to catch."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from hygiene import VIEW, faults, htmls, of_html
from nbconvert import HTMLExporter
from nbformat import v4
from samples import sample, write

import kit
from kit.commands import notebooks
from kit.commands.test import NBVAL
from kit.errors import KitError

ROOT = Path(__file__).resolve().parents[1]
COMMITTED = notebooks.committed()


@pytest.mark.parametrize("file", COMMITTED, ids=lambda file: file.stem)
def test_a_committed_notebook_has_no_faults(file):
    found = faults(file)
    assert not found, f"{file.name}:\n" + "\n".join(f"  {fault}" for fault in found)


def test_at_most_three_things_are_not_compared():
    rules = (ROOT / "tests" / "nbval.cfg").read_text(encoding="utf-8").count("regex:")
    assert rules <= 3


# == How they are made =============================================================================


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """The sample notebook, executed and stored by the kit's own command."""
    file = write(sample(), tmp_path_factory.mktemp("notebooks") / "00_sample.ipynb")
    file.write_text(notebooks.executed(file), encoding="utf-8")
    return file


@pytest.mark.slow
def test_executing_twice_gives_the_same_bytes(stored):
    assert notebooks.executed(stored) == stored.read_text(encoding="utf-8")


def test_the_stored_sample_has_no_faults(stored):
    assert faults(stored) == []


@pytest.mark.slow
def test_a_notebook_that_fails_is_left_as_it_was(tmp_path, monkeypatch):
    file = write(v4.new_notebook(cells=[v4.new_code_cell("1 / 0")]), tmp_path / "00_wrong.ipynb")
    before = file.read_bytes()
    monkeypatch.setattr(notebooks, "committed", lambda: [file])
    with pytest.raises(KitError, match=r"(?s)00_wrong.ipynb does not run to its end.*ZeroDivisionError"):
        notebooks.run(type("args", (), {"notebook": ["00"]}))
    assert file.read_bytes() == before


# == What nbval says ===============================================================================


def nbval(file):
    """Whether strict nbval, with the very options of `python3 -m kit test`, lets a notebook pass."""
    pytest_run = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *NBVAL, str(file)],
                                cwd=ROOT, capture_output=True, text=True)
    assert pytest_run.returncode in (0, 1), pytest_run.stdout
    return pytest_run.returncode == 0


def canary(stored, folder, output, other):
    """The stored sample with one output changed (outputs come before their source in the file)."""
    text = stored.read_text(encoding="utf-8")
    assert output in text
    (folder / "00_canary.ipynb").write_text(text.replace(output, other, 1), encoding="utf-8")
    return folder / "00_canary.ipynb"


@pytest.mark.slow
def test_the_stored_sample_passes_nbval(stored):
    assert nbval(stored)


@pytest.mark.slow
def test_one_changed_number_is_caught_by_nbval(stored, tmp_path):
    assert not nbval(canary(stored, tmp_path, '"42"', '"43"'))


@pytest.mark.slow
def test_a_picture_that_says_something_else_is_caught_by_nbval(stored, tmp_path):
    assert not nbval(canary(stored, tmp_path, "Squares: 1, 4, 9.", "Squares: 1, 4, 8."))


# == What nbval does not say, and faults() does ====================================================


def spoil(change, stored, tmp_path):
    """The faults of the sample after `change(cells)`."""
    notebook = nbformat.read(stored, as_version=4)
    change(notebook.cells)
    file = tmp_path / "00_spoilt.ipynb"
    file.write_text(notebooks.normalised(notebook), encoding="utf-8")
    return "\n".join(faults(file))


def set_source(number, source):
    def change(cells):
        cells[number].source = source
    return change


def add_output(number, *output, **fields):
    def change(cells):
        cells[number].outputs.append(v4.new_output(*output, **fields))
    return change


def never_executed(cells):
    cells[1].execution_count, cells[1].outputs = None, []


def out_of_order(cells):
    cells[1].execution_count, cells[2].execution_count = 2, 1


def not_announced(cells):
    del cells[5].metadata["tags"]


def not_raised(cells):
    cells[5].outputs = []


def not_driven(cells):
    cells[4].source = "said"


def mute(cells):
    cells[2].outputs[0]["data"]["text/html"] = '<img src="data:image/png;base64,AAAA" alt="">'


@pytest.mark.parametrize(("change", "fault"), [
    (never_executed, "not executed once each"),
    (out_of_order, "not executed once each"),
    (not_announced, "not tagged so"),
    (not_raised, "raises nothing"),
    (not_driven, "drives its widget"),
    (mute, "no alt text"),
    (set_source(0, "Pages"), "does not begin with its title"),
    (set_source(0, "# Pages\n\n![](journey.png)"), "no alt text"),
    (set_source(0, "# Pages\n\nThe method `Machine.fly` is gone."), "no `Machine.fly`"),
    (set_source(0, "# Pages\n\nSee `kit/machine/corps.py`."), "no `kit/machine/corps.py`"),
    (set_source(0, "# Pages\n\nAs `kit.machine.corps` says."), "no `kit.machine.corps`"),
    (set_source(0, "# Pages\n\nThe class `Mempoool` is gone."), "no `Mempoool`"),
    (set_source(0, "# Pages\n\nThink of asyncio."), "asyncio"),
    (set_source(1, "6 * 7;"), "ends with `;`"),
    (set_source(1, "# NBVAL_SKIP\n6 * 7"), "asks nbval to look away"),
    (set_source(1, "'#'" + "#" * 500_000), "bytes"),
    (add_output(1, "stream", name="stderr", text="Warning: old"), "prints to stderr: Warning: old"),
    (add_output(1, "stream", text="/ho" + "me/ann/kit"), "path of somebody's machine"),
    (add_output(1, "display_data", data={"image/png": "AAAA"}), "a bare image"),
])
def test_a_fault_is_found(change, fault, stored, tmp_path):
    assert fault in spoil(change, stored, tmp_path)


@pytest.mark.parametrize("prose", [
    "`Machine.run`, `kit.machine.core`, `kit/traps.py`", "`await step(label)` and `6 * 7`", "`mempool_alloc`",
    "`slider`"])
def test_names_that_exist_pass(prose, stored, tmp_path):
    assert spoil(set_source(0, f"# Pages\n\n{prose}"), stored, tmp_path) == ""


# == Without a kernel ==============================================================================


# Names at the kit's front door that no notebook tells of yet.  This list may only become shorter.
UNTOLD = {"Cache", "GFP_KERNEL", "Kmalloc", "Ledger", "Mutex", "Spinlock", "Trail", "Wavering", "choose", "spell"}


def holes(notebook):
    """The widgets that leave a hole on a page without a kernel: nothing else stands in their cell or before it."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for before, cell in zip([None, *code], code, strict=False):
        static = [output for one in (before, cell) if one for output in one.outputs
                  if VIEW not in output.get("data", {})]
        if any(VIEW in output.get("data", {}) for output in cell.outputs) and not static:
            yield cell.id


@pytest.mark.parametrize("file", COMMITTED, ids=lambda file: file.stem)
def test_without_a_kernel_no_widget_is_a_hole_and_every_figure_speaks(file):
    notebook = nbformat.read(file, as_version=4)
    assert list(holes(notebook)) == []
    page, _ = HTMLExporter(template_name="lab", embed_images=True).from_notebook_node(notebook)
    figures = re.findall(r"<img[^>]*>", page)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    stored = sum("<img" in html for cell in code for html in htmls(cell))
    assert len(figures) >= stored and list(of_html(page)) == []


def names_in(cell):
    """The names that a cell uses, as code or, in prose, in backticks."""
    code = [cell.source] if cell.cell_type == "code" else re.findall(r"`([^`\n]+)`", cell.source)
    return re.findall(r"\w+", " ".join(code))


def test_every_name_at_the_front_door_is_told_in_a_notebook_or_on_the_list():
    told = {name for file in COMMITTED if file.parent.name == "notebooks"
            for cell in nbformat.read(file, as_version=4).cells for name in names_in(cell)}
    assert set(kit.__all__) - told == UNTOLD, "tell it, or take what is told off the list"
