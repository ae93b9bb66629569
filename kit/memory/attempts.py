"""attempts: what the page allocator tries, in which order, as data.

The problem: `alloc_pages` is one long function in every release, and the debate hangs on the order
of its parts: who may dig into which reserve, who has to reclaim, who is told no, and who never is.
The idea: each attempt is a small function, with its condition above it and its sentence as its
docstring; the order is a tuple of them.  `Pages.alloc` walks the tuple, and another release is
another tuple, not another `alloc`.

An attempt is given (pages, gfp, order) and answers with

    a page frame number     there: the caller gets it
    None                    nothing here: try the next one
    NO                      no, and nobody need try further: the caller gets None

An order has two parts: `once`, tried from the start, and `again`, tried after it, round and round,
until somebody answers.  Whoever may not wait is told no before the first attempt that sleeps.

Stands beside: __alloc_pages and balance_classzone in mm/page_alloc.c of Linux 2.5.1.
Left out: the victim of the OOM killer (PF_MEMDIE, which counts as PF_MEMALLOC); that an interrupt runs
with the flags of the task it came upon (our recollection; here it has none); and of 2.6 the
lowmem_reserve and the wait of HZ/50 for congestion, in whose place a task yields.
"""

from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from math import inf

from kit import traps
from kit.errors import BadInput
from kit.gfp import DMA, HIGH, HIGHMEM, NOFAIL, NOMEMALLOC, NORETRY, PF_MEMALLOC, WAIT
from kit.traps import might_sleep, sleeps, step, yield_cpu

NO = -1                         # no page frame has this number
ZONE_BITS = DMA | HIGHMEM       # the part of a gfp mask that says which zones will do
COSTLY_ORDER = 3                # up to eight pages, the allocator does not give up


class Attempt:
    """One line of the order: `do(pages, gfp, order)`, made only if `applies(pages, gfp, order)`.

    The condition looks at the request and at who makes it, never at the memory: so nobody can come
    in between the two.  Whether an attempt may sleep is read off its function.
    """

    def __init__(self, function, applies=None, do=None):
        self.do, self.applies, self.__module__ = do or function, applies, function.__module__
        self.name, self.__doc__, self.sleeps = function.__name__.upper(), function.__doc__, sleeps(function)

    def __repr__(self):
        return self.name

    def __reduce__(self):
        return self.name.lower()    # known by its name, so that a copied allocator has the same attempts


def only_if(condition):
    """Put a condition above an attempt."""
    return lambda function: Attempt(function, condition)


def walks(leaves):
    """An attempt that walks the zones; `leaves(zone, gfp)` says how many pages it leaves in each."""
    return Attempt(leaves, do=partial(walk, leaves))


def walk(leaves, pages, gfp, order):
    """A block from the first zone that has more pages than must be left in it and in the zones before it.

    So in a zone that one falls back on more is left than in one's own: 2.5.1's "incremental min".
    """
    if order < 0:
        raise BadInput(f"a block of order {order} has no pages: orders start at 0.")
    needed = 1 << order
    for zone in pages.zonelists[gfp & ZONE_BITS]:
        needed += leaves(zone, gfp)
        if zone.free_pages > needed:
            page = zone.take(order)
            if page is not None:
                return page
    return None


@dataclass(frozen=True)
class Attempts:
    """The order of attempts of one release."""

    release: str
    once: tuple
    again: tuple

    @property
    def instant(self):
        """All that a caller who may not wait ever reaches."""
        return tuple(takewhile(lambda attempt: not attempt.sleeps, self.once + self.again))


# == The order of Linux 2.5.1 =======================================================================

def is_freeing_memory(pages, gfp, order):
    return traps.current.flags & PF_MEMALLOC


def may_not_wait(pages, gfp, order):
    return not gfp & WAIT


def is_costly(pages, gfp, order):
    return order > min(COSTLY_ORDER, pages.max_order) or not pages.zonelists[gfp & ZONE_BITS]


@walks
def low(zone, gfp):
    """Take from the first zone that stays above its low mark and those of the zones before it."""
    return zone.pages_low


@Attempt
def kswapd(pages, gfp, order):
    """Memory is getting short: wake kswapd, which frees in the background, and do not wait for it."""
    for zone in pages.zonelists[gfp & ZONE_BITS][:1]:
        zone.need_balance = True
    if pages.wake_kswapd is not None:
        pages.wake_kswapd()


@walks
def minimum(zone, gfp):
    """Go down to the min marks; whoever may not wait, to a quarter of them."""
    return zone.pages_min if gfp & WAIT else zone.pages_min >> 2


def nothing(zone, gfp):
    return -inf             # not even what is missing at the marks of the zones before


@only_if(is_freeing_memory)
def memalloc(pages, gfp, order):
    """Whoever is freeing memory for all may take the last page; if there is none, no: it would wait for itself."""
    page = walk(nothing, pages, gfp, order)
    return NO if page is None else page


