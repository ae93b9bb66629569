"""The VM under pressure, whatever the machine: no page, object or change is lost at any time; same seed, same run."""

from contextlib import suppress

import pytest
from accounts import balance, held
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from versions import Versions

from kit.drivers.bio import NR_REQUESTS
from kit.drivers.stories import Pressure
from kit.drivers.supply import SUPPLIES
from kit.errors import WouldSleepForever
from kit.gfp import GFP_KERNEL
from kit.machine.core import MICROSECOND, MILLISECOND, Deadlock, Machine, NoEnd
from kit.memory.mempool import Mempool, OutOfMemory
from kit.memory.promises import Refusing
from kit.traps import step

STACKS = [(), ("bounce",), ("raid1",), ("bounce", "raid1"), ("raid1", "bounce"), ("raid1", "raid1")]

# All that can be varied, from nothing to a little more than enough.
small = st.fixed_dictionaries({
    "supply": st.sampled_from(list(SUPPLIES)), "stack": st.sampled_from(STACKS),
    "lowmem": st.integers(8, 40), "highmem": st.integers(0, 40), "pages_min": st.integers(0, 3),
    "cpus": st.integers(1, 3), "mirrors": st.integers(1, 3), "cluster": st.integers(1, 8),
    "daemons": st.sampled_from([(), ("kswapd",), ("flusher",), ("kswapd", "flusher")]),
    "reserve": st.integers(0, 4), "writers": st.integers(0, 3), "each": st.integers(1, 60),
    "throttled": st.booleans(), "direct": st.integers(0, 2), "segments": st.integers(1, 5),
    "rounds": st.integers(1, 3), "keeper": st.integers(0, 2), "card": st.integers(0, 3),
    "service_ns": st.just(20 * MICROSECOND),
})
part_of_them_fail = st.integers(2, 5)
some_changes = st.lists(st.integers(0, 40), max_size=30)
CRAMPED = {"stack": ("bounce", "raid1"), "lowmem": 16, "highmem": 16, "pages_min": 1, "cluster": 4, "reserve": 2,
           "writers": 2, "each": 40, "cpus": 2}


class EveryNth:
    """Of the bios that are served, every n-th fails."""

    def __init__(self, n):
        self.n, self.served = n, 0

    def __call__(self, bio):
        self.served += 1
        return self.served % self.n == 0


def story_of(setting, nth, changes=()):
    """The story, and a task that changes cached pages; none if this memory is too small for what is kept back."""
    try:
        story = Pressure(**setting, fails=EveryNth(nth))
    except (OutOfMemory, WouldSleepForever):
        assume(False)
    story.versions = Versions(story)
    story.machine.spawn("mapper", change_some, story.cache, changes)
    return story


async def change_some(cache, changes):
    """Change pages through a mapping, as a process can at any time, whether they are being written or not."""
    for number in changes:
        await step("change a page")
        page = list(cache.cached.values())[number % len(cache)] if len(cache) else None
        if page is not None and await cache.hold(page):
            await cache.dirty_page(page)
            cache.release(page)


def go_on(story, turns):
    """Take so many turns more, if there are so many."""
    with suppress(NoEnd, Deadlock):
        story.machine.run(turns=turns)


def check(story):
    story.check()
    story.versions.check()
    balance(story)


@pytest.mark.parametrize("runs", [40, pytest.param(1_000, marks=pytest.mark.slow)])
def test_nothing_is_lost_whenever_one_looks_and_after_all_are_abandoned(runs):
    @settings(max_examples=runs, deadline=None)
    @given(small, part_of_them_fail, st.lists(st.integers(0, 400), min_size=1, max_size=4), some_changes)
    def look_and_abandon(setting, nth, pauses, changes):
        story = story_of(setting, nth, changes)
        check(story)
        for turns in pauses:
            go_on(story, turns)
            check(story)
        story.machine.close()
        check(story)

    look_and_abandon()


@pytest.mark.parametrize("supply", list(SUPPLIES))
def test_every_page_and_object_is_in_one_place_after_every_single_turn(supply):
    story = Pressure(supply=supply, **CRAMPED)
    for _ in range(600):
        go_on(story, turns=1)
        balance(story)


@pytest.mark.parametrize("runs", [25, pytest.param(400, marks=pytest.mark.slow)])
def test_however_a_run_ends_nothing_is_lost_and_whoever_has_finished_has_nothing_left(runs):
    @settings(max_examples=runs, deadline=None)
    @given(small, part_of_them_fail, some_changes)
    def run(setting, nth, changes):
        story = story_of(setting, nth, changes)
        outcome = story.run(until=4 * MILLISECOND)
        check(story)
        if outcome.verdict == "finished":
            left = [(task, task.holds) for task in story.machine.tasks if task.holds and task.name != "keeper"]
            assert not left and len(held(story)) == setting["keeper"]
            assert story.out() == 0 and not story.cache.writing
            assert all(disk.room == NR_REQUESTS for disk in story.disks)

    run()


@given(small, part_of_them_fail)
@settings(max_examples=10, deadline=None)
def test_the_same_setting_and_seed_end_alike_at_the_same_time_by_the_same_schedule(setting, nth):
    first, second = story_of(setting, nth), story_of(setting, nth)
    assert first.run(until=4 * MILLISECOND) == second.run(until=4 * MILLISECOND)
    assert first.machine.schedule == second.machine.schedule


@pytest.mark.parametrize("stack", STACKS)
@given(st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_whoever_is_told_that_a_write_is_done_finds_all_of_it_given_back(stack, random):
    """Found by counting, whatever the order of turns: a direct write was done before its bio had come back."""
    story = Pressure(**{**CRAMPED, "stack": stack, "highmem": 0, "writers": 0, "direct": 2, "segments": 2, "rounds": 1})
    story.machine.run(pick=random.choice)
    assert held(story) == []


def test_an_element_on_its_way_back_is_held_until_it_is_there():
    """Found by counting: whoever was abandoned between two steps of a free took the element along."""
    for turns in range(1, 7):
        pool, machine = Mempool.create(1, Refusing(1)), Machine()
        task = machine.spawn("task", take_and_free, pool)
        with suppress(NoEnd):
            machine.run(turns=turns)
        machine.close()
        assert len(pool.elements) + len(task.holds) == 1


async def take_and_free(pool):
    await pool.free(await pool.alloc(GFP_KERNEL))
