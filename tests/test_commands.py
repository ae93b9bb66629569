"""The command line: every command helps, every error is a sentence, and README knows them all."""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kit.__main__ import command_line, main
from kit.commands import environment, lab
from kit.errors import BadInput, KitError

ROOT = Path(__file__).resolve().parents[1]
PARSERS = next(action for action in command_line()._actions
               if isinstance(action, argparse._SubParsersAction)).choices


def told():
    """All that is told to users: README and the notebooks, as one text."""
    return "\n".join(file.read_text(encoding="utf-8") for file in
                     [ROOT / "README.md", *(ROOT / "notebooks").glob("*.ipynb")])


def test_alone_it_says_where_to_begin(capsys):
    assert main([]) == 0
    assert "python3 -m kit lab" in capsys.readouterr().out


@pytest.mark.parametrize("command", PARSERS)
def test_every_command_helps(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert command in capsys.readouterr().out


def test_readme_names_every_command_and_no_other():
    named = re.findall(r"python3 -m kit ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert set(named) == set(PARSERS)


def test_every_path_in_readme_exists():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:kit|tests|notebooks|exercises)/[\w/.]*)`", readme)
    assert paths and [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize(("command", "flag"), [
    (command, action.option_strings[-1]) for command, parser in PARSERS.items()
    for action in parser._actions if action.option_strings and action.dest != "help"])
def test_every_flag_is_used_by_a_sentence(command, flag):
    assert flag in told(), f"no sentence of README or a notebook uses {command} {flag}: explain it there or delete it"


def test_an_error_is_one_sentence_and_status_2(capsys, monkeypatch):
    monkeypatch.setattr(lab, "shipped", lambda: [Path("04_five_levels.ipynb")])
    assert main(["lab", "77"]) == 2
    said = capsys.readouterr().err
    assert said == "kit: no notebook is called 77. There are: 04_five_levels\n"


def test_an_interrupt_is_status_130(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt
    monkeypatch.setattr(lab, "shipped", interrupted)
    assert main(["lab"]) == 130


def test_a_reader_who_has_seen_enough_is_no_error():
    """`python -m kit | head -1`: no complaint about the broken pipe."""
    reader, writer = os.pipe()
    os.close(reader)
    kit = subprocess.run([sys.executable, "-m", "kit"], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (kit.returncode, kit.stderr) == (0, b"")


def test_an_old_python_is_greeted_with_a_sentence(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 9, 6))
    assert main(["lab"]) == 2
    assert "needs 3.11 or newer" in capsys.readouterr().err


# == Choosing a notebook, and the learner's own copy ===============================================

NOTEBOOKS = [Path(name) for name in ("00_the_debate.ipynb", "01_pages.ipynb", "04_five_levels.ipynb", "10_yes.ipynb")]


@pytest.mark.parametrize(("wanted", "found"), [
    (None, "00_the_debate"), ("0", "00_the_debate"), ("00", "00_the_debate"), ("1", "01_pages"),
    ("04", "04_five_levels"), ("4", "04_five_levels"), ("10", "10_yes"),
    ("levels", "04_five_levels"), ("Debate", "00_the_debate")])
def test_a_notebook_is_chosen_by_number_or_name(wanted, found):
    assert lab.choose_notebook(wanted, NOTEBOOKS).stem == found


@pytest.mark.parametrize("wanted", ["2", "100", "slabs"])
def test_an_unknown_notebook_is_answered_with_those_that_exist(wanted):
    with pytest.raises(BadInput, match="00_the_debate, 01_pages"):
        lab.choose_notebook(wanted, NOTEBOOKS)


def notebook(*cells, output="1"):
    """The text of a tiny notebook."""
    cells = [{"cell_type": "code", "source": [cell], "outputs": [output]} for cell in cells]
    return json.dumps({"cells": cells, "metadata": {}})


@pytest.fixture
def desk(tmp_path):
    """A shipped notebook, and a desk to work on."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "04_five_levels.ipynb").write_text(notebook("1 + 1"), encoding="utf-8")
    return tmp_path / "notebooks" / "04_five_levels.ipynb", tmp_path / "work"


def names(work):
    return sorted(file.name for file in work.glob("*.ipynb"))


def test_the_first_time_a_copy_is_handed_out(desk):
    shipped, work = desk
    shipped.write_text(notebook("1 + 1", output="2"), encoding="utf-8")
    assert lab.hand_out(shipped, work) == work / shipped.name
    cell, = json.loads((work / shipped.name).read_text(encoding="utf-8"))["cells"]
    assert (cell["source"], cell["outputs"]) == (["1 + 1"], []), "an outcome is shown before anybody could predict it"
    assert lab.hand_out(shipped, work) is None


def test_what_a_learner_wrote_is_never_written_over(desk):
    shipped, work = desk
    lab.hand_out(shipped, work)
    (work / shipped.name).write_text("my own", encoding="utf-8")
    assert lab.hand_out(shipped, work) is None
    for number in (2, 3):
        shipped.write_text(notebook(f"1 + {number}"), encoding="utf-8")
        assert lab.hand_out(shipped, work).name == f"04_five_levels.new-{number}.ipynb"
        assert lab.hand_out(shipped, work) is None
    assert (work / shipped.name).read_text(encoding="utf-8") == "my own"


def test_a_new_output_is_no_new_version(desk):
    shipped, work = desk
    lab.hand_out(shipped, work)
    shipped.write_text(notebook("1 + 1", output="2"), encoding="utf-8")
    assert lab.hand_out(shipped, work) is None
    assert names(work) == ["04_five_levels.ipynb"]


def test_a_version_thrown_away_does_not_come_back_but_the_first_copy_does(desk):
    shipped, work = desk
    lab.hand_out(shipped, work)
    shipped.write_text(notebook("1 + 2"), encoding="utf-8")
    lab.hand_out(shipped, work).unlink()
    assert lab.hand_out(shipped, work) is None
    (work / shipped.name).unlink()
    assert lab.hand_out(shipped, work) == work / shipped.name


def test_a_damaged_record_loses_nothing(desk):
    shipped, work = desk
    lab.hand_out(shipped, work)
    (work / shipped.name).write_text("my own", encoding="utf-8")
    (work / lab.HANDED_OUT).write_text("{", encoding="utf-8")
    assert lab.hand_out(shipped, work).name == "04_five_levels.new-2.ipynb"
    assert (work / shipped.name).read_text(encoding="utf-8") == "my own"


# == The environment ===============================================================================


def test_this_very_environment_lacks_nothing():
    assert environment.lacking(("test",)) == []


def test_what_is_missing_or_too_old_is_named(monkeypatch):
    versions = {"jupyterlab": "4.1.9", "matplotlib": "3.10.0"}

    def version(name):
        if name not in versions:
            raise environment.metadata.PackageNotFoundError(name)
        return versions[name]
    monkeypatch.setattr(environment.metadata, "version", version)
    lacking = environment.lacking()
    assert "jupyterlab>=4.2" in lacking and "ipywidgets>=8.1.2" in lacking
    assert not any(requirement.startswith("matplotlib") for requirement in lacking)


def test_a_python_without_ensurepip_gets_the_right_line(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(environment, "lacking", lambda extras: ["jupyterlab>=4.2"])
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(KitError, match=r"apt install python3\.\d+-venv"):
        environment.go_on_with()
    assert not (tmp_path / ".venv").exists()


# == No network ====================================================================================


def test_connections_beyond_this_machine_are_refused_here_and_in_children():
    ask = "import socket; socket.socket().connect(('192.0.2.1', 80))"      # an address that is nobody's, for documents
    with pytest.raises(PermissionError, match=r"may need a network"):
        exec(ask, {})
    child = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True)
    assert "nothing in the kit may need a network" in child.stderr
