"""segments: what one turn does, run once and remembered.

A task touches what is shared only between two traps.  So what a turn does hangs on two things alone:
where the task stands (a *stance*: its frames, what spinlocks it holds, which queue it is in), and the
state of what is shared.  Both have numbers here, and a turn that has been taken once from a pair of
numbers is a look-up ever after: tens of stances times hundreds of shared states are few, while the
states of the whole world are millions.

To take a turn for the first time the explorer needs a coroutine that stands there.  One that came by
and has not gone on will do; else one is brought there: begun anew, and led through the turns that
first led to that stance.

    stance number       a Stance; 0 is the end
    shared number       a tuple of forms, one a thing, and last the machine's places; 0 is a broken world
    outcomes            of a turn: ((stance, shared, answers), ...), one for each way the world may answer
"""

import copy

from kit import traps
from kit.errors import KitError
from kit.machine.explorer.forms import Forms, NotAlike, names_in
from kit.machine.explorer.frames import Frames
from kit.machine.explorer.shared import Shared
from kit.machine.explorer.told import Told
from kit.tasks import Cpu, Task, World

ENDED, BROKEN = 0, 0
SPARE = 64      # so many coroutines are kept in a stance; a thousand bytes each, and bringing one there costs turns


class Stance:
    """Where a task stands, and how the first one got there: from `before`, in `shared`, by `answers`."""

    __slots__ = ("key", "maker", "before", "shared", "answers", "request", "flags", "spinlocks", "queue", "spare")

    def __init__(self, key, maker, before, shared, answers, task):
        self.key, self.maker = key, maker
        self.before, self.shared, self.answers = before, shared, answers
        self.request, self.flags, self.queue = task.request, task.flags, task.queue
        self.spinlocks = tuple(task.spinlocks)
        self.spare = []         # coroutines that stand here and have not gone on


