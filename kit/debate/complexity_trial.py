"""complexity_trial: M5 and L7, what either promise costs those who did not ask for it, and those who did.

Both sides say that the other's is the complicated way.  Whose source is longer is not decidable here,
for both are this kit's own.  What is executed can be counted: the branches that an allocation and its
free go through (executed.py), and how often CPUs must take turns, for a lock or for the ledger.  Five
worlds:

    nothing     no memory is kept back; what reservations need in the allocators is there, one branch a call
    mempool     a pool keeps pages back
    marks       the zone's marks are raised by what is kept back, as the patch of May 2001 did by
                Molnar's account
    counted     a ledger promises pages, but asks at the grant alone
    waiting     a ledger promises pages, and whoever takes some asks it first: the design of the mail

An outsider takes a page and gives it back, with memory enough; a user does the same with a page of the
pool, or one that is reserved.  For scale each of up to 64 CPUs does what was recorded in a stretch of a
build, with and without lists of free pages for each CPU; with a pool all of them are its users.  What is
paid for is counted as well: how much of what was kept back is left when somebody with PF_MEMALLOC has
taken all that can be had.

Left out: memory pressure (M3 and M4 have it), and how long CPUs wait for one another.
"""

from functools import cache
from inspect import unwrap

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict
from kit.debate.executed import branches, places
from kit.gfp import GFP_ATOMIC, GFP_KERNEL, PF_MEMALLOC
from kit.linux import read
from kit.machine.core import Machine
from kit.memory.attempts import LINUX_2_5_1, LINUX_2_6_12
from kit.memory.ledger import COUNTED, WAITING, Ledger
from kit.memory.mempool import Mempool
from kit.memory.pcp import PerCpuZone
from kit.memory.zones import MB, Pages, Zone
from kit.tasks import Task
from kit.traps import PROMPT, call_as

WAYS = ("nothing", "mempool", "marks", "counted", "waiting")
LEDGERS = {"counted": COUNTED, "waiting": WAITING}
RELEASES = {"2.5.1": LINUX_2_5_1, "2.6.12": LINUX_2_6_12}
OUTSIDER, USER = "branches, an outsider", "branches, a user"
TURNS = "turns a 100 calls, CPUs: "
KEPT = 16       # pages that are kept back
LEFT = f"left of {KEPT} pages"
EVENTS = 100    # of the recording, for each CPU
CALLS = 2       # that are counted together: an allocation and its free

ALLOCATORS = tuple(f"kit.memory.{name}" for name in ("zones", "attempts", "buddy", "pcp", "slab", "pagecache"))
LAYERS = tuple(f"kit.memory.{name}" for name in ("mempool", "ledger", "availability", "policies", "reservation"))


class Counted(Ledger):
    """A ledger that counts how often it is asked for a page, or told of one that was taken or came back."""

    asked_or_told = 0

    def take_spare(self, *request, **how):
        """As that of Ledger; a question only if the policy asks."""
        self.asked_or_told += self.policy.asks
        return super().take_spare(*request, **how)

    def was_taken(self, *block):
        """As that of Ledger."""
        self.asked_or_told += 1
        super().was_taken(*block)

    def became_free(self, *block):
        """As that of Ledger."""
        self.asked_or_told += 1
        super().became_free(*block)


