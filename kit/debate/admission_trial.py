"""admission_trial: L8, "yes" or "I have to wait", answer by answer, against who knows everything.

Small worlds, all of a size: so many pages, and tasks that each take what they need, page by page, and
then give it back.  Every order in which they can go on is followed, and every answer of the page
allocator is compared with the optimum: an exhaustive search (the banker's question, Dijkstra) whether there is
still an order in which all of them end.

    false yes       a page was given, and from then on not all can end; or what was promised was not there
    false wait      no page was given, though all could still have ended
    endless wait    worlds in which somebody can come to wait for ever

Two things that the mail takes for granted are parameters: how much of its need a task declares
beforehand (reserves), and whether everything comes back.  What is not declared is an ordinary
allocation.  Worlds in which no order lets all end are not counted: there no answer is right.

Left out: orders above 0 and slabs.  Pages are alike, and one page is enough to wait for.
"""

from dataclasses import dataclass, replace
from functools import cache
from itertools import product

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict
from kit.memory.ledger import COUNTED, REFUSING, WAITING, Ledger, PromiseBroken
from kit.memory.zones import Pages, Zone

OVERCOMMIT = "no ledger"
POLICIES = {OVERCOMMIT: None, **{policy.name: policy for policy in (COUNTED, REFUSING, WAITING)}}
DECLARED = {"in full": lambda need, odd: need, "one task nothing": lambda need, odd: 0 if odd else need,
            "a page too few": lambda need, odd: need - 1, "nothing": lambda need, odd: 0}
COLUMNS = ("allocator", "declared", "never returned", "worlds", "answers", "false yes", "false wait", "endless wait",
           "gave up")


def experiment(seed, policies=tuple(POLICIES), declared=tuple(DECLARED), kept=(0, 1), pages=3, tasks=3):
    """A row for each allocator, what is declared, and pages that one task never returns; the seed has no part in it."""
    return Evidence(COLUMNS, tuple(
        (name, share, missing, *_tally(POLICIES[name], _worlds(pages, tasks, DECLARED[share], missing), pages))
        for share in declared for missing in kept for name in policies))


def judge(evidence):
    """Is the waiting ledger never wrong, always, sometimes or never; and would one need it?"""
    wrong = {row[:3]: row[5] + row[7] for row in evidence.rows}     # a false wait costs time, and deceives nobody
    worlds = {key[1:]: wrong[key] for key in wrong if key[0] == WAITING.name}
    counted = "; ".join(_told(row, wrong[row[:3]]) for row in evidence.rows if row[0] == WAITING.name)
    if not any(wrong[OVERCOMMIT, *world] for world in worlds):
        return Verdict(FAILS, "without a ledger nobody waits for ever either")
    if all(worlds.values()) or not any(worlds.values()):
        return Verdict(FAILS if any(worlds.values()) else HOLDS, counted)
    decides = [name for place, name in enumerate(("needs being declared", "pages being returned"))
               if _decides(worlds, place)]
    return Verdict(DEPENDS, counted, on=" and ".join(decides))


def _told(row, wrong):
    _, declared, missing, worlds, answers, false_yes, false_wait, endless, _ = row
    figures = f"{false_yes} false yes and {endless} of {worlds} worlds with an endless wait" if wrong else (
        f"never wrong, for {false_wait} false waits in {answers:,} answers")
    return f"declared {declared}, {missing} never returned: {figures}"


def _decides(worlds, place):
    """Whether there are two worlds, different in this one alone, and the ledger is wrong in one of them."""
    return any(bool(worlds[one]) != bool(worlds[other]) and one[1 - place] == other[1 - place]
               for one in worlds for other in worlds)


# == Small worlds ====================================================================================


@dataclass(frozen=True, order=True)
class Member:
    """A task of a small world: what it needs, declares and keeps; what it has in hand and has reserved."""

    need: int
    declared: int
    kept: int = 0
    held: int = 0
    reserved: int = 0
    place: str = "before"       # before its reservation, running, or over

    @property
    def gives_back(self):
        return self.need - self.kept


