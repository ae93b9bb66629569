"""buddy: blocks of 2**order pages, split when asked for and merged when freed.

The problem: page frames come and go in runs of different lengths, and long runs must not be lost to
short ones for ever.  The idea (Knowlton 1965, and every Linux since 1.x):

    1. A block of order k is 2**k pages and starts at a multiple of 2**k.
    2. To hand out a block, take the smallest free one that is large enough, and halve it until it
       fits; the halves not needed are free blocks of their own.
    3. The two halves of one block are *buddies*.  A block that is freed while its buddy is free
       becomes one with it again, and so on upwards.

The price is internal fragmentation: a request is rounded up to a power of two.  For sizes spread
evenly over (0, 2**m] a quarter of what is handed out is waste; for other ranges up to a third.

What is always true (`check()` says so): every page is in exactly one block, free or handed out;
free + handed out = all; no two buddies below the largest order are both free; and for each pair of
buddies there is one bit that tells whether *exactly one* of them is free.

That bit is what makes freeing cheap.  It is toggled whenever one of its two blocks changes sides.
Whoever frees a block toggles it and looks: if it is set now, only this block is free, and the
merging ends; if it is clear, both are.  Adjacent is not enough: two free blocks of equal size side
by side are buddies only if together they start at a multiple of twice their size.

Stands beside: mm/page_alloc.c of Linux 2.5.1 (rmqueue, expand, __free_pages_ok).
Left out: struct page, so that a free list is a dict of page numbers in the order in which they
came, and the map of bits has a byte for each (Python has no cheaper bit).
"""

from kit.errors import BadInput, Corruption

MAX_ORDER = 9           # the largest order of Linux 2.5.1: 512 pages, 2 MiB


# == Which free block goes first ====================================================================


newest_first = dict.popitem     # the block that was freed last, as Linux does: it is likeliest to be in the cache


def leftmost_first(blocks):
    """Take the block with the lowest address, as most textbooks do."""
    page = min(blocks)
    return page, blocks.pop(page)


# == The allocator ==================================================================================


