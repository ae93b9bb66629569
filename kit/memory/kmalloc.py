"""kmalloc: the caches of one page allocator, the memory they give back, and memory by the byte.

    CacheChain  all caches over the same pages.  When these run out, the reaper goes round: it looks
                at ten caches, from where it stopped last time, and takes half of the free slabs of
                the one that has most to give.
    Kmalloc     caches for 32, 64, ... 131,072 bytes, each also in DMA memory, for whoever needs
                memory of some size and no more: take(size) finds the class, put(obj) finds the
                cache by the object's page.

Always: no page belongs to two slabs; every cache of the chain is whole.  (`check`)
Beside it: kmem_cache_reap(), kmalloc() and kfree() of mm/slab.c, Linux 2.5.1.
Left out: the cache of caches, SLAB_NO_REAP, and that the reaper lets others in between two slabs.
"""

from kit import traps
from kit.errors import BadInput, Corruption
from kit.gfp import DMA, GFP_ATOMIC, GFP_KERNEL
from kit.memory.slab import Cache
from kit.memory.zones import PAGE_SIZE
from kit.traps import might_sleep, never_sleeps

SCAN = 10                   # caches that one round of the reaper looks at (REAP_SCANLEN)
PERFECT = 10                # pages that are enough to stop looking (REAP_PERFECT)
SIZES = tuple(32 << n for n in range(13))       # no need to align them: powers of two straddle no line


class CacheChain:
    """All caches over one page allocator; it owns nothing else."""

    explored = ("caches", "hand")

    def __init__(self, pages):
        self.pages = pages
        self.caches = []        # oldest first; /proc/slabinfo and the reaper go the other way
        self.hand = 0           # the cache that the reaper looked at last
        self.by_page = {}       # page -> slab, of all caches
        self.general = {}       # size -> cache: where off-slab slabs keep their data; Kmalloc puts it there

    def create(self, name, size, **options):
        """A new Cache over these pages; `options` are Cache's."""
        if any(cache.name == name for cache in self.caches):
            raise BadInput(f"there is a cache {name} already. Give this one another name.")
        cache = Cache(name, size, self.pages, headers=self._header_cache, by_page=self.by_page, **options)
        self.caches.append(cache)
        return cache

    def _header_cache(self, size):
        """Where off-slab slabs keep their data: a kmalloc class, if there is a Kmalloc."""
        return self.general[size_class(size)] if self.general else None

    def reap(self):
        """Give back half of the free slabs of one cache; returns how many pages that freed.  Never sleeps.

        0 does not mean that there is nothing: a cache that grew since the last round is passed over,
        once, and one round sees ten caches only.
        """
        best, most = None, 0
        for _ in range(min(SCAN, len(self.caches))):
            self.hand = (self.hand or len(self.caches)) - 1
            pages = self._worth(self.caches[self.hand])
            if pages > most:
                best, most = self.caches[self.hand], pages
            if most >= PERFECT:
                break
        return best.release((len(best.slabs.free) + 1) // 2) if best else 0

    def _worth(self, cache):
        """The pages that `cache` could give, less a fifth each if they will be dear to get again."""
        if cache.grown_lately:
            cache.grown_lately = False
            return 0
        cache.drain()                                   # the arrays of other CPUs are out of reach
        if not cache.slabs.free:
            return 0
        pages = len(cache.slabs.free) * cache.geometry.pages
        if cache.constructor:                           # every object would have to be built anew
            pages = (pages * 4 + 1) // 5
        if cache.geometry.order:                        # blocks are harder to get than pages
            pages = (pages * 4 + 1) // 5
        return pages

    @property
    def pages_held(self):
        """The pages of all caches together."""
        return sum(cache.pages_held for cache in self.caches)

    def slabinfo(self):
        """The lines of /proc/slabinfo as data, newest cache first, as the kernel prints them."""
        return [cache.slabinfo() for cache in reversed(self.caches)]

    def check(self):
        """Every cache is whole, and each page of theirs leads to the one slab that it is part of."""
        for cache in self.caches:
            cache.check()
        assert len(self.by_page) == self.pages_held, (
            f"{self.pages_held} pages are held by caches, and {len(self.by_page)} lead to a slab")


class Kmalloc:
    """Memory by the byte: `kmalloc.alloc(600)` gives an object of 1,024 bytes.

    pages: the page allocator; chain: where the caches go, if there is a chain already.
    options: for each cache (l1, limit, checked).
    """

    explored = ("chain",)

    def __init__(self, pages, chain=None, **options):
        self.chain = chain or CacheChain(pages)
        self.dma = {}
        for size in SIZES:
            self.chain.general[size] = self.chain.create(f"size-{size}", size, **options)
            self.dma[size] = self.chain.create(f"size-{size}(DMA)", size, gfp=DMA, **options)

    def cache(self, size, gfp=0):
        """The cache that serves `size` bytes: a backing for a mempool of elements of that size."""
        return (self.dma if gfp & DMA else self.chain.general)[size_class(size)]

    def take(self, size, gfp=GFP_ATOMIC):
        """The address of at least `size` bytes, or None.  Never sleeps."""
        return self.cache(size, gfp).take(gfp)

    def put(self, obj):
        """Give it back: kfree().  Never sleeps; raises Corruption for what is not in use."""
        self._cache_of(obj).put(obj)

    @might_sleep
    async def alloc(self, size, gfp=GFP_KERNEL):
        """The address of at least `size` bytes; None if the page allocator gave up.  May sleep."""
        return await self.cache(size, gfp).alloc(gfp)

    @never_sleeps
    async def try_alloc(self, size, gfp=GFP_ATOMIC):
        """The address of at least `size` bytes, or None.  Never sleeps."""
        return await self.cache(size, gfp).try_alloc(gfp)

    @never_sleeps
    async def free(self, obj):
        """Give it back: kfree().  Never sleeps; raises Corruption for what is not in use."""
        await self._cache_of(obj).free(obj)

    def _cache_of(self, obj):
        slab = self.chain.by_page.get(obj // PAGE_SIZE) if type(obj) is int else None
        if slab is None:
            raise Corruption(f"{traps.current} frees {obj!r} to kmalloc, which has no memory there. "
                             "Free the address that take() or alloc() returned, to the allocator that it came from.")
        return slab.cache

    def check(self):
        """The chain's caches are whole."""
        self.chain.check()


def size_class(size):
    """The smallest class that holds `size` bytes.  (For more than the largest 2.5.1 returned NULL.)"""
    for each in SIZES:
        if size <= each:
            return each
    raise BadInput(f"kmalloc gives up to {SIZES[-1]:,} bytes, not {size:,}. Ask the page allocator for whole pages.")
