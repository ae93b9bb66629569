"""bio: one request to a block device, and the pools that such requests come from.

The problem: every write needs a `bio` and a vector of segments, of any length from 1 to 256.  The
idea of fs/bio.c: one pool of bios, and six pools of vectors, each four (then two) times as long as
the one before; a request takes a vector from the pool of the next size up.

Always true: the two levels are taken in one order, the bio, THEN its vector, by everybody.  So
nobody who holds a vector waits for a bio, and no circle closes within this file.  A clone shares
the vector of its original, and so takes one element and not two.

Stands beside: fs/bio.c of Linux 2.5.1.  A driver of a stack is anything with submit(bio), which may
sleep, and with needs(pages), what it and those below will take for these page frames.  Left out: the
reference count of a bio (it has one owner, who gives it back in end_io), sectors, and reading.
"""

from collections import Counter

from kit.gfp import GFP_NOIO, WAIT
from kit.locks import WaitQueue
from kit.traps import might_sleep, never_sleeps, sleep, step

BIO_POOL_SIZE = 256
BIO_BYTES = 56
BVEC_BYTES = 12
BVEC_SIZES = (1, 4, 16, 64, 128, 256)       # segments, by pool
BIO_MAX_PAGES = 16                          # 128 sectors of 512 bytes

ANYWHERE = float("inf")     # stands for a page frame that is not known yet: it lies above whatever a device can reach


class Bio:
    """A request: which pages, and whom to tell.  `element` and `vec` are what the pools gave for it."""

    __slots__ = ("element", "end_io", "failed", "owner", "pages", "pool", "vec")

    def __init__(self, element, vec=None, pool=None):
        self.element, self.vec, self.pool = element, vec, pool
        self.pages = []         # page frame numbers, a segment each
        self.end_io = None      # coroutine function, given this bio, called from the interrupt
        self.owner = None       # whatever end_io needs to know
        self.failed = False

    def __repr__(self):
        return f"bio {self.element}"


class Bios:
    """The bios of a machine: `Bios(supply, chain)`.

    supply: where elements come from (supply.py).  chain: the CacheChain in which the caches are.
    bios, vecs: how many are kept back, of bios and of each of the six kinds of vector.
    """

    def __init__(self, supply, chain, bios=BIO_POOL_SIZE, vecs=(BIO_POOL_SIZE,) * 6):
        self.bio_cache = chain.create("bio", BIO_BYTES, align=True)
        self.vec_caches = [chain.create(f"biovec-{size}", BVEC_BYTES * size, align=True) for size in BVEC_SIZES]
        self.bios = supply.of("bio", self.bio_cache, bios)
        self.vecs = [supply.of(cache.name, cache, count) for cache, count in zip(self.vec_caches, vecs, strict=True)]

    @might_sleep
    async def alloc(self, gfp=GFP_NOIO, pages=1):
        """A Bio with room for so many pages; 0 for one without a vector of its own.

        None only if `gfp` has no WAIT, and then nothing is held.  Source: bio_alloc(), fs/bio.c.
        """
        element = await self.bios.alloc(gfp)
        if element is None or not pages:
            return None if element is None else Bio(element)
        pool = self.vecs[vec_pool(pages)]
        await step("bio in hand, vector next")
        vec = await pool.alloc(gfp)
        if vec is None:
            await self.bios.free(element)
            return None
        return Bio(element, vec, pool)

    @might_sleep
    async def clone(self, bio, gfp=GFP_NOIO):
        """Another Bio for the same pages; it shares their vector.  Source: bio_clone()."""
        clone = await self.alloc(gfp, pages=0)
        if clone is not None:
            clone.pages = bio.pages
        return clone

    @never_sleeps
    async def put(self, bio):
        """Give a Bio back, its vector first, if that is its own."""
        if bio.vec is not None:
            await bio.pool.free(bio.vec)
        await self.bios.free(bio.element)

    def needs(self, pages=1):
        """What one Bio takes of each cache."""
        needs = Counter({self.bio_cache: 1})
        if pages:
            needs[self.vec_caches[vec_pool(pages)]] += 1
        return needs


class BiosOf:
    """Bios with room for `pages` pages, as an allocator of its own: a part of a composite element."""

    def __init__(self, bios, pages):
        self.bios, self.pages = bios, pages

    @might_sleep
    async def alloc(self, gfp):
        """A Bio; None only without WAIT."""
        return await self.bios.alloc(gfp, self.pages)

    @never_sleeps
    async def try_alloc(self, gfp):
        """A Bio, or None."""
        return await self.bios.alloc(gfp & ~WAIT, self.pages)

    @never_sleeps
    async def free(self, bio):
        """Give it back."""
        await self.bios.put(bio)


