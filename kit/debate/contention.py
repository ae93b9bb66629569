"""contention: a recorded load on 1 to 64 CPUs: what all of them touch, and who waits for whom.

The ground of M4 and L7.  Each CPU has a task that does what was recorded in a stretch of a build, at the
recorded times; who had to wait comes late with all that follows.  What the recording frees again is
allocated by a *user*, for whom memory is kept back (kept_back.py).  What it never frees is page cache,
which anybody allocates, and clean.  So nobody's need is without end, and there is memory for what all
need at once.  How short it is says what it holds at the start: it is free, or full of clean pages, and
then kswapd and direct reclaim drop them as it goes.

A squeeze that does not end is made with bios: those of a recorded journal, which interrupts give back as
late as recorded, from a slab cache that refuses a share of all requests.  There is one pool for all CPUs,
as in fs/bio.c; the arrays of free objects that each CPU has are the cache's lists.

Time passes between the recorded events, in the machine's steps, and in locks.  What matters is how dense
the calls are beside what a lock costs; so the recorded times can be divided by a number (100 x).

Left out: what it costs to get a lock from another CPU's cache, which grows with their number; the lock
of the page cache's lists, which whoever reclaims takes as well; recorded blocks of more than one page.
"""

from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from random import Random
from typing import NamedTuple

from kit import traps
from kit.debate.kept_back import BATCH, KEPT, Bios, World
from kit.gfp import GFP_KERNEL
from kit.linux import bios, read
from kit.machine.core import MICROSECOND, Machine
from kit.memory.pcp import PerCpuZone
from kit.memory.reclaim import kswapd
from kit.memory.zones import Zone, watermark
from kit.traps import step

STEP_NS = LOCK_NS = 20      # a rung is a step more, and is to cost no more than what it may save
EVENTS = 100            # of the recording, for each CPU
STRIDE = 22_553         # recorded events from task to task: most of the recording, so that they differ in what they do
LIST = 6 * BATCH        # the most pages on a CPU's list


@dataclass(frozen=True)
class Count:
    """What one run counted: for 100 calls, an alloc or a free each, unless it says otherwise."""

    in_alloc: float     # the pool's lock was taken there
    in_free: float
    beneath: float      # the zone's lock was taken, or the cache's
    touches: float      # the ledger was asked or told
    refused: float      # percent of the users' requests that the pool's first rung could not serve
    waiting: float      # percent of the CPUs' time that went by in waiting for a lock, asleep or in asking again

    @property
    def turns(self):
        """How often CPUs had to take turns."""
        return self.in_alloc + self.in_free + self.beneath


class Timed(Machine):
    """A machine that adds up how long its tasks were asleep."""

    def __init__(self, step_ns, lock_ns):
        super().__init__(step_ns=step_ns, lock_ns=lock_ns)
        self.slept_ns = 0

    def woken(self, task):
        """As that of Machine."""
        self.slept_ns += 0 if task.daemon else self.time() - task.since
        super().woken(task)


def measure(seed, way, cpus, lists, free, faster, lock_ns=LOCK_NS, look_ns=0):
    """The Count of one run on pages.

    lists: whether CPUs have lists of free pages.  free: the share of the memory needed that is free at
    the start; the rest is clean.  faster: the recorded times are divided by it.  lock_ns: what taking a
    lock and giving it back costs; look_ns: by how much a look into a ledger lengthens that.
    """
    stretches = [stretch(seed, number) for number in range(cpus)]
    world, machine = _world(way, lists, stretches, free), Timed(STEP_NS, lock_ns)
    if world.ledger:
        world.ledger.look_ns = look_ns
    machine.spawn("kswapd", kswapd, world.vm, cpu=cpus, daemon=True)
    return _run(world, machine, [(work, number, events, faster) for number, events in enumerate(stretches)])


def measure_bios(seed, way, cpus, lists, refused, faster, lock_ns=LOCK_NS):
    """The Count of one run on bios; lists: of free objects; refused: the share of requests that get none beneath."""
    loads = [(write, requests(seed, number), faster) for number in range(cpus)]
    return _run(Bios(way, lists, refused, seed), Timed(STEP_NS, lock_ns), loads)


def _run(world, machine, loads):
    before = _counters(world)
    tasks = [machine.spawn(f"task {cpu}", load, world, *more, cpu=cpu) for cpu, (load, *more) in enumerate(loads)]
    machine.run()
    machine.close()
    beneath, pool, touches, waited = (after - earlier for after, earlier in zip(_counters(world), before, strict=True))
    per_100 = 100 / world.calls
    served = world.pool.served if world.pool else {"ASK": 1}
    return Count(world.looks * per_100, (pool - world.looks) * per_100, beneath * per_100, touches * per_100,
                 100 - 100 * served["ASK"] / max(1, sum(served.values())),
                 100 * (waited + machine.slept_ns) / sum(task.cpu.clock for task in tasks))


