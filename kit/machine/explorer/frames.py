"""frames: where a task stands, as plain data.

A task that is off its CPU is a chain of frames: its coroutine, the one that this awaits, and so on
down to the trap.  Two tasks with equal chains do the same when they are resumed into the same shared
state.  What a chain consists of, and what is easily forgotten:

    the place in the code       f_lasti alone does not do: `for x in (1, 1, 1)` stands three times at
                                the same place with the same locals
    the locals                  which ones are bound as well as to what
    the value stack             the iterator of that loop, the exit of a `with`, the awaited coroutine:
                                gc.get_referents() shows them, and an iterator's __reduce__ its position
    who is whose                two names of one list are not two equal lists

CPython 3.11 to 3.13 show all of it; tests/test_explore_sound.py compares with exploring unmerged.
"""

import gc
import types
import warnings
from collections import deque

from kit.errors import BadInput
from kit.machine.explorer.forms import ATOMS, state_of, trap_parts
from kit.tasks import Trap

_FRAME = {types.CoroutineType: "cr_frame", types.GeneratorType: "gi_frame", types.AsyncGeneratorType: "ag_frame"}
ME = ("me",)        # who stands here, in its own frames: the same for all that are alike
_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType)


class Frames:
    """The form of a coroutine that stands still, in terms of the names that `forms` knows."""

    def __init__(self, forms):
        self.forms = forms
        self.shared = forms.names

    def of(self, call, me):
        """The form of `call`, the coroutine of the task whose form is `me`: equal for like tasks."""
        self.me, self.seen = me, {}
        return self._form(call)

    def _form(self, value):
        kind = type(value)
        if kind in ATOMS:
            return value
        known = self.shared.get(id(value))
        if known is not None:
            return ME if known == self.me else known
        if kind is bool or kind is float:
            return self.forms.of(value)
        if kind is tuple or kind is frozenset:
            return (kind.__name__, *self._forms(value))
        if isinstance(value, Trap):
            return ("trap", kind.__name__, *self._forms(trap_parts(value)))
        if isinstance(value, (type, types.ModuleType, types.CodeType)):
            return self.forms.of(value)
        return self._once(value)

    def _forms(self, values):
        return [self._form(value) for value in values]

    def _once(self, value):
        """The form of an object that has an identity: told whole the first time, by number afterwards."""
        if id(value) in self.seen:
            return ("again", self.seen[id(value)][0])
        self.seen[id(value)] = (len(self.seen), value)     # kept alive, so that no other gets its id meanwhile
        kind = type(value)
        if kind in _FRAME:
            return self._frame(value, getattr(value, _FRAME[kind]))
        if kind in (list, set, deque, bytearray):
            parts = self._forms(value)
            return (kind.__name__, *(sorted(parts, key=repr) if kind is set else parts))
        if kind is dict:
            return ("dict", *self._forms(part for item in value.items() for part in item))
        if kind is types.CellType:
            return ("cell", *self._forms(gc.get_referents(value)))
        if kind in _FUNCTIONS:
            return self._function(value)
        return self._object(value, kind)

    def _frame(self, call, frame):
        if frame is None:
            return "over"
        bound = ("bound", *sorted(frame.f_locals))
        parts = gc.get_referents(call)
        start = next(i for i, part in enumerate(parts) if part is frame)
        start = next(i for i in range(start, len(parts)) if parts[i] is frame.f_code)
        if parts[-1] is None:
            parts.pop()     # once it has handled an exception, a frame says that it handles none now
        return ("frame", self.forms.of(frame.f_code), frame.f_lasti, bound, *self._forms(parts[start + 1:]))

    def _function(self, value):
        if isinstance(value, types.FunctionType):
            return ("function", self.forms.of(value.__code__), *self._forms(value.__closure__ or ()),
                    self._form(value.__defaults__), self._form(value.__kwdefaults__))
        return ("method", value.__name__, self._form(value.__self__),
                self._form(getattr(value, "__func__", None)))

    def _object(self, value, kind):
        """An iterator, an exception, a private instance: what it was made of, and its attributes."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)     # 3.12 deprecates pickling itertools
                made = value.__reduce_ex__(4)
        except (TypeError, AttributeError):
            raise BadInput(f"a task keeps a {kind.__name__} across a step, and the explorer cannot see what its "
                           "state is. Make it anew after each step, or keep plain values.") from None
        if isinstance(made, str):
            return self.forms.of(kind)
        made = [tuple(part) if index > 2 and part is not None else part for index, part in enumerate(made)]
        if len(made) == 3 and made[2] == {}:
            made.pop()      # an exception has no __dict__ until somebody looks
        state = state_of(value)
        return ("object", self.forms.of(kind), *self._forms(made[1:]),
                *self._forms(part for name in sorted(state) for part in (name, state[name])))
