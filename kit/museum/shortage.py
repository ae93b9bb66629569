"""shortage: bugs of the pool and what lies around it: a reserve, a zone, a throttle, another class of requests.

The problem.  A pool is no island: whoever does not wait for it draws on something else.
The idea.  A reserve is a list here, a zone a name, a throttle a number: these are bugs of who may
have what, and the marks and sizes of kit/memory do not matter for them.
Beside it: mm/page_alloc.c, mm/page-writeback.c, mm/highmem.c, drivers/block/ll_rw_blk.c, 2001 to 2016.
"""

from kit.errors import KitError
from kit.gfp import DMA, GFP_ATOMIC, GFP_NOIO, IO, NOMEMALLOC, WAIT
from kit.locks import WaitQueue
from kit.memory.mempool import Mempool, Rung, drain, queue
from kit.memory.promises import Refusing
from kit.museum.bug import Bug, takes_and_gives
from kit.traps import might_sleep, never_sleeps, sleep, step


class Harm(KitError):
    """Somebody was left without what had been kept for him."""


# == Reserves =========================================================================================


class Reserve(Refusing):
    """A stock, and behind it pages that only those may have who free memory: all callers here do."""

    explored = ("stock", "kept")

    def __init__(self, count, kept):
        super().__init__(count)
        self.kept = [f"kept {number}" for number in range(kept)]

    @never_sleeps
    async def try_alloc(self, gfp):
        """An element, of the reserve if need be and the mask does not forbid it; or None."""
        if self.stock or gfp & NOMEMALLOC or not self.kept:
            return self._take()
        return self.kept.pop()


@Rung
@never_sleeps
async def ask_modestly(pool, gfp):
    """Ask without sleeping, and not for the reserve (since 2005)."""
    return await pool.backing.try_alloc(gfp & ~(WAIT | IO) | NOMEMALLOC)


@Rung
@never_sleeps
async def ask_for_the_reserve(pool, gfp):
    """The pool is empty: ask for the reserve, rather than wait (2016, for a few weeks)."""
    return await pool.backing.try_alloc(gfp & ~(WAIT | IO))


async def _needs_the_reserve(reserve):
    if await reserve.try_alloc(GFP_ATOMIC) is None:
        raise Harm("the reserve is empty, and whom it was kept for finds nothing.")


def reserve_drained(*rungs):
    """Pool of 1, two writers of swap, one page of reserve, and somebody who has a right to it."""
    def story(machine):
        reserve = Reserve(1, kept=1)
        pool = Mempool.create(1, reserve, ladder=(ask_modestly, drain, *rungs, queue))
        for name in "AB":
            machine.spawn(name, takes_and_gives, pool)
        machine.spawn("network", _needs_the_reserve, reserve)
    return story


async def _swap_out(nodes, reserve, mask):
    node = await nodes.alloc(GFP_ATOMIC | mask)
    await step("write the page")
    await _needs_the_reserve(reserve)
    await nodes.free(node)


def index_before_disk(mask):
    """One page of reserve; a task that frees memory needs first a node of an index, then a table for the disk."""
    def story(machine):
        reserve = Reserve(1, kept=1)
        nodes = Mempool.create(1, reserve, name="nodes")
        machine.spawn("swap-out", _swap_out, nodes, reserve, mask)
    return story


class Zones(Refusing):
    """One page in each of two zones; who does not ask for DMA gets of the other first."""

    def __init__(self, asks_for=0):
        super().__init__()
        self.asks_for, self.stock = asks_for, ["DMA page", "NORMAL page"]

    @might_sleep
    async def alloc(self, gfp):
        """A page, or None."""
        return await self.try_alloc(gfp)

    @never_sleeps
    async def try_alloc(self, gfp):
        """A page of DMA if the mask, or the pool's own function (`asks_for`), says so; or None."""
        wanted = [page for page in self.stock if page == "DMA page" or not (gfp | self.asks_for) & DMA]
        if not wanted:
            return None
        self.stock.remove(wanted[-1])
        return wanted[-1]


async def _bounce(pool):
    page = await pool.alloc(GFP_NOIO)
    if page != "DMA page":
        raise Harm(f"the ISA device cannot reach the {page} that the pool had kept for it.")
    await pool.free(page)


def wrong_zone(asks_for=0):
    """The bounce pool of ISA devices, filled while there is memory of all kinds; used when there is none."""
    def story(machine):
        zones = Zones(asks_for)
        pool = Mempool.create(1, zones)
        zones.stock.clear()
        machine.spawn("ISA driver", _bounce, pool)
    return story


