"""summary: a recording in figures, and the figures in words.

`figures` runs a recording through the kit's allocators and returns plain data, as `--json` prints
it; `text` says the same to a reader.  Every number in the text is one of the data.
"""

from collections import Counter
from dataclasses import dataclass

from kit import gfp
from kit.linux.bios import run_bios
from kit.linux.flags import left_out
from kit.linux.procfs import ZoneRow, buddyinfo, cache_rows, zone_rows
from kit.linux.rerun import peak_bytes, peak_pages, run_objects, run_pages, unusable
from kit.memory.zones import MB


@dataclass(frozen=True)
class Pressure:
    """How the bios are run: the refusal rates to try in turn, the elements of each pool, and the seed."""

    refusals: tuple = (0.0, 0.5, 0.9, 1.0)
    elements: int = 2
    seed: int = 1


ORDINARY = Pressure()


def figures(recording, pressure=ORDINARY, progress=iter):
    """All figures of a recording, as dicts, lists and numbers that JSON can hold.

    progress: what the events, and then the refusal rates, are passed through on their way, such as a
    progress bar.
    """
    allocations = recording.allocations
    common = {
        "recording": recording.name, "kind": recording.kind, "events": len(recording),
        "allocations": len(allocations), "frees": len(recording) - len(allocations),
        "span_us": recording.span_us,
        "may_sleep": sum(1 for event in allocations if event.gfp & gfp.WAIT),
        "masks": _counted(gfp.spell(event.gfp) for event in allocations),
        "without_counterpart": _counted(name for event in allocations for name in left_out(event.flags)),
    }
    if recording.kind == "pages":
        return common | _page_figures(recording, progress)
    return common | _object_figures(recording, pressure, progress)


def _page_figures(recording, progress):
    run = run_pages(recording, progress=progress)
    rows = zone_rows(run.pages)
    counts = [sum(blocks) for blocks in zip(*(row.free for row in rows), strict=True)]
    orders = Counter(recording.allocations[block].order for block in run.held)
    return {
        "peak_pages": peak_pages(recording), "pages_held": sum(blocks << order for order, blocks in orders.items()),
        "orders": [{"order": order, "allocated": blocks, "held": orders[order]} for order, blocks in
                   sorted(Counter(event.order for event in recording.allocations).items())],
        "memory_pages": sum(zone.pages for zone in run.pages.zones), "refused": run.refused,
        "free_blocks": {row.zone: list(row.free) for row in rows},
        "unusable": [round(unusable(counts, order), 4) for order in range(len(counts))],
    }


def _object_figures(recording, pressure, progress):
    run = run_objects(recording, progress=progress)
    allocated = Counter(event.cache for event in recording.allocations)
    requested = Counter()
    for event in recording.allocations:
        requested[event.cache] += event.bytes_requested
    held = Counter(recording.allocations[number].cache for number in run.held)
    rows = sorted(cache_rows(run.caches.values()), key=lambda row: (-allocated[row.name], row.name))
    return {
        "peak_bytes": peak_bytes(recording), "refused": run.refused,
        "slab_pages": sum(cache.pages_held for cache in run.caches.values()),
        "caches": [{"name": row.name, "size": row.objsize, "objects_per_slab": row.objperslab,
                    "pages_per_slab": row.pagesperslab, "slabs": row.num_slabs,
                    "allocated": allocated[row.name], "held": held[row.name],
                    "asked_for": round(requested[row.name] / (allocated[row.name] * row.objsize), 4)}
                   for row in rows],
        "bios": [figure for refusal in progress(pressure.refusals)
                 for figure in _bio_figures(recording, refusal, pressure)],
    }


def _bio_figures(recording, refusal, pressure):
    run = run_bios(recording, pressure.elements, refusal, pressure.seed)
    return [{"refusal": refusal, "cache": name, "elements": pool.min_nr, "served": pool.served,
             "sleeps": run.sleeps[name], "waited_us": run.waited_us[name], "denied": run.denied[name],
             "all_took_us": run.took_us, "all_recorded_us": run.recorded_us}
            for name, pool in run.pools.items()]


