"""random_driver: $random_arbitrary_driver, from a seed; and what rules say of it before it is run.

LaHaise asked how one could be certain for a driver that one has never met.  Here are as many as one
likes: a few tasks and pools, and for each task a program of takes (which may sleep), asks (which may
not), gives and submits (an interrupt gives the element back, some time later).

    A: take 0, take 1, submit 1, give 0        pools of 2 and 1

Two rules are known for such programs, and both are about what a task holds while it sleeps:

    one pool    Tasks that hold all before they return any can hang exactly if
                sum over tasks of (need - 1) >= elements: each lacks its last, and all are out.
                (Or if one of them needs more than there are.)
    many pools  If no task ever sleeps for a pool while it holds of that pool or of a later one, in
                some one order of all pools, nothing hangs.

The explorer decides; `agrees` says whether a rule was right about a driver where it applies.  The
first is exact for tasks that only take.  Elsewhere both are only sufficient, and a rule may be broken
and nothing hang: the pools are large enough, an `ask` gets nothing, or another pool lets one task in at
a time and so keeps the others out.  Such drivers are listed, for each asks to be explained.
The allocator beneath every pool always refuses, and nothing times out.
"""

import json
import random
from collections import Counter
from dataclasses import asdict, dataclass

from kit.drivers.small_worlds import Refusing
from kit.gfp import GFP_ATOMIC, GFP_KERNEL
from kit.machine.explore import explore
from kit.memory.mempool import Mempool

TOO_MANY = "a task needs more than there are"
ONE_POOL = "tasks take several of one pool, one after the other"
ORDER = "pools are taken in different orders"
NO_RULE = "no rule is broken"


@dataclass(frozen=True)
class Driver:
    """Sizes of the pools, and for each task its program: pairs of an action and a pool's number."""

    pools: tuple
    programs: tuple

    def __str__(self):
        programs = (f"{chr(ord('A') + number)}: " + ", ".join(f"{action} {pool}" for action, pool in program)
                    for number, program in enumerate(self.programs))
        return f"pools of {', '.join(map(str, self.pools))}; " + "; ".join(programs)

    def story(self, machine):
        """Set the driver up on a machine: a story for the explorer."""
        pools = [Mempool.create(size, Refusing(size, f"beneath {number}"), name=f"pool {number}")
                 for number, size in enumerate(self.pools)]
        for number, program in enumerate(self.programs):
            name = chr(ord("A") + number)
            machine.spawn(name, follow, machine, name, pools, program)


async def follow(machine, name, pools, program):
    """A task: does what its program says, and in the end gives back all that it holds, the newest first."""
    held = []
    for place, (action, number) in enumerate(program):
        mine = [element for element in held if element[0] == number]
        if action == "take":
            held.append((number, await pools[number].alloc(GFP_KERNEL)))
        elif action == "ask":
            element = await pools[number].alloc(GFP_ATOMIC)
            held += [] if element is None else [(number, element)]
        elif mine and action == "give":
            held.remove(mine[0])
            await pools[number].free(mine[0][1])
        elif mine:
            held.remove(mine[0])
            machine.interrupt(f"{name}'s request {place}", completed, pools[number], mine[0][1])
    while held:
        number, element = held.pop()
        await pools[number].free(element)


async def completed(pool, element):
    """The device has done what was submitted: in the interrupt, the element goes back."""
    await pool.free(element)


def random_driver(seed):
    """A driver of one or two pools of one to three elements, two or three tasks, and up to four actions each."""
    chance = random.Random(seed)
    pools = tuple(chance.randint(1, 3) for _ in range(chance.randint(1, 2)))
    actions = chance.choice((("take",), ("take", "give"), ("take", "take", "give", "ask", "submit")))
    programs = tuple(tuple((chance.choice(actions), chance.randrange(len(pools))) for _ in range(chance.randint(1, 4)))
                     for _ in range(chance.randint(2, 3)))
    return Driver(pools, programs)


def sweep(seeds, limit=100_000, progress=iter):
    """What the explorer finds about a driver from each seed: a Finding each.  progress: wraps the seeds, for a bar."""
    return [_find(seed, limit) for seed in progress(seeds)]


