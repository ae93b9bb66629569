"""trace: what happened, in order.

Code of the kit remarks on what it does; whoever wants to know opens `watch()`:

    with watch() as trail:
        pool.alloc()
    print(trail)

Nobody below knows who is watching, and when nobody is, a remark costs one look at an empty list
(`if watchers:`).  A Trail is plain data: it prints as text, saves as JSON, and saves as a Chrome
trace, which Perfetto (ui.perfetto.dev) and chrome://tracing draw with one lane per task.

Times are virtual nanoseconds in a timed run of the machine, and turns where only order exists.
Equal seeds give equal trails, byte for byte: nothing in an Event depends on the address of an
object, on the order of a set, or on a clock on the wall.
"""

import json
from typing import NamedTuple

_AS_IT_IS = frozenset({type(None), bool, int, float, str})
_new = tuple.__new__
watchers = []       # callables, each given every Event; usually the `append` of a Trail's list


class Event(NamedTuple):
    """One remark: at `time`, on `cpu`, `task` did `what`, and `label` says which."""

    time: int
    cpu: int | None         # None at the prompt, which is on no CPU of the machine
    task: str
    what: str               # start, step, spin, sleep, wake, timeout, yield, irq, end, choose, or a note
    label: str
    detail: dict            # whatever else the remark said, by name

    def __str__(self):
        details = "".join(f" {name}={value}" for name, value in self.detail.items())
        return f"{self.what} {self.label}{details}"


def remark(time, cpu, task, what, label, detail):
    """Tell the watchers; call it, or traps.note, as `if trace.watchers: ...`."""
    for name, value in detail.items():
        if type(value) not in _AS_IT_IS:
            detail[name] = _plain(value)
    event = _new(Event, (time, cpu, task, what, str(label), detail))    # as Event(...), at half the price
    for see in watchers:
        see(event)


class watch:
    """Collect what happens for as long as the block runs: `with watch() as trail: ...`."""

    def __enter__(self):
        trail = Trail()
        self.see = trail.events.append
        watchers.append(self.see)
        return trail

    def __exit__(self, *_):
        watchers.remove(self.see)


class Trail:
    """The events of one run, oldest first."""

    def __init__(self, events=()):
        self.events = list(events)

    def __len__(self):
        return len(self.events)

    def __iter__(self):
        return iter(self.events)

    def __str__(self):
        return self.text()

    def only(self, *whats):
        """The part of the trail whose events are of these kinds: `trail.only("step", "sleep")`."""
        return Trail(event for event in self if event.what in whats)

    def tasks(self):
        """The names of all tasks seen, in the order of their first event."""
        return list(dict.fromkeys(event.task for event in self))

    def text(self):
        """One line an event: time, CPU, task, what happened."""
        width = max((len(name) for name in self.tasks()), default=0)
        return "\n".join(f"{event.time:>9} {_cpu(event.cpu)} {event.task:<{width}}  {event}" for event in self)

    def to_json(self):
        """The trail as JSON text: a list of events, each an object with the fields of Event."""
        return json.dumps([event._asdict() for event in self], indent=1) + "\n"

    @classmethod
    def from_json(cls, text):
        """The trail that `to_json` wrote."""
        return cls(Event(**fields) for fields in json.loads(text))

    def to_chrome(self):
        """The trail in Chrome's trace event format, as JSON text: open it at ui.perfetto.dev.

        A lane per task.  What a task does lasts until its next event; a sleep is a slice named
        after what the task sleeps on; notes and wake-ups are instants, marks in the lane of the
        task that made them.  The format counts in microseconds, hence the fractions.
        """
        lanes = {name: lane for lane, name in enumerate(self.tasks(), 1)}
        slices = [_lane_name(name, lane) for name, lane in lanes.items()]
        until = _ends(self.events)
        for index, event in enumerate(self.events):
            where = {"pid": 1, "tid": lanes[event.task], "ts": event.time / 1000}
            args = {"cpu": event.cpu, "what": event.what, **event.detail}
            if event.what in _LASTING:
                name = _LASTING[event.what].format(event.label)
                lasts = (until[index] - event.time) / 1000
                slices.append({"ph": "X", "name": name, "dur": lasts, "args": args, **where})
            else:
                slices.append({"ph": "i", "name": str(event), "s": "t", "args": args, **where})
        return json.dumps({"traceEvents": slices, "displayTimeUnit": "ns"}, indent=1) + "\n"


# Of these a task does one at a time, each until the next; everything else takes no time.
_LASTING = {"start": "start {}", "step": "{}", "spin": "spins on {}", "sleep": "sleeps on {}", "yield": "yields: {}"}


def _plain(value):
    """What a trail can keep of `value`: itself if it is plain, else its name; never where it lies in memory."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if type(value).__repr__ is object.__repr__ and type(value).__str__ is object.__str__:
        return getattr(value, "name", None) or f"a {type(value).__name__}"
    return str(value)


def _cpu(number):
    return "prompt" if number is None else f"cpu{number:<3}"


def _lane_name(name, lane):
    return {"ph": "M", "name": "thread_name", "pid": 1, "tid": lane, "args": {"name": name}}


def _ends(events):
    """For each lasting event, by index: the time of the same task's next lasting event or its end."""
    ends, following = {}, {}
    last = max((event.time for event in events), default=0)
    for index in range(len(events) - 1, -1, -1):
        event = events[index]
        if event.what in _LASTING or event.what == "end":
            ends[index] = max(following.get(event.task, last), event.time)
            following[event.task] = event.time
    return ends
