"""zones: the page allocator: page frames in zones, with watermarks that keep a reserve.

The problem: whoever frees memory needs memory, and an interrupt cannot wait for any.  So ordinary
requests must stop *before* the last page.  The idea: three marks in each zone,

    pages_high      kswapd is content again
    pages_low       below it, kswapd is woken
    pages_min       below it, ordinary requests reclaim for themselves; who may not wait goes on
                    to a quarter of it, and whoever is freeing memory (PF_MEMALLOC) to the last page

and a list of zones for each request, the best one first.  Who is tried in which order, and who is
told no, is data: attempts.py.

The promise of 2.5.1: a request of up to eight pages by an ordinary task that may wait is never told
no.  It may wait for ever instead, and that is what the debate is about.

What is always true (`check()`): in every zone free_pages is what its buddy lists hold, and free
pages + pages handed out = all pages.  A page is its page frame number, an int.

Stands beside: mm/page_alloc.c of Linux 2.5.1.  Left out: NUMA (one node), and struct page with its
reference count.
"""

from kit import traps
from kit.errors import BadInput, Corruption
from kit.gfp import DMA, GFP_ATOMIC, GFP_KERNEL, HIGHMEM, WAIT
from kit.locks import Spinlock
from kit.memory.attempts import LINUX_2_5_1, NO
from kit.memory.buddy import MAX_ORDER, Buddy, newest_first
from kit.trace import watchers
from kit.traps import might_sleep, never_sleeps, note, step

PAGE_SIZE = 4096
MB = 256                                # in pages
NO_WAIT = ~WAIT
ZONE_ENDS = (("DMA", 16 * MB), ("NORMAL", 896 * MB), ("HIGHMEM", None))     # i386


# == A zone =========================================================================================


class Zone:
    """A range of page frames that are equally good for somebody, with its free blocks and its marks.

    pages_min: the lowest mark; without one, what 2.5.1 computes from the zone's size.
    Both methods are one instant under the zone's lock.
    """

    explored = ("free_pages", "need_balance", "buddy", "lock", "contents")
    has_lists = False       # single pages come from a list of each CPU (pcp.py)

    def __init__(self, name, start, pages, pages_min=None, max_order=MAX_ORDER, pick=newest_first, high_half=True):
        self.name, self.start, self.pages, self.end = name, start, pages, start + pages
        self.buddy = Buddy(pages, max_order, start, pick, high_half)
        self.pages_min = watermark(pages) if pages_min is None else pages_min
        self.pages_low, self.pages_high = 2 * self.pages_min, 3 * self.pages_min
        self.lock = Spinlock(f"{name}.lock")
        self.free_pages = pages
        self.ledger = None              # reservation's, if there is one: it is told of every block
        self.need_balance = False       # somebody found the zone below its low mark: kswapd's sign
        self.contents = {}              # what was written to a page, where anybody ever wrote

    def __repr__(self):
        return self.name

    def take(self, order):
        """A block of that order, whatever the marks say; None if there is none."""
        self.lock.instant()
        page = self.buddy.take(order)
        if page is not None:
            self.free_pages -= 1 << order
            if self.ledger is not None:     # the one branch that reservations cost everybody
                self.ledger.was_taken(self, page, order)
            if watchers:
                note("take", self.name, page=page, order=order)
        return page

    def take_at(self, page, order):
        """That very block, which must be free: how a reservation takes what it chose."""
        self.lock.instant()
        self.buddy.take_at(page, order)
        self.free_pages -= 1 << order
        self.ledger.was_taken(self, page, order)
        if watchers:
            note("take", self.name, page=page, order=order)
        return page

    def put(self, page, order):
        """Give it back; raises Corruption if it was not handed out."""
        self.lock.instant()
        self.buddy.put(page, order)
        self.free_pages += 1 << order
        if self.ledger is not None:
            self.ledger.became_free(self, page, order)
        if watchers:
            note("put", self.name, page=page, order=order)

    def put_back(self, page, order):
        """As put, and past any list of a CPU: a ledger counts on what is given back to it being there for all."""
        self.put(page, order)

    def empty_lists(self):
        """Where CPUs keep pages for themselves: have them give all of them back."""

    def check(self):
        """What is counted is what is there."""
        self.buddy.check()
        free = self.buddy.free_pages()
        assert self.free_pages == free, f"{self} counts {self.free_pages} free pages, its lists hold {free}"