@dataclass(frozen=True)
class Finding:
    """One driver: the explorer's verdict on it and its replay string, and the rule that it breaks."""

    seed: int
    driver: Driver
    verdict: str            # "undecided" where the limit of states was reached first
    schedule: str | None
    rule: str

    @property
    def hangs(self):
        return self.schedule is not None

    @property
    def agrees(self):
        """Whether the rules allow what was found."""
        return self.verdict == "undecided" or agrees(self.driver, self.hangs)


def _find(seed, limit):
    driver = random_driver(seed)
    result = explore(driver.story, limit=limit)
    verdict = "undecided" if result.verdict == "none" and not result.exhaustive else result.verdict
    return Finding(seed, driver, verdict, result.schedule, broken_rule(driver))


def table(findings):
    """The findings in lines: under each rule how many hang and how many do not, and who disagrees."""
    lines = [f"{len(findings):,} drivers, {sum(finding.hangs for finding in findings):,} can hang", ""]
    for rule in (TOO_MANY, ONE_POOL, ORDER, NO_RULE):
        counts = Counter(finding.verdict for finding in findings if finding.rule == rule)
        told = ", ".join(f"{verdict} {count:,}" for verdict, count in sorted(counts.items()))
        lines.append(f"{rule + ':':<55} {told or 'no driver'}")
    exact = sum(theorem_applies(finding.driver) for finding in findings)
    wrong = [finding for finding in findings if not finding.agrees]
    lines += ["", f"the rule of one pool is exact for {exact:,} of them; disagreements, under all rules: {len(wrong)}"]
    lines += [f"  seed {finding.seed}: {finding.verdict}; {finding.driver}" for finding in wrong]
    spared = [finding for finding in findings if finding.rule != NO_RULE and finding.verdict == "none"]
    lines += ["", f"a rule is broken and yet nothing hangs: {len(spared)}"]
    lines += [f"  seed {finding.seed}: {finding.rule}; {finding.driver}" for finding in spared]
    return "\n".join(lines)


def as_json(findings):
    """The findings as JSON: a list of objects with seed, driver, verdict, schedule and rule."""
    return json.dumps([{**asdict(finding), "driver": str(finding.driver)} for finding in findings], indent=1)


# == What the rules say, before anything runs ========================================================


def broken_rule(driver):
    """The first of the rules that the driver breaks, or NO_RULE."""
    needs = [{number: _need(program, number) for number in range(len(driver.pools))} for program in driver.programs]
    if any(need[number] > size for need in needs for number, size in enumerate(driver.pools)):
        return TOO_MANY
    for number, size in enumerate(driver.pools):
        if sum(max(need[number] - 1, 0) for need in needs) >= size:
            return ONE_POOL
    return ORDER if _circle(_sleeps_while_holding(driver)) else NO_RULE


def theorem_applies(driver):
    """Whether the rule of one pool is exact: one pool, and every task only takes, until it returns all."""
    return len(driver.pools) == 1 and all(action == "take" for program in driver.programs for action, _ in program)


def agrees(driver, hangs):
    """Whether what the explorer found is what the rules allow."""
    rule = broken_rule(driver)
    if theorem_applies(driver):
        return hangs == (rule in (ONE_POOL, TOO_MANY))
    return rule != NO_RULE or not hangs


def _need(program, number):
    """How many elements of a pool the task holds at most at the moment it has slept for one of them."""
    held, need = 0, 0
    for action, pool in program:
        if pool == number:
            held += action in ("take", "ask")
            need = max(need, held) if action == "take" else need
            held -= held > 0 and action in ("give", "submit")
    return need


def _sleeps_while_holding(driver):
    """Pairs (held, wanted) of different pools: some task sleeps for the second while it holds of the first."""
    pairs = set()
    for program in driver.programs:
        held = []
        for action, pool in program:
            if action == "take":
                pairs |= {(other, pool) for other in held if other != pool}
            if action in ("take", "ask"):
                held.append(pool)
            elif pool in held:
                held.remove(pool)
    return pairs


def _circle(pairs):
    """Whether some order of all pools has every pair the right way round; with two pools, one look is enough."""
    return any((wanted, held) in pairs for held, wanted in pairs)
