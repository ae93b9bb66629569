"""frontier: L2, the machine that must write memory out, over what it may be short of.

LaHaise promises by other means what Molnar's pools promise, so the two are laid side by side: the
same machine, full of dirty pages, once for every way to supply its drivers, every size of the
reserve, every min mark, and three loads (a page a write; the same through three drivers; sixteen
pages a write, eight at once).  "Hung" is also whoever goes round in a circle for ever, as the page
allocator of 2.5.1 does.  A ledger has no marks, so with a mark of 20 the others have 20 pages a zone
more than it, for whoever frees memory.

All that is reserved must be asked for beforehand, so reservations are tried twice: by writes that
know what they will take, and by writes that do not, and declare the worst.  The seed draws how long the
disk takes for each request.

Left out: holders that never give back, which mixed_trial.py has.
"""

from itertools import product

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict
from kit.drivers.stories import Pressure

LOADS = {"one page a write": {}, "three drivers deep": {"stack": ("bounce", "raid1", "raid1")},
         "sixteen at once": {"direct": 8, "stack": ("bounce",), "writers": 2}}
RESERVES, MARKS = (1, 4, 16), (0, 20)
FACTORS = {"load": "what a task takes at once", "reserve": "the size of the reserve", "min mark": "the min mark"}
WORST = "worst declared"
SUPPLIES = {name: {"supply": name} for name in ("plain", "private", "mempool", "reservation")} | {
    WORST: {"supply": "reservation", "foreseen": False}}


def experiment(seed, supplies=tuple(SUPPLIES), loads=tuple(LOADS), reserves=RESERVES, marks=MARKS):
    """How each supply ends in each world; the books are checked after every run."""
    rows = []
    for load, reserve, mark in product(loads, reserves, marks):
        ends = [_run(seed=seed, reserve=reserve, pages_min=mark, **LOADS[load], **SUPPLIES[name]) for name in supplies]
        rows.append((load, reserve, mark, *ends))
    return Evidence((*FACTORS, *supplies), tuple(rows))


def judge_same_guarantee(evidence):
    """L2: reservations finish wherever a mempool of the same size does, however much is declared."""
    pool, ways = _ends(evidence, "mempool"), [way for way in ("reservation", WORST) if way in evidence.columns]
    less = {way: _only_first(pool, _ends(evidence, way)) for way in ways}
    more = {way: _only_first(_ends(evidence, way), pool) for way in ways}
    reason = "; ".join(f"{way}: in {less[way]} of {len(pool)} worlds the mempool finishes and it does not, in "
                       f"{more[way]} the other way round" for way in ways)
    if not any(less.values()):
        return Verdict(HOLDS, reason)
    if not all(less.values()):
        return Verdict(DEPENDS, reason, on="whether a write can say beforehand what it will take")
    if not any(more.values()):
        return Verdict(FAILS, reason)
    return Verdict(DEPENDS, reason, on=_factors(evidence, ways[0]))


def _only_first(one, other):
    return sum(one[world] == "finished" != other[world] for world in one)


def _run(**setting):
    story = Pressure(**setting)
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


L2 = Claim(
    name="L2", who="Ben LaHaise", words="an allocation from that reservation will never fail",
    question="Does a machine that has to write memory out finish with reservations wherever it does with mempools of "
             "the same size?",
    molnar="What a request will take must be known before it begins; who has to declare the worst waits where a pool "
           "would have lent what it has.",
    lahaise="In hand it cannot fail, for all that a write takes was promised before the write began.",
    experiment=experiment, judge=judge_same_guarantee,
    overturned_by="Writes that know beforehand what they will take, as those of this machine can; or reserves of no "
                  "less than the largest write declares.",
    overturning={"supplies": ("mempool", "reservation")},
    recorded={"reserves": (1, 2, 4, 8, 16, 32), "marks": (0, 2, 8, 20)},
    history="LaHaise published page reservations in May 2001 and did not carry them on; the one judged here is this "
            "kit's, built from the mail.")
