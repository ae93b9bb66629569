"""memory: where the pages are, and how long the free runs among them.

A map has a square for each page, with a mark for its state, and lines around free blocks.  Of a large
memory a square is a run of pages, a power of two of them, and shows what most of them are.
"""

from collections import Counter

from kit.show.figure import HATCHES, PALETTE, picture

FREE, CLEAN, DIRTY, WRITING, BUSY, OUT = "free", "clean cache", "dirty", "under write-out", "cache in use", "handed out"
STYLES = {      # colour and mark of each state; from light to dark, so that grey tells them apart too
    FREE: ("#FFFFFF", ""), CLEAN: ("#C6E5F7", "."), BUSY: (PALETTE[4], "|"), DIRTY: (PALETTE[1], "x"),
    WRITING: (PALETTE[5], "^"), OUT: ("#555555", ""),
}
COLUMNS, SQUARES = 64, 2048


def states(memory):
    """The state of each page, by zone: {"NORMAL": [FREE, OUT, ...]}; memory as memory_map takes it."""
    pages, cache = _parts(memory)
    cached = {page.pfn: page for page in getattr(cache, "cached", {}).values()}
    return {zone.name: _states(zone, cached) for zone in pages.zones}


def _parts(memory):
    """The page allocator and the page cache, if there is one, of a Vm, a PageCache or Pages."""
    cache = getattr(memory, "cache", memory)
    return getattr(cache, "pages", memory), cache


def _states(zone, cached):
    told = [OUT] * zone.pages
    for pfn, page in cached.items():
        if zone.start <= pfn < zone.end:
            told[pfn - zone.start] = _state(page)
    for first, pages in _free_runs(zone):
        told[first:first + pages] = [FREE] * pages
    return told


def _state(page):
    if page.writing or page.dirty:
        return WRITING if page.writing else DIRTY
    return CLEAN if page.droppable else BUSY


def _free_runs(zone):
    """(first page, pages) of each free block; pages count from the start of the zone."""
    return [(first, 1 << order) for order, blocks in enumerate(zone.buddy.free) for first in blocks]


def memory_map(memory, caption=""):
    """A square for each page, by state, zone by zone.  memory: Pages, or a Vm or PageCache over them.

    Free blocks are framed; what a CPU keeps on a list of its own counts as handed out.  Of more than
    2,048 pages each square is several, and shows the state that most of them have, the first if two are even.
    """
    told = states(memory)
    total = sum(map(len, told.values()))
    each = 1
    while total > each * SQUARES:
        each *= 2
    rows, ticks = _rows(told, each)
    counts = Counter(state for zone in told.values() for state in zone)
    zones = _parts(memory)[0].zones
    square = f"Each square is {each:,} pages, and shows what most of them are." if each > 1 else ""

    def paint(axes):
        axes.set_title(square, fontsize=9, loc="left")
        _squares(axes, rows)
        if each == 1:
            _frames(axes, zones, dict(ticks))
        axes.set_yticks([row for row, _ in map(reversed, ticks)], [name for name, _ in ticks])
        axes.set(xlim=(-0.6, COLUMNS - 0.4), ylim=(len(rows) - 0.4, -0.6), aspect="equal", xticks=[])
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.tick_params(length=0)
        shown = [state for state in STYLES if counts[state]]
        axes.legend(*_legend(shown, counts), loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=3, frameon=False)

    return picture(paint, f"Map of {total:,} pages. {square} {_told(told)}", caption,
                   (8.5, 1.0 + 0.125 * len(rows)))


def _rows(told, each):
    """Rows of squares, and [(zone, its first row)]; between zones there is an empty row."""
    rows, ticks = [], []
    for name, zone in told.items():
        rows += [[]] if rows else []
        ticks.append((name, len(rows)))
        squares = [Counter(zone[first:first + each]).most_common(1)[0][0] for first in range(0, len(zone), each)]
        rows += [squares[first:first + COLUMNS] for first in range(0, len(squares), COLUMNS)]
    return rows, ticks


def _squares(axes, rows):
    from matplotlib.collections import PolyCollection
    for state, (colour, mark) in STYLES.items():
        places = [(x, y) for y, row in enumerate(rows) for x, each in enumerate(row) if each == state]
        if places:
            squares = [_box(x, x, y, 0.44) for x, y in places]
            axes.add_collection(PolyCollection(squares, facecolor=colour, edgecolor="#BBBBBB", linewidth=0.4))
        if places and mark:
            axes.plot(*zip(*places, strict=True), mark, color="#222222", markersize=3, linestyle="")


def _frames(axes, zones, first_row):
    """A frame around each free block, in every row that it reaches into."""
    from matplotlib.collections import PolyCollection
    frames = []
    for zone in zones:
        for first, pages in _free_runs(zone):
            for start in range(first, first + pages, COLUMNS):
                x, y = start % COLUMNS, first_row[zone.name] + start // COLUMNS
                frames.append(_box(x, x + min(pages, COLUMNS) - 1, y, 0.46))
    axes.add_collection(PolyCollection(frames, facecolor="none", edgecolor="#222222", linewidth=1.1))


def _box(left, right, y, margin):
    low, high, left, right = y - margin, y + margin, left - margin, right + margin
    return [(left, low), (right, low), (right, high), (left, high)]


def _legend(shown, counts):
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    squares = [Patch(facecolor=STYLES[state][0], edgecolor="#222222") for state in shown]
    marks = [Line2D([], [], marker=STYLES[state][1], color="#222222", markersize=4, linestyle="") for state in shown]
    return list(zip(squares, marks, strict=True)), [f"{state}: {counts[state]:,}" for state in shown]


def _told(told):
    """Each zone in words: NORMAL: 60 free, 4 handed out."""
    return " ".join(f"{name}: " + ", ".join(f"{zone.count(state):,} {state}" for state in STYLES if state in zone) + "."
                    for name, zone in told.items())


def free_blocks(pages, caption=""):
    """Bars: how many free blocks each zone has of each order.  pages: Pages, or what its buddyinfo() gave."""
    zones = pages if isinstance(pages, dict) else pages.buddyinfo()
    orders = range(max(map(len, zones.values())))

    def paint(axes):
        width = 0.84 / len(zones)
        for number, (name, counts) in enumerate(zones.items()):
            places = [order + (number - (len(zones) - 1) / 2) * width for order in range(len(counts))]
            bars = axes.bar(places, counts, width * 0.92, label=name, color=PALETTE[number], hatch=HATCHES[number],
                            edgecolor="white")
            axes.bar_label(bars, [f"{count:,}" if count else "" for count in counts], padding=2, fontsize=8)
        axes.set_xticks(orders, [f"{order}\n{1 << order:,}" for order in orders])
        axes.set(xlabel="order, and pages in a block of it", ylabel="free blocks")
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.margins(y=0.12)
        axes.legend(frameon=False)

    return picture(paint, _blocks_told(zones), caption, (8.5, 3.0))


def _blocks_told(zones):
    told = []
    for name, counts in zones.items():
        free = sum(count << order for order, count in enumerate(counts))
        blocks = ", ".join(f"{count:,} of order {order}" for order, count in enumerate(counts) if count)
        told.append(f"{name}: {free:,} pages in {sum(counts):,} blocks" + (f" ({blocks})." if blocks else "."))
    return "Free blocks by order. " + " ".join(told)
