"""Whether the explorer may merge what it merges: held against a naive one, on random small programs.

tests/plain.py follows every schedule from the start and merges nothing.  The worst verdict, which
harms there are, and the fewest forced switches and steps to the worst have to be the same.
"""

import functools
import gc
import hashlib

import pytest
from plain import KINDS, plain
from programs import program

from kit.drivers.small_worlds import pool
from kit.locks import WaitQueue
from kit.machine.core import Machine
from kit.machine.explore import explore
from kit.machine.explorer import frames, simplest
from kit.machine.explorer.forms import NotAlike
from kit.machine.explorer.moves import Moves
from kit.machine.explorer.result import VERDICTS
from kit.machine.explorer.segments import Segments
from kit.machine.explorer.world import BROKEN, ENDED
from kit.traps import sleep, step

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")


def compare(seed):
    """One random program, explored in three ways; True if it was small enough for the naive one."""
    story = program(seed, with_interrupt=seed % 4 == 1, alike=seed % 2 == 0)
    wanted = plain(story, limit=1_500)
    if wanted is None:
        return False
    kinds = [kind for kind in KINDS if kind in wanted]
    for symmetric in (False, True):
        result = explore(story, whole=True, symmetric=symmetric)
        assert [kind for kind in KINDS if kind in result.found] == kinds, story.source
        assert result.verdict == (kinds[0] if kinds else "none"), story.source
        if kinds:
            assert (result.switches, result.steps) == wanted[kinds[0]], story.source
    return True


def test_merged_equals_unmerged():
    assert sum(compare(seed) for seed in range(45)) > 30


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [range(60, 260), range(260, 460)], ids=str)
def test_merged_equals_unmerged_on_more_programs(seeds):
    assert sum(compare(seed) for seed in seeds) > 150


def test_every_turn_is_the_same_from_a_second_representative():
    """Whatever was remembered of a turn is run again by a coroutine that came to the same stance another way."""
    assert sum(run_again(program(seed, alike=seed % 2 == 0)) for seed in range(80)) > 150
    assert run_again(pool(elements=3, tasks=2, take=2, rounds=2)) > 500


def run_again(story):
    """How many remembered turns of a story were run once more, and gave the same."""
    segments, again = Segments(story), 0
    try:
        look_everywhere(segments)
    except NotAlike:        # the explorer would begin anew, and tell these tasks apart
        return 0
    for number in sorted(set(segments.makers)):
        for stance, ways in ways_into_stances(segments, number).items():
            for shared, outcomes in list(segments.tables[number].get(stance, {}).items()):
                before, there, answers = ways[again % len(ways)]
                if outcomes and quiet(segments, shared) and quiet(segments, there):
                    lead(segments, number, before, there, answers, stance)
                    stand = functools.partial(segments._stand, number, stance, shared, ())
                    assert segments._run(stand, stance, shared) == outcomes
                    again += 1
    segments.close()
    return again


def ways_into_stances(segments, number):
    """Every remembered turn of a task, by the stance that it ends in: {stance: [(before, shared, answers), ...]}."""
    ways = {}
    for before, row in segments.tables[number].items():
        for shared, outcomes in row.items():
            for after, then, answers in outcomes:
                if after != ENDED and then != BROKEN:
                    ways.setdefault(after, []).append((before, shared, answers))
    return ways


def quiet(segments, shared):
    return shared != BROKEN and segments.states[shared][1] is None


def look_everywhere(segments):
    seen, todo = {segments.initial}, [segments.initial]
    while todo:
        state = todo.pop()
        for number in range(len(state) - 1):
            for after, then, _ in segments.outcomes(number, state):
                there = (*state[:number], after, *state[number + 1:-1], then)
                if there not in seen:
                    seen.add(there)
                    todo.append(there)


def lead(segments, number, before, shared, answers, stance):
    """Leave a coroutine in `stance` that came there by this turn: it will be the next one that is used."""
    task = segments.machine.tasks[number]
    segments._bring(task, before)
    segments._set(shared, (), task, segments.stances[before])
    task.call = segments.stances[before].spare.pop()
    segments.machine.script, segments.machine.given, segments.machine.offered = answers, [], []
    segments._now = None
    segments.machine.turn(task)
    assert segments._stance_of(task, number) == stance
    if task.call in segments._surplus:
        segments._surplus.remove(task.call)
        segments.stances[stance].spare.append(task.call)


# == Each subtlety, and the harm when it is gone ====================================================


class Flags:
    explored = ("x", "y")

    def __init__(self):
        self.x = self.y = 0
        self.wait = WaitQueue("wait")


async def loops(flags):
    """Stands three times at one place with the same locals; only the third time round it hangs."""
    for _ in (1, 1, 1):
        await step("again")
    with flags.wait.queued():
        await sleep(flags.wait)


def looping(machine):
    machine.spawn("A", loops, Flags())


