"""The traps: plain calls at the prompt, awaited ones inside a task, and what is said to whoever confuses the two."""

import ast
import inspect
import linecache
import warnings

import pytest
from spellings import CELLS, SETUP

from kit import trace, traps
from kit.errors import KitError, Refused, WouldSleepForever
from kit.locks import Spinlock, WaitQueue
from kit.machine.core import Machine
from kit.traps import choose, might_sleep, never_sleeps, sleep, step, yield_cpu


def run_cell(cell, names, number):
    """Run a cell as Jupyter does, with `await` allowed at its top; its source can be found again by its name."""
    name = f"<cell {number}>"
    linecache.cache[name] = len(cell), None, cell.splitlines(keepends=True), name
    code = compile(cell, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    ran = eval(code, names)
    if inspect.iscoroutine(ran):
        try:
            ran.send(None)
        except StopIteration:
            pass


@pytest.mark.parametrize("shape", CELLS)
def test_a_wrong_spelling_gets_its_sentence(shape, capfd):
    cell, sentence = CELLS[shape]
    names = {"__name__": "__main__"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run_cell(SETUP, names, 1)
        with pytest.raises(KitError) as caught:
            run_cell(cell, names, 2)
        assert caught.value._render_traceback_() == [sentence]
        del caught
        assert traps.current is traps.PROMPT
        run_cell("assert pool.free(9) is None and pool.alloc() == 9", names, 3)     # and all is well again
    assert capfd.readouterr() == ("", "")


def test_without_the_source_the_line_alone_is_said():
    names = {"step": step, "Machine": Machine}
    exec("async def story():\n\n    step('look')\nm = Machine(); m.spawn('A', story)", names)
    with pytest.raises(Refused, match="A: step\\(...\\) was called without `await`, so it never ran. Inside a task"):
        names["m"].run()


def test_a_call_over_several_lines_is_named_by_its_first():
    @might_sleep
    async def alloc(*_):
        await step("take")

    async def story():
        alloc(
            1,
        )

    machine = Machine()
    machine.spawn("A", story)
    line = story.__code__.co_firstlineno + 1
    with pytest.raises(Refused, match=f"in story, line {line}: .* Inside a task, write `await`"):
        machine.run()


def test_a_call_made_first_and_awaited_later_is_no_mistake():
    @might_sleep
    async def alloc():
        await step("take")
        return 7

    async def story():
        call = alloc()
        trap = None
        value = await call
        trap = step("later")
        await trap
        return value

    machine = Machine()
    task = machine.spawn("A", story)
    machine.run()
    assert task.result == 7


def test_a_refusal_cannot_be_swallowed():
    """The task catches everything and goes on; the machine does not let it."""
    machine, queue = Machine(), WaitQueue("queue")

    async def stubborn():
        while True:
            try:
                await sleep(queue)
            except Exception:
                pass

    task = machine.spawn("A", stubborn)
    with pytest.raises(Refused, match="without standing in that queue"):
        machine.run()
    assert task.finished and not queue.tasks


def test_yielding_is_refused_where_sleeping_is():
    lock = Spinlock("lock")

    async def holds():
        async with lock:
            await yield_cpu("no page")

    machine = Machine()
    machine.spawn("A", holds)
    with pytest.raises(Refused, match="A would yield its CPU while it holds the spinlock lock"):
        machine.run()
    assert lock.owner is None       # the task's `async with` was left in order


# == At the prompt =================================================================================


def test_a_sleep_with_a_time_out_times_out_at_once():
    queue = WaitQueue("queue")

    @might_sleep
    async def waits():
        with queue.queued():
            return await sleep(queue, timeout=5_000_000_000)

    assert waits() is False and not queue.tasks


def test_one_that_is_woken_before_it_sleeps_goes_on():
    queue = WaitQueue("queue")

    @might_sleep
    async def waits():
        with queue.queued():
            queue.wake_one()
            return await sleep(queue)

    assert waits() is True


@pytest.mark.parametrize("trap", [step, yield_cpu])
def test_a_call_that_goes_round_in_a_circle_is_stopped(trap):
    @might_sleep
    async def circles():
        while True:
            await trap("again")

    with pytest.raises(WouldSleepForever, match="goes round in a circle"):
        circles()


def test_a_lock_left_taken_is_not_spun_on_for_ever():
    lock = Spinlock("lock")
    lock.owner = "somebody"

    @never_sleeps
    async def takes():
        async with lock:
            pass

    with pytest.raises(WouldSleepForever, match="spins on lock, which somebody holds"):
        takes()


def test_the_prompt_takes_the_ordinary_answer_and_leaves_its_trail():
    @never_sleeps
    async def asks():
        await step("ask")
        return choose("does it fail?", (False, True))

    with trace.watch() as trail:
        assert asks() is False
    assert [str(event) for event in trail] == ["step ask", "choose does it fail? answer=False"]
    assert {(event.cpu, event.task) for event in trail} == {(None, "prompt")}


def test_an_error_at_the_prompt_comes_out_as_it_is():
    @might_sleep
    async def breaks():
        await step("break")
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        breaks()
    assert traps.current is traps.PROMPT


def test_a_mark_says_whether_a_function_may_sleep():
    @might_sleep
    async def one():
        """Its docstring."""

    @never_sleeps
    async def other():
        pass

    assert traps.sleeps(one) and not traps.sleeps(other) and not traps.sleeps(len)
    assert one.__doc__ == "Its docstring." and one.__name__ == "one"
