"""The machine: whose turn it is, what may come in between, and that a run can be had again."""

import gc
import random
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import trace, traps
from kit.errors import BadInput, Refused
from kit.locks import Mutex, Spinlock, WaitQueue
from kit.machine.core import Deadlock, Machine, NoEnd
from kit.machine.disk import Disk
from kit.machine.schedule import read_schedule
from kit.traps import choose, never_sleeps, sleep, step, yield_cpu


async def steps(*labels):
    for label in labels:
        await step(label)


# == A run, and the same run again =================================================================


class Story:
    """A small random program on a machine: what each task does, one action after the other."""

    def __init__(self, programs, shared, seed):
        self.machine = Machine(seed=seed)
        self.lock, self.instant, self.mutex = Spinlock("lock"), Spinlock("instant"), Mutex("mutex")
        self.queue, self.disk = WaitQueue("queue"), Disk(self.machine, service_ns=250)
        for number, program in enumerate(programs):
            self.machine.spawn(f"task{number}", self.act, program, cpu=number // 2 if shared else None)

    async def act(self, program):
        for action in program:
            await action(self)

    async def take_step(self):
        await step("on")

    async def let_others(self):
        await yield_cpu("others first")

    async def hold_spinlock(self):
        async with self.lock:
            await step("under the lock")

    async def hold_instant(self):
        self.count_instant()
        await step("after it")

    def count_instant(self):
        with self.instant:
            pass

    async def hold_mutex(self):
        async with self.mutex:
            await step("under the mutex")

    async def sleep_a_while(self):
        with self.queue.queued():
            await step("queued")
            await sleep(self.queue, timeout=300)

    async def wake_one(self):
        await step("wake one")
        self.queue.wake_one()

    async def wake_all(self):
        await step("wake all")
        self.queue.wake_all()

    async def ask_world(self):
        await step(f"chosen {choose('which?', tuple(range(12)))}")

    async def use_disk(self):
        self.disk.submit("request", self.done)
        await step("submitted")

    async def done(self, request):
        async with self.lock:
            await step("complete")
        self.queue.wake_one()

    async def set_timer(self):
        self.machine.timer("alarm", self.queue.wake_all, after=170)
        await step("set")

    def run(self, **how):
        """Run it; gives its schedule and its trail."""
        with trace.watch() as trail:
            self.machine.run(**how)
        self.check()
        return "".join(self.machine.schedule), trail.to_json()

    def check(self):
        """Everybody has ended, everything is given back, and nobody is left in a queue."""
        tasks, cpus = self.machine.tasks, self.machine.cpus
        assert all(task.finished and not task.holds and not task.spinlocks for task in tasks)
        assert self.mutex.owner is None and not self.queue.tasks and not self.mutex.wait.tasks
        assert not any(cpu.ready for cpu in cpus)
        assert all(task.in_interrupt for cpu in cpus for task in cpu.stack)
        assert len({id(arrival) for arrival in self.machine.arrivals}) == len(self.machine.arrivals)


ACTIONS = (Story.take_step, Story.let_others, Story.hold_spinlock, Story.hold_instant, Story.hold_mutex,
           Story.sleep_a_while, Story.wake_one, Story.wake_all, Story.ask_world, Story.use_disk, Story.set_timer)
PROGRAMS = st.lists(st.lists(st.sampled_from(ACTIONS), max_size=6), min_size=1, max_size=4)


@given(PROGRAMS, st.booleans(), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_the_schedule_of_a_timed_run_gives_it_again(programs, shared, seed):
    schedule, trail = Story(programs, shared, seed).run()
    assert Story(programs, shared, seed).run() == (schedule, trail)
    assert Story(programs, shared, None).run(schedule=schedule) == (schedule, trail)


@given(PROGRAMS, st.booleans(), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_the_schedule_of_a_picked_run_gives_it_again(programs, shared, seed):
    schedule, trail = Story(programs, shared, seed).run(pick=random.Random(seed).choice)
    assert Story(programs, shared, None).run(schedule=schedule) == (schedule, trail)


@given(PROGRAMS, st.booleans(), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_watching_changes_nothing(programs, shared, seed):
    unwatched = Story(programs, shared, seed)
    unwatched.machine.run()
    assert "".join(unwatched.machine.schedule) == Story(programs, shared, seed).run()[0]


@given(PROGRAMS, st.booleans(), st.lists(st.integers(1, 1000), max_size=5))
@settings(max_examples=40, deadline=None)
def test_a_run_in_parts_is_the_same_run(programs, shared, times):
    parts = Story(programs, shared, 7)
    for time in sorted(times):
        parts.machine.run(until=time)
    parts.machine.run()
    whole = Story(programs, shared, 7)
    whole.machine.run()
    assert parts.machine.schedule == whole.machine.schedule


def test_a_schedule_may_tell_only_the_beginning():
    machine = Machine()
    machine.spawn("A", steps, "a", "b")
    machine.spawn("B", steps, "c")
    machine.run(schedule="BB A")
    assert "".join(machine.schedule) == "BBAAA"


@pytest.mark.parametrize("schedule, says", [
    ("AAAA", "turn 4 of the schedule is A, but only B can go on"),
    ("C", "turn 1 of the schedule is C, but only A, B can go on"),
    ("A?", "at position 2 there is '\\?'"),
    ("1A", "at position 1 there is '1'"),
    ("(A", "at position 1 there is '\\('"),
])
def test_a_schedule_of_another_story_is_refused(schedule, says):
    machine = Machine()
    machine.spawn("A", steps, "a", "b")
    machine.spawn("B", steps, "c")
    with pytest.raises(BadInput, match=says):
        machine.run(schedule=schedule)


def test_an_answer_that_is_none_of_the_options_is_refused():
    machine = Machine()

    async def asks():
        choose("yes or no?", (True, False))

    machine.spawn("A", asks)
    with pytest.raises(BadInput, match="answers 2 to 'yes or no\\?'"):
        machine.run(schedule="A2")


def test_a_schedule_reads_letters_answers_and_names():
    assert read_schedule("AB1a (T21){12}3z") == [("A", []), ("B", [1]), ("a", []), ("(T21)", [12, 3]), ("z", [])]


def test_forty_tasks_and_ten_devices_all_have_a_letter_of_their_own():
    machine = Machine()
    for number in range(40):
        machine.spawn("task", steps, "on", cpu=number % 3)
    for number in range(10):
        machine.timer(f"timer{number}", lambda: None, after=number)
    letters = [thing.letter for thing in [*machine.tasks, *machine.arrivals]]
    assert len(set(letters)) == 50
    assert len({task.name for task in machine.tasks}) == 40
    schedule = "".join(machine.run(pick=random.Random(3).choice).schedule)
    assert len(read_schedule(schedule)) == len(machine.schedule)


# == Time ==========================================================================================


def test_every_cpu_has_its_own_clock():
    machine = Machine(step_ns=100)
    for name in "AB":
        machine.spawn(name, steps, "one", "two")
    machine.run()
    assert [cpu.clock for cpu in machine.cpus] == [300, 300]


def test_the_cpu_furthest_behind_goes_on():
    machine, seen = Machine(step_ns=100), []

    async def slow():
        for _ in range(3):
            traps.current.cpu.clock += 1_000
            seen.append("slow")
            await step("long work")

    async def quick():
        for _ in range(8):
            seen.append("quick")
            await step("short work")

    machine.spawn("slow", slow)
    machine.spawn("quick", quick)
    machine.run()
    assert seen[:10] == ["slow"] + ["quick"] * 8 + ["slow"]


def test_until_stops_a_task_that_is_alone():
    machine = Machine(step_ns=100)
    task = machine.spawn("A", steps, *range(1000))
    machine.run(until=5_000)
    assert 5_000 < machine.cpus[0].clock <= 5_200 and not task.finished
    assert machine.run().tasks[0].finished


def test_turns_run_out_with_a_sentence():
    machine = Machine()

    async def circles():
        while True:
            await step("round and round")

    machine.spawn("dizzy", circles)
    with pytest.raises(NoEnd, match="after 1,000 turns dizzy had not ended"):
        machine.run(turns=1_000)


def test_waiting_for_a_spinlock_costs_time_and_is_counted():
    machine, lock = Machine(step_ns=100, lock_ns=20), Spinlock("lock")

    async def hold():
        async with lock:
            await step("hold")

    for name in "ABC":
        machine.spawn(name, hold)
    machine.run()
    assert lock.acquisitions == 3 and lock.contended == 2
    # All come at 100.  Taking it takes 20 and the step 100; meanwhile the second waits, and the third twice as long.
    assert lock.waited_ns == 120 + 240


# == Sleeping and waking ===========================================================================


def sleeper(queue, timeout=None):
    async def sleeps():
        with queue.queued():
            return await sleep(queue, timeout)
    return sleeps


def test_a_time_out_and_a_wake_never_both_happen():
    """The waker comes before, at and after the time-out: exactly one of both is the answer, and nothing is left."""
    answers = set()
    for delay in range(100, 600, 50):
        machine, queue = Machine(), WaitQueue("queue")
        task = machine.spawn("sleeper", sleeper(queue, timeout=200))
        machine.timer("waker", queue.wake_all, after=delay)
        with trace.watch() as trail:
            machine.run()
        assert len(trail.only("wake", "timeout")) == 1
        assert task.result is (len(trail.only("wake")) == 1)
        assert not queue.tasks and not machine._timeouts
        answers.add(task.result)
    assert answers == {True, False}


def test_a_time_out_that_lost_the_race_is_no_option_any_more():
    machine, queue = Machine(), WaitQueue("queue")

    async def slept():
        with queue.queued():
            await sleep(queue, timeout=1_000_000)
        await steps("one", "two")

    async def wakes():
        await step("wake")
        queue.wake_one()

    machine.spawn("sleeper", slept)
    machine.spawn("waker", wakes)
    for letter in "ABB":
        machine.turn(next(option for option in machine.options() if option.letter == letter))
    assert [option.letter for option in machine.options()] == ["A"]


def test_woken_between_queueing_and_sleeping_it_does_not_sleep():
    machine, queue = Machine(), WaitQueue("queue")

    async def looks_twice():
        with queue.queued():
            await step("second look")
            return await sleep(queue)

    async def wakes():
        queue.wake_one()

    task = machine.spawn("A", looks_twice)
    machine.spawn("B", wakes)
    machine.run(schedule="AB")
    assert task.result is True


def test_a_task_that_runs_is_not_asleep_even_in_the_queue_it_slept_in():
    """Woken, it queues again and wakes the queue itself: it must not be put among the ready while it runs."""
    machine, queue = Machine(), WaitQueue("queue")

    async def twice():
        with queue.queued():
            await sleep(queue, timeout=100)
        with queue.queued():
            queue.wake_all()

    machine.spawn("A", twice)
    machine.run()
    assert not machine.cpus[0].ready and not machine.cpus[0].stack


def test_a_wake_reaches_a_task_whose_cpu_is_busy_only_when_that_is_free():
    machine, queue, seen = Machine(), WaitQueue("queue"), []

    async def slept():
        with queue.queued():
            await sleep(queue)
        seen.append("woken")

    async def busy():
        queue.wake_all()
        for number in range(3):
            await step("busy")
            seen.append(number)

    machine.spawn("sleeper", slept, cpu=0)
    machine.spawn("busy", busy, cpu=0)
    machine.run()
    assert seen == [0, 1, 2, "woken"]


def test_yielding_lets_the_others_of_the_cpu_run_first():
    machine, seen = Machine(), []

    async def yields(name):
        for _ in range(3):
            seen.append(name)
            await yield_cpu("others first")

    for name in "AB":
        machine.spawn(name, yields, name, cpu=0)
    machine.run()
    assert "".join(seen) == "ABABAB"


def test_a_daemon_need_not_end():
    machine, queue = Machine(), WaitQueue("queue")
    daemon = machine.spawn("kswapd", sleeper(queue), daemon=True)
    machine.spawn("A", steps, "one")
    assert not machine.run().tasks[0].finished and daemon.asleep


# == Interrupts ====================================================================================


def interrupted(main, *handlers, cpu=0):
    """A machine on which `main` is interrupted by the handlers, 150 ns after one another."""
    machine = Machine(step_ns=100)
    machine.spawn("main", main, cpu=0)
    for number, handler in enumerate(handlers, 1):
        machine.interrupt(f"irq{number}", handler, cpu=cpu, after=150 * number)
    return machine


def test_interrupts_nest_and_run_to_their_end_on_their_cpu():
    seen = []

    async def main():
        for _ in range(10):
            seen.append("main")
            await step("main")

    def handler(name):
        async def handle():
            for _ in range(3):
                seen.append(name)
                await step(name)
        return handle

    interrupted(main, handler("outer"), handler("inner")).run()
    text = " ".join(seen)
    assert "outer inner inner inner outer" in text and text.startswith("main main") and text.endswith("main")


def test_no_interrupt_comes_in_while_its_cpu_holds_a_spinlock():
    lock, seen = Spinlock("lock"), []

    async def main():
        async with lock:
            for _ in range(5):
                seen.append("held")
                await step("held")
        await steps("after", "after")

    async def handle():
        seen.append("irq")

    interrupted(main, handle, handle).run()
    assert seen == ["held"] * 5 + ["irq"] * 2


def test_the_interrupt_of_another_cpu_comes_in_meanwhile():
    lock, seen = Spinlock("lock"), []

    async def main():
        async with lock:
            for _ in range(5):
                seen.append("held")
                await step("held")

    async def handle():
        seen.append("irq")

    interrupted(main, handle, cpu=1).run()
    assert "irq" in seen[1:-1]


def test_a_device_interrupts_again_only_when_its_handler_has_ended():
    inside, most = [], []

    async def handle():
        inside.append(1)
        most.append(len(inside))
        await steps("one", "two", "three")
        inside.pop()

    machine = Machine()
    machine.spawn("A", steps, *range(30))
    for _ in range(4):
        machine.interrupt("card", handle, after=100)
    machine.run()
    assert most == [1, 1, 1, 1]


def test_a_spinner_is_interrupted_and_the_lock_does_not_wait_for_it():
    """The lock is released while the next in line handles an interrupt: another spinner takes it meanwhile."""
    machine, lock, order = Machine(step_ns=100, lock_ns=0), Spinlock("lock"), []

    async def hold(name, count):
        async with lock:
            order.append(name)
            await steps(*["hold"] * count)

    async def handle():
        await steps(*["handle"] * 20)
        order.append("handled")

    machine.spawn("A", hold, "A", 5)
    machine.spawn("B", hold, "B", 1)
    machine.spawn("C", hold, "C", 1)
    machine.interrupt("card", handle, cpu=1, after=350)
    machine.run()
    assert order == ["A", "C", "handled", "B"]


@pytest.mark.parametrize("how", ["sleep", "yield"])
def test_an_interrupt_may_not_leave_its_cpu(how):
    queue = WaitQueue("queue")

    async def handle():
        if how == "yield":
            await yield_cpu("no page")
        with queue.queued():
            await sleep(queue)

    with pytest.raises(Refused, match="irq1 would .* inside an interrupt"):
        interrupted(lambda: steps(*range(9)), handle).run()
    assert not queue.tasks


def test_a_marked_function_may_be_a_task_and_a_handler():
    """At the prompt a marked function runs at once; given to a machine it must not."""
    seen = []

    @never_sleeps
    async def marked(name):
        await step(name)
        seen.append((name, traps.current.name))

    machine = Machine()
    machine.spawn("A", marked, "task")
    machine.interrupt("card", marked, "irq")
    assert seen == []
    machine.run()
    assert sorted(seen) == [("irq", "card"), ("task", "A")]


def test_a_timer_acts_in_the_name_of_the_machine():
    machine = Machine()
    machine.spawn("A", steps, *range(5))
    machine.timer("alarm", lambda: traps.note("rang", "alarm", at=machine.time()), after=250)
    with trace.watch() as trail:
        machine.run()
    rang, = trail.only("rang")
    assert (rang.task, rang.cpu, rang.detail) == ("alarm", 0, {"at": rang.time}) and rang.time >= 250


# == What goes wrong ===============================================================================


def test_an_error_names_the_task_and_the_others_can_go_on():
    machine = Machine()

    async def divides():
        await step("divide")
        return 1 / 0

    machine.spawn("bad", divides)
    good = machine.spawn("good", steps, *range(5))
    with pytest.raises(ZeroDivisionError) as caught:
        machine.run()
    assert caught.value.__notes__ == ['in task bad, on CPU 0 at 100 ns. To see it again: '
                                      'machine.run(schedule="ABA") on the same story']
    assert traps.current is traps.PROMPT and machine.run() and good.finished


def test_an_error_in_a_handler_names_the_interrupt_and_unmasks_its_device():
    async def bad():
        await step("read")
        raise OSError("bad sector")

    machine = interrupted(lambda: steps(*range(9)), bad)
    machine.interrupt("irq1", steps, "again", after=300)
    with pytest.raises(OSError) as caught:
        machine.run()
    assert caught.value.__notes__[0].startswith("in the interrupt irq1, on CPU 0 at ")
    machine.run()
    assert "".join(machine.schedule).count("z") == 6      # come, read, fail; come again, "again", end


def test_a_keyboard_interrupt_leaves_no_mess():
    machine = Machine()

    async def stopped():
        await step("typing")
        raise KeyboardInterrupt

    machine.spawn("A", stopped)
    other = machine.spawn("B", steps, *range(5))
    with pytest.raises(KeyboardInterrupt):
        machine.run()
    assert traps.current is traps.PROMPT and machine.run() and other.finished


def test_what_is_abandoned_is_closed_without_a_word():
    """Tasks never begun, asleep, under locks, or waiting in their `finally`: nothing is warned of, nothing runs on."""
    lock, queue = Spinlock("lock"), WaitQueue("queue")

    async def holds():
        async with lock:
            await steps(*range(9))

    async def stubborn():
        try:
            await steps(*range(9))
        finally:
            await step("not any more")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        machine = Machine()
        for function in (holds, stubborn, sleeper(queue)):
            machine.spawn(function.__name__, function)
        machine.run(until=150)
        machine.spawn("never begun", steps, 1)
        machine.interrupt("card", steps, 1)
        machine.close()
        Machine().spawn("never begun, and forgotten", steps, 1)
        gc.collect()
    assert lock.owner is None and not queue.tasks and traps.current is traps.PROMPT


def test_an_ordinary_function_cannot_be_a_task():
    machine, touched = Machine(), []

    def ordinary():
        touched.append(1)

    for function in (ordinary, touched.copy):
        with pytest.raises(BadInput, match="is an ordinary function. Define it with `async def"):
            machine.spawn("A", function)
    with pytest.raises(BadInput, match="is an ordinary function"):
        machine.spawn("A", lambda: ordinary)
    assert touched == [] and machine.tasks == []
    machine.spawn("A", lambda: steps("made by a lambda"))
    assert machine.run().tasks[0].finished


def test_a_pick_that_is_no_option_is_refused():
    machine = Machine()
    machine.spawn("A", steps, 1)
    with pytest.raises(BadInput, match="pick returned B"):
        machine.run(pick=lambda options: "B")


def test_a_run_that_hangs_says_so_and_can_be_looked_at():
    machine, queue = Machine(), WaitQueue("queue")
    task = machine.spawn("A", sleeper(queue))
    with pytest.raises(Deadlock):
        machine.run()
    assert task.asleep and queue.tasks == [task]
    queue.wake_all()
    assert machine.run() and task.result is True
