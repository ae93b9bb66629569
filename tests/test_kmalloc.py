"""Memory by the byte, and the reaper that goes round the caches."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_slab_model import few_pages, on_cpu

from kit.errors import BadInput, Corruption
from kit.gfp import DMA, GFP_ATOMIC, GFP_KERNEL
from kit.machine.core import Machine
from kit.memory.kmalloc import SIZES, CacheChain, Kmalloc, size_class
from kit.memory.mempool import Mempool
from kit.memory.zones import MB, Pages


def test_the_classes():
    assert SIZES == (32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072)
    names = [line.name for line in Kmalloc(Pages(64 * MB)).chain.slabinfo()]
    assert names[:3] == ["size-131072(DMA)", "size-131072", "size-65536(DMA)"]
    assert names[-2:] == ["size-32(DMA)", "size-32"] and len(names) == 26


@given(st.integers(0, 131072))
def test_the_smallest_class_that_holds_it(size):
    assert size_class(size) == min(each for each in SIZES if each >= size)


def test_every_class_gives_memory_and_takes_it_back():
    kmalloc = Kmalloc(Pages(64 * MB))
    objects = [kmalloc.take(size, gfp) for size in SIZES for gfp in (GFP_ATOMIC, GFP_KERNEL | DMA)]
    objects += [kmalloc.alloc(size) for size in SIZES] + [kmalloc.try_alloc(size) for size in SIZES]
    assert None not in objects and len(set(objects)) == 4 * len(SIZES)
    kmalloc.check()
    for obj in objects[::2]:
        kmalloc.put(obj)
    for obj in objects[1::2]:
        kmalloc.free(obj)
    kmalloc.check()
    for cache in reversed(kmalloc.chain.caches):
        cache.shrink()
    assert kmalloc.chain.pages_held == 0


def test_dma_memory_lies_where_isa_devices_reach():
    kmalloc = Kmalloc(Pages(64 * MB))
    for size in SIZES:
        assert kmalloc.dma[size].take() < 16 << 20      # whether or not the caller says so
        assert kmalloc.take(size, GFP_ATOMIC | DMA) < 16 << 20
        assert kmalloc.take(size, GFP_ATOMIC) >= 16 << 20


def test_a_slab_that_keeps_its_data_elsewhere_holds_two_objects():
    """The data of a slab of size-512 (24 + 8 * 4 bytes, in a line: 64) are an object of size-64."""
    kmalloc = Kmalloc(Pages(64 * MB), limit=0)
    obj = kmalloc.take(512)
    assert kmalloc.cache(512).headers is kmalloc.cache(64)
    assert len(kmalloc.cache(64).live) == 1
    kmalloc.put(obj)
    kmalloc.cache(512).shrink()
    assert len(kmalloc.cache(64).live) == 0
    kmalloc.check()


def test_the_data_of_a_slab_in_dma_memory_need_not_lie_there():
    kmalloc = Kmalloc(Pages(64 * MB), limit=0)
    kmalloc.put(kmalloc.take(512, GFP_ATOMIC | DMA))
    kmalloc.free(kmalloc.alloc(512, GFP_KERNEL | DMA))
    assert [header >= 16 << 20 for header in kmalloc.cache(64).live] == [True]
    assert not kmalloc.cache(64, DMA).live


def test_too_large_and_unknown():
    kmalloc = Kmalloc(few_pages())
    with pytest.raises(BadInput, match="up to 131,072 bytes, not 131,073"):
        kmalloc.take(131073)
    for wrong in (12345, None, "bio"):
        with pytest.raises(Corruption, match="kmalloc, which has no memory there"):
            kmalloc.put(wrong)
        with pytest.raises(Corruption, match="kmalloc, which has no memory there"):
            kmalloc.free(wrong)
    assert kmalloc.take(131072) is None     # 16 pages in all: as if there were none


def test_two_caches_of_one_name_are_refused():
    chain = CacheChain(few_pages())
    chain.create("bio", 56)
    with pytest.raises(BadInput, match="a cache bio already"):
        chain.create("bio", 64)


def test_a_pool_of_kmalloc_memory():
    """raid1 has one: 256 structs, each from kmalloc."""
    kmalloc = Kmalloc(Pages(64 * MB))
    pool = Mempool(256, kmalloc.cache(96))
    obj = pool.alloc()
    pool.free(obj)
    pool.check()
    kmalloc.check()


def test_inside_a_task_the_calls_are_awaited():
    kmalloc = Kmalloc(Pages(64 * MB))

    async def task():
        obj = await kmalloc.alloc(600)
        await kmalloc.free(obj)
        atomic = await kmalloc.try_alloc(600, GFP_ATOMIC)
        return obj, atomic

    machine = Machine()
    done = machine.spawn("task", task)
    machine.run()
    assert done.result[0] == done.result[1]
    assert kmalloc.cache(600).name == "size-1024"


# == The reaper =====================================================================================


def chain_with_free_slabs(*slabs, **options):
    """A chain of caches of one-page slabs that have so many free slabs each, oldest first."""
    chain = CacheChain(Pages(64 * MB))
    for number, count in enumerate(slabs):
        cache = chain.create(f"cache{number}", 1000, limit=0, **options)
        for obj in [cache.take() for _ in range(4 * count)]:
            cache.put(obj)
        cache.grown_lately = False
    return chain


def free_slabs(chain):
    return [len(cache.slabs.free) for cache in chain.caches]


def test_half_of_the_free_slabs_of_the_best_cache():
    chain = chain_with_free_slabs(3, 7, 5)
    assert chain.reap() == 4 and free_slabs(chain) == [3, 3, 5]
    assert chain.reap() == 3 and free_slabs(chain) == [3, 3, 2]
    assert [chain.reap() for _ in range(7)] == [2, 2, 1, 1, 1, 1, 0]
    chain.check()


def test_ten_freeable_pages_are_enough_to_stop_looking():
    chain = chain_with_free_slabs(30, 2, 10, 4)
    assert chain.reap() == 5 and free_slabs(chain) == [30, 2, 5, 4]      # newest first: 4, 10, stop
    assert chain.reap() == 15 and free_slabs(chain) == [15, 2, 5, 4]     # the hand went on: 2, 30, stop


def test_ten_caches_a_round():
    chain = chain_with_free_slabs(9, *[0] * 10, 1)
    assert chain.reap() == 1        # the newest, and nine empty ones
    assert chain.reap() == 5        # the other one, and then the oldest
    assert chain.hand == 4


def test_a_cache_is_looked_at_once_a_round():
    chain = chain_with_free_slabs(4, 0)
    chain.caches[0].grown_lately = True
    assert (chain.reap(), chain.reap()) == (0, 2)


def test_constructors_and_large_blocks_make_a_cache_worth_less():
    """Eight pages are worth (8 * 4 + 1) // 5 = 6, and if both hold, (6 * 4 + 1) // 5 = 5."""
    chain = chain_with_free_slabs(8)
    cache = chain.caches[0]
    assert chain._worth(cache) == 8
    cache.constructor = lambda address: 0
    assert chain._worth(cache) == 6
    large = chain.create("large", 8192)
    for obj in [large.take() for _ in range(4)]:
        large.put(obj)
    large.grown_lately = False
    assert chain._worth(large) == 6
    large.constructor = lambda address: 0
    assert chain._worth(large) == 5


