"""mixed: M2, "never fails": machines drawn from a seed, each under every supply, and how they end.

Molnar's promise is for any driver, so the drivers are drawn: what is stacked on what, how many tasks
write and how much at once, the reserve, the min mark, a network card that takes pages, disks whose
writes fail, allocations that fail beneath the pool.  Two things are not left to chance but made
rows of the table, for they are what the two sides speak of: whether a task takes several elements of
one pool before it gives any back, and whether everybody does give back.

After each run the books are checked, once as it ended and once more when all tasks that were
still under way have been abandoned: no page and no object is lost, finished or hung.

Left out: injected failures beneath a reservation, whose point is that nothing is asked of anybody then.
"""

from itertools import product
from random import Random

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict
from kit.drivers.stories import Pressure
from kit.drivers.supply import SUPPLIES
from kit.memory.failing import Failing, seeded

STACKS = ((), ("bounce",), ("raid1",), ("bounce", "raid1"), ("raid1", "raid1"))
TAKES = ("one at a time", "several at once")
HOLDERS = ("all give back", "one keeps")
ENDS = ("finished", "waited", "hung")


def experiment(seed, runs=2, supplies=("plain", "private", "mempool", "reservation"), holders=HOLDERS, takes=TAKES):
    """How often each supply ends how, over `runs` machines of each kind; every supply gets the same machines."""
    rows = []
    for taking, holding in product(takes, holders):
        machines = [drawn(Random(f"{seed} {taking} {holding} {run}"), taking, holding) for run in range(runs)]
        for supply in supplies:
            ends = [end_of(supply, **machine) for machine in machines]
            rows.append((f"{taking}, {holding}, {supply}", *(ends.count(end) for end in ENDS)))
    return Evidence(("machines and supply", *ENDS), tuple(rows))


def drawn(dice, taking, holding):
    """The settings of one machine (drivers/stories.py), and how often an allocation beneath a pool fails."""
    several = taking == "several at once"
    # A bounce page for each page that is written: with several to a write, that is several of one pool.
    stack = dice.choice([stack for stack in STACKS if "bounce" in stack] if several else STACKS)
    reserve = dice.choice((4, 8, 16, 32))
    return {"stack": stack, "reserve": reserve, "pages_min": dice.choice((0, 2, 20)),
            "writers": 4, "each": dice.choice((70, 100)), "throttled": dice.random() < 0.2,
            "direct": dice.randint(4, 10) if several else 0, "rounds": 4,
            "card": dice.choice((0, 0, 16)), "keeper": reserve if holding == "one keeps" else 0,
            "fails": seeded(dice.choice((0, 0.1)), dice.random()), "seed": dice.randrange(1 << 30),
            "refusal": dice.choice((0, 0.2))}


def end_of(supply, refusal=0, **setting):
    """How one machine ends; AssertionError if a page or an object is lost on the way, or afterwards."""
    story, refuses = None, seeded(refusal, seed=supply)

    def supplied(pages):
        # Nothing fails while drivers are set up and pools are filled: there is no pressure, and no story, yet.
        return refusing(SUPPLIES[supply](pages), lambda backing: story is not None and refuses(backing))

    story = Pressure(supply=SUPPLIES[supply] if supply == "reservation" else supplied, **setting)
    verdict = story.run().verdict
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
    kinds = {tuple(name.split(", ")): dict(zip(ENDS, counts, strict=True)) for name, *counts in evidence.rows}
    done = {kind: ends["finished"] == sum(ends.values()) for kind, ends in kinds.items() if kind[2] == "mempool"}
    told = "; ".join(f"{taking}, {holding}: {_told(ends)}"
                     for (taking, holding, supply), ends in kinds.items() if supply == "mempool")
    if all(done.values()):
        return Verdict(HOLDS, f"with mempools every machine finished ({told})")
    if _finished(kinds, "mempool") <= _finished(kinds, "plain"):
        return Verdict(FAILS, f"mempools did not finish more machines than plain allocation ({told})")
    return Verdict(DEPENDS, f"with mempools {told}", on="the machine")


def _finished(kinds, supply):
    return sum(ends["finished"] for kind, ends in kinds.items() if kind[2] == supply)


def _told(ends):
    return f"{ends['finished']} of {sum(ends.values())} finished"


M2 = Claim(
    name="M2", who="Ingo Molnar", words="mempool_alloc(), if called from a process context, never fails",
    question="Do machines drawn at random, which have to write memory out, finish with mempools?",
    molnar="With an element for each who needs one, everybody gets along: elements come back when the disk is done.",
    lahaise="Never told no is not the same as served: who waits for ever has failed as well.",
    experiment=experiment, judge=judge,
    overturned_by="Machines on which no task takes several elements of one pool, and everybody gives back.",
    overturning={"takes": TAKES[:1], "holders": HOLDERS[:1]},
    recorded={"runs": 32},     # 4 kinds x 4 supplies x 32 machines x 20 seeds: 10,240 runs
    history="Molnar himself required that every holder gives back. In 2.5.1 an ordinary task owed much of the promise "
            "to the page allocator, which went round for ever rather than say no.")
