"""traps: the only ways off the CPU.

The whole debate turns on two questions: *where may somebody else come in between?* and *who may
sleep?*  Here both can be read off the code.  Where there is no `await`, nobody comes in between;
where there is one, one of the four traps below lies at its bottom, and each hands the CPU back with
a request:

    await step(label)           another CPU may run here; I am about to do `label`
    await sleep(queue)          I run no further until somebody wakes me, or a time-out passes
    await yield_cpu(label)      let the others on my CPU run first; I could go on at any time
    async with spinlock         I spin until the lock is mine (locks.py)

Who answers is not said here.  At the prompt `now` does, in a timed run the Machine, in an
exploration the explorer: the allocators know none of the three.  All requests leave through one
`yield`, in Trap.__await__ (tasks.py).

`@might_sleep` and `@never_sleeps` mark the functions in between, as the kernel's might_sleep() and
the words "atomic context" do.  Whoever calls them writes

    element = await pool.alloc()        inside a task
    element = pool.alloc()              at the prompt, where the call simply runs to its end

and whoever confuses the two is told so, with the line to write instead (refusals.py).

A loop without any trap inside is, like one in a kernel that does not preempt, in nobody's power: no
machine can interrupt it.
"""

import functools
import inspect
from sys import _getframe

from kit import refusals, trace
from kit.errors import Refused, WouldSleepForever
from kit.tasks import Cpu, Sleep, Spin, Step, Task, World, Yield

# == Who is running ================================================================================

PROMPT = Task("prompt", cpu=Cpu(None), world=World())   # the user, who types and belongs to no machine
PROMPT.unawaited = PROMPT   # never None: so that whoever asks takes the slow way, and is told apart there
current = PROMPT            # whose code is running now


def note(what, label="", **detail):
    """Remark on the trail; call it as `if trace.watchers: note(...)`.  Nobody comes in between here."""
    task_note(current, what, label, **detail)


def task_note(task, what, label="", **detail):
    """Remark on the trail in the name of `task`, though it may not be the one that runs."""
    trace.remark(task.cpu.clock, task.cpu.number, task.name, what, label, detail)


def choose(question, options=(True, False)):
    """What the world decides: does this allocation fail, does this write hit a bad sector?

    Returns one of `options`.  The first is the ordinary answer and the one given at the prompt; a
    machine takes answers from its seed or script; the explorer tries them all.  No time passes, and
    nobody comes in between.
    """
    answer = current.world.choose(question, options)
    if trace.watchers:
        note("choose", question, answer=answer)
    return answer


def hold(thing, of):
    """Remember, for the deadlock report alone, that the current task has taken `thing` from `of`."""
    current.holds.append((thing, of))


def let_go(thing, of):
    """Forget it again; a task may give back what another one took."""
    for task in (current, *current.world.tasks):
        for index, (held, source) in enumerate(task.holds):
            if source is of and held == thing:
                del task.holds[index]
                return


# == The traps =====================================================================================


def step(label):
    """`await step(label)`: another CPU may run here, and an interrupt come in; I am about to do `label`."""
    task, frame = current, _getframe(1)
    if task.unawaited is not None:
        _look_for_await(task, Step(), frame)
    trap = Step()
    trap.label = label
    task.unawaited = (trap, frame.f_code, frame.f_lasti)
    return trap


def yield_cpu(label):
    """`await yield_cpu(label)`: let the others on this CPU run first, then go on.

    What Linux 2.5.1 does when it has found no page.  It leaves the CPU, so it is forbidden wherever
    a sleep is.
    """
    trap = Yield()
    trap.label = label
    _expect_await(trap, _getframe(1))
    return trap


def sleep(queue, timeout=None):
    """`await sleep(queue)`: off the CPU until somebody wakes this task.

    Only inside `with queue.queued():`, and only after a second look at what is waited for: whoever
    frees between the first look and joining the queue finds nobody to wake.  Gives True when woken,
    False when `timeout` (nanoseconds) passed first.  Source of the pattern: add_wait_queue(),
    look again, schedule() in Linux 2.5.1, mm/mempool.c.
    """
    trap = Sleep()
    trap.label, trap.queue, trap.timeout = queue.name, queue, timeout
    _expect_await(trap, _getframe(1))
    if current is PROMPT:
        raise refusals.would_sleep_for_ever(queue)
    return trap


def _expect_await(call, frame):
    """Remember that a task made `call` in `frame`; its next one looks whether it was awaited."""
    task = current
    if task.unawaited is not None:
        _look_for_await(task, call, frame)
    task.unawaited = (call, frame.f_code, frame.f_lasti)


def _look_for_await(task, call, frame):
    """Before `task` makes `call` in `frame`: was its last one awaited?  And may `call` be, here?"""
    if task is PROMPT:
        refusals.look_for_needless_await(call, frame)
    else:
        refusals.look_for_await(task, call)


# == Running a task ================================================================================


