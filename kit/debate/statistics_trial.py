"""statistics_trial: L9, what has to be counted so that the answer can be yes or wait, and how often.

Two questions.  What does it cost: a task reads files, dirties pages and has them written, maps some,
and allocates a page now and then, on memories of three sizes, a quarter of each promised to others.  Every
call of the ledger is a counter touched; counted are touches for 100 operations.  A matter that stays
small does not grow with the memory.

And is it enough: the answers of the same ledger in all small worlds of three sizes, beside the
optimum of admission_trial.py, where needs are declared and where they are not.  What a task has not
said that it will need is no statistic that anybody could keep.

Left out: what a touch costs; on many CPUs, complexity_trial.py says how they wait for one another.
"""

from collections import Counter
from random import Random

from kit.debate import admission_trial
from kit.debate.admission_trial import PAGES, WAITS
from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict
from kit.gfp import GFP_KERNEL
from kit.machine.core import Machine
from kit.memory.ledger import Ledger
from kit.memory.pagecache import PageCache
from kit.memory.reclaim import Vm
from kit.memory.zones import Pages, Zone

SIZES, WORLDS = (64, 256, 1024), (2, 3, 4)      # pages
TOUCHED = {"was_taken": "a block is taken", "became_free": "a block comes back", "lend": "a page is clean and idle",
           "pin": "a page is dirtied, mapped, locked or held", "take_spare": "an ordinary allocation asks"}
UPDATED = "the map of available blocks changes"
WRONG = f"wrong in 100 (worlds of {', '.join(map(str, WORLDS))} pages), declared "
GROWS = 1.25        # what may be more on sixteen times the memory, before it counts as growing


def experiment(seed, sizes=SIZES, declared=tuple(admission_trial.DECLARED), operations=2_000):
    """Touches for 100 operations by what happened, on each memory; then wrong answers, in worlds of each size."""
    touched = [_touches(seed, pages, operations) for pages in sizes]
    rows = [(name, *(100 * counts[name] / operations for counts in touched)) for name in (*TOUCHED.values(), UPDATED)]
    for share in declared:
        found = [admission_trial.experiment(seed, (WAITS,), ((PAGES, share, 0),), pages, tasks=2).column
                 for pages in WORLDS[:len(sizes)]]
        rows.append((WRONG + share, *(100 * column("false yes")[WAITS] / column("answers")[WAITS] for column in found)))
    return Evidence(("what is counted", *(f"{pages:,} pages" for pages in sizes)), tuple(rows))


def judge(evidence):
    """Does any counter grow with the memory, and is any answer wrong once all is counted?"""
    wrong = {row[0].removeprefix(WRONG): max(row[1:]) for row in evidence.rows if row[0].startswith(WRONG)}
    touches = {row[0]: row[1:] for row in evidence.rows if not row[0].startswith(WRONG)}
    growing = [name for name, counts in touches.items() if counts[-1] > GROWS * max(counts[0], 1)]
    told = sum(counts[-1] for name, counts in touches.items() if name != UPDATED)
    if growing:
        return Verdict(FAILS, f"these are touched more often on a larger memory: {', '.join(growing)}")
    reason = (f"in 100 operations the ledger is told or asked {told:.0f} times and its map changes "
              f"{touches[UPDATED][-1]:.0f} times, not more often on a larger memory; false yes in 100 answers of small "
              "worlds, at most: " + ", ".join(f"{count:.0f} where needs are declared {share}"
                                              for share, count in wrong.items())
              + ". Whether it is a small matter of programming is not decidable here: all of it is this kit's")
    if not any(wrong.values()):
        return Verdict(HOLDS, reason)
    return Verdict(FAILS if all(wrong.values()) else DEPENDS, reason,
                   on="" if all(wrong.values()) else "needs being declared")


class Touched(Ledger):
    """A ledger that counts how often it is told or asked something, and what."""

    def __init__(self, pages):
        self.counts = Counter()
        super().__init__(pages)


def _counted(call, name):
    """The call of a Ledger, counted under that name."""
    def told(self, *what, **how):
        self.counts[name] += 1
        return getattr(Ledger, call)(self, *what, **how)
    return told


for _call, _name in TOUCHED.items():        # all in one way, so that none is counted differently from another
    setattr(Touched, _call, _counted(_call, _name))


def _touches(seed, pages, operations):
    """What the ledger of one memory was told and asked, by call."""
    memory = Pages(zones=[Zone("NORMAL", 0, pages, pages_min=0, max_order=3)])
    cache, ledger = PageCache(memory), Touched(memory)
    Vm(memory, cache)
    cache.writepage = cache.end_write           # a disk that takes no time
    cache.lend_to(ledger)
    ledger.try_reserve(pages=pages // 4)
    machine = Machine(seed=seed)
    machine.spawn("task", _work, cache, 2 * pages, Random(seed), operations, ledger)
    machine.run()
    machine.close()
    return ledger.counts


async def _work(cache, file, drawn, operations, ledger):
    """Once the cache is full: reads, and of every ten one write, one mapping and one page for oneself."""
    for number in range(file):
        cache.release(await cache.read(number))
    ledger.counts.clear()
    before = _updates(ledger)
    for number in range(operations):
        page = await cache.read(drawn.randrange(file))
        if number % 10 == 0:
            await cache.dirty_page(page)
            await cache.write_out(page)
        elif number % 10 == 1:
            await cache.map(page)
            cache.unmap(page)
        elif number % 10 == 2:
            cache.pages.put(await cache.pages.alloc(GFP_KERNEL))
        cache.release(page)
    ledger.counts[UPDATED] = _updates(ledger) - before


def _updates(ledger):
    return sum(available.updates for available in ledger.available.values())


L9 = Claim(
    name="L9", who="Ben LaHaise", words="that's a small matter of programming",
    question="How often is each counter touched that the answer needs, does that grow with the memory, and is a yes "
             "certain once all is counted?",
    molnar="Every page that is taken, freed, dirtied, mapped, locked or held must be counted, and what a task will "
           "want next nobody can count.",
    lahaise="Each counter is one addition at a place that is passed anyway.",
    experiment=experiment, judge=judge,
    overturned_by="Tasks that always say beforehand what they will need.",
    overturning={"declared": ("in full",)},
    history="Strict overcommit (2002) keeps one such count, for the memory of processes. That the kernel's own needs "
            "are not known was the objection again in 2015.")
