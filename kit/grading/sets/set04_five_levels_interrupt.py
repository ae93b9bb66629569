"""Set 04, Five levels, an atomic caller: it takes several elements, beside others, where nobody may sleep."""

from kit.grading.exercise import Check, Exercise, Misconception, Variant, somewhere
from kit.grading.sets.set04_five_levels_company import ends_in, no_harm


def _one_call(answer, case):
    """In the child: what a caller who is alone gets, and how many elements there are afterwards."""
    from kit.memory.mempool import Mempool
    from kit.memory.promises import Refusing
    from kit.traps import never_sleeps
    here, stock = case
    beneath = Refusing(stock)
    pool = Mempool(4, beneath)
    pool.elements += [f"p{number}" for number in range(here)]

    @never_sleeps
    async def interrupt():
        return await answer(pool)
    given = interrupt()
    return [len(set(given)) if type(given) in (list, tuple) else given, len(pool.elements) + len(beneath.stock)]


def _interrupts(answer, case):
    """In the child: every schedule of callers who may not sleep, beside one that may."""
    from kit.drivers.missed import ToldNo, worker
    from kit.drivers.small_worlds import Refusing
    from kit.gfp import GFP_KERNEL
    from kit.machine.explore import explore
    from kit.memory.mempool import Mempool, drain, queue
    from kit.traps import never_sleeps
    wants, elements, callers, take = case

    @never_sleeps
    async def caller(pool):
        given = await answer(pool)
        if given is None and callers + take == 1:
            raise ToldNo("it gives None, and nobody else is there to have taken any")
        if given is not None and (len(set(given)) != wants or None in given):
            raise ToldNo(f"{wants} elements were wanted, and this was given: {given}")
        for element in given or ():
            await pool.free(element)

    def story(machine):
        pool = Mempool.create(elements, Refusing(elements), ladder=(drain, queue))
        for name in "ABC"[:callers]:
            machine.spawn(name, caller, pool)
        machine.spawn("W", worker, pool, take, GFP_KERNEL)
    found = explore(story, limit=20_000)
    return [found.verdict, found.states, found.exhaustive, found.story()]


def _given(variant, here, stock):
    """All or nothing, and nothing is lost."""
    return [variant.wants, here + stock - variant.wants] if here + stock >= variant.wants else [None, here + stock]


ATOMIC = Exercise(
    id="04-atomic", title="All or nothing, without sleeping", difficulty=4, minutes=20,
    objective="Take several elements where nobody may sleep, and leave no trace when it cannot be done.",
    name="all_or_none",
    variants=(Variant("two", {"wants": 2}), Variant("three", {"wants": 3})),
    stub='''
from kit import GFP_ATOMIC, never_sleeps


@never_sleeps
async def all_or_none(pool):
    """$wants elements of the pool, as a list; or None, if it has not got as many for us.

    An interrupt calls this: it may not sleep, and must not wait for others in any other way.  When it
    gives None, it keeps nothing, and whoever waits for an element of the pool has not been forgotten.
    """
    ...  # your code here
''',
    hints=("What may you have in your hands when the pool says no?",
           "await pool.alloc(GFP_ATOMIC) gives an element or None, at once. On None give back all that you hold, with "
           "await pool.free(element), and give up.",
           "An interrupt that wants one page and one bio takes the page, is told no for the bio, frees the page and "
           "returns None. It does not ask for the bio again: those who hold them cannot run while it does."),
    checks=(
        Check("a caller who is alone, with 0 to 4 of 4 in the pool and up to 3 beneath", points=2,
              cases=lambda variant, random: sorted(((here, stock) for here in range(5) for stock in range(4)), key=sum),
              expect=_given, drive=_one_call, rule="$wants elements or None, and none is lost",
              typed=lambda case: f"all_or_none(pool) with {case[0]} of 4 in the pool and {case[1]} beneath",
              state=lambda seen: f"gave {seen[0] or 'None'}; {seen[1]} left in pool and allocator", heap="a pool of 4"),
        Check("every schedule of small worlds", points=4,
              cases=lambda variant, random: [(variant.wants, variant.wants + more, *others) for more, *others
                                             in ((0, 1, 0), (0, 1, 1), (0, 1, variant.wants), (1, 1, 2), (0, 2, 1))],
              judge=no_harm, drive=_interrupts, steps=1_000_000, heap="a small world",
              rule="nobody hangs, nobody sleeps who may not, and who gets any gets $wants",
              typed=lambda case: f"{case[2]} who want {case[0]} or none, beside one who may sleep and takes {case[3]}; "
                                 f"a pool of {case[1]} over nothing"),
    ),
    misconceptions=(
        Misconception(
            "sleeps", "You sleep, or ask for leave to: an interrupt has borrowed the CPU from somebody, and cannot be "
            "put aside.", somewhere(lambda variant, row: "would sleep" in row.seen.words)),
        Misconception(
            "tries again", "You ask until you are given. Those who could free an element may be the very ones who "
            "cannot run while you ask.", somewhere(lambda variant, row: row.seen.kind == "Steps")),
        Misconception(
            "keeps the first", "You give up with something in your hands: what you took before the no is lost to all.",
            somewhere(lambda variant, row: row.seen[0] is None and row.seen[1] < row.wanted[1])),
        Misconception(
            "asks the pool alone", "You decide by what is in the pool. The allocator beneath may have some too, and by "
            "the time you take, others may have come.",
            somewhere(lambda variant, row: row.seen[0] is None and row.wanted[0] is not None)),
        Misconception(
            "wakes nobody", "You put the element back by hand. pool.free does more than that: it wakes whoever waits "
            "for one.", somewhere(ends_in("deadlock"))),
    ),
)

EXERCISES = (ATOMIC,)
