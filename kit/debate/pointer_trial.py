"""pointer_trial: L4, what a call through a pointer costs, on the real CPU.

No simulation can tell, so a small C program (calls.c) is built with the compiler that is found and
run.  Compiled twice: as ever, and with retpolines, by which kernels have kept the CPU from predicting
where a call through a pointer goes, since such predictions could be abused (2018).

Nanoseconds are another matter on every machine, and never the same twice.  So the evidence has only
orders: as cheap as a direct call, or dearer, by a tenth or by half at least.  `figures` gives the
nanoseconds to whoever wants to see them.  Where there is no compiler, the figures recorded on one CPU
are judged instead, and every row names its CPU.  Beside them stand the calls a second that Molnar measured
on a Celeron of 400 MHz (linux-kernel, 15 Dec 2001).

What is shown is whether it matters that a call goes to another function than the last one, not what a CPU
can predict: two functions in strict alternation could be predicted, and a CPU that remembers where the
last calls went learns that (our recollection).  On the one CPU recorded here, in a virtual machine, they
cost as much as eight at random.

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

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict, listed, what_decides

PLAIN, RETPOLINES = "as ever", "with retpolines"
FLAGS = {PLAIN: ([],), RETPOLINES: (["-mindirect-branch=thunk"], ["-mretpoline"])}     # of gcc, of clang
REACHED = {"pointer": "one function, by pointer", "two pointers": "two in turn, by pointer",
           "any pointer": "any of eight, by pointer", "branch": "one more branch, not taken"}
BESIDE = {"two pointers": "two direct"}     # what a way is compared with, where it is not a direct call
CHEAP, DEAR, MUCH = "as cheap", "dearer", {"by a tenth": 1.1, "by half": 1.5}
SECONDS = 20        # that a compiler or the program may take before we do without it

# Shortest of 40 rounds each, with seed 0, gcc 12.2 -O2, November 2026; in nanoseconds a call.
RECORDED_ON = "AMD EPYC, virtual machine"       # family 25, model 17
RECORDED = {
    PLAIN: {"direct": 1.353, "branch": 1.353, "pointer": 1.353, "two direct": 1.353, "two pointers": 7.361,
            "any pointer": 6.932},
    RETPOLINES: {"direct": 1.354, "branch": 1.353, "pointer": 5.979, "two direct": 1.354, "two pointers": 7.361,
                 "any pointer": 7.608}}

# Molnar's figures, in nanoseconds (we compute): 0.0412, 0.0405, 0.0308 and 0.0274 billion calls a second.
CELERON = "Celeron, 400 MHz (Molnar)"
CELERONS = {"direct": 24.27, "pointer": 24.69, "two direct": 32.47, "two pointers": 36.50}


def experiment(seed, compiled=tuple(FLAGS), reached=tuple(REACHED), limits=tuple(MUCH), rounds=10):
    """How each way to reach a function compares with a direct call; the seed draws the order of the eight."""
    measured, where = figures(seed, rounds), "this CPU"
    if not measured:
        measured, where = RECORDED, RECORDED_ON
    rows = [(how, REACHED[way], *(_order(ways, way, MUCH[limit]) for limit in limits), cpu)
            for cpu, table in ((where, measured), (CELERON, {PLAIN: CELERONS}))
            for how, ways in table.items() if how in compiled for way in reached if way in ways]
    return Evidence(("compiled", "reached", *limits, "measured on"), tuple(rows))


def judge(evidence):
    """Is a call through a pointer dearer however it is compiled, wherever it goes, and on whatever CPU?"""
    limits = evidence.columns[2:-1]
    calls = [row for row in evidence.rows if row[1] != REACHED["branch"]]
    orders = {(row[0], row[1], row[-1], limit): order for row in calls for limit, order in zip(limits, row[2:-1])}
    never = [row for row in calls if DEAR not in row[2:-1]]
    reason = f"of {len(calls)} ways through pointers " + ", ".join(
        f"{sum(row[place] == DEAR for row in calls)} are dearer {limit}" for place, limit in enumerate(limits, start=2))
    reason += "; not dearer: " + ", ".join(f"{row[1]} ({row[0]}, {row[-1]})" for row in never) if never else ""
    if len(set(orders.values())) == 1:
        return Verdict(HOLDS if DEAR in orders.values() else FAILS, reason)
    return Verdict(DEPENDS, reason, on=listed(what_decides(orders, (
        "how it is compiled", "whether the call goes where the last one went", "the CPU", "what counts as dearer"))))


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


L4 = Claim(
    name="L4", who="Ben LaHaise", words="Function calls through pointers are really not a good idea on modern cpus",
    question="Is a call through a pointer dearer than a direct one, by a tenth or by half, on this CPU and on "
             "Molnar's?",
    molnar="A pool has one allocator beneath it, so its call always goes to the same place, and the CPU learns that: "
           "from his figures for a Celeron of 400 MHz we compute 2 % more.",
    lahaise="A CPU that does not know where a call goes stands still until it knows; and for two pointers in turn we "
            "compute 12 % more on that very Celeron.",
    experiment=experiment, judge=judge,
    overturned_by="Only pointers that always lead to the same function, in a kernel compiled without retpolines.",
    overturning={"compiled": (PLAIN,), "reached": ("pointer", "branch")},
    recorded={"rounds": 40},
    history="From Molnar's figures (calls a second, 15 December 2001) we compute 24.7 ns through one pointer and 24.3 "
            "directly; with two in turn 36.5 and 32.5. In 2018 retpolines came: in kernels built with them no call "
            "through a pointer is predicted. Since 5.10 (2020) there are static calls; mempool's is a pointer still.")
