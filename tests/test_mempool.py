"""The pool: its promise, its ladder, its refusals.  What each subtle line is for: test_mempool_mutants.py."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import trace
from kit.errors import BadInput, Corruption, Refused, WouldSleepForever
from kit.gfp import GFP_ATOMIC, GFP_KERNEL, GFP_NOIO, IO, WAIT
from kit.locks import WaitQueue
from kit.machine.core import Deadlock, Machine
from kit.memory import mempool
from kit.memory.mempool import LINUX_2_5_1, MAIL, Mempool, OutOfMemory
from kit.memory.promises import Refusing, Sleeping, Wavering
from kit.traps import might_sleep, never_sleeps, step


def rungs_climbed(trail):
    return [event.label for event in trail.only("step") if event.label.isupper()]


# == The ladder ====================================================================================


def test_the_ladder_is_the_mails_and_in_its_order():
    assert [rung.name for rung in MAIL] == ["ASK", "SKIM", "INSIST", "DRAIN", "QUEUE"]
    assert [rung.name for rung in MAIL if rung.sleeps] == ["INSIST", "QUEUE"]


def test_the_normal_case_touches_no_lock_of_the_pool():
    pool = Mempool.create(2, Refusing(10))
    before = pool.lock.acquisitions
    for element in [pool.alloc() for _ in range(5)]:
        pool.free(element)
    assert pool.served["ASK"] == 5
    assert pool.lock.acquisitions == before


@pytest.mark.parametrize("min_nr, mail, linux", [(1, 1, 1), (2, 1, 2), (3, 2, 2), (4, 2, 3), (5, 3, 3), (64, 32, 33),
                                                 (256, 128, 129)])
def test_half_full_in_the_mail_and_in_2_5_1(min_nr, mail, linux):
    """How many elements must be there for a take before the sleeping call: the table of the mail and of the C."""
    assert _fewest_for_skim(MAIL, min_nr) == mail
    assert _fewest_for_skim(LINUX_2_5_1, min_nr) == linux


def _fewest_for_skim(ladder, min_nr):
    """The smallest number of elements from which the pool serves without INSIST having been asked."""
    pool = Mempool.create(min_nr, Counting(min_nr), ladder=ladder)
    while not pool.backing.asked_to_sleep:
        there = len(pool.elements)
        with suppress(WouldSleepForever):
            pool.alloc()
    return there + 1


class Counting(Refusing):
    """Refusing, and it counts how often it was asked by somebody who may sleep."""

    def __init__(self, count):
        super().__init__(count)
        self.asked_to_sleep = -count        # create asks for each of its own

    @might_sleep
    async def alloc(self, gfp):
        self.asked_to_sleep += 1
        return self._take()


def test_an_atomic_caller_climbs_only_the_rungs_that_never_sleep():
    pool = Mempool.create(3, Refusing(3))
    with trace.watch() as trail:
        got = [pool.alloc(GFP_ATOMIC) for _ in range(4)]
    assert got[3] is None and None not in got[:3]
    assert rungs_climbed(trail) == ["ASK", "SKIM"] * 2 + ["ASK", "SKIM", "DRAIN"] * 2


def test_the_first_question_may_neither_wait_nor_start_io():
    asked = []

    class Listening(Refusing):
        @never_sleeps
        async def try_alloc(self, gfp):
            asked.append(gfp)
            return self._take()

    pool = Mempool.create(1, Listening(1))
    pool.alloc(GFP_NOIO | IO)
    assert asked == [(GFP_NOIO | IO) & ~(WAIT | IO)]


def test_any_tuple_of_rungs_is_a_ladder():
    pool = Mempool.create(2, Refusing(5), ladder=(mempool.drain, mempool.ask))
    served = [pool.alloc(GFP_ATOMIC) for _ in range(6)]
    assert None not in served[:5] and served[5] is None
    assert pool.served == {"DRAIN": 2, "ASK": 3}


# == Creating, resizing ============================================================================


@given(st.integers(0, 12), st.integers(0, 12))
def test_create_fails_whole(min_nr, stock):
    backing = Refusing(stock)
    if stock < min_nr:
        with pytest.raises(OutOfMemory, match=f"gave {stock}"):
            Mempool.create(min_nr, backing)
        assert sorted(backing.stock) == sorted(Refusing(stock).stock)
    else:
        pool = Mempool.create(min_nr, backing)
        assert len(pool.elements) == min_nr and len(backing.stock) == stock - min_nr


@given(st.integers(0, 6), st.lists(st.integers(0, 9), max_size=6), st.integers(0, 12))
def test_resize_loses_nothing_and_says_what_is_missing(min_nr, sizes, extra):
    backing = Refusing(min_nr + extra)
    pool = Mempool.create(min_nr, backing, poison=True)
    for size in sizes:
        missing = pool.resize(size)
        pool.check()
        assert missing == size - len(pool.elements) >= 0
        assert missing == 0 or not backing.stock
        assert len(pool.elements) + len(backing.stock) == min_nr + extra


def test_a_grown_pool_that_found_nothing_is_filled_by_later_frees():
    pool = Mempool.create(1, Refusing(1))
    element = pool.alloc()
    assert pool.resize(2) == 2
    pool.free(element)
    assert pool.elements == [element]


@pytest.mark.parametrize("size", [-1, -256])
def test_a_negative_size_gets_a_sentence(size):
    with pytest.raises(BadInput, match="0 or more"):
        Mempool.create(size, Refusing())
    with pytest.raises(BadInput, match="0 or more"):
        Mempool.create(0, Refusing()).resize(size)


# == Nothing lost: a naive model as oracle =========================================================


@settings(max_examples=300)
@given(st.integers(0, 4), st.integers(0, 4), st.lists(st.tuples(st.sampled_from(["alloc", "free"]), st.integers(0, 9)),
                                                     max_size=40), st.sampled_from([MAIL, LINUX_2_5_1]))
def test_the_pool_agrees_with_a_naive_model(min_nr, extra, operations, ladder):
    """The model: two numbers.  An allocation takes from the stock, else from the pool; a free does the reverse."""
    pool = Mempool.create(min_nr, Refusing(min_nr + extra), ladder=ladder, poison=True)
    in_pool, in_stock, held = min_nr, extra, []
    for operation, pick in operations:
        if operation == "alloc":
            element = pool.alloc(GFP_ATOMIC)
            assert (element is None) == (in_pool + in_stock == 0)
            if element is not None:
                in_stock, in_pool = (in_stock - 1, in_pool) if in_stock else (in_stock, in_pool - 1)
                assert element not in held
                held.append(element)
        elif held:
            pool.free(held.pop(pick % len(held)))
            in_pool, in_stock = (in_pool + 1, in_stock) if in_pool < min_nr else (in_pool, in_stock + 1)
        pool.check()
        assert (len(pool.elements), len(pool.backing.stock)) == (in_pool, in_stock)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 4), st.booleans())
def test_one_element_each_never_hangs_and_loses_nothing(seed, min_nr, tasks, wavering):
    """The promise, at random: tasks that hold one element at a time all end, whatever the schedule does."""
    machine = Machine(seed=seed)
    pool = Mempool.create(min_nr, (Wavering if wavering else Refusing)(min_nr), wake=WaitQueue.wake_all, poison=False)
    for number in range(tasks):
        machine.spawn(f"T{number}", one_at_a_time, pool, 2)
    machine.run(pick=machine.random.choice)
    pool.check()
    assert len(pool.elements) == min_nr


async def one_at_a_time(pool, rounds):
    for _ in range(rounds):
        element = await pool.alloc()
        await step("use it")
        await pool.free(element)


# == Where the promise ends ========================================================================


def test_two_who_take_two_of_two_hang_and_the_report_says_why():
    machine, pool = Machine(), Mempool.create(2, Refusing(2))
    for name in "AB":
        machine.spawn(name, two_at_once, pool)
    with pytest.raises(Deadlock) as hang:
        machine.run()
    assert "A sleeps on pool.wait" in str(hang.value) and "B sleeps on pool.wait" in str(hang.value)
    assert "hold and wait" in str(hang.value)


async def two_at_once(pool):
    first = await pool.alloc()
    second = await pool.alloc()
    await pool.free(first)
    await pool.free(second)


@pytest.mark.parametrize("ladder, hangs", [(MAIL, False), (LINUX_2_5_1, True)])
def test_off_by_one_matters_over_an_allocator_that_sleeps(ladder, hangs):
    """One task takes two of a pool of two, over an allocator that sleeps until memory is freed."""
    machine, pool = Machine(), Mempool.create(2, Sleeping(2), ladder=ladder)
    machine.spawn("A", two_at_once, pool)
    if hangs:
        with pytest.raises(Deadlock, match="allocator.wait"):
            machine.run()
    else:
        machine.run()


def test_at_the_prompt_a_call_that_would_wait_for_ever_says_so():
    pool = Mempool.create(1, Refusing(1))
    pool.alloc()
    with pytest.raises(WouldSleepForever, match="pool.wait.*free of an element of pool"):
        pool.alloc()
    assert pool.wait.tasks == []


def test_with_a_time_out_the_climb_starts_again_when_it_has_passed():
    backing = Refusing(1)
    machine, pool = Machine(), Mempool.create(1, backing, timeout=5_000)

    async def holder():
        return await pool.alloc()

    async def sleeper():
        return await pool.alloc()

    machine.spawn("holder", holder, cpu=0)
    waiting = machine.spawn("sleeper", sleeper, cpu=0)
    machine.timer("memory comes back beneath", lambda: backing.stock.append("late"), after=7_000)
    machine.run()
    assert waiting.result == "late" and waiting.cpu.clock > 10_000, "two time-outs, then ASK finds it"


def test_in_an_interrupt_waiting_is_refused():
    machine, pool = Machine(), Mempool.create(0, Refusing())

    async def handler():
        await pool.alloc(GFP_KERNEL)

    async def idle():
        await step("idle")
        await step("idle")

    machine.spawn("idle", idle)
    machine.interrupt("card", handler)
    with pytest.raises(Refused, match="GFP_ATOMIC"):
        machine.run()


def test_a_pool_can_stand_on_a_pool():
    below = Mempool.create(3, Refusing(3), name="below")
    above = Mempool.create(1, below, name="above")
    got = [above.alloc(GFP_ATOMIC) for _ in range(4)]
    assert None not in got[:3] and got[3] is None
    for element in got[:3]:
        above.free(element)
    assert (len(above.elements), len(below.elements)) == (1, 2)


# == Poison ========================================================================================


class Contents(Refusing):
    """An allocator whose elements can be written to."""

    def __init__(self, count):
        super().__init__(count)
        self.memory = {}

    def fill(self, element, pattern):
        self.memory[element] = pattern

    def read(self, element):
        return self.memory.get(element)


def test_poison_catches_a_double_free():
    pool = Mempool.create(1, Contents(2), poison=True)
    element = pool.alloc(), pool.alloc()
    pool.free(element[1])
    with pytest.raises(Corruption, match="double free"):
        pool.free(element[1])


def test_poison_catches_a_foreign_element():
    pool = Mempool.create(1, Contents(1), poison=True)
    with pytest.raises(Corruption, match="foreign element"):
        pool.free("mine")


def test_poison_catches_use_after_free():
    pool = Mempool.create(1, Contents(1), poison=True)
    element = pool.alloc()
    pool.backing.fill(element, "my data")
    pool.free(element)
    pool.backing.fill(element, "still writing")
    with pytest.raises(Corruption, match="use after free"):
        pool.alloc()


def test_poison_leaves_the_honest_alone():
    pool = Mempool.create(2, Contents(3), poison=True)
    for _ in range(3):
        held = [pool.alloc() for _ in range(3)]
        for element in held:
            pool.backing.fill(element, "data")
            pool.free(element)
        pool.check()


@pytest.mark.slow
def test_a_ladder_that_cannot_wait_goes_round_in_a_circle_and_says_so():
    pool = Mempool.create(0, Refusing(), ladder=(mempool.ask, mempool.drain))
    with pytest.raises(WouldSleepForever, match="circle"):
        pool.alloc()
