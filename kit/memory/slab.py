"""slab: objects of one size, cut from blocks of pages.

Problem:  drivers want a bio of 64 bytes, not a page of 4096; they want it on every CPU at once, in no
          time, and already in the state in which the last user left it.
Idea:     a cache for each kind of object.  It cuts slabs (blocks of 2**order pages) into equal
          objects, and before the slabs stands an array of free objects for each CPU: nearly every
          call ends there and takes no lock.

              take:   from this CPU's array <- a batch from the slabs <- a new slab from the pages
              put:    to this CPU's array -> if that is at its limit, a batch goes back to the slabs

Promise:  take() and try_alloc() never sleep, and come back with None if there is no page to be had.
          alloc() sleeps where the page allocator does, and comes back with None only if that does.
          put() and free() never sleep and never fail.  A constructor is called when a slab is new,
          not when an object is taken: what it built survives being freed (Bonwick's point).
Always:   objects in use + in arrays + free in slabs = slabs * objects a slab, and each object is in
          one of the three places.  (`check`)

An object is its address, an int: page frame number * 4096 + offset.  What is stored there matters to
few; `fill` and `read` reach it, under the promise of a C pointer: none.

Beside it: mm/slab.c of Linux 2.5.1 with CONFIG_SMP, after Bonwick 1994.  slab_geometry.py lays the
objects out, slab_lists.py holds the slabs, kmalloc.py holds the caches.
Left out:  destructors, red zones, destroying a cache (and the count of those who grow it, which
           guards only that); 2.5.1 spends a colour even on a slab that does not come.
"""

from typing import NamedTuple

from kit import trace, traps
from kit.errors import BadInput, Corruption
from kit.gfp import DMA, GFP_ATOMIC, GFP_KERNEL, HIGHMEM
from kit.locks import Spinlock
from kit.memory.slab_checks import at_rest, lay_to_rest, look_for_damage, why_not_in_use
from kit.memory.slab_geometry import array_limit, break_order, linux_2_5_1
from kit.memory.slab_lists import SlabLists, cut
from kit.traps import might_sleep, never_sleeps, note, step


class SlabInfo(NamedTuple):
    """A line of /proc/slabinfo, version 1.1, in the order of its columns."""

    name: str
    active_objects: int         # in use, or in the array of a CPU
    objects: int
    size: int
    active_slabs: int           # full or partial
    slabs: int
    pages_per_slab: int
    limit: int
    batch: int