def _counters(world):
    locks = [world.beneath, world.pool.lock] if world.pool else [world.beneath]
    return (world.beneath.acquisitions, world.pool.lock.acquisitions if world.pool else 0,
            world.ledger.touches if world.ledger else 0, sum(lock.waited_ns for lock in locks) + world.round_ns)


# == What is swept =================================================================================


class Setting(NamedTuple):
    """What measure and measure_bios are told."""

    cpus: int
    lists: bool
    pressure: float     # what they call free, or refused
    faster: int


def settings(pressure, cpus, faster):
    """All Settings of these, the first pressure first, without lists and with."""
    return [Setting(number, lists, each, times) for each in pressure for times in faster for number in cpus
            for lists in (False, True)]


def setting(cpus, lists, pressure, faster, load="pages"):
    """A Setting in words: what is asked for and how short it is, then how many ask, and how densely."""
    how_short = f"bios {pressure:.0%} refused"
    if load == "pages":
        how_short = {1: "pages free", 0: "pages clean"}.get(pressure, f"pages {1 - pressure:.0%} clean")
    return f"{how_short}, {cpus} CPU{'s' * (cpus > 1)}{', lists' * lists}{f', {faster} x' * (faster != 1)}"


def is_of_a_higher_order(share, beside):
    """Whether this percentage, of time or of calls, is more than a tenth, and more than twice the one beside it."""
    return share > max(10, 2 * beside)


# == Pages =========================================================================================


def _world(way, lists, stretches, free):
    """A memory for what all stretches need at once, some of it full of clean pages."""
    needed = sum(_needed(events) for events in stretches) + (LIST * (len(stretches) + 1) if lists else 0)
    pages = needed + KEPT
    while pages < needed + KEPT + 3 * watermark(pages):
        pages += 1          # the marks are on top of it
    world = World(way, with_lists if lists else Zone, pages)
    for number in range(round((1 - free) * needed)):
        world.keep_clean(("old", number), world.zone.take(0))
    world.zone.empty_lists()
    return world


def with_lists(*zone):
    """A zone of any size whose CPUs have lists as in one of 256 MB."""
    return PerCpuZone(*zone, batch=BATCH)


async def work(world, number, events, faster):
    """What one CPU does: the recorded events, at their times, then everything is freed."""
    held = {}
    for time, block, comes_back in events:
        await _until(time // faster)
        world.calls += 1
        if block in held:
            await world.free(held.pop(block))
        elif comes_back:
            held[block] = await world.alloc()
        else:
            world.keep_clean((number, block), await world.pages.alloc(GFP_KERNEL))
    for page in held.values():
        world.calls += 1
        await world.free(page)


async def _until(time):
    cpu = traps.current.cpu
    cpu.clock = max(cpu.clock, time)
    await step("the next event")


@cache
def stretch(seed, number):
    """EVENTS recorded events, from where the seed and the number say: (ns, block, whether it is ever freed).

    Frees of what was allocated before are passed over, and their time goes by.
    """
    events, ever_freed = _single_pages()
    place = Random(seed).randrange(len(events)) + number * STRIDE
    found, held, time, last = [], set(), 0, events[place % len(events)].time_us
    while len(found) < EVENTS:
        event = events[place % len(events)]
        place += 1
        time += max(0, event.time_us - last) * MICROSECOND      # after the last event comes the first
        last = event.time_us
        if event.event == "alloc":
            held.add(event.block)
        if event.block in held:
            found.append((time, event.block, event.block in ever_freed))
    return found


@cache
def _single_pages():
    events = [event for event in read("build-pages") if event.order == 0]
    return events, {event.block for event in events if event.event == "free"}


def _needed(events):
    """How many pages a stretch needs at once, counting those that become page cache."""
    held, most, clean = set(), 0, 0
    for _, block, comes_back in events:
        if comes_back:
            held ^= {block}
            most = max(most, len(held))
        else:
            clean += 1
    return most + clean


# == Bios ==========================================================================================


async def write(world, asked, faster):
    """What one CPU does: asks for bios at the recorded times; an interrupt frees each as late as recorded."""
    machine, cpu = traps.current.world, traps.current.cpu.number
    for time, held in asked:
        await _until(time // faster)
        world.calls += 1
        machine.interrupt(f"disk {cpu}", _done, world, await world.alloc(), cpu=cpu, after=held // faster)


async def _done(world, bio):
    world.calls += 1
    await world.free(bio)


@cache
def requests(seed, number):
    """EVENTS bios of a journal, the `number`-th such from where the seed says: (ns from the first, ns held)."""
    every = _recorded_bios()
    place = Random(seed).randrange(len(every)) + number * EVENTS
    some = [every[each % len(every)] for each in range(place, place + EVENTS)]
    gaps = [max(0, bio.time_us - last.time_us) for last, bio in zip(some, some[1:], strict=False)]
    times = accumulate([0, *gaps])
    return [(time * MICROSECOND, bio.held_us * MICROSECOND) for time, bio in zip(times, some, strict=True)]


@cache
def _recorded_bios():
    return [bio for bio in bios(read("journal-objects")) if bio.cache == "bio-184"]
