"""bugs: misbehaviour really found in mempool and its users, each with the form that had it and its cure.

The idea.  A bug is a story told twice: once as it was, once as it was mended.  The explorer finds the
harm in the first and none in the second, or the story is not that bug.
What is record and what is model.  Each Bug says both.  `record` is what the history of the kernel or
its mailing lists say was seen, `model` is the smallest world here that does the same; no record says
that its machine hung in exactly these steps.
Readings of our own that the explorer confirms for small numbers (tests): the reserve for ISA devices could be of
the wrong zone; like tasks can hang exactly if tasks * (each - 1) >= elements; the smallest lost wake-up is
a pool of 1 with two waiters; two stacked layers may share a pool that has more elements than there are
tasks; a task that is alone and takes 2 of 2 hangs in 2.5.1 over an allocator that sleeps, where the
mail's ladder serves it; over such an allocator 2.5.1 comes to QUEUE only by a race, when more tasks
have found the pool more than half full than it has elements.
Left out, because the model cannot express them: memory barriers (2004), since steps are sequentially
consistent; elements chained through their own bytes (April 2002) and the resize that freed with the
wrong function or overran its array (2003, 2005), since elements here have no bytes and lists no ends;
the first try that dug into the interrupts' reserve (July 2002), which is a matter of marks and is
seen on real ones (memory/attempts.py).  Left out, because the model refutes the obvious story: two pools of
raid5 made one "to avoid a possible deadlock" (2017).  Taken in one order, two pools do not hang (a
test says so), and the record does not tell what else was held.
"""

from kit.drivers.small_worlds import borrower
from kit.errors import KitError
from kit.gfp import GFP_ATOMIC, GFP_KERNEL
from kit.locks import Mutex
from kit.memory.promises import Refusing
from kit.museum import callers, shortage
from kit.museum.bug import Bug, takes_and_gives
from kit.museum.forms import FORMS, bulk
from kit.traps import might_sleep, never_sleeps, step


class PoolNotAsked(KitError):
    """An atomic caller was told no while the pool had elements."""


# == Stories ===========================================================================================


class Recovering(Refusing):
    """Has nothing while memory is short; from `recover` on it has `plenty`."""

    def recover(self, plenty):
        """Somebody has freed other memory: that wakes nobody who waits for a pool."""
        self.stock += [f"new {number}" for number in range(plenty)]


async def _holds_then_recovers(pool, allocator, plenty):
    held = await pool.alloc(GFP_KERNEL)
    await step("memory is freed elsewhere")
    allocator.recover(plenty)
    await pool.free(held)


def lost_wakeup(form, waiters=2):
    """Pool of 1, its element held; others want one; memory is there again before the element comes back."""
    def story(machine):
        allocator = Recovering(1)
        pool = FORMS[form].create(1, allocator)
        machine.spawn("holder", _holds_then_recovers, pool, allocator, 2)
        for number in range(waiters):
            machine.spawn(chr(ord("A") + number), takes_and_gives, pool)
    return story


async def _keeps(pool, allocator):
    await pool.alloc(GFP_KERNEL)
    await step("memory is freed elsewhere")
    allocator.recover(1)


def plenty(form):
    """Pool of 1 whose element is kept for good; then there is memory, but nobody frees an element."""
    def story(machine):
        allocator = Recovering(1)
        pool = FORMS[form].create(1, allocator)
        machine.spawn("keeper", _keeps, pool, allocator)
        machine.spawn("A", takes_and_gives, pool)
    return story


@never_sleeps
async def _atomic(pool):
    if await pool.alloc(GFP_ATOMIC) is None:
        raise PoolNotAsked(f"{pool} was full, and an atomic caller was told no.")


def atomic(form):
    """A full pool, an allocator that refuses, one caller who may not sleep."""
    def story(machine):
        machine.spawn("interrupt", _atomic, FORMS[form].create(1, Refusing(1)))
    return story


def stampede(elements, tasks, take, rounds=1):
    """Tasks that take several elements one by one from one pool of 2.5.1."""
    def story(machine):
        pool = FORMS["2.5.1"].create(elements, Refusing(elements))
        for number in range(tasks):
            machine.spawn(chr(ord("A") + number), borrower, pool, take, rounds)
    return story


async def _two_pools(first, second):
    above = await first.alloc(GFP_KERNEL)
    below = await second.alloc(GFP_KERNEL)
    await second.free(below)
    await first.free(above)


def stacked(own_pools, form="2.5.1", elements=2, tasks=2):
    """Two layers, the upper holding an element while the lower takes one: of the same pool, or of its own."""
    def story(machine):
        upper = FORMS[form].create(elements, Refusing(elements), name="upper")
        lower = FORMS[form].create(elements, Refusing(elements), name="lower") if own_pools else upper
        for number in range(tasks):
            machine.spawn(chr(ord("A") + number), _two_pools, upper, lower)
    return story


async def _in_turn(pool, mutex, take):
    async with mutex:
        held = [await pool.alloc(GFP_KERNEL) for _ in range(take)]
    for element in held:
        await pool.free(element)


