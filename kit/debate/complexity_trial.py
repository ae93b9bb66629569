"""complexity_trial: M5 and L7, what either promise costs those who did not ask for it, and those who did.

Both sides say that the other's is the complicated way.  Whose source is longer is not decidable here,
for both are this kit's own.  What is executed can be counted: the branches that an allocation and its
free go through (executed.py), and how often CPUs must take turns, and wait for one another, while they do
what was recorded (contention.py), for memory that is kept back in one of five ways (kept_back.py).

An outsider takes pages and gives them back, with memory enough; a user does the same where memory is
kept back for it.  What is paid for is counted as well: how much of what was kept back is left when
somebody with PF_MEMALLOC has taken all that can be had.

A look into the ledger's books is no turn where the lock that protects them is held anyway; how many looks
there are is counted beside the turns.  It is judged as if it took no time, the ledger's best case; what
becomes of the waiting in the worst, if each look takes as long as a lock ("dear looks"), stands beside it.
"""

from inspect import unwrap

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict
from kit.debate.contention import LOCK_NS, is_of_a_higher_order, measure, setting, settings, stretch, with_lists
from kit.debate.executed import branches
from kit.debate.kept_back import KEPT, LEDGERS, RELEASES, WAYS, World
from kit.gfp import GFP_KERNEL
from kit.memory.zones import MB, Zone

OUTSIDER, USER = "branches, an outsider", "branches, a user"
TURNS, TOUCHES = "turns, 100 calls", "looks, 100 calls"
WAITING, DEAR = "waiting, %", "same, dear looks"
LEFT, USED = f"left of {KEPT} pages", "of them of use meanwhile"
FLAGS_OF_POOLS = {"HIGH", "NOMEMALLOC"}     # that came, or came back, because of what mempool did (2002, 2005)
STRETCHES = 2   # of the recording, for the branches
CALLS = 2       # that are counted together: an allocation and its free

ALLOCATORS = tuple(f"kit.memory.{name}" for name in ("zones", "attempts", "buddy", "pcp", "slab", "pagecache"))
LAYERS = (*(f"kit.memory.{name}" for name in ("mempool", "ledger", "availability", "policies", "reservation")),
          "kit.debate.hiding")


# == M5: what the allocators have to do, and to know =================================================


def experiment_beneath(seed, releases=tuple(RELEASES)):
    """What an outsider goes through, and the attempts of the page allocator that know who keeps memory back."""
    rows = [(f"{OUTSIDER}, {release}", *(_outsider(way, release) for way in WAYS)) for release in releases]
    rows += [(f"attempts that know, {release}", *(_attempts_that_know(way, release) for way in WAYS))
             for release in releases]
    return Evidence(("in the allocators", *WAYS), tuple(rows))


def _outsider(way, release):
    """The branches of one page that comes from no larger block, and whose free finds no other half."""
    pages = World(way, release=release).pages
    pages.zones[0].take(0)
    return branches(ALLOCATORS + LAYERS, lambda: pages.free(pages.alloc(GFP_KERNEL)))


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


def _attempts_that_know(way, release):
    """How many attempts look at what stands in them for the sake of those who keep memory back."""
    attempts = LEDGERS[way].attempts if way in LEDGERS else RELEASES[release]
    names = FLAGS_OF_POOLS if way == "mempool" else {"ledger", "hidden"}
    parts = [part for attempt in attempts.once + attempts.again for part in (attempt.do, attempt.applies) if part]
    functions = [unwrap(getattr(part, "args", [part])[0]) for part in parts]        # the function inside a zone walk
    return sum(bool(names & {*function.__code__.co_names}) for function in functions)


# == L7: what one allocation costs ===================================================================


def experiment_ordinary(seed, ways=WAYS, memory=(1.0, 0.0), cpus=(16,), faster=(100,), lock_ns=LOCK_NS):
    """Branches of an allocation and its free; turns, looks into the ledger and waiting under load; what is bought."""
    rows = [(f"{who}{', lists' * lists}", *(pair(seed, way, lists, as_user) for way in ways))
            for who, as_user in ((OUTSIDER, False), (USER, True)) for lists in (False, True)]
    for at in settings(memory, cpus, faster):
        counts, where = [measure(seed, way, *at, lock_ns) for way in ways], setting(*at)
        rows.append((f"{WAITING}: {where}", *(count.waiting for count in counts)))
        if (at.cpus, at.faster) == (max(cpus), max(faster)):
            dear = [measure(seed, way, *at, lock_ns, look_ns=lock_ns) if count.touches else count
                    for way, count in zip(ways, counts, strict=True)]
            rows += [(f"{DEAR}: {where}", *(count.waiting for count in dear)),
                     (f"{TURNS}: {where}", *(count.turns for count in counts)),
                     (f"{TOUCHES}: {where}", *(count.touches for count in counts))]
    rows += [(LEFT, *(World(way, pages=MB).left() for way in ways)),
             (USED, *(World(way, pages=MB).used_meanwhile() for way in ways))]
    return Evidence(("an allocation and its free", *ways), tuple(rows))


