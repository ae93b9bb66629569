"""rungs: how far up the ladder allocations had to go, as bars."""

from kit.show.figure import HATCHES, PALETTE, picture


def served_by_rung(served, caption="", title="allocations, by the rung that served them"):
    """Bars of `served`, a dict of counts by rung (such as `pool.served`), or of several, by label.

    served_by_rung(pool.served), or served_by_rung({"plenty": a.served, "squeeze": b.served}).
    """
    runs = served if all(isinstance(run, dict) for run in served.values()) else {"": served}
    rungs = list(dict.fromkeys(rung for run in runs.values() for rung in run))

    def paint(axes):
        height = 0.8 / len(runs)
        for number, (label, run) in enumerate(runs.items()):
            places = [position + number * height for position in range(len(rungs))]
            counts = [run.get(rung, 0) for rung in rungs]
            bars = axes.barh(places, counts, height * 0.9, label=label or None, color=PALETTE[number % len(PALETTE)],
                             hatch=HATCHES[number % len(HATCHES)], edgecolor="white")
            axes.bar_label(bars, labels=[f"{count:,}" for count in counts], padding=3)
        axes.set_yticks([position + 0.4 - height / 2 for position in range(len(rungs))], rungs)
        axes.invert_yaxis()
        axes.set_xlabel(title)
        axes.margins(x=0.12)
        if len(runs) > 1:
            axes.legend(frameon=False)

    height = 0.6 + 0.35 * len(rungs) * max(1, len(runs) * 0.6)
    return picture(paint, _sentence(title, runs), caption, size=(7.5, height))


def _sentence(title, runs):
    told = (f"{label + ': ' if label else ''}" + ", ".join(f"{rung} {count:,}" for rung, count in run.items())
            for label, run in runs.items())
    return f"Bars of {title}. " + "; ".join(told) + "."
