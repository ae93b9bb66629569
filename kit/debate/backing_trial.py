"""backing_trial: M1, the same pool over every kind of allocator.

One Mempool, unchanged, over a slab cache, pages, low pages beside high memory, kmalloc, another pool, a
composite of several of these, and pages for an ISA card.  A crowd of tasks takes elements one at a time
and gives them back, whoever is on turn: once with memory left beneath, and once with everything beneath
used up by others.  What is asked is whether the kind matters: whether over any of them fewer tasks end
than over a slab cache in the same world, an element is not what the driver can use, or one is lost.

Whether tasks end when nothing is left, M2 asks; what that hangs on is shown here: on the page allocator's
release (2.5.1 does not say no to a task that may wait, and knows no NORETRY), on the flag NORETRY, with
which mempool asks since 2005, and on how many tasks share the four elements.  A run that has not ended
after so many turns counts as not finished: a task that is not told no goes round for ever.  Then the
others give their memory back, so that it can end, and what is lost can be counted.  A reserve is filled by
the request that it is for ("as asked"), or with GFP_KERNEL whatever it is for, as in 2.5.1.

Left out: reclaim, which would find nothing here, and with it the OOM killer: where tasks go round for
ever here, Linux also killed (2002).
"""

from itertools import product
from random import Random
from typing import NamedTuple

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict, listed, what_decides
from kit.drivers.composite import Composite, part_of
from kit.gfp import DMA, GFP_NOIO, NORETRY
from kit.machine.core import Deadlock, Machine, NoEnd
from kit.memory.attempts import LINUX_2_5_1, LINUX_2_6_12
from kit.memory.kmalloc import Kmalloc
from kit.memory.mempool import Mempool
from kit.memory.slab import Cache
from kit.memory.zones import Pages, Zone
from kit.traps import might_sleep, never_sleeps, step

ELEMENTS, LOW_PAGES, DMA_PAGES, PLENTY = 4, 48, 8, "some left"
ALLOCATORS = {f"{release}{asked}": (attempts, GFP_NOIO | flag)
              for release, attempts in (("2.5.1", LINUX_2_5_1), ("2.6.12", LINUX_2_6_12))
              for asked, flag in (("", 0), (" with NORETRY", NORETRY))}
AS_ASKED, FOR_ALL = "as asked", "GFP_KERNEL"
COLUMNS = ("beneath", "filled", "tasks", "schedules", PLENTY, *ALLOCATORS, "no use", "lost")


class Beneath(NamedTuple):
    """What a pool is to stand on."""

    backing: object
    used_up: tuple              # the allocators that others leave nothing of
    out: object                 # how many units are out, of everything: a function
    usable: object = lambda element: True
    gfp: int = 0                # added to every request


class Run(NamedTuple):
    """What came of one schedule."""

    finished: bool
    served: int                 # elements from the pool
    useless: int                # elements that the driver cannot use
    lost: int                   # units that nobody has


def experiment(seed, beneath=None, tasks=(3, 12), schedules=3, turns=2_000):
    """For each kind: schedules that finish with memory left, and with none left by page allocator; and faults."""
    rows = []
    for (kind, filled), count in product(beneath or KINDS, tasks):
        def runs(name, left, kind=kind, filled=filled, count=count):
            return [run(KINDS[kind, filled], *ALLOCATORS[name], count, Random(f"{seed}/{number}"), turns, left)
                    for number in range(schedules)]
        tried = [runs("2.5.1", True), *(runs(name, False) for name in ALLOCATORS)]
        rows.append((kind, filled, count, schedules, *(sum(one.finished for one in world) for world in tried),
                     *(sum(getattr(one, fault) for world in tried for one in world) for fault in ("useless", "lost"))))
    return Evidence(COLUMNS, tuple(rows))


def judge(evidence):
    """Does the pool serve everybody over any kind of allocator, where over a slab cache it always does?"""
    slab = [row for row in evidence.rows if row[0] == SLAB]
    served = [place for place in range(4, 9) if all(row[place] == row[3] for row in slab)]
    faults = {}
    for row in evidence.rows:
        behind = any(row[place] < row[3] for place in served)
        faults[row[:2]] = faults.get(row[:2], False) or behind or row[9] + row[10] > 0
    reason = "; ".join(_told(evidence.rows, faults))
    others = [fault for (kind, _), fault in faults.items() if kind != SLAB]
    if not any(faults.values()):
        return Verdict(HOLDS, reason)
    if all(others):
        return Verdict(FAILS, reason)
    return Verdict(DEPENDS, reason, on=listed(what_decides(faults, (
        "the kind of allocator", "whether the reserve is filled by the request that it is for"))))


def _told(rows, faults):
    """Which kinds are as good as a slab cache; what the others lack; and what the end hangs on, whatever the kind."""
    others = [fault for (kind, _), fault in faults.items() if kind != SLAB]
    yield f"over {others.count(False)} of {len(others)} other kinds the pool does what it does over a slab cache"
    for kind, filled in (each for each, fault in faults.items() if fault):
        useless, lost = (sum(row[place] for row in rows if row[:2] == (kind, filled)) for place in (9, 10))
        yield f"{kind} (filled with {filled}): {useless} elements are of no use, {lost} are lost"
    total = sum(row[3] for row in rows)
    yield f"with memory left {sum(row[4] for row in rows)} of {total} schedules finish"
    yield "with none left " + ", ".join(f"{sum(row[place] for row in rows)} over {name}"
                                        for place, name in enumerate(ALLOCATORS, start=5))


# == Kinds of allocator ==============================================================================


