"""composite_trial: M6, buffers of several parts, had one part after the other or all at once.

The example is the thread's: raid1's resync buffer, an r1bio, a bio with its vector, and 16 pages.  What
is kept back is enough for so many buffers, everything else is in use by others, and there are as many
resync requests as buffers, or more.  Five ways to have a buffer:

    pool for each part          from a pool of each kind, one part after the other
    nested pools                a pool of buffers, whose r1bios come from the pool of r1bios (2.5.1)
    composite pool              a pool of buffers, whose r1bios do not (May 2003)
    reservation for each part   each part is promised when it is wanted
    one reservation             all that a request needs is promised at once, before it begins

The stampede of the thread is the first and the fourth: each holds some pages while it wants more.  The
pools stand on two page allocators, that of 2.5.1, which does not say no to a task that may wait, and that
of 2.6.12 asked with NORETRY; who reserves has no use for either.  Schedules are drawn.  So that chance
does not judge alone, the explorer looks at every schedule of the same in small: an r1bio and two pages.
There the pool of r1bios has no more than the buffers need; in raid1 it has eight times as many (2.5.1).

Left out: writes that go on meanwhile, and disks that fail.
"""

from random import Random

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict, listed, what_decides
from kit.debate.half_full_trial import look_at_all, page_allocator
from kit.drivers.bio import BIO_MAX_PAGES, Bios, BiosOf, BlockDevice
from kit.drivers.composite import Composite
from kit.drivers.raid1 import Raid1
from kit.drivers.supply import SUPPLIES
from kit.gfp import GFP_NOIO, NORETRY
from kit.machine.core import Deadlock, Machine, NoEnd
from kit.machine.disk import Disk
from kit.memory.attempts import LINUX_2_6_12
from kit.memory.kmalloc import CacheChain, Kmalloc
from kit.memory.ledger import Ledger
from kit.memory.mempool import Mempool
from kit.memory.promises import Refusing
from kit.memory.zones import Pages, Zone
from kit.traps import might_sleep, never_sleeps, step

EACH, NESTED, COMPOSITE = "pool for each part", "nested pools", "composite pool"
RESERVE_EACH, RESERVE_ALL = "reservation for each part", "one reservation"
POOLS, RESERVING = (EACH, NESTED, COMPOSITE), (RESERVE_EACH, RESERVE_ALL)
WAYS = {EACH: ("each part", "not nested"), NESTED: ("all at once", "nested"), COMPOSITE: ("all at once", "not nested"),
        RESERVE_EACH: ("each part", "not nested"), RESERVE_ALL: ("all at once", "not nested")}
NEVER_NO, MAY_SAY_NO, LEDGER = "2.5.1", "2.6.12, NORETRY", "reserves"
LOADS = {"as many tasks": lambda buffers: buffers, "one more": lambda buffers: buffers + 1,
         "twice": lambda buffers: 2 * buffers}
PER_BUFFER = 8              # 2.5.1 keeps back 256 r1bios and 256 bios, and 32 resync buffers
TURNS = 400                 # for each task: who has not ended by then goes round in circles
SMALL = ((1, 2),)           # buffers, tasks


def experiment(seed, ways=tuple(WAYS), allocators=(MAY_SAY_NO, NEVER_NO), loads=tuple(LOADS), buffers=(2,),
               schedules=4, small=SMALL):
    """For each way and page allocator: drawn schedules that finish, by how many tasks there are; small worlds."""
    rows = []
    for way in ways:
        for allocator in allocators if way in POOLS else (LEDGER,):
            finished = [sum(_finishes(way, allocator, kept, LOADS[load](kept), f"{seed}/{number}")
                            for kept in buffers for number in range(schedules)) for load in loads]
            hung = [f"{tasks} on {kept}" for kept, tasks in small if _hangs(way, allocator, kept, tasks)]
            rows.append((way, allocator, *finished, len(buffers) * schedules, ", ".join(hung) or "-"))
    return Evidence(("way", "page allocator", *loads, "of schedules", "small ones hang"), tuple(rows))


