"""lock_trial: M4, how often a pool's lock is taken, and whether the pool scales as the allocator beneath.

The claim speaks of the normal case, and whoever judges could choose what is normal.  So how short memory
is is swept, for pages by what memory holds, for bios by the share of requests that are refused beneath;
what comes first counts as the normal case, and what pressure makes of it stands below.  Free is counted
as well as alloc: a pool that is not full takes its lock there, and alloc alone would flatter it.  And
never to touch a lock is not all that was claimed: with the pool, CPUs must wait for one another no more
than without.  contention.py says what they do meanwhile.
"""

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict
from kit.debate.contention import LOCK_NS, is_of_a_higher_order, measure, measure_bios, setting, settings

COLUMNS = ("for 100 calls", "in alloc", "in free", "refused, %", "locks beneath", "without pool", "waiting, %",
           "without pool, %")


def experiment(seed, memory=(1.0, 0.0), refused=(0.0, 0.5), cpus=(16,), faster=(100,), lock_ns=LOCK_NS):
    """The pool's lock in alloc and in free, first rungs that were refused, the lock beneath, and waiting."""
    rows = [_row(measure, "pages", seed, at, lock_ns) for at in settings(memory, cpus, faster)]
    rows += [_row(measure_bios, "bios", seed, at, lock_ns) for at in settings(refused, cpus, (max(faster),))]
    return Evidence(COLUMNS, tuple(rows))


def _row(run, load, seed, at, lock_ns):
    pool, without = (run(seed, way, *at, lock_ns) for way in ("mempool", "nothing"))
    return (setting(*at, load), pool.in_alloc, pool.in_free, pool.refused, pool.beneath, without.beneath,
            pool.waiting, without.waiting)


def judge(evidence):
    """In the normal case: no lock in either call, and waiting of no higher order than without the pool?"""
    normal = _normal(evidence)
    in_alloc, in_free = (max(row[place] for row in normal) for place in (1, 2))
    waits = [row[0] for row in normal if is_of_a_higher_order(row[6], row[7])]
    reason = (f"with {' and '.join(dict.fromkeys(_sort(row) for row in normal))}, 100 calls take the pool's lock up to "
              f"{in_alloc:.3g} times in alloc and {in_free:.3g} times in free, and CPUs wait by a higher order than "
              f"without the pool in {len(waits)} of {len(normal)} rows{_pressed(evidence, normal)}")
    if in_alloc and in_free or len(waits) == len(normal):
        return Verdict(FAILS, reason)
    if in_alloc or in_free:
        return Verdict(DEPENDS, reason, on="which of the two calls one counts")
    if waits:
        return Verdict(DEPENDS, reason, on="how many CPUs there are and how often they ask")
    return Verdict(HOLDS, reason)


def _normal(evidence):
    """The rows of each load whose memory is as in its first row."""
    first = {}
    for row in evidence.rows:
        first.setdefault(_sort(row).split()[0], _sort(row))
    return [row for row in evidence.rows if _sort(row) in first.values()]


def _sort(row):
    return row[0].split(",")[0]


def _pressed(evidence, normal):
    """What pressure makes of it, where that is worst."""
    pressed = [row for row in evidence.rows if row not in normal]
    if not pressed:
        return ""
    most, worst = max(pressed, key=lambda row: row[1] + row[2]), max(pressed, key=lambda row: row[6] - row[7])
    return (f".  Else up to {most[1]:.3g} in alloc and {most[2]:.3g} in free ({most[0]}), and {worst[6]:.2g} % of the "
            f"time goes by in waiting where it was {worst[7]:.2g} % ({worst[0]})")


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
    overturning={"memory": (0.0,), "refused": (0.1,)},
    history="The unlocked look in free stayed; what it needs of memory barriers on real CPUs was mended in 2004.  "
            "The page allocator itself got lists of each CPU only in 2.5.45 (October 2002).",
    recorded={"memory": (1.0, 0.5, 0.0), "refused": (0.0, 0.1, 0.5, 0.9), "cpus": (1, 4, 16, 64),
              "faster": (1, 10, 100)})
