"""story: how a counterexample is told.

A way through the world is numbers.  Here it is taken once more, on a machine that knows nothing of
the explorer, and watched: who did what, at which rung, with which element in hand, where somebody
came in between, and in the end who waits for whom and why.  Time counts turns.

The replay string is the schedule of that run; whoever has the same story sees the same with
machine.run(schedule=...).
"""

import textwrap

from kit.errors import BadInput, KitError
from kit.machine.explorer.forms import Forms
from kit.machine.explorer.shared import Shared
from kit.machine.explorer.told import Remembering
from kit.machine.report import WIDTH, holding, stuck_tasks, usual_causes, wait_for_graph, waiting
from kit.machine.schedule import read_schedule
from kit.tasks import Task
from kit.trace import Trail, watch

MENDS = (       # a shape as report.py names it, and what would mend it
    ("hold and wait", "take all that is needed at once, or keep more back than tasks * (each - 1), or let one task "
                      "at a time take several"),
    ("different orders", "take them in the same order everywhere"),
    ("a second time", "do not take it again in what is called while it is held"),
    ("whose holder", "do not wait, and do not let an interrupt in, while a spinlock is held"),
    ("a wake-up was lost", "look once more after queueing and before sleeping, and wake after every change that "
                           "somebody may wait for"),
)
WORDS = {       # how an event is told, by what it is
    "step": "{label}", "sleep": "sleeps on {label}", "spin": "waits for {label}", "start": "starts", "end": "ends",
    "yield": "lets others run: {label}", "timeout": "stops waiting for {label}", "irq": "interrupts",
    "wake": "wakes {wakes}", "choose": "{label} {answer}", "served": "is served {element} by {label}",
}


class Run:
    """A run of `story` on a machine of its own, turn by turn, and how the world stands at its end."""

    def __init__(self, story):
        self.machine = machine = Remembering()
        invariant = story(machine)
        self.checks = [thing.check for thing in Shared(Forms(), machine.roots()).checks]
        self.checks += [invariant] if invariant else []
        self.error, self.turns, self.trail = None, [], Trail()
        self._begun = len(machine.schedule)

    @property
    def schedule(self):
        """The replay string of the run so far."""
        return "".join(self.machine.schedule[self._begun:])

    @property
    def stuck(self):
        """The tasks that sleep or spin."""
        return stuck_tasks(self.machine)

    def take(self, option, answers, forced=False):
        """One more turn; time counts turns.  `turns` notes who had it, and what was seen."""
        for cpu in self.machine.cpus:
            cpu.clock = len(self.turns) + 1
        self.machine._answers = list(answers)
        with watch() as trail:
            try:
                self.machine.turn(option)
            except Exception as error:
                self.error = error
        self.turns.append((option.name, forced, trail.events))
        self.trail.events += trail.events

    def wrong(self):
        """The sentence of the first thing that does not hold in the end, or None."""
        for check in self.checks:
            try:
                check()
            except (AssertionError, KitError) as error:
                return str(error) or f"{check.__qualname__} does not hold"
        return None

    def runs(self, after=0):
        """The turns told in lines, one for each time that somebody else goes on: [(name, forced, [events]), ...]."""
        lines = []
        for name, forced, events in self.turns[after:]:
            if not lines or lines[-1][0] != name or forced:
                lines.append((name, forced, []))
            lines[-1][2].extend(events)
        return lines

    def text(self, after=0):
        """The run, but for the first turns, as a story: a line for each time that somebody goes on."""
        width = max((len(name) for name, _, _ in self.turns), default=0)
        lines = []
        for number, (name, forced, events) in enumerate(self.runs(after), 1):
            told = ", ".join(_tell(event, name) for event in events)
            lines += _wrapped(f"{number:>4}. {name:<{width}}  ", ("(comes in between) " if forced else "") + told)
        return "\n".join(lines)

    def ending(self):
        """Who waits for what, holding what; the usual cause by name, and what would mend it."""
        lines = []
        for task in self.stuck:
            lines += _wrapped("  ", f"{task.name} {waiting(task).split(' since')[0]}, {holding(task)}")
        for cause in usual_causes(self.stuck):
            lines += _wrapped("usual cause: ", cause)
            for mend in [mend for shape, mend in MENDS if shape in cause]:
                lines += _wrapped("what would mend it: ", mend)
        return "\n".join(lines)

    def wait_for(self):
        """The wait-for graph of the end, as plain data: {task: {"waits for", "held by", "holds"}}."""
        return wait_for_graph(self.machine)


class Retelling(Run):
    """The run that the explorer's steps tell: [(who, answers, forced), ...], as simplest.py gives them."""

    def __init__(self, story, steps):
        super().__init__(story)
        for who, answers, forced in steps:
            option = next((option for option in self.machine.options() if self._is(option, who)), None)
            if option is None:
                raise KitError(f"the explorer says that after {self.schedule!r} {who[1]} can go on, and a machine does "
                               "not agree. Does the story do the same every time it is told?")
            self.take(option, answers, forced)

    def _is(self, option, who):
        """Whether an option of the machine is the one that the explorer calls `who`."""
        kind, name = who
        if kind == "task":
            return option is self.machine.tasks[name]
        if type(option) is Task:
            return kind == "handler" and option.in_interrupt and option.name == name
        return kind == ("interrupt" if option.masks else "timer") and option.name == name


class Replay(Run):
    """The run that a replay string tells; it prints as a story."""

    def __init__(self, story, schedule):
        super().__init__(story)
        last = None
        for position, (letter, answers) in enumerate(read_schedule(schedule), 1):
            options = {option.letter: option for option in self.machine.options()}
            if letter not in options:
                able = ", ".join(options) or "nobody"
                raise BadInput(f"turn {position} of the schedule is {letter}, but only {able} can go on there. "
                               "Is it a schedule of this very story?")
            self.take(options[letter], answers, last in options and letter != last)
            last = letter

    def __str__(self):
        lines = [self.text(), self.ending()]
        if self.error or self.wrong():
            lines.append(f"{type(self.error).__name__}: {self.error}" if self.error else self.wrong())
        elif not self.machine.options() and self.stuck:
            lines.insert(1, "deadlock: nobody can go on")
        return "\n".join(filter(None, lines))

    __repr__ = __str__


def _tell(event, name):
    """One event in words; `name` is whose turn it is."""
    whose = "" if event.task == name else f"{event.task}: "
    if event.what in WORDS:
        return whose + WORDS[event.what].format(label=event.label, **event.detail)
    return whose + " ".join([event.what, event.label, *[f"{key} {value}" for key, value in event.detail.items()]])


def _wrapped(before, text):
    return textwrap.wrap(before + text, WIDTH, subsequent_indent=" " * len(before), break_long_words=False,
                         break_on_hyphens=False)
