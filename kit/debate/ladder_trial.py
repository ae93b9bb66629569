"""ladder_trial: M3, what each of the five levels buys, and what it costs.

The problem: a ladder can be good against one allocator and hang over another, so a single run says
nothing.  Every ladder (the whole, the whole without one rung, and the two rungs that are no more
than asking the allocator) meets three allocators: one says no, one finds memory after a while, one
sleeps until memory is freed.  All memory is in use but what the pool keeps back, and who does not
look into the pool has none of that: without a pool, others would have taken it as well.

Two loads each: six tasks that take one of four elements, twenty times; and one that takes all four.
Who is on turn is drawn from the seed, as if every task had a CPU of its own.
"""

from random import Random

from kit import trace
from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict
from kit.gfp import GFP_NOIO
from kit.locks import WaitQueue
from kit.machine.core import MILLISECOND, Deadlock, Machine, NoEnd
from kit.memory.mempool import MAIL, Mempool, ask, insist
from kit.memory.promises import Refusing, Sleeping
from kit.traps import might_sleep, never_sleeps, sleep, step

WHOLE, ALONE = "the whole ladder", "the allocator alone"
ELEMENTS = 4


class Slow(Refusing):
    """Whoever may sleep is given memory, after a millisecond: the disk had to be waited for."""

    def __init__(self, count=0):
        super().__init__(count)
        self.disk = WaitQueue("disk")

    @might_sleep
    async def alloc(self, gfp):
        """An element; sleeps for a millisecond unless one is in stock."""
        if self.stock:
            return self.stock.pop()
        with self.disk.queued():
            await sleep(self.disk, timeout=MILLISECOND)
        return "found"

    @never_sleeps
    async def free(self, element):
        """Back into the stock; what was found in between belongs to others again."""
        if element != "found":
            self.stock.append(element)


BENEATH = {"says no": Refusing, "finds some, in time": Slow, "sleeps until freed": Sleeping}


def experiment(seed, beneath=tuple(BENEATH), turns=10_000):
    """Every ladder over every allocator: how both loads ended, how often somebody slept, turns taken."""
    rows = []
    for kind in beneath:
        for name, ladder in _ladders().items():
            six, slept, taken = _run(seed, BENEATH[kind], ladder, turns, [(borrower, 20)] * 6)
            one, _, _ = _run(seed, BENEATH[kind], ladder, turns, [(hoarder, ELEMENTS)])
            rows.append((name, kind, six, one, slept, taken))
    return Evidence(("ladder", "beneath", "six tasks", "one takes all", "slept", "turns"), tuple(rows))


def judge(evidence):
    """Better than the allocator alone, and nowhere worse than a ladder with a rung less?"""
    finished, slept = {}, {}
    for ladder, beneath, six, one, times, _ in evidence.rows:
        finished[beneath, ladder] = (six == "finished") + (one == "finished")
        slept[beneath, ladder] = times
    kinds = list(dict.fromkeys(beneath for beneath, _ in finished))
    better = [kind for kind in kinds if finished[kind, WHOLE] > finished[kind, ALONE]]
    worse = [(kind, ladder) for kind, ladder in finished if finished[kind, ladder] > finished[kind, WHOLE]]
    if not better:
        return Verdict(FAILS, "the whole ladder finishes nowhere where the allocator alone does not")
    gain = f"it finishes more than the allocator alone over one that {' or '.join(better)}"
    if worse:
        kind, ladder = worse[0]
        return Verdict(DEPENDS, f"{gain}; but over one that {kind}, {ladder} finishes more", on="the allocator beneath")
    saved = sum(slept[kind, "without SKIM"] - slept[kind, WHOLE] for kind in kinds)
    return Verdict(HOLDS, f"{gain}, no rung can be left out with profit, and SKIM saves {saved:,} sleeps")


async def borrower(pool, rounds):
    """Takes one element, uses it, gives it back; so often."""
    for _ in range(rounds):
        element = await pool.alloc(GFP_NOIO)
        await step("use it")
        await pool.free(element)


async def hoarder(pool, count):
    """Takes that many, one after the other, and only then gives them back."""
    held = [await pool.alloc(GFP_NOIO) for _ in range(count)]
    for element in held:
        await pool.free(element)


def _ladders():
    shorter = {f"without {rung.name}": tuple(other for other in MAIL if other is not rung) for rung in MAIL}
    return {WHOLE: MAIL, **shorter, ALONE: (ask, insist)}


def _run(seed, beneath, ladder, turns, loads):
    machine, pool = Machine(), Mempool.create(ELEMENTS, beneath(ELEMENTS), ladder=ladder)
    for number, (load, count) in enumerate(loads):
        machine.spawn(f"task {number}", load, pool, count)
    with trace.watch() as trail:
        try:
            machine.run(pick=Random(seed).choice, turns=turns)
            ended = "finished"
        except Deadlock:
            ended = "hung"
        except NoEnd:
            ended = "no end"
    machine.close()
    return ended, len(trail.only("sleep")), len(machine.schedule)


M3 = Claim(
    name="M3", who="Ingo Molnar", words="mempool handles allocation in a more deadlock-avoidance-aware way",
    question="Does the ladder of five levels finish where the allocator alone does not, and nowhere hang for one of "
             "its own rungs?",
    molnar="Each rung is tried before a worse one: nobody sleeps while half of the pool can be spared, and the last "
           "element is there for whoever finds nothing else.",
    lahaise="It is a second set of rules on top of the allocator's own, and where these two disagree it hangs.",
    experiment=experiment, judge=judge,
    overturned_by="An allocator that always answers in bounded time: then no rung of the ladder does harm.",
    overturning={"beneath": ("says no", "finds some, in time")},
    history="In 2005 the half-full level was dropped, and the first attempt no longer tries hard; the order of today "
            "is: ask without waiting, pool, wait.")
