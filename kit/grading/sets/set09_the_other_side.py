"""Set 09, the other half: how large a pool has to be; and a driver for each side that hangs the other's design."""

from kit.grading.exercise import Check, Exercise, Misconception, Variant

# == How large =====================================================================================


def _grown(answer, case):
    """In the child: what was answered, and the worlds with so many elements and with one less."""
    from kit.drivers.proving import borrowers
    from kit.machine.explore import explore
    needs, kept = case
    said, worlds = answer(list(needs)) if kept is None else answer(len(needs), needs[0], kept), []
    if type(said) is int and (kept or 0) < said <= sum(needs) + (kept or 0):
        for elements in (said, said - 1):
            result = explore(borrowers(needs, elements, kept or 0), limit=4_000)
            worlds.append([result.verdict, result.exhaustive, str(result)])
    return [said, worlds]


def _just_large_enough(variant, case, seen):
    """The answer's own world must be safe, and the next smaller one not."""
    (needs, kept), (said, worlds) = case, seen
    if type(said) is not int:
        return f"It returned {said!r}; a whole number of elements is asked for."
    if said <= (kept or 0):
        return f"With a pool of {said} there is nothing left for those who come: all of them sleep for ever."
    if not worlds:
        return f"With a pool of {sum(needs) + (kept or 0)} everybody could have all it needs at once; you say {said}."
    at, below = worlds
    if at[0] != "none":
        return f"A pool of {said} hangs. {at[2]}"
    return None if below[0] != "none" else f"You say {said}, and a pool of {said - 1} is safe already. {below[2]}"


def _as_called(case):
    needs, kept = case
    world = f"{len(needs)} tasks" if len(needs) > 1 else "1 task"
    return (f"smallest({needs})" if kept is None else f"smallest({len(needs)}, {needs[0]}, {kept})") + \
        f": {world}; the allocator beneath refuses (always says no, at once)"


def _small(variant, random):
    if variant.kept:
        return [([each] * tasks, kept) for tasks, each, kept in
                ((1, 1, 0), (1, 2, 1), (2, 1, 1), (2, 2, 0), (2, 2, 1), (1, 3, 2), (2, 3, 1), (3, 1, 1))]
    return [(needs, None) for needs in
            ([1], [2], [1, 1], [2, 1], [2, 2], [3, 1], [2, 3], [1, 1, 1], [1, 2, 1])]


def _large(variant, random):
    if variant.kept:
        return [([random.randint(1, 40)] * random.randint(1, 200), random.randint(0, 9)) for _ in range(20)]
    return [([random.randint(1, 40) for _ in range(random.randint(1, 200))], None) for _ in range(20)]


def _said(answer, case):
    needs, kept = case
    return answer(list(needs)) if kept is None else answer(len(needs), needs[0], kept)


def _by_hand(variant, needs, kept):
    """The slow way: hand elements out as badly as can be, one by one, and then one more to end it."""
    elements = (kept or 0) + 1
    for need in needs:
        held = 0
        while held + 1 < need:
            held += 1
            elements += 1
    return elements


def _always_says(number):
    return lambda variant, rows: all(
        (row.seen[0] if isinstance(row.seen, list) else row.seen) == number(row.case[0], row.case[1] or 0)
        for row in rows)


SMALLEST = Exercise(
    id="09-smallest", title="The smallest pool that is safe", difficulty=3, minutes=15,
    objective="Say for how many elements no schedule hangs, and why one less is not enough.",
    name="smallest",
    variants=(
        Variant("mixed", {
            "kept": False, "call": "needs",
            "world": "Task number i takes needs[i] elements, at least one, one after the other, and gives none back\n"
                     "    before it has them all.",
            "case": "Two tasks that need 4 and 2 can hold 3 and 1 and both wait: 4 elements hang, 5 do not."}),
        Variant("kept", {
            "kept": True, "call": "tasks, each, kept",
            "world": "So many tasks take `each` elements, one after the other, and give none back before they have\n"
                     "    them all.  Beside them `kept` elements are out from the start and never come back.",
            "case": "Two tasks that need 4 each, and 5 kept: they can hold 3 and 3, with the 5 that makes 11. 11 "
                    "elements hang, 12 do not."})),
    stub='''
def smallest($call):
    """How many elements the smallest pool has that cannot hang.

    $world
    """
    ...  # your code here
''',
    hints=("Play the worst scheduler: how many elements can be out while every task still waits?",
           "A task that waits lacks at least one element, so it holds at most one less than it needs. One element more "
           "than all of them can hold together, and somebody gets its last.",
           "$case"),
    checks=(
        Check("every state of pools of that size and of one less, up to three tasks", points=2, cases=_small,
              judge=_just_large_enough, drive=_grown, rule="safe is a pool in which the last element that a task lacks "
              "is always there for one of them; the smallest, if one element less can hang",
              typed=_as_called, heap="these tasks", steps=200_000),
        Check("up to 200 tasks that need up to 40", points=2, cases=_large, expect=_by_hand, drive=_said,
              rule="one element more than all tasks can hold while each still lacks one",
              typed=_as_called, heap="200 tasks"),
    ),
    misconceptions=(
        Misconception(
            "for everybody at once", "Your pool holds what all tasks need together. It is safe, and larger than it has "
            "to be: they need not all have everything at once.",
            _always_says(lambda needs, kept: sum(needs) + kept)),
        Misconception(
            "the full pool that hangs", "Your pool is one short: exactly so many elements can be out while every task "
            "lacks its last.", _always_says(lambda needs, kept: sum(needs) - len(needs) + kept)),
        Misconception(
            "for one alone", "Your pool is as large as the largest need. That is enough for a task that comes alone; "
            "others come in between.", _always_says(lambda needs, kept: max(needs) + kept)),
        Misconception(
            "for as many as there are tasks", "You count tasks, or one element for each. What counts is how many each "
            "can hold while it still waits.",
            _always_says(lambda needs, kept: len(needs) + kept)),
    ),
)

