"""moves: what can come next in a state, as numbers; what the search, the cycles and the simplest way share.

A state of the world is a tuple of numbers: where each task stands, and last the state of what is
shared (segments.py).  Who moves is named ("task", number), ("handler", name) for the handler of an
interrupt that goes on, ("interrupt", name) for one that comes, ("timer", name) for a time-out or timer.
"""

from kit.machine.explorer.world import BROKEN, ENDED

KINDS = ("invariant", "broken", "deadlock", "no progress", "timer")      # of harm, the worst first


class Moves:
    """The moves of one story; with `symmetry`, following() goes between canonical states.

    started: every task has had its first turn, in the order of spawning, when the exploration begins.
    """

    def __init__(self, segments, symmetry=None, started=False):
        self.segments, self.symmetry = segments, symmetry
        tasks = segments.machine.tasks
        self.tables = list(enumerate(segments.tables))
        self.to_end = [number for number, task in enumerate(tasks) if not task.daemon]
        self.all_end = len(self.to_end) == len(tasks)
        self.quiet = {}         # of each shared state: whether only turns of tasks can change it
        self.only_timers = {}   # states in which nothing but a timer can continue, each with True
        self.started, self.first = [], segments.initial     # the turns before the exploration begins, and where
        if started:
            self._start_all()
        self.initial = symmetry.canonical(self.first) if symmetry else self.first

    def _start_all(self):
        for number, _ in self.tables:
            who, answers, self.first = next(move for move in self.moves(self.first) if move[0] == ("task", number))
            self.started.append((who, answers, False))

    def over(self, state):
        """Whether every task that is to end has ended: there the story ends."""
        return not any(state[number] for number in self.to_end)

    def following(self, state):
        """The states that one move leads to: look-ups all, but for turns that nobody has taken yet."""
        found, shared = [], state[-1]
        if not self.all_end and self.over(state):
            return found
        for number, table in self.tables:
            stance = state[number]
            if stance:
                try:
                    outcomes = table[stance][shared]
                except KeyError:
                    outcomes = self.segments.outcomes(number, state)
                for after, then, _ in outcomes:
                    found.append((*state[:number], after, *state[number + 1:-1], then))
        if not self._is_quiet(shared) and not self.over(state):
            found = self._with_outside(state, found)
        if self.symmetry:
            canonical = self.symmetry.canonical
            return [canonical(after) for after in found]
        return found

    def _is_quiet(self, shared):
        """Whether nothing is under way in a shared state that could come from outside."""
        known = self.quiet.get(shared)
        if known is None:
            known = self.quiet[shared] = shared == BROKEN or self.segments.states[shared][1] is None
        return known

    def _with_outside(self, state, found):
        outside = self.segments.outside(state)
        if outside and not found and all(who[0] == "timer" for who in outside):
            self.only_timers[state] = True
        return found + [(*state[:-1], then) for outcomes in outside.values() for _, then, _ in outcomes]

    def moves(self, state):
        """Who can move, with which answers, to where: [(who, answers, state), ...]; canonical() is the caller's."""
        if self.over(state):
            return []
        found = []
        for number, _ in self.tables:
            if state[number] != ENDED:
                for after, then, answers in self.segments.outcomes(number, state):
                    there = (*state[:number], after, *state[number + 1:-1], then)
                    found.append((("task", number), answers, there))
        for who, outcomes in self.segments.outside(state).items():
            found += [(who, answers, (*state[:-1], then)) for _, then, answers in outcomes]
        return found

    def harm(self, state, found):
        """What is wrong with a state in which `found` are the moves: one of KINDS, or None."""
        if state[-1] == BROKEN:
            return "broken"
        if state[-1] in self.segments.wrong:
            return "invariant"
        if not found:
            return None if self.over(state) else "deadlock"
        return "timer" if all(who[0] == "timer" for who, _, _ in found) else None
