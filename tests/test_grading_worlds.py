"""The worlds of set 09: they watch the work, they agree with the theorem, and both sides have the same memory."""

from itertools import combinations_with_replacement

import pytest

from kit.drivers.proving import borrowers, mirrors, one_log, two_orders
from kit.drivers.sides import either
from kit.machine.explore import explore


@pytest.mark.slow
@pytest.mark.parametrize("needs", [needs for tasks in (1, 2, 3) for needs in
                                   combinations_with_replacement((1, 2, 3), tasks) if sum(needs) <= 6])
@pytest.mark.parametrize("kept", [0, 1])
def test_a_pool_can_hang_exactly_if_all_can_lack_their_last(needs, kept):
    for elements in range(kept, kept + sum(needs) + 1):
        result = explore(borrowers(needs, elements, kept))
        assert result.exhaustive or result.verdict == "deadlock"
        assert (result.verdict == "deadlock") == (sum(need - 1 for need in needs) + kept >= elements)


async def half_a_mirror(pool, gate, disk):
    element = await pool.alloc()
    await disk.write(element)


async def the_same_twice(pool, gate, disk):
    element = await pool.alloc()
    await disk.write(element, element)


async def given_back_twice(pool, gate, disk):
    first, second = await pool.alloc(), await pool.alloc()
    await disk.write(first, second)
    await pool.free(first)
    await pool.free(first)


async def written_twice(pool, gate, disk):
    first, second = await pool.alloc(), await pool.alloc()
    await disk.write(first, second)
    await disk.write(first, second)


async def somebody_elses(requests, buffers, disk):
    await disk.write("e0", "e0 again")


async def not_entered(pool, log, disk):
    await disk.write(await pool.alloc())


async def crossed_out_unentered(pool, log, disk):
    async with log.lock:
        log.cross_out(await pool.alloc())


def no_coroutine(pool, gate, disk):
    pass


async def misspelt(pool, gate, disk):
    await pool.aloc()


@pytest.mark.parametrize(("story", "sentence"), [
    (mirrors(no_coroutine, tasks=1), "is no `async def`"),
    (mirrors(misspelt, tasks=1), f"A, in misspelt, line {misspelt.__code__.co_firstlineno + 1}: AttributeError"),
    (mirrors(half_a_mirror, tasks=1), "hands it 1"),
    (mirrors(the_same_twice, tasks=1), "the same element twice"),
    (mirrors(given_back_twice, tasks=1), "given back twice"),
    (mirrors(written_twice, tasks=1), "a second time"),
    (two_orders(somebody_elses, writers=1), "does not hold"),
    (one_log(not_entered, tasks=1), "was not entered"),
    (one_log(crossed_out_unentered, tasks=1), "was not entered"),
], ids=range(9))
def test_who_does_not_do_the_work_is_told_so(story, sentence):
    result = explore(story)
    assert result.verdict in ("a promise is broken", "an invariant is false")
    assert sentence in result.story()


async def counts(memory):
    pages = []
    await memory.declare(memory.reserved)
    units = [await memory.take() for _ in range(memory.reserved)]
    while (page := await memory.grab()) is not None:
        pages.append(page)
    assert (len(units), len(pages)) == (2, 3)
    for page in pages:
        await memory.drop(page)
    for unit in units:
        await memory.give(unit)


async def greedy(memory):
    await memory.declare(memory.reserved + 1)


async def gives_what_it_has_not(memory):
    await memory.declare(1)
    await memory.give(await memory.grab())


@pytest.mark.parametrize("promised", [False, True])
def test_both_sides_have_the_same_memory_and_the_same_manners(promised):
    def verdict(driver):
        return explore(either(driver, promised, reserved=2, ordinary=3, tasks=1))
    assert verdict(counts).verdict == "none"
    assert "declares once, from 1 to 2" in verdict(greedy).story()
    assert "which it does not hold" in verdict(gives_what_it_has_not).story()
