"""refusals: what is said to whoever writes a call the wrong way, with the line to write instead.

Two spellings confuse everybody once.  Inside a task a call is awaited; at the prompt it simply runs.
Python itself says nothing about a forgotten `await` (the call gives a coroutine, which is true and
does nothing) and something unhelpful about a needless one.  traps.py notices both; here they become
a sentence.  So do the sleeps of those who must not leave their CPU.

Always true: the sentence names who, what and where, and how the line should read.  A place is a code
object and the offset of the call in it: cheap to note at every call, and made into a line and its
columns only here, when somebody has to be told.
"""

import ast
import dis
import inspect
import linecache
import re
import warnings
from itertools import pairwise

from kit.errors import BadInput, Refused, WouldSleepForever

atomic_code = {}    # the code of every function that is marked @never_sleeps, by id: code is slow to hash


# == await forgotten, await too much ===============================================================


def is_under_way(unawaited):
    """Whether it is a coroutine that runs: it was awaited, as nearly always, and makes the next call itself."""
    return type(unawaited) is tuple and getattr(unawaited[0], "cr_running", False)


def look_for_await(task, following=None, error=None):
    """Refuse the call that `task` made last, if that was not awaited.

    following: the call that it makes now and will not come to await; error: what came of it.
    """
    unawaited, task.unawaited = task.unawaited, None
    call, *place = unawaited if type(unawaited) is tuple else (unawaited,)
    if inspect.iscoroutine(call) and (call.cr_suspended or call.cr_frame is None):
        return
    close(call)
    close(following)
    if not place:
        place = _place_of(_name(call), call.label, [task.call])
    raise Refused(_forgotten(task, _name(call), *place)) from error


def look_whether_that_was_it(task, error):
    """`error` has ended the task: was it because f().attr, or f() + 1, lacks an `await` before the f()?"""
    if task.unawaited is not None and isinstance(error, Exception):
        look_for_await(task, error=error)


class Dropped:
    """`with Dropped(tasks):` an `async def` of the learner's own, called without `await`, is refused as well.

    Such a helper is not marked, so nobody notices the call; but Python warns when its coroutine is
    dropped.  Those warnings end here, and the first becomes a refusal when the block does.
    """

    def __init__(self, tasks):
        self.tasks, self.catching = tasks, warnings.catch_warnings(record=True)

    def __enter__(self):
        self.caught = self.catching.__enter__()
        warnings.filterwarnings("always", "coroutine .* was never awaited", RuntimeWarning)

    def __exit__(self, kind, error, traceback):
        self.catching.__exit__(kind, error, traceback)
        names = []
        for warning in self.caught:
            if match := re.match(r"coroutine '(.*)' was never awaited", str(warning.message)):
                names.append(match[1].rpartition(".")[2])
            else:
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        if names and not isinstance(error, Refused):
            place = _place_of(names[0], "", [task.call for task in self.tasks])
            raise Refused(_forgotten("a task", names[0], *place)) from error


def _forgotten(who, name, code, offset):
    say = f"{name}(...) was called without `await`, so it never ran."
    if code is None:
        return f"{who}: {say} Inside a task, write `await` before it."
    line, source, start, end = _expression(code, offset)
    if not source:
        return f"{who}, in {code.co_name}, line {line}: {say} Inside a task, write `await` before it."
    awaited = f"await {source[start:end]}"
    if source[end:end + 1] in (".", "[", "("):      # `await f().attr` would await the attribute
        awaited = f"({awaited})"
    return f"{who}, in {code.co_name}, line {line}: {say} Write: {(source[:start] + awaited + source[end:]).strip()}"


def look_for_needless_await(call, frame):
    """Refuse a call at the prompt that comes from inside a coroutine: `await` where no task runs."""
    code = frame.f_code
    if not code.co_flags & inspect.CO_COROUTINE:
        return
    close(call)
    line, source, start, _ = _expression(code, frame.f_lasti)
    if not code.co_name.startswith("<"):     # a cell is called <module>
        raise Refused(f"{code.co_name}, line {line}: a task's function calls {_name(call)}(...), but no machine runs "
                      f'it. Write: machine.spawn("{code.co_name}", {code.co_name}, ...) and then machine.run()')
    say = f"line {line}: at the prompt {_name(call)}(...) simply runs, and there is nothing to await."
    before = source[:start].rstrip()
    if before.endswith("await"):
        say += f" Write: {(before[:-len('await')] + source[start:]).strip()}"
    raise Refused(say)


def look_whether_async(task, function):
    """Refuse a `def` where a task's function is needed; a lambda may yet give a coroutine."""
    if inspect.isroutine(function) and not (inspect.iscoroutinefunction(function) or hasattr(function, "sleeps")
                                            or function.__name__ == "<lambda>"):
        raise _not_a_task(task, function)


def look_whether_coroutine(task, function):
    """The same for what `function` gave to the task."""
    if not inspect.iscoroutine(task.call):
        forget(task)
        raise _not_a_task(task, function)


def _not_a_task(task, function):
    called = getattr(function, "__name__", type(function).__name__)
    return BadInput(f"{task} cannot be a task: {called} is an ordinary function. "
                    f"Define it with `async def {called}(...)`, and await what it calls.")


