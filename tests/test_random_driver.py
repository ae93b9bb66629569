"""Arbitrary drivers: the explorer against the rules of deadlock, and the rules against a search of their own."""

import json
from itertools import combinations_with_replacement, product

import pytest

from kit.__main__ import main
from kit.drivers.random_driver import (
    NO_RULE,
    ONE_POOL,
    ORDER,
    TOO_MANY,
    Driver,
    agrees,
    broken_rule,
    random_driver,
    sweep,
    table,
    theorem_applies,
)
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
    findings = sweep(range(80))
    assert [finding for finding in findings if not finding.agrees] == []
    hangs = [finding for finding in findings if finding.hangs]
    assert hangs and all("sleeps on" in str(replay(finding.driver.story, finding.schedule)) for finding in hangs[:10])


def test_a_rule_that_were_wrong_would_be_noticed():
    driver = Driver((2,), (takes(0, 0), takes(0, 0)))
    assert agrees(driver, hangs=True) and not agrees(driver, hangs=False)
    assert not agrees(Driver((1, 1), (takes(0, 1), takes(0, 1))), hangs=True)


def test_the_same_seed_makes_the_same_driver():
    assert str(random_driver(7)) == str(random_driver(7))
    assert len({str(random_driver(seed)) for seed in range(100)}) > 90


def test_the_sweep_tells_all_of_its_drivers(capsys):
    findings = sweep(range(4))
    assert table(findings).startswith("4 drivers, ")
    assert main(["explore", "random", "--count", "4", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["verdict"] for one in told] == [finding.verdict for finding in findings]
