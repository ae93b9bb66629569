"""The child: runs a learner's code on cases and hands back what it saw.  It knows no right answer.

Started by isolate.py as a script, in an empty folder, with a job on stdin: the answer's source, the
functions that drive it, the cases.  It hands back one frame on the descriptor that was its stdout;
whatever the answer prints goes into a file of limited size and is not read.

What the answer is kept from is in fence.py, and how its steps are counted in steps.py.
"""

import ast
import importlib
import json
import linecache
import os
import random  # noqa: F401  (so that it is under the seal, whatever the check uses)
import sys
import types

ANSWER = "your answer"      # the file name of the learner's code, in frames and in messages
LONGEST = 10_000            # a longer text in an observation is cut
MOST = 20_000              # an observation of more pieces is not handed back


def main():
    """Do the job on stdin and hand one frame back; the process ends here, by hand_back, and never returns."""
    job = json.loads(sys.stdin.buffer.read())
    write = _channel()
    sys.path.insert(0, job["home"])
    from kit.grading import steps
    from kit.grading.fence import broken_seal, fence, limit, no_threads, sealed
    limit(job["limits"])
    denied = []
    no_threads(denied)
    drives = [_load_drive(part) for part in job["parts"]]
    before = sealed()
    fence(denied, os.path.join(job["home"], "kit") + os.sep, os.path.dirname(os.__file__) + os.sep)
    seen = {"load": None, "spent": None, "parts": [[] for part in job["parts"]]}

    def hand_back(write=write, leave=os._exit, dumps=json.dumps):
        refused, tampered = denied[0] if denied else "", broken_seal(before)    # not in the JSON: json may be exchanged
        write("\n".join([job["nonce"], refused, tampered, dumps(seen), job["nonce"]]).encode())
        leave(0)        # threads, atexit functions and finalisers of the answer do not run

    def spent(line):
        seen["spent"] = {"line": line, "source": _line_of(job["source"], line)}
        hand_back()

    steps.spent = spent
    steps.refill(job["steps"])
    answer = _attempt(lambda: _load_answer(job["source"], job["name"], steps), job["source"])
    if answer[0] == "stopped":
        seen["load"] = answer
        hand_back()
    for part, drive, results in zip(job["parts"], drives, seen["parts"], strict=True):
        for case in part["cases"]:
            steps.refill(part["steps"])
            result = _attempt(lambda: drive(answer[1], case), job["source"])    # noqa: B023
            results.append([result[0], plain(result[1])] if result[0] == "value" else result)
            if result[1] in ("MemoryError", "RecursionError") and result[0] == "stopped":
                break       # each of these takes long, and the next will hardly fare better
    hand_back()


# == What is kept from the answer ==================================================================


def _channel():
    """The way back: a copy of stdout that the answer does not print to."""
    channel = os.dup(1)
    printed = os.open("printed", os.O_CREAT | os.O_WRONLY)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, number in ((nothing, 0), (printed, 1), (printed, 2)):
        os.dup2(descriptor, number)

    def write(data, write=os.write):
        while data:
            data = data[write(channel, data):]
    return write


# == Running it ====================================================================================


def _load_drive(part):
    """The function that drives the answer, from its source; what it imports is imported now, unspoilt."""
    tree = ast.parse(part["drive"])
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                getattr(importlib.import_module(node.module), alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                importlib.import_module(alias.name)
    names = {}
    exec(compile(tree, "the check", "exec"), names)
    return names[part["name"]]


def _load_answer(source, name, steps):
    module = types.ModuleType("answer")
    module.__tick__ = steps.tick
    sys.modules["answer"] = module
    linecache.cache[ANSWER] = (len(source), None, source.splitlines(True), ANSWER)
    exec(compile(steps.Ticks().visit(ast.parse(source, ANSWER)), ANSWER, "exec"), vars(module))
    if name not in vars(module):
        raise NameError(f"the cell defines no `{name}`")
    return vars(module)[name]


def _attempt(do, source):
    """["value", what it gave], or ["stopped", the kind of error, its words, line, source, a KitError?]."""
    try:
        return ["value", do()]
    except BaseException as error:
        return _stopped(error, source)


def _stopped(error, source):
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == ANSWER:
            line = trace.tb_lineno
        trace = trace.tb_next
    try:
        words = str(error.msg if isinstance(error, SyntaxError) else error)[:LONGEST]
    except BaseException:       # an exception of the answer's own making
        words = ""
    kit = any(kind.__name__ == "KitError" for kind in type(error).__mro__)
    return ["stopped", type(error).__name__, words, line, _line_of(source, line), kit]


def _line_of(source, line):
    lines = source.splitlines()
    return lines[line - 1].strip()[:200] if line and line <= len(lines) else ""


def plain(value):
    """`value` in exact lists, dicts, numbers, texts; anything else becomes {"?": "a ..."}.

    Not isinstance: an int of the answer's own class may have its own idea of equality.
    """
    left = MOST

    def walk(value):
        nonlocal left
        left -= 1
        kind = type(value)
        if left < 0:
            raise OverflowError
        if kind in (int, float, bool, type(None)):
            return value if kind is not int or value.bit_length() < 4_000 else {"?": "an int of over 1,000 digits"}
        if kind is str:
            return value[:LONGEST]
        if kind in (list, tuple):
            return [walk(each) for each in value]
        if kind is dict and all(type(key) is str for key in value):
            return {key: walk(each) for key, each in value.items()}
        return {"?": f"an object of class {kind.__name__}"}

    try:
        return walk(value)
    except OverflowError:
        return {"?": f"more than {MOST:,} pieces"}
    except RecursionError:
        return {"?": "a value that is nested too deep"}


if __name__ == "__main__":
    main()