def judge(evidence):
    """Is a composite pool what such buffers need; and if only at times, what decides?"""
    kept = {row[:2]: all(done == row[-2] for done in row[2:-2]) and row[-1] == "-" for row in evidence.rows}
    reason = (f"under all schedules tried everybody gets a buffer with: {_told(kept, True)}; under some, somebody "
              f"hangs with: {_told(kept, False)}")
    pools = [is_kept for (way, _), is_kept in kept.items() if way == COMPOSITE]
    if not any(pools) or all(kept.values()):
        return Verdict(FAILS, reason)
    if all(pools) and not any(is_kept for (way, _), is_kept in kept.items() if way in RESERVING):
        return Verdict(HOLDS, reason)
    on = what_decides({(*WAYS[way], allocator): is_kept for (way, allocator), is_kept in kept.items()},
                      ("having all parts at once", "whether pools are nested", "the page allocator"))
    return Verdict(DEPENDS, reason, on=listed(on)) if on else Verdict(FAILS, reason)


def _told(kept, wanted):
    """The ways that are `wanted`, and over which page allocators."""
    ways = {}
    for (way, allocator), is_kept in kept.items():
        if is_kept == wanted:
            ways.setdefault(way, []).append(allocator)
    return ", ".join(way if way in RESERVING else f"{way} ({' and '.join(over)})"
                     for way, over in ways.items()) or "none"


# == raid1 ==========================================================================================


class MaySayNo(Pages):
    """The page allocator of 2.6.12, asked with NORETRY by everybody."""

    @might_sleep
    async def alloc(self, gfp, order=0):
        """As that of Pages; None after one round."""
        return await super().alloc(gfp | NORETRY, order)


class Promised:
    """One part, which is promised when it is wanted, and not before; a pool gives it without."""

    def __init__(self, supply, source, needs):
        self.supply, self.source, self.needs = supply, source, needs

    @might_sleep
    async def alloc(self, gfp):
        """The part; sleeps until it can be promised, or until the pool has one."""
        async with self.supply.request(self.needs):
            return await self.source.alloc(gfp)

    @never_sleeps
    async def free(self, part):
        """Back where it came from."""
        await self.source.free(part)


def _finishes(way, allocator, buffers, tasks, seed):
    """Whether every resync request ends."""
    machine = Machine()
    raid = _array(machine, way, allocator, buffers)
    for number in range(tasks):
        machine.spawn(f"resync {number}", raid.resync)
    try:
        machine.run(pick=Random(seed).choice, turns=TURNS * tasks)
        return True
    except (Deadlock, NoEnd):
        return False
    finally:
        machine.close()


def _array(machine, way, allocator, buffers):
    """A mirror on two disks that keeps back enough for so many resync buffers; all other memory is in use."""
    zones = [Zone("NORMAL", 0, 64 * (buffers + 1), pages_min=0)]
    pages = MaySayNo(zones=zones, attempts=LINUX_2_6_12) if allocator == MAY_SAY_NO else Pages(zones=zones)
    chain, supply = CacheChain(pages), SUPPLIES["mempool" if way in POOLS else "reservation"](pages)
    many = PER_BUFFER * buffers
    bios = Bios(supply, chain, many, (0, 0, many, 0, 0, 0))
    disks = [BlockDevice(Disk(machine, name)) for name in ("one", "two")]
    raid = Raid1(disks, bios, supply, Kmalloc(pages, chain), pages, min_nr=many)
    if way in (EACH, RESERVE_EACH):
        resync_pages = supply.of("resync page", pages, BIO_MAX_PAGES * buffers)
    if way in (EACH, RESERVE_EACH):
        _part_by_part(raid, resync_pages, way)
    else:
        raid.start_resync(nested=way == NESTED, buffers=buffers)
    for others_take in (pages.take, *(cache.take_free for cache in chain.caches)):
        while others_take() is not None:
            pass
    return raid


