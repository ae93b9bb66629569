"""lines: a measure over a parameter; and points of which some are better in one way and some in another."""

from kit.errors import BadInput
from kit.show.figure import PALETTE, picture

MARKS = "osD^vPX*"
STROKES = ("-", "--", "-.", ":")
ALL_TOLD = 8        # points of a line that its sentence names one by one


def lines(series, xlabel, ylabel, title="", log="", caption=""):
    """A line for each of `series`, {label: {x: y}}.  log: "x", "y" or "xy", axes on which equal steps are factors."""
    series = {label: dict(sorted(points.items())) for label, points in series.items()}
    if not any(series.values()):
        raise BadInput('there is nothing to draw: give {label: {x: y, ...}, ...} with at least one point.')

    places = sorted({x for points in series.values() for x in points})

    def paint(axes):
        for number, (label, points) in enumerate(series.items()):
            axes.plot(list(points), list(points.values()), color=PALETTE[number % len(PALETTE)], label=label,
                      marker=MARKS[number % len(MARKS)], linestyle=STROKES[number % len(STROKES)], markersize=5)
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title, xscale="log" if "x" in log else "linear",
                 yscale="log" if "y" in log else "linear")
        if "x" in log and len(places) <= ALL_TOLD:
            axes.set_xticks(places, [short(x) for x in places])
            axes.set_xticks([], minor=True)
        axes.grid(color="#E5E5E5", linewidth=0.7)
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))

    told = " ".join(_line(label, points) for label, points in series.items())
    return picture(paint, f"{title or 'Lines'}: {ylabel}, over {xlabel}. {told}", caption, (7.5, 3.4))


def _line(label, points):
    if not points:
        return f"{label}: no points."
    if len(points) <= ALL_TOLD:
        return f"{label}: {', '.join(f'{short(y)} at {short(x)}' for x, y in points.items())}."
    ends = [f"{short(points[x])} at {short(x)}" for x in (next(iter(points)), next(reversed(points)))]
    least, most = short(min(points.values())), short(max(points.values()))
    return f"{label}: {len(points)} points, from {ends[0]} to {ends[1]}, between {least} and {most}."


def pareto(points, xlabel, ylabel, lower=(True, True), title="", caption=""):
    """Points {label: (x, y)}; those that no other beats are joined by a line, the others are hollow.

    lower: for x and for y, whether less is better.
    """
    if not points:
        raise BadInput("there is nothing to draw: give {label: (x, y), ...} with at least one point.")
    beaten = {label: beaten_by(label, points, lower) for label in points}
    front = sorted((points[label] for label, by in beaten.items() if not by))

    def paint(axes):
        axes.plot(*zip(*front, strict=True), color=PALETTE[0], linewidth=1.2, label="no other beats these", marker="o")
        others = [points[label] for label, by in beaten.items() if by]
        if others:
            axes.scatter(*zip(*others, strict=True), facecolor="white", edgecolor=PALETTE[5], marker="s",
                         label="beaten by another", zorder=3)
        for label, place in points.items():
            axes.annotate(label, place, (6, -12 if beaten[label] else 5), textcoords="offset points", fontsize=9,
                          weight="normal" if beaten[label] else "bold")
        axes.set(xlabel=_better(xlabel, lower[0]), ylabel=_better(ylabel, lower[1]), title=title)
        axes.margins(0.15)
        axes.grid(color="#E5E5E5", linewidth=0.7)
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))

    told = " ".join(f"{label}: {short(x)}, {short(y)}, " + (f"beaten by {', '.join(beaten[label])}." if beaten[label]
                    else "beaten by none.") for label, (x, y) in points.items())
    axes_told = f"{_better(xlabel, lower[0])}, against {_better(ylabel, lower[1])}"
    return picture(paint, f"{title or 'Points'}: {axes_told}. {told}", caption, (7.5, 3.4))


def beaten_by(label, points, lower=(True, True)):
    """Which of the others are as good in both ways and better in one."""
    own = _merits(points[label], lower)
    return [other for other, place in points.items()
            if (theirs := _merits(place, lower)) != own and all(t <= o for t, o in zip(theirs, own, strict=True))]


def short(number):
    """A number as the sentences say it: 1,234 or 0.125, with three digits that count."""
    if isinstance(number, float) and not number.is_integer():
        return f"{number:,.3g}" if abs(number) < 1000 else f"{number:,.0f}"
    return f"{int(number):,}" if isinstance(number, int | float) else str(number)


def _merits(place, lower):
    return [value if less else -value for value, less in zip(place, lower, strict=True)]


def _better(label, less):
    return f"{label} ({'less' if less else 'more'} is better)"
