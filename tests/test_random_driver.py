"""Arbitrary drivers: the explorer against the rules of deadlock, and the rules against a search of their own."""

import json
from itertools import combinations_with_replacement, product

import pytest

from kit.__main__ import main
from kit.drivers.lock_order import (
    APART,
    ENOUGH,
    NESTED,
    NO_RULE,
    ONE_POOL,
    ORDER,
    TOO_MANY,
    agrees,
    broken_rule,
    theorem_applies,
    why_spared,
)
from kit.drivers.random_driver import Driver, random_driver, sweep, table
from kit.machine.explore import explore, replay


def takes(*pools):
    return tuple(("take", pool) for pool in pools)


@pytest.mark.parametrize("driver, rule, verdict", [
    (Driver((2,), (takes(0, 0), takes(0, 0))), ONE_POOL, "deadlock"),
    (Driver((3,), (takes(0, 0), takes(0, 0))), NO_RULE, "none"),
    (Driver((1,), (takes(0, 0), takes(0))), TOO_MANY, "deadlock"),
    (Driver((1, 1), (takes(0, 1), takes(1, 0))), ORDER, "deadlock"),
    (Driver((1, 1), (takes(0, 1), takes(0, 1))), NO_RULE, "none"),
    (Driver((2, 2), (takes(0, 1), takes(1, 0))), ORDER, "none"),
    (Driver((1, 1, 1), (takes(0, 1), takes(1, 2), takes(2, 0))), ORDER, "deadlock"),
    (Driver((1, 1), (takes(0, 0), takes(1)), beneath=(None, 0)), NESTED, "deadlock"),
    (Driver((1, 1), (takes(0), takes(1)), beneath=(None, 0)), NO_RULE, "none"),
])
def test_each_rule_and_what_becomes_of_its_breakers(driver, rule, verdict):
    assert broken_rule(driver) == rule
    assert explore(driver.story).verdict == verdict


@pytest.mark.parametrize("submits", [True, False])
def test_submitting_before_the_next_take_helps(submits):
    """Molnar's stampede, and its cure: give the first to the device before you ask for the second."""
    between = (("submit", 0),) if submits else ()
    program = (*takes(0), *between, *takes(0))
    driver = Driver((2,), (program, program))
    assert (broken_rule(driver) == NO_RULE) is submits
    assert (explore(driver.story).verdict == "none") is submits


@pytest.mark.parametrize("pools, lower, submits, verdict", [
    ((2,), 0, True, "deadlock"), ((2,), 0, False, "deadlock"),      # both layers take from one pool
    ((2, 1), 1, True, "none"), ((2, 1), 1, False, "none"),          # each has its own
])
def test_stacked_drivers_need_a_pool_each(pools, lower, submits, verdict):
    program = (("take", 0), ("hand", lower), *[("submit", 0)] * submits)
    driver = Driver(pools, (program, program))
    assert explore(driver.story).verdict == verdict
    assert (broken_rule(driver) == NO_RULE) is (verdict == "none")


@pytest.mark.parametrize("submits", [True, False])
def test_a_stack_that_submits_before_its_next_take_may_take_again(submits):
    """Both elements of a request come home with one interrupt; kept on the task's own list, they never do."""
    first, second = [("take", 0), ("hand", 1)], [("take", 0), ("hand", 1)]
    driver = Driver((1, 1), ((*first, *[("submit", 1)] * submits, *second),))
    assert explore(driver.story).verdict == ("none" if submits else "deadlock")
    assert broken_rule(driver) == (NO_RULE if submits else TOO_MANY)


def test_who_hands_nothing_on_takes_nothing():
    driver = Driver((1,), ((("hand", 0), ("submit", 0), ("give", 0)), takes(0)))
    assert broken_rule(driver) == NO_RULE and explore(driver.story).verdict == "none"


def test_why_a_breaker_of_a_rule_is_spared():
    assert why_spared(Driver((2, 2), (takes(0, 1), takes(1, 0)))) == ENOUGH
    assert why_spared(GATED) == APART and broken_rule(GATED) == ORDER
    assert explore(GATED.story).verdict == "none"


GATED = Driver((1, 1, 1), (takes(0, 1, 2), takes(0, 2, 1)))     # whoever holds of 0 is alone with 1 and 2


def hangs_by_counting(driver):
    """Whether some order of whole actions leaves tasks waiting: counts of elements only, no Mempool, no steps."""
    seen, todo = set(), [(driver.pools, tuple((0, ()) for _ in driver.programs))]
    while todo:
        state = todo.pop()
        if state in seen:
            continue
        seen.add(state)
        following = [after for task in range(len(driver.programs)) for after in turn(driver, *state, task)]
        if not following and any(held or place < len(driver.programs[task])
                                 for task, (place, held) in enumerate(state[1])):
            return True
        todo += following
    return False


