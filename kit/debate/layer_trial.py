"""layer_trial: L10, what a machine would lose without the layer, from 4 MB to 4 GB.

Beside each other: nothing kept back, mempools on top of the allocators, and reservations inside them,
by writes that know what they will take and by writes that declare the worst.  Two things are asked.

What do reads find in the page cache?  How much 2.5.1 kept back does not grow with the machine: 256 bios
and as many vectors of each size, and 64 bounce pages where there is high memory; so a small machine kept
back a third of its memory, and a large one next to nothing.  Each machine is modelled with fewer pages,
of which the same share is kept back; two models must agree.  The files are as large as memory, and of
them none, half or all stays put (idle_trial.py, which sweeps the rest).  Where the share is less than a
page of a model, none is kept, the row says so, and it counts for nothing.

Do those who fill memory with dirty pages get to the end (frontier.py)?  With kswapd and without, for whoever
waits for a ledger frees nothing himself.  How long it took is shown and not judged: L2 tells of that.

Left out: what an ordinary allocation pays for the ledger (L7), needs that nobody can count (L8), reserves
of what is no memory (L1), pools of other drivers, and the waste of slabs.
"""

from itertools import product

from kit.debate import frontier
from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict, listed, what_decides
from kit.debate.idle_trial import NOISE, SAME, gained, in_models
from kit.drivers.bio import BIO_POOL_SIZE, BVEC_SIZES, idle_bytes
from kit.drivers.highmem import POOL_SIZE
from kit.memory.zones import MB, PAGE_SIZE

HIGHMEM_STARTS = 896        # megabytes, on an i386
FOUND, WRITES, NONE = "found", "writes", "none kept"
DAEMONS = {"kswapd": ("kswapd", "flusher"), "no kswapd": ("flusher",)}
COLUMNS = ("what is asked", "machine", "kept back", "nothing", "mempool", "reservation", "worst declared", "apart")


def experiment(seed, machines=(4, 64, 256, 4096), pinned=(0, 1 / 2, 1), models=(128, 384),
               writes=("one page a write", "sixteen at once"), reserves=(1, 16), daemons=tuple(DAEMONS)):
    """What is found on every machine (megabytes), in the largest model (pages); then who writes out to the end."""
    rows = []
    for stays, machine in product(pinned, machines):
        share = share_kept(machine)
        *found, apart = in_models(models, seed, share, 1, stays)
        kept = round(share, 4) if all(round(pages * share) for pages in models) else NONE
        rows.append((f"{FOUND}, {stays:.0%} stays put", f"{machine:,} MB", kept, *found, "", apart))
    for helpers in daemons:
        ends = frontier.experiment(seed, ("mempool", "reservation", frontier.WORST), writes, reserves, (0,),
                                   DAEMONS[helpers])
        rows += [(f"{WRITES}, {load}", helpers, reserve, "", *cells, "") for load, reserve, _, *cells in ends.rows]
    return Evidence(COLUMNS, tuple(rows))


def share_kept(megabytes):
    """The share of its memory that 2.5.1 kept back in the pools of bio.c and highmem.c."""
    kept = idle_bytes((BIO_POOL_SIZE,) * len(BVEC_SIZES)) / PAGE_SIZE
    return (kept + POOL_SIZE * (megabytes > HIGHMEM_STARTS)) / (megabytes * MB)


def judge(evidence):
    """Does the allocator that reserves, alone, anywhere do worse than pools on top; and do the models agree?"""
    found = {row[:3]: row[3:] for row in evidence.rows if row[0].startswith(FOUND) and row[2] != NONE}
    writes = {row[:3]: row[4:7] for row in evidence.rows if row[0].startswith(WRITES)}
    apart = max((row[-1] for row in found.values()), default=0)
    if apart > SAME:
        return Verdict(DEPENDS, f"two models of one machine are {apart:.1%} apart", on="the size of the model")
    gains = {world: gained(*row[:3]) for world, row in found.items()}
    ends = {(way, *world): frontier.finished(cells[place]) - frontier.finished(cells[0])
            for world, cells in writes.items() for place, way in enumerate(COLUMNS[5:7], start=1)}
    reason = "; ".join([*_told_found(gains, apart), *_told_writes(ends)])
    worse = {("", *world): gain < -NOISE for world, gain in gains.items()}
    worse |= {world: gain < 0 for world, gain in ends.items()}
    if not any(worse.values()):
        return Verdict(HOLDS, reason)
    if not any(gain > NOISE for gain in (*gains.values(), *ends.values())):
        return Verdict(FAILS, reason)
    on = what_decides(worse, ("whether a write can say beforehand what it will take", "what is asked",
                              "whether somebody frees memory for those who wait", "the size of the reserve"))
    return Verdict(DEPENDS, reason, on=listed(on) or "what is asked")      # these two have no factor in common


def _told_found(gains, apart):
    """For each load, by how much more reads find with reservations, on which machines."""
    for load in dict.fromkeys(world[0] for world in gains):
        here = {world[1]: gain for world, gain in gains.items() if world[0] == load}
        most, least = max(here, key=here.get), min(here, key=here.get)
        yield f"{load}: beside mempools, reservations give " + (
            "as much" if max(map(abs, here.values())) <= NOISE else
            f"{here[least]:+.1%} ({least}) to {here[most]:+.1%} ({most})")
    if gains:
        yield f"models of one machine agree within {apart:.1%}"


def _told_writes(ends):
    """How often each way to reserve gets to the end where pools do not, and the other way round."""
    for way in dict.fromkeys(world[0] for world in ends):
        here = [gain for world, gain in ends.items() if world[0] == way]
        yield (f"{way}: of {len(here)} machines that write out, {here.count(-1)} get to the end with mempools alone, "
               f"{here.count(1)} with it alone")


L10 = Claim(
    name="L10", who="Ben LaHaise", words="once fixed there should be no need for yet another layer on top of it",
    question="Is a machine whose allocators reserve anywhere worse off than one with mempools on top, in what reads "
             "find cached or in writing out to the end?",
    molnar="In a real squeeze no page is clean, on a large machine the pools are nothing, and they lend what they have "
           "one element at a time, to whoever cannot say what he will need.",
    lahaise="The allocator can promise the same, and until it is called on the memory holds what is easily dropped.",
    experiment=experiment, judge=judge,
    overturned_by="Writes that take a page at a time, on a machine where kswapd runs: then nothing is worse without "
                  "the layer.",
    overturning={"writes": ("one page a write",), "daemons": ("kswapd",)},
    recorded={"machines": (4, 16, 64, 256, 1024, 4096), "pinned": (0, 1 / 4, 1 / 2, 3 / 4, 1), "models": (640, 1280),
              "writes": tuple(frontier.LOADS), "reserves": (1, 4, 16, 32)},
    history="The layer stayed; the pool of bios shrank from 256 to 2. What reserves inside the allocators came later, "
            "each time for one narrow purpose.")
