"""levels: what the five levels need from the allocator beneath them, as a table of verdicts.

The problem.  LaHaise, December 2001, of the rule that takes from the pool only while it is half full:
how can one be certain that it does not deadlock?  The idea: ask the explorer, for each promise that
an allocator can make (kit.memory.promises) and each ladder, in small worlds.

    (a) refusing            says no at once
    (b) wavering            yes or no, in bounded time, as the world will have it
    (c) sleeping, helped    sleeps until memory is freed to it, and somebody who needs no element of
                            the pool frees enough: I/O in flight (c1) or an unrelated task (c3), which
                            are one and the same here
    (c2) sleeping           sleeps until memory is freed to it, and only those who wait for the pool could

The half-full rule can be struck out in two ways: the rung goes ("insist first"), or its condition does
("pool first").  A hang is charged to the rule only where "pool first" has none in the same story.
What the verdicts say: over (a) and (b) there is a hang where tasks * (take - 1) >= elements and nowhere
else, whatever the ladder.  Helped (c), whoever sleeps on the pool before having insisted (2005) can hang
where the mail does not: memory is there, and nobody frees an element; the timer of 2006 hides that, and
2012, which insists before it sleeps, has it no more.  Over (c2) whoever insists can sleep for ever
beside a full pool, because what is freed refills the pool first: the rule brings that on earlier than
"pool first" does, later than "insist first".  So the ladder needs an allocator that answers
in bounded time, or one that is helped from outside.
How to read "only a timer": all sleep as in a deadlock, but those of 6.19 look again after five seconds.  Where
nothing has changed by then, as over (a), they find nothing and sleep again: it is the same hang, and without
the timer the verdict is "deadlock" (tests).  Where the allocator may say yes later (b), the timer does help.
It is counted as a hang: what continues only by waiting for five seconds is no promise of the ladder.
What is claimed: of these worlds, all of their states; of larger ones, nothing.
"""

from dataclasses import dataclass
from itertools import product

from kit.drivers.small_worlds import borrower
from kit.machine.explore import explore
from kit.memory.promises import Refusing, Sleeping, Wavering
from kit.museum.forms import FORMS
from kit.traps import step

BENEATH = {"(a) refusing": (Refusing, False), "(b) wavering": (Wavering, False),
           "(c) sleeping, helped": (Sleeping, True), "(c2) sleeping": (Sleeping, False)}
LADDERS = ("insist first", "mail", "2.5.1", "pool first", "2005", "6.19", "never insist")
HALF_FULL = ("mail", "2.5.1")       # the ladders that have the rule
# (elements, tasks, take): at most as much as the pool has; more than that; beyond what any order of taking allows.
SIZES = ((2, 2, 1), (3, 3, 1), (2, 1, 2), (4, 2, 2), (1, 2, 1), (2, 3, 1), (3, 2, 2), (2, 2, 2))
HANGS = ("deadlock", "no progress", "only a timer can continue")


@dataclass(frozen=True)
class Row:
    """One world under each ladder: `verdicts` and `states`, by the ladder's name."""

    beneath: str
    elements: int
    tasks: int
    take: int
    verdicts: dict
    states: dict

    @property
    def avoidable(self):
        """Whether the pool theorem allows for this: over an allocator that says no, nobody need hang."""
        return self.tasks * (self.take - 1) < self.elements

    def charged(self, ladder):
        """Whether the half-full rule is to blame: a ladder that has it hangs, and "pool first" does not."""
        return ladder in HALF_FULL and self.verdicts[ladder] in HANGS and self.verdicts["pool first"] not in HANGS

    def __str__(self):
        told = ", ".join(f"{name}: {verdict}" for name, verdict in self.verdicts.items())
        return f"{self.beneath}, pool {self.elements}, tasks {self.tasks}, each {self.take}: {told}"


def story(form, beneath, elements, tasks, take, rounds=1):
    """A story: `tasks` borrowers on one pool of `form`, over an allocator that had just enough to fill it."""
    promise, helped = BENEATH[beneath]

    def told(machine):
        allocator = promise(elements)
        pool = FORMS[form].create(elements, allocator)
        for number in range(tasks):
            machine.spawn(chr(ord("A") + number), borrower, pool, take, rounds)
        if helped:
            machine.spawn("helper", _frees, allocator, tasks * take)
    return told


async def _frees(allocator, count):
    for number in range(count):
        await step("frees memory")
        await allocator.free(f"h{number}")


def table(sizes=SIZES, beneath=tuple(BENEATH), ladders=LADDERS, limit=300_000):
    """The rows, one for each allocator beneath and size, as they are found.

    A `none` that is not of all states is marked `none?`.  An interrupt from the keyboard ends it after a whole row.
    """
    try:
        for promise, size in product(beneath, sizes):
            yield _row(promise, *size, ladders, limit)
    except KeyboardInterrupt:
        return


def _row(beneath, elements, tasks, take, ladders, limit):
    verdicts, states = {}, {}
    for ladder in ladders:
        result = explore(story(ladder, beneath, elements, tasks, take), limit=limit)
        if result.interrupted:
            raise KeyboardInterrupt
        whole = result.verdict != "none" or result.exhaustive
        verdicts[ladder], states[ladder] = result.verdict + ("" if whole else "?"), result.states
    return Row(beneath, elements, tasks, take, verdicts, states)
