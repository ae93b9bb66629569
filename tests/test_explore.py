"""What the explorer finds, how it tells it, and what it refuses; each pitfall that a prototype met, once."""

import json
import re
import subprocess
import sys

import pytest

import kit
from kit.drivers.small_worlds import Answering, Element, Refusing, Sleeping, driver, ladder, pool
from kit.errors import BadInput
from kit.gfp import GFP_KERNEL
from kit.locks import Mutex, Spinlock, WaitQueue
from kit.machine import explore as module
from kit.machine.core import Deadlock, Machine
from kit.machine.disk import Disk
from kit.machine.explore import explore, replay
from kit.memory.mempool import Mempool
from kit.traps import choose, hold, let_go, sleep, step, yield_cpu

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")


class Box:
    """Something shared: a number, a list, and a queue to wait in."""

    explored = ("x", "things")

    def __init__(self, x=0):
        self.x, self.things = x, []
        self.wait = WaitQueue("box.wait", "Only a put wakes it.", of=self)
        self.puts = 0           # a counter is no state


def two(function, *more):
    """A story in which A and B run `function`, or B another one, on one box."""
    def story(machine):
        box = Box()
        for name, does in zip("AB", (function, *(more or (function,)))):
            machine.spawn(name, does, box)
    return story


# == Verdicts =======================================================================================


async def careless(box):
    if not box.things:
        await step("nobody has put anything: wait")
        with box.wait.queued():
            await sleep(box.wait)


async def put(box):
    await step("put")
    box.things.append(1)
    box.wait.wake_all()


def test_a_deadlock_is_told_as_a_story():
    result = explore(two(careless, put))
    assert (result.verdict, result.switches) == ("deadlock", 1)
    text = str(result)
    assert "A sleeps on box.wait (Only a put wakes it), holding nothing" in text
    assert "usual cause: " in text and "what would mend it: look once more after queueing" in text
    assert f"replay: {result.schedule}" in text
    assert result.wait_for == {"A": {"waits for": "Box", "held by": [], "holds": []}}
    assert [event.what for event in result.trail if event.task == "A"][-1] == "sleep"


async def careful(box):
    await step("wait")
    with box.wait.queued():
        if not box.things:
            await sleep(box.wait)


def test_none_says_how_large_the_world_is():
    result = explore(two(careful, put))
    assert (result.verdict, result.exhaustive, result.story()) == ("none", True, "")
    assert str(result).startswith("none: ") and f"{result.states} states looked at, all there are" in str(result)


def test_a_promise_broken_is_an_exception():
    async def take(box):
        before = box.x
        await step("write back")
        box.x = before + 1
        if box.x == 1 and box.things:
            raise AssertionError("one count was lost")
        box.things.append(1)
    result = explore(two(take))
    assert result.verdict == "a promise is broken" and result.switches == 1
    assert "AssertionError: one count was lost" in str(result)


def test_an_invariant_is_looked_at_in_every_state():
    def story(machine):
        box = Box()

        async def both(box):
            box.x = 1
            await step("half way")
            box.x = 0
        machine.spawn("A", both, box)

        def holds():
            assert box.x == 0, "x is 1 half way"
        return holds
    result = explore(story)
    assert result.verdict == "an invariant is false" and "x is 1 half way" in str(result) and result.schedule == "A"


class Checked(Box):
    asked = 0

    def check(self):
        type(self).asked += 1
        assert self.x < 2, f"x is {self.x}"


def test_check_is_asked_once_a_state_of_what_is_shared():
    async def count(box):
        for _ in range(5):
            await step("idle")
        box.x = 2

    def story(machine):
        machine.spawn("A", count, Checked())
    Checked.asked = 0
    assert "x is 2" in str(explore(story))
    assert Checked.asked <= 4


def test_no_progress_is_a_fair_round():
    async def polls(box):
        while not box.x:
            await yield_cpu("look again")
    result = explore(two(polls))
    assert result.verdict == "no progress"
    assert result.round and set(result.round) == {"A", "B"}
    assert "round and round" in str(result)


def test_a_round_is_no_harm_if_it_shuts_somebody_out():
    """A polls until B writes; B can always write, so a round without B is not fair."""
    async def polls(box):
        while not box.x:
            await yield_cpu("look again")

    async def writes(box):
        await step("write")
        box.x = 1
    assert explore(two(polls, writes)).verdict == "none"


def test_a_round_is_no_harm_if_an_interrupt_would_end_it():
    async def polls(box):
        while not box.x:
            await yield_cpu("look again")

    async def done(box):
        box.x = 1

    def story(machine):
        box = Box()
        machine.spawn("A", polls, box)
        machine.interrupt("device", done, box, cpu=1)
    assert explore(story).verdict == "none"


