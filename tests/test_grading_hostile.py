"""Hostile submissions: each is worth 0 with a sentence, nothing hangs, and the other exercises are still graded."""

import json
import os
import re
import sys
import time

import pytest
from answers import changed

from kit.grading import isolate, notebooks
from kit.grading.classroom import grade_notebook
from kit.grading.exercise import exercises
from kit.grading.grade import grade

SIBLINGS = exercises()["01-siblings"]
RIGHT = changed("01-siblings")
SOLUTIONS = str(next(notebooks.SOLUTIONS.glob("01*.ipynb")))
DEF = "def siblings(page, order):\n    "

# What is handed in, and a part of the sentence that it gets.
HOSTILE = {
    "an endless loop": (DEF + "while True:\n        pass", "ran 10,000 steps on a heap of 64 pages"),
    "an endless loop that catches everything": (
        DEF + "while True:\n        try:\n            page += 1\n        except BaseException:\n            pass",
        "ran 10,000 steps"),
    "an endless loop at the top": ("siblings = 1\nwhile True:\n    siblings += 1", "ran 10,000 steps"),
    "endless recursion": (DEF + "return siblings(page, order)", "called itself 1,000 deep"),
    "endless recursion without limit": (
        f"import sys\nsys.setrecursionlimit(10**9)\n{DEF}return siblings(page, order)", "ran 10,000 steps"),
    "ten gigabytes": (DEF + "return bytearray(10**10)", "more than 512 MB of memory"),
    "a list without end": (DEF + "return list(iter(int, 1))", "more than 512 MB of memory"),
    "a gigabyte of output": (RIGHT + "\nfor line in range(1000):\n    print('x' * 10**6)", "may be 4 MB long"),
    "sys.exit": (RIGHT + "\nimport sys\nsys.exit(0)", "SystemExit"),
    "os._exit": (RIGHT + "\nimport os\nos._exit(0)", "ended the whole process (exit status 0)"),
    "os._exit in the answer": (f"import os\n{DEF}os._exit(3)", "exit status 3"),
    "SIGKILL to itself": (RIGHT + "\nimport os\nos.kill(os.getpid(), 9)", "tried to send a signal"),
    "abort": (RIGHT + "\nimport os\nos.abort()", "brought the interpreter down"),
    "a thread": (RIGHT + "\nimport threading, time\nthreading.Thread(target=time.sleep, args=[99]).start()",
                 "tried to start a thread"),
    "a bare thread": (RIGHT + "\nimport _thread\n_thread.start_new_thread(print, ())", "tried to start a thread"),
    "a fork": (RIGHT + "\nimport os\nfor _ in range(50):\n    if os.fork() == 0:\n        break", "start a process"),
    "a shell": (RIGHT + "\nimport os\nos.system('sleep 99')", "tried to start a process"),
    "a subprocess": (RIGHT + "\nimport subprocess\nsubprocess.run(['sleep', '99'])", "import _posixsubprocess"),
    "a socket": (RIGHT + "\nimport socket\nsocket.socket()", "tried to import _socket"),
    "always equal": (f"class Yes(int):\n    def __eq__(self, other): return True\n{DEF}return Yes()",
                     "an object of class Yes"),
    "always equal, as a list": (f"class Yes(list):\n    def __eq__(self, other): return True\n{DEF}return Yes()",
                                "an object of class Yes"),
    "a forged result, printed": (DEF + "print('{}')\n    return []", "by the rule"),
    "a forged result on every descriptor": (
        "import os\nfor number in range(20):\n    try:\n        os.write(number, b'{}')\n    except OSError:\n"
        "        pass\n" + RIGHT, "Something other than observations came back"),
    "random exchanged": ("import random\nrandom.random = lambda: 4\n" + RIGHT, "exchanged random.random"),
    "json exchanged": ("import json\njson.dumps = lambda *_: '[]'\n" + RIGHT, "exchanged json.dumps"),
    "a built-in exchanged": ("import builtins\nbuiltins.len = lambda _: 3\n" + RIGHT, "exchanged builtins.len"),
    "a method exchanged": ("import json\njson.JSONEncoder.encode = lambda *_: '{}'\n" + RIGHT, "JSONEncoder.encode"),
    "code exchanged": ("import json\njson.JSONEncoder.encode.__code__ = (lambda *_: '{}').__code__\n" + RIGHT,
                       "JSONEncoder.encode.__code__"),
    "the checker imported": ("from kit.grading.sets.set01_pages import _siblings as siblings",
                             "tried to import kit.grading.sets.set01_pages"),
    "the checker patched": ("import kit.grading.grade as grade\ngrade.grade = None\n" + RIGHT,
                            "tried to import kit.grading.grade"),
    "the solutions read": (f"open({SOLUTIONS!r}).read()\n{RIGHT}", "tried to read a file"),
    "the solutions read, and the refusal caught": (
        f"try:\n    open({SOLUTIONS!r}).read()\nexcept Exception:\n    pass\n{RIGHT}", "tried to read a file"),
    "the checker read": (f"open({isolate.__file__!r}).read()\n{RIGHT}", "tried to read a file"),
    "the environment of the parent read": ("import os\nopen(f'/proc/{os.getppid()}/environ').read()", "read a file"),
    "a file of the parent written": (f"open({SOLUTIONS!r}, 'a').write('x')\n{RIGHT}", "tried to write a file"),
    "a file of the parent deleted": (f"import os\nos.remove({SOLUTIONS!r})\n{RIGHT}", "tried to change files"),
    "a link": ("import os\nos.symlink('/etc', 'etc')\n" + RIGHT, "tried to change files"),
    "limits lifted": ("import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))\n" + RIGHT, "lift its limits"),
    "ctypes": ("import ctypes\n" + RIGHT, "tried to import _ctypes"),
    "an error that will not be said": (
        f"class Sly(Exception):\n    def __str__(self): raise self\n{DEF}raise Sly", "Sly"),
    "more than can be looked at": (DEF + "return [[0] * 1000] * 1000", "more than 20,000 pieces"),
    "nested without end": (DEF + "a = []\n    a.append(a)\n    return a", "nested too deep"),
    "no Python": ("\x00\x00", "null bytes"),
    "a very long cell": ("x = 1\n" * 100_000, "longer than 100,000 characters"),
    "brackets": ("(" * 5000, "does not run"),
}
FIRST = ("an endless loop", "ten gigabytes", "os._exit", "always equal", "json exchanged", "the solutions read")
SLOW = {
    # On a busy machine the time on the wall comes first.
    "an endless loop in C": (DEF + "return sum(iter(int, 1))", r"1 seconds? of CPU time|still running after 3 seconds"),
    "asleep": ("import time\ntime.sleep(99)", r"still running after 3 seconds"),
}


