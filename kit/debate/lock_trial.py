"""lock_trial: M4, how often a pool's lock is taken, and whether the pool scales as the allocator beneath.

The claim speaks of the normal case, and whoever judges could choose what is normal.  So how short memory
is is swept, for pages by what memory holds, for bios by the share of requests that are refused beneath.
Normal is all that nobody is made to refuse, and what pressure makes of it stands below.  Free is counted
as well as alloc: a pool that is not full takes its lock there, and alloc alone would flatter it.  And
never to touch a lock is not all that was claimed: with the pool, CPUs must wait for one another no more
than without.  contention.py says what they do meanwhile.
"""

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict
from kit.debate.contention import LOCK_NS, is_of_a_higher_order, measure, measure_bios, setting, settings

COLUMNS = ("for 100 calls", "in alloc", "in free", "refused, %", "locks beneath", "without pool", "waiting, %",
           "without pool, %")


def experiment(seed, memory=(1.0, 0.0), refused=(0.0, 0.5), cpus=(32,), faster=(100,), lock_ns=LOCK_NS):
    """The pool's lock in alloc and in free, first rungs that were refused, the lock beneath, and waiting."""
    rows = [_row(measure, "pages", seed, at, lock_ns) for at in settings(memory, cpus, faster)]
    rows += [_row(measure_bios, "bios", seed, at, lock_ns) for at in settings(refused, cpus, (max(faster),))]
    return Evidence(COLUMNS, tuple(rows))


def _row(run, load, seed, at, lock_ns):
    pool, without = (run(seed, way, *at, lock_ns) for way in ("mempool", "nothing"))
    return (setting(*at, load), pool.in_alloc, pool.in_free, pool.refused, pool.beneath, without.beneath,
            pool.waiting, without.waiting)


def judge(evidence):
    """While nobody is made to refuse: no lock in either call, and waiting of no higher order than without the pool?"""
    calm = [row for row in evidence.rows if not row[0].startswith("bios") or " 0% refused" in row[0]]
    touched, waits = [row for row in calm if row[1] + row[2]], [row for row in calm if _waits_more(row)]
    reason = f"{_told('while nothing is refused beneath', calm)}{_told('; else', _without(evidence.rows, calm))}"
    if not touched and not waits:
        return Verdict(HOLDS, reason)
    if len(touched) == len(calm) or len(waits) == len(calm):
        return Verdict(FAILS, reason)
    if not touched:
        return Verdict(DEPENDS, reason, on="how many CPUs there are and how often they ask")
    where = {_sort(row) for row in calm if row not in touched} - {_sort(row) for row in touched}
    return Verdict(DEPENDS, reason, on="what the memory holds in the normal case" if where else
                   "how many CPUs there are and how often they ask")


def _told(when, rows):
    """How often the pool's lock is taken, and what becomes of the waiting, where that is worst."""
    if not rows:
        return ""
    most, slow = max(rows, key=lambda row: row[1] + row[2]), max(rows, key=lambda row: row[6] - row[7])
    return (f"{when}, 100 calls take the pool's lock up to {most[1]:.3g} times in alloc and {most[2]:.3g} in free "
            f"({most[0]}); waiting takes at worst {slow[6]:.2g} % of the time where it takes {slow[7]:.2g} % without "
            f"the pool ({slow[0]})")


def _waits_more(row):
    return is_of_a_higher_order(row[6], row[7])


def _without(rows, some):
    return [row for row in rows if row not in some]


def _sort(row):
    return row[0].split(",")[0]


M4 = Claim(
    name="M4", who="Ingo Molnar", words="In the normal case we never touch the mempool spinlocks",
    question="How often is the pool's lock taken in alloc and in free, and do CPUs wait for one another more than "
             "without the pool, by how short memory is and by the number of CPUs?",
    molnar="While the allocator beneath gives, the pool is full: alloc does not look into it, and free reads one "
           "number without the lock.  So it scales exactly as the allocator beneath.",
    lahaise="A pool matters only under pressure, and there every alloc and every free goes through one lock for all "
            "CPUs.",
    experiment=experiment, judge=judge,
    overturned_by="Memory that is free in the normal case; where it is full of clean pages and many CPUs ask at once, "
                  "kswapd is late, and pools are used.",
    overturning={"memory": (1.0,), "refused": (0.0,)},
    history="The unlocked look in free stayed; what it needs of memory barriers on real CPUs was mended in 2004.  "
            "The page allocator itself got lists of each CPU only in 2.5.45 (October 2002).",
    recorded={"memory": (1.0, 0.5, 0.0), "refused": (0.0, 0.1, 0.5, 0.9), "cpus": (1, 4, 16, 64),
              "faster": (1, 10, 100)})
