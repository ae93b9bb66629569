"""Caches of objects: arrays of the CPUs, constructors, errors, failures at every point, and several CPUs at once."""

import random

import pytest
from test_slab_model import few_pages, on_cpu

from kit import traps
from kit.errors import BadInput, Corruption
from kit.gfp import DMA, GFP_ATOMIC, GFP_KERNEL, HIGHMEM, PF_MEMALLOC
from kit.machine.core import Machine
from kit.machine.explore import explore
from kit.memory.failing import Failing, nth, seeded
from kit.memory.kmalloc import CacheChain, Kmalloc
from kit.memory.mempool import Mempool
from kit.memory.slab import Cache
from kit.memory.slab_checks import POISON
from kit.memory.zones import PAGE_SIZE, Pages
from kit.trace import watch
from kit.traps import step


def cache_of_four(limit=0, pages=None, **options):
    """1,000-byte objects: four to a page."""
    return Cache("thing", 1000, pages or few_pages(), limit=limit, **options)


# == An object and its address ======================================================================


def test_an_object_is_page_number_times_4096_plus_offset():
    cache = cache_of_four()
    first, second = cache.take(), cache.take()
    page = first // PAGE_SIZE
    assert cache.slabs.by_page[page].pfn == page
    assert (first % PAGE_SIZE, second - first) == (cache.geometry.front, 1000)


def test_the_object_freed_last_is_taken_first():
    """It is the one most likely to be in the processor's cache still."""
    for limit in (0, 8):
        cache = cache_of_four(limit)
        objects = [cache.take() for _ in range(6)]
        for obj in objects:
            cache.put(obj)
        assert cache.take() == objects[-1]


def test_page_zero_is_a_page_and_address_zero_an_object():
    cache = Cache("large", 4096, few_pages(2), limit=0)
    with on_cpu(0):
        traps.current.flags = PF_MEMALLOC       # to the last page
        assert [cache.take(), cache.take(), cache.take()] == [4096, 0, None]
    cache.put(0)
    assert cache.alloc() == 0
    cache.free(0)
    cache.check()


def test_partial_slabs_are_used_up_before_free_ones():
    """So free slabs remain, and can be given back.  Taking from free slabs first, none would."""
    def free_slabs_after(take_from_free_first):
        cache = cache_of_four(pages=few_pages())
        if take_from_free_first:
            lists = cache.slabs
            lists._unlink_with_room = lambda: lists.free.pop() if lists.free else (
                lists.partial.popitem()[1] if lists.partial else None)
        objects = [cache.take() for _ in range(32)]             # eight slabs
        for number, obj in enumerate(objects):
            if number % 8 != 0:                                 # every second slab keeps one object
                cache.put(obj)
        kept = [cache.take() for _ in range(4)]
        assert len(kept) == 4
        return len(cache.slabs.free)

    assert (free_slabs_after(False), free_slabs_after(True)) == (4, 0)


