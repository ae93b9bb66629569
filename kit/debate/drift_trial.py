"""drift_trial: L5, whether a pool has to be changed when the allocator beneath it changes, and the reverse.

The problem: whether a pool keeps its promise hangs on what the page allocator does when it has
nothing, and that was another thing in every release.  So forms that mempool had meet the orders of
attempts that the page allocator had, in a squeeze: all memory is in use but the reserve below the min
mark and what is in the pool, and there are more tasks than either could serve.  What a pool owes:

    it returns      every task is served in the end, since every element comes back; else it hangs
    it spares       an interrupt finds a page at any moment: a pool has elements of its own, and the
                    reserve of the page allocator is for those who have none; else it starves them

Two squeezes: reclaim finds no page; or it finds one each time and is overtaken: others, who may do no
more than the pool's tasks but are always quicker, take what is free.  Three kinds of caller: who may not start I/O, who
may do anything, and who is freeing memory for all (PF_MEMALLOC).  Their masks are those of the release:
until July 2002 they had HIGH in them (Andrew Morton, linux-kernel, 4 July 2002, "resurrect __GFP_HIGH").
NOMEMALLOC and NORETRY, which mempool adds to every mask since 2005, belong to that form and are left
out once, to see what they are for.

A world is (elements, pages_min, uses): the pool's size, the min mark (20 pages is the least of 2.5.1),
and for how many steps an element is used at most.  `--record` tries eight of them; what befalls a pool
in one has befallen it.

Left out: slabs, the flusher, the disk's task queue; and the OOM killer: where a row says "hangs", Linux
killed tasks as well (the changelogs of 2002 say so).
"""

from dataclasses import dataclass
from itertools import product
from random import Random

from kit import traps
from kit.debate.claim import DEPENDS, FAILS, HOLDS, UNDECIDABLE, Claim, Evidence, Verdict
from kit.gfp import GFP_ATOMIC, GFP_KERNEL, GFP_NOIO, HIGH, NOMEMALLOC, NORETRY, PF_MEMALLOC
from kit.machine.core import MICROSECOND, MILLISECOND, Deadlock, Machine
from kit.machine.hang import Hang, run_or_hang
from kit.memory.attempts import JULY_2002, LINUX_2_5_1, LINUX_2_5_45, LINUX_2_6_12
from kit.memory.mempool import drain, queue
from kit.memory.zones import Pages, Zone
from kit.museum.forms import FORMS, Form
from kit.traps import PROMPT, call_as, might_sleep, never_sleeps, step

RELEASES = {"2.5.1": LINUX_2_5_1, "July 2002": JULY_2002, "2.5.45": LINUX_2_5_45, "2.6.12": LINUX_2_6_12}
BARE = "2005 bare"          # without the flags that it adds to every mask
POOLS = {"2.5.1": (FORMS["2.5.1"], 0), "Sept 2002": (FORMS["September 2002"], 0),
         "Oct 2002": (FORMS["October 2002"], 0), BARE: (FORMS["2005"], 0),
         "2005": (FORMS["2005"], NOMEMALLOC | NORETRY)}
ALONE = "asks nobody"
NEVER = {ALONE: (Form(ALONE, "never", "the kit's own, to compare with", "What is freed is all there is.",
                      (drain, queue)), 0)}
CALLERS = {"NOIO": (GFP_NOIO, 0), "KERNEL": (GFP_KERNEL, 0), "PF_MEMALLOC": (GFP_NOIO, PF_MEMALLOC)}
NOTHING, OVERTAKEN = "no page", "overtaken"
KEPT, HANGS, STARVES, BOTH = "kept", "hangs", "starves", "both"
OUTCOMES = {(False, False): KEPT, (True, False): HANGS, (False, True): STARVES, (True, True): BOTH}
ROUNDS, USUAL = 2, ((4, 20, 4), (1, 20, 8))
SWEPT = tuple((elements, pages_min, uses) for elements in (1, 16) for pages_min in (20, 40) for uses in (1, 8))


def experiment(seed, pools=tuple(POOLS), releases=tuple(RELEASES), squeezes=(NOTHING, OVERTAKEN),
               callers=tuple(CALLERS), worlds=USUAL):
    """How each form of the pool fares over each page allocator in each squeeze, for each kind of caller."""
    rows = []
    for release, squeeze, caller in product(releases, squeezes, callers):
        cells = [_fares([_run(seed, form, release, squeeze, caller, world) for world in worlds]) for form in pools]
        first = next((form for form, cell in zip(pools, cells) if cell == KEPT), "none")
        rows.append((release, squeeze, caller, *cells, first))
    return Evidence(("allocator", "reclaim", "caller", *pools, "first kept by"), tuple(rows))


def judge(evidence):
    """Do other forms give each caller what a pool owes as the allocator becomes another one, or one form always?"""
    forms, releases = evidence.columns[3:-1], list(dict.fromkeys(row[0] for row in evidence.rows))
    kept = {form: {row[:3] for row in evidence.rows if row[place] == KEPT} for place, form in enumerate(forms, 3)}
    everywhere = [form for form in forms if len(kept[form]) == len(evidence.rows)]
    done = "; ".join(_served(evidence, kept, release) for release in releases)
    if len(releases) < 2:
        return Verdict(UNDECIDABLE, f"one allocator alone cannot drift away from a pool: {done}")
    if len({_who_keeps(evidence, release) for release in releases}) == 1:
        return Verdict(FAILS, f"over every allocator the same forms of mempool give the same callers what a pool owes: "
                              f"{done}")
    reason = f"who gets what a pool owes, with the first form that did, changes with the allocator: {done}"
    if everywhere:
        return Verdict(DEPENDS, f"{', '.join(everywhere)} does over every allocator, the others do not; {reason}",
                       on="what the pool asks of the allocator beneath")
    return Verdict(HOLDS, f"{reason}. None of {len(forms)} forms does for all over all")


