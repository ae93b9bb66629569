"""availability: which blocks could be had at once, if every clean page were dropped on the spot.

A page is *available* when it is free, or lent to the page cache and clean, so that it can be
dropped at once.  A block of order k is available when all its 2**k pages are.  Blocks nest (two of
them never overlap by halves), and therefore counting decides everything:

    Wanted blocks of several orders fit, all at once, exactly if for every order k
        sum over j >= k of wanted[j] * 2**(j - k)  <=  available blocks of order k.

Necessary: each wanted block of order j >= k contains 2**(j - k) available ones of order k.
Sufficient: hand out the largest first; whichever available block of order j one takes, it uses up
the same number of each smaller order, so the inequality stays true for what is left.
Handing out in any other order keeps it true as well, if each block is taken from the smallest
available block that holds one (`best_fit`): while no smaller one exists, every available block of
order k lies inside one of order m, so their number is a multiple of 2**(m - k), and the one unit
about to be taken is what makes the sum for order m strictly smaller.

The largest available blocks are kept as a buddy system keeps its free ones: a set an order, merged
and split.  This is the "small matter of programming" of Ben LaHaise's mail, and `updates` counts
what it costs: every free and allocation passes here, and every page that is dirtied, mapped,
locked or cleaned.
"""


class Availability:
    """The available pages of one zone, whose first frame is `first`, in blocks up to `max_order`.

    Every call is one instant and costs at most one look an order.
    """

    explored = ("largest",)

    def __init__(self, first, max_order):
        self.first, self.max_order = first, max_order
        # largest[k]: the available blocks of order k that lie in no larger one; a dict is an ordered set.
        self.largest = [{} for _ in range(max_order + 1)]
        self.updates = 0

    def add(self, pfn, order=0):
        """The block at `pfn` becomes available; none of it was before."""
        self.updates += 1
        page = pfn - self.first
        while order < self.max_order and page ^ (1 << order) in self.largest[order]:
            del self.largest[order][page ^ (1 << order)]
            page &= ~(1 << order)
            order += 1
        self.largest[order][page] = True

    def remove(self, pfn, order=0):
        """The block at `pfn` is available no more; all of it was before."""
        self.updates += 1
        page = pfn - self.first
        around = self._around(page, order)
        del self.largest[around][page >> around << around]
        while around > order:
            around -= 1
            self.largest[around][(page >> around << around) ^ (1 << around)] = True

    def has(self, pfn, order=0):
        """Whether every page of the block at `pfn` is available."""
        return self._around(pfn - self.first, order) is not None

    def fits(self, wanted):
        """Whether blocks could be had all at once: wanted[k] of order k."""
        units = blocks = 0
        for more, largest in zip(reversed(wanted), reversed(self.largest), strict=True):     # order by order, downwards
            units = 2 * units + more
            blocks = 2 * blocks + len(largest)
            if units > blocks:
                return False
        return True

    def fits_without(self, pfn, order, wanted):
        """Whether that would still be so if the available block at `pfn` were gone."""
        self.remove(pfn, order)
        fits = self.fits(wanted)
        self.add(pfn, order)
        return fits

    def best_fit(self, order):
        """The first page of an available block of `order` inside the smallest available block there is, or None."""
        for largest in self.largest[order:]:
            for page in largest:
                return self.first + page
        return None

    def _around(self, page, order):
        """The order of the largest available block that contains the block at `page`, or None."""
        for around in range(order, self.max_order + 1):
            if page >> around << around in self.largest[around]:
                return around
        return None

    def check(self):
        """Blocks lie where their order allows, overlap nowhere, and no two buddies are left unmerged."""
        pages = set()
        for order, largest in enumerate(self.largest):
            for page in largest:
                block = set(range(page, page + (1 << order)))
                assert page % (1 << order) == 0, f"a block of order {order} lies at page {page}"
                assert not block & pages, f"the block of order {order} at page {page} overlaps another"
                assert order == self.max_order or page ^ (1 << order) not in largest, f"{page} has a free buddy"
                pages |= block
