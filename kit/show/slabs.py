"""slabs: the slabs of a cache, each a row from its first byte to its last, with every object in it."""

from collections import Counter

from kit.errors import BadInput
from kit.memory.zones import PAGE_SIZE
from kit.show.figure import PALETTE, picture

USED, KEPT, FREE, DATA = "in use", "free, kept by a CPU", "free", "the slab's own data"
STYLES = {USED: (PALETTE[0], ""), KEPT: (PALETTE[4], "///"), FREE: ("#FFFFFF", ""), DATA: (PALETTE[7], "xx")}
ROWS = 16


def slab_pages(cache, caption=""):
    """The slabs of a Cache by address, the first 16 of them, with their objects by state; white gaps are left over."""
    slabs = sorted(cache.slabs, key=lambda slab: slab.pfn)
    if not slabs:
        raise BadInput(f"{cache} has no slab yet: take an object from it first.")
    told = object_states(cache, slabs)
    layout = cache.geometry

    def paint(axes):
        for row, slab in enumerate(slabs[:ROWS]):
            _slab(axes, row, slab, told[slab.pfn])
            counts = Counter(told[slab.pfn].values())
            axes.text(layout.pages * PAGE_SIZE * 1.01, row, f"{counts[USED]} of {layout.objects} in use", va="center",
                      fontsize=8.5)
        for page in range(layout.pages + 1):
            axes.axvline(page * PAGE_SIZE, color="#222222", linewidth=0.8, linestyle=":")
        axes.set_yticks(range(len(slabs[:ROWS])), [f"page {slab.pfn}" for slab in slabs[:ROWS]])
        axes.set(xlim=(-20, layout.pages * PAGE_SIZE * 1.16), ylim=(min(len(slabs), ROWS) - 0.4, -0.6))
        axes.set_xticks([page * PAGE_SIZE for page in range(layout.pages + 1)])
        axes.set_xlabel(f"bytes from the start of the slab; objects of {layout.size:,} bytes")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.legend(*_legend(layout), loc="upper center", bbox_to_anchor=(0.5, -0.35 if len(slabs) < 4 else -0.2),
                    ncols=4, frameon=False)

    return picture(paint, _sentence(cache, slabs, told), caption, (9.0, 1.3 + 0.34 * min(len(slabs), ROWS)))


def object_states(cache, slabs):
    """What each object is, by its address, for each slab by its first page."""
    kept = {obj for array in cache.arrays for obj in array}
    return {slab.pfn: {obj: USED if obj in cache.live else KEPT if obj in kept else FREE for obj in slab.objects}
            for slab in slabs}


def _slab(axes, row, slab, told):
    base, layout = slab.pfn * PAGE_SIZE, slab.cache.geometry
    for state in (USED, KEPT, FREE):
        spans = [(obj - base, layout.size) for obj, each in told.items() if each == state]
        _bars(axes, row, spans, state)
    if layout.front:
        _bars(axes, row, [(slab.colour, layout.front)], DATA)
    axes.broken_barh([(0, layout.pages * PAGE_SIZE)], (row - 0.36, 0.72), facecolor="none", edgecolor="#222222")


def _bars(axes, row, spans, state):
    colour, hatch = STYLES[state]
    axes.broken_barh(spans, (row - 0.36, 0.72), facecolor=colour, hatch=hatch, edgecolor="#444444", linewidth=0.5)


def _legend(layout):
    from matplotlib.patches import Patch
    shown = [state for state in STYLES if layout.front or state != DATA]
    return [Patch(facecolor=STYLES[state][0], hatch=STYLES[state][1], edgecolor="#444444") for state in shown], shown


def _sentence(cache, slabs, told):
    layout = cache.geometry
    counts = Counter(state for slab in told.values() for state in slab.values())
    rows = " ".join(f"Slab at page {slab.pfn}: {list(told[slab.pfn].values()).count(USED)} in use, "
                    f"{slab.colour} bytes of colour." for slab in slabs[:ROWS])
    more = f" {len(slabs) - ROWS:,} more slabs are not drawn." if len(slabs) > ROWS else ""
    objects = ", ".join(f"{counts[state]:,} {state}" for state in (USED, KEPT, FREE))
    return (f"{len(slabs):,} slabs of {cache}, each of order {layout.order}, with {layout.objects} objects of "
            f"{layout.size:,} bytes: {objects}. {rows}{more}")
