"""mixed: M2, "never fails": machines drawn from a seed, each under every supply, and how they end.

Molnar's promise is for any driver, so the drivers are drawn: what is stacked on what, how many tasks
write, the reserve, the min mark, a network card that takes pages, disks whose writes fail, allocations
that fail beneath the pool.  Two things are not left to chance but made rows of the table, for they are
what the two sides speak of: how many bounce pages a write takes of one pool before it gives any back, and
whether somebody keeps the whole reserve of bios for good.  Every row has the same machines otherwise.

After each run the books are checked, once as it ended and once more when all tasks that were
still under way have been abandoned: no page and no object is lost, finished or hung.

Left out: injected failures beneath a reservation, whose point is that nothing is asked of anybody then.
"""

from itertools import product
from random import Random

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict, listed, what_decides
from kit.drivers.stories import Pressure
from kit.drivers.supply import SUPPLIES
from kit.machine.core import SECOND
from kit.memory.failing import Failing, seeded

STACKS = ((), ("bounce",), ("raid1",), ("bounce", "raid1"), ("raid1", "raid1"))
SEGMENTS = (1, 16)      # 16 pages are the most that one bio of 2.5.1 had
HOLDERS = {"all give back": 0, "one keeps": 1}
ENDS = ("finished", "waited", "hung")
FACTORS = {"pages a write": "how much a write takes of one pool", "holders": "whether everybody gives back"}
PATIENCE = 10 * SECOND      # the T of "waited over T"; whoever finishes does so within a hundredth of that


def experiment(seed, runs=3, supplies=("plain", "private", "mempool", "reservation"), holders=tuple(HOLDERS),
               segments=SEGMENTS, patience=PATIENCE):
    """How often each supply ends how, over the same `runs` machines in every row."""
    rows = []
    for pages, holding, supply in product(segments, holders, supplies):
        ends = [end_of(supply, patience, segments=pages, **drawn(Random(f"{seed} {run}"), HOLDERS[holding]))
                for run in range(runs)]
        rows.append((pages, holding, supply, *(ends.count(end) for end in ENDS)))
    return Evidence((*FACTORS, "supply", *ENDS), tuple(rows))


def drawn(dice, keeps):
    """The settings of one machine (drivers/stories.py), and how often an allocation beneath a pool fails.

    keeps: how much of the reserve of bios is kept for good, from 0 to 1.
    """
    reserve = dice.choice((4, 8, 16, 32))
    return {"stack": dice.choice(STACKS), "reserve": reserve, "pages_min": dice.choice((0, 2, 20)),
            "writers": 4, "each": dice.choice((70, 100)), "throttled": dice.random() < 0.2,
            "direct": dice.randint(4, 10), "rounds": 4, "card": dice.choice((0, 0, 16)), "keeper": reserve * keeps,
            "fails": seeded(dice.choice((0, 0.1)), dice.random()), "seed": dice.randrange(1 << 30),
            "refusal": dice.choice((0, 0.2))}


def end_of(supply, patience=PATIENCE, refusal=0, **setting):
    """How one machine ends; AssertionError if a page or an object is lost on the way, or afterwards."""
    story, refuses = None, seeded(refusal, seed=supply)

    def supplied(pages):
        # Nothing fails while drivers are set up and pools are filled: there is no pressure, and no story, yet.
        return refusing(SUPPLIES[supply](pages), lambda backing: story is not None and refuses(backing))

    story = Pressure(supply=SUPPLIES[supply] if supply == "reservation" else supplied, **setting)
    verdict = story.run(until=patience).verdict
    story.check()
    if verdict == "finished" and not story.kept:
        assert story.out() == 0, f"{story.out()} pages that drivers had did not come back"
    story.machine.close()
    story.check()
    return verdict


def refusing(supply, fails):
    """The supply, with those allocations beneath its elements failing."""
    of = supply.of
    supply.of = lambda kind, backing, min_nr: of(kind, Failing(backing, fails), min_nr)
    return supply


def judge(evidence):
    """M2: every machine finishes with mempools, or only some kinds, or no more than without."""
    done, plain = _finished(evidence, "mempool"), _finished(evidence, "plain")
    runs = sum(evidence.rows[0][-len(ENDS):])
    reason = "with mempools " + "; ".join(f"pages a write {pages}, {holding}: {done[pages, holding]} of {runs} finished"
                                          for pages, holding in done)
    reason += ". Whether that makes drivers simpler is not decidable here: all of them are this kit's"
    if all(count == runs for count in done.values()):
        return Verdict(HOLDS, reason)
    if sum(done.values()) <= sum(plain.values()):
        return Verdict(FAILS, f"no more than with plain allocation: {reason}")
    if any(0 < count < runs for count in done.values()):        # of machines that are alike in both, some finish
        return Verdict(DEPENDS, reason, on="the machine")
    return Verdict(DEPENDS, reason, on=listed(what_decides(done, FACTORS.values())))


def _finished(evidence, supply):
    """How many machines finished, by the values of the factors."""
    return {(pages, holding): finished for pages, holding, name, finished, *_ in evidence.rows if name == supply}


M2 = Claim(
    name="M2", who="Ingo Molnar", words="mempool_alloc(), if called from a process context, never fails",
    question="Do machines drawn at random, which have to write memory out, finish with mempools?",
    molnar="With an element for each who needs one, everybody gets along: elements come back when the disk is done.",
    lahaise="Never told no is not the same as served: who waits for ever has failed as well.",
    experiment=experiment, judge=judge,
    overturned_by="Machines on which a write takes one page of the pool at most, and everybody gives back.",
    overturning={"segments": SEGMENTS[:1], "holders": ("all give back",)},
    recorded={"runs": 32},     # 4 kinds x 4 supplies x 32 machines x 20 seeds: 10,240 runs
    history="Molnar himself required that every holder gives back. In 2.5.1 an ordinary task owed much of the promise "
            "to the page allocator, which went round for ever rather than say no (our reading of both files).")
