"""frontier: L2, the machine that must write memory out, over what it may be short of.

LaHaise promises by other means what Molnar's pools promise, so the two are laid side by side: the
same machine, full of dirty pages, once for every way to supply its drivers, every size of the
reserve, every min mark, and three loads (a page a write; the same through three drivers; sixteen
pages a write, eight at once).  "Hung" is also whoever goes round in a circle for ever, as the page
allocator of 2.5.1 does.  A ledger has no marks, so with a mark of 20 the others have 20 pages a zone
more than it, for whoever frees memory.

    bios only       a private pool of bios, and none of vectors: fs/bio.c before mempool
    private         the same order of attempts, with a pool of every kind
    reservation     a write declares beforehand what it will take
    worst declared  a write does not know that beforehand, and declares the worst that could be
    counted         the ledger is asked for reservations alone, and not by ordinary allocations

A cell is how long it took, in virtual milliseconds; "broken" is a promise that was not kept.  The seed
draws how long the disk takes for each request.

What reservations stand on here, and pools do not: kswapd.  Who waits for the ledger frees nothing
himself.  Left out: holders that never give back, which mixed_trial.py has.
"""

from itertools import product
from statistics import median

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict, listed, what_decides
from kit.drivers.reserved import Reserved
from kit.drivers.stories import Pressure
from kit.drivers.supply import PrivatePool
from kit.memory.ledger import COUNTED, Ledger, PromiseBroken

LOADS = {"one page a write": {}, "three drivers deep": {"stack": ("bounce", "raid1", "raid1")},
         "sixteen at once": {"direct": 8, "stack": ("bounce",), "writers": 2}}
RESERVES, MARKS = (1, 4, 16), (0, 20)
FACTORS = {"load": "what a task takes at once", "reserve": "the size of the reserve", "min mark": "the min mark"}
POOL, EXACT, WORST = "mempool", "reservation", "worst declared"
SUPPLIES = {"plain": {"supply": "plain"},
            "bios only": {"supply": lambda pages: PrivatePool(only={"bio"})},
            "private": {"supply": "private"},
            POOL: {"supply": "mempool"},
            EXACT: {"supply": "reservation"},
            WORST: {"supply": "reservation", "foreseen": False},
            "counted": {"supply": lambda pages: Reserved(Ledger(pages, COUNTED))}}
DAEMONS = ("kswapd", "flusher")


def experiment(seed, supplies=tuple(SUPPLIES), loads=tuple(LOADS), reserves=RESERVES, marks=MARKS, daemons=DAEMONS):
    """How each supply ends in each world; the books are checked after every run."""
    rows = []
    for load, reserve, mark in product(loads, reserves, marks):
        world = {"seed": seed, "reserve": reserve, "pages_min": mark, "daemons": daemons, **LOADS[load]}
        rows.append((load, reserve, mark, *(_end(**world, **SUPPLIES[name]) for name in supplies)))
    return Evidence((*FACTORS, *supplies), tuple(rows))


def judge(evidence):
    """L2: no promise is broken, and reservations finish wherever a mempool of the same size does, whatever declared."""
    ways = [way for way in (EXACT, WORST) if way in evidence.columns]
    if any(end == "broken" for way in ways for end in _ends(evidence, way).values()):
        return Verdict(FAILS, "a reservation in hand could not be taken")
    pool = _ends(evidence, POOL)
    less = {way: _only_first(pool, _ends(evidence, way)) for way in ways}
    more = {way: _only_first(_ends(evidence, way), pool) for way in ways}
    reason = "; ".join(f"{way}: in {less[way]} of {len(pool)} worlds the mempool finishes and it does not, in "
                       f"{more[way]} the other way round{_time(pool, _ends(evidence, way))}" for way in ways)
    if not any(less.values()):
        return Verdict(HOLDS, reason)
    if not all(less.values()):
        return Verdict(DEPENDS, reason, on=listed(
            ["whether a write can say beforehand what it will take", *_factors(_ends(evidence, WORST))]))
    if not any(more.values()):
        return Verdict(FAILS, reason)
    return Verdict(DEPENDS, reason, on=listed(_factors(_ends(evidence, EXACT))))


def _end(**setting):
    story = Pressure(**setting)
    try:
        outcome = story.run()
    except PromiseBroken:
        return "broken"
    story.check()
    story.machine.close()
    return f"{outcome.time_ns / 1e6:.0f} ms" if outcome.verdict == "finished" else outcome.verdict


def _ends(evidence, supply):
    """How it ended in each world, a world being its values of the factors."""
    place = evidence.columns.index(supply)
    return {row[:len(FACTORS)]: row[place] for row in evidence.rows}


def finished(end):
    """Whether a cell of the table says that all tasks ended, and that what was being written is written."""
    return end.endswith("ms")


def _only_first(one, other):
    return sum(finished(one[world]) and not finished(other[world]) for world in one)


def _time(pool, ledger):
    """What the waiting for the ledger costs, where both finish."""
    both = [world for world in pool if finished(pool[world]) and finished(ledger[world])]
    times = [_ms(ledger[world]) / _ms(pool[world]) for world in both]
    return f", and where both do it takes {median(times):.2g} times as long (median)" if times else ""


def _ms(end):
    return max(1, int(end.split()[0]))


def _factors(ends):
    """What makes a difference to reservations.  (To pools it is often chance: who comes first in the stampede.)"""
    return what_decides({world: finished(end) for world, end in ends.items()}, FACTORS.values())


L2 = Claim(
    name="L2", who="Ben LaHaise", words="an allocation from that reservation will never fail",
    question="Is every promise kept, and does a machine that has to write memory out finish with reservations wherever "
             "it does with mempools of the same size?",
    molnar="What a request will take must be known before it begins; who has to declare the worst waits where a pool "
           "would have lent what it has.",
    lahaise="In hand it cannot fail, for all that a write takes was promised before the write began.",
    experiment=experiment, judge=judge,
    overturned_by="Writes that know beforehand what they will take, as those of this machine can; or reserves of no "
                  "less than the largest write declares. And for the worse: a machine without kswapd.",
    overturning={"supplies": (POOL, EXACT)},
    recorded={"reserves": (1, 4, 16, 32), "marks": (0, 2, 20)},
    history="LaHaise published page reservations in May 2001 and did not carry them on; the one judged here is this "
            "kit's, built from the mail.")
