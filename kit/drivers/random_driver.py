"""random_driver: $random_arbitrary_driver, from a seed; and what the explorer and the rules say of it.

LaHaise asked how one could be certain for a driver that one has never met.  Here are as many as one
likes: a few tasks and pools, and for each task a program of actions, each on a pool:

    take    an element, sleeping if need be            ask     for one, without sleeping
    hand    the oldest request in hand to the driver below, which takes an element of its own for it
    give    a request back, with all its elements      submit  it: an interrupt gives it back, later

    A: take 0, hand 1, submit 1, take 0        pools of 2 and 1

So drivers are stacked (take 0, hand 1), and submit before they take again, or do not.  Pools are nested
where one stands on another: what it has not got, it takes of that one.  In the end a task gives back all.
The explorer decides; drivers/lock_order.py says what the rules think, and `agrees` compares.  A driver
that breaks no rule and hangs would be a bug, of the rules or of the kit.  One that breaks a rule and
does not hang is listed with the reason.  The allocator beneath the lowest pools always refuses, and
nothing times out.
"""

import json
import random
from collections import Counter
from dataclasses import asdict, dataclass

from kit.drivers.lock_order import NO_RULE, RULES, agrees, broken_rule, theorem_applies, why_spared
from kit.drivers.small_worlds import Refusing
from kit.gfp import GFP_ATOMIC, GFP_KERNEL
from kit.machine.explore import explore
from kit.memory.mempool import Mempool


@dataclass(frozen=True)
class Driver:
    """Sizes of the pools; for each task its program, pairs of an action and a pool's number; what stands on what.

    beneath: for each pool the number of the earlier pool that it stands on, or None; () if none does.
    """

    pools: tuple
    programs: tuple
    beneath: tuple = ()

    def __str__(self):
        standing = "".join(f" ({number} on {lower})" for number, lower in enumerate(self.beneath) if lower is not None)
        programs = (f"{chr(ord('A') + number)}: " + ", ".join(f"{action} {pool}" for action, pool in program)
                    for number, program in enumerate(self.programs))
        return f"pools of {', '.join(map(str, self.pools))}{standing}; " + "; ".join(programs)

    @property
    def nested(self):
        """Whether some pool stands on another."""
        return any(lower is not None for lower in self.beneath)

    def family(self, number):
        """The lowest pool beneath a pool, or itself: pools that stand on one another share its elements."""
        while self.beneath and self.beneath[number] is not None:
            number = self.beneath[number]
        return number

    def story(self, machine):
        """Set the driver up on a machine: a story for the explorer."""
        pools = []
        for number, size in enumerate(self.pools):
            backing = self._allocator(number) if self.family(number) == number else pools[self.beneath[number]]
            pools.append(Mempool.create(size, backing, name=f"pool {number}"))
        for number, program in enumerate(self.programs):
            name = chr(ord("A") + number)
            machine.spawn(name, follow, machine, name, pools, program)

    def _allocator(self, lowest):
        """What a lowest pool stands on: it fills that pool and all that stand on it, and has nothing afterwards."""
        everything = sum(size for number, size in enumerate(self.pools) if self.family(number) == lowest)
        return Refusing(everything, f"beneath {lowest}")


async def follow(machine, name, pools, program):
    """A task: does what its program says, and in the end gives back all that it holds, the newest first.

    What it holds are requests: lists of (pool, element), the upper driver's first.
    """
    held = []
    for place, (action, number) in enumerate(program):
        if action == "take":
            held.append([(pools[number], await pools[number].alloc(GFP_KERNEL))])
        elif action == "ask":
            element = await pools[number].alloc(GFP_ATOMIC)
            held += [] if element is None else [[(pools[number], element)]]
        elif action == "hand" and held:
            held[0].append((pools[number], await pools[number].alloc(GFP_KERNEL)))
        elif request := _oldest(held, pools[number]):
            held.remove(request)
            if action == "give":
                await completed(request)
            else:
                machine.interrupt(f"{name}'s request {place}", completed, request)
    while held:
        await completed(held.pop())


def _oldest(held, pool):
    return next((request for request in held if any(owner is pool for owner, _ in request)), None)