def turn(driver, free, tasks, task):
    """What may become of the counts when one task does its next action; empty if it has to wait or has ended."""
    place, held = tasks[task]
    program = driver.programs[task]
    action, pool = program[place] if place < len(program) else ("give", held[-1][0] if held else None)
    if pool is None:
        return []
    taking = action in ("take", "ask") or action == "hand" and held
    if taking and not free[pool]:
        if action != "ask":
            return []
    elif action in ("take", "ask"):
        free, held = changed(free, pool, -1), (*held, (pool,))
    elif action == "hand" and held:
        free, held = changed(free, pool, -1), ((*held[0], pool), *held[1:])
    elif action in ("give", "submit"):
        request = next((request for request in held if pool in request), ())
        for number in request:
            free = changed(free, number, +1)
        where = held.index(request) if request else len(held)
        held = held[:where] + held[where + 1:]
    after = (min(place + 1, len(program)), held)
    return [(free, (*tasks[:task], after, *tasks[task + 1:]))]


def changed(free, pool, by):
    return tuple(count + by * (number == pool) for number, count in enumerate(free))


@pytest.mark.slow
def test_the_explorer_and_a_search_that_only_counts_agree_on_every_driver_that_is_not_nested():
    """Two ways to the same answer: every step of the kit's Mempool, and whole actions on a handful of numbers."""
    findings = [finding for finding in sweep(range(1000, 1080), limit=60_000) if not finding.driver.nested]
    assert sum(finding.hangs for finding in findings) > 10
    assert [finding for finding in findings
            if finding.verdict != "undecided" and hangs_by_counting(finding.driver) != finding.hangs] == []


def test_no_rule_is_broken_only_where_counting_finds_no_hang():
    """The rules over many more drivers than could be explored; and no sizes suffice where one hangs."""
    drivers = [driver for driver in map(random_driver, range(3000)) if not driver.nested]
    hanging = [driver for driver in drivers if hangs_by_counting(driver)]
    assert len(hanging) > 100 and len(drivers) > 1500
    assert [driver for driver in hanging if broken_rule(driver) == NO_RULE or why_spared(driver) == ENOUGH] == []
    assert [driver for driver in drivers if not agrees(driver, driver in hanging)] == []


def test_the_theorem_of_one_pool_is_exact_wherever_three_tasks_take_up_to_three():
    """Every world of two or three tasks and pools of one to three: rule and explorer agree in all."""
    worlds = 0
    for size, tasks in product((1, 2, 3), (2, 3)):
        for needs in combinations_with_replacement((1, 2, 3), tasks):
            driver = Driver((size,), tuple(takes(*[0] * need) for need in needs))
            assert theorem_applies(driver)
            hangs = sum(need - 1 for need in needs) >= size or max(needs) > size
            assert (broken_rule(driver) in (ONE_POOL, TOO_MANY)) == hangs
            if sum(needs) <= 6:
                assert (explore(driver.story).verdict == "deadlock") == hangs
                worlds += 1
    assert worlds == 36


@pytest.mark.slow
def test_no_driver_disagrees_and_every_hang_can_be_seen_again():
    findings = sweep(range(80), limit=100_000)
    assert [finding for finding in findings if not finding.agrees] == []
    hangs = [finding for finding in findings if finding.hangs]
    assert hangs and all("sleeps on" in str(replay(finding.driver.story, finding.schedule)) for finding in hangs[:10])


def test_a_rule_that_were_wrong_would_be_noticed():
    driver = Driver((2,), (takes(0, 0), takes(0, 0)))
    assert agrees(driver, hangs=True) and not agrees(driver, hangs=False)
    assert not agrees(Driver((1, 1), (takes(0, 1), takes(0, 1))), hangs=True)


def test_the_same_seed_makes_the_same_driver():
    assert str(random_driver(7)) == str(random_driver(7))
    drivers = [random_driver(seed) for seed in range(100)]
    assert len({str(driver) for driver in drivers}) > 90
    assert any(driver.nested for driver in drivers) and any("hand" in str(driver) for driver in drivers)


def test_an_interrupt_from_the_keyboard_ends_the_sweep_with_what_was_found():
    def seeds():
        yield from range(3)
        raise KeyboardInterrupt
    assert [finding.seed for finding in sweep(seeds())] == [0, 1, 2]


def test_the_sweep_tells_all_of_its_drivers(capsys):
    findings = sweep(range(4))
    assert table(findings).startswith("4 drivers (2 nested, 3 stacked), ")
    assert main(["explore", "random", "--count", "4", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["verdict"] for one in told] == [finding.verdict for finding in findings]