def as_notebook(source):
    """A hostile answer to one exercise, and a right one to another."""
    cells = [{"cell_type": "code", "metadata": {}, "source": text} for text in (source, changed("01-take"))]
    cells[0]["metadata"] = {"nbgrader": {"grade_id": "01-siblings", "solution": True}}
    return json.dumps({"cells": cells}).encode()


@pytest.mark.parametrize("name", [name if name in FIRST else pytest.param(name, marks=pytest.mark.slow)
                                  for name in HOSTILE])
def test_it_gains_nothing(name):
    source, sentence = HOSTILE[name]
    report = grade(SIBLINGS, source)
    assert report.points == 0 and report.outcome == "not yet"
    assert sentence in report.text(), report.text()
    assert "Traceback" not in report.text()


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_it_comes_to_an_end(name, monkeypatch):
    source, sentence = SLOW[name]
    monkeypatch.setattr(isolate, "SECONDS", 1)
    monkeypatch.setattr(isolate, "WALL_SECONDS", 3)
    report = grade(SIBLINGS, source)
    assert report.points == 0 and re.search(sentence, report.text()), report.text()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["os._exit", "an endless loop", "ten gigabytes", "a fork", "no Python"])
def test_the_other_exercises_are_still_graded(name):
    reports = {each["exercise"]: each for each in grade_notebook(as_notebook(HOSTILE[name][0]), "01_x.ipynb", "01")}
    assert (reports["01-siblings"]["points"], reports["01-take"]["outcome"]) == (0, "passed")


def test_an_answer_that_only_looks_odd_is_graded():
    """What many do and nobody should be punished for: imports of the library and the kit, prints, a class."""
    source = "import math, itertools, collections, dataclasses, re\nfrom kit import GFP_KERNEL\nprint('hello')\n"
    assert grade(SIBLINGS, source + RIGHT).outcome == "passed"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forker_that_gets_past_the_fence_ends_with_its_group(tmp_path, monkeypatch):
    """With the fence down, 20 children that would sleep for a minute are gone when the grader is back."""
    monkeypatch.setattr(isolate, "CHILD", tmp_path / "child.py")
    (tmp_path / "child.py").write_text(
        "import os, sys, time\n"
        "for _ in range(20):\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(60)\n"
        "        os._exit(0)\n"
        "os.write(1, str(os.getpid()).encode())\n")
    output, status, timed_out = isolate._run(b"")
    assert (status, timed_out) == (0, False)
    for _ in range(200):
        if not processes_of_group(int(output)):
            break
        time.sleep(0.05)        # killed is not yet gone: whoever inherits them reaps them
    assert processes_of_group(int(output)) == []


def processes_of_group(group):
    """The living processes of a group, by /proc; zombies do not count."""
    living = []
    for entry in os.listdir("/proc") if sys.platform == "linux" else []:
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    state, _, of = stat.read().rpartition(")")[2].split()[:3]
            except OSError:
                continue
            if int(of) == group and state != "Z":
                living.append(int(entry))
    return living


def test_the_child_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(isolate.tempfile, "tempdir", str(tmp_path))
    grade(SIBLINGS, RIGHT)
    assert list(tmp_path.iterdir()) == []
