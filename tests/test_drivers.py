"""Drivers: published numbers, the order of what they take, and nothing lost when an allocation fails."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.drivers.bio import BVEC_SIZES, Bios, BlockDevice, Pageout, idle_bytes, scaled_pools, vec_pool
from kit.drivers.composite import Composite, part_of
from kit.drivers.highmem import ISA_GFP, Bounce
from kit.drivers.raid1 import Raid1
from kit.drivers.supply import SUPPLIES
from kit.gfp import GFP_ATOMIC, GFP_NOIO
from kit.machine.core import Machine
from kit.machine.disk import Disk
from kit.memory.failing import Failing, nth
from kit.memory.kmalloc import CacheChain, Kmalloc
from kit.memory.pagecache import PageCache
from kit.memory.promises import Refusing
from kit.memory.zones import MB, Pages, Zone
from kit.traps import yield_cpu

# == Published numbers =============================================================================


@pytest.mark.parametrize("megabytes, pools, bytes_", [
    (122, [244, 244, 244, 244, 122, 61], 638_000),      # the boot with 128 MB
    (28, [56, 28, 14, 7, 3, 1], 32_096),                # 32 MB
    (500, [256] * 6, 1_455_104),                        # 512 MB
])
def test_axboes_scaling_gives_what_he_printed(megabytes, pools, bytes_):
    assert scaled_pools(megabytes * MB) == pools
    assert idle_bytes(pools) == bytes_


def test_fourteen_megabytes_leave_nothing_for_the_longest():
    assert scaled_pools(14 * MB)[-2:] == [0, 0]


def test_the_pools_of_2_5_1_set_389_pages_aside():
    pages = Pages(64 * MB)
    chain = CacheChain(pages)
    Bios(SUPPLIES["mempool"](pages), chain)
    assert chain.pages_held == 389


@given(st.integers(1, 256))
def test_a_vector_is_of_the_next_size_up(pages):
    size = BVEC_SIZES[vec_pool(pages)]
    assert size >= pages and all(shorter < pages for shorter in BVEC_SIZES if shorter < size)


# == Taking and giving back ========================================================================


class Machinery:
    """A machine with one stack of drivers and its pools."""

    def __init__(self, supply="mempool", pages=None):
        self.machine = Machine()
        self.pages = pages or Pages(zones=[Zone("NORMAL", 0, 256, max_order=8), Zone("HIGHMEM", 256, 256, max_order=8)])
        self.chain = CacheChain(self.pages)
        self.kmalloc = Kmalloc(self.pages, self.chain)
        self.supply = SUPPLIES[supply](self.pages)
        self.bios = Bios(self.supply, self.chain, 8, (8,) * 6)
        self.cache = PageCache(self.pages)

    def disk(self, name="disk"):
        return BlockDevice(Disk(self.machine, name))

    def write(self, device, pages):
        """Write these pages in one request, and run until that is done."""
        top = Pageout(self.cache, device, self.bios, self.supply)
        self.machine.spawn("writer", top.write_and_wait, pages)
        self.machine.run()
        assert self.supply.name != "plain allocation" or not any(cache.live for cache in self.chain.caches)


@pytest.mark.parametrize("supply", list(SUPPLIES))
def test_a_write_through_every_layer_gives_all_back(supply):
    m = Machinery(supply)
    mirrors = [Bounce(m.disk(name), 256, m.bios, m.supply, m.pages, min_nr=16, name=f"bounce page of {name}")
               for name in ("one", "two")]
    raid = Raid1(mirrors, m.bios, m.supply, m.kmalloc, m.pages, min_nr=4)
    m.write(raid, [300 + n for n in range(16)])
    m.supply.check()
    for source in m.supply.sources:
        assert len(getattr(source, "elements", ())) == getattr(source, "min_nr", 0), f"{source} is full again"
        assert not getattr(source, "taken", ()), f"nothing of {source} is out"
    assert all(not task.holds for task in m.machine.tasks)


def test_a_write_fails_only_if_every_mirror_does():
    for bad, fails in (({"one"}, False), ({"one", "two"}, True)):
        m = Machinery()
        mirrors = [BlockDevice(Disk(m.machine, name), fails=lambda bio, name=name, bad=bad: name in bad)
                   for name in ("one", "two")]
        raid = Raid1(mirrors, m.bios, m.supply, m.kmalloc, m.pages, min_nr=4)
        bio = m.bios.alloc(pages=1)
        bio.pages, seen = [7], []

        async def end_io(bio, seen=seen):
            seen.append(bio.failed)

        bio.end_io = end_io
        m.machine.spawn("writer", raid.submit, bio)
        m.machine.run()
        m.machine.spawn("idle", _wait_for, m.machine, seen)
        m.machine.run()
        assert seen == [fails]


async def _wait_for(machine, seen):
    while not seen:
        await yield_cpu("has it ended?")


def test_isa_bounce_pages_from_the_pool_may_lie_where_the_card_cannot_reach():
    """The pool was filled with GFP_KERNEL; once DMA memory is used up, it hands out what it has."""
    pages = Pages(zones=[Zone("DMA", 0, 256, max_order=8, pages_min=0), Zone("NORMAL", 256, 256, max_order=8)])
    m = Machinery(pages=pages)
    bounce = Bounce(m.disk(), 256, m.bios, m.supply, pages, min_nr=16, gfp=ISA_GFP)
    while pages.zones[0].take(0) is not None:
        pass
    m.write(bounce, [300, 301])
    assert bounce.misplaced == 2


def test_the_bio_of_a_copy_for_an_isa_card_may_lie_anywhere():
    """Only the pages must lie within reach: the slab of bios grows for a copy from whatever memory there is."""
    pages = Pages(zones=[Zone("DMA", 0, 256, max_order=8), Zone("NORMAL", 256, 256, max_order=8)])
    m = Machinery(pages=pages)
    bounce = Bounce(m.disk(), 256, m.bios, m.supply, pages, min_nr=16, gfp=ISA_GFP)
    m.bios.bio_cache.put([*iter(m.bios.bio_cache.take_free, None)][-1])        # one is left, for the original
    m.write(bounce, [300, 301])
    assert bounce.bounced == 2


# == Composites ====================================================================================


@pytest.mark.parametrize("fails", range(1, 6))
def test_a_composite_that_fails_half_way_gives_back_what_it_had(fails):
    a, b = Refusing(2, "a"), Refusing(3, "b")
    failing = nth(fails)
    parts = Composite({"a": (Failing(a, failing), 2), "b": (Failing(b, failing), 3)})
    assert parts.try_alloc(GFP_ATOMIC) is None
    assert len(a.stock) == 2 and len(b.stock) == 3
    element = parts.try_alloc(GFP_ATOMIC)
    assert len(part_of(element, "b")) == 3 and a.stock == b.stock == []
    parts.free(element)
    assert len(a.stock) == 2 and len(b.stock) == 3


@pytest.mark.parametrize("supply", list(SUPPLIES))
def test_resync_copies_a_window_and_gives_the_buffer_back(supply):
    m = Machinery(supply)
    disks = [m.disk("one"), m.disk("two")]
    raid = Raid1(disks, m.bios, m.supply, m.kmalloc, m.pages, min_nr=8)
    raid.start_resync(nested=True, buffers=2)
    m.machine.spawn("resync", raid.resync)
    m.machine.run()
    assert [disk.disk.served for disk in disks] == [1, 1]
    assert all(not task.holds for task in m.machine.tasks)


# == Requests that are promised what they need =====================================================


class ReservedPages:
    """`free` pages, of which `kept` are reserved for good: two requests that want them are set up on a machine."""

    def __init__(self, free, kept):
        self.pages = Pages(zones=[Zone("NORMAL", 0, free, pages_min=0, max_order=1)])
        self.supply = SUPPLIES["reservation"](self.pages)
        self.source = self.supply.of("page", self.pages, kept)

    async def request(self, count):
        async with self.supply.request({self.pages: count}):
            taken = [await self.source.alloc(GFP_NOIO) for _ in range(count)]
        for page in taken:
            await self.source.free(page)


@given(st.integers(0, 2**32), st.integers(1, 2), st.integers(1, 2))
def test_of_two_cpus_that_want_the_last_pages_neither_misses_its_turn(seed, first, second):
    """Only one can have its pages at a time, for the ledger has nothing else; the end of one is the other's turn."""
    machine = Machine(seed=seed)
    reserved = ReservedPages(free=2, kept=2)
    for cpu, count in enumerate((first, second)):
        machine.spawn(f"T{cpu}", reserved.request, count, cpu=cpu)
    machine.run(pick=machine.random.choice)
    assert all(task.finished for task in machine.tasks)
    assert reserved.supply.lent == {0: 0}
    reserved.supply.check()


@given(st.integers(0, 3), st.integers(0, 3), st.integers(1, 4))
def test_a_look_at_what_would_be_granted_tells_the_truth_and_changes_nothing(kept, already, wanted):
    reserved = ReservedPages(free=4, kept=kept)
    supply, wants = reserved.supply, {0: wanted}
    supply.grant({0: already})
    before = str(supply.shape())
    would = supply.would_grant(wants)
    assert str(supply.shape()) == before
    assert (supply.grant(wants) is not None) is would
