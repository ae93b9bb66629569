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
from kit.errors import Refused
from kit.refusals import is_under_way
from kit.tasks import Cpu, Sleep, Spin, Step, Task, World, Yield, task_note

# == Who is running ================================================================================

PROMPT = Task("prompt", cpu=Cpu(None), world=World())   # the user, who types and belongs to no machine
PROMPT.unawaited = PROMPT   # never None: so that whoever asks takes the slow way, and is told apart there
current = PROMPT            # whose code is running now


def note(what, label="", **detail):
    """Remark on the trail; call it as `if trace.watchers: note(...)`.  Nobody comes in between here."""
    task = current
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
        if (thing, of) in task.holds:
            task.holds.remove((thing, of))
            return


# == The traps =====================================================================================


def step(label):
    """`await step(label)`: another CPU may run here, and an interrupt come in; I am about to do `label`."""
    task, trap = current, Step()
    trap.label = label
    if task.unawaited is not None and not is_under_way(task.unawaited):
        _look_for_await(task, trap)
    task.unawaited = trap       # without its place: that would double the cost of the commonest trap
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
    if task.unawaited is not None and not is_under_way(task.unawaited):
        _look_for_await(task, call, frame)
    task.unawaited = (call, frame.f_code, frame.f_lasti)


def _look_for_await(task, following=None, frame=None):
    """`task` makes another call, `following`: was its last one awaited?  And may it make one here?"""
    if task is PROMPT:
        refusals.look_for_needless_await(following, frame or _getframe(2))
    else:
        refusals.look_for_await(task, following)


# == Running a task ================================================================================


def start(task, function, args):
    """Give `task` its coroutine, function(*args).  Nothing of it runs yet; a `def` is refused."""
    refusals.look_whether_async(task, function)
    task.call = call_as(task, function, *args)      # not at the prompt, where a marked function would run
    refusals.look_whether_coroutine(task, function)
    task.unawaited = None


def call_as(task, function, *args):
    """Call the plain `function` in the name of `task`, and return its result."""
    global current
    before, current = current, task
    try:
        return function(*args)
    finally:
        current = before


def advance(task, answer=None, turns=1):
    """Let `task` run up to its next trap and return that; None when the task has ended.

    answer: what its `await` gives: for a sleep, whether it was woken (rather than timed out).
    turns: through so many steps it may go on unasked, as long as its clock has not reached
    world.horizon.  An exception that the task lets out ends it, and comes out here.
    """
    global current
    before, current = current, task
    cpu, world, letter, send = task.cpu, task.world, task.letter, task.call.send
    record, step_ns, task.request = world.schedule.append, task.cpu.step_ns, None
    try:
        for _ in range(turns):
            record(letter)
            request = send(answer)
            cpu.clock += step_ns
            if task.unawaited is not request or cpu.clock >= world.horizon:
                break
            task.unawaited = answer = None      # it is a step (or a lock that is free), and was awaited
    except StopIteration as end:
        request, task.finished, task.result = None, True, end.value
        cpu.clock += step_ns
    except BaseException as error:
        task.finished = True
        refusals.look_whether_that_was_it(task, error)
        raise
    finally:
        current = before
    task.request = request
    if task.unawaited is not request:
        _look_back(task, request)
    task.unawaited = None
    return request


def _look_back(task, request):
    """The task has stopped at a trap other than a step, or ended: may it, and was its last call awaited?"""
    try:
        if task.unawaited is not None and (type(task.unawaited) is not tuple or task.unawaited[0] is not request):
            refusals.look_for_await(task)
        if type(request) is Sleep or type(request) is Yield:
            refusals.look_whether_it_may_leave(task)
    except Refused as refusal:
        _throw(task, refusal)


def abandon(task):
    """Close the coroutine of `task` where it stands.  Its `finally` blocks run, and cannot wait any more."""
    global current
    before, current = current, task
    try:
        refusals.close(task.call)
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
    refusals.atomic_code[id(function.__code__)] = function.__code__
    return call


def sleeps(function):
    """Whether `function`, marked as above, may sleep.  An unmarked `def` has no way to."""
    return getattr(function, "sleeps", False)


def now(call):
    """Run a coroutine to its end as the only task there is, and return its result.

    This is what a call at the prompt does.  A sleep that only another task could end raises
    WouldSleepForever; one with a time-out times out at once, since nothing else can happen.
    """
    task, answer, turns = Task("prompt", call, PROMPT.cpu, PROMPT.world), None, 0
    try:
        while (request := advance(task, answer)) is not None:
            answer, turns = None, turns + (100 if type(request) is Yield else 1)
            if trace.watchers:
                task_note(task, request.what, request.label)
            if type(request) is Sleep:
                answer = _answer_at_the_prompt(task)
            elif type(request) is Spin and request.lock.owner is not None:
                raise refusals.would_spin_for_ever(request.lock)
            elif turns > 1_000_000:
                raise refusals.would_go_round_for_ever(request.label)
    finally:
        abandon(task)
    return task.result


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


def _answer_at_the_prompt(task):
    """Whether a sleep was woken before it began; else its time-out passes, or nothing ever happens."""
    queue = task.request.queue
    if task in queue.tasks:
        if task.request.timeout is None:
            raise refusals.would_sleep_for_ever(queue)
        queue.tasks.remove(task)
        return False
    return True
