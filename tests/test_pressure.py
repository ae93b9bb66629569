"""Memory full of dirty pages: who hangs, who finishes, and whether a hang is one; nothing lost in any of it."""

import pytest

from kit.drivers.stories import Pressure
from kit.drivers.supply import SUPPLIES, Mempooled
from kit.locks import WaitQueue
from kit.machine.core import MILLISECOND, Machine
from kit.machine.hang import Hang, run_or_hang
from kit.memory.mempool import LINUX_2_5_1
from kit.traps import sleep, step, yield_cpu

REMEDIES = ["private", "mempool", "mempool-2.5.1", "reservation"]


def outcome(**setting):
    """How the story ends, its books checked."""
    story = Pressure(**setting)
    result = story.run()
    story.check()
    if result.verdict == "finished" and not story.kept:
        assert story.out() == 0 and not story.cache.writing, "all pages that drivers had came back"
    return result


def test_plain_allocation_hangs_while_writing_memory_out_and_the_report_says_why():
    result = outcome(supply="plain", pages_min=0)
    assert result.verdict == "hung"
    assert "kswapd goes round: ask for a biovec-1 again, holding" in str(result)
    assert "0 NORMAL" in str(result) and "0 clean" in str(result)


@pytest.mark.parametrize("supply", REMEDIES)
def test_the_same_machine_finishes_under_each_remedy(supply):
    assert outcome(supply=supply, pages_min=0).verdict == "finished"


@pytest.mark.parametrize("supply", list(SUPPLIES))
def test_with_the_marks_of_2_5_1_even_plain_allocation_finishes_if_each_writes_one_page(supply):
    assert outcome(supply=supply, pages_min=20, lowmem=64).verdict == "finished"


@pytest.mark.parametrize("supply, verdict", [("plain", "hung"), ("private", "hung"), ("mempool", "hung"),
                                             ("reservation", "finished")])
def test_eight_who_take_sixteen_bounce_pages_each_stampede_unless_they_are_granted_all_or_nothing(supply, verdict):
    assert outcome(supply=supply, pages_min=20, direct=8, stack=("bounce",), writers=2).verdict == verdict


WAKES_ONE, WAKES_ALL = WaitQueue.wake_one, WaitQueue.wake_all


@pytest.mark.parametrize("wake, kicks, verdict", [(WAKES_ONE, False, "hung"), (WAKES_ONE, True, "finished"),
                                                  (WAKES_ALL, False, "finished")])
def test_with_one_element_of_each_kind_it_matters_who_is_woken(wake, kicks, verdict):
    """A pool that wakes one loses wake-ups here, unless it also kicks the flusher, as that of 2.5.1 did."""
    def supply(pages):
        return Mempooled(ladder=LINUX_2_5_1, wake=wake, kick=pages.wake_flusher if kicks else None)
    assert outcome(supply=supply, pages_min=0, reserve=1).verdict == verdict


def test_with_one_element_of_each_kind_reservations_finish():
    """What one write takes lies free in the slabs, once there are any, and the one page can be borrowed."""
    assert outcome(supply="reservation", pages_min=0, reserve=1).verdict == "finished"


@pytest.mark.parametrize("foreseen, reserve, verdict", [(True, 4, "finished"), (False, 4, "hung"),
                                                        (False, 16, "finished")])
def test_who_has_to_declare_the_worst_needs_a_reserve_as_large(foreseen, reserve, verdict):
    """Sixteen bounce pages, if nobody knows beforehand which pages lie out of reach; else as many as do."""
    assert outcome(supply="reservation", pages_min=20, direct=8, stack=("bounce",), writers=2, reserve=reserve,
                   foreseen=foreseen).verdict == verdict


@pytest.mark.parametrize("supply", list(SUPPLIES))
def test_same_setting_same_run(supply):
    runs = []
    for _ in range(2):
        story = Pressure(supply=supply, seed=7)
        story.run()
        runs.append("".join(story.machine.schedule))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("supply", list(SUPPLIES))
def test_nothing_is_lost_when_tasks_are_abandoned_midway(supply):
    for until in range(200_000, 6_000_000, 700_001):
        story = Pressure(supply=supply, pages_min=2)
        story.machine.run(until=until)
        story.check()
        story.machine.close()
        story.check()


@pytest.mark.slow
@pytest.mark.parametrize("supply", list(SUPPLIES))
def test_nothing_is_lost_when_writes_fail(supply):
    """Every third write of a mirror fails: a page is dirty again, or the other mirror has it; all are counted."""
    for stack in ((), ("bounce",), ("raid1",), ("bounce", "raid1"), ("raid1", "raid1")):
        assert outcome(supply=supply, stack=stack, pages_min=4, fails=EveryThird()).verdict != "waited"


class EveryThird:
    """Of the bios that are served, every third fails."""

    def __init__(self):
        self.served = 0

    def __call__(self, bio):
        self.served += 1
        return self.served % 3 == 0


# == Is a hang one? ================================================================================


def test_who_goes_round_with_nothing_to_come_hangs():
    machine = Machine()

    async def poll():
        while True:
            await yield_cpu("is it there?")

    machine.spawn("A", poll)
    with pytest.raises(Hang, match="A goes round: is it there?"):
        run_or_hang(machine, lambda: 0, until=MILLISECOND, look_every=1_000)


def test_who_waits_for_an_interrupt_does_not_hang():
    machine, there = Machine(), []

    async def poll():
        while not there:
            await yield_cpu("is it there?")

    async def card():
        await step("here it comes")
        there.append(1)

    machine.spawn("A", poll)
    machine.interrupt("card", card, after=300_000)
    assert run_or_hang(machine, lambda: len(there), until=MILLISECOND, look_every=1_000)


@pytest.mark.parametrize("rounds", [3, 50])
def test_who_counts_its_rounds_does_not_hang(rounds):
    """The position of a loop is state, though it always stands at the same line with the same variables."""
    machine = Machine()

    async def patient():
        for _ in [1] * rounds:
            await yield_cpu("once more")

    machine.spawn("A", patient)
    assert run_or_hang(machine, lambda: 0, until=MILLISECOND, look_every=100)


def test_a_circle_is_found_again_after_a_time_out_has_changed_it():
    """Each time-out leads into another circle, the last into the same again; none is waited out step by step."""
    machine, rest, naps = Machine(step_ns=1_000), WaitQueue("rest"), []

    async def poll():
        while True:
            await yield_cpu("is it there?")

    async def nap():
        while True:
            with rest.queued():
                await sleep(rest, timeout=10 * MILLISECOND)
            naps.append(1)

    machine.spawn("A", poll)
    machine.spawn("B", nap, daemon=True)
    with pytest.raises(Hang):
        run_or_hang(machine, lambda: min(len(naps), 3), until=100 * MILLISECOND, look_every=1_000)
    assert len(machine.schedule) < 1_000, "a hundred milliseconds are 100,000 steps"
