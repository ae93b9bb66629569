"""drift_trial: L5, whether a pool has to be changed when the allocator beneath it changes, and the reverse.

The problem: whether a pool keeps its promise hangs on what the page allocator does when it has
nothing, and that was another thing in every release.  So each form that mempool had meets each order
of attempts that the page allocator had, in the same squeeze: all memory is in use for good but the
reserve below the min mark and what is in the pool, more tasks than elements, and nothing to reclaim.
What a pool owes:

    it returns          every task is served in the end, since every element comes back
    it spares           at any moment an interrupt still finds a page: the pool has its own elements,
                        and the reserve of the page allocator is for those who have none

Three kinds of caller: who may not start I/O, who may do anything, and who is freeing memory for all
(PF_MEMALLOC).  Their masks are those of the release: until July 2002 they had HIGH in them (Andrew
Morton, linux-kernel, 4 July 2002, "resurrect __GFP_HIGH").  NOMEMALLOC and NORETRY, which mempool adds
to every mask since 2005, belong to that form and are left out once, to see what they are for.

Left out: reclaim, which finds nothing in this squeeze; the flusher and the disk's task queue.
"""

from dataclasses import dataclass
from random import Random

from kit import traps
from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict
from kit.gfp import GFP_ATOMIC, GFP_KERNEL, GFP_NOIO, HIGH, NOMEMALLOC, NORETRY, PF_MEMALLOC
from kit.machine.core import MICROSECOND, MILLISECOND, Deadlock, Machine
from kit.machine.hang import Hang, run_or_hang
from kit.memory.attempts import JULY_2002, LINUX_2_5_1, LINUX_2_5_45, LINUX_2_6_12
from kit.memory.mempool import drain, queue
from kit.memory.zones import Pages, Zone
from kit.museum.forms import FORMS, Form
from kit.traps import PROMPT, call_as, might_sleep, never_sleeps, step

RELEASES = {one.release.split(" (")[0]: one for one in (LINUX_2_5_1, JULY_2002, LINUX_2_5_45, LINUX_2_6_12)}
BARE = "2005, without its flags"
POOLS = {**{name: (FORMS[name], 0) for name in ("mail", "2.5.1", "September 2002", "October 2002")},
         BARE: (FORMS["2005"], 0), "2005": (FORMS["2005"], NOMEMALLOC | NORETRY)}
ALONE = "asks nobody"
NEVER = {ALONE: (Form(ALONE, "never", "the kit's own, to compare with", "What is freed is all there is.",
                      (drain, queue)), 0)}
CALLERS = {"NOIO": (GFP_NOIO, 0), "KERNEL": (GFP_KERNEL, 0), "PF_MEMALLOC": (GFP_NOIO, PF_MEMALLOC)}
KEPT, HANGS, STARVES = "kept", "hangs", "starves interrupts"
ELEMENTS, TASKS, ROUNDS, PAGES_MIN = 4, 12, 2, 8


def experiment(seed, pools=tuple(POOLS), releases=tuple(RELEASES), callers=tuple(CALLERS)):
    """How each form of the pool fares over each page allocator, for each kind of caller."""
    forms = POOLS | NEVER
    rows = [(form, caller, *(_run(seed, *forms[form], RELEASES[release], *CALLERS[caller]) for release in releases))
            for form in pools for caller in callers]
    return Evidence(("pool", "caller", *releases), tuple(rows))


def judge(evidence):
    """Does one form of the pool do over all allocators, or does every form depend on the allocator it was made for?"""
    releases = evidence.columns[2:]
    kept = {}       # form -> allocators over which all callers get what the pool owes them
    for form, _, *cells in evidence.rows:
        here = {release for release, cell in zip(releases, cells) if cell == KEPT}
        kept[form] = kept.get(form, here) & here
    everywhere = [form for form in kept if len(kept[form]) == len(releases)]
    done = ". ".join(f"Over {release}: {_who(evidence, release)}" for release in releases)
    if not everywhere:
        return Verdict(HOLDS, f"of {len(kept)} forms none gives every caller what a pool owes over every allocator. "
                              f"{done}")
    if len(everywhere) == len(kept):
        return Verdict(FAILS, f"the same pool does over all of {', '.join(releases)}: {', '.join(everywhere)}")
    return Verdict(DEPENDS, f"{', '.join(everywhere)} does over every allocator, the others do not. {done}",
                   on="what the pool asks of the allocator beneath")


def _who(evidence, release):
    """The callers who get what a pool owes over one allocator, and the forms of pool with which they do."""
    place, callers, forms = evidence.columns.index(release), {}, {}
    for row in evidence.rows:
        if row[place] == KEPT:
            callers.setdefault(row[0], []).append(row[1])
    for form, names in callers.items():
        forms.setdefault(", ".join(names), []).append(form)
    return "; ".join(f"{names} with the pool of {' or '.join(them)}" for names, them in forms.items()) or "nobody"


@dataclass
class Asking:
    """The page allocator, asked with flags that a form of mempool adds to every mask."""

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
        """As that of the page allocator."""
        await self.pages.free(page)


def _run(seed, form, flags, release, gfp, task_flags):
    """What one pool does for one kind of caller over one allocator."""
    pages = Pages(zones=[Zone("NORMAL", 0, 64, pages_min=PAGES_MIN)], attempts=release)
    pool = form.create(ELEMENTS, Asking(pages, flags))
    while pages.free_pages > PAGES_MIN:
        pages.zones[0].take(0)
    machine, drawn, refused = Machine(seed=seed), Random(seed), []
    gfp = gfp if release is LINUX_2_5_1 else gfp & ~HIGH

    async def borrower(uses):
        traps.current.flags |= task_flags
        for _ in range(ROUNDS):
            page = await pool.alloc(gfp)
            for _ in range(uses):
                await step("use it")
                if not call_as(PROMPT, _interrupt_finds_a_page, pages):
                    refused.append(page)
            await pool.free(page)

    for number in range(TASKS):
        machine.spawn(f"task {number}", borrower, drawn.randint(1, 4))
    hung = not _ends(machine, lambda: (pages.buddyinfo(), pool.elements))
    machine.close()
    return ", ".join([HANGS] * hung + [STARVES] * bool(refused)) or KEPT


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
                                        "slab, alloc_pages",
    question="In the same squeeze, does one form of mempool give its callers what it owes them over every page "
             "allocator from 2.5.1 to 2.6.12, or did both have to be changed together?",
    molnar="A pool asks for one thing only, an element or none at once; whatever else the allocator does is its own "
           "affair, and the last rungs do without it.",
    lahaise="How hard the allocator tries, which reserve it opens to whom, and whether it ever says no, is decided "
            "there and relied upon here.",
    experiment=experiment, judge=judge,
    overturned_by="A pool that never asks the allocator beneath: it does over all of them, and lives on what it keeps "
                  "back alone.",
    overturning={"pools": (ALONE,)},
    history="Both did change: HIGH came back for mempool's first attempt (July 2002), callers without FS stopped "
            "insisting (September 2002), NOMEMALLOC came for mempool (2005), was dropped from it once (2016), and that "
            "was reverted within months.")