def test_the_first_of_two_new_slabs_is_used_first():
    """Two CPUs that grow at once: the one whose slab came first finds it at the head of the list."""
    cache = cache_of_four()
    pages = [cache.pages.take() for _ in range(2)]
    for page in pages:
        cache.grow_with(page)
    assert [cache.take() // PAGE_SIZE for _ in range(8)] == [page for page in pages for _ in range(4)]


def test_the_slab_that_has_been_free_for_longest_is_given_back():
    """The others are more likely to lie in the processor's cache."""
    cache = cache_of_four()
    objects = [cache.take() for _ in range(12)]
    for obj in objects:
        cache.put(obj)
    assert cache.release(1) == 1
    freed = objects[0] // PAGE_SIZE
    assert freed not in cache.slabs.by_page and len(cache.slabs.by_page) == 2


def test_colours_go_round():
    cache = Cache("coloured", 160, few_pages(), align=True, limit=0)
    assert cache.geometry.colours == 4
    firsts = [[cache.take() for _ in range(24)][0] for _ in range(9)]
    front = cache.geometry.front
    assert [address % PAGE_SIZE - front for address in firsts] == [0, 32, 64, 96, 0, 32, 64, 96, 0]


def test_colours_spread_equal_fields_over_the_lines_of_a_processor_cache():
    """The first objects of many slabs: with one colour they all fall on the same line of a 4 KB direct-mapped cache."""
    def lines_used(geometry_of):
        cache = Cache("coloured", 160, Pages(4096), align=True, limit=0)
        cache.geometry = geometry_of(cache.geometry)
        firsts = [[cache.take() for _ in range(24)][0] for _ in range(32)]
        return len({address % 4096 // 32 for address in firsts})

    def colourless(layout):
        return type(layout)(*(1 if field == "colours" else getattr(layout, field) for field in layout.__slots__))

    assert (lines_used(colourless), lines_used(lambda layout: layout)) == (1, 4)


# == The array of a CPU =============================================================================


def test_a_cpu_refills_by_the_batch_and_overflows_by_the_batch():
    cache = Cache("small", 64, few_pages())         # limit 252, batch 126
    objects = [cache.take() for _ in range(400)]
    cache.drain()

    def locks(action, times):
        before = cache.lock.acquisitions
        for _ in range(times):
            action()
        return cache.lock.acquisitions - before, len(cache.arrays[0])

    def put():
        cache.put(objects.pop())

    def take():
        objects.append(cache.take())

    assert locks(put, 252) == (0, 252)
    assert locks(put, 1) == (1, 252 - 126 + 1)
    assert locks(take, 127) == (0, 0)
    assert locks(take, 1) == (1, 126 - 1)
    assert None not in objects
    cache.check()


def test_what_overflows_is_the_top_of_the_array():
    """As in 2.5.1: the batch freed last goes back to the slabs, the objects that lay longest stay."""
    cache = cache_of_four(limit=4)
    objects = [cache.take() for _ in range(8)]
    cache.drain()
    for obj in objects[:5]:
        cache.put(obj)
    assert cache.arrays[0] == [objects[0], objects[1], objects[4]]


def test_the_global_lock_is_visited_once_in_half_a_limit_at_worst():
    """One CPU takes all the time, another one frees what it took: the worst case for arrays."""
    cache = Cache("passed on", 64, Pages(4096))

    def pass_on(times):
        for _ in range(times):
            with on_cpu(0):
                obj = cache.take()
            with on_cpu(1):
                cache.put(obj)

    pass_on(1000)
    before = cache.lock.acquisitions
    pass_on(1260)
    assert cache.lock.acquisitions - before == 2 * 1260 // 126
    cache.check()


def test_objects_in_the_array_of_another_cpu_are_out_of_reach():
    cache = cache_of_four(limit=8, pages=few_pages(2))     # the last page is for PF_MEMALLOC
    with on_cpu(0):
        objects = [cache.take() for _ in range(4)]
        for obj in objects:
            cache.put(obj)
    with on_cpu(1):
        assert cache.take() is None
    assert cache.slabinfo().active_objects == 4     # as the kernel counts them
    cache.drain()
    with on_cpu(1):
        assert cache.take() in objects


def test_the_prompt_uses_the_array_of_cpu_0():
    cache = cache_of_four(limit=8)
    obj = cache.take()
    cache.put(obj)
    with on_cpu(0):
        assert cache.take() == obj


def test_no_array_above_a_page():
    cache = Cache("large", 5000, few_pages())
    cache.put(cache.take())
    assert (cache.limit, cache.arrays) == (0, [[]])
    cache.check()


# == Constructors and checks ========================================================================


def test_what_a_constructor_built_survives_being_freed():
    """Bonwick's point: it is called for each object of a new slab, however often objects are taken."""
    built = []
    cache = cache_of_four(limit=8, constructor=lambda address: built.append(address) or ["a list head"])
    for _ in range(100):
        obj = cache.take()
        assert cache.read(obj) == ["a list head"]
        cache.put(obj)
    assert len(built) == cache.geometry.objects
    cache.shrink()
    assert cache.memory == {}
    cache.take()
    assert len(built) == 2 * cache.geometry.objects


def test_without_a_check_a_stale_address_hurts_the_next_user_in_silence():
    cache = cache_of_four(constructor=lambda address: 0)
    stale = cache.take()
    cache.put(stale)
    cache.fill(stale, "garbage")
    assert cache.read(cache.take()) == "garbage"


def test_a_checked_cache_catches_use_after_free():
    cache = cache_of_four(checked=True)
    obj = cache.take()
    assert cache.read(obj) == POISON
    cache.fill(obj, "mine")
    cache.put(obj)
    assert cache.take() == obj          # to write into one's own object is what it is for
    cache.put(obj)
    cache.fill(obj, "still mine")
    with pytest.raises(Corruption, match=r"use after free: object 0 of the slab at page \d+ of thing .*'still mine'"):
        cache.take()
    cache.check()
    assert cache.take() == obj          # mended


def test_a_checked_cache_wants_objects_back_as_they_were_constructed():
    cache = cache_of_four(checked=True, constructor=lambda address: "unlocked")
    obj = cache.take()
    cache.fill(obj, "locked")
    with pytest.raises(Corruption, match="holding 'locked', but .* holding 'unlocked'"):
        cache.put(obj)
    cache.check()
    cache.fill(obj, "unlocked")
    cache.put(obj)
    cache.check()


# == What is refused, and how it is said =============================================================


@pytest.mark.parametrize("limit", [0, 8])
def test_what_is_not_in_use_cannot_be_freed(limit):
    chain = CacheChain(few_pages())
    cache = chain.create("thing", 1000, limit=limit)
    other = chain.create("other", 1000, limit=limit)
    obj, stranger = cache.take(), other.take()
    for wrong, sentence in [
        (obj + 8, rf"no object begins there. It lies inside object \d, which begins at {obj}"),
        (obj // PAGE_SIZE * PAGE_SIZE, r"The objects of the slab at page \d+ of thing begin at"),
        (stranger, r"it lies in a slab at page \d+ of other. Free it there: other.put"),
        (PAGE_SIZE * 3, "page 3 belongs to no slab that thing knows of"),
        (None, "freed by its address, an int"),
        ([obj], "freed by its address, an int"),
    ]:
        with pytest.raises(Corruption, match=sentence):
            cache.put(wrong)
        chain.check()
    cache.put(obj)
    with pytest.raises(Corruption, match=r"double free: prompt frees object \d of the slab"):
        cache.put(obj)
    with pytest.raises(Corruption, match="double free"):
        cache.free(obj)
    chain.check()


def test_a_double_free_that_nobody_catches_gives_one_object_to_two():
    """What the set of live objects is for."""
    cache = cache_of_four(limit=8)
    obj = cache.take()
    cache.put(obj)
    cache.live.add(obj)         # as if nobody had looked
    cache.put(obj)
    assert cache.take() == cache.take()


def test_slab_objects_do_not_lie_in_high_memory_nor_by_chance_in_dma_memory():
    cache = cache_of_four()
    with pytest.raises(BadInput, match="high memory"):
        cache.take(GFP_ATOMIC | HIGHMEM)
    with pytest.raises(BadInput, match="gfp=DMA"):
        cache.alloc(GFP_KERNEL | DMA)
    cache.check()


# == When there are no pages =========================================================================


def test_no_page_no_object():
    cache = cache_of_four(pages=few_pages(2))        # the last page is for PF_MEMALLOC
    objects = [cache.take() for _ in range(4)]
    assert None not in objects
    assert cache.take() is None and cache.try_alloc() is None
    cache.put(objects[0])
    assert cache.try_alloc() == objects[0]


def test_alloc_sleeps_only_where_the_pages_do():
    assert traps.sleeps(Cache.alloc) and not traps.sleeps(Cache.try_alloc) and not traps.sleeps(Cache.free)


def mixed_workload(pages, seed, rounds):
    """Take and put from five caches on three CPUs, one of them off-slab, one of order 1."""
    rng, kmalloc = random.Random(seed), Kmalloc(pages, limit=4)
    caches = [kmalloc.cache(size) for size in (32, 512, 1024)]
    caches += [kmalloc.chain.create("odd", 700, limit=3), kmalloc.chain.create("big", 3072, limit=0)]
    held = []
    for _ in range(rounds):
        with on_cpu(rng.randrange(3)):
            cache = rng.choice(caches)
            if rng.random() < 0.6:
                held += [(cache, obj) for _ in range(rng.randrange(20)) if (obj := cache.take()) is not None]
            else:
                for _ in range(min(len(held), rng.randrange(12))):
                    cache, obj = held.pop(rng.randrange(len(held)))
                    cache.put(obj)
            if rng.random() < 0.1:
                kmalloc.chain.reap()
        conserved(kmalloc.chain, held)
    return kmalloc.chain, held


def conserved(chain, held):
    """Counted after every operation: objects in use + in arrays + free in slabs = slabs * objects, and the pages."""
    headers = sum(cache.headers is not None and len(cache.slabs) for cache in chain.caches)
    assert sum(len(cache.live) for cache in chain.caches) == len(held) + headers
    for cache in chain.caches:
        in_arrays = sum(map(len, cache.arrays))
        in_slabs = sum(map(len, cache.slabs.stacks.values()))
        assert len(cache.live) + in_arrays + in_slabs == len(cache.slabs) * cache.geometry.objects
    assert chain.pages_held + chain.pages.free_pages == chain.pages.total_pages


def give_everything_back(chain, held):
    for cache, obj in held:
        cache.put(obj)
    for cache in reversed(chain.caches):    # those with headers first, then the caches that these lie in
        cache.shrink()
    chain.check()
    chain.pages.check()
    assert chain.pages_held == 0 and chain.pages.free_pages == chain.pages.total_pages


def test_nothing_is_lost_wherever_a_page_is_refused():
    """Every single page that the workload asks for is refused once, in a run of its own."""
    asked = Failing(few_pages(256), nth(10**9))
    give_everything_back(*mixed_workload(asked, seed=1, rounds=60))
    points = asked.fails.seen
    assert points > 30
    for point in range(1, points + 1):
        pages = Failing(few_pages(256), nth(point))
        give_everything_back(*mixed_workload(pages, seed=1, rounds=60))
        assert pages.failed == 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_lost_in_long_runs_on_little_memory(seed):
    """Here the page allocator says no by itself, and is made to say it more often still."""
    chain, held = mixed_workload(Failing(few_pages(64), seeded(0.2, seed)), seed, rounds=4000)
    assert chain.pages.failed > 100
    give_everything_back(chain, held)


# == Several CPUs ===================================================================================


async def user(cache, rounds, takes, got):
    """Take some, step, give them back; a refusal is taken for an answer."""
    for _ in range(rounds):
        mine = []
        for _ in range(takes):
            obj = await cache.try_alloc(GFP_ATOMIC)
            if obj is not None:
                assert obj not in got
                got.add(obj)
                mine.append(obj)
        await step("use them")
        for obj in mine:
            got.discard(obj)
            await cache.free(obj)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [1000, 1364])      # data on the slab, and off it
def test_whatever_the_schedule_nothing_is_lost(size, seed):
    chain = Kmalloc(few_pages(6), limit=2).chain
    cache = chain.create("thing", size, limit=2)
    machine, rng, got = Machine(), random.Random(seed), set()
    for number in range(4):
        machine.spawn(f"user{number}", user, cache, 3, 5, got)

    def pick(options):
        chain.check()
        return rng.choice(options)

    machine.run(pick=pick)
    give_everything_back(chain, [])


def test_the_new_slab_may_be_gone_before_its_grower_looks_again():
    """B empties A's new slab between A's growing and A's second look; then A grows once more."""
    cache = cache_of_four()
    machine = Machine()

    async def a():
        return await cache.alloc()

    async def b():
        await step("wait for A's slab")
        return [cache.take() for _ in range(4)]

    first, second = machine.spawn("A", a), machine.spawn("B", b)

    def pick(options):
        waiting_for_a = cache.grown == 0 and first in options
        return first if waiting_for_a or second not in options else second

    machine.run(pick=pick)
    assert first.result is not None and first.result not in second.result
    assert cache.grown == 2
    cache.check()


def test_the_reaper_passes_over_a_slab_that_has_just_come():
    """Else the page goes back before whoever asked for it has had a look."""
    def pages_asked_for(passes_over):
        chain = CacheChain(Failing(few_pages(), nth(10**9)))
        cache = chain.create("thing", 1000, limit=0)

        async def reap_once():
            await step("reap")
            cache.grown_lately &= passes_over
            chain.reap()

        machine = Machine()
        grower, reaper = machine.spawn("grower", cache.alloc), machine.spawn("reaper", reap_once)
        machine.run(pick=lambda options: reaper if cache.grown and not reaper.finished else options[0])
        assert grower.result is not None
        return chain.pages.fails.seen

    assert (pages_asked_for(True), pages_asked_for(False)) == (1, 2)


def test_a_task_abandoned_while_it_grows_loses_no_page():
    """Off-slab growing asks twice; wherever the task is left, the first answer is not lost."""
    stopped_growing = 0
    for turns in range(40):
        chain = Kmalloc(few_pages(), limit=0).chain
        cache = chain.create("off the slab", 1364, limit=0)
        assert cache.headers is not None
        machine = Machine()
        task = machine.spawn("A", cache.alloc)
        for _ in range(turns):
            if machine.options():
                machine.turn(machine.options()[0])
        stopped_growing += chain.pages.free_pages < 16 and not task.finished
        machine.close()
        if task.finished:
            cache.put(task.result)
        give_everything_back(chain, [])
    assert stopped_growing >= 2


@pytest.mark.parametrize("off_slab", [False, True])
def test_in_every_schedule_nothing_is_lost(off_slab):
    """Two tasks share what one slab holds; check() holds in every state, its data on the slab or off it."""
    def story(machine):
        if off_slab:
            cache = Kmalloc(few_pages(4), limit=0).cache(512)
        else:
            cache = cache_of_four(limit=2, pages=few_pages(2))

        async def borrower():
            mine = [obj for _ in range(2 if off_slab else 3) if (obj := await cache.try_alloc()) is not None]
            for obj in mine:
                await cache.free(obj)

        for name in "AB":
            machine.spawn(name, borrower)

    result = explore(story)
    assert result.verdict == "none" and result.exhaustive, str(result)


# == With the rest of the kit =======================================================================


def test_a_mempool_stands_on_a_cache():
    cache = cache_of_four(limit=8)
    pool = Mempool(2, cache)
    objects = [pool.alloc() for _ in range(10)]
    for obj in objects:
        pool.free(obj)
    pool.check()
    cache.check()
    assert len(cache.live) == 2


def test_the_trail_tells_of_slabs_that_come_and_go():
    cache = cache_of_four()
    with watch() as trail:
        cache.free(cache.alloc())
        cache.shrink()
    page = cache.pages.total_pages - 1
    assert [str(event) for event in trail if cache.name in str(event)] == [
        "step take a thing", f"grow thing page={page} colour=0", "step take a thing", "step free a thing",
        "reap thing slabs=1"]


def test_check_notices_a_lost_object_and_a_doubled_one():
    cache = cache_of_four(limit=8)
    obj = cache.take()
    cache.live.remove(obj)
    with pytest.raises(AssertionError, match=r"0 objects in use \+ 3 in arrays \+ 0 free in slabs, but 1 slabs \* 4"):
        cache.check()
    cache.live.add(cache.arrays[0][0])
    with pytest.raises(AssertionError, match="two places at once"):
        cache.check()