def watermark(pages):
    """pages_min of a zone of so many pages: a 128th, but 20 at least and 255 at most (2.5.1)."""
    return min(max(pages // 128, 20), 255)


def cut_into_zones(pages, zone=Zone, **options):
    """The zones of an i386 with `pages` page frames; `options` go to each `zone`."""
    zones, start = [], 0
    for name, end in ZONE_ENDS:
        end = pages if end is None else min(end, pages)
        if end > start:
            zones.append(zone(name, start, end - start, **options))
            start = end
    return zones


# == The page allocator =============================================================================


class Pages:
    """The page allocator: `Pages(64 * MB)`, or `Pages(zones=[Zone("NORMAL", 0, 64, pages_min=4)])`.

    pages: how many page frames, cut into zones as on an i386; options (pages_min, max_order, pick,
    high_half) go to each zone.  zone: what they are made of, Zone, PerCpuZone or JunkZone.
    attempts: the order of attempts, that of 2.5.1 unless told otherwise.

    reclaim: what direct reclaim calls, async (gfp, order) -> pages freed; reclaim.py puts it there.
    wake_kswapd, wake_flusher: called when memory gets short, when dirty pages should be written; so are these.
    """

    explored = ("zones", "kept")

    def __init__(self, pages=None, zones=None, attempts=LINUX_2_5_1, **options):
        if (pages is None) == (zones is None):
            raise BadInput("say either how many pages there are, Pages(64 * MB), or which zones, Pages(zones=[...]).")
        self.zones = _well_laid_out(cut_into_zones(pages, **options) if zones is None else zones)
        self.max_order = max(zone.buddy.max_order for zone in self.zones)
        # Zones begin at multiples of their largest block, so the upper bits of a page number tell its zone.
        self.zone_shift = min(zone.buddy.max_order for zone in self.zones)
        self.zone_at = _by_page(self.zones, self.zone_shift)
        self.zonelists = [self._zonelist(gfp) for gfp in (0, DMA, HIGHMEM, DMA | HIGHMEM)]
        self.follow(attempts)
        self.ledger = None      # of reservations, if there is one
        self.reclaim = self.wake_kswapd = self.wake_flusher = None
        self.kept = {}          # by task in direct reclaim: the first block it freed, as [(page, order)]

    def _zonelist(self, gfp):
        """Best zone first: DMA memory is scarce, so whoever can use something else gets that."""
        allowed = ("DMA",) if gfp & DMA else ("HIGHMEM", "NORMAL", "DMA") if gfp & HIGHMEM else ("NORMAL", "DMA")
        by_name = {zone.name: zone for zone in self.zones}
        return [by_name[name] for name in allowed if name in by_name]

    def follow(self, attempts):
        """From now on, try in this order."""
        self.attempts, self.instant_attempts = attempts, attempts.instant

    # -- What callers use --------------------------------------------------------------------------

    @might_sleep
    async def alloc(self, gfp=GFP_KERNEL, order=0):
        """A block of 2**order pages: its first page frame number, or None if the allocator gives up.

        May sleep if `gfp` says WAIT.  Gives up, in 2.5.1, only on callers that may not wait, on
        tasks that are freeing memory themselves, and on blocks of more than eight pages.
        """
        return await self._try_in_order(gfp, order)

    @never_sleeps
    async def try_alloc(self, gfp=GFP_ATOMIC, order=0):
        """As alloc for somebody who may not wait: None if nothing is left above a quarter of the min marks."""
        return await self._try_in_order(gfp & NO_WAIT, order)

    @never_sleeps
    async def free(self, page, order=0):
        """Give back what alloc, try_alloc or take gave.  Never sleeps; raises Corruption if it was never given."""
        await step("FREE")
        self.put(page, order)

    async def _try_in_order(self, gfp, order):
        attempts = self.attempts.once
        while True:
            for attempt in attempts:
                if attempt.applies and not attempt.applies(self, gfp, order):
                    continue
                if attempt.sleeps:
                    answer = await attempt.do(self, gfp, order)
                else:
                    await step(attempt.name)
                    answer = attempt.do(self, gfp, order)
                if answer is not None:
                    return None if answer == NO else answer
            attempts = self.attempts.again

    # -- The same in one instant ---------------------------------------------------------------------

    def take(self, gfp=GFP_ATOMIC, order=0):
        """try_alloc, but in one instant: a block of 2**order pages, or None.  Nobody comes in between."""
        gfp &= NO_WAIT
        for attempt in self.instant_attempts:
            if attempt.applies is None or attempt.applies(self, gfp, order):
                answer = attempt.do(self, gfp, order)
                if answer is not None:
                    return None if answer == NO else answer
        return None

    def put(self, page, order=0):
        """free, but in one instant."""
        try:
            zone = self.zone_at[page >> self.zone_shift]
        except (IndexError, TypeError):
            zone = self.zone_of(page)       # which says what is wrong with it
        if self.kept and self._keep_the_first(zone, page, order):
            return
        zone.put(page, order)

    def _keep_the_first(self, zone, page, order):
        """Who is in direct reclaim for itself keeps the first block it frees (attempts.py says what for)."""
        kept = self.kept.get(traps.current)
        if kept is None or kept:
            return False
        zone.buddy.require_held(page, order)
        kept.append((page, order))
        return True

    # -- What lies in a page -------------------------------------------------------------------------

    def fill(self, page, pattern):
        """Write `pattern` all over one page.  Nothing stops who writes to a page that is not theirs: see junk.py."""
        self.zone_of(page).contents[page] = pattern

    def read(self, page):
        """What was last written to the page; None if nobody ever wrote to it."""
        return self.zone_of(page).contents.get(page)

    # -- Looking -----------------------------------------------------------------------------------

    @property
    def free_pages(self):
        """Free pages of all zones; those that somebody keeps are not among them."""
        return sum(zone.free_pages for zone in self.zones)

    @property
    def total_pages(self):
        return sum(zone.pages for zone in self.zones)

    def zone_of(self, page):
        """The zone that the page lies in; raises Corruption for what is no page of this memory."""
        for zone in self.zones:
            if isinstance(page, int) and zone.start <= page < zone.end:
                return zone
        raise Corruption(f"{page!r} is not a page of this memory: give a page back where it came from.")

    def buddyinfo(self):
        """How many free blocks each zone has of each order, from 0 up: {"DMA": [3, 1, ...], ...}."""
        return {zone.name: zone.buddy.counts() for zone in self.zones}

    def check(self):
        """Every zone is sound, and what a task keeps is not free as well."""
        for zone in self.zones:
            zone.check()
        for kept in self.kept.values():
            assert len(kept) <= 1, "2.5.1 keeps one block for a task in direct reclaim, not more"
            for page, order in kept:
                self.zone_of(page).buddy.require_held(page, order)


def _by_page(zones, shift):
    """For each run of 2**shift pages, its zone; what lies between two zones goes to the second, who refuses it."""
    return [next(zone for zone in zones if page < zone.end) for page in range(0, zones[-1].end, 1 << shift)]


def _well_laid_out(zones):
    names = [zone.name for zone in zones]
    if not names or any(name not in dict(ZONE_ENDS) for name in names) or len(set(names)) < len(names):
        raise BadInput(f"a memory has one or more of the zones {', '.join(dict(ZONE_ENDS))}, and not {names}.")
    for left, right in zip(zones, zones[1:], strict=False):
        if left.end > right.start:
            raise BadInput(f"zones lie one after the other, but {right} starts at {right.start}, before {left} ends.")
    return zones
