"""admission_trial: L8, "yes" or "I have to wait", answer by answer, against who knows everything.

Small worlds: so many pages, and tasks that each take what they need, block by block, and then give it
back.  Every order in which they can go on is followed, and every answer of the page allocator is
compared with the optimum: an exhaustive search (the banker's question, Dijkstra) whether there is still an
order in which all of them end.

    false yes       a block was given, and from then on not all can end; or what was promised was not there
    false wait      no block was given, though all could still have ended
    endless wait    worlds in which somebody can come to wait for ever

Two things that the mail takes for granted are parameters: how much of its need a task declares
beforehand (reserves), and whether everything comes back.  What is not declared is an ordinary
allocation.  All tasks want single pages, or one of them wants a pair (a block of order 1), which a
single page in the wrong place can spoil.  Worlds in which no order lets all end are not counted: there
no answer is right.  Left out: higher orders, slabs.
"""

from dataclasses import dataclass, replace
from functools import cache
from itertools import product

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict, listed, what_decides
from kit.gfp import GFP_ATOMIC
from kit.memory.buddy import leftmost_first
from kit.memory.ledger import COUNTED, REFUSING, WAITING, Ledger, PromiseBroken
from kit.memory.zones import Pages, Zone

OVERCOMMIT, WAITS = "no ledger", "waiting"
POLICIES = {OVERCOMMIT: None, "counting": COUNTED, "refusing": REFUSING, WAITS: WAITING}
DECLARED = {"in full": lambda need, odd: need, "by all but 1": lambda need, odd: 0 if odd else need,
            "one too few": lambda need, odd: need - 1, "not at all": lambda need, odd: 0}
PAGES, PAIR = "pages", "with a pair"
CASES = ((PAGES, "in full", 0), (PAGES, "in full", 1), (PAGES, "by all but 1", 0), (PAGES, "one too few", 0),
         (PAGES, "not at all", 0), (PAIR, "in full", 0), (PAIR, "by all but 1", 0))
ALL_CASES = tuple(product((PAGES,), DECLARED, (0, 1))) + tuple(product((PAIR,), DECLARED, (0,)))
COLUMNS = ("allocator", "needs", "declared", "kept", "worlds", "answers", "false yes", "false wait", "endless",
           "gave up")


def experiment(seed, policies=tuple(POLICIES), cases=CASES, pages=3, tasks=3):
    """A row for each allocator and case: what is needed, how much of it is declared, and how many pages one task
    keeps for ever.  The seed has no part in it."""
    return Evidence(COLUMNS, tuple((name, *case, *_tally(POLICIES[name], _worlds(pages, tasks, *case), pages))
                                   for case in cases for name in policies))


def judge(evidence):
    """Is the waiting ledger never wrong, always, sometimes or never; and would one need it?"""
    wrong = {row[:4]: row[6] + row[8] for row in evidence.rows}     # a false wait costs time, and deceives nobody
    cases = {key[1:]: wrong[key] for key in wrong if key[0] == WAITS}
    if not any(wrong[OVERCOMMIT, *case] for case in cases):
        return Verdict(FAILS, "without a ledger nobody waits for ever either")
    reason = _told([row for row in evidence.rows if row[0] == WAITS])
    if all(cases.values()) or not any(cases.values()):
        return Verdict(FAILS if any(cases.values()) else HOLDS, reason)
    return Verdict(DEPENDS, reason, on=listed(what_decides({case: bool(count) for case, count in cases.items()}, (
        "the size of the blocks", "needs being declared", "pages being returned"))))


def _told(rows):
    """In which cases the ledger is wrong, and what being right costs."""
    wrong = [f"{needs} declared {declared}{f', {kept} kept for ever' * bool(kept)}"
             for _, needs, declared, kept, _, _, yes, _, endless, _ in rows if yes + endless]
    answers, yes, waits, endless = (sum(row[place] for row in rows) for place in (5, 6, 7, 8))
    return (f"of {len(rows)} cases a false yes or an endless wait is in {len(wrong) or 'none'}"
            + f" ({'; '.join(wrong)})" * bool(wrong) + f"; of all {answers:,} answers {yes:,} are false yes and "
            f"{waits:,} false waits, and there are {endless:,} worlds with an endless wait")


