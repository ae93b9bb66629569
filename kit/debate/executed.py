"""executed: what a call goes through, counted while it runs: the branches taken in each module.

A branch here is a line with an `if`, a `while` or a conditional expression that was reached, each
time it was.  Whose source is longer would say who writes tersely; what is executed says what every
caller pays.  Branches on `watchers` are not counted: they belong to the kit's trail, not to its
subject.  Those inside `any(...)`, `all(...)` and comprehensions are not either: Python versions
differ in them.
"""

import ast
import sys
from functools import cache
from importlib import import_module
from inspect import getsource


def branches(modules, call):
    """How many branches in these modules (by name, "kit.memory.zones") `call()` went through."""
    return _reached({import_module(name).__file__: _branch_lines(name) for name in modules}, call)


def _reached(lines, call):
    """How often these lines, by file, are reached while `call()` runs."""
    count = 0

    def enter(frame, event, argument):
        wanted = lines.get(frame.f_code.co_filename)
        if wanted is None or frame.f_code.co_name.startswith("<"):
            return None

        def look(frame, event, argument):
            nonlocal count
            count += event == "line" and frame.f_lineno in wanted
            return look
        return look

    before = sys.gettrace()     # a debugger's, perhaps
    sys.settrace(enter)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


@cache
def _branch_lines(name):
    return frozenset(node.test.lineno for node in ast.walk(_tree(name))
                     if isinstance(node, ast.If | ast.While | ast.IfExp) and "watchers" not in ast.unparse(node.test))


@cache
def _tree(name):
    return ast.parse(getsource(import_module(name)))
