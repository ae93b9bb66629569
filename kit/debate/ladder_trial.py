"""ladder_trial: M3, what each of the five levels buys, and whether another order would do better.

The problem: a ladder can be good against one allocator and hang over another, so a single run says
nothing.  Every ladder (the whole, the whole without one rung, the same rungs in other orders, and the
two rungs that are no more than asking the allocator) meets five allocators: one has plenty, one says no,
one says no so many times until others have given memory back, one finds memory after a while, one sleeps
until memory is freed.  But for the first, all memory is in use but what the pool keeps back, and who does
not look into the pool has none of that: without a pool, others would have taken it as well.  So over one
that says no for good, nobody gets anywhere without a pool; over one that says no for a time, he may.

Two loads: six tasks that take one of four elements, twenty times; and one that takes all four.  Who is on
turn is drawn from the seed, as if every task had a CPU of its own.  A cell is how many turns both took,
and how often somebody slept ("851 / 3", on an average of the draws); or that one of them hung, or went
round without end.  In a world a ladder is better than another if it ends and the other does not, or if it
takes no more turns and no more sleeps, and less of one of them.  Left out: what a turn costs (M4 has locks).
"""

from random import Random

from kit import trace
from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict, listed, what_decides
from kit.gfp import GFP_NOIO
from kit.locks import WaitQueue
from kit.machine.core import MILLISECOND, Deadlock, Machine, NoEnd
from kit.memory.mempool import MAIL, Mempool, ask, drain, insist, queue, skim
from kit.memory.promises import Refusing, Sleeping
from kit.traps import might_sleep, never_sleeps, sleep, step

WHOLE, ALONE = "the whole ladder", "the allocator alone"
ELEMENTS = 4
LADDERS = {WHOLE: MAIL, **{f"without {rung}": tuple(other for other in MAIL if other is not rung) for rung in MAIL},
           "INSIST before SKIM": (ask, insist, skim, drain, queue),
           "DRAIN before INSIST": (ask, skim, drain, insist, queue),
           "pool first": (skim, drain, ask, insist, queue), ALONE: (ask, insist)}


class Later(Refusing):
    """Says no so many times; by then others have given as many elements back as it began with."""

    explored = ("stock", "noes")

    def __init__(self, count=0, noes=200):
        super().__init__(count)
        self.others, self.noes = [f"other {number}" for number in range(count)], noes

    def _take(self):
        if not self.stock:
            self.noes -= 1
            if self.noes == 0:
                self.stock += self.others
        return super()._take()


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


BENEATH = {"has plenty": lambda count: Refusing(10 * count), "says no": Refusing, "says no 200 times": Later,
           "says no 20 times": lambda count: Later(count, noes=20),
           "says no 2,000 times": lambda count: Later(count, noes=2_000),
           "finds some, in time": Slow, "sleeps until freed": Sleeping}


def experiment(seed, beneath=("has plenty", "says no", "says no 200 times", "finds some, in time",
                              "sleeps until freed"), ladders=tuple(LADDERS), draws=5, turns=6_000):
    """How every ladder fares over every allocator: turns / sleeps, or that it hung or had no end."""
    return Evidence(("ladder", *beneath), tuple(
        (name, *(_cell(seed, BENEATH[kind], LADDERS[name], draws, turns) for kind in beneath)) for name in ladders))


def judge(evidence):
    """Is the whole ladder anywhere better than the allocator alone, and nowhere worse than another ladder?"""
    gains, beaten, told = [], {}, []
    for place, kind in enumerate(evidence.columns[1:], start=1):
        cells = {row[0]: row[place] for row in evidence.rows}
        gains += [kind] * is_better(cells[WHOLE], cells[ALONE])
        better = [name for name, cell in cells.items() if is_better(cell, cells[WHOLE])]
        beaten[kind,] = bool(better)
        told.append(f"{kind}: {cells[WHOLE]}, alone {cells[ALONE]}"
                    + (f", best {best} {cells[best]}" if (best := _best(better, cells)) else ", and none is better"))
    reason = f"turns / sleeps of the whole over one that {'; '.join(told)}"
    if not gains:
        return Verdict(FAILS, f"the whole is nowhere better than the allocator alone; {reason}")
    if all(beaten.values()):
        return Verdict(FAILS, f"everywhere some other ladder is better; {reason}")
    if any(beaten.values()):
        return Verdict(DEPENDS, reason, on=listed(what_decides(beaten, ("the allocator beneath",))))
    return Verdict(HOLDS, reason)


def is_better(one, other):
    """Whether a cell says that it ended and the other did not, or that it took less of one thing and more of none."""
    if not _ended(one) or not _ended(other):
        return _ended(one) and not _ended(other)
    costs = list(zip(_numbers(one), _numbers(other), strict=True))
    return all(mine <= theirs for mine, theirs in costs) and any(mine < theirs for mine, theirs in costs)


def _best(names, cells):
    """That one of these which sleeps least, and of those, takes fewest turns."""
    return min(names, key=lambda name: _numbers(cells[name])[::-1], default=None)


def _ended(cell):
    return "/" in cell


def _numbers(cell):
    return tuple(float(number.replace(",", "")) for number in cell.split(" / "))


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


def _cell(seed, beneath, ladder, draws, turns):
    taken = slept = 0
    for draw in range(draws):
        for loads in ([(borrower, 20)] * 6, [(hoarder, ELEMENTS)]):
            ended, *costs = _run(Random(f"{seed}/{draw}"), beneath, ladder, turns, loads)
            if ended != "finished":
                return ended
            taken, slept = taken + costs[0], slept + costs[1]
    return f"{taken / draws:,.0f} / {slept / draws:,.0f}"


def _run(drawn, beneath, ladder, turns, loads):
    """(how it ended, turns taken, sleeps) of one schedule."""
    machine, pool = Machine(), Mempool.create(ELEMENTS, beneath(ELEMENTS), ladder=ladder)
    for number, (load, count) in enumerate(loads):
        machine.spawn(f"task {number}", load, pool, count)
    with trace.watch() as trail:
        try:
            machine.run(pick=drawn.choice, turns=turns)
            ended = "finished"
        except Deadlock:
            ended = "hung"
        except NoEnd:
            ended = "no end"
    machine.close()
    return ended, len(machine.schedule), len(trail.only("sleep"))


M3 = Claim(
    name="M3", who="Ingo Molnar", words="mempool handles allocation in a more deadlock-avoidance-aware way",
    question="Does the ladder of five levels end where the allocator alone does not, or sooner and with less sleep; "
             "and is no ladder with a rung less, or in another order, better anywhere? (Table: turns / sleeps.)",
    molnar="Each rung is tried before a worse one: nobody sleeps while half of the pool can be spared, and the last "
           "element is there for whoever finds nothing else.",
    lahaise="It is a second set of rules on top of the allocator's own, and where these two disagree it hangs.",
    experiment=experiment, judge=judge,
    overturned_by="Only allocators that sleep until elements of this very pool are freed: over them the ladder hangs "
                  "as the allocator alone does.",
    overturning={"beneath": ("sleeps until freed",)},
    recorded={"beneath": tuple(BENEATH), "draws": 20},
    history="In 2005 the half-full level was dropped. The order of today is: ask without waiting, pool, ask allowed to "
            "sleep (but one round only), pool, wait for five seconds at most, again.")