# == Small worlds ====================================================================================


@dataclass(frozen=True, order=True)
class Member:
    """A task of a small world: the blocks that it needs, declares, keeps for ever, has in hand and has reserved."""

    need: int
    declared: int
    kept: int = 0
    order: int = 0
    held: tuple = ()            # by their first pages
    reserved: int = 0
    place: str = "before"       # before its reservation, running, or over

    def pages(self, first=0):
        """Every page in its hand, from block number `first` on."""
        return tuple(page for block in self.held[first:] for page in range(block, block + (1 << self.order)))


def _worlds(pages, tasks, needs, declared, missing):
    """Every world of so many pages and tasks, up to order.  One task may be odd in what it declares, and one keeps
    `missing` pages for ever: the same one or another."""
    each, sizes, pairs = range(tasks), range(1, pages + 1), needs == PAIR
    worlds = product(*((1,) if pairs and number == 0 else sizes for number in each))
    return sorted({tuple(sorted(
        Member(need, DECLARED[declared](need, number == odd), missing * (number == keeper), int(pairs and number == 0))
        for number, need in enumerate(world))) for world in worlds for odd in each for keeper in each
        if world[keeper] >= missing})


def _tally(policy, worlds, pages):
    """The figures of one row: everything that can be asked in any state that any of the worlds can reach."""
    sums = [0] * 6
    for world in worlds:
        if all_can_end(pages, world):
            seen = Search(policy, world, pages)
            sums = [sum(pair) for pair in zip(sums, (1, seen.answers, seen.false_yes, seen.false_wait, seen.endless,
                                                     seen.gave_up), strict=True)]
    return sums


def all_can_end(pages, members):
    """The optimum: whether some order of the tasks lets each have what it still needs, and so end."""
    free = frozenset(range(pages)).difference(*(one.pages() for one in members))
    return _some_order(free, tuple(sorted(
        (one.order, one.need - len(one.held), one.pages(one.kept), max(0, one.kept - len(one.held)))
        for one in members if one.place != "over")))


@cache
def _some_order(free, running):
    """Tried one at a time: half of a task helps nobody else, so running two in turn gains nothing.  Which pages a
    task will keep that it has not yet is no matter: nobody keeps any where somebody wants a pair."""
    return not running or any(
        missing <= len(_blocks(free, order))
        and _some_order(frozenset(sorted(free.union(back))[keeps:]), running[:at] + running[at + 1:])
        for at, (order, missing, back, keeps) in enumerate(running))


def _blocks(free, order):
    """The first page of every free block of that order."""
    size = 1 << order
    return [page for page in sorted(free) if page % size == 0 and free.issuperset(range(page, page + size))]


class Search:
    """Every state that a world can reach under one policy, each with what the allocator answers there."""

    def __init__(self, policy, world, pages):
        self.policy, self.pages = policy, pages
        self.answers = self.false_yes = self.false_wait = self.endless = self.gave_up = 0
        seen, todo = set(), [((), tuple(world))]
        while todo:
            path, members = todo.pop()
            if _alike(members) in seen:
                continue
            seen.add(_alike(members))
            going = [number for number, one in enumerate(members) if one.place != "over"]
            onward = [(number, self._after(path, members, number)) for number in going]
            todo += [((*path, number), after) for number, after in onward if after]
            self.endless = self.endless or bool(going and not any(after for _, after in onward))

    def _after(self, path, members, number):
        """The members after one turn of task `number`, or None if it has to wait; the answer is judged."""
        one = members[number]
        if len(one.held) == one.need:
            return _with(members, number, held=one.held[:one.kept], reserved=0, place="over")
        allocator = Allocator(self.policy, self.pages, members, path)
        answer = allocator.turn(number)
        self._judge(answer, members, number, allocator)
        if answer == "yes":
            return _with(members, number, held=tuple(allocator.held[number]), reserved=max(0, one.reserved - 1),
                         place="running")
        if answer == "reserved":
            return _with(members, number, reserved=one.declared, place="running")
        if answer == "broken" or self.policy is REFUSING and (one.place == "running" or not one.declared):
            self.gave_up += 1                       # whoever is told no gives back what it has, and fails
            return _with(members, number, held=(), reserved=0, place="over")
        return None

    def _judge(self, answer, members, number, allocator):
        """Count the answer, and whether who knows everything would have given another."""
        self.answers += 1
        if answer == "broken":
            self.false_yes += 1
        elif answer != "reserved" and all_can_end(self.pages, members):
            held = members[number].held
            free = frozenset(range(self.pages)).difference(*(one.pages() for one in members))
            given = allocator.held[number][-1:] if answer == "yes" else _blocks(free, members[number].order)
            safe = any(all_can_end(self.pages, _with(members, number, held=(*held, block), place="running"))
                       for block in given)
            self.false_yes += answer == "yes" and not safe
            self.false_wait += answer == "wait" and safe