class Cache:
    """Objects of `size` bytes, from the page allocator `pages`.

    align, l1: whether objects are aligned to cache lines, and the bytes of one (slab_geometry.py).
    geometry: a layout of one's own, in place of that of 2.5.1.
    limit: how many free objects a CPU keeps for itself; by size unless told, 0 for none.
    gfp: added to every request for pages: DMA, or nothing.
    headers: given a number of bytes, the cache in which off-slab slabs of that much data keep them;
    without it these lie outside the model.  by_page: the map from page to slab that several caches
    share.  A CacheChain (kmalloc.py) gives both.
    constructor: given the address of an object whose slab is new, it returns what is stored there;
    whoever frees an object has to leave it like that.
    checked: free objects have to stay as they were left, else the next take() raises Corruption.
    """

    explored = ("pages", "headers", "live", "arrays", "slabs", "colour_next", "grown_lately", "memory")

    def __init__(self, name, size, pages, align=False, l1=32, geometry=None, limit=None, gfp=0,
                 headers=None, by_page=None, constructor=None, checked=False):
        self.name, self.pages, self.gfp = name, pages, gfp
        self.geometry = geometry or linux_2_5_1(size, align, l1, break_order(pages.total_pages))
        self.limit = array_limit(self.geometry.size) if limit is None else limit
        self.batch = -(-self.limit // 2)    # half of it, and of one one
        self.headers = headers(self.geometry.management) if headers and self.geometry.off_slab else None
        self.constructor, self.checked = constructor, checked
        self.lock = Spinlock(f"{name}.lock")
        self.live = set()                   # the objects in use; never walked in order, so a set will do
        self.arrays = []                    # of free objects, by CPU; what was freed last lies on top
        self.slabs = SlabLists({} if by_page is None else by_page)
        self.colour_next = 0
        self.grown_lately = False           # since the reaper last came by
        self.memory = {}                    # what is stored at an address, if anybody cares
        self.grown = self.reaped = 0        # counters, of slabs
        self._taking, self._giving = f"take a {name}", f"free a {name}"

    def __repr__(self):
        return self.name

    # -- In one instant ------------------------------------------------------------------------------

    def take(self, gfp=GFP_ATOMIC):
        """The address of an object, or None if there is no page for a new slab.  Never sleeps."""
        array = self._array()
        if not (array or self._refill(array) or self._grow_now(gfp) and self._refill(array)):
            return None
        if self.checked:
            look_for_damage(self, array[-1])
        obj = array.pop()
        self.live.add(obj)
        return obj

    def take_free(self):
        """The address of an object that lies free already, or None if that would need a new slab.  Never sleeps."""
        return self.take() if self._array() or self.slabs.partial or self.slabs.free else None

    def put(self, obj):
        """Give an object back.  Never sleeps; raises Corruption for what is not in use."""
        try:
            self.live.remove(obj)
        except (KeyError, TypeError):
            raise Corruption(why_not_in_use(self, obj)) from None
        if self.checked:
            lay_to_rest(self, obj)
        array = self._array()
        if len(array) < self.limit:
            array.append(obj)
        else:
            self._overflow(array, obj)

    # -- What tasks call: the backing protocol of mempool.py -----------------------------------------

    @might_sleep
    async def alloc(self, gfp=GFP_KERNEL):
        """The address of an object; None if the page allocator gave up.  May sleep for a new slab."""
        return await self._alloc(gfp, "alloc")

    @never_sleeps
    async def try_alloc(self, gfp=GFP_ATOMIC):
        """The address of an object, or None.  Never sleeps."""
        return await self._alloc(gfp, "try_alloc")

    @never_sleeps
    async def free(self, obj):
        """Give an object back.  Never sleeps; raises Corruption for what is not in use."""
        await step(self._giving)
        self.put(obj)

    async def _alloc(self, gfp, ask):
        """`ask` names the method by which pages are asked for."""
        while True:
            await step(self._taking)
            if (obj := self.take_free()) is not None:
                return obj
            if not await self._grow(gfp, ask):
                return None
            # The new slab is everybody's: another CPU may empty it before our next look.

    # -- Between the array of a CPU and the slabs ----------------------------------------------------

    def _array(self):
        """The array of the CPU that is running; the prompt runs on none, and uses that of CPU 0."""
        number = traps.current.cpu.number or 0
        while len(self.arrays) <= number:
            self.arrays.append([])
        return self.arrays[number]

    def _refill(self, array):
        """Move a batch from the slabs into an empty array; says whether an object came."""
        with self.lock:
            array.extend(self.slabs.take(self.batch or 1))
        return bool(array)

    def _overflow(self, array, obj):
        """The array is at its limit: the batch on its top goes back, and `obj` takes its place."""
        with self.lock:
            if self.limit:
                for each in array[-self.batch:]:
                    self.slabs.put(each)
                array[-self.batch:] = [obj]
            else:
                self.slabs.put(obj)

    # -- Growing -------------------------------------------------------------------------------------

    async def _grow(self, gfp, ask):
        """Get a new slab; says whether it came.  No lock is held: the page allocator may sleep."""
        gfp, pfn, header = self._gfp_of_pages(gfp), None, None
        try:
            pfn = await getattr(self.pages, ask)(gfp, self.geometry.order)
            if pfn is not None and self.headers:
                header = await getattr(self.headers, ask)(gfp & ~DMA)
        finally:        # also if the task is abandoned between the two: its pages must not be lost
            grown = self._link(pfn, header)
        return grown

    def _grow_now(self, gfp):
        """As _grow, in one instant."""
        gfp = self._gfp_of_pages(gfp)
        pfn = self.pages.take(gfp, self.geometry.order)
        header = self.headers.take(gfp & ~DMA) if pfn is not None and self.headers else None
        return self._link(pfn, header)

    def _gfp_of_pages(self, gfp):
        if gfp & HIGHMEM:
            raise BadInput(f"{self.name} was asked for an object in high memory, which the kernel has no address for. "
                           "Leave HIGHMEM out: only whole pages can lie there.")
        if gfp & DMA & ~self.gfp:
            raise BadInput(f"{self.name} was asked for DMA memory, but its free objects may lie anywhere. "
                           "Take it from a cache that was made with gfp=DMA.")
        return gfp | self.gfp

    def _link(self, pfn, header):
        """Make a slab if its pages and, off-slab, its header have come; else keep neither."""
        if pfn is None:
            return False
        if self.headers and header is None:
            self.pages.put(pfn, self.geometry.order)
            return False
        self.grow_with(pfn, header)
        return True

    def grow_with(self, pfn, header=None):
        """Make a slab of pages in hand; off-slab, `header` is an object of `self.headers`.  Never sleeps or fails."""
        slab = cut(self, pfn, self._next_colour(), header)
        if self.constructor or self.checked:
            self.memory.update((obj, at_rest(self, obj)) for obj in slab.objects)
        with self.lock:
            self.slabs.add(slab)
            self.grown += 1
            self.grown_lately = True    # or the reaper might have the slab before we have our object
        if trace.watchers:
            note("grow", self.name, page=pfn, colour=slab.colour)

    def _next_colour(self):
        """How many bytes the objects of the next slab are shifted by: each a line more, then 0 again."""
        colour, self.colour_next = self.colour_next, (self.colour_next + 1) % self.geometry.colours
        return colour * self.geometry.colour_step

    # -- Giving pages back ---------------------------------------------------------------------------

    def shrink(self):
        """Give back every slab with no object in use; returns how many pages that freed.  Never sleeps."""
        for array in self.arrays:
            self._drain(array)
        return self.release(len(self.slabs.free))

    def drain(self):
        """Return the free objects that this CPU keeps to their slabs.  Never sleeps."""
        self._drain(self._array())

    def _drain(self, array):
        self.lock.instant()
        for obj in array:
            self.slabs.put(obj)
        array.clear()

    def release(self, count):
        """Give back `count` free slabs at most, the coldest first; returns the pages freed.  Never sleeps."""
        with self.lock:
            released = self.slabs.remove_free(count)
            self.reaped += len(released)
        for slab in released:
            for obj in slab.objects:
                self.memory.pop(obj, None)
            self.pages.put(slab.pfn, self.geometry.order)
            if self.headers:
                self.headers.put(slab.header)
        if trace.watchers and released:
            note("reap", self.name, slabs=len(released))
        return len(released) * self.geometry.pages

    @property
    def pages_held(self):
        """Pages that the page allocator cannot give to anybody else; headers count where they lie."""
        return len(self.slabs) * self.geometry.pages

    def slabinfo(self):
        """The cache's line of /proc/slabinfo, as data."""
        slabs, active = len(self.slabs), len(self.slabs) - len(self.slabs.free)
        free = sum(len(self.slabs.stacks[pfn]) for pfn in self.slabs.partial)
        each = self.geometry.objects
        return SlabInfo(self.name, active * each - free, slabs * each, self.geometry.size, active, slabs,
                        self.geometry.pages, self.limit, self.batch)

    # -- What is stored in an object -----------------------------------------------------------------

    def fill(self, obj, content):
        """Store `content` at an address.  Nothing is checked, as nothing checks a C pointer."""
        self.memory[obj] = content

    def read(self, obj):
        """What was stored there last."""
        return self.memory.get(obj)

    def check(self):
        """Nothing is lost: in use, in an array, free in a slab, each object of each slab is one of these."""
        self.slabs.check()
        in_arrays = [obj for array in self.arrays for obj in array]
        in_slabs = [obj for stack in self.slabs.stacks.values() for obj in stack]
        everywhere = sorted([*self.live, *in_arrays, *in_slabs])
        all_objects = sorted(obj for slab in self.slabs for obj in slab.objects)
        assert len(everywhere) == len(all_objects), (
            f"{self}: {len(self.live)} objects in use + {len(in_arrays)} in arrays + {len(in_slabs)} free in slabs, "
            f"but {len(self.slabs)} slabs * {self.geometry.objects} are {len(all_objects)}")
        assert everywhere == all_objects, f"{self}: an object is in two places at once, and another one nowhere"
        assert all(len(array) <= max(self.limit, 1) for array in self.arrays), (
            f"{self}: a CPU keeps more than {self.limit} objects for itself")
