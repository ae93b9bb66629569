"""segments: what one turn does, run once and remembered.

A task touches what is shared only between two traps.  So what a turn does hangs on two things alone:
the stance of the task, and what is shared.  A turn that has been taken once from a pair of numbers is
a look-up ever after: tens of stances times hundreds of shared states are few, while the states of the
whole world are millions.

To take a turn for the first time the explorer needs a coroutine that stands there.  One that came by
and has not gone on will do; else one is brought there: begun anew, and led through the turns that
first led to that stance.

    outcomes of a turn      ((stance, shared, answers), ...), one for each way the world may answer
"""

from functools import partial

from kit.machine.explorer.world import BROKEN, ENDED, World


class Segments(World):
    """The turns of one story: whatever is run of it is run here."""

    def __init__(self, story, unlike=()):
        super().__init__(story, unlike)
        self.tables = [{} for _ in self.makers]     # of each task: stance -> shared -> outcomes
        self._outside = {}
        self.taken = 0              # turns that were really taken

    def outcomes(self, number, state):
        """What a turn of task `number` may lead to in `state`: remembered, or run now; () if it cannot run."""
        stance, shared = state[number], state[-1]
        row = self.tables[number].setdefault(stance, {})
        found = row.get(shared)
        if found is None:
            found = row[shared] = self._outcomes_of_like(number, stance, shared, state)
        return found

    def _outcomes_of_like(self, number, stance, shared, state):
        """The turns of like tasks are run by the first of them, in a state where the two have changed names."""
        maker = self.makers[number]
        if stance == ENDED or shared in self.wrong or shared == BROKEN:
            return ()
        if maker == number:
            return self._run(partial(self._stand, maker, stance, shared, state), stance, shared)
        swapped = list(range(len(self.makers)))
        swapped[number], swapped[maker] = maker, number
        there = list(state)
        there[number], there[maker], there[-1] = state[maker], stance, self.renamed(shared, tuple(swapped))
        return tuple([(after, self.renamed(then, tuple(swapped)), answers)
                      for after, then, answers in self.outcomes(maker, there)])

    def outside(self, state):
        """What may happen in `state` that is no turn of a task: {who: outcomes}, with None for the stance.

        Handlers of interrupts go on, interrupts, time-outs and timers come; moves.py says how they are named.
        """
        shared = state[-1]
        if shared == BROKEN or shared in self.wrong or not self.states[shared][1]:
            return {}
        key = (shared, *[stance and self.stances[stance].face for stance in state[:-1]])
        found = self._outside.get(key)
        if found is None:
            found = self._outside[key] = self._outside_outcomes(shared, state)
        return found

    def _outside_outcomes(self, shared, state):
        self._set(shared, state)
        options = [option for option in self.machine.options() if option not in self.machine.tasks]
        found = {}
        for who, stance in [(_who(option), getattr(option, "stance", None)) for option in options]:
            outcomes = self._run(partial(self._call_in, who, stance, shared, state), stance, shared)
            found[who] = tuple([(None, then, answers) for _, then, answers in outcomes])
        return found

    def _run(self, stand, stance, shared):
        """Take a turn from one stance and shared state, once for each way the world may answer."""
        found, script = [], []
        machine = self.machine
        while script is not None:
            option = stand()
            if option is None:
                return ()
            machine.script, machine.given, machine.offered = script, [], []
            after, then = self._take(option, stance, shared)
            found.append((after, then, tuple(machine.given)))
            script = _next_script(machine.given, machine.offered)
        return tuple(found)

    def _take(self, option, stance, shared):
        """One turn; gives the numbers of where it led."""
        self.taken += 1
        self._now = None
        try:
            self.machine.turn(option)
        except Exception:
            return ENDED, BROKEN        # what was raised will be told when the whole story is replayed
        answers = tuple(self.machine.given)
        after = ENDED
        if hasattr(option, "call") and not option.finished:
            after = option.stance = self._stance_of(option, self.stances[stance].maker, stance, shared, answers)
        return after, self._read()

    # -- Taking a turn ---------------------------------------------------------------------------------

    def _stand(self, number, stance, shared, state):
        """Put the world into a shared state and task `number` into a stance; the task, or None if it cannot run."""
        task, state = self.machine.tasks[number], state if self._crowded or self.states[shared][1] else ()
        self._set(shared, state, task, self.stances[stance])
        if task not in task.cpu.candidates():
            return None
        if not self.stances[stance].spare:
            self._bring(task, stance)
            self._set(shared, state, task, self.stances[stance])
        task.call = self.stances[stance].spare.pop()
        return task

    def _call_in(self, who, stance, shared, state):
        """Put the world into a shared state; the handler or the arrival that is to have its turn there."""
        if stance is not None and not self.stances[stance].spare:
            self._bring(None, stance)
        self._set(shared, state)
        option = self._find(who)
        if stance is not None:
            option.call = self.stances[stance].spare.pop()
        return option

    def _find(self, who):
        return next(option for option in self.machine.options()
                    if option not in self.machine.tasks and _who(option) == who)

    def _bring(self, task, target):
        """Lead a coroutine to stance `target`, through the turns that first led there, and leave it as a spare."""
        way = [self.stances[target]]
        while way[-1].before is not None:
            way.append(self.stances[way[-1].before])
        call = self._begin(task, way[-1].maker)
        for before, stance in zip(way[::-1], way[-2::-1]):
            self._set(stance.shared, (), task, before)
            option = task or self._find(("handler", stance.maker[0]))
            option.call = call
            self.machine.script, self.machine.given, self.machine.offered = stance.answers, [], []
            self._now = None
            self.machine.turn(option)
        way[0].spare.append(call)

    def _begin(self, task, maker):
        made = self.machine.made[maker] if task else self.handlers[maker]
        task = task or self.machine.handler(maker[0], self.machine.cpu(0))
        self.machine.begin(task, made)
        return task.call


def _who(option):
    if hasattr(option, "call"):
        return "handler", option.name
    return "interrupt" if option.masks else "timer", option.name


def _next_script(given, offered):
    """The answers to give next time: the last one that can still be another is; None when all were given."""
    script = list(given)
    while script and script[-1] + 1 == offered[len(script) - 1]:
        script.pop()
    if not script:
        return None
    script[-1] += 1
    return script
