"""result: what an exploration found, as values and as a story."""

from kit.errors import KitError
from kit.machine.explorer.story import Retelling

VERDICTS = {"invariant": "an invariant is false", "broken": "a promise is broken", "deadlock": "deadlock",
            "no progress": "no progress", "timer": "only a timer can continue", None: "none"}


class Result:
    """What was found, how large the world is, and the simplest way to the harm.

    verdict: "deadlock", "none" ...; states: how many were looked at; exhaustive: whether those are all.
    interrupted: whether it is less because somebody broke the search off from the keyboard.
    found: for each kind of harm in how many states.  steps, switches: of the simplest way there.
    simplest: whether it is known to be that, and not just some way.
    schedule: its replay string; round: that of the round that never ends.  trail: its events, for a
    swim-lane figure.  wait_for: who waits for whom in the end, for a graph.
    """

    def __init__(self, story, kind, search, steps=None, simplest=True, round_steps=()):
        self.verdict = VERDICTS[kind]
        self.states, self.exhaustive, self.interrupted = len(search.seen), search.exhaustive, search.interrupted
        self.found = {VERDICTS[harm]: len(states) for harm, states in search.harms.items()}
        self.counted_once = bool(search.moves.symmetry)
        self.steps = self.switches = self.schedule = self.trail = self.round = None
        self.wait_for, self.simplest, self._told, self._going_round = {}, simplest, None, ""
        if steps is not None:
            self._retell(story, kind, steps, round_steps)

    def _retell(self, story, kind, steps, round_steps):
        self._told = told = Retelling(story, steps)
        self.steps, self.switches = len(steps), sum(forced for _, _, forced in steps)
        self.schedule, self.trail, self.wait_for = told.schedule, told.trail, told.wait_for()
        self._ending = {"deadlock": told.ending, "timer": told.ending, "broken": lambda: _sentence(told.error),
                        "invariant": told.wrong, "no progress": lambda: ""}[kind]()
        if self._ending is None or kind == "deadlock" and (told.machine.options() or not told.stuck):
            raise KitError(f"the explorer found: {self.verdict}, after {told.schedule}, and a machine that is led "
                           "there does not agree. Does the story do the same every time, and does nothing act upon a "
                           "field that its class does not declare as `explored`?")
        if round_steps:
            whole = Retelling(story, [*steps, *round_steps])
            self.round = whole.schedule[len(told.schedule):]
            self._going_round = whole.text(after=len(steps))

    def story(self):
        """The counterexample as text: who did what in which order, who waits for what in the end, and why."""
        if self._told is None:
            return ""
        way = "the simplest way there" if self.simplest else "a way there"
        lines = [f"{way}: {_count(self.steps, 'step')}, {_count(self.switches, 'forced switch')}", self._told.text()]
        if self.round:
            lines += ["and from there round and round:", self._going_round]
        lines += [self._ending] if self._ending else []
        lines.append(f"replay: {self.schedule}" + (f" and then {self.round} again and again" if self.round else ""))
        return "\n".join(lines)

    def __str__(self):
        found = "not all there are" if self.verdict == "none" else "until it was found"
        world = f"{_count(self.states, 'state')} looked at, {'all there are' if self.exhaustive else found}"
        once = " (like tasks and like elements counted once)" if self.counted_once else ""
        others = "".join(f"; {name} in {count:,}" for name, count in self.found.items() if self.exhaustive)
        return "\n".join(filter(None, [f"{self.verdict}: {world}{once}{others}", self.story()]))

    __repr__ = __str__

    def to_dict(self):
        """The result as plain data, for JSON."""
        return {"verdict": self.verdict, "states": self.states, "exhaustive": self.exhaustive, "found": self.found,
                "like counted once": self.counted_once, "steps": self.steps, "switches": self.switches,
                "schedule": self.schedule, "round": self.round, "wait for": self.wait_for, "story": self.story()}


def _sentence(error):
    return None if error is None else f"{type(error).__name__}: {error}"


def _count(number, noun):
    ending = "" if number == 1 else "es" if noun.endswith("h") else "s"
    return f"{number:,} {noun}{ending}"