def _worlds(pages, tasks, declares, missing):
    """Every world of so many pages and tasks, up to order.  One task may be odd in what it declares, and one keeps
    `missing` pages for ever: the same one or another."""
    needs, each = range(1, pages + 1), range(tasks)
    return sorted({tuple(sorted(Member(need, declares(need, number == odd), missing * (number == keeper))
                                for number, need in enumerate(world)))
                   for world in product(needs, repeat=tasks) for odd in each for keeper in each
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
    running = tuple(sorted((one.need - one.held, one.gives_back) for one in members if one.place != "over"))
    left = sum(one.held for one in members)
    return _some_order(pages - left, running)


@cache
def _some_order(free, running):
    """Tried one at a time: half of a task helps nobody else, so running two in turn gains nothing."""
    return not running or any(missing <= free and _some_order(free - missing + back, running[:at] + running[at + 1:])
                              for at, (missing, back) in enumerate(running))


class Search:
    """Every state that a world can reach under one policy, each with what the allocator answers there."""

    def __init__(self, policy, world, pages):
        self.policy, self.pages = policy, pages
        self.answers = self.false_yes = self.false_wait = self.endless = self.gave_up = 0
        seen, todo = set(), [((), tuple(world))]
        while todo:
            path, members = todo.pop()
            if tuple(sorted(members)) in seen:      # tasks that are alike change places, and nothing changes
                continue
            seen.add(tuple(sorted(members)))
            going = [number for number, one in enumerate(members) if one.place != "over"]
            onward = [(number, self._after(path, members, number)) for number in going]
            todo += [((*path, number), after) for number, after in onward if after]
            self.endless = self.endless or bool(going and not any(after for _, after in onward))

    def _after(self, path, members, number):
        """The members after one turn of task `number`, or None if it has to wait; the answer is judged."""
        one = members[number]
        if one.held == one.need:
            return _with(members, number, held=one.kept, reserved=0, place="over")
        answer = Allocator(self.policy, self.pages, members, path).turn(number)
        given = _with(members, number, held=one.held + 1, place="running")
        self._judge(answer, members, given)
        if answer == "yes":
            return _with(given, number, reserved=max(0, one.reserved - 1))
        if answer == "reserved":
            return _with(members, number, reserved=one.declared, place="running")
        if answer == "broken" or self.policy is REFUSING and (one.place == "running" or not one.declared):
            self.gave_up += 1                       # whoever is told no gives back what it has, and fails
            return _with(members, number, held=0, reserved=0, place="over")
        return None

    def _judge(self, answer, before, given):
        self.answers += 1
        if answer == "broken":
            self.false_yes += 1
        elif answer != "reserved" and all_can_end(self.pages, before):
            safe = all_can_end(self.pages, given)
            self.false_yes += answer == "yes" and not safe
            self.false_wait += answer == "wait" and safe


def _with(members, number, **changes):
    return (*members[:number], replace(members[number], **changes), *members[number + 1:])


class Allocator:
    """The kit's own page allocator and ledger, brought into a state of a small world by taking its turns again."""

    def __init__(self, policy, pages, world, path):
        # The allocator of 2.5.1 never gives its last page, so without a ledger it has one more.
        self.memory = Pages(zones=[Zone("NORMAL", 0, pages + (policy is None), pages_min=0, max_order=0)])
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
            page = self._page(number)
        except PromiseBroken:
            self._give_back(number)
            return "broken"
        if page is None:
            if self.refuses:
                self._give_back(number)
            return "wait"
        held.append(page)
        return "yes"

    def _reserve(self, number):
        reservation = self.ledger.try_reserve(pages=self.world[number].declared)
        if reservation is None:
            return "wait"
        self.reservations[number] = reservation
        return "reserved"

    def _page(self, number):
        reservation = self.reservations.get(number)
        return reservation.take() if reservation and reservation.left[0] else self.memory.take()

    def _give_back(self, number, keep=0):
        for page in self.held[number][keep:]:
            self.memory.put(page)
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
    overturning={"declared": ("in full",), "kept": (0,)},
    history="Strict overcommit (2002) answers so for the memory of processes. For the kernel's own it was refused "
            "again in 2015: how much will be needed is not known.",
    recorded={"pages": 4})
