"""The layout of a slab: published lines of /proc/slabinfo, Bonwick's example, and the rule counted out naively."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kit.errors import BadInput
from kit.memory.slab import Cache
from kit.memory.slab_geometry import MAX_ORDER, array_limit, bonwick_1994, break_order, linux_2_5_1
from kit.memory.zones import MB, PAGE_SIZE, Pages

# Lines of real machines, published 2000 to 2004: name, bytes of the struct, aligned?, L1, and from
# the line itself: bytes of an object, objects, slabs, pages of a slab.  Their quotients are what counts.
PUBLISHED = [
    ("size-32", 32, True, 32, 32, 2712, 24, 1),
    ("size-64", 64, True, 32, 64, 1357, 23, 1),
    ("vm_area_struct", 96, True, 32, 96, 4480, 112, 1),
    ("dentry_cache", 128, True, 32, 128, 5160, 172, 1),
    ("mm_struct", 160, True, 32, 160, 240, 10, 1),
    *(("inode_cache", size, True, 32, 512, 5992, 856, 1) for size in (481, 484, 496, 508)),
    *(("sgpool-32", 512, True, l1, 512, 32, 4, 1) for l1 in (16, 32, 64, 128)),
    ("kmem_cache", 244, False, 32, 244, 64, 4, 1),
    ("journal_head", 48, False, 32, 48, 7800, 100, 1),
    ("revoke_table", 12, False, 32, 12, 253, 1, 1),
    ("fasync cache", 16, False, 32, 16, 202, 1, 1),
    *(("ip_conntrack", size, True, 128, 384, 9790, 979, 1) for size in (257, 260, 320, 384)),
    ("biovec-1", 12, True, 32, 16, 606, 3, 1),
    ("biovec-4", 48, True, 32, 64, 295, 5, 1),
    ("biovec-16", 192, True, 32, 192, 260, 13, 1),
    ("biovec-256", 3072, True, 32, 3072, 260, 52, 4),
    ("bio", 56, True, 32, 64, 531, 9, 1),
]


@pytest.mark.parametrize(("name", "size", "align", "l1", "objsize", "objects", "slabs", "pages_per_slab"), PUBLISHED)
def test_a_published_line_of_slabinfo_comes_out(name, size, align, l1, objsize, objects, slabs, pages_per_slab):
    """A real cache, filled until it has as many slabs as the line says, has the line's numbers."""
    cache = Cache(name, size, Pages(64 * MB), align=align, l1=l1)
    while len(cache.slabs) < slabs:
        cache.take()
    line = cache.slabinfo()
    assert (line.objects, line.size, line.slabs, line.pages_per_slab) == (objects, objsize, slabs, pages_per_slab)


def test_the_published_lines_off_and_on_the_slab():
    assert linux_2_5_1(512, align=True).off_slab
    assert not linux_2_5_1(508, align=True).off_slab        # 508 -> 512 bytes, but asked for before the alignment
    biovec = linux_2_5_1(3072, align=True)
    assert (biovec.off_slab, biovec.left_over) == (False, 1024 - 64)    # moved back: it fits into the left-over


@pytest.mark.parametrize(("size", "limit"), [
    (1, 252), (256, 252), (257, 124), (1024, 124), (1025, 60), (4096, 60), (4097, 0), (131_072, 0)])
def test_the_limit_of_a_cpu(size, limit):
    assert array_limit(size) == limit


def test_limit_and_batch_are_those_of_the_published_lines():
    caches = [Cache("c", size, Pages(64 * MB)) for size in (256, 1024, 4096, 8192)]
    assert [cache.slabinfo()[-2:] for cache in caches] == [(252, 126), (124, 62), (60, 30), (0, 0)]
    assert Cache("2.6", 256, Pages(64 * MB), limit=54).slabinfo()[-2:] == (54, 27)


def test_idle_memory_of_the_bio_pools():
    """256 bios and six pools of 256 biovecs hold 389 pages (12 bytes a biovec, 1 to 256 of them)."""
    held = []
    for size in (56, *(12 * vecs for vecs in (1, 4, 16, 64, 128, 256))):
        cache = Cache("pool", size, Pages(64 * MB), align=True, limit=0)
        for _ in range(256):
            cache.take()
        held.append(cache.pages_held)
    assert held == [5, 2, 5, 13, 52, 104, 208]
    assert sum(held) == 389


