"""half_full_trial: L6, whether the half-full condition can hang a driver, over all schedules.

One run that finishes proves nothing here, so the explorer looks at every state of a small world.
Two ladders that differ in the condition alone (take from the pool if half full, or if not empty,
before asking the allocator again) meet the same drivers over three allocators.

What it says holds for these worlds: three elements in the pool, one beneath, three tasks, one round.
Larger ones are not looked at.
"""

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict
from kit.drivers.small_worlds import Answering, Refusing, Sleeping, ladder
from kit.machine.explore import explore
from kit.memory.mempool import MAIL, ask, drain, insist, queue

BENEATH = {"says no": Refusing, "answers at once": Answering, "sleeps until freed": Sleeping}
UNCONDITIONAL = (ask, drain, insist, queue)
DRIVERS = {"three take one": ("take give",) * 3, "one asks atomically": ("take give", "take give", "ask give")}


def experiment(seed, beneath=tuple(BENEATH), elements=3, spare=1):
    """Every state of every world; the seed has no part in it."""
    rows = []
    for kind in beneath:
        for name, programs in DRIVERS.items():
            found = [_explored(ladder(elements, spare, 1, programs, rungs, BENEATH[kind]))
                     for rungs in (MAIL, UNCONDITIONAL)]
            rows.append((name, kind, *(result.verdict for result in found),
                         *(result.states for result in found)))
    return Evidence(("drivers", "beneath", "if half full", "if not empty", "states, half", "states, not empty"), tuple(rows))


def _explored(story):
    result = explore(story)
    if result.interrupted:
        raise KeyboardInterrupt     # half of the states are no evidence
    return result


def judge(evidence):
    """A world that the condition hangs, and that is safe without it, bears the doubt out."""
    by_condition = [row for row in evidence.rows if row[2] != "none" and row[3] == "none"]
    if not by_condition:
        return Verdict(FAILS, f"in {len(evidence.rows)} worlds, every state looked at, the condition hangs nobody who "
                              "would not hang without it")
    kinds = {row[1] for row in evidence.rows}
    hung = {row[1] for row in by_condition}
    drivers, beneath, ending = by_condition[0][:3]
    reason = (f"in {len(by_condition)} of {len(evidence.rows)} worlds the half-full condition ends in a {ending}, and "
              f"taking whenever the pool is not empty does not: {drivers}, over one that {beneath}")
    return Verdict(HOLDS, reason) if hung == kinds else Verdict(DEPENDS, reason, on="the allocator beneath")


L6 = Claim(
    name="L6", who="Ben LaHaise", words="how can you be certain that this arbitary \"half full pool\" condition is "
                                        "not going to cause deadlocks",
    question="Is there a small world that hangs with the half-full condition, and not without it?",
    molnar="The condition only chooses between two that give; the last rungs come after it, whatever it says.",
    lahaise="Below half the ladder asks an allocator that may sleep; if that one waits for memory to be freed, and "
            "what is freed goes to the pool, nobody is woken.",
    experiment=experiment, judge=judge, seeded=False,
    overturned_by="An allocator that answers in bounded time, whatever the answer.",
    overturning={"beneath": ("says no", "answers at once")},
    history="The record knows of no deadlock by this condition; it does know of hopeless reclaim by those who may not "
            "start I/O (2002), and the condition was gone in 2005.")
