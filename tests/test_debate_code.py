"""The claims on what is executed: calls through pointers, code to be kept in sync, code beside code."""

import sys

import pytest

from kit.debate import drift_trial, executed, pointer_trial
from kit.debate.claim import DEPENDS, FAILS, HOLDS, UNDECIDABLE, Evidence
from kit.debate.claims import CLAIMS
from kit.debate.hearing import hear
from kit.debate.kept_back import WAYS
from kit.debate.pointer_trial import CHEAP, DEAR, PLAIN, REACHED, RETPOLINES


def calls(plain, any_plain, retpolines):
    """A table for L4: one function and any of eight, compiled as ever, and one with retpolines."""
    rows = ((PLAIN, REACHED["pointer"], *plain, ""), (PLAIN, REACHED["any pointer"], *any_plain, ""),
            (RETPOLINES, REACHED["pointer"], *retpolines, ""), (PLAIN, REACHED["branch"], CHEAP, CHEAP, ""))
    return Evidence(("compiled", "reached", *pointer_trial.MUCH, "measured on"), rows)


CHEAPER, DEARER, BY_A_TENTH = (CHEAP, CHEAP), (DEAR, DEAR), (DEAR, CHEAP)


@pytest.mark.parametrize("orders, word, on", [
    ((DEARER,) * 3, HOLDS, ""), ((CHEAPER,) * 3, FAILS, ""),
    ((CHEAPER, DEARER, CHEAPER), DEPENDS, "whether the call goes where the last one went"),
    ((CHEAPER, CHEAPER, DEARER), DEPENDS, "how it is compiled"),
    ((BY_A_TENTH,) * 3, DEPENDS, "what counts as dearer")])
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
    assert {row[-1] for row in evidence.rows} == {pointer_trial.RECORDED_ON, pointer_trial.CELERON}
    assert verdict.word == DEPENDS
    assert {row[2:] for row in evidence.rows if row[1] == REACHED["two pointers"] and row[-1] == pointer_trial.CELERON
            } == {(DEAR, CHEAP, pointer_trial.CELERON)}, "12 % more: LaHaise's best figure, and no half"


def test_on_the_cpu_recorded_here_what_counts_as_dearer_decides_nothing():
    """From a tenth more to four times as much."""
    for how, ways in pointer_trial.RECORDED.items():
        for way in REACHED:
            assert len({pointer_trial._order(ways, way, much) for much in (1.1, 1.5, 2, 4)}) == 1, (how, way)


def test_the_celeron_s_nanoseconds_are_molnar_s_calls_a_second():
    calls = {"direct": 0.0412, "pointer": 0.0405, "two direct": 0.0308, "two pointers": 0.0274}     # billions
    assert pointer_trial.CELERONS == {way: pytest.approx(1 / often, abs=0.01) for way, often in calls.items()}


def drift(cells):
    """A table for L5, of two forms of mempool: {(allocator, caller): how each of them fares}."""
    rows = tuple((release, drift_trial.NOTHING, caller, *pair, "") for (release, caller), pair in cells.items())
    return Evidence(("allocator", "reclaim", "caller", "one", "another", "first kept by"), rows)


@pytest.mark.parametrize("cells, word", [
    ((("kept", "hangs"), ("hangs", "kept")), HOLDS), ((("kept", "kept"), ("kept", "kept")), FAILS),
    ((("kept", "hangs"), ("kept", "kept")), DEPENDS)])
def test_l5_asks_whether_one_pool_does_over_all_allocators(cells, word):
    table = drift(dict(zip((("2.5.1", "KERNEL"), ("2.6.12", "KERNEL")), cells)))
    assert CLAIMS["L5"].judge(table).word == word