class World:
    """A memory in which pages are kept back in one of the ways."""

    def __init__(self, way, zone=Zone, pages=256 * MB, release="2.5.1"):
        zone = zone("NORMAL", 0, pages)
        self.pages = Pages(zones=[zone], attempts=RELEASES[release])
        self.way, self.zone, self.pool, self.ledger, self.reservation = way, zone, None, None, None
        if way == "mempool":
            self.pool = Mempool.create(KEPT, self.pages)
        elif way == "marks":
            zone.pages_min, zone.pages_low, zone.pages_high = (
                mark + KEPT for mark in (zone.pages_min, zone.pages_low, zone.pages_high))
        elif way in LEDGERS:
            self.ledger = Counted(self.pages, LEDGERS[way])
            self.reservation = self.ledger.try_reserve(KEPT)
        zone.take(0)        # so that the next page comes from no larger block, and its free finds no other half

    def outsider(self):
        """Somebody who asked nobody to keep anything back takes a page and returns it."""
        self.pages.free(self.pages.alloc(GFP_KERNEL))

    def user(self):
        """Somebody for whom memory is kept back takes a page and returns it."""
        if self.pool:
            self.pool.free(self.pool.alloc(GFP_KERNEL))
        elif self.reservation:
            self.reservation.put(self.reservation.take())
        elif self.way == "marks":
            self.pages.put(self.zone.take(0))       # whatever the marks say
        else:
            self.outsider()

    def left(self):
        """How many of the pages kept back are left, when somebody who is freeing memory has taken what can be had."""
        others = Task("others", cpu=PROMPT.cpu, world=PROMPT.world)
        others.flags |= PF_MEMALLOC
        while call_as(others, self.pages.take, GFP_ATOMIC) is not None:
            pass
        return len(self.pool.elements) if self.pool else self.pages.free_pages

    def turns(self):
        """How often all CPUs had to take turns: for a lock, or for the ledger."""
        locks = self.zone.lock.acquisitions + (self.pool.lock.acquisitions if self.pool else 0)
        return locks + (self.ledger.asked_or_told if self.ledger else 0)


# == M5: what the allocators have to do, and to know =================================================


def experiment_beneath(seed, releases=tuple(RELEASES)):
    """What an outsider goes through, and the places in the allocators that know who keeps memory back."""
    rows = [(f"{OUTSIDER}, {release}", *(branches(ALLOCATORS + LAYERS, World(way, release=release).outsider)
                                         for way in WAYS)) for release in releases]
    known = places("ledger", ALLOCATORS)
    rows += [(f"places that know, {release}", 0, _attempts_that_say("NOMEMALLOC", RELEASES[release]), 0, known, known)
             for release in releases]
    return Evidence(("in the allocators", *WAYS), tuple(rows))


def judge_beneath(evidence):
    """M5: beside a pool, do the allocators go through no more, and know no more, than where nothing is kept back?"""
    ways = [evidence.columns.index(way) for way in ("nothing", "mempool", "waiting")]
    changed = [row[0] for row in evidence.rows if row[ways[0]] != row[ways[1]]]
    reason = ("with nothing kept back, beside a pool, and beside reservations: " + "; ".join(
        f"{row[0]}: {', '.join(str(row[way]) for way in ways)}" for row in evidence.rows)
        + ". Whose source is the simpler one is not decidable here: all of it is this kit's")
    if not changed:
        return Verdict(HOLDS, reason)
    return Verdict(FAILS, reason) if _in_all_releases(changed, evidence) else Verdict(
        DEPENDS, reason, on="the release of the allocators")


def _in_all_releases(changed, evidence):
    releases = {row[0].split(", ")[-1] for row in evidence.rows}
    return {label.split(", ")[-1] for label in changed} == releases


def _attempts_that_say(word, release):
    """How many attempts of a release look at a flag."""
    functions = [unwrap(getattr(function, "args", [function])[0])       # the function inside a zone walk
                 for attempt in release.once + release.again for function in (attempt.do, attempt.applies) if function]
    return sum(word in function.__code__.co_names for function in functions)


# == L7: what one allocation costs ===================================================================


def experiment_ordinary(seed, ways=WAYS, cpus=(1, 8, 64)):
    """Branches of an allocation and its free, and turns of the CPUs for 100 calls, by number of CPUs."""
    rows = [(OUTSIDER, *(branches(ALLOCATORS + LAYERS, World(way).outsider) for way in ways)),
            (USER, *(branches(ALLOCATORS + LAYERS, World(way).user) for way in ways))]
    for zone, lists in ((Zone, "no lists"), (PerCpuZone, "per-CPU lists")):
        rows += [(f"{TURNS}{number}, {lists}", *(_turns(seed, way, zone, number) for way in ways))
                 for number in cpus]
    rows.append((LEFT, *(World(way, pages=MB).left() for way in ways)))
    return Evidence(("an allocation and its free", *ways), tuple(rows))


