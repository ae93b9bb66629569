"""half_full_trial: L6, whether the half-full condition can hang a driver, over all schedules.

One run that finishes proves nothing here, so the explorer looks at every state of small worlds: so many
like tasks that each take an element and give it back, on a pool of so many elements, over an allocator
that had just enough to fill the pool.  Three ladders climb in each:

    half full       the mail's: take from the pool if it is half full, else insist on the allocator first
    not empty       the same without the condition: take from the pool whatever it holds, then insist
    never insist    nobody asks the allocator with permission to sleep

A hang is charged to the condition alone where the first ladder has one and the second has none.  The
third tells whether it is by insisting that they hang.  The allocator that goes round is 2.5.1's of pages,
which never says no to an order this small; kswapd and reclaim would find nothing here, so it goes round
without them.  Whether others free memory meanwhile is a row of its own.  A freed element wakes all who
wait (October 2002), so that no lost wake-up is taken for a hang by the condition.

Left out: other drivers than these (museum/levels.py has tasks that take several, and 2.5.1's own
condition, which differs from the mail's by one), and larger worlds than those in the table.
"""

from kit.debate.claim import FAILS, HOLDS, Claim, Evidence, Verdict
from kit.drivers.small_worlds import borrower
from kit.errors import BadInput
from kit.locks import WaitQueue
from kit.machine.explore import explore
from kit.memory.attempts import Attempts, minimum, not_waiting, yield_and_retry
from kit.memory.mempool import MAIL, Mempool, ask, drain, insist, queue
from kit.memory.promises import Refusing, Sleeping, Wavering
from kit.memory.zones import Pages, Zone
from kit.traps import step

LADDERS = {"half full": MAIL, "not empty": (ask, drain, insist, queue), "never insist": (ask, drain, queue)}
NOTHING_TO_RECLAIM = Attempts("2.5.1, with nothing to reclaim", once=(), again=(minimum, not_waiting, yield_and_retry))


def page_allocator(count, attempts=NOTHING_TO_RECLAIM):
    """2.5.1's, with so many pages to give: the last page of a zone is for whoever frees memory."""
    return Pages(zones=[Zone("NORMAL", 0, count + 1, pages_min=0, max_order=0)], attempts=attempts)


# name -> (allocator of so many elements, whether somebody else frees as many as there are tasks)
BENEATH = {"says no": (Refusing, False), "says yes or no": (Wavering, False), "sleeps until freed": (Sleeping, False),
           "goes round as 2.5.1's": (page_allocator, False), "goes round while others free": (page_allocator, True)}


def experiment(seed, beneath=tuple(BENEATH), tasks=(2, 3), elements=(1, 2, 3)):
    """For each allocator and number of tasks, with how many elements somebody hangs; the seed has no part in it."""
    rows = []
    for kind in beneath:
        for count in tasks:
            found = {name: [look_at_all(story(kind, size, count, rungs)) for size in elements]
                     for name, rungs in LADDERS.items()}
            states = sum(result.states for results in found.values() for result in results)
            rows.append((kind, count, *(_hung(elements, results) for results in found.values()),
                         f"{elements[0]} to {elements[-1]}", states))
    return Evidence(("beneath", "tasks", *LADDERS, "of elements", "states"), tuple(rows))


def story(beneath, elements, tasks, ladder):
    """So many tasks on a pool of so many elements, each of which takes one and gives it back."""
    allocator, helped = BENEATH[beneath]

    def told(machine):
        source = allocator(elements + tasks * helped)
        others = [source.take() for _ in range(tasks * helped)]
        pool = Mempool.create(elements, source, ladder=ladder, wake=WaitQueue.wake_all)
        for number in range(tasks):
            machine.spawn(chr(ord("A") + number), borrower, pool, 1, 1)
        if helped:
            machine.spawn("others", _free_at_some_time, source, others)
    return told


async def _free_at_some_time(source, elements):
    await step("others free memory")
    for element in elements:
        source.put(element)


def look_at_all(world):
    """What the explorer finds in all states of `world`; BadInput if there are too many, and an interrupt ends it."""
    result = explore(world)
    if result.interrupted:
        raise KeyboardInterrupt     # half of the states are no evidence
    if result.verdict == "none" and not result.exhaustive:
        raise BadInput("a world of this trial has too many states to be looked at whole: try fewer tasks or elements.")
    return result


def _hung(elements, found):
    return " ".join(str(size) for size, result in zip(elements, found, strict=True) if result.verdict != "none") or "-"


def judge(evidence):
    """One world that hangs with the condition and not without it bears the doubt out."""
    hung = {row[:2]: [set(cell.split()) - {"-"} for cell in row[2:5]] for row in evidence.rows}
    alone = {world: sorted(half_full - not_empty, key=int) for world, (half_full, not_empty, _) in hung.items()}
    without, never = (sum(len(cells[ladder]) for cells in hung.values()) for ladder in (1, 2))
    others = f"without the condition {without} worlds hang as well; if nobody insists, {never}"
    if not any(alone.values()):
        return Verdict(FAILS, f"in no world does anybody hang by the condition alone; {others}")
    worlds = {}     # (tasks, elements) -> over which allocators they hang by the condition alone
    for (beneath, tasks), sizes in alone.items():
        for size in sizes:
            worlds.setdefault((tasks, int(size)), []).append(beneath)
    told = "; ".join(f"{tasks} tasks on {size} elements, over an allocator that {' or '.join(over)}"
                     for (tasks, size), over in worlds.items())
    enough = all(size >= tasks for tasks, size in worlds)
    spared = [beneath for beneath in dict.fromkeys(beneath for beneath, _ in alone)
              if not any(beneath in over for over in worlds.values())]
    return Verdict(HOLDS, f"by the condition alone somebody hangs: {told}" + ", with an element for each task" * enough
                          + (f"; nobody over these: {', '.join(spared)}" if spared else "") + f"; {others}")


L6 = Claim(
    name="L6", who="Ben LaHaise", words="how can you be certain that this arbitary \"half full pool\" condition is "
                                        "not going to cause deadlocks",
    question="Is there a small world in which somebody hangs with the half-full condition, and nobody without it? "
             "(The table says with how many elements in the pool somebody does.)",
    molnar="The condition only chooses between two that give; the last rungs come after it, whatever it says.",
    lahaise="Below half the ladder asks an allocator that may sleep; if that one waits for memory to be freed, and "
            "what is freed goes to the pool, nobody is woken.",
    experiment=experiment, judge=judge, seeded=False,
    overturned_by="An allocator that answers in bounded time, whatever the answer, or others who free memory.",
    overturning={"beneath": ("says no", "says yes or no", "goes round while others free")},
    recorded={"beneath": tuple(BENEATH)[:-1], "tasks": (2, 3, 4), "elements": (1, 2, 3, 4, 5, 6)},
    history="No deadlock by this condition was found in the record; what was found is OOM kills and hopeless reclaim "
            "by callers who may not call into a file system (2002). The condition was gone in 2005.")
