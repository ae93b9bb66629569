"""zones: the watermarks of 2.5.1, its order of attempts one by one, and what later releases changed."""

import pickle
import tracemalloc

import pytest

from kit import traps
from kit.errors import BadInput, Corruption, WouldSleepForever
from kit.gfp import DMA, GFP_ATOMIC, GFP_KERNEL, GFP_NOIO, HIGH, HIGHMEM, NOFAIL, NOMEMALLOC, NORETRY, PF_MEMALLOC, WAIT
from kit.machine.core import Machine
from kit.memory import attempts
from kit.memory.attempts import JULY_2002, LINUX_2_5_1, LINUX_2_5_45, LINUX_2_6_12, NO, Attempt, Attempts
from kit.memory.junk import JunkZone
from kit.memory.pcp import PerCpuZone, batch_of
from kit.memory.zones import MB, Pages, Zone, watermark
from kit.trace import watch

NORMAL = 0          # a mask that names no zone


def small(pages=64, pages_min=8, **options):
    """One zone in which every mark is reached soon: 8, 16 and 24 of 64 pages."""
    return Pages(zones=[Zone("NORMAL", 0, pages, pages_min=pages_min)], **options)


def take_all(pages, gfp=GFP_ATOMIC):
    """Take single pages until one is refused; the pages taken."""
    return list(iter(lambda: pages.take(gfp), None))


def as_memalloc(call):
    """Run `call` as a task that is freeing memory."""
    async def body():
        traps.current.flags |= PF_MEMALLOC
        return await call()
    machine = Machine()
    task = machine.spawn("kswapd", body)
    machine.run()
    return task.result


# == Published numbers ===============================================================================


@pytest.mark.parametrize("name, megabytes, pages, marks", [
    ("DMA", 16, 4096, (32, 64, 96)),
    ("NORMAL", 64, 12288, (96, 192, 288)),
    ("NORMAL", 128, 28672, (224, 448, 672)),
    ("NORMAL", 256, 61440, (255, 510, 765)),
    ("NORMAL", 896, 225280, (255, 510, 765)),
    ("HIGHMEM", 896 + 128, 32768, (255, 510, 765)),
    ("HIGHMEM", 4096, 819200, (255, 510, 765)),
])
def test_watermarks_of_2_5_1(name, megabytes, pages, marks):
    zone = {zone.name: zone for zone in Pages(megabytes * MB).zones}[name]
    assert zone.pages == pages
    assert (zone.pages_min, zone.pages_low, zone.pages_high) == marks


def test_watermarks_have_a_floor_and_a_ceiling():
    assert [watermark(pages) for pages in (1, 20 * 128, 21 * 128, 255 * 128, 10 ** 6)] == [20, 20, 21, 255, 255]


@pytest.mark.parametrize("pages, batch, low, high", [(28672, 7, 14, 42), (65536, 16, 32, 96), (10 ** 6, 16, 32, 96)])
def test_per_cpu_lists_of_2_5_45(pages, batch, low, high):
    zone = PerCpuZone("NORMAL", 0, pages)
    assert (zone.batch, zone.low, zone.high) == (batch, low, high)
    assert batch_of(100) == 1


def test_a_quarter_of_a_million_frames_boot_in_64_mebibytes():
    tracemalloc.start()
    try:
        pages = Pages(1 << 18)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    assert pages.free_pages == pages.total_pages == 1 << 18


def test_the_zones_of_an_i386():
    assert [(zone.name, zone.start, zone.end) for zone in Pages(1024 * MB).zones] == [
        ("DMA", 0, 4096), ("NORMAL", 4096, 229376), ("HIGHMEM", 229376, 262144)]
    assert Pages(8 * MB).buddyinfo() == {"DMA": [0] * 9 + [4]}


# == The order of attempts of 2.5.1, one by one ======================================================


def labels(pages, call):
    """The steps that a call takes, in order."""
    with watch() as trail:
        call(pages)
    return [event.label for event in trail.only("step", "yield")]


