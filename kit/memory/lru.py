"""lru: the two lists that hold all pages of the cache, in the order in which they were last wanted.

The problem: a page that is read once and never again must not drive out one that is used all the
time.  The idea: two lists.  `inactive` is scanned from its old end for pages to free; `active` is
spared for the time being.  A page enters inactive; used there once, it is marked referenced; used
again, it moves to active (mark_page_accessed).  When active grows beyond about two thirds, its
oldest unreferenced pages move back (refill_inactive).

What is always true (`check()` of the page cache): every page is in the one list that `page.active` says.

Stands beside: mm/swap.c and refill_inactive() in mm/vmscan.c of Linux 2.5.1.
"""

from collections import OrderedDict
from itertools import islice


class TwoLists:
    """The lists of a page cache, each from page frame to page; the old end is first.  Every call is one instant."""

    explored = ("active", "inactive")

    def __init__(self):
        # An OrderedDict finds its first entry at once; a dict may search for it.
        self.active, self.inactive = OrderedDict(), OrderedDict()

    def mark_accessed(self, page):
        """Used once in inactive: referenced.  Used again: active, where it has to be used anew."""
        if page.referenced and not page.active:
            self._move(page, active=True)
            page.referenced = False
        else:
            page.referenced = True

    def oldest_inactive(self, count):
        """The `count` pages at the old end of inactive, the oldest first; all, if it has fewer."""
        return list(islice(self.inactive.values(), count))

    def refill_inactive(self, count):
        """Look at `count` pages of the old end of active: the referenced stay once more, the others move back."""
        for _ in range(min(count, len(self.active))):
            pfn, page = next(iter(self.active.items()))
            if page.referenced:
                page.referenced = False
                self.active.move_to_end(pfn)
            else:
                self._move(page, active=False)
                page.referenced = True      # one use brings it back

    def _move(self, page, active):
        del self._list_of(page)[page.pfn]
        page.active = active
        self._list_of(page)[page.pfn] = page

    def _list_of(self, page):
        return self.active if page.active else self.inactive
