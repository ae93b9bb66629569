"""lock order: what rules say of a driver (drivers/random_driver.py) before it is run.

The problem.  Long before anybody could look at every state, drivers were judged by rules: take locks
in one order, take no more than there are.  How good are they for pools?
The idea.  All rules are about what tasks hold at the moments when they sleep for more, and a program
tells these moments without being run.  (An `ask` may get an element or not: both are looked at.)

    TOO_MANY    a task needs more than there are
    ONE_POOL    sum over tasks of (need - 1) >= elements: each lacks its last, and all are out
    ORDER       in what is held and what is wanted there is a circle of pools
    NESTED      as the last two, but counting only the elements of the pool at the bottom: whoever
                insists in a pool that stands on another sleeps on the lower one, while what comes
                home stays above

The promise.  Who breaks none of them never hangs.  Who breaks one may or may not: only for tasks that
take from one pool, and give back when they have all, is the sum exact.  `why_spared` names the reason.
Pools that stand on one another count as one, a family, under the name of the lowest.
Beside it: lockdep (kernel/locking/lockdep.c), which looks for circles too, in what has been run.
"""

from collections import Counter
from graphlib import CycleError, TopologicalSorter
from itertools import product

TOO_MANY = "a task needs more than there are"
ONE_POOL = "tasks take several of one pool, one after the other"
ORDER = "pools are taken in a circle"
NESTED = "a pool stands on a pool"
NO_RULE = "no rule is broken"
RULES = (TOO_MANY, ONE_POOL, ORDER, NESTED, NO_RULE)

ENOUGH = "wherever the tasks may sleep, elements are left over"
APART = "a knot exists on paper, but no order of turns leads there"


def broken_rule(driver):
    """The first of the rules that the driver breaks, or NO_RULE."""
    moments, sizes = [_moments(driver, program) for program in driver.programs], _sizes(driver)
    needs = [Counter({family: _need(of_task, family) for family in sizes}) for of_task in moments]
    if any(need[family] > size for need in needs for family, size in sizes.items()):
        return TOO_MANY
    if any(sum(max(need[family] - 1, 0) for need in needs) >= size for family, size in sizes.items()):
        return ONE_POOL
    if _circle(moments):
        return ORDER
    return NESTED if driver.nested and _knot(moments, _bottoms(driver)) else NO_RULE


def theorem_applies(driver):
    """Whether the rule of one pool is exact: one pool, and every task only takes, until it returns all."""
    return len(driver.pools) == 1 and all(action == "take" for program in driver.programs for action, _ in program)


def agrees(driver, hangs):
    """Whether what the explorer found is what the rules allow."""
    rule = broken_rule(driver)
    if theorem_applies(driver):
        return hangs == (rule in (ONE_POOL, TOO_MANY))
    return rule != NO_RULE or not hangs


def why_spared(driver):
    """Why a driver that breaks a rule does not hang: ENOUGH if the sizes alone forbid it, else APART.

    It hangs only in a knot: some tasks sleep, and hold among them all elements that could wake one.
    ENOUGH: no such moments are in the programs.  APART: they are, but no order of turns leads there.
    """
    moments = [_moments(driver, program) for program in driver.programs]
    return APART if _knot(moments, _bottoms(driver)) else ENOUGH


# == Programs, read without being run ================================================================


def _moments(driver, program):
    """Every (wanted, held) at which a task may sleep: a family, and sorted pairs of a family and how many of it."""
    moments, futures = set(), [()]
    for action, pool in program:
        following = set()
        for held in futures:
            sleeps = action == "take" or action == "hand" and held
            if sleeps:
                counts = Counter(driver.family(number) for request in held for number in request)
                moments.add((driver.family(pool), tuple(sorted(counts.items()))))
            following |= _after(action, pool, held)
        futures = sorted(following)
    return sorted(moments)


def _after(action, pool, held):
    """What a task may hold after an action: a set of tuples of requests, each a tuple of pools."""
    if action == "take":
        return {(*held, (pool,))}
    if action == "ask":
        return {held, (*held, (pool,))}
    if action == "hand":
        return {((*held[0], pool), *held[1:]) if held else held}
    place = next((place for place, request in enumerate(held) if pool in request), len(held))
    return {held[:place] + held[place + 1:]}


def _need(moments, family):
    """How many of a family the task holds at most when it has slept for one of them."""
    return max((dict(held).get(family, 0) + 1 for wanted, held in moments if wanted == family), default=0)


def _sizes(driver):
    """The elements of each family together."""
    sizes = Counter()
    for number, size in enumerate(driver.pools):
        sizes[driver.family(number)] += size
    return sizes


def _bottoms(driver):
    """The elements of each family that can wake whoever sleeps in it: those of its lowest pool."""
    return {family: driver.pools[family] for family in _sizes(driver)}


def _circle(moments):
    """Whether no order of all families has every task sleep only for later ones than it holds."""
    before = {}
    for wanted, held in (moment for of_task in moments for moment in of_task):
        before.setdefault(wanted, set()).update(family for family, _ in held if family != wanted)
    try:
        TopologicalSorter(before).prepare()
    except CycleError:
        return True
    return False


def _knot(moments, sizes):
    """Whether some tasks can sleep, each at a moment of its own, and hold all that each of them waits for."""
    for chosen in product(*[[None, *of_task] for of_task in moments]):
        asleep = [moment for moment in chosen if moment]
        held = Counter()
        for _, counts in asleep:
            held.update(dict(counts))
        if asleep and all(held[wanted] >= sizes[wanted] for wanted, _ in asleep):
            return True
    return False
