"""Run a learner's code in a child of its own, and take back no more than what it saw.

    observe(source, name, parts) -> Seen

The child (child.py) gets a folder of its own that is deleted afterwards, no environment, limits of CPU, memory
and file size from the operating system, and a limit of time from here.  When it has ended, so has
everything that it started: the whole process group is killed.  What it hands back is data between
two nonces, one frame and nothing else; an empty or a foreign frame is no result.

Source of the order of things (observe in the child, judge in the parent): two cheats that got full
marks from a grader which compared values inside the learner's own process.
"""

import inspect
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from dataclasses import dataclass
from pathlib import Path

import kit

HOME = Path(kit.__file__).resolve().parent.parent
CHILD = Path(__file__).with_name("child.py")
SECONDS, MEMORY, FILE = 3, 512 << 20, 4 << 20
WALL_SECONDS = 10
OPTIONS = ("-B", "-P", "-s", "-S", "-Wignore")  # a warning would look up its source, which the fence refuses


@dataclass(frozen=True)
class Stopped:
    """What is seen of a case that ended with an error.  It equals no right observation."""

    kind: str
    words: str
    line: int | None
    source: str
    kit_error: bool

    def __str__(self):
        where = f"line {self.line}, `{self.source}`: " if self.line else ""
        if self.kit_error:
            return where + self.words
        return where + _SENTENCES.get(self.kind, "{kind}: {words}").format(kind=self.kind, words=self.words)


_SENTENCES = {
    "MemoryError": "it asked for more than 512 MB of memory",
    "RecursionError": "it called itself 1,000 deep without coming to an end",
    "SystemExit": "it ended the program (SystemExit) instead of returning an answer",
    "NameError": "NameError: {words}. An answer is graded alone: what its cell uses, its cell defines or imports",
    "ModuleNotFoundError": "{words}. An answer may import the standard library and the kit",
    "Denied": "{words}",
    "OSError": "{words} (what an answer prints may be 4 MB long)",
}


@dataclass
class Seen:
    """What a child handed back.

    parts: for each part the observations of its cases, as far as it came; an observation is a plain
        value or a Stopped.  verdict: a sentence when the run as a whole is worth nothing, else "".
    spent: where the step budget ended, if it did: {"line", "source"}.
    """

    parts: list
    verdict: str = ""
    spent: dict | None = None


def observe(source, name, parts):
    """Run the answer `name` of `source` on the cases of every part: (drive, cases, steps); never raises."""
    nonce = secrets.token_hex(16)
    job = {"nonce": nonce, "source": source, "name": name, "home": str(HOME), "limits": _limits(),
           "steps": parts[0][2], "parts": [_part(*part) for part in parts]}
    output, status, timed_out = _run(json.dumps(job).encode())
    empty = [[] for part in parts]
    if timed_out:
        return Seen(empty, f"It was still running after {WALL_SECONDS} seconds, and was stopped.")
    frame = _framed(output, nonce)
    if frame is None:
        return Seen(empty, _death(status, output))
    denied, tampered, seen = frame
    if denied:
        return Seen(empty, f"It tried to {denied}; an answer has no need to, and may not.")
    if tampered:
        return Seen(empty, f"It exchanged {tampered}, on which its own check relies.")
    if seen["load"]:
        return Seen(empty, f"The cell does not run: {_observation(seen['load'])}.")
    return Seen([[_observation(each) for each in part] for part in seen["parts"]], spent=seen["spent"])


def _limits():
    return {"RLIMIT_CPU": SECONDS, "RLIMIT_AS": MEMORY, "RLIMIT_FSIZE": FILE, "RLIMIT_CORE": 0}


def _part(drive, cases, steps):
    return {"drive": textwrap.dedent(inspect.getsource(drive)), "name": drive.__name__, "cases": cases, "steps": steps}


def _observation(each):
    if each[0] == "value":
        return each[1]
    _, kind, words, line, source, kit_error = each
    return Stopped(kind, re.sub(r"0x[0-9a-fA-F]+", "0x...", words).rstrip("."), line, source, kit_error)


def _framed(output, nonce):
    """(what was denied, what was exchanged, what was seen), if the output is that one frame and nothing more."""
    try:
        first, denied, tampered, seen, last = output.decode().split("\n")
        if first == last == nonce and (denied or tampered):
            return denied, tampered, None
        seen = json.loads(seen)
        return ("", "", seen) if first == last == nonce and seen.keys() == {"load", "parts", "spent"} else None
    except (ValueError, AttributeError, RecursionError):
        return None


def _death(status, output):
    if output:
        return "Something other than observations came back from it, so there is no result."
    if status < 0 and -status == getattr(signal, "SIGXCPU", None):
        return f"It ran for {SECONDS} seconds of CPU time without coming to an end, and was stopped."
    if status < 0:
        return f"It brought the interpreter down (signal {-status}) before it handed anything back."
    return f"It ended the whole process (exit status {status}) before it handed anything back."


# == The process ===================================================================================


def _run(job):
    """(what it wrote, its exit status, whether time ran out)."""
    with tempfile.TemporaryDirectory(prefix="kit-answer-") as folder, \
            tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout:
        stdin.write(job)
        stdin.seek(0)
        child = subprocess.Popen([sys.executable, *OPTIONS, str(CHILD)], stdin=stdin, stdout=stdout,
                                 stderr=subprocess.DEVNULL, cwd=folder, env=_environment(), start_new_session=True)
        timed_out = threading.Event()
        timer = threading.Timer(WALL_SECONDS, lambda: (timed_out.set(), _kill_group(child)))
        timer.start()
        try:
            _wait(child)
        finally:
            timer.cancel()
            _kill_group(child)      # whatever the answer started goes with it
            status = child.wait()
        stdout.seek(0)
        return stdout.read(FILE + 1), status, timed_out.is_set()


def _environment():
    """Nothing of ours but what Windows cannot start without; the order of sets the same each time."""
    kept = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    return {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1", **kept}


def _wait(child):
    """Until the child itself has ended; where possible without reaping it, so that its group keeps its number."""
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    else:
        child.wait()


def _kill_group(child):
    try:
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
    except (ProcessLookupError, PermissionError):
        pass        # it has ended, and nobody else was in its group