def start(task, function, args):
    """Give `task` its coroutine, function(*args).  Nothing of it runs yet; a `def` is refused."""
    try:
        task.call = call_as(task, function, *args)      # not at the prompt, where a marked function would run
    except Exception as error:
        if task.unawaited is None:
            raise
        raise refusals.not_a_task(task, function) from error    # a `def` that used what it did not await
    if not inspect.iscoroutine(task.call):
        raise refusals.not_a_task(task, function)
    task.unawaited = None


def call_as(task, function, *args):
    """Call the plain `function` in the name of `task`, and return its result."""
    global current
    before, current = current, task
    try:
        return function(*args)
    finally:
        current = before


def advance(task, answer=None):
    """Let `task` run up to its next trap and return that; None when the task has ended.

    `answer` is what its `await` gives: for a sleep, whether it was woken (rather than timed out).
    An exception that the task lets out ends it, and comes out here.
    """
    global current
    before, current = current, task
    try:
        request = task.request = task.call.send(answer)
    except StopIteration as end:
        request, task.request, task.finished, task.result = None, None, True, end.value
    except BaseException as error:
        task.request, task.finished = None, True
        if task.unawaited is not None and isinstance(error, Exception):
            refusals.look_for_await(task, error=error)    # f().attr, f() + 1: f() was not awaited
        raise
    finally:
        current = before
    if task.unawaited is not None:
        if task.unawaited[0] is not request:
            _refuse_unawaited(task)
        task.unawaited = None
    if type(request) in _LEAVES and not refusals.may_leave(task):
        _throw(task, refusals.refused_leave(task))
    return request


def abandon(task):
    """Close the coroutine of `task` where it stands.  Its `finally` blocks run, and cannot wait any more."""
    global current
    before, current = current, task
    try:
        for _ in range(100):        # a block that waits all the same has to be closed again, but not for ever
            if task.call is None or task.call.cr_frame is None:
                break
            try:
                task.call.close()
            except Exception:       # what such a block raises: nobody is left who could be told
                pass
        refusals.forget(task)
    finally:
        current = before


def _throw(task, refusal):
    """Raise `refusal` in the task where it stands, then here: the task has ended, whatever it makes of it."""
    global current
    before, current = current, task
    try:
        task.call.throw(refusal)
    except Exception:
        pass        # the refusal itself, or what the task's own `finally` blocks made of it
    finally:
        current = before
        abandon(task)
        task.request, task.finished = None, True
    raise refusal


def _refuse_unawaited(task):
    """The task has stopped at a trap or ended: if its last call was not awaited, that is where it stands."""
    try:
        refusals.look_for_await(task)
    except Refused as refusal:
        _throw(task, refusal)


# == Who may sleep =================================================================================


def might_sleep(function):
    """Mark `async def alloc(...)`: it may leave the CPU, so process context only, no spinlock held.

    Inside a task the call is awaited; at the prompt it runs to its end and returns the result.
    """
    return _callable_anywhere(function, sleeps=True)


def never_sleeps(function):
    """Mark `async def free(...)`: others may run between its steps, but it never leaves its CPU.

    So interrupts may call it, and holders of a spinlock.  The machine refuses a sleep inside.
    """
    call = _callable_anywhere(function, sleeps=False)
    refusals.atomic_code.add(function.__code__)
    return call


def sleeps(function):
    """Whether `function`, marked as above, may sleep.  An unmarked `def` has no way to."""
    return getattr(function, "sleeps", False)


def now(call):
    """Run a coroutine to its end as the only task there is, and return its result.

    This is what a call at the prompt does.  A sleep that only another task could end raises
    WouldSleepForever; a sleep with a time-out times out at once, since nothing else can happen.
    """
    task, answer, yields = Task("prompt", call, PROMPT.cpu, PROMPT.world), None, 0
    try:
        while (request := advance(task, answer)) is not None:
            answer = None
            if trace.watchers:
                task_note(task, request.what, request.label)
            if type(request) is Sleep:
                answer = not task.asleep or _sleep_at_the_prompt(task)
            elif type(request) is Spin and request.lock.owner is not None:
                raise WouldSleepForever(f"this call spins on {request.label}, which {request.lock.owner} holds, "
                                        "and at the prompt there is no other task to release it.")
            elif type(request) is Yield and (yields := yields + 1) > 10_000:
                raise WouldSleepForever(f"this call yielded the CPU 10,000 times ({request.label}), and at the "
                                        "prompt there is no other task to change what it waits for.")
    finally:
        abandon(task)
    return task.result


_LEAVES = (Sleep, Yield)        # the traps that leave the CPU to other tasks


def _callable_anywhere(function, sleeps):
    if not inspect.iscoroutinefunction(function):
        raise refusals.not_async(function, "might_sleep" if sleeps else "never_sleeps")

    @functools.wraps(function)
    def call(*args, **kwargs):
        coroutine = function(*args, **kwargs)
        _expect_await(coroutine, _getframe(1))
        return now(coroutine) if current is PROMPT else coroutine

    call.sleeps = sleeps
    return call


def _sleep_at_the_prompt(task):
    """The answer to a sleep at the prompt: the time-out passes, or nothing ever happens."""
    if task.request.timeout is None:
        raise refusals.would_sleep_for_ever(task.request.queue)
    task.request.queue.tasks.remove(task)
    return False
