"""reclaim: getting pages back, which takes memory itself.

The problem: memory is full, of pages that hold something.  The idea: make others smaller.  First
slabs with no object in use; then the old end of the page cache, where clean pages are dropped on the
spot and dirty ones are handed to `writepage`, which will come back through the drivers for a bio, a
bounce page, whatever a write needs.  That is the circle of which this whole kit is about.

Three do it:

    direct reclaim      whoever found no page, for itself (the page allocator calls it: attempts.py)
    kswapd              a task, woken below pages_low, works until pages_high
    the flusher         a task (bdflush), writes dirty pages, so that reclaim finds clean ones

and whoever dirties memory faster than the disk writes is made to wait: balance_dirty.

What direct reclaim and kswapd allocate meanwhile may come from the last page (PF_MEMALLOC), and
never reclaims again: it is told no instead.  The flusher has no such right.

The promise is small: one round looks at the inactive list in six passes, the last of them at all of
it, and says how much it got.  It does not promise to get anything.

The VM registers itself with the page allocator (pages.reclaim, pages.wake_kswapd, pages.wake_flusher).
The two tasks are coroutine functions for whoever has a machine: machine.spawn("kswapd", kswapd, vm, daemon=True).

Stands beside: mm/vmscan.c and balance_dirty, write_some_buffers and bdflush in fs/buffer.c of Linux
2.5.1.  Left out: processes and their page tables (a mapped page is unmapped by asking), the OOM
killer (counted: `out_of_memory`), dentries and inodes, kupdate, and that 2.5.1 also writes pages
whose dirt is in buffers for callers with IO alone (give `writes_with=IO` for that).
"""

from kit import traps
from kit.gfp import DMA, FS, GFP_KERNEL, HIGHMEM, PF_MEMALLOC
from kit.locks import WaitQueue
from kit.traps import might_sleep, sleep, step

DEF_PRIORITY = 6            # passes over the inactive list: a sixth of it, a fifth ... all of it
SWAP_CLUSTER_MAX = 32       # pages that one round of reclaim is content with
NRSYNC = 32                 # pages that are written in one go
START_FLUSHING = 40         # percent of memory dirty: write some (bdf_prm of 2.4.16, by our recollection: 40 and 60)
STOP_WRITERS = 60           # percent of memory dirty: wait, too
SECOND = 1_000_000_000


