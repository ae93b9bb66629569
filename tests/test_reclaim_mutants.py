"""Each subtle line of the page cache and of reclaim changed once: which story notices, and as what."""

from contextlib import suppress
from functools import partial

import pytest
from rewriting import line_of, tells_the_harm
from test_driver_mutants import in_many_orders

from kit.gfp import GFP_KERNEL, GFP_NOIO
from kit.locks import WaitQueue
from kit.machine.core import MICROSECOND, SECOND, Machine, NoEnd
from kit.machine.disk import Disk
from kit.memory import lru, pagecache, reclaim
from kit.memory.kmalloc import CacheChain
from kit.memory.pagecache import PageCache
from kit.memory.reclaim import NRSYNC, SWAP_CLUSTER_MAX, Vm, flusher, kswapd
from kit.memory.zones import Pages, Zone
from kit.traps import sleep, step, yield_cpu

# == Stories: each raises something when there is harm ==============================================


class Memory:
    """Pages, their cache and a disk; every page of the cache is `prepare`d."""

    def __init__(self, pages=64, highmem=0, prepare=lambda cache, page: None, pages_min=0, machine=None,
                 service_ns=50 * MICROSECOND, **options):
        zones = [Zone("NORMAL", 0, pages, pages_min=pages_min, max_order=4)]
        if highmem:
            zones.append(Zone("HIGHMEM", pages, highmem, pages_min=pages_min, max_order=4))
        self.machine = machine or Machine(step_ns=MICROSECOND)
        self.pages = Pages(zones=zones)
        self.disk = Disk(self.machine, "disk", service_ns)
        self.cache = PageCache(self.pages, writepage=self.writepage)
        self.vm = Vm(self.pages, self.cache, **options)
        self.most = 0       # pages under write-out at once
        for zone in reversed(zones):
            while (pfn := zone.take(0)) is not None:
                page = self.cache.insert(pfn, pfn)
                self.cache.unlock(page)
                self.cache.release(page)
                prepare(self.cache, page)

    async def writepage(self, page):
        await step("what the drivers do")
        self.disk.submit(page, self.cache.end_write)
        self.most = max(self.most, len(self.cache.writing))

    def alloc(self, count=1, gfp=GFP_KERNEL):
        """A task that wants so many pages, and gets them."""
        async def wants():
            return [await self.pages.alloc(gfp) for _ in range(count)]
        task = self.machine.spawn("A", wants)
        self.machine.run(turns=2_000)
        self.cache.check()
        return task.result


def used_all_the_time(cache, page):
    for _ in range(3):
        cache.find(page.key)


def dirty(cache, page):
    cache.dirty_page(page)


def active_pages_come_down():
    """All of memory was used twice and more; whoever wants a page gets one."""
    assert Memory(prepare=used_all_the_time).alloc(40)


def mapped_pages_are_given_up():
    """All of memory is mapped, and the pages mapped longest are active."""
    def prepare(cache, page):
        cache.map(page)
        if len(cache.mapped) <= SWAP_CLUSTER_MAX:
            used_all_the_time(cache, page)
    memory = Memory(pages=128, prepare=prepare, cluster=1)
    assert memory.alloc(1)
    assert all(page.mapped for page in memory.cache.active.values()), "a page that is used all the time was unmapped"


def active_and_inactive():
    """Used twice, active; looked at, inactive, unless used meanwhile; used once, active again."""
    cache = Memory().cache

    def state_after(uses, looks):
        for key in uses:
            cache.find(key)
        cache.refill_inactive(looks)
        return [cache.cached[key].active for key in (1, 2)]

    assert state_after([1, 1, 2, 2], 0) == [True, True], "used twice"
    assert state_after([1, 1], 2) == [True, False], "the first was used since, however often, and the second was not"
    assert state_after([2], 1) == [False, True], "one use brings it back, and the first was spared once"


def another_zone_is_left_alone():
    """Whoever can use low memory alone does not drop what lies in high memory."""
    memory = Memory(pages=64, highmem=64)
    memory.alloc(40)
    assert len([page for page in memory.cache.cached.values() if page.zone.name == "HIGHMEM"]) == 64, (
        "high memory was dropped, for somebody who cannot use it")


def writes_overlap():
    """All is dirty, and whoever frees writes many pages before it waits for one."""
    memory = Memory(prepare=dirty)
    memory.alloc(8)
    assert memory.most > 8, "pages are written one at a time"


def changed_while_written():
    """A page that is changed while it is being written is dirty when that is over."""
    memory = Memory(prepare=dirty)
    page = memory.cache.cached[0]

    async def change():
        await memory.cache.dirty_page(page)
        await step("let the write-out begin, if it has not")
        await memory.cache.wait_until_idle(page)

    memory.machine.spawn("flusher", memory.cache.write_out, page)
    memory.machine.spawn("mapper", change)
    memory.machine.run()
    assert page.dirty, "a change is lost"


