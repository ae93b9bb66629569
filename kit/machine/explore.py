"""explore: every schedule, and everything the world may do; the simplest harm, or that there is none.

The problem.  LaHaise asked in 2001 how anybody could be certain that a rule causes no deadlock for
some arbitrary driver.  Runs do not make certain: of 3 * 10**29 schedules one looks at a few.

The idea.  States are few where schedules are many.  Give a story, a function that sets up tasks on
the machine it is given; the explorer takes every turn that Machine.options() offers, in every state,
with every answer that `choose` could give, and an interrupt, a time-out or a timer whenever it could
come.  Time does not exist here, only order.  It runs the kit's own code, and yours, unmodified.

    def story(machine):
        pool = Mempool.create(2, tokens)
        for name in "AB":
            machine.spawn(name, borrower, pool)

    print(explore(story))

The promise.  The verdict is the worst of these that was found, with the simplest way there (fewest
forced switches, then fewest steps):

    an invariant is false       a check() of something shared, or the function that the story returned
    a promise is broken         a task let an exception out
    deadlock                    nobody can go on, and a task that is no daemon has not ended
    no progress                 a round, fair to all who can always go on, in which such a task never ends
    only a timer can continue   a time-out hides that nobody else can
    none                        with the number of states, and whether those are all

What it stands on: a task touches what is shared only between two traps; every class that tasks share
declares its state as `explored` (counters, trails and clocks are not among it); and the story does
the same each time that it is told.  A run ends when all but the daemons have ended; what would come
after that is not looked at.
Left out: weak memory, and orders within one instant, for there are none.
"""

from kit import trace
from kit.machine.explorer.cycles import endless, round_from
from kit.machine.explorer.forms import NotAlike
from kit.machine.explorer.moves import KINDS, Moves
from kit.machine.explorer.result import Result
from kit.machine.explorer.search import Search
from kit.machine.explorer.segments import Segments
from kit.machine.explorer.simplest import simplest_way, way_through
from kit.machine.explorer.story import Replay
from kit.machine.explorer.symmetry import Symmetry
from kit.progress import bar


def explore(story, whole=False, symmetric=True, started=False, limit=3_000_000, progress=False):
    """Look at every state that `story` can be in, until a harm is found; returns a Result, which prints as a story.

    whole: go on after that, and count in how many states there is one.
    symmetric: count states once that differ only in which of several like tasks or like elements is
    which.  started: every task has taken its first turn when the exploration begins, in the order of
    spawning; sound where no task touches anything shared before its first trap.  limit: give up
    after so many states (some 300 bytes each).  progress: show a bar with states and rate.
    An interrupt from the keyboard ends the search, and the result says what is known so far.
    """
    watching, trace.watchers[:] = trace.watchers[:], []     # nobody wants to watch a million turns
    unlike = set()
    try:
        while True:
            try:
                return _Exploration(story, whole, symmetric, started, limit, progress, unlike).result()
            except NotAlike as told_apart:      # begin anew, and tell them apart from the first
                unlike |= told_apart.tasks or {"elements"}
    finally:
        trace.watchers[:] = watching


def replay(story, schedule):
    """See the run of `story` that a replay string tells, on a machine of its own; prints as a story."""
    return Replay(story, schedule)


class _Exploration:
    """One exploration of `story`, with the tasks of `unlike` told apart."""

    def __init__(self, story, whole, symmetric, started, limit, progress, unlike):
        self.story, self.limit, self.progress = story, limit, progress
        self.segments = Segments(story, unlike)
        symmetry = symmetric and Symmetry(self.segments) or None
        self.moves = Moves(self.segments, symmetry, started)
        self.search = Search(self.moves, whole)

    def result(self):
        """Search, look for rounds without end where nothing worse was found, and tell the simplest way."""
        try:
            self._run(self.search)
            kind = self._worst()
            if self.search.rounds and self.search.exhaustive and kind in (None, "timer"):
                endless_one = self._without_end()
                if endless_one:
                    return endless_one
            return self._told(kind, self.search, lambda state, found: self.moves.harm(state, found) == kind)
        finally:
            self.segments.close()

    def _worst(self):
        return next((kind for kind in KINDS if kind in self.search.harms), None)

    def _run(self, search):
        """Search; an interrupt from the keyboard ends it, and what is known stays known."""
        shown = bar(unit=" states", unit_scale=True, desc="exploring") if self.progress else None
        try:
            search.run(self.limit, (lambda count: shown.update(count - shown.n)) if self.progress else None)
        except KeyboardInterrupt:
            search.exhaustive, search.interrupted = False, True
        finally:
            if self.progress:
                shown.close()

    def _told(self, kind, search, is_goal):
        """The result, with the simplest way to a state of that kind; where that takes too long, with some way."""
        if kind is None:
            return Result(self.story, None, search)
        moves = search.moves
        try:
            way, simplest = simplest_way(moves, is_goal, 4 * self.limit), True
        except KeyboardInterrupt:
            way, search.interrupted = None, True
        if way is None:
            way, simplest = way_through(moves, search.ways[kind]), False
        return Result(self.story, kind, search, moves.started + way.steps, simplest)

    def _without_end(self):
        """The world has rounds: is one of them fair, and keeps a task from ending?  The result then, or None.

        Fairness is to each task, so like tasks are told apart here.  A round that only timers keep going
        is not told here but as what it is: only a timer can continue.
        """
        search, moves = self.search, self.moves
        if moves.symmetry and moves.symmetry.groups:
            moves = Moves(self.segments, Symmetry(self.segments, tasks=False) or None, bool(moves.started))
            search = Search(moves, whole=True)
            self._run(search)
        if not search.exhaustive:       # then nobody knows whether there is such a round, and the result must say so
            self.search.exhaustive, self.search.interrupted = False, search.interrupted
            return None
        timers = set(moves.only_timers)
        components = endless(moves, search.seen)
        components = [states for states in components if not states & timers]
        if not components:
            return None
        search.harms["no progress"] = states = set().union(*components)
        way = simplest_way(moves, lambda state, found: state in states, 4 * self.limit)
        start = moves.symmetry.canonical(way.state) if moves.symmetry else way.state
        component = next(component for component in components if start in component)
        steps = [(who, answers, False) for who, answers in round_from(moves, component, start)]
        return Result(self.story, "no progress", search, moves.started + way.steps, True, steps)
