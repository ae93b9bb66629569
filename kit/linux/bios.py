"""bios: the block requests of a recorded workload, through mempools that are short of memory.

A bio describes one transfer between memory and a disk; a biovec is the list of its pages.  Both come
from mempools, in Linux 6.18 as in 2.5.1, and the recordings show only the ladder's first rung, for
the machine they were made on had memory enough.  Here it has not: each cache gets a pool of a few
elements over a slab cache that refuses, and the counters tell which rung served.

    bios(recording)         when each was asked for, and for how long the disk had it
    run_bios(recording)     the same requests on the machine of the kit, with pressure turned up

Every recorded CPU becomes a task that asks at the recorded times; an interrupt gives the element
back as long after that as the recording says.  Whoever has to sleep comes late with all that follows.

Two things the recording does not say are assumed.  A caller whose mask had no __GFP_FS asks with
GFP_NOIO here (it may have been GFP_NOFS).  And a disk is as fast with one request as with many.
"""

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from kit import gfp, trace, traps
from kit.errors import BadInput
from kit.locks import WaitQueue
from kit.machine.core import MICROSECOND, Machine
from kit.memory.failing import Failing, seeded
from kit.memory.mempool import MAIL, Mempool
from kit.memory.slab import Cache
from kit.memory.zones import MB, Pages
from kit.traps import sleep

MOST = 4_096            # elements of a pool: 64 MiB beneath hold that many of the largest


class Bio(NamedTuple):
    """An element that a mempool gave: `Bio(32956, 0, "bio-184", 192, GFP_NOIO, 3036)`."""

    time_us: int
    cpu: int
    cache: str          # a pool of its own for each
    size: int           # bytes
    gfp: int            # the mask of whoever asked the pool, as far as it can be told
    held_us: int        # from the request until an interrupt gave it back


def bios(recording):
    """The bios and biovecs of a recording of objects, in the order in which they were asked for.

    Left out are scatterlists, which share caches with biovecs (__sg_free_table frees them), and what
    was still in use at the end.
    """
    if recording.kind != "objects":
        raise BadInput(f"{recording.name} is a recording of pages; bios are slab objects. "
                       f"Try {recording.name.replace('pages', 'objects')}.")
    asked, found = {}, []
    for event in recording:
        if event.event == "alloc" and event.caller.startswith("mempool_alloc") and event.cache.startswith("bio"):
            asked[event.object] = event
        elif event.event == "free" and event.object in asked and event.caller != "__sg_free_table":
            ask = asked[event.object]
            found.append(Bio(ask.time_us, ask.cpu, ask.cache, ask.bytes_allocated, _callers_mask(ask.gfp),
                             event.time_us - ask.time_us))
    return sorted(found, key=lambda bio: bio.time_us)


def _callers_mask(first_rung):
    """The mask of a caller whose first rung asked with `first_rung` (data/README.md)."""
    if first_rung & gfp.HIGH:
        return gfp.GFP_ATOMIC
    return gfp.GFP_KERNEL if first_rung & gfp.FS else gfp.GFP_NOIO


# == Under pressure ================================================================================


@dataclass
class BioRun:
    """What came of the bios of one recording; the dicts are by cache, in the order of first use."""

    pools: dict             # the Mempool of each cache, as the run left it; its `served` counts by rung
    sleeps: dict            # how often somebody slept on it
    waited_us: dict         # virtual microseconds from asking to getting, all requests together
    denied: dict            # requests of callers who may not wait that got nothing
    took_us: int            # virtual time from the first request to the last completion
    recorded_us: int        # what the real machine took for the same


def run_bios(recording, elements=2, refusal=0.0, seed=1, ladder=MAIL):
    """Run the bios of a recording through mempools on a machine; returns a BioRun.

    elements: what each pool keeps back (2 in Linux 6.18, 256 in 2.5.1).  refusal: the probability with
    which the slab cache beneath a pool refuses, whether or not its caller may wait; the pools are
    filled before that begins.  seed: decides which requests it refuses.
    """
    if not 0 <= elements <= MOST:
        raise BadInput(f"a pool of {elements:,} elements is asked for; here it keeps 0 to {MOST:,} back.")
    requests = bios(recording)
    pools = _pools({bio.cache: bio.size for bio in requests}, elements, refusal, seed, ladder)
    workload = _Workload(pools)
    with trace.watch() as trail:
        took_us = workload.run(requests)
    slept = Counter(event.label for event in trail.only("sleep"))
    recorded_us = max(bio.time_us + bio.held_us for bio in requests) - requests[0].time_us if requests else 0
    return BioRun(pools, {name: slept[pool.wait.name] for name, pool in pools.items()},
                  {name: round(ns / MICROSECOND) for name, ns in workload.waited_ns.items()},
                  workload.denied, took_us, recorded_us)


def _pools(sizes, elements, refusal, seed, ladder):
    pages, pools = Pages(64 * MB), {}
    for number, (name, size) in enumerate(sizes.items()):
        cache = Cache(name, size, pages)
        pools[name] = Mempool.create(elements, cache, ladder=ladder, name=name)
        pools[name].backing = Failing(cache, seeded(refusal, seed + number))
    return pools


class _Workload:
    """Tasks that ask at the recorded times, and a disk that answers by interrupt."""

    def __init__(self, pools):
        self.pools, self.machine = pools, Machine()
        self.waited_ns, self.denied = dict.fromkeys(pools, 0), dict.fromkeys(pools, 0)
        self.in_flight = 0
        self.clock = WaitQueue("clock")
        self.idle = WaitQueue("idle", "The disk wakes it when it has nothing more to do.")

    def run(self, requests):
        """The virtual microseconds from the first request to the last completion."""
        for cpu in sorted({bio.cpu for bio in requests}):
            self.machine.spawn(f"cpu {cpu}", self.ask, [bio for bio in requests if bio.cpu == cpu])
        self.machine.run()
        return round(self.machine.time() / MICROSECOND) - requests[0].time_us if requests else 0

    async def ask(self, requests):
        machine = self.machine
        for bio in requests:
            await self.until(bio.time_us * MICROSECOND)
            pool, asked = self.pools[bio.cache], machine.time()
            element = await pool.alloc(bio.gfp)
            self.waited_ns[bio.cache] += machine.time() - asked
            if element is None:
                self.denied[bio.cache] += 1
                continue
            self.in_flight += 1
            machine.interrupt("disk", self.complete, pool, element, cpu=traps.current.cpu.number,
                              after=bio.held_us * MICROSECOND)
        with self.idle.queued():
            if self.in_flight:
                await sleep(self.idle)

    async def until(self, time):
        if time > self.machine.time():
            with self.clock.queued():
                await sleep(self.clock, timeout=time - self.machine.time())

    async def complete(self, pool, element):
        await pool.free(element)
        self.in_flight -= 1
        if not self.in_flight:
            self.idle.wake_all()