def test_bonwicks_colouring_example():
    """200-byte objects at multiples of 8, 32 bytes of slab data at the end: 20 objects, 64 bytes spare, 9 colours."""
    layout = bonwick_1994(200)
    assert (layout.objects, layout.left_over, layout.colours) == (20, 64, 9)
    cache = Cache("example", 200, Pages(64 * MB), geometry=layout, limit=0)
    colours = []
    for _ in range(10):
        slab_starts = cache.take()
        colours.append(slab_starts % PAGE_SIZE)
        for _ in range(19):
            assert cache.take() % PAGE_SIZE <= PAGE_SIZE - 32 - 200
    assert colours == [0, 8, 16, 24, 32, 40, 48, 56, 64, 0]


def test_slabs_of_small_objects_waste_an_eighth_at_most():
    """Bonwick: of a slab of n buffers less than 1/n is wasted; small objects are those of which 8 fit."""
    for size in range(8, PAGE_SIZE // 8, 8):
        layout = bonwick_1994(size)
        assert layout.left_over < layout.size <= PAGE_SIZE / layout.objects
        assert layout.left_over <= PAGE_SIZE / 8


@pytest.mark.parametrize(("megabytes", "order"), [(4, 1), (32, 1), (33, 2), (64, 2), (4096, 2)])
def test_large_machines_may_use_larger_slabs(megabytes, order):
    assert break_order(megabytes * MB) == order
    assert Cache("biovec-256", 3072, Pages(megabytes * MB), align=True).geometry.order == order


SIZES = st.one_of(st.integers(4, 700), st.integers(4, PAGE_SIZE << MAX_ORDER))
LINES = st.sampled_from([16, 32, 64, 128])


def counted_out(size, align, l1, stop_at):
    """The rule as the C reads: one object more until they no longer fit, one order more until it will do."""
    size += -size % 4
    off_slab = size >= 512
    if align:
        line = l1
        while size < line / 2:
            line //= 2
        size += -size % line
    for order in range(6):
        room, objects = 4096 * 2**order, 0
        while (objects + 1) * size + (0 if off_slab else lines(24 + 4 * (objects + 1), l1)) <= room:
            objects += 1
        rest = room - objects * size - (0 if off_slab else lines(24 + 4 * objects, l1))
        if objects and (order >= stop_at or rest * 8 <= room):
            break
    data = lines(24 + 4 * objects, l1)
    if off_slab and rest >= data:
        return size, order, objects, False, rest - data
    return size, order, objects, off_slab, rest


def lines(size, l1):
    return size + -size % l1


@example(3584, False, 32, 1)        # left over is exactly an eighth: that will do
@example(4, False, 32, 1)           # the slab's data, rounded up to a line, cost four objects
@given(SIZES, st.booleans(), LINES, st.sampled_from([1, 2]))
def test_the_rule_counted_out(size, align, l1, stop_at):
    layout = linux_2_5_1(size, align, l1, stop_at)
    assert (layout.size, layout.order, layout.objects, layout.off_slab, layout.left_over) == counted_out(
        size, align, l1, stop_at)


@given(SIZES, st.booleans(), LINES, st.sampled_from([1, 2]))
def test_everything_lies_inside_the_slab_at_every_colour(size, align, l1, stop_at):
    layout = linux_2_5_1(size, align, l1, stop_at)
    last_colour = (layout.colours - 1) * layout.colour_step
    assert layout.size >= size and layout.objects >= 1
    assert last_colour + layout.front + layout.objects * layout.size <= layout.pages * PAGE_SIZE
    assert layout.front == (0 if layout.off_slab else layout.management)
    assert layout.order <= stop_at or layout.objects == 1       # larger than that only if nothing fits otherwise


@given(st.integers(4, 4096), LINES)
def test_an_aligned_object_straddles_no_line_needlessly(size, l1):
    """No more lines are touched than its bytes need, wherever in the slab it lies."""
    layout = linux_2_5_1(size, True, l1)
    for number in range(min(layout.objects, 8)):
        first = layout.front + number * layout.size
        assert (first + size - 1) // l1 - first // l1 + 1 == -(-size // l1)


@pytest.mark.parametrize("size", [0, 3, -4, 131_073])
def test_sizes_that_no_slab_holds(size):
    with pytest.raises(BadInput, match="4 to 131,072 bytes"):
        linux_2_5_1(size)


def test_lines_that_no_processor_has():
    with pytest.raises(BadInput, match="power of two"):
        linux_2_5_1(100, l1=48)


def test_bonwicks_rule_is_for_small_objects():
    with pytest.raises(BadInput, match="1 to 511"):
        bonwick_1994(512)
