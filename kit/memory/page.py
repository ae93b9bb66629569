"""page: one page of the page cache, and what stands between it and the free list.

    dirty       changed since it was read; must be written before it can go
    writing     under write-out: handed to whoever writes, and not done yet (locked, in 2.5.1)
    launder     ... by somebody who was freeing memory, and for whom others may wait (PG_launder)
    locked      being filled or otherwise busy
    mapped      in the page table of a process, which must give it up first
    users       somebody holds a reference (2.5.1 counts them in page->count, with the cache's own)

A page with none of these is *droppable*.

Stands beside: struct page and the PG_ flags in include/linux/mm.h of Linux 2.5.1.  Left out: the flags
that belong to allocators and architectures.
"""


class Page:
    """A page of the cache: which frame, what of, and what stands between it and the free list."""

    __slots__ = ("active", "dirty", "key", "launder", "locked", "mapped", "pfn", "referenced", "users", "wait",
                 "writing", "zone")
    explored = ("dirty", "launder", "locked", "mapped", "referenced", "users", "wait", "writing")

    def __init__(self, key, pfn, zone):
        self.key, self.pfn, self.zone = key, pfn, zone
        self.dirty = self.writing = self.launder = self.locked = self.mapped = False
        self.referenced = self.active = False
        self.users = 0          # references beside the cache's own
        self.wait = None        # who waits until it is neither locked nor under write-out

    def __repr__(self):
        return f"page {self.pfn} ({self.key})"

    @property
    def busy(self):
        return self.locked or self.writing

    @property
    def droppable(self):
        return not (self.dirty or self.writing or self.locked or self.mapped or self.users)


def why_not(page):
    """What keeps `page` from being droppable, in words."""
    reasons = [flag for flag in ("dirty", "locked", "mapped") if getattr(page, flag)]
    return reasons + ["under write-out"] * page.writing + ["held by a user"] * bool(page.users)