def vec_pool(pages):
    """Which of the six pools has the shortest vectors that are long enough."""
    return next(pool for pool, size in enumerate(BVEC_SIZES) if pages <= size)


def scaled_pools(free_pages):
    """How many vectors each of the six pools keeps back on a machine with so many free pages.

    Axboe's rule of September 2002: small machines keep fewer, and fewest of the long ones.  Twice as
    many as there are megabytes, 256 at most; from pool `scale` on, each has half of the one before.
    """
    megabytes = free_pages // 256
    entries = min(2 * megabytes, BIO_POOL_SIZE)
    scale = next((index for index, most in enumerate((16, 32, 64, 96, 128)) if megabytes <= most), len(BVEC_SIZES))
    pools = []
    for pool in range(len(BVEC_SIZES)):
        if pool >= scale:
            entries //= 2
        pools.append(entries)
    return pools


def idle_bytes(pools, bios=BIO_POOL_SIZE):
    """What pools of that size set aside: bytes of bios and of vectors, without the waste of slabs."""
    return bios * BIO_BYTES + sum(count * size * BVEC_BYTES for count, size in zip(pools, BVEC_SIZES, strict=True))


# == The bottom of every stack =====================================================================

NR_REQUESTS = 128       # for writes, on a machine of more than 32 MB


class BlockDevice:
    """A disk and its queue of requests: whoever submits more than it has room for, waits.

    disk: anything with submit(request, done), such as kit.machine.disk.Disk.
    fails: asked of each bio that is served, whether it failed.
    """

    explored = ("room", "wait")

    def __init__(self, disk, requests=NR_REQUESTS, fails=lambda bio: False):
        self.disk, self.room, self.fails = disk, requests, fails
        self.wait = WaitQueue(f"{disk}.requests", "Only a request that is served wakes it.", of=self)
        self.name = f"{disk}.requests"

    @might_sleep
    async def submit(self, bio):
        """Hand `bio` to the disk; sleeps while the queue is full.  Its end_io is called when it is served."""
        while not self.room:
            with self.wait.queued():
                await step("look again")
                if not self.room:
                    await sleep(self.wait)
        self.room -= 1
        self.disk.submit(bio, self._served)

    @never_sleeps
    async def _served(self, bio):
        self.room += 1
        self.wait.wake_one()
        bio.failed = self.fails(bio)
        await bio.end_io(bio)

    def needs(self, pages):
        """Nothing: requests are there from the start."""
        return Counter()


# == The top of a stack ============================================================================


class Pageout:
    """Writes to `device`: pages of `cache`, whose writepage it becomes, and pages that somebody else holds.

    foreseen: a write knows beforehand what these very pages will take; else it declares the worst.
    """

    def __init__(self, cache, device, bios, supply, gfp=GFP_NOIO, foreseen=True):
        self.cache, self.device, self.bios, self.supply, self.gfp = cache, device, bios, supply, gfp
        self.foreseen = foreseen
        self.written = WaitQueue("direct writes", "Only the end of a direct write wakes it.", of=self)
        self.name = "direct writes"
        cache.writepage = self.writepage

    @might_sleep
    async def writepage(self, page):
        """Hand one page to the device; sleeps for whatever the drivers need.  Source: submit_bh(), ll_rw_blk.c."""
        await self._submit([page.pfn], page, self._page_written)

    @might_sleep
    async def write_and_wait(self, pages):
        """Write these page frames in one request, and sleep until that is done.  Source: ll_rw_kio(), fs/bio.c."""
        done = []
        await self._submit(pages, done, self._direct_written)
        while not done:
            with self.written.queued():
                await step("look again")
                if not done:
                    await sleep(self.written)

    async def _submit(self, pages, owner, end_io):
        async with self.supply.request(self.needs(pages if self.foreseen else [ANYWHERE] * len(pages))):
            bio = await self.bios.alloc(self.gfp, len(pages))
            bio.pages, bio.owner, bio.end_io = pages, owner, end_io
            await self.device.submit(bio)

    @never_sleeps
    async def _page_written(self, bio):
        await self.bios.put(bio)
        await self.cache.end_write(bio.owner, failed=bio.failed)

    @never_sleeps
    async def _direct_written(self, bio):
        await self.bios.put(bio)
        bio.owner.append(bio.failed)
        self.written.wake_all()

    def needs(self, pages):
        """What one write of these page frames takes, from the top of the stack to its bottom."""
        return self.bios.needs(len(pages)) + self.device.needs(pages)
