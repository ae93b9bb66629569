"""measures: what `python -m kit bench` measures, each as a function that gives a figure and a remark.

Two things that are compared run turn about in one process, and the best of several rounds counts on
either side: what the machine does otherwise can only make a round slower.
"""

import gc
import random
import subprocess
import sys
import time
import tracemalloc
from contextlib import suppress

ROUNDS = 7

# == Measuring =====================================================================================


def ratio(work, measure, calls, measure_calls=None):
    """How many times dearer `work` is than `measure`, per call: both run turn about, the best counts.

    Each is a function that gets ready and returns the function to be timed.
    """
    best = [float("inf")] * 2
    for _ in range(ROUNDS):
        for side, prepare in enumerate((work, measure)):
            best[side] = min(best[side], seconds(prepare()))
    one, other = best[0] / calls, best[1] / (measure_calls or calls)
    return one / other, f"{one * 1e9:,.0f} ns against {other * 1e9:,.0f} ns"


def seconds(function):
    """How long `function()` takes, without a garbage collection in between."""
    gc.collect()
    gc.disable()
    try:
        begin = time.perf_counter()
        function()
        return time.perf_counter() - begin
    finally:
        gc.enable()


# == The machine, beside SimPy =====================================================================

TURNS = 20_000


def step():
    """A step of a machine, beside a time-out of SimPy: one task, one process."""
    return ratio(lambda: _machine(_steps, 1), lambda: _simpy(_timeouts, 1), TURNS)


def step_in_turn():
    """The same with four CPUs, which take turns after every step, and four processes."""
    return ratio(lambda: _machine(_steps, 4), lambda: _simpy(_timeouts, 4), TURNS)


def lock_cycle():
    """Lock, hold, unlock, beside a Resource of SimPy: nobody else wants it."""
    return ratio(lambda: _machine(_lock_cycles, 1), lambda: _simpy(_resource_cycles, 1), TURNS)


def lock_fought_over():
    """The same with two tasks, and two processes, that want it all the time."""
    return ratio(lambda: _machine(_lock_cycles, 2), lambda: _simpy(_resource_cycles, 2), TURNS)


