"""stepper: a run, event by event, forward and back: who, at which rung, in which line of the kit.

    with film(lambda: squares(pool)) as trail:
        machine.run()
    stepper = Stepper(trail)
    stepper.position.value = 7

The idea: a trail is plain data, so going back costs no more than going forward; nothing is run again.
What only the living world knows, such as what is in a pool, has to be looked at while it happens: that
is what `film` is for.  A trail from `watch()`, or one that the explorer found, does as well, without it.

The line is found by what an event says: `await step("refill")` is where a task stands at refill, the
rung SKIM is where it stands at SKIM.  An event of code that was not given has no line.
"""

from kit import trace
from kit.errors import BadInput
from kit.memory.mempool import MAIL, Mempool, Rung, insist_below_half
from kit.show.source import Source
from kit.show.widget import Frame, Live, button, choice, row
from kit.trace import Trail

CODE = (Mempool.alloc, Mempool.free, *MAIL, insist_below_half)
SIGNS = {"start": "(", "step": "+", "served": "*", "sleep": "z", "wake": "!", "spin": "#", "yield": "y",
         "irq": "i", "timeout": "t", "choose": "?", "end": ")"}
LEGEND = "( start   + step   * served   z sleeps   ! wakes   # spins   o other   ) end"
LATEST = 60     # events in the lanes
AROUND = 7      # lines of code before and after the one that counts


class film:
    """As `watch()`, and with every event goes what `look()`, a function that gives text, saw at that moment."""

    def __init__(self, look):
        self.look = look

    def __enter__(self):
        self.trail = Trail()
        self.trail.looks = []
        trace.watchers.append(self._see)
        return self.trail

    def __exit__(self, *_):
        trace.watchers.remove(self._see)

    def _see(self, event):
        self.trail.events.append(event)
        self.trail.looks.append(str(self.look()))


class Stepper(Live):
    """Forward and back through a trail.  code: the functions and rungs whose lines are shown.

    position.value: the event shown, from 1; first, back, forward, last: buttons; follow.value: the task whose
    events back and forward go to, or "everybody".
    """

    def __init__(self, trail, code=CODE):
        if not len(trail):
            raise BadInput("nothing happened on this trail, so there is nothing to step through. "
                           "Run something inside `with watch() as trail:`.")
        from ipywidgets import IntSlider, Layout
        self.trail, self.events = trail, trail.events
        self.places = _Places(code).of(self.events)
        self.position = IntSlider(value=1, min=1, max=len(trail), description="event", layout=Layout(width="40em"))
        self.follow = choice(["everybody", *trail.tasks()], "follow")
        self.first = button("first", lambda: self._go(1))
        self.back = button("back", lambda: self._step(-1), "one event back")
        self.forward = button("forward", lambda: self._step(1), "one event forward")
        self.last = button("last", lambda: self._go(len(self.events)))
        self.position.observe(self.show, "value")
        super().__init__(self.position, row(self.first, self.back, self.forward, self.last), self.follow)

    def _go(self, position):
        self.position.value = position

    def _step(self, way):
        """To the next event, that way, of whoever is followed; where there is none it stays."""
        position = self.position.value + way
        while 1 <= position <= len(self.events):
            if self.follow.value in ("everybody", self.events[position - 1].task):
                return self._go(position)
            position += way

    def now(self):
        """The present frame."""
        return self._frame(self.position.value)

    def frames(self):
        """The first event, the one in the middle, and the last."""
        positions = dict.fromkeys((1, (len(self.events) + 1) // 2, len(self.events)))
        return [self._frame(position) for position in positions]

    def _frame(self, position):
        event = self.events[position - 1]
        where = "at the prompt" if event.cpu is None else f"on CPU {event.cpu}"
        caption = f"event {position} of {len(self.events)}, at {event.time:,}, {where}: {event.task}, {event}"
        seen = self.events[:position]
        rows = [("", "task", "rung", "stands at"), *(self._row(name, seen) for name in self.trail.tasks())]
        looks = getattr(self.trail, "looks", None)
        text = [self._lanes(seen), looks[position - 1] if looks else "", self.places[position - 1][2]]
        return Frame(caption, rows, "\n\n".join(filter(None, text)))

    def _row(self, name, seen):
        own = [(event, place[1]) for event, place in zip(seen, self.places, strict=False) if event.task == name]
        mark = "▶" if seen[-1].task == name else ""
        return (mark, name, own[-1][1], str(own[-1][0])) if own else (mark, name, "", "not begun")

    def _lanes(self, seen):
        """A line for each task, a sign for each event, the latest at the right; ~ is asleep."""
        width = max(map(len, self.trail.tasks()))
        lanes = [f"{name:<{width}}  {_lane(name, seen)[-LATEST:]}" for name in self.trail.tasks()]
        return "\n".join([*lanes, LEGEND])


def _lane(name, seen):
    signs, between = [], " "
    for event in seen:
        if event.task == name:
            signs.append(SIGNS.get(event.what, "o"))
            between = {"sleep": "~", "end": " "}.get(event.what, "-")
        else:
            signs.append(between)
    return "".join(signs)


class _Places:
    """Where in `code` the events of a trail happen: for each (function, rung, text with the line marked)."""

    def __init__(self, code):
        self.rungs = [thing.name for thing in code if isinstance(thing, Rung)]
        self.lines = {thing.name if isinstance(thing, Rung) else thing.__name__: Source(thing).text.splitlines()
                      for thing in code}

    def of(self, events):
        """Each depends on the events of the same task before it, and on nothing after."""
        places, stands = [], {}
        for event in events:
            function, rung = stands.get(event.task, ("", ""))
            function, number = self._line(event, function)
            if function in self.rungs:
                rung = function
            elif event.what == "step":
                rung = ""
            stands[event.task] = function, rung
            places.append((function, rung, self._marked(function, number)))
        return places

    def _line(self, event, function):
        """(function, number of the line) of an event of a task that stood in `function`."""
        if event.label in self.rungs:
            lines = self.lines[event.label]
            return event.label, next(number for number, line in enumerate(lines) if "def " in line)
        call = {"step": f'step("{event.label}")', "sleep": "await sleep(", "wake": ".wake", "choose": "choose("}
        wanted = call.get(event.what)
        for name in dict.fromkeys([function, *self.lines]) if wanted else ():
            for number, line in enumerate(self.lines.get(name, ())):
                if wanted in line:
                    return name, number
        return "", 0

    def _marked(self, function, number):
        lines = self.lines.get(function, [])
        first = max(0, number - AROUND)
        return "\n".join(f"{'▶' if index == number else ' '} {line}" for index, line in
                         enumerate(lines[first:number + AROUND + 1], first))
