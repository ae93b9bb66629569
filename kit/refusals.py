"""refusals: what is said to whoever writes a call the wrong way, with the line to write instead.

Two spellings confuse everybody once.  Inside a task a call is awaited; at the prompt it simply runs.
Python itself says nothing about a forgotten `await` (the call gives a coroutine, which is true and
does nothing) and something unhelpful about a needless one.  traps.py notices both; here they become
a sentence.  So do the sleeps of those who must not leave their CPU.

Always true: the sentence names who, what and where, and how the line should read.  A place is a code
object and the offset of the call in it: cheap to note at every call, and made into a line and its
columns only here, when somebody has to be told.
"""

import inspect
import linecache

from kit.errors import BadInput, Refused, WouldSleepForever

atomic_code = set()     # the code of every function that is marked @never_sleeps


# == await forgotten, await too much ===============================================================


def look_for_await(task, following=None, error=None):
    """Refuse the call that `task` made last, if that was not awaited.

    following: the call that it makes now and will not come to await; error: what came of it.
    """
    (call, code, offset), task.unawaited = task.unawaited, None
    if inspect.iscoroutine(call):
        if call.cr_running or call.cr_suspended or call.cr_frame is None:
            return          # it was awaited, and is under way or has ended
    close(call)
    close(following)
    line, source, start, end = _expression(code, offset)
    advice = "Inside a task, write `await` before it."
    if source:
        awaited = f"await {source[start:end]}"
        if source[end:end + 1] in (".", "[", "("):      # `await f().attr` would await the attribute
            awaited = f"({awaited})"
        advice = f"Write: {(source[:start] + awaited + source[end:]).strip()}"
    raise Refused(f"{task}, in {code.co_name}, line {line}: {_name(call)}(...) was called without `await`, "
                  f"so it never ran. {advice}") from error


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


def not_a_task(task, function):
    """The refusal for a `def` where a task's function is needed."""
    forget(task)
    called = getattr(function, "__name__", repr(function))
    return BadInput(f"{task} cannot be a task: {called} is an ordinary function. "
                    f"Define it with `async def {called}(...)`, and await what it calls.")


def not_async(function, mark):
    """The refusal for a mark on a `def`."""
    return BadInput(f"{function.__qualname__} is marked @{mark}, but it is an ordinary function. "
                    f"Write `async def {function.__name__}(...)`, or leave the mark out.")


def forget(task):
    """Drop the call that `task` made last."""
    if task.unawaited is not None:
        close(task.unawaited[0])
        task.unawaited = None


def close(call):
    """Of a coroutine that is dropped before it has run, Python would warn."""
    if inspect.iscoroutine(call):
        call.close()


_SPELLED = {"yield": "yield_cpu"}      # where a trap is not called what it does


def _name(call):
    """What the function was called that gave `call`: the name of a coroutine, or of a trap."""
    return call.cr_code.co_name if inspect.iscoroutine(call) else _SPELLED.get(call.what, call.what)


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


def may_leave(task):
    """Whether the task may leave its CPU as it asks to; for a sleep it must also stand in that queue."""
    if task.in_interrupt or task.spinlocks or _atomic_frame(task.call):
        return False
    return task.request.what == "yield" or task.queue is task.request.queue


def refused_leave(task):
    """The refusal for a task that may not leave its CPU, and asks to."""
    request = task.request
    doing = f"{task} would {'yield its CPU' if request.what == 'yield' else f'sleep on {request.label}'}"
    if task.in_interrupt:
        return Refused(f"{doing} inside an interrupt, which nobody can resume. "
                       "Ask without WAIT there (GFP_ATOMIC).")
    if task.spinlocks:
        return Refused(f"{doing} while it holds the spinlock {task.spinlocks[-1].name}: whoever wants the lock "
                       "would spin for ever. Release it first, or use a Mutex.")
    if atomic := _atomic_frame(task.call):
        return Refused(f"{doing} inside {atomic}, which is marked @never_sleeps. "
                       "Mark it @might_sleep, or do not sleep there.")
    return Refused(f"{doing} without standing in that queue, so that no wake-up could reach it. Write: "
                   f"with {request.label}.queued(): look again, then await sleep({request.label})")


def would_sleep_for_ever(queue):
    """What a sleep at the prompt comes to: nobody else is there."""
    return WouldSleepForever(f"this call sleeps on {queue.name}, and at the prompt there is no other task "
                             f"to wake it. {queue.why}".rstrip())


def _atomic_frame(call):
    """The name of the outermost @never_sleeps function that `call` is inside of, or None."""
    while inspect.iscoroutine(call):
        if call.cr_code in atomic_code:
            return call.cr_code.co_qualname
        call = call.cr_await
    return None