def test_first_the_low_mark():
    pages = small()
    assert labels(pages, lambda pages: pages.alloc()) == ["LOW"]
    while pages.zones[0].free_pages > pages.zones[0].pages_low + 1:
        pages.alloc()
    assert not pages.zones[0].need_balance
    assert labels(pages, lambda pages: pages.alloc()) == ["LOW", "KSWAPD", "MINIMUM"]
    assert pages.zones[0].need_balance


def test_who_may_wait_stops_above_the_min_mark_and_who_may_not_above_a_quarter_of_it():
    """A zone gives only while it has *more* than the mark and the block together."""
    pages = small(pages_min=8)
    for ordinary, left in ((True, 8 + 1), (False, 8 // 4 + 1)):
        while True:
            before = pages.free_pages
            answer = pages.alloc(GFP_KERNEL) if ordinary and before > left else pages.try_alloc(GFP_KERNEL)
            if before == left:
                break
            assert answer is not None
        if ordinary:
            pages.free(answer)
            with pytest.raises(WouldSleepForever):
                pages.alloc(GFP_KERNEL)
        else:
            assert answer is None
        assert pages.free_pages == left


def test_the_marks_of_the_zones_before_are_added():
    """Whoever falls back from NORMAL on DMA leaves there the low mark of both."""
    zones = [Zone("DMA", 0, 64, pages_min=5, max_order=4), Zone("NORMAL", 64, 64, pages_min=8, max_order=4)]
    pages, taken = Pages(zones=zones), []
    while "KSWAPD" not in labels(pages, lambda pages: taken.append(pages.try_alloc(NORMAL))):
        pass
    pages.put(taken.pop())                  # the one that went on to the min marks
    dma, normal = pages.zones
    assert normal.free_pages == normal.pages_low + 1
    assert dma.free_pages == normal.pages_low + dma.pages_low + 1


@pytest.mark.parametrize("gfp, order_of_zones", [
    (HIGHMEM, ["HIGHMEM", "NORMAL", "DMA"]), (NORMAL, ["NORMAL", "DMA"]), (DMA, ["DMA"]), (DMA | HIGHMEM, ["DMA"])])
def test_who_can_use_something_else_leaves_dma_memory_alone(gfp, order_of_zones):
    pages = Pages(zones=[Zone(name, start, 32, pages_min=1, max_order=4)
                         for name, start in (("DMA", 0), ("NORMAL", 32), ("HIGHMEM", 64))])
    seen = [pages.zone_of(page).name for page in take_all(pages, gfp)]
    assert list(dict.fromkeys(seen)) == order_of_zones


def test_who_frees_memory_takes_the_last_page_and_then_is_told_no():
    pages = small(16, pages_min=4)
    take_all(pages)
    assert pages.free_pages == 4 // 4 + 1
    for left in (1, 0):
        assert as_memalloc(pages.alloc) is not None
        assert pages.free_pages == left
    assert as_memalloc(pages.alloc) is None
    assert as_memalloc(pages.try_alloc) is None


def test_who_may_not_wait_is_told_no_before_anything_that_sleeps():
    pages = small(16, pages_min=4)
    take_all(pages)
    assert labels(pages, lambda pages: pages.try_alloc()) == ["LOW", "KSWAPD", "MINIMUM", "NOT_WAITING"]
    assert labels(pages, lambda pages: pages.alloc(GFP_ATOMIC)) == ["LOW", "KSWAPD", "MINIMUM", "NOT_WAITING"]


def test_take_is_try_alloc_in_one_instant():
    def step_by_step(pages, order):
        return pages.try_alloc(NORMAL, order)

    def at_once(pages, order):
        return pages.take(NORMAL, order)

    results = []
    for ask in (step_by_step, at_once):
        pages = Pages(32 * MB, pages_min=40)
        results.append([ask(pages, number % 5) for number in range(4000)])
    assert results[0] == results[1]
    assert None in results[0]


def test_a_block_of_more_than_eight_pages_is_refused_after_one_round():
    pages = small(64, pages_min=4)
    take_all(pages)
    asked = []

    async def reclaim(gfp, order):
        asked.append(order)
        return 0

    pages.reclaim = reclaim
    assert pages.alloc(GFP_KERNEL, 4) is None
    assert asked == [4]


def test_up_to_eight_pages_it_is_never_told_no():
    pages = small(64, pages_min=4)
    take_all(pages)
    with pytest.raises(WouldSleepForever, match="YIELD_AND_RETRY"):
        pages.alloc(GFP_KERNEL, 3)


def test_it_waits_by_yielding_until_another_task_frees():
    pages = small(16, pages_min=2)
    taken = take_all(pages)
    got = []

    async def wants():
        got.append(await pages.alloc(GFP_KERNEL))

    async def frees():
        for page in taken[:5]:
            await pages.free(page)

    machine = Machine()
    machine.spawn("wants", wants, cpu=0)
    machine.spawn("frees", frees, cpu=0)
    machine.run()
    assert got[0] in taken[:5]
    pages.check()


@pytest.mark.parametrize("gfp, order", [
    (GFP_KERNEL, 10), (GFP_KERNEL | DMA, 0), (GFP_ATOMIC | DMA, 0), (GFP_ATOMIC, 99)])
def test_what_this_memory_can_never_have_is_refused_not_waited_for(gfp, order):
    pages = small(64)
    assert pages.alloc(gfp, order) is None
    assert pages.take(gfp, order) is None


# == Direct reclaim and the page that it keeps =======================================================


def rounds_of_reclaim(order_of_attempts, turns):
    """How often A must reclaim if B, on the other CPU, comes after so many turns and takes all that is free."""
    pages = Pages(zones=[Zone("NORMAL", 0, 16, pages_min=0)], attempts=order_of_attempts)
    taken = list(iter(lambda: attempts.walk(attempts.nothing, pages, NORMAL, 0), None))
    rounds = []

    async def reclaim(gfp, order):
        rounds.append(traps.current.flags & PF_MEMALLOC)
        await pages.free(taken.pop())
        await pages.free(taken.pop())
        return 2

    async def reclaims():
        return await pages.alloc(GFP_KERNEL)

    async def takes_all():
        while attempts.walk(attempts.nothing, pages, NORMAL, 0) is not None:
            pass

    pages.reclaim = reclaim
    machine = Machine()
    task = machine.spawn("A", reclaims)
    machine.spawn("B", takes_all)
    machine.run("A" * turns + "B")
    assert task.result is not None and all(rounds) and task.flags == 0 and not pages.kept
    pages.check()
    return len(rounds)


def test_the_first_page_freed_in_direct_reclaim_is_kept_for_the_task():
    """A: LOW, KSWAPD, MINIMUM, RECLAIM, FREE, FREE.  Whenever B comes, one round is enough."""
    assert [rounds_of_reclaim(LINUX_2_5_1, turns) for turns in range(7)] == [1] * 7


def test_since_october_2002_anybody_may_take_what_a_task_reclaims():
    """B comes right after the second free, and A has worked for nothing."""
    assert [rounds_of_reclaim(LINUX_2_5_45, turns) for turns in range(7)] == [1] * 6 + [2]


def test_what_is_kept_and_does_not_fit_goes_back_to_everybody():
    """A task that wants one page frees pairs: the first pair is kept until reclaim ends, then free for all."""
    pages = Pages(zones=[Zone("NORMAL", 0, 16, pages_min=0)])
    pairs = list(iter(lambda: attempts.walk(attempts.nothing, pages, NORMAL, 1), None))
    free = []

    async def reclaim(gfp, order):
        for page in pairs[:3]:
            await pages.free(page, 1)
            free.append(pages.free_pages)
        return 6

    pages.reclaim = reclaim
    assert pages.alloc(GFP_KERNEL, 0) in range(16)
    assert free == [0, 2, 4]
    assert pages.free_pages == 6 - 1
    pages.check()


def test_what_is_kept_is_not_handed_over_if_reclaim_says_that_it_freed_nothing():
    pages = Pages(zones=[Zone("NORMAL", 0, 4, pages_min=0, max_order=2)])
    taken = take_all(pages)
    rounds = []

    async def reclaim(gfp, order):
        rounds.append(pages.free_pages)
        await pages.free(taken.pop())
        return 0

    pages.reclaim = reclaim
    assert pages.alloc() is not None
    assert rounds == [1], "given back, the page was free for the walk that follows, as for everybody"


def test_a_failing_reclaim_leaves_no_trace_on_the_task():
    pages = small(16)
    take_all(pages)

    async def reclaim(gfp, order):
        raise BadInput("the disk is on fire")

    pages.reclaim = reclaim

    async def body():
        with pytest.raises(BadInput):
            await pages.alloc()
        return traps.current.flags

    machine = Machine()
    task = machine.spawn("A", body)
    machine.run()
    assert task.result == 0 and not pages.kept


# == What later releases changed =====================================================================


def left_after(order_of_attempts, gfp, pages_min=64):
    """How many free pages there are when such requests are refused."""
    pages = Pages(zones=[Zone("NORMAL", 0, 512, pages_min=pages_min)], attempts=order_of_attempts)
    while pages.try_alloc(gfp) is not None:
        pass
    return pages.free_pages - 1


def test_how_deep_an_atomic_request_digs():
    assert left_after(LINUX_2_5_1, GFP_ATOMIC) == 64 // 4
    assert left_after(LINUX_2_5_1, 0) == 64 // 4, "in 2.5.1 not waiting alone is enough"
    assert left_after(JULY_2002, HIGH) == 64 // 4
    assert left_after(JULY_2002, 0) == 64, "since July 2002 it is the flag HIGH that counts"
    assert left_after(LINUX_2_6_12, HIGH) == 64 * 3 // 8
    assert left_after(LINUX_2_6_12, 0) == 64 * 3 // 4


def exhausted(order_of_attempts):
    pages = Pages(zones=[Zone("NORMAL", 0, 16, pages_min=4)], attempts=order_of_attempts)
    take_all(pages)
    return pages


def test_since_2005_nomemalloc_gives_up_the_last_page():
    for order_of_attempts, gets in ((LINUX_2_5_1, True), (LINUX_2_6_12, False)):
        pages = exhausted(order_of_attempts)
        page = as_memalloc(lambda pages=pages: pages.try_alloc(NOMEMALLOC))
        assert (page is not None) == gets
        assert as_memalloc(pages.try_alloc) is not None


def test_since_2003_noretry_is_told_no_after_one_round_and_nofail_never():
    pages = exhausted(LINUX_2_6_12)
    steps = labels(pages, lambda pages: pages.alloc(WAIT | NORETRY))
    assert steps[-3:] == ["RECLAIM_FOR_ALL", "MINIMUM_2_6", "NO_RETRY"]
    with pytest.raises(WouldSleepForever):
        pages.alloc(WAIT)
    with pytest.raises(WouldSleepForever):
        pages.alloc(WAIT | NOFAIL, 4)
    assert pages.alloc(WAIT, 4) is None


@pytest.mark.parametrize("order_of_attempts", [LINUX_2_5_1, JULY_2002, LINUX_2_5_45, LINUX_2_6_12])
def test_whoever_may_not_wait_is_answered_before_anything_sleeps(order_of_attempts):
    assert attempts.not_waiting in order_of_attempts.instant
    assert not any(attempt.sleeps for attempt in order_of_attempts.instant)


def test_every_attempt_says_in_a_sentence_what_it_does():
    everything = [thing for thing in vars(attempts).values() if isinstance(thing, Attempt)]
    assert len(everything) >= 12
    for attempt in everything:
        assert attempt.__doc__.rstrip().endswith("."), attempt


# == Each subtle line removed once ===================================================================


def order_with(replaced, by):
    def swap(part):
        return tuple(by if attempt is replaced else attempt for attempt in part)
    return Attempts("a worse one", swap(LINUX_2_5_1.once), swap(LINUX_2_5_1.again))


def test_without_cumulative_marks_dma_is_used_up_by_those_who_need_it_least():
    @Attempt
    def each_zone_by_itself(pages, gfp, order):
        """Take from any zone that stays above its own low mark."""
        for zone in pages.zonelists[gfp & 3]:
            if zone.free_pages > zone.pages_low + (1 << order):
                return zone.take(order)

    left = {}
    for order_of_attempts in (LINUX_2_5_1, order_with(attempts.low, each_zone_by_itself)):
        pages = Pages(64 * MB, attempts=order_of_attempts)
        while not pages.zones[1].need_balance:
            pages.take(NORMAL)
        left[order_of_attempts.release] = pages.zones[0].free_pages
    assert left == {LINUX_2_5_1.release: 192 + 64 + 1, "a worse one": 64 + 1}


def test_without_the_no_to_those_who_free_memory_reclaim_enters_itself():
    """MEMALLOC's no is what ends the recursion: to free memory it allocates, and that must not reclaim again."""
    @Attempt
    def pass_on(pages, gfp, order):
        """Whoever frees memory goes on like everybody."""

    depths = {}
    for order_of_attempts in (LINUX_2_5_1, order_with(attempts.memalloc, pass_on)):
        pages = Pages(zones=[Zone("NORMAL", 0, 16, pages_min=4)], attempts=order_of_attempts)
        taken = list(iter(lambda pages=pages: attempts.walk(attempts.nothing, pages, NORMAL, 0), None))
        inside = []

        async def reclaim(gfp, order, pages=pages, taken=taken, inside=inside):
            inside.append(len(inside) + 1)
            if len(inside) < 5:
                await pages.alloc(GFP_NOIO)         # a bio for the page that it writes out
            while taken:
                await pages.free(taken.pop())
            return 16

        pages.reclaim = reclaim
        pages.alloc(GFP_KERNEL)
        depths[order_of_attempts.release] = inside[-1]
    assert depths == {LINUX_2_5_1.release: 1, "a worse one": 5}


# == Around it =======================================================================================


def test_a_copied_allocator_goes_its_own_way():
    pages = Pages(32 * MB, zone=PerCpuZone)
    first = pages.take()
    copy = pickle.loads(pickle.dumps(pages))
    copy.put(first)
    with pytest.raises(Corruption):
        copy.put(first)
    pages.put(first)
    assert copy.attempts.once == pages.attempts.once, "attempts are known by name, not copied"
    copy.check()


@pytest.mark.parametrize("page", [None, "a", -1, 64, 10 ** 12, 3.5])
def test_a_foreign_page_is_refused(page):
    with pytest.raises(Corruption, match="not a page of this memory|not among the pages"):
        small(64).put(page)


def test_a_page_between_two_zones_is_refused():
    pages = Pages(zones=[Zone("DMA", 0, 4, max_order=2), Zone("NORMAL", 8, 4, max_order=2)])
    with pytest.raises(Corruption, match="6 is not among the pages 8 to 11"):
        pages.put(6)


@pytest.mark.parametrize("arguments", [{}, {"pages": 4, "zones": []}, {"pages": 0}, {"pages": -4}, {"zones": []},
                                       {"zones": [Zone("MINE", 0, 8)]},
                                       {"zones": [Zone("DMA", 0, 8, max_order=2), Zone("NORMAL", 4, 8, max_order=2)]}])
def test_senseless_memories_are_refused(arguments):
    with pytest.raises(BadInput):
        Pages(**arguments)


def test_a_negative_order_is_refused():
    for call in (Pages(4 * MB).take, Pages(4 * MB).alloc, Pages(4 * MB).try_alloc):
        with pytest.raises(BadInput, match="orders start at 0"):
            call(GFP_KERNEL, -1)


def test_what_was_written_after_the_free_is_found_when_the_page_is_taken_again():
    pages = Pages(4 * MB, zone=JunkZone)
    block = pages.take(NORMAL, 2)
    pages.fill(block + 1, "mine")
    assert pages.read(block + 1) == "mine" and pages.read(block) is None
    pages.put(block, 2)
    pages.fill(block + 1, "still mine")
    with pytest.raises(Corruption, match=f"page {block + 1} was written to after it had been freed"):
        pages.take(NORMAL, 2)


def test_pages_can_be_written_to_without_junk():
    pages = small()
    page = pages.take()
    pages.fill(page, 0x5A)
    pages.put(page)
    assert pages.read(page) == 0x5A
    with pytest.raises(Corruption):
        pages.fill(64, 1)


def test_no_is_no_page():
    assert NO not in range(1 << 20)