def _machine(function, tasks):
    from kit.locks import Spinlock
    from kit.machine.core import Machine
    machine, lock = Machine(), Spinlock("lock")
    for _ in range(tasks):
        machine.spawn("task", function, TURNS // tasks, lock)
    return machine.run


async def _steps(turns, lock):
    from kit.traps import step
    for _ in range(turns):
        await step("on")


async def _lock_cycles(turns, lock):
    from kit.traps import step
    for _ in range(turns):
        async with lock:
            await step("hold")


def _simpy(function, tasks):
    import simpy
    env = simpy.Environment()
    resource = simpy.Resource(env)
    for _ in range(tasks):
        env.process(function(env, TURNS // tasks, resource))
    return env.run


def _timeouts(env, turns, resource):
    for _ in range(turns):
        yield env.timeout(1)


def _resource_cycles(env, turns, resource):
    for _ in range(turns):
        with resource.request() as request:
            yield request
            yield env.timeout(1)


# == The allocators, beside an empty call ==========================================================

PAIRS = 20_000


class Empty:
    """An allocator that does nothing: what two method calls cost."""

    def take(self, gfp, order):
        """Nothing."""

    def put(self, element, order):
        """Nothing."""


def _empty():
    allocator = Empty()

    def pairs():
        for _ in range(PAIRS):
            allocator.put(allocator.take(0, 0), 0)
    return pairs


def _churn(pages):
    """Free a random live page of a half-full memory and take another, over and over."""
    from kit.gfp import GFP_ATOMIC
    from kit.memory.zones import Pages
    memory, chance = Pages(pages), random.Random(1)
    live = [memory.take(GFP_ATOMIC, 0) for _ in range(pages // 2)]
    picks = [chance.randrange(len(live)) for _ in range(PAIRS)]

    def pairs():
        put, take = memory.put, memory.take
        for pick in picks:
            put(live[pick], 0)
            live[pick] = take(GFP_ATOMIC, 0)
    return pairs


def _watched(prepare):
    """The same work with somebody watching."""
    from kit.trace import watch
    pairs = prepare()

    def watched():
        with watch():
            pairs()
    return watched


def churn():
    """A page freed and allocated in a half-full memory of 2^16."""
    return ratio(lambda: _churn(1 << 16), _empty, PAIRS)


def churn_watched():
    """The same with tracing on."""
    return ratio(lambda: _watched(lambda: _churn(1 << 16)), _empty, PAIRS)


def churn_sizes():
    """2^18 pages beside 2^12."""
    return ratio(lambda: _churn(1 << 18), lambda: _churn(1 << 12), PAIRS)


def storm():
    """Free every odd page of a full memory, so that nothing can be merged; beside churn, per operation."""
    pages = 1 << 16
    return ratio(lambda: _storm(pages), lambda: _churn(pages), pages // 2, 2 * PAIRS)


def _storm(pages):
    from kit.gfp import GFP_ATOMIC, PF_MEMALLOC
    from kit.memory.zones import Pages
    from kit.traps import PROMPT
    memory, before = Pages(pages), PROMPT.flags
    PROMPT.flags |= PF_MEMALLOC         # down to the last page, past every watermark
    while memory.take(GFP_ATOMIC, 0) is not None:
        pass
    PROMPT.flags = before
    odd = range(1, pages, 2)

    def free():
        put = memory.put
        for page in odd:
            put(page, 0)
    return free


def slab():
    """An object of a cache with a per-CPU array."""
    return ratio(_objects, _empty, PAIRS)


def _objects():
    from kit.gfp import GFP_ATOMIC
    from kit.memory.slab import Cache
    from kit.memory.zones import Pages
    cache = Cache("bench", 128, Pages(1 << 12), limit=252)
    cache.put(cache.take(GFP_ATOMIC))

    def pairs():
        take, put = cache.take, cache.put
        for _ in range(PAIRS):
            put(take(GFP_ATOMIC))
    return pairs


# == The whole =====================================================================================


def recorded_build():
    """The pages of a recorded build, the reading of the file included: seconds."""
    from kit.linux import recording, summary
    best = min(seconds(lambda: summary.figures(recording.read("build-pages"))) for _ in range(ROUNDS))
    return best, "the real kernel spent 0.20 s on it"


def pressure_sizes():
    """A turn of a machine that has to write its memory out: 2^18 pages beside 2^10."""
    small, large = (min(_turns_under_pressure(pages) for _ in range(3)) / TURNS for pages in (1 << 10, 1 << 18))
    return large / small, f"{large * 1e9:,.0f} ns against {small * 1e9:,.0f} ns"


def _turns_under_pressure(pages):
    """Four writers fill all of memory; then TURNS turns, while pages are reclaimed and written: seconds."""
    from kit.drivers.stories import Pressure
    story = Pressure(supply="mempool", lowmem=pages // 4, highmem=pages - pages // 4, cluster=32, reserve=64,
                     pages_min=min(255, max(20, pages // 128)), each=pages)
    while not story.cache.writing:
        _take_turns(story.machine, 5_000)
    return seconds(lambda: _take_turns(story.machine, TURNS))


def _take_turns(machine, turns):
    from kit.machine.core import NoEnd
    with suppress(NoEnd):
        machine.run(turns=turns)


def boot():
    """2^18 page frames: milliseconds."""
    from kit.memory.zones import Pages
    return min(seconds(lambda: Pages(1 << 18)) for _ in range(ROUNDS)) * 1e3, f"best of {ROUNDS}"


def boot_memory():
    """2^18 page frames: MiB."""
    from kit.memory.zones import Pages
    tracemalloc.start()
    try:
        memory = Pages(1 << 18)
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak / 2**20, f"{now / 2**20:.1f} MiB kept, {memory.total_pages:,} frames"


def importing():
    """`import kit` over a bare interpreter: milliseconds."""
    best = [float("inf")] * 2
    for _ in range(ROUNDS):
        for side, code in enumerate(("import kit", "")):
            command = [sys.executable, "-c", code]
            best[side] = min(best[side], seconds(lambda command=command: subprocess.run(command, check=True)))
    return (best[0] - best[1]) * 1e3, f"{best[0] * 1e3:.0f} ms against {best[1] * 1e3:.0f} ms"