def two_read_the_same(machine):
    """Two tasks want the same page of a file, which is in memory once."""
    pages = Pages(zones=[Zone("NORMAL", 0, 4, pages_min=0, max_order=2)])

    async def fill(page):
        await step("fill it")
        pages.fill(page.pfn, page.key)

    async def read():
        page = await cache.read("a")
        assert pages.read(page.pfn) == "a", "a page is handed out before it is filled"

    cache = PageCache(pages, readpage=fill)
    tasks = [machine.spawn(name, read) for name in "AB"]

    def nothing_is_lost():
        if all(task.finished for task in tasks):
            assert len(cache) + pages.free_pages == 4, "a page is lost"
    return nothing_is_lost


def waits_for_a_page(machine):
    """A page is under write-out, and two tasks wait for the end of that."""
    memory = Memory(pages=1, machine=machine)
    page, = memory.cache.cached.values()
    memory.cache._set(page, writing=True)
    for name in "AB":
        machine.spawn(name, memory.cache.wait_until_idle, page)
    machine.interrupt("disk", memory.cache.end_write, page)


def the_flusher_is_short_of_memory():
    """The flusher has begun a write that needs a page, and kswapd, who may have the last one, frees others."""
    memory = Memory(pages=16, prepare=dirty, pages_min=1)
    pages, cache = memory.pages, memory.cache
    last = cache.oldest_inactive(16)[-1]
    cache._set(last, dirty=False)
    cache.drop(last)
    page, = cache.oldest_inactive(1)

    async def writepage(page):
        while (bounce := await pages.alloc(GFP_NOIO)) is None:
            await yield_cpu("ask for a bounce page again")
        memory.disk.submit((page, bounce), written)

    async def written(request):
        pages.put(request[1])
        await cache.end_write(request[0])

    async def change():
        while not page.writing:
            await step("not yet")
        await cache.dirty_page(page)
        assert await pages.alloc(GFP_KERNEL) is not None

    cache.writepage = writepage
    memory.machine.spawn("flusher", cache.write_out, page, daemon=True)
    memory.machine.spawn("kswapd", kswapd, memory.vm, daemon=True)
    memory.machine.spawn("A", change)
    memory.machine.run(turns=2_000)


def reclaim_waits_for_what_it_writes():
    """All is dirty: whoever wants a page sleeps until one is written, and does not go round."""
    memory = Memory(prepare=dirty, cluster=4)
    memory.alloc(1)
    assert memory.vm.rounds == 1 and not memory.vm.out_of_memory, "it goes round and round"


def kswapd_misses_nothing(machine):
    """Whoever finds memory short wakes kswapd, whatever that is doing."""
    memory = Memory(pages=4, machine=machine)
    zone, = memory.pages.zones
    daemon = machine.spawn("kswapd", kswapd, memory.vm, daemon=True)

    async def finds_memory_short():
        await step("find it")
        zone.need_balance = True
        memory.pages.wake_kswapd()
        await step("go on")

    machine.spawn("A", finds_memory_short)
    return lambda: asleep_for_a_reason(daemon, memory.vm)


def asleep_for_a_reason(daemon, vm):
    assert not daemon.asleep or daemon.request.queue is not vm.kswapd_wait or vm.balanced, "kswapd sleeps"


def kswapd_rests():
    """Nothing can be freed, and somebody asks for it again and again: kswapd tries once a second."""
    memory = Memory(prepare=lambda cache, page: cache.hold(page))
    zone, = memory.pages.zones

    async def asks():
        for _ in range(200):
            zone.need_balance = True
            memory.pages.wake_kswapd()
            await step("is there a page?")
        with never.queued():
            await sleep(never, timeout=5 * SECOND)

    never = WaitQueue("never")
    memory.machine.spawn("kswapd", kswapd, memory.vm, daemon=True)
    memory.machine.spawn("A", asks)
    memory.machine.run(turns=2_000)
    assert memory.vm.rounds == 2, "kswapd does not rest"


def slabs_go_first():
    """Slabs without an object in use are enough, so that no page of the cache is dropped."""
    memory = Memory(pages=16, cluster=1)
    for page in list(memory.cache.cached.values())[:4]:
        memory.cache.drop(page)
    chain = memory.vm.slabs = CacheChain(memory.pages)
    objects = chain.create("bio", 3_000, limit=0)
    for each in [objects.take(), objects.take()]:
        objects.put(each)
    objects.grown_lately = False
    assert memory.vm.try_to_free(memory.pages.zones, GFP_KERNEL) == 1
    assert len(memory.cache) == 12, "pages of the cache were dropped, and slabs were enough"


async def make_seventy_percent_dirty(memory):
    await step("let the flusher fall asleep")
    await step("let the flusher fall asleep")
    for page in list(memory.cache.cached.values())[:180]:
        await memory.cache.dirty_page(page)
    await memory.vm.balance_dirty()


def who_makes_much_dirty_helps():
    """Without a flusher, whoever made too much dirty writes some of it and waits for one page."""
    memory = Memory(pages=256)
    memory.machine.spawn("A", make_seventy_percent_dirty, memory)
    memory.machine.run()
    assert memory.most == NRSYNC, "whoever made much dirty does not help to write it"
    assert memory.cache.written, "whoever made too much dirty does not wait"