def _who_keeps(evidence, release):
    """Which forms keep the promise to which callers in which squeeze, over one allocator."""
    return tuple(tuple(cell == KEPT for cell in row[3:-1]) for row in evidence.rows if row[0] == release)


def _served(evidence, kept, release):
    """Over one allocator: each caller who gets what a pool owes in every squeeze, and the first form with which."""
    served = []
    for caller in dict.fromkeys(row[2] for row in evidence.rows):
        asked = {row[:3] for row in evidence.rows if row[0] == release and row[2] == caller}
        served += [f"{caller} ({form})" for form in kept if asked <= kept[form]][:1]
    return f"over {release} {', '.join(served) or 'nobody'}"


def _fares(outcomes):
    """The harm of all worlds together."""
    return OUTCOMES[any(hung for hung, _ in outcomes), any(starved for _, starved in outcomes)]


@dataclass
class Squeezed:
    """The page allocator when memory is short, asked with flags that a form of mempool adds to every mask."""

    pages: Pages
    flags: int

    @might_sleep
    async def alloc(self, gfp):
        """As that of the page allocator."""
        return await self.pages.alloc(gfp | self.flags)

    @never_sleeps
    async def try_alloc(self, gfp):
        """As that of the page allocator."""
        return await self.pages.try_alloc(gfp | self.flags)

    @never_sleeps
    async def free(self, page):
        """As that of the page allocator; then others come first."""
        await self.pages.free(page)
        self.others_take()

    def fill(self):
        """From now on all is in use but the reserve below the min mark."""
        zone, = self.pages.zones
        self.in_use = [zone.take(0) for _ in range(zone.free_pages - zone.pages_min)]

    def others_take(self):
        """Where reclaim finds something, others have taken it before anybody else comes: all they may."""
        zone, = self.pages.zones
        while self.pages.reclaim and zone.free_pages > zone.pages_min + 1:
            self.in_use.append(zone.take(0))

    async def find_a_page(self, gfp, order):
        """Reclaim that frees one page at each call."""
        self.pages.put(self.in_use.pop())
        self.others_take()
        return 1


def _run(seed, form, release, squeeze, caller, world):
    """What one pool does for one kind of caller over one allocator: (somebody hung, an interrupt found no page)."""
    (form, flags), (gfp, task_flags), (elements, pages_min, uses) = (POOLS | NEVER)[form], CALLERS[caller], world
    pages = Pages(zones=[Zone("NORMAL", 0, 128, pages_min=pages_min)], attempts=RELEASES[release])
    beneath = Squeezed(pages, flags)
    pool = form.create(elements, beneath)
    beneath.fill()
    pages.reclaim = beneath.find_a_page if squeeze == OVERTAKEN else None
    machine, drawn, refused = Machine(), Random(seed), []
    gfp = gfp if RELEASES[release] is LINUX_2_5_1 else gfp & ~HIGH

    async def borrower(rounds):
        traps.current.flags |= task_flags
        for uses in rounds:
            page = await pool.alloc(gfp)
            for _ in range(uses):
                await step("use it")
                if not call_as(PROMPT, _interrupt_finds_a_page, pages):
                    refused.append(page)
            await pool.free(page)

    for number in range(elements + pages_min):      # more than the pool and the reserve could serve at once
        machine.spawn(f"task {number}", borrower, [drawn.randint(1, uses) for _ in range(ROUNDS)])
    hung = not _ends(machine, lambda: (pages.buddyinfo(), pool.elements))
    machine.close()
    return hung, bool(refused)


def _interrupt_finds_a_page(pages):
    page = pages.take(GFP_ATOMIC)
    if page is not None:
        pages.put(page)
    return page is not None


def _ends(machine, shape):
    try:
        return run_or_hang(machine, shape, until=100 * MILLISECOND, look_every=20 * MICROSECOND)
    except (Hang, Deadlock):
        return False


L5 = Claim(
    name="L5", who="Ben LaHaise", words="Another set of vm logic that has to be kept in sync with the behaviour of the "
                                        "slab, alloc_pages and try_to_free_pages",
    question="In the same squeeze, does one form of mempool give its callers what it owes them over every page "
             "allocator from 2.5.1 to 2.6.12, or did both have to be changed together? (hangs: a task waits for ever. "
             "starves: an interrupt finds no page. overtaken: reclaim finds a page, and others are quicker. "
             "bare: without NORETRY and NOMEMALLOC.)",
    molnar="A pool asks for one thing only, an element or none at once; whatever else the allocator does is its own "
           "affair, and the last rungs do without it.",
    lahaise="How hard the allocator tries, which reserve it opens to whom, and whether it ever says no, is decided "
            "there and relied upon here.",
    experiment=experiment, judge=judge,
    overturned_by="A pool that never asks the allocator beneath: it does over all of them, and lives on what it keeps "
                  "back alone.",
    overturning={"pools": (ALONE,)}, recorded={"worlds": SWEPT},
    history="Both did change. July 2002: the allocator lets mempool's first attempt dig no deeper than others may. "
            "September: callers without FS no longer insist. October: a free wakes everybody, and the page that one "
            "frees oneself is no longer one's own. 2005: mempool asks with NORETRY, and with NOMEMALLOC, which it lost "
            "once (2016), to get it back within months.")