def not_async(function, mark):
    """The refusal for a mark on a `def`."""
    return BadInput(f"{function.__qualname__} is marked @{mark}, but it is an ordinary function. "
                    f"Write `async def {function.__name__}(...)`, or leave the mark out.")


def forget(task):
    """Drop the call that `task` made last."""
    if type(task.unawaited) is tuple:
        close(task.unawaited[0])
    task.unawaited = None


def close(call):
    """Close a coroutine that is dropped.  Python would warn of one that has not run; and the `finally`
    blocks of one that has run now, but cannot wait any more: whoever tries is closed again, up to a limit.
    """
    for _ in range(100):
        if not inspect.iscoroutine(call) or call.cr_frame is None:
            break
        try:
            call.close()
        except Exception:       # from such a block: nobody is left who could be told
            pass


_SPELLED = {"yield": "yield_cpu"}      # where a trap is not called what it does


def _name(call):
    """What the function was called that gave `call`: the name of a coroutine, or of a trap."""
    return call.cr_code.co_name if inspect.iscoroutine(call) else _SPELLED.get(call.what, call.what)


def _place_of(name, label, calls):
    """Where `name` was called without `await`, when nobody noted the place: (code, offset), or (None, None).

    It is the first call of name(...), if possible with that label, that no `await` follows: sought
    where the coroutines `calls` stand, from the inside out, and then all over the files where that is.
    """
    codes = [inner.cr_code for call in calls for inner in _calls(call)]
    codes += [code for file in dict.fromkeys(code.co_filename for code in codes) for code in _codes_of(file)]
    for wanted in (repr(label), f'"{label}"', ""):
        for code in codes:
            for call, following in pairwise(dis.get_instructions(code)):
                if not call.opname.startswith("CALL") or following.opname == "GET_AWAITABLE":
                    continue
                _, source, start, end = _expression(code, call.offset)
                if re.match(rf"([\w.]+\.)?{name}\(", source[start:end]) and wanted in source[start:end]:
                    return code, call.offset
    return None, None


def _calls(call):
    """The coroutines of a task, from the inside out: each is awaited by the next."""
    calls = []
    while inspect.iscoroutine(call):
        calls.insert(0, call)
        call = call.cr_await
    return calls


def _codes_of(file):
    """All code in a file or a cell, as far as its source is within reach."""
    try:
        codes = [compile("".join(linecache.getlines(file)), file, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)]
    except SyntaxError:
        return []
    for code in codes:
        codes += [inner for inner in code.co_consts if inspect.iscode(inner)]
    return codes


def _expression(code, offset):
    """Where the call at `offset` of `code` is written: line number, that line, and its columns there.

    The line is "" where the source is out of reach or the call spreads over several lines.
    """
    line, last_line, start, end = list(code.co_positions())[offset // 2]
    source = linecache.getline(code.co_filename, line or 0).rstrip("\n")
    if line is None or line != last_line or start is None:
        return line or code.co_firstlineno, "", 0, 0
    start, end = (len(source.encode()[:column].decode()) for column in (start, end))    # they count bytes
    return line, source, start, end


# == Leaving the CPU where one must not ============================================================


def look_whether_it_may_leave(task):
    """Refuse what `task` asks for, to leave its CPU, where it must not; for a sleep it must stand in that queue."""
    request = task.request
    if task.in_interrupt:
        raise Refused(f"{_leaving(task)} inside an interrupt, which nobody can resume. "
                      "Ask without WAIT there (GFP_ATOMIC).")
    if task.spinlocks:
        raise Refused(f"{_leaving(task)} while it holds the spinlock {task.spinlocks[-1].name}: whoever wants the lock "
                      "would spin for ever. Release it first, or use a Mutex.")
    if atomic := _atomic_frame(task.call):
        raise Refused(f"{_leaving(task)} inside {atomic}, which is marked @never_sleeps. "
                      "Mark it @might_sleep, or do not sleep there.")
    if request.what == "sleep" and task.queue is not request.queue:
        raise Refused(f"{_leaving(task)} without standing in that queue, so that no wake-up could reach it. Write: "
                      f"with {request.label}.queued(): look again, then await sleep({request.label})")


def _leaving(task):
    return f"{task} would {'yield its CPU' if task.request.what == 'yield' else f'sleep on {task.request.label}'}"


def would_sleep_for_ever(queue):
    """What a sleep at the prompt comes to: nobody else is there."""
    return WouldSleepForever(f"this call sleeps on {queue.name}, and at the prompt there is no other task "
                             f"to wake it. {queue.why}".rstrip())


def would_spin_for_ever(lock):
    """What a taken spinlock comes to at the prompt."""
    return WouldSleepForever(f"this call spins on {lock.name}, which {lock.owner} holds, and at the prompt there is "
                             "no other task to release it.")


def would_go_round_for_ever(label):
    """What it comes to at the prompt to try again and again what only others could change."""
    return WouldSleepForever(f"this call goes round in a circle (last: {label}), and at the prompt there is no other "
                             "task to change what it waits for.")


def _atomic_frame(call):
    """The name of the outermost @never_sleeps function that `call` is inside of, or None."""
    while (code := getattr(call, "cr_code", None)) is not None:     # down to what is no coroutine: the trap
        if id(code) in atomic_code:
            return code.co_qualname
        call = call.cr_await
    return None