def test_the_reaper_empties_the_array_of_its_own_cpu_only():
    chain = CacheChain(Pages(64 * MB))
    cache = chain.create("thing", 1000, limit=8)
    for cpu in (0, 1):
        with on_cpu(cpu):
            for obj in [cache.take() for _ in range(4)]:
                cache.put(obj)
    cache.grown_lately = False
    with on_cpu(1):
        assert chain.reap() == 1
    assert [len(array) for array in cache.arrays] == [4, 0]
    assert cache.shrink() == 1      # whereas shrinking reaches all
    chain.check()


def naive_reap(caches, hand):
    """The round of 2.5.1 over [(free slabs, dear, grown lately)], newest first: (who gives, how many, hand, flags)."""
    best, best_pages, flags = None, 0, [grown for _, _, grown in caches]
    scanned, start = 0, hand
    while best_pages < 10 and scanned < 10 and (scanned == 0 or hand != start):
        free, dear, grown = caches[hand]
        pages = 0 if grown else (free * 4 + 1) // 5 if dear else free
        if pages > best_pages:
            best, best_pages = hand, pages
        flags[hand] = False
        scanned, hand = scanned + 1, (hand + 1) % len(caches)
    return best, 0 if best is None else (caches[best][0] + 1) // 2, hand, flags


@pytest.mark.parametrize("seed", range(8))
def test_the_reaper_against_a_naive_one(seed):
    rng = random.Random(seed)
    chain = chain_with_free_slabs(*(rng.choice([0, 1, 2, 5, 9, 13, 20]) for _ in range(rng.choice([1, 3, 10, 14]))))
    for cache in chain.caches:
        cache.constructor = rng.choice([None, lambda address: 0])
    hand = 0
    for _ in range(25):
        for cache in chain.caches:
            cache.grown_lately |= rng.random() < 0.2
        newest_first = chain.caches[::-1]
        before = [(len(cache.slabs.free), bool(cache.constructor), cache.grown_lately) for cache in newest_first]
        best, count, hand, flags = naive_reap(before, hand)
        assert chain.reap() == count
        for number, cache in enumerate(newest_first):
            assert len(cache.slabs.free) == before[number][0] - (count if number == best else 0)
            assert cache.grown_lately == flags[number]
        chain.check()
