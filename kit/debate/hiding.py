"""hiding: free pages that nobody sees but who has them reserved, at the cost of one branch.

The problem: a mark in a zone keeps ordinary callers off, and whoever may go below it breaks the promise.
The idea: what is reserved does not count as free, for anybody.  By Molnar's account LaHaise's patch of May
2001 lowered the apparent number of free pages of a zone; this does, and hands out no more than appears.

The promise, for single pages alone: those that are hidden are free.  They are idle meanwhile, as a pool's.
Beside it: rmqueue() in mm/page_alloc.c.
"""

from kit.memory.buddy import Buddy


class Hiding(Buddy):
    """The free lists of `zone`, of which so many pages are hidden: its free_pages no longer counts them."""

    explored = ("hidden",)

    def __init__(self, zone, hidden):
        super().__init__(zone.pages, zone.buddy.max_order, zone.start)
        self.zone, self.hidden = zone, hidden
        zone.free_pages -= hidden

    def take(self, order=0):
        """As Buddy.take, but what is hidden is not there."""
        if self.zone.free_pages < 1 << order:
            return None
        return super().take(order)

    def take_hidden(self):
        """One page of those, by whoever has it reserved; None if none is left.  What it takes it has to give back."""
        if not self.hidden:
            return None
        self.hidden -= 1
        self.zone.free_pages += 1
        return self.zone.take(0)

    def give_back(self, page):
        """It is hidden again."""
        self.zone.put_back(page, 0)
        self.hidden += 1
        self.zone.free_pages -= 1

    def free_pages(self):
        """As Buddy.free_pages, without those that are hidden."""
        return super().free_pages() - self.hidden
