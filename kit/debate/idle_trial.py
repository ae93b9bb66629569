"""idle_trial: L3, whether memory that is kept back is ever touched, and what it costs while it is not.

Two questions.  First, of a pool of 256 bios (2.5.1), what share is never out of it?  The bios that three
real workloads asked for (a recorded Linux 6.18) are asked of such a pool, over an allocator that
refuses so many of them; at 100 % each one comes out of the pool.

Second, of what files want cached, what is found?  The same machine three times: nothing kept back, a
share of its pages in a mempool, the same share promised by a ledger that lets clean pages of the cache
lie there meanwhile.  Nobody touches the reserve.  How large the files are beside memory, what share is
kept back, and what share of the files stays put are swept.  What stays put cannot be dropped: it is
locked, or mapped and not given up (the objection of Arcangeli, 17 Dec 2001), or dirty and not to be
written now (Molnar's: in a real squeeze no page is clean).  To a promise these are the same.

The figure is the chance that a read drawn at random finds its page, over many reads.  Who waits for
ever finds no more than what stays put.  Only ratios matter, and that is shown, not assumed: each is tried
on two sizes of memory, and "apart" is how far these are from each other.

Left out: writing; and how often the squeeze comes.  What 2.5.1 kept back of which machine: layer_trial.py.
"""

from itertools import product
from random import Random
from statistics import fmean

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict, listed, what_decides
from kit.drivers.bio import BIO_BYTES, BIO_POOL_SIZE
from kit.gfp import GFP_ATOMIC
from kit.linux import read
from kit.linux.bios import bios
from kit.machine.core import Deadlock, Machine, NoEnd
from kit.memory.failing import Failing, seeded
from kit.memory.ledger import Ledger
from kit.memory.mempool import Mempool
from kit.memory.pagecache import PageCache
from kit.memory.reclaim import Vm
from kit.memory.slab import Cache
from kit.memory.zones import MB, Pages, Zone

NEVER, FOUND = "never touched", "found"
RECORDINGS = ("build", "archive", "journal")
COLUMNS = ("what share is", "in which world", "kept back", "stays put", "nothing", "mempool", "reservation", "apart")
MANY = 0.5          # many are never touched: more than half
NOISE = 0.005       # less than one page of the smallest model, and more than other draws make (tests)
SAME = 0.02         # two models may be so far apart: a share of few pages is seldom a whole number of them
PATIENCE = 400      # turns in which whoever gets on gets a page
HOT = 5             # reads may go again and again to one page in five, as the rule of thumb has it


def experiment(seed, refused=(0.1, 1), recordings=RECORDINGS, files=(1 / 2, 1, 2), pinned=(0, 1 / 2, 1),
               shares=(1 / 4,), models=(80, 160), again=(0,)):
    """What share of a pool is never touched; then what reads find in each world, in the larger model.

    files: beside memory.  pinned: of the files.  again: the share of the reads that go to the same fifth.
    """
    rows = [(NEVER, f"{name}, {share:.0%} refused", "256 bios", "", "", never_touched(name, share, seed), "", "")
            for name, share in product(recordings, refused)]
    for file, stays, share, hot in product(files, pinned, shares, again):
        *found, apart = in_models(models, seed, share, file, stays, hot)
        world = f"files {file:g} x memory" + f", {hot:.0%} to a fifth" * bool(hot)
        rows.append((FOUND, world, share, stays, *found, apart))
    return Evidence(COLUMNS, tuple(rows))


def judge(evidence):
    """Are most of them never touched; and does a reservation leave more than a mempool in every world?"""
    untouched = {row[1]: row[5] for row in evidence.rows if row[0] == NEVER}
    worlds = {row[1:4]: row[4:] for row in evidence.rows if row[0] == FOUND}
    apart = max(row[-1] for row in worlds.values())
    if apart > SAME:
        return Verdict(DEPENDS, f"the same shares of two sizes of memory find {apart:.1%} more or less",
                       on="the size of memory")
    gains = {world: gained(*figures[:3]) for world, figures in worlds.items()}
    better = {world: gain > NOISE for world, gain in gains.items()}
    many = {tuple(world.split(", ")): share > MANY for world, share in untouched.items()}
    reason = "; ".join([*_told(untouched, gains), f"two sizes of memory agree within {apart:.1%}"])
    if all(many.values()) and all(better.values()):
        return Verdict(HOLDS, reason)
    if not any(better.values()) or many and not any(many.values()):
        return Verdict(FAILS, reason)
    return Verdict(DEPENDS, reason, on=listed(
        what_decides(many, ("who asks", "how much is refused"))
        + what_decides(better, ("the size of the files", "the share kept back", "how much of them may be dropped"))))


def _told(untouched, gains):
    if untouched:
        least = min(untouched, key=untouched.get)
        yield f"of what is kept back {untouched[least]:.0%} ({least}) or more is never touched"
    better = sorted(gain for gain in gains.values() if gain > NOISE)
    by = f" (by {better[0]:.1%} to {better[-1]:.1%})" if better else ""
    yield (f"beside a mempool, a reservation lets reads find more in {len(better)} of {len(gains)} worlds{by}, and "
           f"less in {sum(gain < -NOISE for gain in gains.values())}")


def gained(nothing, mempool, reservation):
    """What a reservation leaves more than a mempool; but no more than all that nobody keeps back."""
    return min(nothing, reservation) - mempool


# == What is never touched ==========================================================================


