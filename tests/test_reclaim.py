"""Reclaim: what it drops, what it writes and for whom, kswapd's marks, and writers that are made to wait."""

from contextlib import suppress

import pytest

from kit import traps
from kit.gfp import GFP_KERNEL, GFP_NOIO, PF_MEMALLOC
from kit.locks import WaitQueue
from kit.machine.core import Deadlock, Machine
from kit.machine.disk import Disk
from kit.memory.pagecache import PageCache
from kit.memory.reclaim import SWAP_CLUSTER_MAX, Vm, flusher, kswapd
from kit.memory.zones import Pages, Zone
from kit.traps import sleep


def full(pages=256, dirty=False):
    """Memory that the page cache has filled, clean or dirty, down to the last page."""
    pages = Pages(zones=[Zone("NORMAL", 0, pages)])
    cache, written = PageCache(pages), []

    async def writepage(page):
        written.append(page)

    cache.writepage = writepage
    for key in range(pages.free_pages):
        cache.insert(key, pages.zones[0].take(0))
        page = cache.cached[key]
        cache.unlock(page)
        if dirty:
            cache.dirty_page(page)
        cache.release(page)
    return Vm(pages, cache), written


def test_clean_pages_are_dropped_a_cluster_at_a_time_the_oldest_first():
    vm, written = full()
    assert vm.try_to_free(vm.pages.zones, GFP_KERNEL) == SWAP_CLUSTER_MAX == vm.pages.free_pages
    assert not written and set(range(SWAP_CLUSTER_MAX)).isdisjoint(vm.cache.cached)


@pytest.mark.parametrize("gfp, writes", [(GFP_KERNEL, True), (GFP_NOIO, False)])
def test_dirty_pages_are_written_only_if_the_caller_permits_it(gfp, writes):
    vm, written = full(dirty=True)
    for page in list(vm.cache.dirty.values())[:3]:
        vm.cache.hold(page)         # whatever is in use is not written
    task = []

    async def reclaim():
        task.append(await vm.try_to_free(vm.pages.zones, gfp))

    machine = Machine()
    machine.spawn("A", reclaim)
    with suppress(Deadlock):        # who may write comes to wait for a write that nobody ends
        machine.run()
    assert bool(written) == writes and vm.pages.free_pages == 0
    assert all(page.launder and not page.users for page in written)


@pytest.mark.parametrize("allocations", [1, 40])
def test_direct_reclaim_runs_under_pf_memalloc_and_gives_the_flag_back(allocations):
    vm, _ = full()
    seen, reclaim = [], vm.pages.reclaim

    async def watched(gfp, order):
        seen.append(traps.current.flags & PF_MEMALLOC)
        return await reclaim(gfp, order)

    vm.pages.reclaim = watched
    for _ in range(allocations):
        assert vm.pages.alloc(GFP_KERNEL) is not None
    assert seen and all(seen) and not traps.current.flags & PF_MEMALLOC


def run_writers(each, **options):
    machine = Machine(step_ns=1_000)
    pages = Pages(zones=[Zone("NORMAL", 0, 256)])
    disk, cache = Disk(machine, service_ns=50_000), PageCache(pages)

    async def writepage(page):
        disk.submit(page, cache.end_write)

    cache.writepage = writepage
    vm, most = Vm(pages, cache, **options), [0]

    async def writer():
        for key in range(each):
            await cache.write(key)
            await vm.balance_dirty()
            most[0] = max(most[0], vm.percent_dirty)

    for daemon in (kswapd, flusher):
        machine.spawn(daemon.__name__, daemon, vm, daemon=True, cpu=0)
    machine.spawn("writer", writer, cpu=0)
    machine.run()
    cache.check()
    assert pages.free_pages + len(cache) == 256
    return vm, most[0]


def test_kswapd_keeps_memory_above_the_low_mark_and_writers_are_held_at_sixty_percent():
    vm, most = run_writers(1_000)
    zone, = vm.pages.zones
    assert zone.free_pages >= zone.pages_min and vm.out_of_memory == 0
    assert 40 < most <= 60 + 1


def turns_a_write(pages, rounds=300):
    """What a page written costs in looks at pages and in turns, on a memory of that size, filled beforehand."""
    vm, _ = full(pages)
    before = vm.scanned
    for key in range(rounds):
        vm.cache.read(("new", key))
        vm.cache.release(vm.cache.cached["new", key])
    return vm.scanned - before


def test_the_work_of_an_allocation_does_not_grow_with_memory():
    """Counted, not timed: looks at pages for the same allocations, at 2**10 and at 2**16 pages."""
    assert turns_a_write(2**16) <= 2 * turns_a_write(2**10)


def test_a_task_abandoned_in_direct_reclaim_gives_back_the_page_it_kept():
    """Found by a machine that hung: what its tasks had kept for themselves was gone when they were abandoned."""
    pages = Pages(zones=[Zone("NORMAL", 0, 32, pages_min=4)])
    held = []
    while (page := pages.zones[0].take(0)) is not None:
        held.append(page)

    async def free_one_and_sleep(gfp, order):
        pages.put(held.pop())           # the first that it frees is kept for the task itself
        with (disk := WaitQueue("disk")).queued():
            await sleep(disk)

    pages.reclaim = free_one_and_sleep
    machine = Machine()
    machine.spawn("task", pages.alloc, GFP_KERNEL)
    with pytest.raises(Deadlock):
        machine.run()
    assert (pages.free_pages, sum(map(len, pages.kept.values()))) == (0, 1)
    machine.close()
    assert (pages.free_pages, pages.kept) == (1, {})
