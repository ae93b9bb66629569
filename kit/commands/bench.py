"""python -m kit bench: how fast the kit is, as ratios that hold on any machine.

Nanoseconds say little about a machine that others use as well, so each row is measured beside what it
is compared with, turn about in one run, and the best of several rounds counts on either side.  The
measures are an empty alloc and free (a method call each) and the same work done by SimPy, a widely
used simulator of discrete events.

A row beyond its limit is printed as a miss.  Nothing else follows from it: whether a readable function
is worth more than a ratio is for a person to say.
"""

import json
from dataclasses import dataclass

from kit.commands import measures
from kit.errors import BadInput


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


ROWS = (
    Row("step", 0.5, "SimPy time-outs", measures.step),
    Row("step-in-turn", 0.5, "SimPy time-outs, four at once", measures.step_in_turn),
    Row("lock", 1 / 3, "SimPy Resource cycles", measures.lock_cycle),
    Row("lock-fought-over", 1 / 3, "SimPy Resource cycles, two at once", measures.lock_fought_over),
    Row("churn", 20, "empty alloc and free pairs", measures.churn),
    Row("churn-watched", 40, "empty alloc and free pairs", measures.churn_watched),
    Row("churn-sizes", 2, "times the price at 2^12 pages", measures.churn_sizes),
    Row("storm", 2, "times the price of churn", measures.storm),
    Row("slab", 8, "empty alloc and free pairs", measures.slab),
    Row("pressure-sizes", 2, "times the price of a turn at 2^10 pages", measures.pressure_sizes),
    Row("build-pages", 0.2, "s", measures.recorded_build),
    Row("boot", 50, "ms", measures.boot),
    Row("boot-memory", 64, "MiB", measures.boot_memory),
    Row("import", 60, "ms", measures.importing),
)
