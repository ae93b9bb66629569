"""slab_geometry: how many objects of one size go into a slab, and where in it they lie.

A slab is 2**order pages that hold objects of one size and the slab's own data (how many are in use,
and for every object which one is free after it).  The rule of Linux 2.5.1, in its order:

    1. An object is rounded up to whole words; with HWCACHE_ALIGN to a cache line, or to the half or
       quarter line that still holds it, so that no object straddles two lines needlessly.
    2. Objects of an eighth of a page and more would waste a page's worth of room on the slab's data:
       theirs is kept off the slab, unless it turns out to fit into what is left over.
    3. The slab grows, order by order, until at most an eighth of it is left over; but large blocks
       are hard to get, so it stops at order 1 (2 on machines of more than 32 MB) if anything fits.
    4. What is left over shifts the objects of each new slab by one more cache line (its colour), so
       that equal fields of objects in different slabs do not all fight for the same line.

    | colour | slab's data | object | object | ... | object | rest |      on the slab
    | colour | object | object | ... | object | rest |                    off it

Always true: front + objects * size <= the slab's bytes, at every colour.
Beside it: kmem_cache_estimate() and kmem_cache_create() of mm/slab.c; and for bonwick_1994 the paper
from which all this comes (The Slab Allocator, USENIX Summer 1994).
Left out: the limit on objects of an off-slab slab (116 with these sizes; at most 32 ever occur),
and the debugging words around each object (red zones).
"""

from dataclasses import dataclass

from kit.errors import BadInput
from kit.memory.zones import PAGE_SIZE

WORD = 4                    # a machine word of i386; the three sizes below are its, too
SLAB_BYTES = 24             # the fixed part of a slab's data
INDEX_BYTES = 4             # and for each object the index of the next free one
MAX_ORDER = 5               # the largest slab: 32 pages, so the largest object: 131,072 bytes


@dataclass(frozen=True, slots=True)
class Geometry:
    """The layout that all slabs of a cache share; bytes, unless said otherwise."""

    size: int               # from the start of one object to the start of the next
    order: int              # a slab is 2**order pages
    objects: int            # how many it holds
    management: int         # the slab's own data, wherever they are
    off_slab: bool          # they are an object of another cache
    front: int              # what of them lies before the first object
    left_over: int          # what nothing is stored in
    colour_step: int
    colours: int            # slabs begin at 0, colour_step, ... (colours - 1) * colour_step, then at 0 again

    @property
    def pages(self):
        return 1 << self.order


def linux_2_5_1(size, align=False, l1=32, break_order=2):
    """The Geometry that Linux 2.5.1 gives objects of `size` bytes.

    align: SLAB_HWCACHE_ALIGN.  l1: bytes of a cache line: 16 (386, 486), 32 (Pentium to Pentium III),
    64 (K7), 128 (Pentium 4).  break_order: see break_order().  Raises BadInput for objects smaller
    than a word or larger than 131,072 bytes, as kmem_cache_create() refused them.
    """
    if not WORD <= size <= PAGE_SIZE << MAX_ORDER:
        raise BadInput(f"a slab cache holds objects of {WORD} to {PAGE_SIZE << MAX_ORDER:,} bytes, not of {size:,}. "
                       "Ask the page allocator for larger ones.")
    if l1 < WORD or l1 & (l1 - 1):
        raise BadInput(f"a cache line has 16, 32, 64 or 128 bytes (a power of two), not {l1}.")
    size = round_up(size, WORD)
    off_slab = size >= PAGE_SIZE // 8       # of the size before alignment: 481 to 508 bytes stay on the slab
    if align:
        size = round_up(size, _line_share(size, l1))
    order, objects, left_over = _choose_order(size, off_slab, l1, break_order)
    management = _management(objects, l1)
    if off_slab and left_over >= management:
        off_slab, left_over = False, left_over - management
    # A left-over of exactly n lines would allow n + 1 colours, as Bonwick counts; 2.5.1 uses n.
    return Geometry(size, order, objects, management, off_slab, front=0 if off_slab else management,
                    left_over=left_over, colour_step=l1, colours=max(1, left_over // l1))


def bonwick_1994(size, align=8, slab_data=32):
    """The Geometry of Bonwick's paper for small objects: one page, the slab's data at its end.

    The free objects are linked through themselves, so that the data have a fixed size.
    """
    if not 1 <= size < PAGE_SIZE // 8:
        raise BadInput(f"Bonwick keeps the slab's data in the page for objects of 1 to {PAGE_SIZE // 8 - 1} bytes, "
                       f"not of {size:,}.")
    size = round_up(size, align)
    objects, left_over = divmod(PAGE_SIZE - slab_data, size)
    return Geometry(size, 0, objects, slab_data, off_slab=False, front=0,
                    left_over=left_over, colour_step=align, colours=left_over // align + 1)


def break_order(page_frames):
    """The order at which a slab stops growing for the sake of less waste: 2 above 32 MB, else 1."""
    return 2 if page_frames * PAGE_SIZE > 32 << 20 else 1


def array_limit(size):
    """How many free objects a CPU keeps for itself: 252, 124 or 60 by size; none above a page."""
    for largest, limit in ((256, 252), (1024, 124), (PAGE_SIZE, 60)):
        if size <= largest:
            return limit
    return 0


def round_up(number, multiple):
    """The smallest multiple of `multiple` that is not below `number`."""
    return -(-number // multiple) * multiple


def _line_share(size, l1):
    """The cache line, halved for as long as two objects of `size` fit into what is left of it."""
    while size < l1 // 2:
        l1 //= 2
    return l1


def _choose_order(size, off_slab, l1, break_order):
    """The first order, smallest first, that wastes at most an eighth, or at which to stop trying."""
    for order in range(MAX_ORDER + 1):
        objects, left_over = _fit(size, PAGE_SIZE << order, off_slab, l1)
        if objects and (order >= break_order or left_over * 8 <= PAGE_SIZE << order):
            break
    return order, objects, left_over


def _fit(size, room, off_slab, l1):
    """How many objects go into `room` bytes, and the bytes left over."""
    if off_slab:
        return divmod(room, size)
    objects = (room - SLAB_BYTES) // (size + INDEX_BYTES)
    while objects * size + _management(objects, l1) > room:     # rounded up to a line, it may cost the last few
        objects -= 1
    return objects, room - objects * size - _management(objects, l1)


def _management(objects, l1):
    return round_up(SLAB_BYTES + INDEX_BYTES * objects, l1)