def the_flusher_writes_down_to_forty_percent():
    """Somebody made more than sixty percent dirty, and waited once; then nobody asks for anything."""
    memory = Memory(pages=256, service_ns=MICROSECOND)
    memory.machine.spawn("flusher", flusher, memory.vm, daemon=True)
    memory.machine.spawn("A", make_seventy_percent_dirty, memory)
    memory.machine.run()
    with suppress(NoEnd):
        memory.machine.spawn("idle", idle)
        memory.machine.run(turns=6_000)
    assert memory.vm.percent_dirty <= 40, "nobody writes what is dirty"
    assert memory.vm.percent_dirty > 25, "all is written, though nobody needs it"


async def idle():
    while True:
        await step("idle")


# == The mutants ===================================================================================

reads = partial(in_many_orders, two_read_the_same)
waits = partial(in_many_orders, waits_for_a_page)
kswapd_wakes = partial(in_many_orders, kswapd_misses_nothing)

MUTANTS = [
    # The two lists.
    (lru, "if page.referenced and not page.active:", "if page.referenced:", active_and_inactive, "used since"),
    (lru, "            page.referenced = False\n        else:", "        else:", active_and_inactive, "used since"),
    (lru, "page.referenced = False\n                self.active", "self.active",
     active_pages_come_down, "A had not ended"),
    (lru, "                self.active.move_to_end(pfn)\n", "", active_and_inactive, "used since"),
    (lru, "page.referenced = True      # one", "pass      # one",
     active_and_inactive, "one use brings it back"),
    # Reclaim.
    (reclaim, "        self.cache.refill_inactive(missing * active // ((inactive + 1) * 2))\n", "",
     active_pages_come_down, "A had not ended"),
    (reclaim, "self.cache.unmap_some(SWAP_CLUSTER_MAX)", "pass",
     mapped_pages_are_given_up, "A had not ended"),
    (reclaim, "            if page.zone not in zones:\n                continue\n", "",
     another_zone_is_left_alone, "somebody who cannot use it"),
    (reclaim, "            to_young_end(page.pfn)\n", "", writes_overlap, "one at a time"),
    (reclaim, "(page.launder or page.dirty and not page.busy)", "(page.dirty and not page.busy)",
     reclaim_waits_for_what_it_writes, "round and round"),
    (reclaim, "(page.launder or page.dirty and not page.busy)", "(page.launder or page.dirty)",
     the_flusher_is_short_of_memory, "A had not ended"),
    (reclaim, "await self.cache.write_out(page, launder=True)", "await self.cache.write_out(page)",
     reclaim_waits_for_what_it_writes, "round and round"),
    (reclaim, "if vm.balanced:\n                await sleep",
     "if True:\n                await sleep", kswapd_wakes, "kswapd sleeps"),
    (reclaim, "await self.write_some()\n", "pass\n",
     who_makes_much_dirty_helps, "does not help"),
    (reclaim, "await self.wait_for_some()\n            self.flusher", "self.flusher",
     who_makes_much_dirty_helps, "does not wait"),
    (reclaim, "if not wrote or vm.percent_dirty <= vm.start_flushing:", "if not wrote:",
     the_flusher_writes_down_to_forty_percent, "all is written"),
    (reclaim, """                    zone.need_balance = False
                    with""", "                    with", kswapd_rests, "does not rest"),
    (reclaim, "await sleep(self.kswapd_rest, SECOND)", "pass", kswapd_rests, "does not rest"),
    (reclaim, "if self.slabs is not None and self.slabs.reap() >= missing:", "if False:",
     slabs_go_first, "slabs were enough"),
    (reclaim, "self.flusher_wait.wake_all()", "pass",
     the_flusher_writes_down_to_forty_percent, "nobody writes"),
    # The page cache.
    (pagecache, """        self._set(page, dirty=False, writing=True, launder=launder)
        await self.writepage(page)""", """        await self.writepage(page)
        self._set(page, dirty=False, writing=True, launder=launder)""", changed_while_written, "a change is lost"),
    (pagecache, "dirty=page.dirty or failed", "dirty=failed", changed_while_written, "a change is lost"),
    (pagecache, "if key not in self.cached:\n", "if True:\n",
     reads, "is cached already"),
    (pagecache, "self.pages.put(pfn)     ", "pass     ", reads, "a page is lost"),
    (pagecache, "await self.wait_until_idle(page)\n                return page",
     "return page", reads, "before it is filled"),
    (pagecache, "page.locked, page.users = True, 1", "page.locked, page.users = False, 1",
     reads, "before it is filled"),
    (pagecache, "page.wait.wake_all()", "page.wait.wake_one()", waits, "deadlock"),
    (pagecache, "            self.mapped.move_to_end(pfn)\n", "", mapped_pages_are_given_up, "A had not ended"),
    (pagecache, "if not page.active:\n                self.unmap(page)", "self.unmap(page)",
     mapped_pages_are_given_up, "was unmapped"),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=line_of)
def test_without_the_line_a_story_tells_the_harm(mutant):
    tells_the_harm(*mutant)


@pytest.mark.parametrize("story", dict.fromkeys(story for *_, story, _ in MUTANTS))
def test_with_it_there_is_none(story):
    story()