class Buddy:
    """`pages` page frames, numbered from `start`, handed out in blocks of 2**order.

    pick: which of several free blocks of one order is taken: `newest_first` or `leftmost_first`.
    high_half: whether a block that is split gives away its upper half (Linux) or its lower one.
    All methods are one instant and never sleep.
    """

    explored = ("free", "pairs", "held")

    def __init__(self, pages, max_order=MAX_ORDER, start=0, pick=newest_first, high_half=True):
        self.pages, self.max_order, self.start = _sensible(pages, max_order, start)
        self.pick, self.high_half = pick, high_half
        # Page numbers in these three count from `start`, as they do in the kernel's map of a zone.
        self.free = [{} for _ in range(max_order + 1)]      # by order: first pages, oldest first
        self.pairs = [bytearray((pages >> order + 1) + 1) for order in range(max_order)]
        self.held = bytearray(pages)    # order + 1 at the first page of each block handed out, else 0
        for page, order in self._largest_blocks():
            self.held[page] = order + 1
            self.put(start + page, order)

    def take(self, order=0):
        """A block of 2**order pages: the number of its first page, or None if no block is large enough."""
        free, found = self.free, order
        try:
            while not free[found]:
                found += 1
        except IndexError:      # beyond the largest order
            return None
        page, _ = self.pick(free[found])
        if found < self.max_order:
            self.pairs[found][page >> found + 1] ^= 1
        if found > order:
            if self.high_half:
                page += (1 << found) - (1 << order)
            self._split(found, order, page)
        self.held[page] = order + 1
        return self.start + page

    def take_at(self, pfn, order=0):
        """That very block, which must be free, alone or inside a larger one; raises Corruption if it is not."""
        page, found = pfn - self.start, order
        while (first := page >> found << found) not in self.free[min(found, self.max_order)]:
            found += 1
            if found > self.max_order:
                raise Corruption(f"the block of order {order} at page {pfn} cannot be taken: not all of it is free.")
        del self.free[found][first]
        if found < self.max_order:
            self.pairs[found][first >> found + 1] ^= 1
        self._split(found, order, page)
        self.held[page] = order + 1
        return pfn

    def _split(self, found, order, page):
        """Halve a block of order `found` until `page` is one of `order`; the other halves become free blocks."""
        while found > order:
            found -= 1
            half = page >> found << found
            self.free[found][half ^ 1 << found] = None
            self.pairs[found][half >> found + 1] = 1        # of these two exactly one is free

    def put(self, pfn, order=0):
        """Give back the block that `take(order)` gave, and merge it with its buddy as long as that is free.

        Raises Corruption, and changes nothing, if no such block was handed out.
        """
        page = pfn - self.start
        if not 0 <= page < self.pages or self.held[page] != order + 1:
            self._refuse(pfn, order)
        self.held[page] = 0
        while order < self.max_order:
            bits, pair = self.pairs[order], page >> order + 1
            if not bits[pair]:
                bits[pair] = 1                      # the buddy is in use: from now on exactly one is free
                break
            bits[pair] = 0                          # exactly one was free, so it was the buddy
            del self.free[order][page ^ 1 << order]
            page &= ~(1 << order)                   # the pair starts where its lower half does
            order += 1
        self.free[order][page] = None

    def require_held(self, pfn, order=0):
        """Raise Corruption, with the reason, unless `pfn` is a block of that order that is handed out."""
        page = pfn - self.start
        if not 0 <= page < self.pages or self.held[page] != order + 1:
            self._refuse(pfn, order)

    # -- Looking -----------------------------------------------------------------------------------

    def free_pages(self):
        """How many pages lie in free blocks."""
        return sum(len(blocks) << order for order, blocks in enumerate(self.free))

    def counts(self):
        """How many free blocks there are of each order, from 0 up: a line of /proc/buddyinfo."""
        return [len(blocks) for blocks in self.free]

    def blocks(self):
        """Every block from left to right, as (first page, order, is free): what a picture needs."""
        blocks = [(self.start + page, order, True) for order, free in enumerate(self.free) for page in free]
        blocks += [(self.start + page, tag - 1, False) for page, tag in enumerate(self.held) if tag]
        return sorted(blocks)

    def block_of(self, pfn):
        """The block that page `pfn` lies in, as (first page, order, is free)."""
        for order in range(self.max_order + 1):
            first = pfn - self.start >> order << order
            if self.held[first] == order + 1 or first in self.free[order]:
                return self.start + first, order, not self.held[first]
        raise Corruption(f"page {pfn} lies in no block, free or handed out: pages were lost.")

    # -- What is refused ---------------------------------------------------------------------------

    def _refuse(self, pfn, order):
        last = self.start + self.pages - 1
        if not isinstance(pfn, int) or not self.start <= pfn <= last:
            raise Corruption(f"{pfn!r} is not among the pages {self.start} to {last} that are handed out here: "
                             "give a block back where it came from.")
        if not 0 <= order <= self.max_order:
            raise Corruption(f"page {pfn} is put back as order {order}, but orders are 0 to {self.max_order}.")
        if pfn - self.start & (1 << order) - 1:
            raise Corruption(f"page {pfn} cannot begin a block of order {order}: such a block starts at a "
                             f"multiple of {1 << order} pages.")
        first, taken, is_free = self.block_of(pfn)
        if is_free:
            raise Corruption(f"page {pfn} is freed twice: it lies in the free block of order {taken} at {first}.")
        if first != pfn:
            raise Corruption(f"page {pfn} is in the middle of the block of order {taken} that starts at {first}: "
                             f"put({first}, {taken}) gives that back.")
        raise Corruption(f"page {pfn} was taken as a block of order {taken} and is put back as order {order}: "
                         f"write put({pfn}, {taken}).")

    # -- At the beginning and at any time ----------------------------------------------------------

    def _largest_blocks(self):
        """Cut the pages into the fewest aligned blocks, from left to right."""
        blocks, page = [], 0
        while page < self.pages:
            order = min(self.max_order, (self.pages - page).bit_length() - 1)
            while page & (1 << order) - 1:
                order -= 1
            blocks.append((page, order))
            page += 1 << order
        return blocks

    def check(self):
        """Nothing is lost and nothing lies twice; all that can merge has merged; every bit tells the truth."""
        page = self.start
        for first, order, is_free in self.blocks():
            assert first == page, f"the block before page {first} ends at {page}: pages are lost, or lie in two blocks"
            assert (first - self.start) % (1 << order) == 0, f"block {first} of order {order} is not aligned"
            page += 1 << order
        assert page == self.start + self.pages, f"the last block ends at {page}: pages are lost, or were never there"
        for order, bits in enumerate(self.pairs):
            for pair, bit in enumerate(bits):
                low, high = pair << order + 1, (pair << order + 1) + (1 << order)
                low_free, high_free = low in self.free[order], high in self.free[order]
                assert not (low_free and high_free), f"the buddies {low} and {high} of order {order} should have merged"
                assert bit == (low_free != high_free), f"the bit of pair {low}, {high} of order {order} is {bit}"


def _sensible(pages, max_order, start):
    if pages < 1:
        raise BadInput(f"a memory of {pages} pages has nothing to hand out: give it at least 1.")
    if max_order < 0:
        raise BadInput(f"the largest order is {max_order}, but a block has at least 2**0 pages.")
    if start % (1 << max_order):
        raise BadInput(f"memory that starts at page {start} cannot have blocks of order {max_order}, which start at "
                       f"multiples of {1 << max_order}: choose a smaller max_order, or another start.")
    return pages, max_order, start
