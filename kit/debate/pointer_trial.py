"""pointer_trial: L4, what a call through a pointer costs, on the real CPU.

No simulation can tell, so a small C program (calls.c) is built with the compiler that is found and
run.  Compiled twice: as ever, and with retpolines, by which kernels have kept the CPU from predicting
where a call through a pointer goes, since such predictions could be abused (2018).

Nanoseconds are another matter on every machine, and never the same twice.  So the evidence has only
orders: as cheap as a direct call, or dearer, which is half as much again or more; on the recorded CPU
anything from a tenth more to four times as much gives the same orders.  `figures` gives the
nanoseconds to whoever wants to see them.  Where there is no compiler, the figures recorded on one CPU
are judged instead, and every row names that CPU.

Left out: what the pointer's own cache line costs when it is cold, and other code that competes for
the predictor's memory.
"""

import os
import shlex
import shutil
import subprocess
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict

PLAIN, RETPOLINES = "as ever", "with retpolines"
FLAGS = {PLAIN: ([],), RETPOLINES: (["-mindirect-branch=thunk"], ["-mretpoline"])}     # of gcc, of clang
REACHED = {"pointer": "one function, by pointer", "two pointers": "two in turn, by pointer",
           "any pointer": "any of eight, by pointer", "branch": "one more branch, not taken"}
BESIDE = {"two pointers": "two direct"}     # what a way is compared with, where it is not a direct call
CHEAP, DEAR = "as cheap", "dearer"
SECONDS = 20        # that a compiler or the program may take before we do without it

# Shortest of 40 rounds each, with seed 0, gcc 12.2 -O2, November 2026; in nanoseconds a call.
RECORDED_ON = "AMD EPYC, family 25 model 17, in a virtual machine"
RECORDED = {
    PLAIN: {"direct": 1.353, "branch": 1.353, "pointer": 1.353, "two direct": 1.353, "two pointers": 7.361,
            "any pointer": 6.932},
    RETPOLINES: {"direct": 1.354, "branch": 1.353, "pointer": 5.979, "two direct": 1.354, "two pointers": 7.361,
                 "any pointer": 7.608}}


def experiment(seed, compiled=tuple(FLAGS), reached=tuple(REACHED), rounds=10, much=1.5):
    """How each way to reach a function compares with a direct call; the seed draws the order of the eight.

    much: how many times as long as a direct call is dearer.
    """
    measured, where = figures(seed, rounds), "this CPU"
    if not measured:
        measured, where = RECORDED, RECORDED_ON
    rows = [(how, REACHED[way], _order(measured[how], way, much), where)
            for how in compiled if how in measured for way in reached]
    return Evidence(("compiled", "reached", "beside direct calls", "measured on"), tuple(rows))


def judge(evidence):
    """Is a call through a pointer dearer however it is compiled, and wherever it goes?"""
    calls = [row[:3] for row in evidence.rows if row[1] != REACHED["branch"]]
    dear = [row for row in calls if row[2] == DEAR]
    cheap = [row for row in calls if row[2] == CHEAP]
    named = min((dear, cheap), key=lambda rows: (not rows, len(rows)))
    reason = (f"of {len(calls)} ways through pointers {len(dear)} are dearer and {len(cheap)} as cheap; {named[0][2]}: "
              + ", ".join(f"{reached} ({compiled})" for compiled, reached, _ in named))
    if not (dear and cheap):
        return Verdict(HOLDS if dear else FAILS, reason)
    return Verdict(DEPENDS, reason, on=_factors(calls))


def figures(seed=0, rounds=10):
    """Nanoseconds a call by how it is compiled and by way; {} without a compiler."""
    with TemporaryDirectory() as place, as_file(files("kit.debate") / "calls.c") as source:
        built = {how: _build(source, Path(place) / f"calls-{number}", flags)
                 for number, (how, flags) in enumerate(FLAGS.items())}
        lines = {how: _output([str(program), str(seed), str(rounds)]) for how, program in built.items() if program}
        return {how: {way: float(ns) for way, ns in (line.split("\t") for line in said.splitlines())}
                for how, said in lines.items() if said}


def compiler():
    """The C compiler as the beginning of a command: $CC, cc, gcc or clang; [] if there is none."""
    wanted = [shlex.split(os.environ.get("CC", "")), ["cc"], ["gcc"], ["clang"]]
    return next((command for command in wanted if command and shutil.which(command[0])), [])


def _build(source, program, variants):
    """The program, built with the first variant of flags that this compiler knows; None if it knows none."""
    command = compiler()
    for flags in variants if command else ():
        if _output([*command, "-O2", *flags, "-o", str(program), str(source)]) is not None:
            return program
    return None


def _output(command):
    """What a command printed; None if it failed or took too long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def _order(ns, way, much):
    return DEAR if ns[way] >= much * ns[BESIDE.get(way, "direct")] else CHEAP


def _factors(calls):
    """What makes a difference: where a call goes, or how it is compiled, all else being equal."""
    orders = {(compiled, reached): order for compiled, reached, order in calls}
    words = ("how it is compiled", "whether the CPU can predict where the call goes")
    return " and ".join(words[place] for place in (1, 0) if any(
        orders[one] != orders[other] for one in orders for other in orders if one[1 - place] == other[1 - place]))


L4 = Claim(
    name="L4", who="Ben LaHaise", words="Function calls through pointers are really not a good idea on modern cpus",
    question="Is a call through a pointer dearer than a direct one, on this CPU?",
    molnar="A pool has one allocator beneath it, so its call always goes to the same place, and the CPU learns that: "
           "measured on a Celeron of 400 MHz it cost 2 % more.",
    lahaise="A CPU that does not know where a call goes stands still until it knows; and two pointers in turn cost "
            "12 % more on that very Celeron.",
    experiment=experiment, judge=judge,
    overturned_by="Only pointers that always lead to the same function, in a kernel compiled without retpolines.",
    overturning={"compiled": (PLAIN,), "reached": ("pointer", "branch")},
    recorded={"rounds": 40},
    history="Molnar's own figures (15 December 2001) are 24.7 ns through one pointer and 24.3 ns directly; with two in "
            "turn 36.5 and 32.5. In 2018 retpolines came, and made every call through a pointer one that is not "
            "predicted.")
