"""lanes: a lane for each task, and in it what it did, in order, with the reason of each sleep.

From left to right is the order of events and not time: a step takes nanoseconds and a disk
milliseconds, and one of them would not be seen.  Deadlocks are about order.
"""

from kit.errors import BadInput
from kit.show.figure import PALETTE, picture

LATEST = 120        # events, of a longer trail
NAMED = 40          # events that have room for their labels
KINDS = {           # what an event is: its mark, colour and name; whatever is not here is something else
    "start": (">", "#222222", "starts"),
    "step": ("s", PALETTE[0], "a step"), "served": ("*", PALETTE[2], "is served"), "wake": ("^", PALETTE[3], "wakes"),
    "irq": ("D", PALETTE[5], "interrupt"), "end": ("|", "#222222", "ends"), "spin": ("x", PALETTE[5], "spins"),
}
NOTE = ("o", PALETTE[7], "something else")
LASTING = ("start", "step", "spin", "yield", "irq", "end", "sleep", "timeout")     # these end a sleep of the same task


def swim_lanes(run, caption=""):
    """The lanes of a Trail, or of what has one: a Result of the explorer, or a replay.

    Of a long one the latest 120 events.
    In a lane: a mark for each event, with its label if there is room, and a bar while the task sleeps,
    with what it sleeps on.
    """
    trail = getattr(run, "trail", run)
    if not trail:
        raise BadInput("nothing happened on this trail, so there are no lanes to draw. Run something inside "
                       "`with watch() as trail:`, or give a result of the explorer that found some harm.")
    events = list(trail)[-LATEST:]
    lanes = {name: lane for lane, name in enumerate(trail.tasks())}
    naps, named = sleeps(events), len(events) <= NAMED

    def paint(axes):
        _marks(axes, events, lanes)
        for task, label, start, end in naps:
            _nap(axes, lanes[task], label, start, len(events) if end is None else end, end is None)
        if named:
            _labels(axes, events, lanes)
        axes.set_yticks(range(len(lanes)), list(lanes))
        axes.set(xlim=(-1, len(events) + 0.5), ylim=(len(lanes) - 0.2, -0.7), xticks=[])
        axes.set_xlabel("events, in their order" + ("" if len(events) == len(trail) else f": the last {LATEST}"))
        axes.spines["left"].set_visible(False)
        axes.tick_params(length=0)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16 if len(lanes) > 2 else -0.2), ncols=7, frameon=False)

    return picture(paint, _sentence(trail, events, naps), caption, (9.0, 1.2 + (0.95 if named else 0.6) * len(lanes)))


def sleeps(events):
    """Each sleep as (task, what on, first event, event that ends it); the last is None if it lasts to the end."""
    naps, asleep = [], {}
    for position, event in enumerate(events):
        if event.what in LASTING and event.task in asleep:
            naps.append((event.task, *asleep.pop(event.task), position))
        if event.what == "sleep":
            asleep[event.task] = (event.label, position)
    return naps + [(task, label, start, None) for task, (label, start) in asleep.items()]


def _marks(axes, events, lanes):
    for lane in lanes.values():
        axes.axhline(lane, color="#CCCCCC", linewidth=0.8, zorder=0)
    for mark, colour, told in [*KINDS.values(), NOTE]:
        places = [(position, lanes[event.task]) for position, event in enumerate(events)
                  if event.what != "sleep" and KINDS.get(event.what, NOTE)[0] == mark]
        if places:
            axes.scatter(*zip(*places, strict=True), marker=mark, color=colour, s=34, label=told, zorder=3)


def _nap(axes, lane, label, start, end, for_ever):
    axes.barh(lane, end - start, 0.36, start, color="#E6E6E6", hatch="//", edgecolor="#777777", zorder=1)
    place, side = (end, "right") if for_ever else (start, "left")
    axes.text(place, lane - 0.27, f"sleeps on {label}{', still' if for_ever else ''}", fontsize=8, zorder=4, ha=side,
              weight="bold" if for_ever else "normal")


def _labels(axes, events, lanes):
    for position, event in enumerate(events):
        if event.what in ("step", "served", "irq"):
            axes.text(position, lanes[event.task] + 0.16, event.label, fontsize=7, rotation=40, ha="right", va="top",
                      rotation_mode="anchor")


def _sentence(trail, events, naps):
    told = []
    for name in trail.tasks():
        own = [f"{label} ({'to the end' if end is None else f'events {start + 1} to {end + 1}'})"
               for task, label, start, end in naps if task == name]
        count = sum(event.task == name for event in events)
        told.append(f"{name}: {count:,} events, {'sleeps on ' + ', '.join(own) if own else 'never sleeps'}.")
    shown = f"{len(trail):,} events" if len(events) == len(trail) else f"the last {LATEST} of {len(trail):,} events"
    return f"Swim lanes of {len(trail.tasks())} tasks, {shown} in their order. {' '.join(told)}"
