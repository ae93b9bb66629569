"""python -m kit bench: how fast the kit is, as ratios that hold on any machine.

Nanoseconds say little about a machine that others use as well, so each row is measured beside what it
is compared with, turn about in one run, and the best of several rounds counts on either side.  The
measures are an empty alloc and free (a method call each) and the same work done by SimPy, a widely
used simulator of discrete events.

A row beyond its limit is printed as a miss.  Nothing else follows from it: whether a readable function
is worth more than a ratio is for a person to say.
"""

import gc
import json
import random
import subprocess
import sys
import time
import tracemalloc
from dataclasses import dataclass

from kit.errors import BadInput

ROUNDS = 7


def add_parser(subparsers):
    """Put `bench` and its options on the command line."""
    parser = subparsers.add_parser(
        "bench", help="measure how fast the kit is, as ratios",
        description="Measure the machine and the allocators against an empty call and against SimPy, in one run.")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="only the rows whose names begin so")
    parser.set_defaults(func=run)


def run(args):
    """Measure, and print a line a row as soon as it is there."""
    chosen = [row for row in ROWS if not args.rows or row.name.startswith(tuple(args.rows))]
    if not chosen:
        raise BadInput(f"no row begins with {' or '.join(args.rows)}. The rows: {', '.join(row.name for row in ROWS)}.")
    figures = []
    for row in chosen:
        figures.append(row.figures())
        if not args.json:
            print(line(figures[-1]), flush=True)
    if args.json:
        print(json.dumps(figures, indent=1))


def line(figures):
    """One row as text."""
    if "left out" in figures:
        return f"{figures['name']:<24} left out: {figures['left out']}"
    verdict = "ok  " if figures["value"] <= figures["limit"] else "MISS"
    return (f"{figures['name']:<24} {figures['value']:>8.2f} of at most {figures['limit']:<6g} {verdict} "
            f"{figures['unit']}   ({figures['beside']})")


@dataclass
class Row:
    """One figure: `measure()` gives it and a remark on what it was made from."""

    name: str
    limit: float
    unit: str
    measure: object

    def figures(self):
        """The row as plain data."""
        try:
            value, beside = self.measure()
        except ImportError:
            return {"name": self.name, "left out": "SimPy is not installed (pip install -e '.[bench]')"}
        return {"name": self.name, "value": round(value, 3), "limit": self.limit, "unit": self.unit, "beside": beside}


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
    return peak / 2**20, f"{now / 2**20:.1f} MiB kept, for {memory!r}"


def importing():
    """`import kit` over a bare interpreter: milliseconds."""
    best = [float("inf")] * 2
    for _ in range(ROUNDS):
        for side, code in enumerate(("import kit", "")):
            command = [sys.executable, "-c", code]
            best[side] = min(best[side], seconds(lambda command=command: subprocess.run(command, check=True)))
    return (best[0] - best[1]) * 1e3, f"{best[0] * 1e3:.0f} ms against {best[1] * 1e3:.0f} ms"


ROWS = (
    Row("step", 0.5, "SimPy time-outs", step),
    Row("step-in-turn", 0.5, "SimPy time-outs, four at once", step_in_turn),
    Row("lock", 1 / 3, "SimPy Resource cycles", lock_cycle),
    Row("lock-fought-over", 1 / 3, "SimPy Resource cycles, two at once", lock_fought_over),
    Row("churn", 20, "empty alloc and free pairs", churn),
    Row("churn-watched", 40, "empty alloc and free pairs", churn_watched),
    Row("churn-sizes", 2, "times the price at 2^12 pages", churn_sizes),
    Row("storm", 2, "times the price of churn", storm),
    Row("slab", 8, "empty alloc and free pairs", slab),
    Row("build-pages", 0.2, "s", recorded_build),
    Row("boot", 50, "ms", boot),
    Row("boot-memory", 64, "MiB", boot_memory),
    Row("import", 60, "ms", importing),
)