def pair(seed, way, lists, as_user):
    """The branches of an allocation and its free, on the average of a recorded stretch, by a user or by an outsider."""
    world, calls = World(way, with_lists if lists else Zone), []
    stretches = [stretch(seed, number) for number in range(STRETCHES)]
    take, put = (world.alloc, world.free) if as_user else (lambda: world.pages.alloc(GFP_KERNEL), world.pages.free)

    def go_through(events):
        held = {}
        for _, block, _ in events:
            calls.append(block)
            if block in held:
                put(held.pop(block))
            else:
                held[block] = take()
        for page in held.values():
            calls.append(page)
            put(page)

    reached = branches(ALLOCATORS + LAYERS, lambda: [go_through(events) for events in stretches])
    return CALLS * reached / len(calls)


def judge_ordinary(evidence):
    """L7: one branch more at most for those who ordinarily allocate, and no more turns and waiting than with a pool?"""
    rows = {row[0]: dict(zip(evidence.columns[1:], row[1:])) for row in evidence.rows}
    ways = [way for way in evidence.columns[1:] if way not in ("nothing", "mempool")]
    more = {way: [row[way] - row["nothing"] for name, row in rows.items() if name.startswith(OUTSIDER)] for way in ways}
    dearer = {way: sum(_is_dearer(name, row, way) for name, row in rows.items()) for way in ways}
    good = [way for way in ways if max(more[way]) <= CALLS and not dearer[way]]
    reason = "; ".join(f"{way}: up to {max(more[way]):.3g} branches more for an outsider, more turns or waiting than "
                       f"with a pool in {dearer[way]} rows, {rows[LEFT][way]} of {KEPT} pages left, and "
                       f"{rows[USED][way]} of use meanwhile" for way in ways)
    reason += ". Which is easier to understand is not decidable here: all of it is this kit's"
    if len(good) == len(ways):
        return Verdict(HOLDS, reason)
    return Verdict(DEPENDS, reason, on=_what_divides(ways, good, rows)) if good else Verdict(FAILS, reason)


def _is_dearer(name, row, way):
    """A pool's rungs are steps, which keep CPUs apart: so to wait as where nothing is kept back is no harm."""
    return name.startswith((TURNS, WAITING)) and is_of_a_higher_order(row[way], max(row["mempool"], row["nothing"]))


def _what_divides(ways, good, rows):
    """In which of the things that are bought the ways that are cheap differ from all others."""
    for bought, on in ((USED, "whether the reserved memory is of use meanwhile"), (LEFT, "how firm the promise is")):
        if not {rows[bought][way] for way in good} & {rows[bought][way] for way in ways if way not in good}:
            return on
    return "how it is reserved"


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
    history="In July 2002 the page allocator got the flag HIGH back, since mempool's first attempt dug into the "
            "reserve of interrupts; in 2005 another one: posted as __GFP_MEMPOOL, merged as __GFP_NOMEMALLOC.")

L7 = Claim(
    name="L7", who="Ben LaHaise", words="1 additional branch for the uncommon case that reservations adds is far, far "
                                        "cheaper and easier to understand",
    question="Where allocators reserve, does an ordinary allocation go through one branch more at most, and do CPUs "
             "take turns and wait for one another no more than with a pool?",
    molnar="The pool is not touched while there is memory; a ledger that tells the truth is asked by all, always.",
    lahaise="While nobody reserves there is one test a call, which the first column has too; and what the others pay "
            "they pay under a lock that is taken anyway.",
    experiment=experiment_ordinary, judge=judge_ordinary,
    overturned_by="To reserve single pages by hiding them: that is one branch indeed, and firm, but they lie idle as a "
                  "pool's do.",
    overturning={"ways": ("nothing", "mempool", "hidden")},
    history="Molnar said of the patch of May 2001 that it lowers the apparent number of free pages, and that it adds "
            "work to the hot paths of the page allocator; its text was not found.  The ledger of 2008 "
            "(mm/reserve.c) was never merged.",
    recorded={"memory": (1.0, 0.5, 0.0), "cpus": (1, 4, 16, 64), "faster": (1, 100)})
