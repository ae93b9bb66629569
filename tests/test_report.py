"""The deadlock report: everybody who is stuck is in it, with what for, since when and holding what; and why."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from kit.locks import Mutex, Spinlock, WaitQueue
from kit.machine.core import Deadlock, Machine
from kit.traps import hold, let_go, might_sleep, never_sleeps, sleep, step


class Pool:
    """As small as a pool can be: a list, and a queue before it."""

    def __init__(self, elements):
        self.name, self.elements = "pool", list(range(elements))
        self.wait = WaitQueue("pool.wait", "An element must come back.", of=self)

    @might_sleep
    async def alloc(self):
        await step("take")
        while not self.elements:
            with self.wait.queued():
                await sleep(self.wait)
        hold(self.elements[-1], of=self)
        return self.elements.pop()

    @never_sleeps
    async def free(self, element):
        await step("give back")
        let_go(element, of=self)
        self.elements.append(element)
        self.wait.wake_one()


async def take_and_give(pool, each, keep=0):
    taken = [await pool.alloc() for _ in range(each)]
    for element in taken[keep:]:
        await pool.free(element)


def report(machine, **how):
    try:
        machine.run(**how)
    except Deadlock as deadlock:
        return str(deadlock)
    return None


def test_two_tasks_that_take_two_from_a_pool_of_two():
    machine, pool = Machine(), Pool(2)
    for name in ("bio", "raid"):
        machine.spawn(name, take_and_give, pool, 2)
    assert report(machine) == """\
deadlock at 300 ns, after 6 turns: nobody can go on
  bio sleeps on pool.wait (An element must come back) since 300 ns, holding 1 of pool
  raid sleeps on pool.wait (An element must come back) since 300 ns, holding 0 of pool
usual cause: hold and wait: each holds a part of pool and waits for more of pool, which only the
             others could give back
replay: machine.run(schedule="ABABAB") on the same story"""


def test_a_circle_of_two_mutexes():
    machine, first, second = Machine(), Mutex("first"), Mutex("second")

    async def takes(one, other):
        async with one:
            async with other:
                await step("both")

    machine.spawn("A", takes, first, second)
    machine.spawn("B", takes, second, first)
    text = report(machine)
    assert "A sleeps on second.wait (Only the holder of second can wake it) since 300 ns, holding first" in text
    assert "a circle: A waits for second, held by B; they were taken in different orders" in text


def test_somebody_who_has_ended_without_giving_back():
    machine, pool = Machine(), Pool(2)
    machine.spawn("forgetful", take_and_give, pool, 2, 2)
    machine.spawn("patient", take_and_give, pool, 1)
    text = report(machine, schedule="AAA")
    assert "forgetful" not in text.partition("\n")[2].partition("usual cause")[0]
    assert "what was taken was given back somewhere else, or not at all" in " ".join(text.split())


def test_a_holder_who_sleeps_on_something_else():
    machine, mutex, queue = Machine(), Mutex("mutex"), WaitQueue("io", "The disk must answer.")

    async def holds():
        async with mutex:
            with queue.queued():
                await sleep(queue)

    async def wants():
        async with mutex:
            pass

    machine.spawn("A", holds)
    machine.spawn("B", wants)
    text = report(machine)
    assert "A sleeps on io (The disk must answer) since 200 ns, holding mutex" in text
    assert "B waits for mutex, held by A, who must be able to go on without it" in text


def test_spinning_on_a_lock_whose_holder_cannot_go_on():
    machine, outer, inner = Machine(), Spinlock("outer"), Spinlock("inner")

    async def takes(one, other):
        async with one:
            await step("between")
            async with other:
                pass

    machine.spawn("A", takes, outer, inner)
    machine.spawn("B", takes, inner, outer)
    machine.spawn("C", takes, outer, inner)
    text = report(machine)
    assert "C spins on outer, holding nothing" in text and "A spins on inner, holding spinlock outer" in text
    assert "a circle: A waits for inner, held by B" in text
    assert "C spins on outer, whose holder A cannot go on itself" in text


def test_a_task_whose_cpu_is_taken_is_named_too():
    machine, lock = Machine(), Spinlock("lock")

    async def twice():
        async with lock:
            async with lock:
                pass

    async def innocent():
        pass

    machine.spawn("A", twice, cpu=0)
    machine.spawn("B", innocent, cpu=0)
    assert "B could run, but its CPU is taken by somebody who cannot go on" in report(machine)


@given(st.integers(1, 4), st.lists(st.integers(1, 3), min_size=1, max_size=5), st.integers(0, 999))
@settings(max_examples=80, deadline=None)
def test_everybody_who_is_stuck_is_named_and_a_replay_says_the_same(elements, tasks, seed):
    def story():
        machine, pool = Machine(), Pool(elements)
        for number, each in enumerate(tasks):
            machine.spawn(f"task-{number}", take_and_give, pool, each, seed % 2)
        return machine

    machine = story()
    text = report(machine, pick=random.Random(seed).choice)
    stuck = [task for task in machine.tasks if not task.finished]
    if text is None:
        assert not stuck
        return
    for task in stuck:
        assert f"\n  {task.name} sleeps on pool.wait" in text
    assert text.count("\n  task-") == len(stuck)
    assert max(map(len, text.partition("\nreplay")[0].splitlines())) <= 110
    assert report(story(), schedule="".join(machine.schedule)) == text
