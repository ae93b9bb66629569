"""lock_trial: M4, how often a pool's lock is taken, and whether the pool scales as the allocator beneath.

The claim speaks of the normal case, and whoever judges could choose what is normal.  So how short memory
is is swept; the first sort of memory in the table counts as the normal case, and what pressure makes of
it stands below.  Free is counted as well as alloc: a pool that is not full takes its lock there, and
alloc alone would flatter it.  And never to touch a lock is not all that was claimed: with the pool, CPUs
must wait for one another no more than without.  contention.py says what they do meanwhile.
"""

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict
from kit.debate.contention import is_of_a_higher_order, measure, setting, settings

COLUMNS = ("memory at the start, CPUs", "in alloc", "in free", "first rung refused, %", "locks beneath", "without pool",
           "waiting, %", "without pool, %")


def experiment(seed, memory=(1.0, 0.0), cpus=(16,), faster=(10,), lock_ns=20):
    """For 100 calls: the pool's lock in alloc and in free, the lock beneath; and waiting, with the pool and without."""
    return Evidence(COLUMNS, tuple(_row(seed, at, lock_ns) for at in settings(memory, cpus, faster)))


def _row(seed, at, lock_ns):
    pool, without = (measure(seed, way, *at, lock_ns=lock_ns) for way in ("mempool", "nothing"))
    return (setting(*at), pool.in_alloc, pool.in_free, pool.refused, pool.zone, without.zone,
            pool.waiting, without.waiting)


def judge(evidence):
    """In the normal case: no lock in either call, and of the same order of waiting as without the pool?"""
    sort = evidence.rows[0][0].split(",")[0]
    normal = [row for row in evidence.rows if row[0].startswith(sort)]
    in_alloc, in_free = (max(row[place] for row in normal) for place in (1, 2))
    waits = [row for row in normal if is_of_a_higher_order(row[6], row[7])]
    touched = (f"with {sort}, 100 calls take the pool's lock {in_alloc:.3g} times in alloc and {in_free:.3g} "
               f"times in free at most, and CPUs wait up to {max(row[6] for row in normal):.2g} % of the time, "
               f"without the pool up to {max(row[7] for row in normal):.2g} %" + _pressed(evidence, normal))
    if in_alloc and in_free or len(waits) == len(normal):
        return Verdict(FAILS, touched)
    if in_alloc or in_free:
        return Verdict(DEPENDS, touched, on="which of the two calls one counts")
    if waits:
        return Verdict(DEPENDS, touched, on="how many CPUs there are and how often they ask")
    return Verdict(HOLDS, touched)


def _pressed(evidence, normal):
    pressed = [row for row in evidence.rows if row not in normal]
    if not pressed:
        return ""
    row = max(pressed, key=lambda row: row[1] + row[2])
    return (f". With {row[0]} it is {row[1]:.3g} in alloc and {row[2]:.3g} in free, and {row[6]:.2g} % of the time "
            f"beside {row[7]:.2g} %")


M4 = Claim(
    name="M4", who="Ingo Molnar", words="In the normal case we never touch the mempool spinlocks",
    question="How often is the pool's lock taken in alloc and in free, and do CPUs wait for one another more than "
             "without the pool, by how short memory is and by the number of CPUs?",
    molnar="While the allocator beneath gives, the pool is full: alloc does not look into it, and free reads one "
           "number without the lock.  So it scales exactly as the allocator beneath.",
    lahaise="A pool matters only under pressure, and there every alloc and every free goes through one lock for all "
            "CPUs.",
    experiment=experiment, judge=judge,
    overturned_by="To call a memory full of clean pages the normal case: when many CPUs ask at once, kswapd is late.",
    overturning={"memory": (0.0,)},
    history="The unlocked look in free stayed; what it needs of memory barriers on real CPUs was mended in 2004.  "
            "The page allocator itself got lists of each CPU only in 2.5.45 (October 2002).",
    recorded={"memory": (1.0, 0.5, 0.0), "cpus": (1, 4, 16, 64), "faster": (1, 10, 100)})
