"""The trial: verdicts come from the evidence alone, could be others, and are the same for everybody."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from random import Random

import pytest

from kit.__main__ import main
from kit.commands.debate import _as_text
from kit.debate import hearing, pointer_trial
from kit.debate.backing_trial import ISA, KINDS, SLAB
from kit.debate.claim import DEPENDS, FAILS, HOLDS, UNDECIDABLE, Claim, Evidence, Verdict
from kit.debate.claims import CLAIMS, claim
from kit.debate.hearing import Finding, _finding, _try, hear
from kit.debate.pointer_trial import compiler
from kit.errors import BadInput

QUICK = [name for name, one in CLAIMS.items() if one.seeded and name not in ("M2", "L2", "L4", "L5", "L7", "L10")]
SMALL = {"M2": {"runs": 2}, "L2": {"reserves": (4, 16), "marks": (0,)},
         "L3": {"models": (64,), "recordings": ("build",)}, "L8": {"pages": 2, "tasks": 2},
         "M1": {"beneath": [kind for kind in KINDS if kind[0] in (SLAB, "another pool", ISA)], "tasks": (12,),
                "turns": 900},
         "M3": {"draws": 1},
         "L9": {"sizes": (64, 256), "operations": 500},
         "L5": {"worlds": ((4, 20, 4),)},
         "L10": {"machines": (4,), "models": (64,), "reserves": (1,)}}


def claims(names):
    """These claims, as parameters; those that take seconds are slow."""
    slow = "M1", "M2", "M4", "M6", "L2", "L5", "L6", "L7", "L10"
    return [pytest.param(name, marks=[pytest.mark.slow] if name in slow else []) for name in names]


@pytest.fixture
def recorded_calls(monkeypatch):
    """L4 judges recorded figures: what this CPU does meanwhile is no matter of the code."""
    monkeypatch.setattr(pointer_trial, "compiler", list)


@pytest.mark.usefixtures("recorded_calls")
@pytest.mark.parametrize("name", claims(CLAIMS))
def test_the_verdict_is_that_of_the_table_and_the_same_seed_gives_the_same_table(name):
    one = CLAIMS[name]
    evidence, verdict = one.trial(3, **SMALL.get(name, {}))
    again, _ = one.trial(3, **SMALL.get(name, {}))
    assert evidence == again
    assert verdict == one.judge(Evidence(evidence.columns, evidence.rows))
    assert verdict.word in (HOLDS, FAILS, DEPENDS, UNDECIDABLE) and verdict.because
    assert bool(verdict.on) == (verdict.word == DEPENDS), "what it depends on is named"
    lines = _as_text([Finding(one, evidence, verdict, {3: verdict.word})]).splitlines()
    assert max(map(len, lines)) <= 100, "a wider line wraps in a notebook"


@pytest.mark.usefixtures("recorded_calls")
@pytest.mark.parametrize("name", claims(name for name, one in CLAIMS.items() if one.overturning))
def test_what_overturns_a_verdict_does(name):
    one = CLAIMS[name]
    _, verdict = one.trial(0, **SMALL.get(name, {}))
    _, other = one.trial(0, **{**(SMALL.get(name, {}) if name not in ("M2", "L2") else {}), **one.overturning})
    assert verdict.word != other.word


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_is_whole(name):
    one = CLAIMS[name]
    assert one.name == name and len(one.words) < 120
    assert all((one.question, one.molnar, one.lahaise, one.overturned_by))


def frontier(**ends):
    """A table of the frontier: how each supply ends in worlds of reserve 1 and 16."""
    rows = (("a load", 1, 0, *(end[0] for end in ends.values())), ("a load", 16, 0, *(end[1] for end in ends.values())))
    return Evidence(("load", "reserve", "min mark", *ends), rows)


DONE, BOTH = ("30 ms", "30 ms"), ("hung", "30 ms")


@pytest.mark.parametrize("plain, mempool, said", [
    ((0, 0), (2, 2), "holds"), ((2, 2), (2, 2), "holds"), ((0, 0), (2, 1), "depends on the machine"),
    ((0, 0), (2, 0), "depends on whether everybody gives back"), ((2, 1), (2, 1), "fails"), ((0, 0), (0, 0), "fails")])
def test_m2_can_come_out_every_way(plain, mempool, said):
    """How many of two machines finish when all give back, and when one keeps."""
    rows = [(16, holding, supply, done, 0, 2 - done)
            for supply, ends in (("plain", plain), ("mempool", mempool))
            for holding, done in zip(("all give back", "one keeps"), ends, strict=True)]
    table = Evidence(("pages a write", "holders", "supply", "finished", "waited", "hung"), tuple(rows))
    assert str(CLAIMS["M2"].judge(table)).startswith(f"{said}: ")


@pytest.mark.parametrize("mempool, reservation, word", [
    (BOTH, DONE, HOLDS), (BOTH, BOTH, HOLDS), (DONE, BOTH, FAILS), (("30 ms", "hung"), BOTH, DEPENDS),
    (DONE, ("broken", "30 ms"), FAILS)])
def test_l2_can_come_out_every_way(mempool, reservation, word):
    assert CLAIMS["L2"].judge(frontier(mempool=mempool, reservation=reservation)).word == word


def test_l2_names_what_a_write_can_declare_if_that_decides():
    verdict = CLAIMS["L2"].judge(frontier(**{"mempool": DONE, "reservation": DONE, "worst declared": BOTH}))
    assert str(verdict).startswith("depends on whether a write can say beforehand what it will take and the size of")


def test_a_verdict_that_changes_with_the_seed_depends_on_chance():
    table = Evidence(("what", "how much"), (("one", 1),))
    words = {0: (table, Verdict(HOLDS, "it did")), 1: (table, Verdict(FAILS, "it did not"))}
    verdict = _finding("M4", words).verdict
    assert (verdict.word, verdict.on) == (DEPENDS, "chance")
    assert "fails under 1, holds under 1" in verdict.because


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_a_quick_verdict_is_the_same_under_every_seed(name):
    verdicts = [CLAIMS[name].trial(seed, **SMALL.get(name, {}))[1] for seed in range(6)]     # --record: 20
    assert len({(verdict.word, verdict.on) for verdict in verdicts}) == 1


class Nobody:
    """A seed that cannot be used: neither to draw from, nor as part of another."""

    def __format__(self, spec):
        raise TypeError("this seed is not to be used")

    __str__ = __index__ = __format__


@pytest.mark.parametrize("name", claims(CLAIMS))
def test_a_claim_uses_its_seed_or_says_that_it_has_none(name):
    one, small = CLAIMS[name], SMALL.get(name, {})
    if name == "L4" and not compiler():
        pytest.skip("L4 judges recorded figures here")
    if one.seeded:
        with pytest.raises(TypeError):
            one.trial(Nobody(), **small)
    else:
        assert one.trial(Nobody(), **small) == one.trial(1, **small)


@pytest.mark.parametrize("name", ["M1", "M3", "M6", "L9"])
def test_another_seed_is_another_run(name):
    assert len({CLAIMS[name].trial(seed, **SMALL.get(name, {}))[0] for seed in range(2)}) > 1


@pytest.fixture
def two_claims(monkeypatch):
    """D, which draws, and F, which does not: claims like any other, but tried at once."""
    for name, seeded in (("D", True), ("F", False)):
        monkeypatch.setitem(CLAIMS, name, Claim(
            name=name, who="Who", words="so", question="Is it?", molnar="Yes.", lahaise="No.", overturned_by="That.",
            experiment=lambda seed, drawn=seeded: Evidence(("what",), (((Random(seed).random() if drawn else 0),),)),
            judge=lambda evidence: Verdict(HOLDS, "it is"), seeded=seeded))


def test_what_draws_nothing_is_tried_once_and_says_so(two_claims, capsys):
    drawn, fixed = hear(["D", "F"], range(3))
    assert (drawn.tried, list(drawn.words_by_seed)) == ("under 3 seeds", [0, 1, 2])
    assert (fixed.tried, list(fixed.words_by_seed)) == ("once: the seed has no part in it", [0])
    assert main(["debate", "F", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["by seed"] == fixed.tried


def test_a_bar_is_told_how_many_trials_there_are(two_claims):
    totals = []
    hear(["D", "d", "F"], range(3), progress=lambda trials, total: totals.append(total) or trials)
    assert totals == [4], "a claim named twice is tried once"


def test_threads_take_turns():
    with ThreadPoolExecutor(4) as executor:
        assert hear(["L9", "L1"], range(2), executor=executor) == hear(["L9", "L1"], range(2))


def interrupted(monkeypatch, after):
    """From now on Ctrl-C is pressed after so many trials."""
    def trial(task):
        if not done:
            raise KeyboardInterrupt
        done.pop()
        return _try(task)
    done = [None] * after
    monkeypatch.setattr(hearing, "_try", trial)


def test_an_interrupt_leaves_what_was_tried_by_then(two_claims, monkeypatch, capsys):
    interrupted(monkeypatch, after=2)
    assert main(["debate", "D", "F"]) == 130
    shown = capsys.readouterr()
    assert shown.err == "kit: broken off after 2 of 3 trials\n"
    assert "D    Who  under 1 seed" in shown.out and "F    Who  once" in shown.out


def test_an_interrupt_before_the_first_trial_ended_leaves_a_sentence(two_claims, monkeypatch, capsys):
    interrupted(monkeypatch, after=0)
    assert main(["debate", "D"]) == 130
    assert capsys.readouterr() == ("", "kit: broken off after 0 of 2 trials\n")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows sends its interrupts otherwise")
def test_an_interrupt_ends_the_workers_without_a_traceback():
    command = [sys.executable, "-c", "import sys; from kit.__main__ import main; sys.exit(main())",
               "debate", "M6", "M2", "--record", "--jobs", "2"]
    kit = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    time.sleep(5)
    os.killpg(kit.pid, signal.SIGINT)       # as the terminal does: to all of them
    _, said = kit.communicate(timeout=60)
    assert kit.returncode == 130 and re.fullmatch(r"kit: broken off after \d+ of 40 trials\n", said)


def test_a_worker_that_dies_is_a_sentence(monkeypatch, capsys):
    def dying(*_):
        raise BrokenExecutor
    monkeypatch.setattr(hearing, "hear", dying)
    assert main(["debate", "M4"]) == 2
    assert capsys.readouterr().err.startswith("kit: a worker ended in the middle of a trial")


def test_an_unknown_claim_is_told_which_there_are():
    with pytest.raises(BadInput, match="M99.*There are: M1, M2"):
        claim("M99")
    assert isinstance(claim("m4"), Claim)


def test_the_command_shows_evidence_beside_the_verdict(two_claims, capsys):
    assert main(["debate", "D", "f"]) == 0
    said = capsys.readouterr().out
    assert said.index(hear(["D"])[0].evidence.text()) < said.index("Verdict: holds: it is")
    assert said.splitlines()[-2:] == ["  D    Who  under 2 seeds   holds", "  F    Who  once            holds"]


def test_the_command_says_the_same_as_json_on_two_workers(capsys):
    said = []
    for more in ([], ["--jobs", "2"]):
        assert main(["debate", "L9", "--json", *more]) == 0
        said.append(json.loads(capsys.readouterr().out))
    assert said[0] == said[1]
    assert said[0][0]["verdict"] == DEPENDS