async def completed(request):
    """All elements of a request go back to their pools, the lower driver's first; when submitted, in the interrupt."""
    for pool, element in reversed(request):
        await pool.free(element)


ACTIONS = (("take",), ("take", "give"), ("take", "hand"), ("take", "hand", "submit"),
           ("take", "take", "give", "ask", "submit", "hand"))


def random_driver(seed):
    """A driver of one to three pools of one to three elements, two or three tasks, and up to four actions each."""
    chance = random.Random(seed)
    pools = tuple(chance.randint(1, 3) for _ in range(chance.choice((1, 2, 2, 3))))
    nested = len(pools) > 1 and chance.random() < 0.4
    beneath = (None, 0, *[None] * (len(pools) - 2)) if nested else ()
    actions = chance.choice(ACTIONS)
    programs = tuple(tuple((chance.choice(actions), chance.randrange(len(pools))) for _ in range(chance.randint(1, 4)))
                     for _ in range(chance.randint(2, 3)))
    return Driver(pools, programs, beneath)


def sweep(seeds, limit=400_000, progress=iter):
    """What the explorer finds about a driver from each seed: a Finding each, of at most so many states.

    progress: wraps the seeds, for a bar.  An interrupt from the keyboard ends it with what was found so far.
    """
    findings = []
    try:
        for seed in progress(seeds):
            findings.append(_find(seed, limit))
    except KeyboardInterrupt:
        pass
    return findings


@dataclass(frozen=True)
class Finding:
    """One driver: the explorer's verdict on it and its replay string, and the rule that it breaks."""

    seed: int
    driver: Driver
    verdict: str            # "undecided" where the limit of states was reached first
    schedule: str | None
    rule: str
    spared: str | None      # why it does not hang although it breaks a rule

    @property
    def hangs(self):
        return self.schedule is not None

    @property
    def agrees(self):
        """Whether the rules allow what was found."""
        return self.verdict == "undecided" or agrees(self.driver, self.hangs)


def _find(seed, limit):
    driver = random_driver(seed)
    result, rule = explore(driver.story, limit=limit), broken_rule(driver)
    if result.interrupted:
        raise KeyboardInterrupt
    verdict = "undecided" if result.verdict == "none" and not result.exhaustive else result.verdict
    spared = why_spared(driver) if verdict == "none" and rule != NO_RULE else None
    return Finding(seed, driver, verdict, result.schedule, rule, spared)


def table(findings):
    """The findings in lines: under each rule how many hang and how many do not, and who disagrees."""
    kinds = sum(finding.driver.nested for finding in findings), sum(_stacked(finding.driver) for finding in findings)
    lines = [f"{len(findings):,} drivers ({kinds[0]:,} nested, {kinds[1]:,} stacked), "
             f"{sum(finding.hangs for finding in findings):,} can hang", ""]
    for rule in RULES:
        counts = Counter(finding.verdict for finding in findings if finding.rule == rule)
        told = ", ".join(f"{verdict} {count:,}" for verdict, count in sorted(counts.items()))
        lines.append(f"{rule + ':':<55} {told or 'no driver'}")
    exact = sum(theorem_applies(finding.driver) for finding in findings)
    wrong = [finding for finding in findings if not finding.agrees]
    lines += ["", f"the rule of one pool is exact for {exact:,} of them; disagreements, under all rules: {len(wrong)}"]
    lines += [f"  seed {finding.seed}: {finding.verdict}; {finding.driver}" for finding in wrong]
    reasons = Counter(finding.spared for finding in findings if finding.spared)
    lines += ["", f"a rule is broken and yet nothing hangs: {reasons.total()}"]
    for reason in sorted(reasons):
        lines.append(f"{reason}: {reasons[reason]}")
        lines += [f"  seed {finding.seed}: {finding.rule}; {finding.driver}"
                  for finding in findings if finding.spared == reason]
    return "\n".join(lines)


def _stacked(driver):
    return any(action == "hand" for program in driver.programs for action, _ in program)


def as_json(findings):
    """The findings as JSON: a list of objects with seed, driver, verdict, schedule, rule and spared."""
    return json.dumps([{**asdict(finding), "driver": str(finding.driver)} for finding in findings], indent=1)