class Vm:
    """What gets pages back for the page allocator `pages`: from `slabs` (a CacheChain) and from `cache`.

    cluster: how many pages a round of reclaim wants.  writes_with: what a caller must permit, in
    its gfp mask, for dirty pages to be written on its behalf.  scan_ns: virtual time that a look
    at one page takes.
    """

    explored = ("pages", "cache", "slabs", "kswapd_wait", "flusher_wait")

    def __init__(self, pages, cache, slabs=None, cluster=SWAP_CLUSTER_MAX, writes_with=FS, scan_ns=100,
                 start_flushing=START_FLUSHING, stop_writers=STOP_WRITERS):
        self.pages, self.cache, self.slabs = pages, cache, slabs
        self.cluster, self.writes_with, self.scan_ns = cluster, writes_with, scan_ns
        self.start_flushing, self.stop_writers = start_flushing, stop_writers
        self.kswapd_wait = WaitQueue("kswapd.wait", "Whoever finds a zone below its low mark wakes it.")
        self.kswapd_rest = WaitQueue("kswapd.rest", "It rests for a second because it could free nothing.")
        self.flusher_wait = WaitQueue("flusher.wait", "Whoever finds too much memory dirty wakes it.")
        self.out_of_memory = self.scanned = self.rounds = 0
        pages.reclaim, pages.wake_kswapd = self.direct_reclaim, self.kswapd_wait.wake_all
        pages.wake_flusher = self.flusher_wait.wake_all

    # -- Freeing -------------------------------------------------------------------------------------

    @might_sleep
    async def direct_reclaim(self, gfp, order):
        """Free `cluster` pages for a request that found none; how many were freed, or 0 if they were fewer.

        Sleeps while pages are written, if `gfp` permits writing.  The page allocator, which calls
        it, sets PF_MEMALLOC meanwhile.  Source: try_to_free_pages(), mm/vmscan.c.
        """
        return await self.try_to_free(self.pages.zonelists[gfp & (DMA | HIGHMEM)], gfp)

    @might_sleep
    async def try_to_free(self, zones, gfp):
        """As direct_reclaim, from these zones."""
        self.rounds += 1
        missing = self.cluster
        for priority in range(DEF_PRIORITY, 0, -1):
            missing = await self._shrink(zones, gfp, priority, missing)
            if missing <= 0:
                return self.cluster - missing
        self.out_of_memory += 1
        return 0

    async def _shrink(self, zones, gfp, priority, missing):
        """One pass: slabs, then the page cache; how many pages are missing still."""
        await step("SHRINK")
        if self.slabs is not None and self.slabs.reap() >= missing:
            return 0        # what slabs gave counts only if it was enough, in 2.5.1
        active, inactive = len(self.cache.active), len(self.cache.inactive)
        self.cache.refill_inactive(missing * active // ((inactive + 1) * 2))
        return await self._shrink_inactive(Pass(zones, gfp, priority, missing, inactive=len(self.cache.inactive)))

    async def _shrink_inactive(self, scan):
        may_write = scan.gfp & self.writes_with
        while (page := self._scan(scan, may_write)) is not None:
            if page.busy:
                await self.cache.wait_until_idle(page)
            else:
                await self.cache.write_out(page, launder=True)
            await step("SCAN ON")
        if scan.mapped_left < 0:
            self.cache.unmap_some(SWAP_CLUSTER_MAX)
        return scan.missing

    def _scan(self, scan, may_write):
        """Drop clean pages from the old end of inactive, until one is worth writing or waiting for; None: done."""
        looked_before = scan.left
        found = None
        while found is None and scan.goes_on and self.cache.inactive:      # once, or a second time round
            # A few at a time: on a large list a pass mostly ends at the first of them, and all would be copied.
            few = self.cache.oldest_inactive(min(scan.left, SWAP_CLUSTER_MAX))
            found = self._look_at(few, scan, may_write)
        self.scanned += looked_before - scan.left
        traps.current.cpu.clock += (looked_before - scan.left) * self.scan_ns
        return found

    def _look_at(self, pages, scan, may_write):
        """As _scan, for these pages of the old end.  Most of the time of a machine that hangs is spent here."""
        zones, droppable, to_young_end = scan.zones, self.cache.droppable, self.cache.inactive.move_to_end
        for page in pages:
            scan.left -= 1
            to_young_end(page.pfn)
            if page.zone not in zones:
                continue
            if page.mapped or page.users:
                scan.mapped_left -= 1
            elif may_write and (page.launder or page.dirty and not page.busy):
                return page
            elif page.pfn in droppable:
                scan.missing -= self.cache.drop(page)
            else:
                continue
            if not scan.goes_on:
                break
        return None

    # -- kswapd --------------------------------------------------------------------------------------

    @might_sleep
    async def balance(self):
        """Free pages until no zone asks for it any more; rests for a second when there is nothing to free."""
        for index, zone in reversed(list(enumerate(self.pages.zones))):
            zones = self.pages.zones[index::-1]
            while zone.need_balance:
                if not await self.try_to_free(zones, GFP_KERNEL):
                    zone.need_balance = False
                    with self.kswapd_rest.queued():
                        await sleep(self.kswapd_rest, SECOND)
                elif any(each.free_pages > each.pages_high for each in zones):
                    zone.need_balance = False

    @property
    def balanced(self):
        """No zone asks for kswapd."""
        return not any(zone.need_balance for zone in self.pages.zones)

    # -- Dirty pages ---------------------------------------------------------------------------------

    @might_sleep
    async def write_some(self, count=NRSYNC):
        """Start to write the pages that have been dirty for longest; how many.  Sleeps as `writepage` does."""
        wrote = 0
        while wrote < count and (page := self._oldest_dirty()) is not None:
            await self.cache.write_out(page)
            wrote += 1
        return wrote

    @might_sleep
    async def wait_for_some(self):
        """Sleep until the page that has been under write-out for longest is written; at once if there is none."""
        if self.cache.writing:
            await self.cache.wait_until_idle(next(iter(self.cache.writing.values())))

    @might_sleep
    async def balance_dirty(self):
        """Whoever has dirtied a page helps to write when much is dirty, and waits when too much is.

        Source: balance_dirty(), fs/buffer.c of 2.5.1.
        """
        percent = self.percent_dirty
        if percent > self.start_flushing:
            await self.write_some()
        if percent > self.stop_writers:
            await self.wait_for_some()
            self.flusher_wait.wake_all()

    @property
    def percent_dirty(self):
        """How much of memory is dirty or under write-out, of what is not high memory and above the high marks.

        That pages under write-out count as well is known of 2.4.17, and assumed of 2.5.1.
        """
        memory = sum(max(0, zone.pages - zone.pages_high) for zone in self.pages.zonelists[0])
        return (len(self.cache.dirty) + len(self.cache.writing)) * 100 // max(1, memory)

    @property
    def has_dirty(self):
        """There is a dirty page that could be written now."""
        return self._oldest_dirty() is not None

    def _oldest_dirty(self):
        """The page that has been dirty for longest and is not busy."""
        return next((page for page in self.cache.dirty.values() if not page.busy), None)


class Pass:
    """One pass over the inactive list: what it may still do."""

    def __init__(self, zones, gfp, priority, missing, inactive):
        self.zones, self.gfp, self.missing = zones, gfp, missing
        self.left = inactive // priority                    # pages to look at
        self.mapped_left = missing << (9 - priority)        # mapped pages to meet before processes give some up

    @property
    def goes_on(self):
        return self.left > 0 and self.missing > 0 and self.mapped_left >= 0


# == The tasks =====================================================================================


async def kswapd(vm):
    """The task that frees pages in the background: machine.spawn("kswapd", kswapd, vm, daemon=True)."""
    traps.current.flags |= PF_MEMALLOC
    while True:
        with vm.kswapd_wait.queued():
            await step("is memory short?")
            if vm.balanced:
                await sleep(vm.kswapd_wait)
        await vm.balance()


async def flusher(vm):
    """The task that writes dirty pages (bdflush): machine.spawn("flusher", flusher, vm, daemon=True)."""
    while True:
        wrote = await vm.write_some()
        if not wrote or vm.percent_dirty <= vm.start_flushing:
            await vm.wait_for_some()
            with vm.flusher_wait.queued():
                await step("is there more to write?")
                if vm.percent_dirty <= vm.start_flushing or not vm.has_dirty:
                    await sleep(vm.flusher_wait)
