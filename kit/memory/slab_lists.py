"""slab_lists: the slabs of one cache, in three lists, and which objects in them are free.

    full        every object is in use (or lies in the array of a CPU, which is the same from here)
    partial     some are free: the next object is taken here, from the head of the list
    free        all are free: taken when no slab is partial, given back to the page allocator by reaping

Taking from partial slabs first leaves the others alone, so that some of these become free as a whole
and their pages can go elsewhere.  Nobody sleeps here, and nobody locks: the cache holds its lock.

Always true: a slab is in exactly one list, the one that its number of free objects says.
Beside it: kmem_cache_alloc_one_tail() and kmem_cache_free_one() of mm/slab.c, Linux 2.5.1.
"""

from dataclasses import dataclass
from itertools import chain

from kit.memory.zones import PAGE_SIZE


@dataclass(frozen=True)
class Slab:
    """2**order pages cut into objects.  Nothing in it changes: which objects are free, the lists know."""

    cache: object
    pfn: int
    colour: int             # bytes by which the objects are shifted
    header: int | None      # the object of another cache in which an off-slab slab's own data lie
    objects: range          # their addresses

    def __repr__(self):
        return f"slab at page {self.pfn} of {self.cache}"

    @property
    def pages(self):
        return range(self.pfn, self.pfn + self.cache.geometry.pages)


def cut(cache, pfn, colour, header=None):
    """The Slab that `cache` makes of the pages at `pfn`."""
    layout = cache.geometry
    first = pfn * PAGE_SIZE + colour + layout.front
    return Slab(cache, pfn, colour, header, range(first, first + layout.objects * layout.size, layout.size))


class SlabLists:
    """The three lists; `by_page` finds the slab in which an object lies, as virt_to_page() does.

    `by_page` may be shared among caches over the same pages, so that kfree() finds the cache, too.
    """

    explored = ("full", "partial", "free", "stacks", "by_page")

    def __init__(self, by_page):
        self.full, self.partial = {}, {}    # by page frame number; the head of the list comes last
        self.free = []                      # the head of the list comes last
        self.stacks = {}                    # page frame number -> free objects of that slab, the next one last
        self.by_page = by_page

    def __iter__(self):
        return chain(self.full.values(), self.partial.values(), self.free)

    def __len__(self):
        return len(self.full) + len(self.partial) + len(self.free)

    def take(self, count):
        """Up to `count` free objects, in the order in which they came off the slabs."""
        taken = []
        while len(taken) < count and (slab := self._unlink_with_room()):
            stack = self.stacks[slab.pfn]
            batch = stack[len(taken) - count:]
            del stack[-len(batch):]
            taken.extend(reversed(batch))
            (self.partial if stack else self.full)[slab.pfn] = slab
        return taken

    def put(self, obj):
        """Put a free object into its slab, and the slab at the head of the list where it now belongs."""
        slab = self.by_page[obj // PAGE_SIZE]
        stack = self.stacks[slab.pfn]
        linked = self.partial if stack else self.full
        stack.append(obj)
        if len(stack) == len(slab.objects):
            del linked[slab.pfn]
            self.free.append(slab)
        elif linked is self.full:
            del linked[slab.pfn]
            self.partial[slab.pfn] = slab

    def add(self, slab):
        """Link a new slab, behind all other free ones; it will give its first object first."""
        self.free.insert(0, slab)
        self.stacks[slab.pfn] = list(reversed(slab.objects))
        for page in slab.pages:
            self.by_page[page] = slab

    def remove_free(self, count):
        """Unlink up to `count` free slabs, those that have been free for longest; returns them."""
        removed, self.free[:] = self.free[:count], self.free[count:]
        for slab in removed:
            del self.stacks[slab.pfn]
            for page in slab.pages:
                del self.by_page[page]
        return removed

    def _unlink_with_room(self):
        if self.partial:
            return self.partial.popitem()[1]
        return self.free.pop() if self.free else None

    def check(self):
        """Each slab is in the list that its free objects say, and is found by each of its pages."""
        free = {pfn: len(stack) for pfn, stack in self.stacks.items()}
        for slab in self.full.values():
            assert free[slab.pfn] == 0, f"{slab} is in the list of full slabs with {free[slab.pfn]} objects free"
        for slab in self.partial.values():
            assert 0 < free[slab.pfn] < len(slab.objects), f"{slab} is no partial slab"
        for slab in self.free:
            assert free[slab.pfn] == len(slab.objects), f"{slab} is in the list of free slabs with objects in use"
        assert len(free) == len(self), f"{len(free)} slabs have a stack of free objects, {len(self)} are in a list"
        for slab in self:
            assert all(self.by_page[page] == slab for page in slab.pages), f"{slab} is not found by its pages"