def never_touched(recording, refused, seed, elements=BIO_POOL_SIZE):
    """The share of a pool that the recorded bios never take, if so many are refused by the allocator beneath."""
    cache = Cache("bio", BIO_BYTES, Pages(64 * MB), align=True)
    pool = Mempool.create(elements, cache)
    pool.backing = Failing(cache, seeded(refused, seed))
    asked = [bio for bio in bios(read(f"{recording}-objects")) if not bio.cache.startswith("biovec")]
    turns = sorted([(bio.time_us, "asked", number) for number, bio in enumerate(asked)]
                   + [(bio.time_us + bio.held_us, "given back", number) for number, bio in enumerate(asked)])
    held, fewest = {}, elements
    for _, what, number in turns:
        if what == "asked":
            held[number] = pool.alloc(GFP_ATOMIC)
            fewest = min(fewest, len(pool.elements))
        elif held.get(number) is not None:
            pool.free(held[number])
    return fewest / elements


# == What reads find ================================================================================


def _nothing(memory, cache, reserved):
    """Keep nothing back."""


def _mempool(memory, cache, reserved):
    """Keep pages in a pool."""
    return Mempool.create(reserved, memory)


def _reservation(memory, cache, reserved):
    """Promise pages, and let the page cache have them meanwhile."""
    ledger = Ledger(memory)
    cache.lend_to(ledger)
    return ledger.try_reserve(pages=reserved)


WAYS = {"nothing": _nothing, "mempool": _mempool, "reservation": _reservation}


def in_models(models, seed, share, file, stays, again=0):
    """What is found in each of WAYS on the largest of the models, and how far apart any two of them are."""
    found = [[hit_rate(machine_with(way, pages, round(pages * share)), seed, round(pages * file),
                       round(pages * file * stays), again) for way in WAYS] for pages in models]
    return *found[-1], max(max(column) - min(column) for column in zip(*found, strict=True))


def machine_with(way, pages, reserved):
    """A page cache on a memory of so many pages, `reserved` of them kept back."""
    # The allocator of 2.5.1 never gives its last page, which is one in a thousand at 4 MB, but not in a model.
    memory = Pages(zones=[Zone("NORMAL", 0, pages + (way != "reservation"), pages_min=0, max_order=0)])
    cache = PageCache(memory)
    Vm(memory, cache, cluster=1, writes_with=0)     # drop one page at a time, and write none
    WAYS[way](memory, cache, reserved)
    return cache


def hit_rate(cache, seed, file, pinned, again=0):
    """The chance that a read finds its page, of a file of `file` pages, of which `pinned` stay put once read."""
    drawn, hot = Random(seed), max(1, file // HOT)
    stay = {number for number in range(file) if number * pinned // file != (number + 1) * pinned // file}   # spread out
    others = [number for number in range(file) if number not in stay]
    reads = [drawn.randrange(hot if drawn.random() < again else file) for _ in range(file * (20 if again else 2))]
    chances = []

    def chance():
        in_hot = sum(number in cache.cached for number in range(hot)) / hot if again else 0
        return again * in_hot + (1 - again) * len(cache) / file

    async def owner(done):
        for number in sorted(stay):
            await cache.lock(await cache.read(number))
            done.append(number)

    async def reader(done):
        for number in others + reads:
            cache.find(number)
            if number not in stay:
                cache.release(await cache.read(number))
            done.append(number)
            chances.append(chance())

    _gets_through(owner, cache)
    if _gets_through(reader, cache):
        return fmean(chances[len(others):])
    for page in list(cache.droppable.values()):
        cache.drop(page)
    return chance()


def _gets_through(task, cache):
    """Whether a task gets to its end, rather than wait for ever for a page."""
    machine, done, turned_at = Machine(seed=0), [], None
    machine.spawn("task", task, done)
    try:
        while True:
            before = len(done)
            try:
                machine.run(turns=PATIENCE)
                return True
            except NoEnd:
                if len(done) == before == turned_at:
                    return False
            if len(done) == before:
                # 2.5.1 turns its lists over in proportion to the 32 pages that it wants; for one, that may be none.
                cache.refill_inactive(len(cache.active))
                cache.refill_inactive(len(cache.active))
                turned_at = before
    except Deadlock:
        return False
    finally:
        machine.close()


L3 = Claim(
    name="L3", who="Ben LaHaise", words="still allow clean and immediately reclaimable pages to populate the memory",
    question="Is most of what is kept back never touched; and does a reservation of it let reads find more in the "
             "page cache than a mempool of it?",
    molnar="In the real squeeze no page is clean, so that a promise to drop clean ones keeps back as much as a pool.",
    lahaise="Many reservations are never touched; until they are, their memory can hold what is easily dropped.",
    experiment=experiment, judge=judge,
    overturned_by="Reserves that are seldom called on, beside files as large as memory of which nothing is dirty, "
                  "mapped or locked: there a reservation is better throughout.",
    overturning={"recordings": ("archive", "journal"), "files": (1, 2), "pinned": (0,)},
    recorded={"refused": (0, 0.01, 0.1, 1), "files": (1 / 4, 1 / 2, 1, 2), "pinned": (0, 1 / 4, 1 / 2, 3 / 4, 1),
              "shares": (1 / 16, 1 / 4, 1 / 2), "models": (80, 160), "again": (0, 0.8)},
    history="Memory that is reserved and lent came to Linux with the contiguous memory allocator (2012), for movable "
            "pages; lending it to clean file pages was proposed in 2025.")
