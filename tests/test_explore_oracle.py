"""The explorer against SPIN, on the pool of pool.pml.

The same pool twice: in Promela, and in Python with the kit's own traps at the same control points.
States, deadlock states, the shortest deadlock and the fewest forced switches have to be the same.
"""

import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kit import traps
from kit.locks import Spinlock, WaitQueue
from kit.machine.explore import explore
from kit.machine.explorer.moves import Moves
from kit.machine.explorer.segments import Segments
from kit.traps import sleep, step

MODEL = Path(__file__).with_name("pool.pml")


class Crowd(WaitQueue):
    """Sleepers without an order, as the bits q[] of the model: whoever wakes them wakes them all."""

    def __init__(self, name):
        super().__init__(name)
        self.tasks = set()

    def __enter__(self):
        traps.current.queue = self
        self.tasks.add(traps.current)


class Pool:
    explored = ("count",)

    def __init__(self, count):
        self.count, self.lock, self.wait = count, Spinlock("lck"), Crowd("q")


async def take_one(pool):
    async with pool.lock:                   # P0
        await step("P1")
        if pool.count > 0:
            pool.count -= 1
            return True


async def user(pool, each, rounds):
    for _ in range(rounds):
        got = 0
        while got < each:
            if await take_one(pool):
                got += 1
                continue
            await step("P2")
            with pool.wait.queued():
                await step("P3")
                if not pool.count:
                    await sleep(pool.wait)  # PW
        while got:
            async with pool.lock:           # P4
                await step("P5")
                pool.count += 1
                got -= 1
            await step("P6")
            pool.wait.wake_all()


def pool(elements, tasks, each, rounds):
    def story(machine):
        shared = Pool(elements)
        for number in range(tasks):
            machine.spawn("ABCDEFGH"[number], user, shared, each, rounds)
    return story


# elements, tasks, each, rounds: states, deadlock states, steps of the shortest, fewest forced switches
PUBLISHED = {
    (2, 2, 2, 1): (193, 1, 12, 1),
    (2, 3, 2, 1): (3_177, 6, 16, 1),
    (4, 3, 2, 1): (2_478, 0, None, None),
    (4, 4, 2, 1): (62_451, 1, 24, 3),
    (5, 4, 2, 2): (826_081, 0, None, None),
}


@pytest.mark.parametrize("sizes", [pytest.param(sizes, marks=[pytest.mark.slow] * (numbers[0] > 10_000))
                                   for sizes, numbers in PUBLISHED.items()], ids=str)
def test_the_numbers_of_spin_and_tlc(sizes):
    states, deadlocks, shortest, switches = PUBLISHED[sizes]
    result = explore(pool(*sizes), whole=True, symmetric=False, started=True)
    assert (result.states, result.found.get("deadlock", 0), result.switches) == (states, deadlocks, switches)
    assert result.exhaustive
    if shortest is not None:
        assert steps_to_a_deadlock(pool(*sizes)) == shortest


def steps_to_a_deadlock(story):
    """The steps of the shortest way to a deadlock, whatever switches it takes, after all have started."""
    segments = Segments(story)
    moves = Moves(segments, started=True)
    level, seen, steps = [moves.initial], {moves.initial}, 0
    while level:
        if any(not moves.following(state) and moves.harm(state, []) for state in level):
            segments.close()
            return steps
        level = list(dict.fromkeys(after for state in level for after in moves.following(state) if after not in seen))
        seen.update(level)
        steps += 1
    return None


def test_like_tasks_counted_once():
    """39,293 of the 826,081 are left; the prototype counted the same."""
    result = explore(pool(5, 4, 2, 2), started=True)
    assert (result.verdict, result.states, result.exhaustive) == ("none", 39_293, True)


class Line(Crowd):
    """The same with an order: first come, first in the list, all woken."""

    def __init__(self, name):
        super().__init__(name)
        self.tasks = []

    def __enter__(self):
        traps.current.queue = self
        self.tasks.append(traps.current)


def test_the_order_of_a_wait_queue_is_state(monkeypatch):
    """The published count of the same pool with a queue in order."""
    monkeypatch.setitem(globals(), "Crowd", Line)
    result = explore(pool(2, 3, 2, 1), whole=True, symmetric=False, started=True)
    assert (result.states, result.found["deadlock"]) == (3_579, 24)


def some_sizes(seed):
    """Sizes that SPIN decides within a second or two."""
    chance = random.Random(seed)
    tasks = chance.randint(1, 4)
    each = chance.randint(1, 3 if tasks < 4 else 2)
    return chance.randint(each, 5), tasks, each, chance.randint(1, 2 if tasks < 4 else 1)


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("spin") and shutil.which("gcc")), reason="SPIN or gcc is not installed")
@pytest.mark.parametrize("seed", range(6))
def test_spin_counts_the_same(seed, tmp_path):
    sizes = some_sizes(seed)
    stored, errors = spin(sizes, tmp_path)
    result = explore(pool(*sizes), whole=True, symmetric=False, started=True)
    assert (result.states, result.found.get("deadlock", 0)) == (stored, errors), sizes


def spin(sizes, folder):
    """How many states SPIN stores, and in how many it finds an invalid end."""
    defines = [f"-D{name}={size}" for name, size in zip("NKMR", sizes)]
    commands = (["spin", "-a", *defines, MODEL], ["gcc", "-O2", "-DNOREDUCE", "-DSAFETY", "-o", "pan", "pan.c"])
    for command in commands:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    told = subprocess.run(["./pan", "-c0", "-m1000000"], cwd=folder, capture_output=True, text=True, timeout=60).stdout
    return (int(float(re.search(r"(\S+) states, stored", told)[1])), int(re.search(r"errors: (\d+)", told)[1]))