# == The other side's design =======================================================================


def _on_both_sides(driver, case):
    """In the child: explore the same driver over a pool, and over promises."""
    import kit.drivers.sides as sides
    from kit.machine.explore import explore
    results = [explore(sides.either(driver, promised, **case[0]), limit=4_000) for promised in (False, True)]
    return [[result.verdict, result.exhaustive, str(result)] for result in results]



def _sides(variant, random):
    return [(variant.sizes, f"tasks: 2, units: {variant.sizes['reserved']}, ordinary pages: "
             f"{variant.sizes['ordinary']}, all of them one ledger's, or the units a pool's")]


def _typed(name):
    def typed(case):
        sizes = "".join(f", {size}={value!r}" for size, value in case[0].items())
        return f"explore(either({name}, promised{sizes})), promised=False and promised=True\n{case[1]};\n" \
            "the allocator beneath the pool refuses (always says no, at once)"
    return typed


def _hangs_the_pool(variant, case, seen):
    """The pool side must end in a deadlock; over promises there must be no harm in any state."""
    pool, promises = seen
    if pool[0] != "deadlock" or "sleeps on pool.wait" not in pool[2]:
        return f"Over a pool: {pool[2]}"
    return None if promises[0] == "none" and promises[1] else f"It hangs the pool, and over promises: {promises[2]}"


HANG_POOLS = Exercise(
    id="09-hang-pools", title="A driver on LaHaise's side", difficulty=3, minutes=15,
    objective="Hang a pool with a driver that promises would have served.",
    name="stampede",
    variants=(Variant("three", {"sizes": {"reserved": 3, "ordinary": 1}, "units": 3, "word": "three"}),
              Variant("two", {"sizes": {"reserved": 2, "ordinary": 1}, "units": 2, "word": "two"})),
    stub='''
async def stampede(memory):
    """A driver that hangs when two of it run over a pool, and cannot hang over promises.

        await memory.declare(count)     say once how many units will be held at the same time
        unit = await memory.take()      of those declared
        await memory.give(unit)

    There are $word units.  The pool holds them all from the start, and `declare` means nothing to it.
    A ledger sleeps in `declare` until it can promise `count` units, and then `take` never sleeps.
    Good manners: take no more than was declared, and give all back before the end.
    """
    ...  # your code here
''',
    hints=("Over the pool the hang has to come while both are taking. How many must each of the two want?",
           "Two tasks hang a pool if 2 * (each - 1) >= elements. A ledger lets nobody begin who could not end.",
           "Three tasks hang a pool of 3 with two each: declare(2), take, take, give, give. Over promises the second "
           "task sleeps in declare, holding nothing."),
    checks=(
        Check("every state, over a pool and over promises", points=3, cases=_sides, judge=_hangs_the_pool,
              drive=_on_both_sides, rule="a pool of $units hangs with two tasks if 2 * (each - 1) >= $units; whoever "
              "is promised all before it takes any waits with empty hands",
              typed=_typed("stampede"), heap="a world of 2 tasks", steps=500_000),
    ),
    misconceptions=(
        Misconception(
            "bad manners", "It ends and keeps what it took. That harms every design, and proves nothing about any.",
            lambda variant, rows: any("still holds" in side[2] for row in rows for side in row.seen)),
        Misconception(
            "beyond its word", "It takes more than it has declared. No ledger promises anything to who does not say "
            "what it needs, and here the pool is as strict.",
            lambda variant, rows: any("takes more" in side[2] for row in rows for side in row.seen)),
        Misconception(
            "both hang", "It hangs promises as well. What is taken before a need is declared is taken from the promise "
            "that is to come.", lambda variant, rows: any(row.seen[0][0] == row.seen[1][0] == "deadlock"
                                                          for row in rows)),
        Misconception(
            "nobody hangs", "Two of it do not use the pool up: a unit is left for one of them, or comes back before "
            "the next is asked for.", lambda variant, rows: any(row.seen[0][0] == "none" for row in rows)),
    ),
)


