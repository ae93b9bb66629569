"""shared: what tasks share, found by walking from the story's roots, read as a form, written back in place.

The roots are what the tasks were given: their arguments, the variables that their functions close
over, the globals that these name, and what has been set up to arrive from outside.  Every class
that is met on the way declares its state as `explored`, the fields of all its bases together; lists,
dicts, sets, deques and closed-over variables are their own state.  What is declared is walked
through whole, so that a pool leads to its allocator, but only the declared fields are state.

What is always true: things are written in place, because frames keep references to them; and what
tasks share is there before the first turn.  An object that can change and comes up later is refused.
"""

import dis
import gc
import types
from collections import deque
from functools import partial

from kit.errors import BadInput
from kit.machine.explorer.forms import ATOMS, CONSTANT, declared_fields, state_of
from kit.tasks import Cpu, Task, Trap, World


class Fields:
    """A thing with declared fields."""

    def __init__(self, forms, thing, names):
        self.forms, self.thing, self.names = forms, thing, names

    def read(self):
        forms, thing = self.forms, self.thing
        return ("fields", *[forms.of(getattr(thing, name)) for name in self.names])

    def write(self, form):
        for name, part in zip(self.names, form[1:]):
            setattr(self.thing, name, self.forms.thaw(part))


class Contents:
    """A thing that is its contents: a list, a dict, a set, a deque, a closed-over variable."""

    def __init__(self, forms, thing):
        self.forms, self.thing = forms, thing
        self.read, self.write = {list: (self._read, self._write_items), deque: (self._read, self._write_members),
                                 bytearray: (self._read, self._write_items),
                                 dict: (self._read, self._write_members), set: (self._read, self._write_members),
                                 types.CellType: (self._read_cell, self._write_cell)}[type(thing)]
        self.make = None if type(thing) is types.CellType else forms.contents

    def _read(self):
        return self.make(self.thing)

    def _write_items(self, form):
        self.thing[:] = self.forms.thaw(form)

    def _write_members(self, form):
        self.thing.clear()
        getattr(self.thing, "update" if type(self.thing) is not deque else "extend")(self.forms.thaw(form))

    def _read_cell(self):
        return ("cell", *[self.forms.of(value) for value in gc.get_referents(self.thing)])

    def _write_cell(self, form):
        if len(form) > 1:
            self.thing.cell_contents = self.forms.thaw(form[1])
        else:
            del self.thing.cell_contents


CONTAINERS = (list, dict, set, deque, bytearray)


class Shared:
    """All things that the tasks of one story share, in the order in which they were met."""

    def __init__(self, forms, roots):
        self.forms, self.things, self.elements, self.checks = forms, [], [], []
        self._met, self._todo = {}, deque()
        for root in roots:
            self._todo.append((root, True))
        while self._todo:
            self._walk(*self._todo.popleft())

    def read(self):
        """The state of everything shared, as a tuple of forms."""
        return tuple([thing.read() for thing in self.things])

    def write(self, state, before=None):
        """Put everything into `state`; with `before`, which holds now, only what differs."""
        if before is None:
            for thing, form in zip(self.things, state):
                thing.write(form)
        else:
            for thing, form, old in zip(self.things, state, before):
                if form != old:
                    thing.write(form)

    # -- Discovery -------------------------------------------------------------------------------------

    def _walk(self, value, is_state):
        """Meet `value`: name it if it is a thing, and remember to walk on to what it leads to.

        is_state: it was met as a root or through a declared field; a plain list that was not is
        walked through, but is no state (a history, a table of counters).
        """
        kind = type(value)
        if kind in ATOMS or kind in (bool, float) or (id(value), is_state) in self._met:
            return
        self._met[id(value), is_state] = value      # kept alive, so that no other gets its id meanwhile
        if id(value) in self.forms.names and not isinstance(value, (Task, World)):
            return
        if kind in CONTAINERS:
            self._container(value, is_state)
        elif kind in (tuple, frozenset):
            self._later(value, is_state)
        elif isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, (types.MethodType, types.BuiltinMethodType)):
            self._later([getattr(value, "__func__", None), value.__self__], is_state)
        elif isinstance(value, partial):
            self._later([value.func, value.args, value.keywords], is_state)
        elif isinstance(value, Trap):
            pass
        elif kind is types.CellType:
            self._name(Contents(self.forms, value))
            self._later(gc.get_referents(value), True)
        elif not isinstance(value, (*CONSTANT, Task, World, Cpu)):
            self._instance(value, is_state)

    def _later(self, values, is_state):
        self._todo.extend((value, is_state) for value in values)

    def _name(self, thing):
        self.forms.name(thing.thing, ("thing", len(self.things)))
        self.things.append(thing)

    def _container(self, value, is_state):
        if is_state:
            self._name(Contents(self.forms, value))
        if type(value) is dict:
            self._later(value.keys(), is_state)
            self._later(value.values(), is_state)
        elif type(value) is not bytearray:
            self._later(value, is_state)

    def _function(self, function):
        """What a function can reach: its defaults, the globals that it names, and the variables that it closes over.

        A closed-over variable is a thing only if somebody may bind it anew; else what it holds is walked.
        """
        code = function.__code__
        rebound = _rebound(code)
        for name, cell in zip(code.co_freevars, function.__closure__ or ()):
            self._later([cell] if name in rebound else gc.get_referents(cell), True)
        self._later(function.__defaults__ or (), True)
        if (function.__module__ or "").split(".")[0] != "kit":
            for name in _global_names(code):
                if name in rebound:
                    raise BadInput(f"{function.__name__} binds the global {name} anew, which the explorer cannot undo. "
                                   "Keep it in an object whose class declares it as explored.")
                if name in function.__globals__:
                    self._later([function.__globals__[name]], True)

    def _instance(self, value, is_state):
        """An object of some class: an element, a thing with declared fields, or a constant."""
        kind, state = type(value), state_of(value)
        names = declared_fields(kind)
        if getattr(kind, "alike", False):
            self.forms.name(value, ("element", len(self.elements)))
            self.elements.append(value)
        elif names:
            self._check_declared(value, names)
            self._name(Fields(self.forms, value, names))
            if callable(getattr(value, "check", None)):
                self.checks.append(value)
        elif names is None and is_state:
            self.forms.of(value)            # refuses what can change
        else:
            self.forms.name(value, ("constant", len(self.forms.named)))
        for name, part in state.items():
            self._todo.append((part, name in (names or ()) or is_state and names is None))

    def _check_declared(self, value, names):
        for name in names:
            if not hasattr(value, name):
                raise BadInput(f"class {type(value).__name__} declares {name!r} as explored, and this one of it has no "
                               "such field. Set it in __init__.")


def _codes(code):
    """`code`, and that of the functions written inside it."""
    inside = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return [code] + [deeper for constant in inside for deeper in _codes(constant)]


def _global_names(code):
    return [name for part in _codes(code) for name in part.co_names]


def _rebound(code):
    """The closed-over variables and the globals that `code`, or a function inside it, binds anew."""
    return {instruction.argval for part in _codes(code) for instruction in dis.get_instructions(part)
            if instruction.opname in ("STORE_DEREF", "DELETE_DEREF", "STORE_GLOBAL", "DELETE_GLOBAL")}
