"""forms: a value as plain data that can be compared, kept for years, and turned back into the value.

The explorer meets the same state a thousand times, each time as other objects or as the same objects
with other contents.  The form of a value is what remains: atoms are their own form, everything else
is a tuple that begins with a word:

    ["a", 7]              ("list", "a", 7)
    pool                  ("thing", 3)      known by name: restored in place, never copied
    the task B            ("task", 1)
    an interchangeable element    ("element", 0)
    a function, a frozen record   ("value", 12)     cannot change; the same object serves again

What is always true: equal forms mean that whoever looks at the values cannot tell them apart, but for
the names that they go by; and thaw(form(value)) has the form of value.
"""

import gc
import types
from array import array
from collections import deque
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial

from kit.errors import BadInput
from kit.machine.cpus import Arrival
from kit.tasks import Trap

ATOMS = frozenset({type(None), int, str, bytes, type(Ellipsis), type(NotImplemented)})
UNORDERED = ("set", "frozenset", "late")
CONSTANT = (type, types.ModuleType, types.CodeType, Enum)     # never change, and are themselves everywhere


class NotAlike(Exception):
    """Two tasks that look alike are told apart by somebody; `tasks` are their numbers."""

    def __init__(self, tasks):
        super().__init__(tasks)
        self.tasks = frozenset(tasks)


class Forms:
    """The names that are known, and the forms of values in terms of them."""

    def __init__(self):
        self.names = {}         # the form of each object that is known by name, by its id()
        self.named = {}         # and back
        self.values = []        # what cannot change: (the object, its key)
        self._numbers = {}      # the number of each of these, by its key
        self._made = {bool: _bool, float: _float, list: self._items, tuple: self._items, deque: self._deque,
                      dict: self._dict, set: self._set, frozenset: self._set, bytearray: _bytearray, array: _array}
        self._thawed = {"list": self._all, "tuple": lambda form: tuple(self._all(form)),
                        "deque": lambda form: deque(self._all(form[1:]), form[1]),
                        "dict": lambda form: dict(zip(self._all(form)[::2], self._all(form)[1::2])),
                        "set": lambda form: set(self._all(form)),
                        "frozenset": lambda form: frozenset(self._all(form)),
                        "bool": lambda form: form[1], "float": lambda form: float.fromhex(form[1]),
                        "bytearray": lambda form: bytearray(form[1]), "array": lambda form: array(form[1], form[2]),
                        "value": lambda form: self.values[form[1]][0]}

    def name(self, thing, form):
        """From now on `thing` is known as `form`."""
        self.names[id(thing)], self.named[form] = form, thing

    def of(self, value):
        """The form of what tasks share; BadInput if it can change and no class says what its state is."""
        kind = type(value)
        if kind in ATOMS:
            return value
        known = self.names.get(id(value))
        if known is not None:
            return known
        make = self._made.get(kind)
        return make(value) if make else ("value", self._number(value))

    def contents(self, value):
        """The form of what is in a container that goes by a name itself."""
        return self._made[type(value)](value)

    def thaw(self, form):
        """A value of that form; what is known by name is itself."""
        if type(form) is not tuple:
            return form
        thaw = self._thawed.get(form[0])
        return thaw(form) if thaw else self.named[form]

    def renamed(self, form, tasks, elements):
        """`form` with tasks and elements under other names; names[old] is the new number; None keeps all."""
        if type(form) is not tuple:
            return form
        word = form[0]
        if word == "task" or word == "element":
            names = tasks if word == "task" else elements
            return (word, names[form[1]]) if names else form
        if word == "value":
            self._refuse_renaming(form, tasks, elements)
            return form
        parts = [self.renamed(part, tasks, elements) for part in form[1:]]
        return (word, *(sorted(parts, key=repr) if word in UNORDERED else parts))

    # -- Forms of containers ---------------------------------------------------------------------------

    def _items(self, value):
        return (type(value).__name__, *[self.of(item) for item in value])

    def _deque(self, value):
        return ("deque", value.maxlen, *[self.of(item) for item in value])

    def _dict(self, value):
        return ("dict", *[self.of(part) for item in value.items() for part in item])

    def _set(self, value):
        return (type(value).__name__, *sorted((self.of(item) for item in value), key=repr))

    def _all(self, form):
        return [self.thaw(part) for part in form[1:]]

    # -- What cannot change ----------------------------------------------------------------------------

    def _number(self, value):
        """The number of an unchangeable value, the same for all that have the same key."""
        key = self.key(value)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.values)
            self.values.append((value, key))
        return number

    def key(self, value):
        """What an unchangeable value consists of; BadInput if `value` can change."""
        if isinstance(value, CONSTANT) or type(value) is types.BuiltinFunctionType and value.__self__ is None:
            return ("itself", id(value))        # kept alive in `values`, so no other object gets this id
        if isinstance(value, types.FunctionType):
            return ("function", self.of(value.__code__), *[self._cell(cell) for cell in value.__closure__ or ()],
                    self.of(value.__defaults__))
        if isinstance(value, (types.MethodType, types.BuiltinMethodType)):
            return ("method", value.__name__, self.of(value.__self__))
        if isinstance(value, partial):
            return ("partial", self.of(value.func), self.of(value.args), self.of(value.keywords))
        if isinstance(value, Trap):
            return ("trap", type(value).__name__, *[self.of(part) for part in trap_parts(value)])
        if isinstance(value, (range, slice, complex)):
            return (type(value).__name__, repr(value))
        if isinstance(value, Arrival):
            return ("arrival", value.letter, value.name, value.cpu.number, value.time, value.masks,
                    self.of(value.action))
        return self._record_key(value)

    def _cell(self, cell):
        """A variable that a function closes over: known by name, or taken with the value that it has now."""
        known = self.names.get(id(cell))
        return known if known is not None else ("cell", *[self.of(value) for value in gc.get_referents(cell)])

    def _record_key(self, value):
        kind = type(value)
        if isinstance(value, tuple):
            return ("record", id(kind), self.of(kind), *[self.of(item) for item in value])
        if is_dataclass(value) and kind.__dataclass_params__.frozen:
            return ("record", self.of(kind), *[self.of(getattr(value, field.name)) for field in fields(value)])
        state = state_of(value)
        if declared_fields(kind) == ():
            return ("constant", self.of(kind), *[self.of(part) for _, part in sorted(state.items())])
        if state == {} and kind.__flags__ & HEAP_TYPE:
            return ("itself", id(value))
        raise undeclared(value)

    def _refuse_renaming(self, form, tasks, elements):
        """What cannot change cannot be renamed inside: then the tasks that it tells apart are not alike."""
        inside = names_in(form, self)
        moved = {number for word, number in inside if word == "task" and tasks and tasks[number] != number}
        if moved or elements and any(word == "element" and elements[number] != number for word, number in inside):
            raise NotAlike(moved)


