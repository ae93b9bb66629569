"""frontier: L2, the machine that must write memory out, over what it may be short of.

LaHaise promises by other means what Molnar's pools promise, so the two are laid side by side: the
same machine, full of dirty pages, once for every way to supply its drivers, every size of the
reserve, every low mark, and three loads (a page a write; the same through three drivers; sixteen
pages a write, eight at once).  "Hung" is also whoever goes round in a circle for ever, as the page
allocator of 2.5.1 does.

Left out: holders that never give back, which mixed_trial.py has.
"""

from itertools import product

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict
from kit.drivers.stories import Pressure

LOADS = {"one page a write": {}, "three drivers deep": {"stack": ("bounce", "raid1", "raid1")},
         "sixteen at once": {"direct": 8, "stack": ("bounce",), "writers": 2}}
RESERVES, MARKS = (1, 4, 16), (0, 20)
FACTORS = {"load": "what a task takes at once", "reserve": "the size of the reserve", "low mark": "the low mark"}


def experiment(seed, supplies=("plain", "private", "mempool", "reservation"), loads=tuple(LOADS), reserves=RESERVES,
               marks=MARKS):
    """How each supply ends in each world; the books are checked after every run."""
    rows = []
    for load, reserve, mark in product(loads, reserves, marks):
        ends = [_run(LOADS[load], seed=seed, supply=supply, reserve=reserve, pages_min=mark) for supply in supplies]
        rows.append((load, reserve, mark, *ends))
    return Evidence((*FACTORS, *supplies), tuple(rows))


def judge_same_guarantee(evidence):
    """L2: a reservation finishes wherever a mempool of the same size does."""
    pool, ledger = _ends(evidence, "mempool"), _ends(evidence, "reservation")
    less = [world for world in pool if pool[world] == "finished" != ledger[world]]
    more = [world for world in pool if ledger[world] == "finished" != pool[world]]
    if not less:
        return Verdict(HOLDS, f"a reservation finishes wherever a mempool does, and in {len(more)} more of "
                              f"{len(pool)} worlds")
    if not more:
        return Verdict(FAILS, f"in {len(less)} worlds a mempool finishes and a reservation does not, in none the "
                              "other way round")
    return Verdict(DEPENDS, f"in {len(less)} worlds only the mempool finishes, in {len(more)} only the reservation; "
                            f"{_shares(evidence, 'reservation')}", on=_factors(evidence, "reservation"))


def _run(load, **setting):
    story = Pressure(**load, **setting)
    verdict = story.run().verdict
    story.check()
    story.machine.close()
    return verdict


def _ends(evidence, supply):
    """How it ended in each world, a world being its values of the factors."""
    place = evidence.columns.index(supply)
    return {row[:len(FACTORS)]: row[place] for row in evidence.rows}


def _factors(evidence, supply):
    """The factors that make a difference: two worlds that differ in nothing else end differently."""
    ends = _ends(evidence, supply)
    return " and ".join(
        words for place, words in enumerate(FACTORS.values())
        if any(ends[one] != ends[other] for one in ends for other in ends
               if one[:place] + one[place + 1:] == other[:place] + other[place + 1:]))


def _shares(evidence, supply):
    by_size = {}
    for (_, size, _), end in _ends(evidence, supply).items():
        by_size.setdefault(size, []).append(end)
    return f"the {supply}: " + ", ".join(f"{ends.count('finished')} of {len(ends)} with a reserve of {size}"
                                         for size, ends in by_size.items())


L2 = Claim(
    name="L2", who="Ben LaHaise", words="an allocation from that reservation will never fail",
    question="Does a machine that has to write memory out finish with reservations wherever it does with mempools of "
             "the same size?",
    molnar="Who is granted all or nothing waits where a pool would have lent what it has, and asks the slab beneath "
           "for the rest.",
    lahaise="In hand it cannot fail, for all that a write takes was promised before the write began.",
    experiment=experiment, judge=judge_same_guarantee,
    overturned_by="Reserves that are large enough for all that the largest write takes.",
    overturning={"reserves": (16,)},
    recorded={"reserves": (1, 2, 4, 8, 16, 32), "marks": (0, 2, 8, 20)},
    history="LaHaise published page reservations in May 2001 and did not carry them on; the one judged here is this "
            "kit's, built from the mail.")