def _with(members, number, **changes):
    return (*members[:number], replace(members[number], **changes), *members[number + 1:])


def _alike(members):
    """What two states have in common in which the same can happen: tasks of one kind change places, and so do pages,
    unless somebody wants a pair of them."""
    if not any(one.order for one in members):
        members = [replace(one, held=len(one.held)) for one in members]
    return tuple(sorted(members))


class Allocator:
    """The kit's own page allocator and ledger, brought into a state of a small world by taking its turns again."""

    def __init__(self, policy, pages, world, path):
        orders = max(one.order for one in world)
        self.memory = Pages(zones=[Zone("NORMAL", 0, pages, pages_min=0, max_order=orders, pick=leftmost_first)])
        self.ledger = Ledger(self.memory, policy) if policy else None
        self.refuses, self.world = policy is REFUSING, world
        self.held, self.reservations = [[] for _ in world], {}
        for number in path:
            self.turn(number)

    def turn(self, number):
        """The turn of one task: yes, reserved, wait or broken; what it has is given back if it is done or fails."""
        one, held = self.world[number], self.held[number]
        if len(held) == one.need:
            return self._give_back(number, keep=one.kept)
        if self.ledger and one.declared and number not in self.reservations:
            return self._reserve(number)
        try:
            block = self._block(number, one.order)
        except PromiseBroken:
            self._give_back(number)
            return "broken"
        if block is None:
            if self.refuses:
                self._give_back(number)
            return "wait"
        held.append(block)
        return "yes"

    def _reserve(self, number):
        one = self.world[number]
        reservation = self.ledger.try_reserve(blocks={one.order: one.declared})
        if reservation is None:
            return "wait"
        self.reservations[number] = reservation
        return "reserved"

    def _block(self, number, order):
        reservation = self.reservations.get(number)
        if reservation and reservation.left[order]:
            return reservation.take(order)
        if self.ledger:
            return self.memory.take(GFP_ATOMIC, order)
        return self.memory.zones[0].take(order)     # 2.5.1 itself never gives its last page, as a ledger does

    def _give_back(self, number, keep=0):
        for block in self.held[number][keep:]:
            self.memory.put(block, self.world[number].order)
        if number in self.reservations:
            self.reservations[number].release()
        return "yes"


L8 = Claim(
    name="L8", who="Ben LaHaise", words="memory allocations can fail because we allow ourselves to grossly overcommit "
                                        "memory usage",
    question="Of all answers in all small worlds, how often is yes or wait wrong, with and without a ledger?",
    molnar="Nobody knows beforehand what a task will need, or that it will give it back.",
    lahaise="What is in use and what is promised is known; so yes can be certain, and anything else can wait.",
    experiment=experiment, judge=judge, seeded=False,
    overturned_by="Needs that are always declared in full, and pages that always come back: then no yes is false, and "
                  "nobody waits for ever.",
    overturning={"cases": ((PAGES, "in full", 0), (PAIR, "in full", 0))},
    history="Strict overcommit (2002) answers so for the memory of processes. For the kernel's own it was refused "
            "again in 2015: how much will be needed is not known.",
    recorded={"cases": ALL_CASES, "pages": 4})