def test_only_a_timer_can_continue():
    async def patient(box):
        with box.wait.queued():
            if not box.things:
                await sleep(box.wait, 5_000_000_000)

    result = explore(two(patient))
    assert result.verdict == "only a timer can continue"
    assert {"A", "B"} == set(result.wait_for)


def test_a_stampede_with_time_outs_is_no_mere_round():
    """2006's five seconds: all sleep, look again, sleep; the verdict names the timer, not the round."""
    def story(machine):
        reserve = Mempool.create(2, Refusing(2), timeout=5_000_000_000)
        for name in "AB":
            machine.spawn(name, driver, reserve, ("take", "take"), 1)
    assert explore(story).verdict == "only a timer can continue"


def test_daemons_need_not_end():
    async def serves(box):
        while True:
            with box.wait.queued():
                await sleep(box.wait)

    def story(machine):
        box = Box()
        machine.spawn("A", put, box)
        machine.spawn("D", serves, box, daemon=True)
    assert explore(story).verdict == "none"


# == What comes from outside ========================================================================


def test_a_disk_may_answer_at_any_time():
    """The write may be over before its submitter looks: whoever sleeps without a second look sleeps for ever."""
    def story_of(look_again):
        async def writes(disk, box):
            disk.submit("block", Done(box))
            await step("wait for it")
            with box.wait.queued():
                if not box.x or not look_again:
                    await sleep(box.wait)

        def story(machine):
            box = Box()
            machine.spawn("A", writes, Disk(machine, cpu=1), box)
        return story

    assert explore(story_of(True)).verdict == "none"
    result = explore(story_of(False))
    assert result.verdict == "deadlock" and "z" in result.schedule


class Done:
    """What a disk calls when a write is over."""

    explored = ()

    def __init__(self, box):
        self.box = box

    async def __call__(self, request):
        self.box.x = 1
        self.box.wait.wake_all()


def test_an_interrupt_waits_for_a_spinlock_that_is_held_across_a_step():
    lock_seen = []

    async def holds_it(lock, box):
        async with lock:
            box.x = 1
            await step("inside")
            box.x = 0

    async def looks(box):
        assert not box.x, "interrupted inside the lock"

    def story(machine):
        lock, box = Spinlock("lock"), Box()
        lock_seen.append(lock)
        machine.spawn("A", holds_it, lock, box)
        machine.interrupt("device", looks, box, cpu=0)
    assert explore(story).verdict == "none"


def test_tasks_that_share_a_cpu_take_turns_only_where_they_leave_it():
    async def steps(box):
        box.x += 1
        await step("half way")
        box.x -= 1
        assert not box.x

    def story(machine):
        box = Box()
        machine.spawn("A", steps, box, cpu=0)
        machine.spawn("B", steps, box, cpu=0)
    assert explore(story).verdict == "none"
    assert explore(two(steps)).verdict == "a promise is broken"


# == The pitfalls ===================================================================================


def test_things_are_restored_in_place():
    """A frame keeps a reference to the list itself."""
    async def keeps(box):
        things = box.things
        await step("put")
        things.append(1)
        await step("look")
        assert things is box.things and len(things) <= 2
    assert explore(two(keeps)).verdict == "none"


def test_counters_are_no_state():
    async def counts(box):
        for _ in range(3):
            box.puts += 1
            await step("idle")
    assert explore(two(counts), symmetric=False).states == 25


def test_like_tasks_are_renamed_inside_queues_too():
    """Which one stands first decides who is woken first: sorting the tasks alone would lose that."""
    async def waits(box):
        await step("queue")
        with box.wait.queued():
            await step("look")
            if not box.x:
                await sleep(box.wait)
        box.things.append(len(box.things))

    async def wakes(box):
        for _ in range(2):
            await step("wake")
            box.wait.wake_one()
        box.x = 1
        box.wait.wake_all()

    def story(machine):
        box = Box()
        for name in "ABC":
            machine.spawn(name, waits, box)
        machine.spawn("W", wakes, box)
    apart, together = explore(story, symmetric=False, whole=True), explore(story, whole=True)
    assert apart.verdict == together.verdict == "none"
    assert apart.states / 6 <= together.states < apart.states / 2


def test_like_elements_are_renamed():
    story = pool(elements=3, tasks=2, take=2, rounds=1)
    assert explore(story, whole=True).states < explore(story, whole=True, symmetric=False).states / 3
    assert explore(story).verdict == explore(story, symmetric=False).verdict == "none"