def _harms_the_promise(variant, case, seen):
    """Over promises there must be the harm of the variant; over a pool none in any state."""
    pool, promises = seen
    if promises[0] != variant.harm or variant.sign not in promises[2]:
        return f"Over promises: {promises[2]}"
    return None if pool[0] == "none" and pool[1] else f"It harms promises, and over a pool: {pool[2]}"


HANG_PROMISES = Exercise(
    id="09-hang-promises", title="A driver on Molnar's side", difficulty=4, minutes=20,
    objective="Find the place at which a reservation is only as good as the moment at which it is asked for.",
    name="latecomer",
    variants=(
        Variant("waiting", {
            "sizes": {"reserved": 1, "ordinary": 2, "policy": "waiting"}, "harm": "deadlock",
            "sign": "sleeps on ledger.wait", "aim": "that hangs over promises",
            "what": "A ledger has all three pages: it sleeps in `declare` until it can promise one of them, and\n"
                    "    never gives a promised page to `grab`.",
            "nudge": "Over promises somebody has to sleep. Only `declare` can: when does it, and who would have to "
                     "give something back?",
            "rule": "A ledger keeps its promises from the moment at which they are made. Of what was gone before, it "
                    "has nothing to promise.",
            "sibling": "A hall has three chairs, and an usher who will keep one free for you once he has promised to. "
                       "Who puts a coat on all three and then asks him waits for a chair that is under his own coat.",
            "none": "It asks early enough, or leaves enough: when each declares its need there is a page left to be "
                    "promised."}),
        Variant("counted", {
            "sizes": {"reserved": 1, "ordinary": 2, "policy": "counted"}, "harm": "an invariant is false",
            "sign": "promised", "aim": "with which a ledger breaks its promise",
            "what": "A ledger has all three pages: it sleeps in `declare` until it can promise one of them.  But it\n"
                    "    is one of those that count at the grant only: `grab` does not ask it.",
            "nudge": "A promise is broken when it has been made and cannot be kept. Who could take the page that was "
                     "promised?",
            "rule": "A ledger that is not asked by those who take cannot keep what it promised.",
            "sibling": "A hotel notes down every booking, and lets anybody into its rooms. Book a room, then let "
                       "guests from the street take all there are: the booking is still in the book.",
            "none": "Nothing that was promised gets lost: it grabs before anything is promised, or leaves a page."})),
    stub='''
async def latecomer(memory):
    """A driver $aim, and that cannot come to harm over a pool.

        page = await memory.grab()      an ordinary page, or None if there is none at the moment; never sleeps
        await memory.drop(page)
        await memory.declare(1)         once
        unit = await memory.take()      the one declared
        await memory.give(unit)

    There are two ordinary pages and one unit.  A pool holds the unit from the start.
    $what
    Two of your driver run at the same time.  Good manners: give and drop all before the end.
    """
    ...  # your code here
''',
    hints=("$nudge", "$rule", "$sibling"),
    checks=(
        Check("every state, over promises and over a pool", points=4, cases=_sides, judge=_harms_the_promise,
              drive=_on_both_sides, rule="a pool is filled before anybody comes; a promise holds from when it is made, "
              "and only if whoever takes memory asks",
              typed=_typed("latecomer"), heap="a world of 2 tasks", steps=500_000),
    ),
    misconceptions=(
        Misconception(
            "bad manners", "It ends and keeps what it took: whatever happens after that is its own fault, on both "
            "sides.", lambda variant, rows: any("still holds" in side[2] for row in rows for side in row.seen)),
        Misconception(
            "beyond its word", "It takes a unit that it has not declared. That is refused on both sides before it "
            "shows anything.", lambda variant, rows: any("takes more" in side[2] for row in rows for side in row.seen)),
        Misconception(
            "both harmed", "Over a pool it comes to harm as well: it waits for ordinary pages, and those nobody keeps "
            "back on either side.", lambda variant, rows: any(row.seen[0][0] in ("no progress", "deadlock")
                                                             for row in rows)),
        Misconception("no harm", "$none", lambda variant, rows: any(row.seen[1][0] == "none" for row in rows)),
    ),
)

EXERCISES = (SMALLEST, HANG_POOLS, HANG_PROMISES)
