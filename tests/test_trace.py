"""The trail: text, JSON, Chrome trace; and the same bytes for the same seed, everywhere."""

import json
import os
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import digest_story
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import trace
from kit.trace import Event, Trail, watch
from kit.traps import note

DIGEST = "574591afe813d8d9bf025a87521da361a0f95d9f904441dffb079a947602e7e9"

DETAILS = st.dictionaries(st.text(min_size=1), st.none() | st.booleans() | st.integers() | st.text()
                          | st.lists(st.integers()), max_size=3)
EVENTS = st.builds(Event, st.integers(0, 10**12), st.none() | st.integers(0, 63), st.text(), st.text(), st.text(),
                   DETAILS)


@given(st.lists(EVENTS))
def test_json_there_and_back(events):
    trail = Trail(events)
    again = Trail.from_json(trail.to_json())
    assert again.events == events and again.to_json() == trail.to_json() and str(again) == str(trail)


def test_a_line_an_event():
    trail = Trail([Event(0, None, "prompt", "step", "take", {}),
                   Event(1200, 3, "kswapd", "wake", "wait", {"wakes": "A"})])
    assert str(trail) == ("        0 prompt prompt  step take\n"
                          "     1200 cpu3   kswapd  wake wait wakes=A")
    assert [str(event) for event in trail.only("wake")] == ["wake wait wakes=A"]
    assert trail.tasks() == ["prompt", "kswapd"]


def test_nobody_is_told_when_nobody_watches():
    with watch() as outer:
        with watch() as inner:
            note("inside", "both")
        note("inside", "one")
    assert (len(outer), len(inner)) == (2, 1) and trace.watchers == []


def test_two_watches_at_once_end_in_any_order():
    first, second = watch(), watch()
    one, other = first.__enter__(), second.__enter__()
    first.__exit__(None, None, None)
    note("inside", "the second only")
    second.__exit__(None, None, None)
    assert (len(one), len(other)) == (0, 1) and trace.watchers == []


def test_a_trail_keeps_no_address():
    class Bio:
        name = "bio 3"

    class Nameless:
        pass

    with watch() as trail:
        note("submit", "disk", request=Bio(), with_=Nameless(), pages=(1, 2), of=[Bio()])
    assert trail.events[0].detail == {"request": "bio 3", "with_": "a Nameless", "pages": [1, 2], "of": ["bio 3"]}


# == The Chrome trace ==============================================================================


@pytest.fixture(scope="module")
def chrome():
    """The events of a Chrome trace and the trail that they were made from."""
    trail = digest_story.trail(3)
    return json.loads(trail.to_chrome())["traceEvents"], trail


def test_every_event_has_what_its_phase_needs(chrome):
    """Trace Event Format: complete events (X) need ts and dur, instants (i) a scope, metadata (M) args.name."""
    events, _ = chrome
    assert {event["ph"] for event in events} == {"X", "i", "M"}
    for event in events:
        assert isinstance(event["name"], str) and isinstance(event["pid"], int) and isinstance(event["tid"], int)
        if event["ph"] == "X":
            assert event["ts"] >= 0 and event["dur"] >= 0
        elif event["ph"] == "i":
            assert event["ts"] >= 0 and event["s"] == "t"
        else:
            assert isinstance(event["args"]["name"], str)


def test_a_lane_a_task_in_which_nothing_overlaps(chrome):
    events, trail = chrome
    lanes = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert sorted(lanes.values()) == sorted(trail.tasks())
    for lane in lanes:
        slices = [event for event in events if event["ph"] == "X" and event["tid"] == lane]
        for one, following in pairwise(slices):
            assert one["ts"] + one["dur"] <= following["ts"] + 1e-6


def test_sleeping_is_shown_with_its_reason_and_its_length(chrome):
    events, trail = chrome
    asleep = [event for event in events if event["name"].startswith("sleeps on ")]
    assert {event["name"] for event in asleep} == {f"sleeps on {event.label}" for event in trail.only("sleep")}
    assert len(asleep) == len(trail.only("sleep")) and any(event["dur"] > 0 for event in asleep)


def test_times_are_microseconds(chrome):
    events, trail = chrome
    assert max(event["ts"] for event in events if "ts" in event) == max(event.time for event in trail) / 1000


# == The same seed, the same bytes =================================================================


def pythons():
    """The other interpreters within reach, by version."""
    homes = [Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"]
    for version in ("3.11", "3.12", "3.13"):
        found = [path for home in homes for path in sorted(home.glob(f"{version}.*/bin/python"))]
        yield version, str(found[-1]) if found else shutil.which(f"python{version}")


def test_this_python_gives_the_stored_bytes():
    assert digest_story.digest() == DIGEST


@pytest.mark.parametrize("version, python", list(pythons()))
def test_every_python_gives_the_stored_bytes(version, python):
    if python is None:
        pytest.skip(f"there is no Python {version} within reach")
    done = subprocess.run([python, digest_story.__file__], capture_output=True, text=True,
                          env={**os.environ, "PYTHONHASHSEED": "random"})
    assert (done.stdout.strip(), done.stderr) == (DIGEST, "")


def test_another_seed_gives_another_trail():
    assert len({digest_story.trail(seed).to_json() for seed in range(12)}) == 12
