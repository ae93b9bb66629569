"""symmetry: states that differ only in names count once.

Like tasks (the same function of the same arguments) may change places, and so may like elements
(those of a class that says `alike = True`): whatever one of them can do from here, the other can do
from there.  Of all states that differ only in who is who, the canonical one stands for all: like tasks
in the order of where they stand, then of where their names occur in what is shared; elements in the
order in which they are met, first in what is shared, then with the tasks.

Names are changed everywhere, in the order of a wait queue and in the hands of a task too: sorting the
tasks alone would merge the state in which A is woken first with the one in which B is.
Where two orders tie, either is right: a canonical form that is not perfect counts a state twice, and
loses none.
"""

from kit.machine.explorer.forms import UNORDERED, names_in


class Symmetry:
    """Gives the canonical state of any state of `segments`; without `tasks` only elements are renamed."""

    def __init__(self, segments, tasks=True):
        self.segments = segments
        makers = segments.makers
        groups = [[number for number, maker in enumerate(makers) if maker == first] for first in sorted(set(makers))]
        self.groups = [group for group in groups if len(group) > 1] if tasks else []
        self.elements = 0 if "elements" in segments.unlike else len(segments.shared.elements)
        self._marks, self._held, self._shapes, self._plans = {}, {}, {}, {}

    def __bool__(self):
        return bool(self.groups or self.elements)

    def canonical(self, state):
        """The state that stands for `state` and all that differ from it only in names."""
        return self._elements(self._tasks(state)[0])

    def canonical_node(self, state, last):
        """The same of a state together with who ran last, and the new number of each task (None: all keep theirs)."""
        state, places = self._tasks(state, last)
        if places and last is not None and last[0] == "task":
            last = ("task", places[last[1]])
        return (self._elements(state), last), places

    def _tasks(self, state, last=None):
        """`state` with like tasks in order, and the new number of each task (None if all keep theirs)."""
        marks, order = self.marks(state[-1]), None
        for group in self.groups:
            keys = [(self._shape(state[number]), marks[number], last == ("task", number)) for number in group]
            ranked = sorted(range(len(group)), key=keys.__getitem__)
            if any(rank != place for place, rank in enumerate(ranked)):
                order = order or list(range(len(state) - 1))
                for place, rank in enumerate(ranked):
                    order[group[rank]] = group[place]
        if order is None:
            return state, None
        moved = [None] * len(order)
        for number, place in enumerate(order):
            moved[place] = state[number]
        return (*moved, self.segments.renamed(state[-1], tuple(order))), order

    def marks(self, shared):
        """For each task, where its name occurs in a shared state."""
        found = self._marks.get(shared)
        if found is None:
            marks = [[] for _ in self.segments.makers]
            if self.segments.states[shared] is not None:
                _mark(self.segments.states[shared], marks, [0])
            found = self._marks[shared] = [tuple(places) for places in marks]
        return found

    # -- Elements ----------------------------------------------------------------------------------------

    def _elements(self, state):
        """`state` with its elements named in the order in which they are met."""
        if not self.elements:
            return state
        met = self._held_in(state[-1], self.segments.states)
        for stance in state[:-1]:
            held = self._held_by(stance)
            if held:
                met += held
        names = self._plans[met] if met in self._plans else self._plan(met)
        if names is None:
            return state
        renamed = self.segments.renamed_stance
        return (*[renamed(stance, names) if self._shapes[stance][1] else stance for stance in state[:-1]],
                self.segments.renamed(state[-1], None, names))

    def _plan(self, met):
        """The renaming of elements that are met in this order, or None if they have these names already."""
        order = {element: number for number, element in enumerate(dict.fromkeys(met))}
        unmoved = all(old == new for old, new in order.items())
        names = self._plans[met] = None if unmoved else _completed(order, self.elements)
        return names

    def _held_in(self, shared, states):
        found = self._held.get(shared)
        if found is None:
            found = self._held[shared] = self._elements_of(states[shared])
        return found

    def _held_by(self, stance):
        return self._shapes[stance][1] if stance in self._shapes else self._look_at(stance)[1]

    def _shape(self, stance):
        """A stance but for the names of its elements, as a number: equal for those that differ only there."""
        if not self.elements:
            return stance
        return self._shapes[stance][0] if stance in self._shapes else self._look_at(stance)[0]

    def _look_at(self, stance):
        key = self.segments.stances[stance].key if stance else None
        held = self._elements_of(key)
        names = _completed({element: number for number, element in enumerate(held)}, self.elements)
        shape = stance if not held else self.segments.renamed_stance(stance, names)
        self._shapes[stance] = shape, held
        return self._shapes[stance]

    def _elements_of(self, form):
        """The elements that a form names, in the order in which they are met."""
        return tuple([number for word, number in names_in(form, self.segments.forms) if word == "element"])


def _mark(form, marks, position, step=1):
    """Note for each task the positions at which `form` names it; inside what has no order all are the same."""
    if type(form) is not tuple or not form:
        return
    if form[0] == "task":
        marks[form[1]].append(position[0])
        return
    step = 0 if form[0] in UNORDERED else step
    for part in form[1:] if type(form[0]) is str else form:
        position[0] += step
        _mark(part, marks, position, step)


def _completed(names, count):
    """A renaming of all elements that begins as `names` does."""
    rest = iter(sorted(set(range(count)) - set(names.values())))
    return tuple([names[element] if element in names else next(rest) for element in range(count)])
