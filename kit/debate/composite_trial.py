"""composite_trial: M6, buffers of several parts, had one part after the other or all at once.

The stampede of the thread in small: each task needs two of four pages, and holds its first while it
wants its second.  Four ways to have them: from one pool, one after the other; a pool whose elements
are pairs; a reservation of one and then of another; and one reservation of both.
"""

from random import Random

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict
from kit.drivers.composite import Composite, part_of
from kit.gfp import GFP_NOIO
from kit.machine.core import Deadlock, Machine
from kit.memory.ledger import Ledger
from kit.memory.mempool import Mempool
from kit.memory.promises import Refusing
from kit.memory.zones import Pages, Zone
from kit.traps import step

PAGES = 4


def experiment(seed, tasks=(1, 2, 3, 4, 6), schedules=20):
    """For each way and number of tasks, how many of so many drawn schedules finish."""
    rows = []
    for way, world in WAYS.items():
        rows.append((way, *(sum(_finishes(world, count, f"{seed}/{number}") for number in range(schedules))
                            for count in tasks), schedules))
    return Evidence(("way", *(f"tasks: {count}" for count in tasks), "of schedules"), tuple(rows))


def judge(evidence):
    """Is a pool of whole buffers safe, and is it the only way that is?"""
    safe = {row[0]: all(done == row[-1] for done in row[1:-1]) for row in evidence.rows}
    if not safe["pool of pairs"]:
        return Verdict(FAILS, "a pool of pairs hangs as well")
    others = [way for way in safe if safe[way] and way != "pool of pairs"]
    if not others:
        return Verdict(HOLDS, "under every schedule drawn a pool of pairs finishes, and no other way does")
    if len(others) == len(safe) - 1:
        return Verdict(FAILS, "every way finishes under every schedule drawn: no pool of pairs is needed")
    hung = [way for way in safe if not safe[way]]
    return Verdict(DEPENDS, f"the pool of pairs always finishes, and so does: {', '.join(others)}; "
                            f"under some schedules these hang: {', '.join(hung)}", on="having all parts at once")


async def _one_by_one(pool):
    held = []
    for _ in range(2):
        held.append(await pool.alloc(GFP_NOIO))
        await step("use it")
    for page in held:
        await pool.free(page)


async def _pair(pool):
    buffer = await pool.alloc(GFP_NOIO)
    await step(f"use {part_of(buffer, 'page')}")
    await pool.free(buffer)


async def _reserve_twice(ledger):
    first = await ledger.reserve(pages=1)
    await step("use it")
    second = await ledger.reserve(pages=1)
    await step("use both")
    first.release()
    second.release()


async def _reserve_both(ledger):
    both = await ledger.reserve(pages=2)
    await step("use both")
    both.release()


def _pool():
    return Mempool.create(PAGES, Refusing(PAGES))


def _pool_of_pairs():
    return Mempool.create(PAGES // 2, Composite({"page": (Refusing(PAGES), 2)}))


def _ledger():
    return Ledger(Pages(zones=[Zone("NORMAL", 0, PAGES, pages_min=0, max_order=0)]))


WAYS = {
    "pool, one by one": (_pool, _one_by_one),
    "pool of pairs": (_pool_of_pairs, _pair),
    "reservation, one by one": (_ledger, _reserve_twice),
    "reservation of both": (_ledger, _reserve_both),
}


def _finishes(world, tasks, seed):
    make, use = world
    machine, shared = Machine(), make()
    for number in range(tasks):
        machine.spawn(f"task {number}", use, shared)
    try:
        machine.run(pick=Random(seed).choice, turns=5_000)
        return True
    except Deadlock:
        return False
    finally:
        machine.close()


M6 = Claim(
    name="M6", who="Ingo Molnar", words="how is this going to handle the need for composite allocations?",
    question="Do tasks that need two pages each finish with a pool of pairs, and is there another way that does?",
    molnar="A pool's elements can be anything, so what is needed together can be kept back together.",
    lahaise="(His mail passes over this bullet.) A reservation can ask for all parts at once.",
    experiment=experiment, judge=judge,
    overturned_by="So few tasks that nobody can stand in another's way: then one after the other will do.",
    overturning={"tasks": (1, 2)},
    history="raid1's own nested pools turned out to be a bug in 2003, so that having a pool was not yet having the "
            "answer.")
