"""The hook, `python -m kit` alone: what it tells is what was run, and neither side is given the last word."""

import pytest

from kit.__main__ import main
from kit.commands.hook import REMEDIES, SCENES
from kit.drivers.stories import Pressure


@pytest.fixture(scope="module")
def verdicts():
    return {title: {supply: Pressure(supply=supply, **setting).run().verdict for supply in REMEDIES}
            for title, setting in SCENES}


def test_the_machine_hangs_and_both_remedies_help(verdicts):
    first = verdicts[SCENES[0][0]]
    assert first == {"plain": "hung", "mempool": "finished", "reservation": "finished"}


def test_each_remedy_hangs_where_the_other_finishes(verdicts):
    ends = [(scene["mempool"], scene["reservation"]) for scene in verdicts.values()]
    assert ("hung", "finished") in ends and ("finished", "hung") in ends


def test_what_it_prints_is_the_same_twice_and_fits_a_terminal(capsys):
    assert main([]) == 0
    first = capsys.readouterr().out
    assert main([]) == 0
    assert capsys.readouterr().out == first
    assert max(map(len, first.splitlines())) <= 120
    assert "goes round" in first and first.count("HANGS") == 5
    for sentence in ("Molnar or LaHaise?", "python3 -m kit lab"):
        assert sentence in first
