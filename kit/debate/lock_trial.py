"""lock_trial: M4, how often a pool's lock is taken, in alloc and in free.

The claim speaks of the normal case, and whoever judges could choose what is normal.  So the share
of requests that the allocator beneath refuses is swept; the first row of the table counts as the
normal case, and what pressure makes of it stands below.  Free is counted as well as alloc: a pool
that is not full takes its lock there, and alloc alone would flatter it.
"""

from random import Random

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict
from kit.gfp import GFP_NOIO
from kit.memory.failing import Failing, seeded
from kit.memory.mempool import Mempool
from kit.memory.zones import Pages, Zone

ELEMENTS, HELD, CALLS = 16, 12, 400     # fewer held than kept back, so that nobody has to wait
REFUSED = (0.0, 0.01, 0.1, 0.5, 0.9, 1.0)


def experiment(seed, refused=REFUSED):
    """Acquisitions per 100 calls: the pool's lock in alloc and in free, and the locks beneath in both."""
    rows = [(f"{share:.0%}", *_measure(seed, share)) for share in refused]
    return Evidence(("refused beneath", "in alloc", "in free", "locks beneath"), tuple(rows))


def judge(evidence):
    """Never in the normal case: neither in alloc nor in free."""
    normal, *pressed = evidence.rows
    share, in_alloc, in_free, beneath = normal
    if in_alloc and in_free:
        return Verdict(FAILS, f"with {share} refused, 100 calls take the pool's lock {in_alloc:.3g} times in alloc and "
                              f"{in_free:.3g} times in free")
    if in_alloc or in_free:
        return Verdict(DEPENDS, f"with {share} refused it is {in_alloc:.3g} in alloc and {in_free:.3g} in free, for "
                                "100 calls", on="which of the two calls one counts")
    worst = max(pressed, key=lambda row: row[1] + row[2], default=normal)
    return Verdict(HOLDS, f"with {share} refused neither call takes the pool's lock, and the locks beneath are taken "
                          f"{beneath:.3g} times; with {worst[0]} refused it is {worst[1]:.3g} in alloc and "
                          f"{worst[2]:.3g} in free, for 100 calls")


def _measure(seed, share):
    """Elements taken and given back in an order drawn from the seed; locks, per 100 calls of each kind."""
    pages = Pages(zones=[Zone("NORMAL", 0, 256, pages_min=0)])
    pool, drawn = Mempool.create(ELEMENTS, pages), Random(seed)
    pool.backing = Failing(pages, seeded(share, seed))      # only now: the pool is full
    zone_lock = pages.zones[0].lock
    beneath, in_alloc, in_free, held = zone_lock.acquisitions, 0, 0, []
    for _ in range(CALLS):
        before = pool.lock.acquisitions
        held.append(pool.alloc(GFP_NOIO))
        in_alloc += pool.lock.acquisitions - before
        while len(held) == HELD or held and drawn.random() < 0.5:
            before = pool.lock.acquisitions
            pool.free(held.pop(drawn.randrange(len(held))))
            in_free += pool.lock.acquisitions - before
    beneath = zone_lock.acquisitions - beneath
    return tuple(100 * count / CALLS for count in (in_alloc, in_free, beneath))


M4 = Claim(
    name="M4", who="Ingo Molnar", words="In the normal case we never touch the mempool spinlocks",
    question="How often is the pool's lock taken in alloc and in free, by the share of requests that the allocator "
             "beneath refuses?",
    molnar="While the allocator beneath gives, the pool is full: alloc does not look into it, and free reads one "
           "number without the lock.",
    lahaise="A pool matters only under pressure, and there every alloc and every free goes through one lock for all "
            "CPUs.",
    experiment=experiment, judge=judge,
    overturned_by="A normal case in which the allocator beneath refuses: one request in ten is enough.",
    overturning={"refused": (0.1, 0.5, 1.0)},
    history="The unlocked look in free stayed; what it needs of memory barriers on real CPUs was mended in 2004. "
            "Waiting for the lock on many CPUs is not measured here.")