def test_l5_a_pool_must_do_for_all_its_callers_and_the_first_that_does_is_named():
    verdict = CLAIMS["L5"].judge(drift({("2.5.1", "NOIO"): ("hangs", "kept"), ("2.5.1", "KERNEL"): ("kept", "hangs"),
                                        ("2.6.12", "NOIO"): ("hangs", "both"), ("2.6.12", "KERNEL"): ("both", "both")}))
    assert verdict.word == HOLDS
    assert "over 2.5.1 NOIO (another), KERNEL (one); over 2.6.12 nobody" in verdict.because


def test_l5_one_allocator_alone_decides_nothing():
    assert CLAIMS["L5"].judge(drift({("2.5.1", "KERNEL"): ("kept", "hangs")})).word == UNDECIDABLE


def test_what_was_changed_together_keeps_the_promise_only_together():
    evidence, _ = CLAIMS["L5"].trial(0, releases=("2.5.1", "2.6.12"), worlds=drift_trial.USUAL[:1])
    whole = {release: [{row[place] for row in evidence.rows if row[0] == release} == {"kept"} for place in range(3, 8)]
             for release in ("2.5.1", "2.6.12")}
    assert evidence.columns[3:-1] == ("2.5.1", "Sept 2002", "Oct 2002", drift_trial.BARE, "2005")
    assert whole == {"2.5.1": [False] * 5, "2.6.12": [False] * 4 + [True]}


def test_who_insists_relied_on_the_page_that_one_frees_oneself():
    """October 2002 took it away: what had done over the allocator of July then hung where others are quicker."""
    evidence, _ = CLAIMS["L5"].trial(0, pools=("2.5.1", "Sept 2002"), releases=("July 2002", "2.5.45"),
                                     squeezes=(drift_trial.OVERTAKEN,), callers=("NOIO", "KERNEL"))
    assert {row[::2][:2]: row[3:5] for row in evidence.rows} == {
        ("July 2002", "NOIO"): ("kept", "kept"), ("July 2002", "KERNEL"): ("kept", "kept"),
        ("2.5.45", "NOIO"): ("hangs", "kept"), ("2.5.45", "KERNEL"): ("hangs", "hangs")}


@pytest.mark.slow
@pytest.mark.parametrize("seed, world", list(enumerate(drift_trial.SWEPT[:2] + drift_trial.SWEPT[-2:])))
def test_the_verdict_on_drift_does_not_hang_on_the_size_of_the_world(seed, world):
    assert CLAIMS["L5"].trial(seed, worlds=(world,))[1].word == HOLDS
    assert CLAIMS["L5"].trial(seed, worlds=(world,), **CLAIMS["L5"].overturning)[1].word == FAILS


@pytest.mark.parametrize("beside, word", [((18, 18, 0, 0), HOLDS), ((18, 18, 0, 1), DEPENDS), ((18, 19, 1, 1), FAILS)])
def test_m5_asks_the_allocators_of_each_release(beside, word):
    labels = ("branches, 2.5.1", "branches, 2.6.12", "places, 2.5.1", "places, 2.6.12")
    rows = tuple((label, nothing, pool, 0, 0, 19) for label, nothing, pool in zip(labels, (18, 18, 0, 0), beside))
    assert CLAIMS["M5"].judge(Evidence(("in the allocators", *WAYS), rows)).word == word


def test_branches_are_counted_where_they_are_and_each_time():
    def loop():
        return [executed_here(number) for number in range(3)]

    assert executed.branches([__name__], loop) == 3
    assert executed.branches(["kit.memory.buddy"], loop) == 0


def executed_here(number):
    if number == 1:
        return "one"
    return "another"


def test_a_debugger_is_given_back_its_trace():
    def mine(*_):
        return None

    before = sys.gettrace()
    sys.settrace(mine)
    try:
        executed.branches(["kit.memory.zones"], lambda: None)
        assert sys.gettrace() is mine
    finally:
        sys.settrace(before)


@pytest.mark.slow
def test_the_verdict_on_pointers_is_the_same_under_every_seed():
    finding, = hear(["L4"], range(5))       # two programs are built each time
    assert len(set(finding.words_by_seed.values())) == 1
