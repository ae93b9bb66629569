"""layer_trial: L10, what a machine would lose without the layer, from 4 MB to 4 GB.

Beside each other: nothing kept back, mempools on top of the allocators, and reservations inside them.
How much 2.5.1 kept back does not grow with the machine: 256 bios and as many vectors of each size, and
64 bounce pages where there is high memory; so a small machine kept back a third of its memory, and a
large one next to nothing.  Each machine is modelled with fewer pages, and the same share of them is
kept back; that this says something of the large one is shown by models of different sizes, of which
the largest is in the table, with how far the others are apart from it at most.

    the cache is clean      the share of reads at random that find their page
    half is held            the same, while processes have locked half of memory (Arcangeli, 17 Dec 2001)
    no page is clean        the share of memory that is of use before somebody has to wait (Molnar, the same day)
    writes out              1 if a machine full of dirty pages gets rid of them (frontier.py), else 0

Left out: pools of other drivers, and the waste of slabs; a share of less than a page of the model is none.
"""

from itertools import product

from kit.debate import frontier
from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict
from kit.debate.idle_trial import NOISE, SAME, WAYS, held_share, hit_rate, machine_with
from kit.drivers.bio import BIO_POOL_SIZE, BVEC_SIZES, idle_bytes
from kit.drivers.highmem import POOL_SIZE
from kit.memory.zones import MB, PAGE_SIZE

HIGHMEM_STARTS = 896        # megabytes, on an i386
SMALL = "a small one"
CLEAN, HALF, SQUEEZE = "the cache is clean", "half is held", "no page is clean"
COLUMNS = ("what is asked", "machine", "kept back", *WAYS, "models apart")


def experiment(seed, machines=(4, 16, 64, 256, 1024, 4096), loads=(CLEAN, HALF, SQUEEZE), models=(128, 384),
               reads=2_000, writes=("one page a write", "sixteen at once"), reserves=(1, 4, 16)):
    """The figure of every load on every machine (megabytes), from models (pages); then who writes out to the end."""
    rows = []
    for load, machine in product(loads, machines):
        share = share_kept(machine)
        *others, figures = [[_figure(load, machine_with(way, pages, round(pages * share)), seed, pages, reads)
                             for way in WAYS] for pages in models]
        apart = max((abs(one - other) for them in others for one, other in zip(figures, them)), default=0.0)
        rows.append((load, f"{machine:,} MB", share, *figures, apart))
    supplies = "plain", "mempool", "reservation"
    for load, reserve, _, *ends in frontier.experiment(seed, supplies, writes, reserves, marks=(0,)).rows:
        rows.append((f"writes out, {load}", SMALL, reserve, *(float(frontier.finished(end)) for end in ends)))
    return Evidence(COLUMNS, tuple(rows))


def share_kept(megabytes):
    """The share of its memory that 2.5.1 kept back in the pools of bio.c and highmem.c."""
    kept = idle_bytes((BIO_POOL_SIZE,) * len(BVEC_SIZES)) / PAGE_SIZE
    return (kept + POOL_SIZE * (megabytes > HIGHMEM_STARTS)) / (megabytes * MB)


def judge(evidence):
    """Is the allocator that reserves, alone, anywhere worse than pools on top; and do the models agree?"""
    apart = max(row[6] for row in evidence.rows)
    if apart > SAME:
        return Verdict(DEPENDS, f"two models of one machine are {apart:.0%} apart", on="the size of the model")
    gains = {row[:3]: row[5] - row[4] for row in evidence.rows}
    better, worse = ([world for world in gains if sign * gains[world] > NOISE] for sign in (1, -1))
    reason = "; ".join([*_told(gains), f"models of one machine agree within {apart:.1%}"])
    if not worse:
        return Verdict(HOLDS, reason)
    if not better:
        return Verdict(FAILS, reason)
    by_load = {}
    for world in gains:
        by_load.setdefault(world[0], []).append(world in worse)
    on = ["what is asked"] * (any(map(all, by_load.values())) and not all(map(any, by_load.values())))
    on += ["the size of the reserve"] * any(any(each) and not all(each) for each in by_load.values())
    return Verdict(DEPENDS, reason, on=" and ".join(on))


def _told(gains):
    """For each load, on which machines a reservation does better or worse than the pools, and by how much."""
    for load in dict.fromkeys(world[0] for world in gains):
        here = {world: gain for world, gain in gains.items() if world[0] == load}
        most, least = max(here, key=here.get), min(here, key=here.get)
        if here[most] - here[least] <= NOISE:
            yield f"{load}: reservations give as much as mempools"
        else:
            yield (f"{load}: reservations give {here[least]:+.0%} ({_where(least)}) to {here[most]:+.0%} "
                   f"({_where(most)}) beside mempools")


def _where(world):
    _, machine, kept = world
    return f"a reserve of {kept}" if machine == SMALL else machine


def _figure(load, cache, seed, pages, reads):
    if load == SQUEEZE:
        return held_share(cache, seed, pages)
    held = pages // 2 if load == HALF else 0
    return hit_rate(cache, seed, pages - held, reads, held)


L10 = Claim(
    name="L10", who="Ben LaHaise", words="once fixed there should be no need for yet another layer on top of it",
    question="Is a machine whose allocators reserve anywhere worse off than one with mempools on top, in memory left "
             "for use or in writing out to the end?",
    molnar="In a real squeeze no page is clean, on a large machine the pools are nothing, and they lend what they have "
           "one element at a time.",
    lahaise="The allocator can promise the same, and until it is called on the memory holds what is easily dropped.",
    experiment=experiment, judge=judge,
    overturned_by="Reserves that are large enough for all that the largest write takes: then nothing is worse without "
                  "the layer.",
    overturning={"reserves": (16,)},
    history="The layer stayed; the pool of bios shrank from 256 to 2. What reserves inside the allocators came later, "
            "each time for one narrow purpose.")
