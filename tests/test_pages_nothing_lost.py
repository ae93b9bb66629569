"""pages: free + held = all after every operation, on however many CPUs, and in every order of events."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.gfp import DMA, GFP_ATOMIC, GFP_KERNEL, HIGHMEM
from kit.machine.core import Machine
from kit.machine.explore import explore
from kit.memory.failing import Failing, chosen
from kit.memory.junk import JunkZone
from kit.memory.pcp import PerCpuZone
from kit.memory.zones import MB, Pages, Zone
from kit.trace import watch
from kit.traps import never_sleeps, step

ZONES = (0, DMA, HIGHMEM)


def zones(sizes, kind=Zone, **options):
    """Zones of so many pages each, one after the other, with blocks of at most 16 pages."""
    built, start = [], 0
    for name, size in zip(("DMA", "NORMAL", "HIGHMEM"), sizes, strict=False):
        built.append(kind(name, start, size, max_order=4, **options))
        start += -(-size // 16) * 16
    return built


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Zone, PerCpuZone])
def test_free_and_held_are_all_after_each_of_a_million_random_operations(kind):
    pages, rng = Pages(1 << 13, zone=kind, pages_min=32), random.Random(2001)
    total, held, held_pages, cached = pages.total_pages, [], 0, lambda: 0
    if kind is PerCpuZone:
        cached = lambda: sum(zone.pages_on_lists() for zone in pages.zones)     # noqa: E731
    for number in range(1_000_000):
        if rng.random() < 0.5 + 0.3 * (number % 100_000 < 20_000):      # now and then until nothing is left
            order = (0, 0, 0, 0, 1, 1, 2, 3, 5, 9)[rng.randrange(10)]
            page = pages.take(GFP_ATOMIC, order)
            if page is not None:
                held.append((page, order))
                held_pages += 1 << order
        elif held:
            chosen = rng.randrange(len(held))
            held[chosen], held[-1] = held[-1], held[chosen]
            page, order = held.pop()
            pages.put(page, order)
            held_pages -= 1 << order
        assert pages.free_pages + held_pages + cached() == total
        if number % 25_000 == 0:
            pages.check()
    for page, order in held:
        pages.put(page, order)
    pages.check()
    assert pages.free_pages + cached() == total


class NaivePages:
    """The allocator of 2.5.1 as its description reads: counts for the marks, and a set of free pages."""

    def __init__(self, zones):
        self.zones = [(zone.name, zone.start, zone.end, zone.pages_min) for zone in zones]
        self.free = {page for zone in zones for page in range(zone.start, zone.end)}

    def refuses(self, gfp, order):
        """Whether a request by somebody who may not wait fails for the marks alone, in every zone."""
        allowed = ["DMA"] if gfp & DMA else ["HIGHMEM", "NORMAL", "DMA"] if gfp & HIGHMEM else ["NORMAL", "DMA"]
        least_low = least_min = 1 << order
        for name in allowed:
            for zone, start, end, pages_min in self.zones:
                if zone == name:
                    free = len([page for page in self.free if start <= page < end])
                    least_low += 2 * pages_min
                    least_min += pages_min // 4
                    if (free > least_low or free > least_min) and self._has_block(start, end, order):
                        return False
        return True

    def _has_block(self, start, end, order):
        size = 1 << order
        return any(all(page + i in self.free for i in range(size)) for page in range(start, end - size + 1)
                   if (page - start) % size == 0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(5, 40), min_size=1, max_size=3), st.integers(0, 6),
       st.lists(st.tuples(st.sampled_from(ZONES), st.integers(0, 4), st.integers(0, 2)), max_size=80),
       st.sampled_from([Zone, JunkZone]))
def test_the_naive_model_agrees(sizes, pages_min, operations, kind):
    pages = Pages(zones=zones(sizes, kind, pages_min=pages_min))
    naive, held = NaivePages(pages.zones), []
    for gfp, order, what in operations:
        if what:
            refused = naive.refuses(gfp, order)
            page = pages.take(gfp, order)
            assert (page is None) == refused
            if page is not None:
                block = set(range(page, page + (1 << order)))
                assert block <= naive.free, "what is handed out was free, all of it"
                naive.free -= block
                held.append((page, order))
        elif held:
            page, order = held.pop(order % len(held))
            pages.put(page, order)
            naive.free |= set(range(page, page + (1 << order)))
        pages.check()
        assert pages.free_pages == len(naive.free)


# == Several CPUs ====================================================================================


def busy_tasks(kind, cpus, rounds=60, seed=3, lock_ns=20, **options):
    """So many CPUs, each taking and giving back pages; the pages, and the machine after its run."""
    pages = Pages(16 * MB, zone=kind, **options)
    machine = Machine(seed=seed, lock_ns=lock_ns)

    async def churn(seed):
        rng, held = random.Random(seed), []
        for _ in range(rounds):
            if held and rng.random() < 0.5:
                await pages.free(held.pop(rng.randrange(len(held))))
            else:
                page = await pages.alloc(GFP_KERNEL)
                held.append(page)
        while held:
            await pages.free(held.pop())

    for number in range(cpus):
        machine.spawn(f"task{number}", churn, number)
    machine.run()
    pages.check()
    return pages, machine


@pytest.mark.parametrize("kind", [Zone, PerCpuZone, JunkZone])
def test_nothing_is_lost_on_eight_cpus(kind):
    pages, _ = busy_tasks(kind, 8)
    on_lists = sum(zone.pages_on_lists() for zone in pages.zones) if kind is PerCpuZone else 0
    assert pages.free_pages + on_lists == pages.total_pages


def test_lists_per_cpu_take_the_lock_once_a_batch():
    each = busy_tasks(Zone, 8)[0].zones[0].lock
    batched = busy_tasks(PerCpuZone, 8, batch=8)[0].zones[0].lock
    assert batched.acquisitions * 4 < each.acquisitions
    assert batched.waited_ns < each.waited_ns


def test_the_same_seed_gives_the_same_trail():
    texts = []
    for _ in range(2):
        with watch() as trail:
            busy_tasks(PerCpuZone, 3, rounds=20)
        texts.append(trail.to_json())
    assert texts[0] == texts[1] and '"take"' in texts[0]


def test_a_page_on_a_list_of_one_cpu_is_not_there_for_another():
    pages = Pages(zones=[PerCpuZone("NORMAL", 0, 16, pages_min=0, batch=4, low=0, high=8)])

    async def takes_and_gives():
        page = await pages.alloc(GFP_KERNEL)
        await pages.free(page)

    async def wants_all():
        return [await pages.alloc(GFP_ATOMIC) for _ in range(16)]

    machine = Machine()
    machine.spawn("A", takes_and_gives)
    other = machine.spawn("B", wants_all)
    machine.run("AAA")
    pages.check()
    zone = pages.zones[0]
    assert [len(zone.lists[cpu]) for cpu in (0, 1)] == [4, 3]
    assert zone.free_pages == 0 and other.result.count(None) == 16 - 9, "B is refused while 7 pages lie on lists"


# == Every order of events ===========================================================================


def story_of(pages_of):
    """Two tasks, each of whose requests may fail, on a memory of four pages; in the end all is free again."""
    def story(machine):
        pages = pages_of(zones=[Zone("NORMAL", 0, 4, pages_min=0, max_order=2)])
        asked = Failing(pages, chosen)
        for name in "AB":
            machine.spawn(name, takes_two, asked)

        def all_is_free_in_the_end():
            if all(task.finished for task in machine.tasks):
                assert pages.free_pages == 4
        return all_is_free_in_the_end
    return story


async def takes_two(pages):
    held = []
    for order in (0, 1):
        page = await pages.try_alloc(GFP_ATOMIC, order)
        if page is not None:
            held.append((page, order))
    while held:
        await pages.free(*held.pop())


def test_the_explorer_finds_no_order_of_events_in_which_a_page_is_lost():
    """check() of every zone runs in every state."""
    result = explore(story_of(Pages))
    assert result.verdict == "none" and result.exhaustive, str(result)
    assert result.states > 100


class LooksAndThenTakes(Pages):
    """Counts the free pages in one step and writes the new count in the next: the lock is gone."""

    @never_sleeps
    async def free(self, page, order=0):
        zone = self.zone_of(page)
        free = zone.free_pages
        await step("FREE")
        zone.put(page, order)
        zone.free_pages = free + (1 << order)


def test_the_explorer_finds_the_lost_count_when_the_lock_is_gone():
    result = explore(story_of(LooksAndThenTakes))
    assert result.verdict != "none", "looked at all orders of events, and found none in which the count is wrong"
    assert "counts" in str(result) and "free pages" in str(result)
