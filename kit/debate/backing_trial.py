"""backing_trial: M1, the same pool over every kind of allocator.

One Mempool, unchanged, over pages, low pages beside high memory, a slab cache, kmalloc, another pool, a
composite of several of these, and pages for an ISA card.  Everything beneath is used up by others; a
crowd of tasks takes elements one at a time and gives them back.  The promise: each task ends, whoever
is on turn; every element is of the kind that the driver can use; nothing is lost.

Each kind stands on two page allocators: that of 2.5.1, which does not say no to a task that may wait,
and that of 2.6.12 asked with NORETRY, as mempool asks since 2005, which does.  A run that has not
ended after so many turns has not finished: in 2.5.1 a task that is not told no goes round for ever.
"""

from random import Random
from typing import NamedTuple

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict
from kit.drivers.composite import Composite, part_of
from kit.gfp import DMA, GFP_NOIO, NORETRY
from kit.machine.core import Deadlock, Machine, NoEnd
from kit.memory.attempts import LINUX_2_5_1, LINUX_2_6_12
from kit.memory.kmalloc import Kmalloc
from kit.memory.mempool import Mempool
from kit.memory.slab import Cache
from kit.memory.zones import Pages, Zone
from kit.traps import step

ELEMENTS, LOW_PAGES, DMA_PAGES = 4, 48, 8
ALLOCATORS = {"2.5.1, never no": (LINUX_2_5_1, GFP_NOIO), "2.6.12, may say no": (LINUX_2_6_12, GFP_NOIO | NORETRY)}


class Beneath(NamedTuple):
    """What a pool is to stand on."""

    backing: object
    used_up: tuple              # the allocators that others leave nothing of
    out: object                 # how many units are out, of everything: a function
    usable: object = lambda element: True
    gfp: int = 0                # added to every request


def experiment(seed, beneath=None, allocators=tuple(ALLOCATORS), tasks=12, schedules=6, turns=4_000):
    """For each kind and page allocator: schedules that finish, and elements that are of no use or lost."""
    rows = []
    for kind in beneath or KINDS:
        for name in allocators:
            runs = [_run(KINDS[kind], *ALLOCATORS[name], tasks, Random(f"{seed}/{number}"), turns)
                    for number in range(schedules)]
            rows.append((kind, name, sum(run[0] for run in runs), schedules, *(sum(run[place] for run in runs)
                                                                              for place in (1, 2, 3))))
    return Evidence(("beneath", "page allocator", "finished", "of schedules", "from the pool", "of no use", "lost"),
                    tuple(rows))


def judge(evidence):
    """Over which of them does every schedule finish, with elements that can be used, and without loss?"""
    kept = {row[:2]: row[2] == row[3] and not row[5] and not row[6] for row in evidence.rows}
    reason = _told(evidence.rows)
    if all(kept.values()):
        return Verdict(HOLDS, f"over each of {len({kind for kind, _ in kept})} kinds every schedule finishes, every "
                              "element can be used, and none is lost")
    if not any(kept.values()):
        return Verdict(FAILS, reason)
    matters = {1: "whether the page allocator may say no", 0: "the kind of element"}
    return Verdict(DEPENDS, reason, on=" and ".join(matters[place] for place in matters if _decides(kept, place)))


def _decides(kept, place):
    return any(kept[one] != kept[other] and one[1 - place] == other[1 - place] for one in kept for other in kept)


def _told(rows):
    """Schedules that finish, by page allocator; then whatever is of no use or lost, by kind."""
    told = [f"over {name}, {sum(row[2] for row in rows if row[1] == name)} of "
            f"{sum(row[3] for row in rows if row[1] == name)} schedules finish"
            for name in dict.fromkeys(row[1] for row in rows)]
    faults = {kind: [sum(row[place] for row in rows if row[0] == kind) for place in (4, 5, 6)]
              for kind in dict.fromkeys(row[0] for row in rows)}
    told += [f"of {served} elements from the pool of {kind}, {useless} are of no use and {lost} are lost"
             for kind, (served, useless, lost) in faults.items() if useless or lost]
    return "; ".join(told)


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


KINDS = {"pages": _pages, "low pages": _low_pages, "slab": _slab, "kmalloc": _kmalloc, "another pool": _pool,
         "composite": _composite, "pages for ISA": _isa_pages}


# == One run ========================================================================================


def _run(kind, attempts, gfp, tasks, drawn, turns):
    """(finished, elements served from the pool, elements of no use, units lost) of one schedule."""
    beneath = kind(attempts)
    before = beneath.out()
    pool, machine, useless = Mempool.create(ELEMENTS, beneath.backing), Machine(seed=0), []
    taken = [(allocator, _all_of(allocator)) for allocator in beneath.used_up]
    for number in range(tasks):
        machine.spawn(f"task {number}", _user, pool, gfp | beneath.gfp, beneath.usable, useless)
    finished = _ends(machine, drawn, turns)
    machine.close()
    if not finished:
        return False, _from_pool(pool), len(useless), 0
    pool.resize(0)
    for allocator, elements in taken:
        for element in elements:
            allocator.free(element)
    return True, _from_pool(pool), len(useless), beneath.out() - before


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


def _from_pool(pool):
    return sum(count for rung, count in pool.served.items() if rung in ("SKIM", "DRAIN"))


M1 = Claim(
    name="M1", who="Ingo Molnar", words="mempool allows the use of non-SLAB allocators as the underlying allocator.",
    question="Over which allocators does the same pool, unchanged, keep its promise when they have nothing left?",
    molnar="A pool asks its allocator for an element and gives one back; what an element is does not concern it.",
    lahaise="What the pool promises is only what the allocator beneath lets it: pages and slabs would be enough.",
    experiment=experiment, judge=judge,
    overturned_by="Page allocators that may say no, and elements that are filled in by the same request as they are "
                  "taken by.",
    overturning={"allocators": ("2.6.12, may say no",),
                 "beneath": ("pages", "low pages", "slab", "kmalloc", "another pool", "composite")},
    history="mempool asks with NORETRY since 2005. The pool for ISA cards was filled with pages that such a card need "
            "not reach, in 2.5.1 and for years after (our reading of the source).")