def _part_by_part(raid, resync_pages, way):
    """Resync without a pool of buffers: a buffer is put together when it is wanted."""
    supply, bios = raid.supply, raid.bios
    raid.buffers = Composite({
        "r1bio": (Promised(supply, raid.r1bios, {raid.r1bio_cache: 1}), 1),
        "bio": (Promised(supply, BiosOf(bios, BIO_MAX_PAGES), bios.needs(BIO_MAX_PAGES)), 1),
        "page": (Promised(supply, resync_pages, {raid.pages: 1}), BIO_MAX_PAGES)})
    if way == RESERVE_EACH:
        raid.resync_needs = lambda: bios.needs(pages=0)     # the clone; the buffer's parts follow one by one


# == The same in small ==============================================================================


def _hangs(way, allocator, buffers, tasks):
    """Whether under some schedule somebody hangs: an r1bio and two pages are a buffer."""
    return look_at_all(_small(way, allocator, buffers, tasks)).verdict != "none"


def _small(way, allocator, buffers, tasks):
    beneath = page_allocator if allocator == NEVER_NO else Refusing

    def told(machine):
        shared = _small_ledger(buffers) if way in RESERVING else _small_pool(way, beneath, buffers, tasks)
        for number in range(tasks):
            if way in RESERVING:
                machine.spawn(f"task {number}", _reserver, shared, (3,) if way == RESERVE_ALL else (1, 1, 1))
            else:
                machine.spawn(f"task {number}", _taker, shared)
    return told


def _small_ledger(buffers):
    return Ledger(Pages(zones=[Zone("NORMAL", 0, 3 * buffers, pages_min=0, max_order=0)]))


def _small_pool(way, beneath, buffers, tasks):
    pages, r1bios = beneath(2 * buffers), beneath(buffers)
    if way == EACH:             # an r1bio for everybody, as in 2.5.1, where pages are what is short
        return Composite({"r1bio": (Mempool.create(tasks, beneath(tasks), name="r1bios"), 1),
                          "page": (Mempool.create(2 * buffers, pages, name="pages"), 2)})
    if way == NESTED:
        r1bios = Mempool.create(buffers, r1bios, name="r1bios")
    return Mempool.create(buffers, Composite({"r1bio": (r1bios, 1), "page": (pages, 2)}), name="buffers")


async def _taker(buffers):
    buffer = await buffers.alloc(GFP_NOIO)
    await step("copy a window")
    await buffers.free(buffer)


async def _reserver(ledger, needs):
    held = []
    for pages in needs:
        await step("what comes next")
        reservation = await ledger.reserve(pages)
        held.append((reservation, [reservation.take() for _ in range(pages)]))
    await step("copy a window")
    for reservation, taken in held:
        for page in taken:
            reservation.put(page)
        reservation.release()


M6 = Claim(
    name="M6", who="Ingo Molnar", words="how is this going to handle the need for composite allocations?",
    question="Do resync requests, which need a buffer of 18 parts each, get it from a pool of whole buffers, and is "
             "there a reservation that does as well? (small ones: so many tasks on so many buffers, all schedules.)",
    molnar="A pool's elements can be anything, so what is needed together can be kept back together.",
    lahaise="(His mail passes over this bullet.) A reservation can ask for all parts at once.",
    experiment=experiment, judge=judge,
    overturned_by="As many buffers as tasks, over an allocator that says no: then one part after the other will do.",
    overturning={"loads": ("as many tasks",), "allocators": (MAY_SAY_NO,), "small": ((2, 2),)},
    recorded={"buffers": (1, 2, 4, 8), "schedules": 5, "small": ((1, 2), (2, 2), (1, 3))},
    history="Until May 2003 raid1's buffers took their r1bios from the pool of r1bios and could exhaust it (Neil "
            "Brown), so that having a pool was not yet having the answer.")
