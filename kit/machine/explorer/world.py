"""world: the world of one story in numbers, and the world itself, put into any state that a number means.

A task that stands still is known by its *stance*: its frames, its flags, the spinlocks it holds, the
queue it is in.  What tasks share is known by its forms (shared.py), and with them the machine's places
(told.py).  Each distinct one gets a number, and everything above this file speaks in numbers:

    stance number       0 is the end of a task
    shared number       0 is a broken world: a task let an exception out, and nothing is known any more
    state               a tuple: the stance of each task, and last what is shared

Always true: what is shared under one number is written back as it was read, and an equal stance has
an equal future.  Coroutines cannot be copied; those that stand in a stance are kept until needed.
"""

import copy

from kit import traps
from kit.machine.explorer.forms import Forms, NotAlike, names_in
from kit.machine.explorer.frames import Frames
from kit.machine.explorer.shared import Shared
from kit.machine.explorer.told import Told
from kit.tasks import Cpu, Task
from kit.tasks import World as Nobody

ENDED, BROKEN = 0, 0
SPARE = 64      # so many coroutines are kept in a stance; a thousand bytes each, and bringing one there costs turns


class Stance:
    """Where a task stands, and how the first one got there: from `before`, in `shared`, by `answers`."""

    __slots__ = ("key", "maker", "before", "shared", "answers", "request", "flags", "spinlocks", "queue", "face",
                 "spare")

    def __init__(self, key, maker, before, shared, answers, task):
        self.key, self.maker = key, maker
        self.before, self.shared, self.answers = before, shared, answers
        self.request, self.flags, self.queue = task.request, task.flags, task.queue
        self.spinlocks = tuple(task.spinlocks)
        self.face = bool(task.spinlocks), id(task.queue)    # what an arrival can see of a task
        self.spare = []         # coroutines that stand here and have not gone on


class World:
    """The world that `story` sets up.

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
        self._now = None            # the state that all things are in, where that is known
        self._surplus = []          # coroutines that nobody will need
        self.unlike = unlike
        self.makers = self._alike()
        self._renamed = {}
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

    def _number_of_handler(self, task):
        """The number of the stance of an interrupt's handler: the places of its CPU tell it."""
        if task.stance is None:
            function, args = task.made
            maker = (task.name, self.forms.of(function), *[self.forms.of(part) for part in args])
            self.handlers.setdefault(maker, task.made)
            task.stance = self._stance_of(task, maker)
        return task.stance

    def _stand_handler(self, name, number, cpu):
        """A task that stands where the handler of an interrupt stands; its coroutine comes when it runs."""
        stance = self.stances[number]
        task = self.machine.handler(name, cpu)
        task.made, task.stance = self.handlers[stance.maker], number
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
        except Exception as error:
            self.wrong[number] = str(error) or type(error).__name__

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

    # -- Under other names -----------------------------------------------------------------------------

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
            interrupted = {number for number, form in enumerate(places[1][1:]) if len(form) > 1}
            if cpus & (set(arrivals) | interrupted):
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
            traps.abandon(Task("abandoned", call, Cpu(None), Nobody()))
        self._surplus.clear()
        self._now = None

    def close(self):
        """Abandon every coroutine, and leave everything shared as the story had set it up."""
        for stance in self.stances[1:]:
            self._surplus += stance.spare
            stance.spare.clear()
        self._surplus += [task.call for task in self.machine.tasks]
        self._set(self.initial[-1], self.initial[:-1])


def _dress(task, stance):
    """`task` looks as one that stands in `stance`."""
    task.request, task.flags, task.queue = stance.request, stance.flags, stance.queue
    task.spinlocks, task.holds = list(stance.spinlocks), []
    task.finished, task.unawaited = False, None


