"""hang: a run that goes round in a circle, and will for ever.

A deadlock is easy to see: nobody can run.  This is the other kind: somebody runs all the time, asks
for memory, is told no, lets others run, and asks again.  Linux 2.5.1 hangs like that, with the CPU
busy.  The idea: whoever comes back to a state that they have been in, with nothing under way that
could come in from outside, will come back to it again.

    a state     where each task stands, what it has in its variables there, and what the tasks share
    under way   an interrupt or a timer; a time-out is not, for it leads back into the same circle

What the tasks share is told by `state()`, a function of whoever built the story: a value that can be
compared, equal only if nothing differs that anybody acts upon.  It is asked for only while nothing
is under way, so that it may take a look at every page.

The promise: Hang is raised only when a state has really come again, and no other answer of the world
(`choose`) is to come.  A circle is found after about three times its length (Brent's algorithm: a
state is kept, and exchanged for the present one after 1, 2, 4, 8 ... looks).
Left out: the position of a generator that a task keeps across a step.
"""

import gc
import operator
from itertools import chain

from kit.errors import KitError
from kit.machine.core import MILLISECOND
from kit.machine.report import holding, waiting
from kit.refusals import Dropped
from kit.traps import Yield

_PLAIN = (int, str, bytes, float, type(None))


class Hang(KitError):
    """Everybody who can run goes round in a circle, and nothing is under way that could break it."""


def run_or_hang(machine, state, until, look_every=MILLISECOND):
    """Run until all but the daemons have ended (True), or the time `until` has come (False).

    Raises Hang if the run goes round in a circle, and Deadlock as machine.run does.  `state()` is
    asked after each `look_every` nanoseconds in which nothing was under way.
    """
    now = machine.time()
    while now < until and not machine.ended:
        now = min(until, max(now, machine.time()) + look_every)
        machine.run(until=now)
        if machine.is_quiet:
            with Dropped(machine.tasks):
                now = _look_closely(machine, state, now, until)
    return machine.ended


def _look_closely(machine, state, now, until):
    """Turn by turn, as long as nothing is under way; raises Hang if it is a circle.  Returns the time."""
    circle = Circle(machine, state, now)
    while now < until and machine.is_quiet and not machine.ended:
        now = _next_turn(machine, now)
        machine.run_timed(until=now)
        if circle.closes(now):
            now = circle.skip_to_the_next_timeout(now)
            if circle.was_here(now):
                raise Hang(hang_report(machine, circle))
    return now


def _next_turn(machine, now):
    """When somebody runs next, or, if nobody can, when the next time-out comes."""
    busy = [cpu.clock for cpu in machine.cpus if cpu.next_task()]
    coming = busy or [arrival.time for arrival in machine.arrivals]
    return max(now, min(coming, default=now)) + machine.step_ns


class Circle:
    """Looks at a run that has been quiet, until it stands as it did before.

    A whole look is dear, so one is taken only when the tasks stand at the same traps as at the
    beginning: about once a round.
    """

    def __init__(self, machine, state, now):
        self.machine, self.state = machine, state
        self.labels = {task: [] for task in machine.tasks}      # what each was seen to yield over
        self.before_timeouts = []       # how it stood, each time that only a time-out could continue
        self.taken = len(machine.schedule)
        self.rounds_to_come = 1_000     # turns without a look, after which to begin with other traps
        self._begin(now)

    def closes(self, now):
        """Whether turns were taken and all is as it was; else perhaps compare with the present from now on."""
        if len(self.machine.schedule) == self.taken:
            return False
        self.taken = len(self.machine.schedule)
        self._note_labels()
        if self._glance() != self.traps:
            self.passed += 1
            if self.passed > self.rounds_to_come:
                self.rounds_to_come *= 2
                self._begin(now)
            return False
        self.passed, self.looks = 0, self.looks + 1
        if self._as_before():
            if self.machine.now == self.last_arrival:
                self.length = now - self.since
                return True
            self._keep(now)     # a time-out came in between: how long the circle is, a round without one tells
            return False
        if self.looks >= self.patience:     # more, if the circle closed and a time-out came after all
            self._keep(now)
            self.patience *= 2
        return False

    def _begin(self, now):
        self.traps, self.passed, self.patience = self._glance(), 0, 1
        self._keep(now)

    def _keep(self, now):
        self.stood, self.kept, self.since, self.looks = list(self._stands()), self._shares(), now, 0
        self.last_arrival = self.machine.now

    def _glance(self):
        """At which traps the tasks stand."""
        return [task.request and task.request.label for task in self.machine.tasks]

    def _note_labels(self):
        for task, labels in self.labels.items():
            if type(task.request) is Yield and task.request.label not in labels:
                labels.append(task.request.label)

    def skip_to_the_next_timeout(self, now):
        """Go round as often as there is time for before it, without running that; returns the time then."""
        due = min((arrival.time for arrival in self.machine.arrivals), default=now)
        skipped = int(due - now) // self.length * self.length
        for cpu in self.machine.cpus:
            cpu.clock += skipped
        self.since = now + skipped
        return self.since

    def was_here(self, now):
        """Whether it stood just so before, with the same time-outs to come in the same time, or none."""
        timeouts = [(arrival.letter, arrival.time - now) for arrival in sorted(self.machine.arrivals)]
        here = (timeouts, self.stood, self.kept)
        self.before_timeouts.append(here)
        return not timeouts or here in self.before_timeouts[:-1]

    def _as_before(self):
        """Whether all is as when it was kept; what differs oftenest, and is seen soonest, is compared first."""
        return (all(now == then for now, then in zip(self._stands(), self.stood, strict=False))
                and self._shares() == self.kept)

    def _stands(self):
        """Where everybody stands; together with what they share, that is the whole.

        Found piece by piece, whoever can run before whoever sleeps: for that is what changes.
        """
        cpus = self.machine.cpus
        clocks = [cpu.clock for cpu in cpus if cpu.stack or cpu.ready]
        awake = [task for cpu in cpus for task in cpu.stack + cpu.ready]
        asleep = [task for task in self.machine.tasks if not task.finished and task not in awake]
        return chain([[clock - min(clocks) for clock in clocks],
                      [(task.letter, task.cpu.number) for task in awake], [task.letter for task in asleep]],
                     map(_where, awake + asleep))

    def _shares(self):
        """What the tasks share, and the answers of the world that are to come."""
        return self.machine.random and self.machine.random.getstate(), self.state()


def _where(task):
    """Where `task` stands: the frames of its coroutine, the plain variables in them, and how far its loops are."""
    frames, call = [], task.call
    while call is not None and hasattr(call, "cr_frame"):
        frame = call.cr_frame
        plain = [(name, value) for name, value in frame.f_locals.items() if isinstance(value, _PLAIN)]
        left = [operator.length_hint(part) for part in gc.get_referents(call) if hasattr(part, "__length_hint__")]
        frames.append((frame.f_code, frame.f_lasti, plain, left))
        call = call.cr_await
    return task.asleep, task.flags, frames


def hang_report(machine, circle):
    """Who goes round, over what, holding what; who sleeps; in a few lines."""
    when = max(task.cpu.clock for task in machine.tasks)
    lines = [f"hang at {when:,} ns, after {len(machine.schedule):,} turns: everybody who can run goes round in a "
             "circle, and nothing is under way that could break it"]
    for task in machine.tasks:
        if not task.finished:
            labels = circle.labels[task]
            doing = waiting(task) if task.asleep else f"goes round: {', '.join(map(str, labels)) or task.request}"
            lines.append(f"  {task.name} {doing}, {holding(task)}")
    return "\n".join(lines)
