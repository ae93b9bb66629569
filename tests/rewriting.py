"""Run the kit with one of its lines changed: what would happen without it?

    with rewritten(reclaim, "if page.busy:", "if False:"): ...

The functions of the module get the code that they would have if its source read so, wherever they
have been imported to; afterwards they have their own again.
"""

import inspect
from contextlib import contextmanager

import pytest

from kit.errors import KitError


def tells_the_harm(module, line, instead, story, harm):
    """Without the line, `story()` raises something that says `harm`."""
    with rewritten(module, line, instead), pytest.raises((AssertionError, KitError), match=harm):
        story()


def line_of(mutant):
    """What a test of a changed line is called: the line."""
    return mutant[1].strip().split("\n")[0]


@contextmanager
def rewritten(module, line, instead):
    """Within the block, `module` reads `instead` for `line`, which must stand there once."""
    source = inspect.getsource(module)
    assert source.count(line) == 1, f"{line!r} stands {source.count(line)} times in {module.__name__}"
    changed = {"__name__": module.__name__}
    exec(compile(source.replace(line, instead), module.__file__, "exec"), changed)
    new, old = dict(functions(changed, module)), dict(functions(vars(module), module))
    codes = {name: function.__code__ for name, function in old.items()}
    try:
        for name, function in old.items():
            function.__code__ = new[name].__code__
        yield
    finally:
        for name, function in old.items():
            function.__code__ = codes[name]


def functions(names, module, prefix=""):
    """(name, function) of all that `names` of the module define: functions, methods, properties, marked or not."""
    for name, thing in names.items():
        thing = getattr(thing, "fget", None) or getattr(thing, "__func__", thing)
        thing = inspect.unwrap(thing) if callable(thing) else thing
        if getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(thing):
            yield from functions(vars(thing), module, f"{prefix}{name}.")
        elif inspect.isfunction(thing):
            yield prefix + name, thing
