"""search: every state that the world can be in, each looked at once.

States are visited, not schedules: four tasks that take two of four elements have 62,451 states and
some 3 * 10**29 schedules.  The search goes deep first, because then a state that is met again while
it still lies on the way from the start closes a round, and only worlds with rounds can go on for
ever without progress (cycles.py).  It remembers the states and nothing else; the simplest way to a
harm is found afterwards (simplest.py).
"""

import gc

CHUNK = 1 << 15     # states between two looks at the clock and the limit


class Search:
    """A search over `moves`; it can be broken off at any time, and knows what it has found so far.

    whole: go on after a harm was found (that only a timer can continue does not end it in any case).
    """

    def __init__(self, moves, whole):
        self.moves, self.whole = moves, whole
        self.seen = {moves.initial}
        self.harms = {}             # kind -> the states in which it was found
        self.ways = {}              # kind -> the states on the way to the first of them
        self.rounds = False         # whether some state can be reached again from itself
        self.exhaustive = self.interrupted = False
        self._way, self._on_way, self._branches = [], set(), []
        self._enough = 0            # so many states, and it is time to look at the clock and the limit
        self._enter(moves.initial)

    def run(self, limit, tell=None):
        """Visit states until all are known or there are `limit`; `tell(count)` is called now and then."""
        collecting = gc.isenabled()
        gc.disable()        # millions of small tuples, and not one cycle among them: looking for some doubles the time
        try:
            while self._branches and len(self.seen) < limit and (self.whole or not self.harms):
                self._enough = min(limit, len(self.seen) + CHUNK)
                self._some()
                if tell:
                    tell(len(self.seen))
            self.exhaustive = not self._branches
        finally:
            if collecting:
                gc.enable()
            if self.moves.only_timers:
                self.harms["timer"] = list(self.moves.only_timers)

    def _enter(self, state):
        following = self.moves.following(state)
        if state in self.moves.only_timers:
            self.ways.setdefault("timer", [*self._way, state])
        if not following and (harm := self.moves.harm(state, following)):
            self.harms.setdefault(harm, []).append(state)
            self.ways.setdefault(harm, [*self._way, state])
            self._enough = self._enough if self.whole else 0
        self._way.append(state)
        self._on_way.add(state)
        self._branches.append(iter(following))

    def _some(self):
        seen, on_way, way, branches, enter = self.seen, self._on_way, self._way, self._branches, self._enter
        while branches:
            for state in branches[-1]:
                if state not in seen:
                    seen.add(state)
                    enter(state)
                    break
                if state in on_way:
                    self.rounds = True
            else:
                branches.pop()
                on_way.discard(way.pop())
                continue
            if len(seen) >= self._enough:
                return