def test_a_double_free_is_not_hidden_by_renaming():
    async def twice(reserve):
        element = await reserve.alloc(GFP_KERNEL)
        await reserve.free(element)
        await step("and again")
        await reserve.free(element)

    def story(machine):
        machine.spawn("A", twice, Mempool.create(2, Refusing(2), poison=True))
        machine.spawn("B", driver, machine.tasks[0].call.cr_frame.f_locals["reserve"], ("take", "give"), 1)
    result = explore(story)
    assert result.verdict == "a promise is broken" and "free" in str(result)


def test_who_is_told_apart_is_not_alike():
    """A story that keeps one of two like tasks by name gets the right answer all the same."""
    async def first_only(box):
        await step("am I the first?")
        if not box.things:
            box.things.append(kit.traps.current)
        await step("wait")
        if box.things[0] is not kit.traps.current:
            with box.wait.queued():
                await sleep(box.wait)
    assert explore(two(first_only)).verdict == explore(two(first_only), symmetric=False).verdict == "deadlock"


def test_closed_over_variables_are_state():
    def story(machine):
        count = 0

        async def counts():
            nonlocal count
            before = count
            await step("write back")
            count = before + 1

        machine.spawn("A", counts)
        machine.spawn("B", counts)

        def holds():
            done = all(task.finished for task in machine.tasks)
            assert not done or count == 2, "one was lost"
        return holds
    assert explore(story).verdict in ("none", "an invariant is false")
    lost = explore(lambda machine: _count_to_two(machine))
    assert lost.verdict == "a promise is broken" and lost.switches == 1


def _count_to_two(machine):
    count, ended = 0, 0

    async def counts():
        nonlocal count, ended
        before = count
        await step("write back")
        count = before + 1
        ended += 1
        assert ended < 2 or count == 2, "one was lost"
    machine.spawn("A", counts)
    machine.spawn("B", counts)


SHARED = Box()


def test_globals_are_state_and_are_left_as_they_were():
    async def uses_a_global():
        SHARED.things.append(1)
        await step("look")
        assert len(SHARED.things) < 2

    def story(machine):
        machine.spawn("A", uses_a_global)
        machine.spawn("B", uses_a_global)
    assert explore(story).verdict == "a promise is broken"
    assert SHARED.things == []


def test_the_world_decides_and_every_answer_is_tried():
    async def asks(box):
        await step("ask")
        answers = [choose("a?", ("x", "y", "z")), choose("b?")]
        assert answers != ["z", False], "the last of six"
    result = explore(two(asks))
    assert result.verdict == "a promise is broken" and re.fullmatch("A*B*A*21", result.schedule)


def test_whoever_watches_does_not_see_a_million_turns():
    with kit.watch() as trail:
        explore(two(careless, put))
    assert len(trail) == 0


def test_a_mutex_taken_in_two_orders():
    async def both(first, second):
        async with first:
            async with second:
                pass

    def story(machine):
        left, right = Mutex("left"), Mutex("right")
        machine.spawn("A", both, left, right)
        machine.spawn("B", both, right, left)
    result = explore(story)
    assert result.verdict == "deadlock" and result.switches == 1
    assert "the same order" in str(result)
    assert result.wait_for["A"]["waits for"] == "right" and result.wait_for["A"]["held by"] == ["B"]


# == What is refused ================================================================================


class Undeclared:
    def __init__(self):
        self.count = 0


def refused(story):
    with pytest.raises(BadInput) as refusal:
        explore(story)
    return str(refusal.value)


async def nothing(thing):
    await step("s")


def test_a_class_that_does_not_say_what_its_state_is():
    say = refused(lambda machine: machine.spawn("A", nothing, Undeclared()))
    assert "class Undeclared: explored = ('count',)" in say


def test_a_declared_field_that_is_not_there():
    class Wrong:
        explored = ("missing",)
    assert "no such field" in refused(lambda machine: machine.spawn("A", nothing, Wrong()))


def test_something_fresh_that_tasks_share():
    async def makes(box):
        await step("s")
        box.things.append(Undeclared())
    assert "class Undeclared" in refused(two(makes))


def test_a_global_that_is_bound_anew():
    code = "async def binds():\n    global TOTAL\n    TOTAL = 1\n    await step('s')\n"
    names = {"step": step, "TOTAL": 0, "__name__": "driver"}
    exec(code, names)
    assert "binds the global TOTAL anew" in refused(lambda machine: machine.spawn("A", names["binds"]))


def test_a_story_that_is_not_the_same_every_time():
    told = []

    def story(machine):
        told.append(1)
        two(careless, put)(machine) if len(told) == 1 else two(put, put)(machine)
    with pytest.raises(kit.errors.KitError, match="the same"):
        explore(story)


# == Broken off =====================================================================================


def test_a_limit_leaves_what_is_known():
    result = explore(pool(4, 3, 2, 1), limit=100)
    assert (result.verdict, result.exhaustive) == ("none", False) and result.states >= 100
    assert "not all there are" in str(result)