def _memory(attempts, highmem=0):
    zones = [Zone("DMA", 0, DMA_PAGES, pages_min=0, max_order=3),
             Zone("NORMAL", DMA_PAGES, LOW_PAGES - DMA_PAGES, pages_min=0, max_order=3)]
    if highmem:
        zones.append(Zone("HIGHMEM", LOW_PAGES, highmem, pages_min=0, max_order=3))
    return Pages(zones=zones, attempts=attempts)


def _pages(attempts):
    memory = _memory(attempts)
    return Beneath(memory, (memory,), lambda: memory.total_pages - memory.free_pages)


def _low_pages(attempts):
    memory = _memory(attempts, highmem=LOW_PAGES)
    return Beneath(memory, (memory,), lambda: memory.total_pages - memory.free_pages, lambda page: page < LOW_PAGES)


def _slab(attempts):
    bios = Cache("bio", 56, _memory(attempts), align=True)
    return Beneath(bios, (bios,), lambda: len(bios.live))


def _kmalloc(attempts):
    objects = Kmalloc(_memory(attempts)).cache(600)
    return Beneath(objects, (objects,), lambda: len(objects.live))


def _pool(attempts):
    under = _pages(attempts)
    inner = Mempool.create(ELEMENTS, under.backing, name="pool beneath")
    return Beneath(inner, under.used_up, lambda: under.out() - len(inner.elements))


def _composite(attempts):
    pages, bios, pool = _pages(attempts), _slab(attempts), _pool(attempts)
    whole = Composite({"page": (pages.backing, 2), "bio": (bios.backing, 1), "r1bio": (pool.backing, 1)})
    return Beneath(whole, (*pages.used_up, *bios.used_up, *pool.used_up),
                   lambda: pages.out() + bios.out() + pool.out(), lambda element: len(part_of(element, "page")) == 2)


def _isa_pages(attempts):
    return _pages(attempts)._replace(usable=lambda page: page < DMA_PAGES, gfp=DMA)


def _isa_pages_as_asked(attempts):
    beneath = _isa_pages(attempts)
    return beneath._replace(backing=ForDma(beneath.backing))


class ForDma:
    """Pages that an ISA card reaches, whoever asks: the alloc function that the pool of 2.5.1 did not have."""

    explored = ("pages",)

    def __init__(self, pages):
        self.pages = pages

    @might_sleep
    async def alloc(self, gfp):
        """Such a page; sleeps as the page allocator does."""
        return await self.pages.alloc(gfp | DMA)

    @never_sleeps
    async def try_alloc(self, gfp):
        """Such a page, or None."""
        return await self.pages.try_alloc(gfp | DMA)

    @never_sleeps
    async def free(self, page):
        """Back to the page allocator."""
        await self.pages.free(page)


SLAB, ISA = "slab", "pages for ISA"
KINDS = {(SLAB, AS_ASKED): _slab, ("pages", AS_ASKED): _pages, ("low pages", AS_ASKED): _low_pages,
         ("kmalloc", AS_ASKED): _kmalloc, ("another pool", AS_ASKED): _pool, ("composite", AS_ASKED): _composite,
         (ISA, AS_ASKED): _isa_pages_as_asked, (ISA, FOR_ALL): _isa_pages}


# == One run ========================================================================================


def run(kind, attempts, gfp, tasks, drawn, turns, left=False):
    """The Run of one schedule, whose turns are `drawn`; left: with memory left beneath."""
    beneath = kind(attempts)
    before = beneath.out()
    pool, machine, useless = Mempool.create(ELEMENTS, beneath.backing), Machine(seed=0), []
    taken = [(allocator, _all_of(allocator)) for allocator in beneath.used_up if not left]
    for number in range(tasks):
        machine.spawn(f"task {number}", _user, pool, gfp | beneath.gfp, beneath.usable, useless)
    finished = _ends(machine, drawn, turns)
    for allocator, elements in taken:
        for element in elements:
            allocator.free(element)
    if not finished:
        _ends(machine, drawn, turns)
    machine.close()
    pool.resize(0)
    return Run(finished, sum(pool.served[rung] for rung in ("SKIM", "DRAIN")), len(useless), beneath.out() - before)


def _ends(machine, drawn, turns):
    try:
        machine.run(pick=drawn.choice, turns=turns)
        return True
    except (Deadlock, NoEnd):
        return False


async def _user(pool, gfp, usable, useless, rounds=3):
    """Takes an element, uses it, and gives it back."""
    for _ in range(rounds):
        element = await pool.alloc(gfp)
        if not usable(element):
            useless.append(element)
        await step("use it")
        await pool.free(element)


def _all_of(allocator):
    """Everything that `allocator` gives to whoever may not wait."""
    return list(iter(lambda: allocator.try_alloc(0), None))


M1 = Claim(
    name="M1", who="Ingo Molnar", words="mempool allows the use of non-SLAB allocators as the underlying allocator.",
    question="Does the same pool, unchanged, do over every kind of allocator what it does over a slab cache, with "
             "elements that can be used, and none lost?",
    molnar="A pool asks its allocator for an element and gives one back; what an element is does not concern it.",
    lahaise="What the pool promises is only what the allocator beneath lets it: pages and slabs would be enough.",
    experiment=experiment, judge=judge,
    overturned_by="Only reserves that are filled by the same request as they are for: then no kind is worse off.",
    overturning={"beneath": tuple(each for each in KINDS if each[1] == AS_ASKED)},
    recorded={"tasks": (2, 3, 4, 5, 8, 12), "schedules": 6},
    history="mempool asks with NORETRY since 2005. The pool for ISA cards was filled with pages that such a card need "
            "not reach, in 2.5.1 and for years after (our reading of the source).")