@only_if(may_not_wait)
def not_waiting(pages, gfp, order):
    """Whoever may not wait is told no here: everything further sleeps."""
    return NO


@Attempt
@might_sleep
async def reclaim(pages, gfp, order):
    """Free some pages oneself, and keep the first one freed, if it fits, before others can take it."""
    await step("RECLAIM")
    return await _reclaim_for_oneself(pages, gfp, order)


@only_if(is_costly)
def costly(pages, gfp, order):
    """More than eight pages in a row are worth one round of reclaim and not more: no."""
    return NO


@Attempt
@might_sleep
async def yield_and_retry(pages, gfp, order):
    """Let others run, who may free something, then go round again: a request that comes here is never told no."""
    await yield_cpu("YIELD_AND_RETRY")


async def _direct_reclaim(pages, gfp, order):
    """Let the current task free some pages, with PF_MEMALLOC meanwhile; how many it freed."""
    if pages.reclaim is None:
        return 0
    task, flags = traps.current, traps.current.flags
    task.flags = flags | PF_MEMALLOC
    try:
        return await pages.reclaim(gfp, order)
    finally:
        task.flags = flags


async def _reclaim_for_oneself(pages, gfp, order):
    """The first block that the current task frees in direct reclaim, or None (`local_pages` in 2.5.1).

    It must be of the right order and zone, and reclaim must say that it freed something; else it
    goes back to everybody.
    """
    task, freed, own = traps.current, 0, None
    kept = pages.kept[task] = []
    try:
        freed = await _direct_reclaim(pages, gfp, order)
    finally:        # a task that is abandoned in there gives back what it kept, too
        pages.kept.pop(task, None)      # None: it entered itself, and the inner call has taken it
        for page, kept_order in kept:
            if freed and kept_order == order and pages.zone_of(page) in pages.zonelists[gfp & ZONE_BITS]:
                own = page
            else:
                pages.put(page, kept_order)
    return own


LINUX_2_5_1 = Attempts(
    "2.5.1 (December 2001)",
    once=(low, kswapd, minimum),
    again=(memalloc, not_waiting, reclaim, minimum, costly, yield_and_retry))


# == What later releases changed ====================================================================


def is_freeing_memory_outside_interrupts(pages, gfp, order):
    return traps.current.flags & PF_MEMALLOC and not traps.current.in_interrupt


def has_had_its_round(pages, gfp, order):
    return not gfp & NOFAIL and (gfp & NORETRY or is_costly(pages, gfp, order))


@walks
def minimum_for_high(zone, gfp):
    """Go down to the min marks; whoever says HIGH, to a quarter of them, and whether it may wait no longer counts."""
    return zone.pages_min >> 2 if gfp & HIGH else zone.pages_min


@Attempt
@might_sleep
async def reclaim_for_all(pages, gfp, order):
    """Free some pages; whoever comes first may take them."""
    await step("RECLAIM_FOR_ALL")
    await _direct_reclaim(pages, gfp, order)


@walks
def minimum_2_6(zone, gfp):
    """Go down to the min marks; half as far again for HIGH, and a quarter of the rest for those who may not wait."""
    mark = zone.pages_min
    mark -= mark // 2 if gfp & HIGH else 0
    return mark if gfp & WAIT else mark - mark // 4


@only_if(is_freeing_memory_outside_interrupts)
def memalloc_unless_forbidden(pages, gfp, order):
    """As MEMALLOC, but NOMEMALLOC gives up the right to the last page: mempool says so, for it has its own."""
    page = None if gfp & NOMEMALLOC else walk(nothing, pages, gfp, order)
    return NO if page is None else page


@only_if(has_had_its_round)
def no_retry(pages, gfp, order):
    """As COSTLY, and NORETRY is content with one round at any order: no.  NOFAIL is never told so."""
    return NO


# July 2002 revived the flag HIGH: it digs as deep as not waiting did until then, and GFP_NOIO, NOFS and
# KERNEL lose it (Andrew Morton, linux-kernel, 4 July 2002: "resurrect __GFP_HIGH").  kit/gfp.py has 2.5.1's masks.
JULY_2002 = Attempts(
    "2.5 of July 2002",
    once=(low, kswapd, minimum_for_high),
    again=(memalloc, not_waiting, reclaim, minimum_for_high, costly, yield_and_retry))

# October 2002 took the private page away: per-CPU page lists came instead (pcp.py).
LINUX_2_5_45 = Attempts(
    "2.5.45 (October 2002)",
    once=(low, kswapd, minimum_for_high),
    again=(memalloc, not_waiting, reclaim_for_all, minimum_for_high, costly, yield_and_retry))

LINUX_2_6_12 = Attempts(
    "2.6.12 (June 2005)",
    once=(low, kswapd, minimum_2_6, memalloc_unless_forbidden, not_waiting),
    again=(reclaim_for_all, minimum_2_6, no_retry, yield_and_retry))