HEAP_TYPE = 1 << 9      # Py_TPFLAGS_HEAPTYPE: a class that was written in Python, or might have been


def trap_parts(trap):
    """What a request consists of: its label, and the lock, the queue or the time-out that it names."""
    slots = [name for kind in type(trap).__mro__ for name in getattr(kind, "__slots__", ())]
    return [getattr(trap, name) for name in slots]


def state_of(value):
    """The instance attributes of `value`, by name: those in its dict and those in slots."""
    state = dict(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                state[name] = getattr(value, name)
    return state


def declared_fields(kind):
    """The fields that `kind` and its bases declare as explored, or None if nobody declares any."""
    declared = [base.__dict__["explored"] for base in reversed(kind.__mro__) if "explored" in base.__dict__]
    if not declared:
        return None
    return tuple(dict.fromkeys(name for names in declared for name in names))


def undeclared(value):
    """The refusal of an object that can change, while its class does not say what its state is."""
    kind, state = type(value).__name__, list(state_of(value))
    if not type(value).__flags__ & HEAP_TYPE or not state:
        return BadInput(f"tasks share a {kind}, and the explorer cannot see what its state is. Keep it out of what "
                        "tasks share, or wrap it in a class that declares `explored`.")
    return BadInput(f"tasks share a {kind}, and the explorer has to know which of its fields are its state. Write in "
                    f"class {kind}: explored = {tuple(state)!r}, and leave out counters, clocks and what never "
                    "changes.")


def names_in(form, forms):
    """The tasks and elements that `form` names, in the order in which it does, inside unchangeable values too."""
    inside = {}
    _collect(form, forms, inside)
    return list(inside)


def _collect(form, forms, inside):
    if type(form) is not tuple or not form:
        return
    if form[0] in ("task", "element"):
        inside.setdefault(form)
    elif form[0] == "value":
        _collect(forms.values[form[1]][1], forms, inside)
    else:
        for part in form:
            _collect(part, forms, inside)


def _bool(value):
    return ("bool", value)


def _float(value):
    return ("float", value.hex())


def _bytearray(value):
    return ("bytearray", bytes(value))


def _array(value):
    return ("array", value.typecode, value.tobytes())