def test_an_interrupt_from_the_keyboard_leaves_what_is_known(monkeypatch):
    def stop(search):
        search.moves.following = lambda state: (_ for _ in ()).throw(KeyboardInterrupt)
    some = module.Search._some

    def interrupted(search):
        some(search) if len(search.seen) > 1 else stop(search) or some(search)
    monkeypatch.setattr(module.Search, "_some", interrupted)
    result = explore(pool(4, 3, 2, 1))
    assert (result.verdict, result.exhaustive, result.interrupted) == ("none", False, True)


def test_where_the_simplest_way_is_too_far_some_way_is_told(monkeypatch):
    monkeypatch.setattr(module, "simplest_way", lambda *_: None)
    result = explore(pool(2, 3, 2, 1))
    assert result.verdict == "deadlock" and not result.simplest and "a way there" in str(result)
    with pytest.raises(Deadlock):
        story_on_a_machine(pool(2, 3, 2, 1)).run(schedule=result.schedule)


# == Ready-made stories =============================================================================


def story_on_a_machine(story):
    machine = Machine()
    story(machine)
    return machine


@pytest.mark.parametrize("sizes", [(2, 2, 2), (2, 3, 2), (1, 1, 2), (3, 2, 3), (2, 1, 2), (4, 3, 2), (3, 2, 2)])
def test_the_pool_theorem(sizes):
    """Safe exactly where tasks * (each - 1) < elements; and a plain machine hangs on the schedule that is told."""
    elements, tasks, take = sizes
    result = explore(pool(elements, tasks, take))
    assert result.verdict == ("deadlock" if tasks * (take - 1) >= elements else "none")
    if result.schedule:
        with pytest.raises(Deadlock, match="hold and wait"):
            story_on_a_machine(pool(elements, tasks, take)).run(schedule=result.schedule)


def test_replay_by_name():
    result = explore(pool())
    again = kit.replay("pool", result.schedule)
    assert "deadlock: nobody can go on" in str(again) and "A sleeps on pool.wait" in str(again)
    assert str(again) == str(replay(pool(), result.schedule))
    for wrong, say in (("pol", "no story 'pol'"), ("pool", "turn 1 of the schedule is Z")):
        with pytest.raises(BadInput, match=say):
            kit.replay(wrong, "Z")
    with pytest.raises(BadInput, match="no size 'task'"):
        kit.replay("pool", "A", task=3)


def test_the_ladder_is_decided():
    result = explore(ladder(rounds=1))
    assert result.verdict == "deadlock" and "the allocator beneath's queue" in str(result)
    assert explore(ladder(rounds=1, programs=("take give", "ask give"), beneath=Answering)).verdict == "none"
    assert explore(ladder(rounds=1, programs=("take give",), beneath=Sleeping)).verdict in ("none", "deadlock")


def test_elements_are_tokens():
    assert Element.alike and repr(Element("e0")) == "e0"


def test_equal_stories_give_equal_results():
    assert str(explore(ladder(rounds=1))) == str(explore(ladder(rounds=1)))


# == The command ====================================================================================


def run(*args, status=0):
    done = subprocess.run([sys.executable, "-m", "kit", "explore", *args], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


def test_the_command_tells_a_pool():
    told = run("pool", "--elements", "2", "--tasks", "2", "--take", "2", "--rounds", "1")
    assert told.startswith("deadlock: ") and "hold and wait" in told
    line = next(line for line in told.splitlines() if line.startswith("see it again: "))
    assert "deadlock: nobody can go on" in str(eval(line.removeprefix("see it again: "), {"kit": kit}))


def test_the_command_gives_json():
    found = json.loads(run("pool", "--elements", "3", "--json"))
    assert found["verdict"] == "deadlock" and found["schedule"] and found["wait for"]["A"]["waits for"] == "pool"


def test_the_command_explores_a_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("from kit import step\n\n\nasync def mine():\n    await step('s')\n\n\n"
                    "def story(machine):\n    machine.spawn('A', mine)\n")
    assert run("driver", str(file)).startswith("none: 3 states looked at, all there are")
    file.write_text("x = 1\n")
    assert "has to define story(machine)" in run("driver", str(file), status=2)
    assert "cannot be read" in run("driver", str(tmp_path / "no.py"), status=2)
    assert "not a number from 1 to 99" in run("pool", "--tasks", "0", status=2)


def test_holds_are_told(monkeypatch):
    async def holder(box):
        hold("the key", of=box)
        await step("wait")
        with box.wait.queued():
            await sleep(box.wait)
        let_go("the key", of=box)
    assert "holding the key of" in str(explore(two(holder)))
