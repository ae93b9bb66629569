"""Spinlocks, mutexes and wait queues: who is kept out, who waits, who is woken."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import traps
from kit.errors import Refused
from kit.locks import Mutex, Spinlock, WaitQueue
from kit.machine.core import Deadlock, Machine
from kit.traps import might_sleep, sleep, step


async def under(lock, inside, most):
    """Take `lock` twice in turn; note how many were inside at once."""
    for _ in range(2):
        async with lock:
            inside.append(traps.current)
            most.append(len(inside))
            await step("inside")
            inside.remove(traps.current)


@given(st.integers(1, 5), st.integers(0, 999), st.sampled_from([Spinlock, Mutex]))
@settings(max_examples=40, deadline=None)
def test_nobody_meets_anybody_inside(tasks, seed, kind):
    machine, lock, inside, most = Machine(), kind("lock"), [], []
    for number in range(tasks):
        machine.spawn(f"task{number}", under, lock, inside, most)
    machine.run(pick=random.Random(seed).choice)
    assert set(most) == {1} and len(most) == 2 * tasks
    assert lock.owner is None and not any(task.holds or task.spinlocks for task in machine.tasks)


def test_a_lock_held_for_an_instant_makes_other_cpus_wait_and_counts_it():
    machine, lock = Machine(step_ns=0, lock_ns=20), Spinlock("lock")

    def instant():
        with lock:
            pass

    async def takes():
        instant()

    for name in "ABC":
        machine.spawn(name, takes)
    machine.run()
    assert (lock.acquisitions, lock.contended, lock.waited_ns) == (3, 2, 20 + 40)
    assert sorted(cpu.clock for cpu in machine.cpus) == [20, 40, 60]


def test_a_lock_is_either_of_instants_or_held_across_steps():
    machine, lock = Machine(), Spinlock("lock")

    async def holds():
        async with lock:
            await step("hold")

    def instant():
        with lock:
            pass

    async def meets():
        await step("first")
        instant()

    machine.spawn("A", holds)
    machine.spawn("B", meets)
    with pytest.raises(Refused, match="B takes lock in an instant, but A holds it across a step. Use"):
        machine.run(schedule="AABB")


def test_taking_a_spinlock_twice_is_a_deadlock_with_its_name():
    machine, lock = Machine(), Spinlock("lock")

    async def twice():
        async with lock:
            async with lock:
                pass

    machine.spawn("A", twice)
    with pytest.raises(Deadlock, match="usual cause: A takes lock a second time, and waits for itself"):
        machine.run()


def test_a_mutex_serves_in_the_order_of_coming():
    machine, mutex, order = Machine(), Mutex("mutex"), []

    async def takes(name):
        async with mutex:
            order.append(name)
            await step("hold")

    for name in "ABCD":
        machine.spawn(name, takes, name)
    machine.run(schedule="DDCCBBAA")
    assert order == list("DCBA")


def test_a_mutex_is_not_taken_twice_nor_released_by_a_stranger():
    mutex = Mutex("mutex")

    @might_sleep
    async def twice():
        async with mutex:
            async with mutex:
                pass

    with pytest.raises(Refused, match="prompt holds mutex already, and would wait for itself"):
        twice()
    assert mutex.owner is None
    with pytest.raises(Refused, match="prompt releases mutex, which nobody holds"):
        mutex.release()


@given(st.integers(0, 5), st.booleans())
@settings(max_examples=20, deadline=None)
def test_one_or_all_are_woken_the_longest_waiting_first(sleepers, everybody):
    machine, queue, woken = Machine(), WaitQueue("queue"), []

    async def waits(name):
        with queue.queued():
            await sleep(queue, timeout=10_000)
        woken.append(name)

    async def wakes():
        await step("let them sleep")
        queue.wake_all() if everybody else queue.wake_one()

    for number in range(sleepers):
        machine.spawn("sleeper", waits, number)
    machine.spawn("waker", wakes)
    machine.run(until=5_000)
    assert woken == list(range(sleepers))[:None if everybody else 1]


def test_without_the_second_look_a_wake_up_is_lost():
    """Somebody frees between the first look and joining the queue, and finds nobody to wake."""
    def hangs(second_look):
        machine, queue, stock = Machine(), WaitQueue("queue"), []

        async def takes():
            if stock:
                return
            await step("nothing there: sleep")
            with queue.queued():
                if not (second_look and stock):
                    await sleep(queue)

        async def gives():
            stock.append(1)
            queue.wake_one()

        machine.spawn("taker", takes)
        machine.spawn("giver", gives)
        try:
            machine.run(schedule="AB")
        except Deadlock as deadlock:
            return "a wake-up was lost" in str(deadlock)
        return False

    assert hangs(second_look=False) and not hangs(second_look=True)
