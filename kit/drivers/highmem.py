"""highmem: pages that a device cannot reach are copied to pages that it can.

The problem: a device reaches the memory below some address only (an ISA card 16 MB), and the page
to be written lies above.  The idea: a *bounce page* below, into which it is copied.  So whoever has
plenty of dirty high memory needs low memory to get rid of it.

Where it can hang: a request takes its bounce pages in a loop, one per segment, and gives them back
only at its end.  Requests that hold some and wait for more are the stampede of the mail thread, with
16 pages each: two of them are enough for the 16 pages of the ISA pool, five for the 64 of highmem
(our reading and arithmetic).

Stands beside: mm/highmem.c of Linux 2.5.1 (create_bounce).  Its ISA pool was filled with GFP_KERNEL,
that is, with pages that an ISA card need not reach: `misplaced` counts those that are handed out.
(That this is so is our reading of the source.)  Left out: kmap, and copying back after a read.
"""

from collections import Counter

from kit.gfp import DMA, GFP_NOHIGHIO, GFP_NOIO
from kit.traps import might_sleep, never_sleeps, step

POOL_SIZE = 64
ISA_POOL_SIZE = 16
ISA_GFP = GFP_NOIO | DMA


class Bounce:
    """A driver above `below`, which reaches only pages below page frame `limit`.

    min_nr: how many bounce pages are kept back.  gfp: what is permitted when one is wanted;
    GFP_NOHIGHIO for high memory, ISA_GFP for ISA cards.
    """

    explored = ()       # what changes is counted, and decides nothing

    def __init__(self, below, limit, bios, supply, pages, min_nr=POOL_SIZE, gfp=GFP_NOHIGHIO, name="bounce page"):
        self.below, self.limit, self.bios, self.gfp, self.pages = below, limit, bios, gfp, pages
        self.pool = supply.of(name, pages, min_nr)
        self.bounced = self.misplaced = 0

    @might_sleep
    async def submit(self, bio):
        """Submit `bio`, or a copy of it in which every page lies below the limit.  Sleeps for bounce pages."""
        if all(page < self.limit for page in bio.pages):
            await self.below.submit(bio)
            return
        copy = await self.bios.alloc(self.gfp & ~DMA, len(bio.pages))      # only its pages must lie in reach
        copy.owner, copy.end_io = bio, self._end_io
        for page in bio.pages:
            await step("a bounce page for each segment")
            copy.pages.append(page if page < self.limit else await self._bounce_page())
        await self.below.submit(copy)

    async def _bounce_page(self):
        page = await self.pool.alloc(self.gfp)
        self.bounced += 1
        self.misplaced += page >= self.limit
        return page

    @never_sleeps
    async def _end_io(self, copy):
        """The copy is written: its bounce pages come back, and the original is done."""
        bio = copy.owner
        for page, original in zip(copy.pages, bio.pages, strict=True):
            if page != original:
                await self.pool.free(page)
        bio.failed = copy.failed
        await self.bios.put(copy)
        await bio.end_io(bio)

    def needs(self, pages):
        """A copy and its bounce pages, if any page is out of reach; what is below sees them at worst just within it."""
        above = sum(page >= self.limit for page in pages)
        needs = self.below.needs([min(page, self.limit - 1) for page in pages])
        if above:
            needs += self.bios.needs(len(pages)) + Counter({self.pages: above})
        return needs