def test_the_iterator_of_a_loop_is_state(monkeypatch):
    """f_lasti and the locals alone merge the three rounds, and then nobody ever comes out of the loop."""
    assert explore(looping).verdict == "deadlock" and explore(looping, whole=True).states == 5
    monkeypatch.setattr(gc, "get_referents", lambda call: [call.cr_frame, call.cr_frame.f_code]
                        if hasattr(call, "cr_frame") else [])
    assert explore(looping).verdict != "deadlock"


def two_writers(machine):
    flags = Flags()

    async def first(flags):
        await step("y=0")
        flags.y = 0
        await step("x=0")
        flags.x = 0
        await step("y=1")
        flags.y = 1

    async def second(flags):
        await step("x=0")
        flags.x = 0
        await step("y=0")
        flags.y = 0
        await step("wait")
        with flags.wait.queued():
            if flags.y:
                await sleep(flags.wait)

    machine.spawn("A", first, flags)
    machine.spawn("B", second, flags)


def test_fewest_switches_need_to_know_who_ran_last():
    """A search that merges on the state alone keeps the way that is cheapest so far, and misses a cheaper end."""
    right = explore(two_writers)
    assert right.verdict == "deadlock" and (right.switches, right.steps) == plain(two_writers)["deadlock"]
    stories = [two_writers] + [program(seed) for seed in range(300)]
    assert any(switches_merged_on_the_state(story) != explore(story, symmetric=False).switches for story in stories)


def switches_merged_on_the_state(story):
    """Fewest forced switches to the first harm, were one node a state enough."""
    segments = Segments(story)
    moves = Moves(segments)
    kind = next((kind for kind, name in VERDICTS.items() if name == explore(story, symmetric=False).verdict), None)
    costs, todo = {moves.first: (0, 0)}, [(0, 0, moves.first, None)]
    while todo:
        switches, steps, state, last = min(todo, key=lambda node: node[:2])
        todo.remove((switches, steps, state, last))
        found = moves.moves(state)
        if kind and moves.harm(state, found) == kind:
            segments.close()
            return switches
        for who, _, there, forced in simplest.priced(found, last):
            price = switches + forced, steps + 1
            if price < costs.get(there, (9, 9, 9)):
                costs[there] = price
                todo.append((*price, there, simplest.runner(who)))
    segments.close()
    return None


def test_private_names_of_one_list_are_not_two_lists():
    """Two names of one list and two equal lists look alike, and are not."""
    async def one(flags):
        first = []
        second = first if flags.x else []
        await step("look")
        first.append(1)
        if second:
            with flags.wait.queued():
                await sleep(flags.wait)

    async def other(flags):
        flags.x = 1

    def story(machine):
        flags = Flags()
        machine.spawn("A", one, flags)
        machine.spawn("B", other, flags)
    result = explore(story)
    assert result.verdict == "deadlock" and result.switches == plain(story)["deadlock"][0]


def test_the_same_replay_on_a_plain_machine():
    """What the explorer found is what Machine.run shows when it is told the schedule."""
    shown = 0
    for seed in range(60):
        result = explore(program(seed))
        if result.verdict == "deadlock":
            machine = Machine()
            program(seed)(machine)
            with pytest.raises(Exception, match="deadlock"):
                machine.run(schedule=result.schedule)
            shown += 1
    assert shown > 5


def test_frames_tell_bound_from_unbound():
    """A local that is bound and one that is not are two stances, though the values kept are the same."""
    async def task(flags):
        if flags.x:
            here = 1
        else:
            there = 1
        await step("look")
        flags.y = [here] if flags.x else [there]
    form = frames.Frames(Segments(looping).forms)
    forms = []
    for x in (0, 1):
        flags = Flags()
        flags.x = x
        call = task(flags)
        machine = Machine()
        machine.spawn("A", task, flags)
        machine.turn(machine.tasks[0])
        forms.append(form.of(machine.tasks[0].call, None))
        call.close()
        machine.close()
    assert forms[0] != forms[1]


def test_every_python_counts_the_same():
    """The same worlds, states and schedules under CPython 3.11, 3.12 and 3.13: the digest is that of all three."""
    results = [explore(program(seed, with_interrupt=seed % 4 == 1, alike=seed % 2 == 0)) for seed in range(130)]
    told = repr([(result.verdict, result.states, result.schedule) for result in results])
    assert hashlib.sha256(told.encode()).hexdigest()[:16] == "c32ae1fb040ba14c"


def test_rounds_that_are_not_looked_at_whole_are_not_none():
    """Like tasks count once in the first search, and are told apart in the one for rounds, which is the larger."""
    async def spinner(word):
        while word[0] == "wait":
            await step("look again")

    def story(machine):
        word = ["wait"]
        for number in range(3):
            machine.spawn(f"task {number}", spinner, word)

    whole = explore(story)
    assert whole.verdict == "no progress" and whole.exhaustive
    short = explore(story, limit=whole.states - 1)
    assert short.verdict == "none" and not short.exhaustive
