"""The claims on what is executed: calls through pointers, code to be kept in sync, code beside code."""

import pytest

from kit.debate import pointer_trial
from kit.debate.claim import DEPENDS, FAILS, HOLDS, Evidence
from kit.debate.claims import CLAIMS
from kit.debate.pointer_trial import CHEAP, DEAR, PLAIN, REACHED, RETPOLINES


def calls(plain, any_plain, retpolines):
    """A table for L4: one function and any of eight, compiled as ever, and one with retpolines."""
    rows = ((PLAIN, REACHED["pointer"], plain, ""), (PLAIN, REACHED["any pointer"], any_plain, ""),
            (RETPOLINES, REACHED["pointer"], retpolines, ""), (PLAIN, REACHED["branch"], CHEAP, ""))
    return Evidence(("compiled", "reached", "beside direct calls", "measured on"), rows)


@pytest.mark.parametrize("orders, word, on", [
    ((DEAR, DEAR, DEAR), HOLDS, ""), ((CHEAP, CHEAP, CHEAP), FAILS, ""),
    ((CHEAP, DEAR, CHEAP), DEPENDS, "whether the CPU can predict where the call goes"),
    ((CHEAP, CHEAP, DEAR), DEPENDS, "how it is compiled")])
def test_l4_can_come_out_every_way(orders, word, on):
    verdict = CLAIMS["L4"].judge(calls(*orders))
    assert (verdict.word, verdict.on) == (word, on)


@pytest.mark.skipif(not pointer_trial.compiler(), reason="there is no C compiler here")
def test_the_c_program_is_built_and_measures_every_way():
    measured = pointer_trial.figures(rounds=2)
    assert measured[PLAIN].keys() == pointer_trial.RECORDED[PLAIN].keys()
    assert all(ns > 0 for ways in measured.values() for ns in ways.values())


@pytest.mark.parametrize("cc, path", [("", "/nowhere"), ("false", "")])
def test_without_a_compiler_that_works_recorded_figures_are_judged_and_their_cpu_is_named(monkeypatch, cc, path):
    monkeypatch.setenv("CC", cc)
    if path:
        monkeypatch.setenv("PATH", path)
    evidence, verdict = CLAIMS["L4"].trial(0)
    assert {row[-1] for row in evidence.rows} == {pointer_trial.RECORDED_ON}
    assert verdict.word == DEPENDS
