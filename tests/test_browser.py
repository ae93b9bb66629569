"""Every notebook as a reader meets it: opened in JupyterLab, run from top to bottom, its widgets worked by keyboard.

Pictures of each, in the light and the dark theme, are left in build/screenshots for people to look at.
"""

import os

import pytest
from browser import JupyterLab, find_browser
from nbformat import v4
from samples import METADATA, SLIDER, sample, write

from kit.commands.lab import hand_out
from kit.commands.notebooks import ROOT, committed

pytestmark = [pytest.mark.slow, pytest.mark.browser]
SCREENSHOTS = ROOT / "build" / "screenshots"
NOTEBOOKS = {"sample": None, **{file.stem: file for file in committed() if file.parent.name != "solutions"}}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on a folder of learner's copies, as `python -m kit lab` makes them."""
    if find_browser() is None:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium or Chrome here, and CI must try the notebooks in one: see .ci/run")
        pytest.skip("there is no Chromium or Chrome here to try the notebooks in")
    work = tmp_path_factory.mktemp("work")
    for file in filter(None, NOTEBOOKS.values()):
        hand_out(file, work)
    write(sample(), work / "sample.ipynb")
    write(broken(), work / "broken.ipynb")
    with JupyterLab(work, tmp_path_factory.mktemp("settings")) as lab:
        yield lab


def broken():
    """A notebook that fails a reader in every way that these tests look for."""
    slider = SLIDER.replace('slider.observe(say, "value")', "").replace('description="pages", ', "")
    return v4.new_notebook(metadata=METADATA, cells=[v4.new_code_cell(cell) for cell in (slider, "1 / 0", "2")])


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_reader_can_open_run_and_work_it(lab, name, record_property):
    with lab.open(f"{name}.ipynb") as reader:
        reader.run_all()
        assert reader.errors() == []
        assert reader.not_run() == []
        answers = [answer(reader, area) for area in reader.widgets() if reader.controls(area)]
        assert reader.nameless() == []
        reader.screenshot(SCREENSHOTS / f"{name}-light.png", "JupyterLab Light")
        reader.screenshot(SCREENSHOTS / f"{name}-dark.png", "JupyterLab Dark")
        assert reader.complaints == []
        record_property("milliseconds until each widget answered", answers)
    silent = [number for number, milliseconds in enumerate(answers, 1) if milliseconds is None]
    assert not silent, f"of the {len(answers)} widgets of {name}, number {silent} answered no key"


def answer(reader, area):
    """Milliseconds until the widget in `area` answered a key pressed on one of its controls; None if it never did."""
    for control in reader.controls(area):
        for key in reader.keys(control):
            if (milliseconds := reader.press(area, control, key)) is not None:
                return round(milliseconds)
    return None


def test_what_is_broken_is_seen(lab):
    with lab.open("broken.ipynb") as reader:
        reader.run_all()
        assert reader.errors() == ["cell 2: ZeroDivisionError: division by zero"]
        assert reader.not_run() == [3]
        assert [answer(reader, area) for area in reader.widgets()] == [None]
        assert len(reader.nameless()) == 1
        reader.page.evaluate("() => { console.error('no such widget'); }")
        assert reader.complaints == ["no such widget"]