def _counted(names):
    """How often each name occurs, the commonest first."""
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))


# == In words ======================================================================================


def text(data):
    """What `figures` returned, for a reader."""
    lines = [f"{data['recording']}: {data['events']:,} events of {data['kind']} in {data['span_us'] / 1e6:.3f} s "
             "on the real kernel",
             f"{data['allocations']:,} allocations, {data['frees']:,} frees; {data['may_sleep']:,} of the requests may "
             f"sleep, {data['allocations'] - data['may_sleep']:,} may not",
             "", *_table(("what a request permits, in the words of 2001", "requests"), data["masks"].items())]
    if data["without_counterpart"]:
        names = ", ".join(f"{name} {count:,}" for name, count in data["without_counterpart"].items())
        lines += ["", f"left out, for 2001 had no such flag: {names}"]
    return "\n".join([*lines, "", *(_page_text(data) if data["kind"] == "pages" else _object_text(data))]) + "\n"


def _page_text(data):
    rows = [ZoneRow(0, zone, tuple(free)) for zone, free in data["free_blocks"].items()]
    orders = [(line["order"], line["allocated"], line["held"]) for line in data["orders"]]
    return [f"at most {_mib(data['peak_pages'])} were in use at once, and {_mib(data['pages_held'])} still at the end",
            "", *_table(("order of the block", "allocated", "still held"), orders), "",
            f"through the kit's page allocator, {_mib(data['memory_pages'])} that were all free: "
            f"{data['refused']:,} requests refused; and then, as /proc/buddyinfo would say it,",
            "", *buddyinfo(rows).splitlines(), "",
            *_table(("a request of order", "cannot use this share of the free memory"),
                    [(order, f"{share:.1%}") for order, share in enumerate(data["unusable"])])]


def _object_text(data):
    columns = ("name", "size", "objects_per_slab", "pages_per_slab", "allocated", "held", "slabs")
    caches = [(*(cache[column] for column in columns), f"{cache['asked_for']:.0%}") for cache in data["caches"]]
    lines = [f"at most {data['peak_bytes'] / 1024:,.0f} KiB of objects were in use at once",
             f"through slab caches of the kit, with the layout of 2.5.1: {_mib(data['slab_pages'])} in slabs at the "
             f"end, {data['refused']:,} requests refused",
             "", *_table(("cache", "bytes", "objects a slab", "pages a slab", "allocated", "still held", "slabs",
                          "asked for"), caches)]
    return lines + (_bio_text(data["bios"]) if data["bios"] else ["", "no bio in it came from a mempool"])


def _bio_text(figures):
    rungs = [rung for rung in figures[0]["served"] if any(line["served"][rung] for line in figures)]
    rows = [(f"{line['refusal']:.0%}", line["cache"], *(line["served"][rung] for rung in rungs), line["sleeps"],
             f"{line['waited_us'] / 1e3:,.1f} ms", f"{line['all_took_us'] / 1e6:.3f} s") for line in figures]
    header = ("refused", "pool", *(f"by {rung}" for rung in rungs), "slept", "asking took", "all took")
    return ["", f"its bios through mempools of {figures[0]['elements']:,} elements, while the slab caches beneath "
                f"refuse; on the real kernel they took {figures[0]['all_recorded_us'] / 1e6:.3f} s",
            "", *_table(header, rows)]


def _table(header, rows):
    """The lines of a table: words to the left of their column, numbers to the right."""
    rows = [[f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in rows]
    columns = [_column([name, *cells]) for name, *cells in zip(header, *rows, strict=True)]
    return ["  " + "  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]


def _column(cells):
    width, words = max(map(len, cells)), cells[1][0].isalpha()
    return [cell.ljust(width) if words else cell.rjust(width) for cell in cells]


def _mib(pages):
    return f"{pages:,} pages ({pages / MB:,.1f} MiB)"