# == Throttles and classes ============================================================================


class DirtyPages:
    """Whoever dirties a page waits while there are as many as his limit; writing one back cleans it."""

    explored = ("dirty", "wait")

    def __init__(self, dirty):
        self.dirty, self.wait = dirty, WaitQueue("dirty pages", "Only a page that is written back wakes it.")

    @might_sleep
    async def dirties(self, limit):
        """One more dirty page."""
        while self.dirty >= limit:
            with self.wait.queued():
                await step("look again")
                if self.dirty >= limit:
                    await sleep(self.wait)
        self.dirty += 1

    def cleaned(self, pages):
        """They are on disk."""
        self.dirty -= pages
        self.wait.wake_all()


async def _serves(pages, limit):
    await pages.dirties(limit)
    pages.cleaned(2)                # the client's page and the server's own


def throttled_cleaner(more):
    """NFS to oneself: a client's page is dirty, and gets clean only when the server has dirtied another."""
    def story(machine):
        machine.spawn("server", _serves, DirtyPages(dirty=1), 1 + more)
    return story


class Requests:
    """One pool of requests for reads and writes, which wait in queues of their own."""

    explored = ("pool", "reads", "writes")

    def __init__(self, count):
        self.pool = Mempool.create(count, Refusing(count), name="requests")
        self.reads, self.writes = (WaitQueue(name, f"Only {name} that end wake it.") for name in ("reads", "writes"))

    @might_sleep
    async def alloc(self, mine):
        """A request; waits in the queue of its class."""
        while (request := await self.pool.alloc(GFP_ATOMIC)) is None:
            with mine.queued():
                await step("look again")
                if not self.pool.elements:
                    await sleep(mine)
        return request

    @never_sleeps
    async def free(self, request, wakes):
        """The request has ended: wakes one in each of these queues."""
        await self.pool.free(request)
        for waiting in wakes:
            waiting.wake_one()


async def _one_request(requests, mine, wakes):
    await requests.free(await requests.alloc(mine), wakes)


def starved_class(both):
    """One request, a writer and a reader; does the end of one class wake the other?"""
    def story(machine):
        requests = Requests(1)
        for name, mine in (("writer", requests.writes), ("reader", requests.reads)):
            machine.spawn(name, _one_request, requests, mine, (requests.reads, requests.writes) if both else (mine,))
    return story


# == The bugs ==========================================================================================

BUGS = (
    Bug("reserve drained",
        "Linux commits f9054c70d28b (March 2016) and 4e390b2b2f34 (July 2016, which takes it back): who found the pool "
        "empty might use the reserve for freeing memory. Swap-out over dm-crypt was no longer held up by the pool, and "
        "used up all of it.",
        "Pool of 1, two writers, one page of reserve, and one more who has a right to that page.",
        "a promise is broken", lambda: reserve_drained(ask_for_the_reserve), reserve_drained),
    Bug("index before disk",
        "April 2002, kernel history 72e842828ac: swap-out took nodes of the radix tree from the reserve, and the SCSI "
        "layer found it empty. The cure: without that right, so that the nodes come from their own pool.",
        "One page of reserve; a node, then a table for the disk.",
        "a promise is broken", lambda: index_before_disk(0), lambda: index_before_disk(NOMEMALLOC)),
    Bug("reserve of the wrong zone",
        "Our reading of the code from 2.5.1 to 2.6.12, no report: the bounce pool for ISA devices was filled with "
        "GFP_KERNEL. Later the pool has a function that asks for DMA.",
        "Two zones of one page, pool of 1. The model confirms the reading: what is kept back may be of no use.",
        "a promise is broken", wrong_zone, lambda: wrong_zone(DMA)),
    Bug("cleaner throttled",
        "June 2003, kernel history faf6f3e5d37: with NFS mounted from the same machine, the server was itself held up "
        "for too many dirty pages, though it is the one who cleans. The cure: a slightly higher limit for it.",
        "A client's page is dirty and the limit is 1; to clean it the server dirties one more.",
        "deadlock", lambda: throttled_cleaner(0), lambda: throttled_cleaner(1)),
    Bug("starved class",
        "January 2005, kernel history 23ae223ea5d: reads and writes share a pool of requests; a reader who has none "
        "under way has nobody to wake him.",
        "One request, a writer and a reader, a queue for each. The record does not say how it was mended; here, the "
        "end of either wakes both.",
        "deadlock", lambda: starved_class(False), lambda: starved_class(True)),
)
