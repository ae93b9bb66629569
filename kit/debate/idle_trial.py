"""idle_trial: L3, what memory that is kept back for the worst case costs while the worst case is not there.

The same machine three times: nothing kept back, a share of its pages in a mempool, the same share
promised by a ledger that lets clean pages of the page cache lie there meanwhile.  Nobody touches the
reserve.  Two loads: files are read at random, and the share of reads that finds its page cached is
the figure; or pages are read in and held, so that none can be dropped, and the share of memory that
can be held before somebody has to wait is the figure.  The second is the objection of the other side: in a real
squeeze no page can be dropped.

Only ratios matter, and that is shown, not assumed: each share is tried on two sizes of memory, and must
give the same figure on both.  Which share a real 2.5.1 kept back on which machine is in
layer_trial.py.  Left out: writing.
"""

from itertools import product
from random import Random

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict
from kit.gfp import GFP_HIGHUSER
from kit.machine.core import Deadlock, Machine, NoEnd
from kit.memory.ledger import Ledger
from kit.memory.mempool import Mempool
from kit.memory.pagecache import PageCache
from kit.memory.reclaim import Vm
from kit.memory.zones import Pages, Zone

CLEAN, HELD = "read and let go", "read and held"
NOISE = 0.02        # one page of 64 decides nothing: the allocator of 2.5.1 never gives its last, a ledger does
SAME = 0.05         # the same share on two sizes may differ by so much: 2,000 drawn reads tell a half within 3 %


def experiment(seed, loads=(CLEAN, HELD), sizes=(64, 256), shares=(1 / 8, 1 / 4, 1 / 2), reads=2_000):
    """The figure of each load with nothing kept back, a mempool, and a reservation."""
    rows = []
    for load, pages, share in product(loads, sizes, shares):
        machines = [machine_with(way, pages, int(pages * share)) for way in WAYS]
        figures = [hit_rate(one, seed, pages, reads) if load == CLEAN else held_share(one, seed, pages)
                   for one in machines]
        rows.append((load, pages, share, *figures))
    return Evidence(("pages are", "memory", "share kept back", *WAYS), tuple(rows))


def judge(evidence):
    """Under which loads does every reservation do better than the mempool of its size?"""
    gains = {}
    for load, _, _, _, pool, ledger in evidence.rows:
        gains.setdefault(load, []).append(ledger - pool)
    better = [load for load in gains if min(gains[load]) > NOISE]
    reason = "; ".join(f"pages {load}: a reservation leaves between {min(gain):.0%} and {max(gain):.0%} more than a "
                       "mempool" for load, gain in gains.items())
    spread = spread_over_sizes({row[:3]: row[3:] for row in evidence.rows}, size=1)
    if spread > SAME:
        return Verdict(DEPENDS, f"the same share gives figures {spread:.0%} apart; {reason}", on="the size of memory")
    reason += f"; the same share gives the same on every size, within {spread:.1%}"
    if len(better) == len(gains):
        return Verdict(HOLDS, reason)
    return Verdict(DEPENDS, reason, on="whether what is cached may be dropped") if better else Verdict(FAILS, reason)


def spread_over_sizes(figures, size):
    """How far apart the figures of rows are whose keys differ in place `size` alone."""
    alike = {}
    for key, row in figures.items():
        alike.setdefault(key[:size] + key[size + 1:], []).append(row)
    return max(max(column) - min(column) for rows in alike.values() for column in zip(*rows, strict=True))


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


def machine_with(way, pages, reserved):
    """A page cache on a memory of so many pages, `reserved` of them kept back."""
    memory = Pages(zones=[Zone("NORMAL", 0, pages, pages_min=0, max_order=0)])
    cache = PageCache(memory)
    Vm(memory, cache, cluster=1)        # drop one page at a time: how many at once is not what is asked here
    WAYS[way](memory, cache, reserved)
    return cache


def hit_rate(cache, seed, pages, reads, held=0):
    """The share of reads at random that find their page, of a file of `pages` pages; processes lock `held` others."""
    machine, drawn, found = Machine(seed=seed), Random(seed), []

    async def reader():
        for _ in range(held):
            await cache.pages.alloc(GFP_HIGHUSER)
        for number in range(pages):
            cache.release(await cache.read(("file", number)))       # a first read can find nothing, and is not counted
        for _ in range(reads):
            key = "file", drawn.randrange(pages)
            found.append(cache.find(key) is not None)
            cache.release(await cache.read(key))

    machine.spawn("reader", reader)
    machine.run()
    machine.close()
    return sum(found) / len(found)


def held_share(cache, seed, pages):
    """The share of memory that a task can read in and hold until it waits for more, in vain."""
    machine, held = Machine(seed=seed), []

    async def keeper():
        for number in range(pages):
            held.append(await cache.read(("file", number)))

    machine.spawn("keeper", keeper)
    try:
        machine.run(turns=pages * 4)          # two turns take a page, as long as there is one
    except (Deadlock, NoEnd):
        pass                    # that is how it ends, unless nothing is kept back
    machine.close()
    return len(held) / pages


L3 = Claim(
    name="L3", who="Ben LaHaise", words="still allow clean and immediately reclaimable pages to populate the memory",
    question="Of memory that is kept back and never touched, how much is lost to the page cache with a mempool, and "
             "how much with a reservation?",
    molnar="In the real squeeze no page is clean, so that a promise to drop clean ones keeps back as much as a pool.",
    lahaise="Many reservations are never touched; until they are, their memory can hold what is easily dropped.",
    experiment=experiment, judge=judge,
    overturned_by="A machine that only reads: there the reservation is better throughout.",
    overturning={"loads": (CLEAN,)},
    history="Memory that is reserved and lent came to Linux with the contiguous memory allocator (2012), for movable "
            "pages.")