def judge_ordinary(evidence):
    """L7: one branch more at most for those who ordinarily allocate, and cheaper than a pool for its users?"""
    rows, good, said = {row[0]: dict(zip(evidence.columns[1:], row[1:])) for row in evidence.rows}, [], []
    turns = [row for name, row in rows.items() if name.startswith(TURNS)]
    for way in evidence.columns[1:]:
        if way in ("nothing", "mempool"):
            continue
        more = rows[OUTSIDER][way] - rows[OUTSIDER]["nothing"]
        dearer = sum(row[way] > row["mempool"] for row in turns)
        said.append(f"{way}: {more} branches more for an outsider, more turns than with a pool in {dearer} of "
                    f"{len(turns)} rows, and {rows[LEFT][way]} pages left where a pool has {rows[LEFT]['mempool']}")
        if more <= CALLS and not dearer:
            good.append(way)
    reason = "; ".join(said) + ". Which is easier to understand is not decidable here: all of it is this kit's"
    if len(good) == len(said):
        return Verdict(HOLDS, reason)
    return Verdict(DEPENDS, reason, on="how firm the promise is") if good else Verdict(FAILS, reason)


def _turns(seed, way, zone, cpus):
    """How often CPUs must take turns, for 100 calls of alloc and free."""
    world, machine, calls = World(way, zone), Machine(), []
    source = world.pool or world.pages

    async def busy(events):
        held = {}
        for block, event in events:
            calls.append(event)
            if event == "alloc":
                held[block] = await source.alloc(GFP_KERNEL)
            else:
                await source.free(held.pop(block))

    before = world.turns()
    for number in range(cpus):
        machine.spawn(f"task {number}", busy, _stretch(seed + number))
    machine.run()
    machine.close()
    return 100 * (world.turns() - before) / len(calls)


def _stretch(number):
    """So many events of the recording, without frees of what was allocated before them."""
    events, held, found = _single_pages(), set(), []
    begin = number * EVENTS
    while len(found) < EVENTS:
        block, event = events[begin % len(events)]
        begin += 1
        if event == "alloc":
            held.add(block)
        if block in held:
            found.append((block, event))
    return found


@cache
def _single_pages():
    return [(event.block, event.event) for event in read("build-pages") if event.order == 0]


M5 = Claim(
    name="M5", who="Ingo Molnar", words="mempool adds reservation without increasing the complexity of the underlying "
                                        "allocators",
    question="Beside a mempool, does an allocation of somebody else go through more than without, and do the "
             "allocators have to know of it?",
    molnar="A pool stands in front of an allocator and asks it as anybody would; who has no pool sees none.",
    lahaise="What the pool needs of the allocator it must be told sooner or later, and then its logic stands in both "
            "places.",
    experiment=experiment_beneath, judge=judge_beneath, seeded=False,
    overturned_by="To look at the allocators of 2001 alone: then nothing in them knows of a pool.",
    overturning={"releases": ("2.5.1",)},
    history="In 2005 the page allocator got a flag for mempool's sake: posted as __GFP_MEMPOOL, merged as "
            "__GFP_NOMEMALLOC.")

L7 = Claim(
    name="L7", who="Ben LaHaise", words="1 additional branch for the uncommon case that reservations adds is far, far "
                                        "cheaper and easier to understand",
    question="Where allocators reserve, does an ordinary allocation go through one branch more at most, and must CPUs "
             "take turns no more often than with a pool?",
    molnar="The pool is not touched while there is memory; a ledger that tells the truth is asked by all, always.",
    lahaise="Who has no reservation goes past one test; the rest is paid by the few who have one.",
    experiment=experiment_ordinary, judge=judge_ordinary,
    overturned_by="To reserve by raising a zone's marks: that costs others nothing, and whoever may go below a mark "
                  "breaks the promise.",
    overturning={"ways": ("nothing", "mempool", "marks")},
    history="Molnar said of the patch of May 2001 that it added work to the hot paths of the page allocator. The "
            "ledger of 2008 (mm/reserve.c) was never merged.")