class Segments:
    """The turns of one story: whatever is run of it is run here.

    unlike: the numbers of tasks that are not to be taken for one another, though they look alike; and "elements".
    """

    def __init__(self, story, unlike=()):
        self.machine, self.forms = Told(), Forms()
        self.invariant = story(self.machine)
        self.machine.settle(self.forms)
        self.shared, self.frames = Shared(self.forms, [*self.machine.roots(), self.invariant]), Frames(self.forms)
        self.stances, self._stance_numbers = [None], {}
        self.states, self._state_numbers = [None], {}
        self.wrong = {}             # the sentence of whatever does not hold in a shared state, by its number
        self.handlers = {}          # how the handlers of interrupts are made, by the name that stances know
        self.taken = 0              # turns that were really taken
        self._now = None            # the state that all things are in, where that is known
        self._surplus = []          # coroutines that nobody will need
        self.unlike = unlike
        self.makers = self._alike()
        self.tables = [{} for _ in self.makers]     # of each task: stance -> shared -> outcomes
        self._outside, self._renamed = {}, {}
        self._crowded = any(self.machine.crowded)
        first = {maker: self._stance_of(self.machine.tasks[maker], maker) for maker in sorted(set(self.makers))}
        self.initial = (*[first[maker] for maker in self.makers], self._read())

    def _alike(self):
        """For each task the number of the first that is made like it: the same function of the same arguments."""
        first, makers = {}, []
        for number, (task, (function, args)) in enumerate(zip(self.machine.tasks, self.machine.made)):
            alone = number in self.unlike or len(self.machine.sharers[task.cpu.number]) > 1
            key = number if alone else (id(function), *map(id, args), task.daemon)
            makers.append(first.setdefault(key, number))
        return makers

    # -- What a turn does ------------------------------------------------------------------------------

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
            return self._run(lambda: self._stand(maker, stance, shared, state), stance, shared)
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
        key = (shared, *[bool(stance and self.stances[stance].spinlocks) for stance in state[:-1]])
        found = self._outside.get(key)
        if found is None:
            found = self._outside[key] = self._outside_outcomes(shared, state)
        return found

    def _outside_outcomes(self, shared, state):
        self._set(shared, state)
        options = [option for option in self.machine.options() if option not in self.machine.tasks]
        found = {}
        for who in [_who(option) for option in options]:
            stance = self._number_of_handler(self._find(who)) if who[0] == "handler" else None
            outcomes = self._run(lambda: self._call_in(who, stance, shared, state), stance, shared)
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

    # -- Stances ---------------------------------------------------------------------------------------

    def _stance_of(self, task, maker, before=None, shared=None, answers=()):
        """The number of the stance in which `task` is now; its coroutine is kept, to go on from there later."""
        me = self.forms.names.get(id(task))
        key = (maker, self.frames.of(task.call, me), task.flags, self.forms.of(tuple(task.spinlocks)),
               self.forms.of(task.queue))
        number = self._stance_numbers.get(key)
        if number is None:
            number = self._stance_numbers[key] = len(self.stances)
            self.stances.append(Stance(key, maker, before, shared, answers, task))
            self._look_for_namesakes(key)
        spare = self.stances[number].spare
        (spare if len(spare) < SPARE else self._surplus).append(task.call)
        return number

    def _look_for_namesakes(self, key):
        """Whoever stands with another task's name in its frames tells that task from those like it."""
        named = {number for word, number in names_in(key, self.forms) if word == "task"}
        told_apart = {number for number in named if self.makers.count(self.makers[number]) > 1}
        if told_apart:
            raise NotAlike(told_apart)

    def _stand(self, number, stance, shared, state):
        """Put the world into a shared state and task `number` into a stance; the task, or None if it cannot run."""
        task, state = self.machine.tasks[number], state if self._crowded else ()
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
        task = task or self.machine.handler(maker[0], None, made)
        self.machine.begin(task, made)
        return task.call

    def _number_of_handler(self, task):
        """The number of the stance of an interrupt's handler: the places of its CPU tell it."""
        if getattr(task, "stance", None) is None:
            function, args = task.made
            maker = (task.name, self.forms.of(function), *[self.forms.of(part) for part in args])
            self.handlers.setdefault(maker, task.made)
            task.stance = self._stance_of(task, maker)
        return task.stance

    def _stand_handler(self, name, number, cpu):
        """A task that stands where the handler of an interrupt stands; its coroutine comes when it runs."""
        stance = self.stances[number]
        task = self.machine.handler(name, cpu, self.handlers[stance.maker])
        task.stance = number
        _dress(task, stance)
        return task

    # -- Shared states ---------------------------------------------------------------------------------

    def _read(self):
        """The number of the state in which everything shared is now."""
        self._now = things = self.shared.read()
        state = things, self.machine.read_places(self._number_of_handler)
        number = self._state_numbers.get(state)
        if number is None:
            number = self._add_state(state)
            self._check(number)
        return number

    def _add_state(self, state):
        number = self._state_numbers[state] = len(self.states)
        self.states.append(state)
        return number

    def _check(self, number):
        """Ask everything that has a check(), and the story's own invariant, whether all is well."""
        try:
            for thing in self.shared.checks:
                thing.check()
            if self.invariant is not None:
                self.invariant()
        except (AssertionError, KitError) as error:
            self.wrong[number] = str(error)

    def _set(self, shared, state=(), task=None, stance=None):
        """Put everything shared into state number `shared`, and the tasks into their stances."""
        if self._surplus:
            self._abandon_surplus()
        things, places = self.states[shared]
        self.shared.write(things, self._now)
        self._now = things
        for other, number in zip(self.machine.tasks, state):
            if number == ENDED:
                other.request, other.finished = None, True
            else:
                _dress(other, self.stances[number])
        if task is not None:
            _dress(task, stance)
        self.machine.write_places(places, self._stand_handler)

    def renamed(self, shared, tasks, elements=None):
        """The number of that shared state when tasks (and elements) go by other numbers: tasks[old] is the new one."""
        if shared == BROKEN:
            return BROKEN
        key = shared, tasks, elements
        number = self._renamed.get(key)
        if number is None:
            things, places = self.states[shared]
            if tasks:
                self._refuse_moving(places, tasks)
            state = (tuple([self.forms.renamed(form, tasks, elements) for form in things]),
                     self.forms.renamed(places, tasks, elements))
            number = self._renamed[key] = self._state_numbers.get(state) or self._add_state(state)
            if shared in self.wrong:
                self.wrong[number] = self.wrong[shared]
        return number

    def _refuse_moving(self, places, tasks):
        """Who is interrupted on its CPU, or is to be, is no longer like a task on another CPU."""
        if places:
            moved = {number for number, new in enumerate(tasks) if number != new}
            cpus = {self.machine.tasks[number].cpu.number for number in moved}
            arrivals = [self.forms.thaw(form).cpu.number for form in places[2][1:]]
            if cpus & set(arrivals) or any(len(form) > 1 and number in cpus for number, form in enumerate(places[1][1:])):
                raise NotAlike(moved)

    def renamed_stance(self, number, elements):
        """The number of that stance when elements go by other numbers."""
        if number == ENDED:
            return ENDED
        key = number, elements
        if key not in self._renamed:
            stance = self.stances[number]
            maker, *parts = stance.key
            new_key = (maker, *[self.forms.renamed(part, None, elements) for part in parts])
            if new_key not in self._stance_numbers:
                self._add_renamed(stance, new_key, elements)
            self._renamed[key] = self._stance_numbers[new_key]
        return self._renamed[key]

    def _add_renamed(self, stance, key, elements):
        """A stance in which nobody has stood yet: who is to stand there is led as the first one was, by other names."""
        if stance.before is None:
            raise NotAlike(())      # its arguments name an element, and nobody is made with another
        before = self.renamed_stance(stance.before, elements)
        shared = self.renamed(stance.shared, None, elements)
        new = copy.copy(stance)
        new.key, new.before, new.shared, new.spare = key, before, shared, []
        self._stance_numbers[key] = len(self.stances)
        self.stances.append(new)

    # -- Clearing up -----------------------------------------------------------------------------------

    def _abandon_surplus(self):
        """Close coroutines that nobody will go on with.  Their `finally` blocks run, so all is to be written anew."""
        for call in self._surplus:
            traps.abandon(Task("abandoned", call, Cpu(None), World()))
        self._surplus.clear()
        self._now = None

    def close(self):
        """Abandon every coroutine, and leave everything shared as the story had set it up."""
        for stance in self.stances[1:]:
            self._surplus += stance.spare
            stance.spare.clear()
        self._set(self.initial[-1], self.initial[:-1])


def _dress(task, stance):
    """`task` looks as one that stands in `stance`."""
    task.request, task.flags, task.queue = stance.request, stance.flags, stance.queue
    task.spinlocks, task.holds = list(stance.spinlocks), []
    task.finished, task.unawaited = False, None


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