def in_turn(elements, tasks, take):
    """As `stampede`, but only the holder of a mutex takes."""
    def story(machine):
        pool, mutex = FORMS["2.5.1"].create(elements, Refusing(elements)), Mutex("pages")
        for number in range(tasks):
            machine.spawn(chr(ord("A") + number), _in_turn, pool, mutex, take)
    return story


async def _takes_at_once(pool, take):
    for element in await bulk(pool, take):
        await pool.free(element)


def at_once(elements, tasks, take):
    """As `stampede`, but with the allocation of several of 6.19."""
    def story(machine):
        pool = FORMS["2012"].create(elements, Refusing(elements))
        for number in range(tasks):
            machine.spawn(chr(ord("A") + number), _takes_at_once, pool, take)
    return story


class Composite:
    """An allocator of resync buffers, each with a header; where the headers come from is the question."""

    explored = ("headers",)

    def __init__(self, headers):
        self.headers = headers

    @might_sleep
    async def alloc(self, gfp):
        """A buffer with its header, which count as one thing here; sleeps as the source of headers does."""
        return await self.headers.alloc(gfp)

    @never_sleeps
    async def try_alloc(self, gfp):
        """The same, without sleeping."""
        return await self.headers.try_alloc(gfp)

    @never_sleeps
    async def free(self, element):
        """Back to where headers come from."""
        await self.headers.free(element)


def nested(plain_headers):
    """Two tasks take a resync buffer, then a header to write it with; do buffers draw on the pool of headers?"""
    def story(machine):
        memory = Refusing(3 if plain_headers else 2)
        headers = FORMS["2.5.1"].create(2, memory, name="headers")
        buffers = FORMS["2.5.1"].create(1, Composite(memory if plain_headers else headers), name="buffers")
        for name in "AB":
            machine.spawn(name, _two_pools, buffers, headers)
    return story


# == The bugs ==========================================================================================

BUGS = {bug.name: bug for bug in (
    Bug("pool not asked",
        "Reported by Suparna Bhattacharya, mended by patch D1, 14 December 2001: in interrupt context no was the "
        "answer before the pool had been looked into.",
        "One atomic caller, a full pool of 1, an allocator that refuses.",
        "a promise is broken", lambda: atomic("2.5.1-pre11"), lambda: atomic("2.5.1")),
    Bug("lost wake-up",
        "Seen with 16,384 threads, mended on 4 October 2002: tasks slept beside a full pool, because a free that "
        "finds it full wakes nobody.",
        "Pool of 1, two tasks that wait, memory there again before the one element comes back.",
        "deadlock", lambda: lost_wakeup("September 2002"), lambda: lost_wakeup("October 2002")),
    Bug("sleep through plenty",
        "Described by Andrew Morton in February 2003, bounded by the five seconds of 2006: a task sleeps on an empty "
        "pool while other memory is free.",
        "Pool of 1 whose element is kept for good, then one more element in the allocator. The cure is not free of "
        "harm: without its timer the task would sleep still.",
        "deadlock", lambda: plenty("2005"), lambda: plenty("2006"), left="only a timer can continue"),
    Bug("stampede",
        "Ingo Molnar's example of December 2001: each of 128 tasks holds one of 128 elements and waits for a second. "
        "Linux 6.19 has an allocation of several at once against it.",
        "Pool of 2, two tasks, each takes 2 one by one; in 6.19 all or none from the pool.",
        "deadlock", lambda: stampede(2, 2, 2), lambda: at_once(2, 2, 2)),
    Bug("dm-crypt",
        "2015, Linux commit 7145c241a1bf: two tasks that wanted 256 pages each from a pool of 256 stuck at half. The "
        "cure tries all without waiting, and waits only under a mutex.",
        "Pool of 3, two tasks, each takes 3. Here the mutex is held for every take, not for the slow path only.",
        "deadlock", lambda: stampede(3, 2, 3), lambda: in_turn(3, 2, 3)),
    Bug("f2fs",
        "One task held two bios of a set of two unsubmitted, and asked for a third.",
        "Pool of 2, one task takes 3; mended by a pool of 3.",
        "deadlock", lambda: stampede(2, 1, 3), lambda: stampede(3, 1, 3)),
    Bug("own list",
        "Since bios submitted inside a driver are only queued until the driver returns (2007), the first half of a "
        "split bio is not under way while the second is allocated; submitting children first mends it.",
        "Pool of 1, one task: two elements at once, or one after the other.",
        "deadlock", lambda: stampede(1, 1, 2), lambda: stampede(1, 1, 1, rounds=2)),
    Bug("stacked layers",
        "October 2010, swap over raid1: both layers took bios from one set of two. Linux commit a167f6632436 gave "
        "each array its own.",
        "Pool of 2, two tasks, two layers; or two pools of 2.",
        "deadlock", lambda: stacked(False), lambda: stacked(True)),
    Bug("nested pool",
        "Neil Brown, May 2003, kernel history 6bb5216752: raid1's resync took its headers from the pool of headers, "
        "and could exhaust it; a plain allocation mended it.",
        "Two headers, one buffer kept back, two tasks that take a buffer and then a header.",
        "deadlock", lambda: nested(False), lambda: nested(True)),
    *callers.BUGS, *shortage.BUGS,
)}
