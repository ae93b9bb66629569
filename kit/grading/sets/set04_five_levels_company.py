"""Set 04, Five levels, in company: rungs that hold whatever others do in between.

What an answer does alone is held against a table.  What it does when others come in between, the
explorer looks at, in the child, under the seal of fence.py; whoever forged its verdict would still have
to get the table right.
"""

from kit.gfp import GFP_ATOMIC, GFP_KERNEL, GFP_NOIO, WAIT, spell
from kit.grading.exercise import Check, Exercise, Misconception, Variant, always, somewhere
from kit.grading.sets.set04_five_levels import result, taken


def no_harm(variant, case, seen):
    """A judge of what the explorer found: the verdict, how many states, whether all of them, the story."""
    verdict, states, exhaustive, story = seen
    if verdict == "none":
        return None if exhaustive is True else f"This world has more than {states:,} states: does yours count up?"
    return f"{states:,} states were looked at, and the verdict is: {verdict}.\n{story}"


def ends_in(*verdicts):
    """The sign of a check by the explorer that ended so."""
    return lambda variant, row: row.seen[0] in verdicts


# == DRAIN, with something left ====================================================================


def _one_climb(rung, case):
    """In the child: what the rung gives, at the prompt."""
    from kit.memory.mempool import Mempool
    from kit.memory.promises import Refusing
    from kit.traps import never_sleeps
    here, gfp = case
    pool = Mempool(6, Refusing())
    pool.elements += [f"e{number}" for number in range(here)]

    @never_sleeps
    async def climb():
        return await rung(pool, gfp)
    return [climb(), len(pool.elements)]


def _atomic_beside_others(rung, case):
    """In the child: every schedule of some who may sleep and some who may not, all on one pool."""
    from kit.drivers.missed import ToldNo, worker
    from kit.drivers.small_worlds import Element, Refusing
    from kit.gfp import GFP_ATOMIC, GFP_KERNEL
    from kit.machine.explore import explore
    from kit.memory.mempool import Mempool, Rung, queue
    from kit.traps import never_sleeps
    keep, elements, sleepers, atomic = case
    climb = getattr(rung, "function", rung)

    @Rung
    @never_sleeps
    async def drain_but(pool, gfp):
        given = await climb(pool, gfp)
        if given is not None and type(given) is not Element:
            raise ToldNo("what the rung gives is no element of the pool")
        return given

    def story(machine):
        pool = Mempool.create(elements, Refusing(elements), ladder=(drain_but, queue))
        for name, gfp in zip("ABCDE", [GFP_KERNEL] * sleepers + [GFP_ATOMIC] * atomic, strict=False):
            machine.spawn(name, worker, pool, 1, gfp)

        def kept():
            assert atomic or len(pool.elements) >= keep, f"those who may sleep left {len(pool.elements)} behind"
        return kept
    found = explore(story, limit=20_000)
    return [found.verdict, found.states, found.exhaustive, found.story()]


KEEP = Exercise(
    id="04-keep", title="The last ones are for those who cannot wait", difficulty=2, minutes=12,
    objective="Write a rung that treats callers by what they permit, and that nobody can come in between.",
    name="drain_but",
    variants=(Variant("two", {"keep": 2}), Variant("one", {"keep": 1}), Variant("three", {"keep": 3})),
    stub='''
from kit import never_sleeps
from kit.gfp import WAIT
from kit.memory.mempool import Rung


@Rung
@never_sleeps
async def drain_but(pool, gfp):
    """Take from the pool.  But its last $keep are for callers who may not sleep.

    Whoever may sleep (gfp & WAIT) gets an element only if $keep are still there afterwards; whoever may
    not gets the last one too.  None, where there is nothing to give.
    """
    ...  # your code here
''',
    hints=("It is DRAIN for one kind of caller, and a sort of SKIM for the other.",
           "pool.take(at_least=n) looks and takes in one instant. For whoever may sleep, n must leave $keep behind.",
           "A pool that kept 5 back would take at_least=6 for whoever may sleep: six are there before, five after."),
    checks=(
        Check("a pool of 6, with any number there, and each kind of caller", points=2,
              cases=lambda variant, random: [(here, gfp) for here in range(7)
                                             for gfp in (GFP_ATOMIC, GFP_NOIO, GFP_KERNEL)],
              expect=lambda variant, here, gfp: taken(here, variant.keep + 1 if gfp & WAIT else 1),
              drive=_one_climb, rule="$keep stay behind whoever may sleep; whoever may not gets the last one",
              typed=lambda case: f"drain_but(pool, {spell(case[1])}) with {case[0]} of 6 there", state=result,
              heap="a pool of 6"),
        Check("every schedule of small worlds", points=2,
              cases=lambda variant, random: [(variant.keep, variant.keep + more, *callers) for more, *callers
                                             in ((1, 1, 1), (1, 2, 0), (1, 2, 1), (2, 2, 1))],
              judge=no_harm, drive=_atomic_beside_others, steps=1_000_000, heap="a small world",
              rule="whatever those who may sleep do, $keep elements are there for those who may not",
              typed=lambda case: f"drain_but, queue; a pool of {case[1]} over nothing; {case[2]} who may sleep, "
                                 f"{case[3]} who may not"),
    ),
    misconceptions=(
        Misconception(
            "wrong way round", "You give the last ones to those who may sleep, who could have waited.",
            always(lambda variant, here, gfp: taken(here, 1 if gfp & WAIT else variant.keep + 1))),
        Misconception(
            "from everybody", "You keep elements back from the very callers that they are kept for.",
            always(lambda variant, here, gfp: taken(here, variant.keep + 1))),
        Misconception(
            "before the take", "You count before the take: one of the $keep goes out with whoever may sleep.",
            always(lambda variant, here, gfp: taken(here, variant.keep if gfp & WAIT else 1))),
        Misconception(
            "looks, then takes", "Between your look and your take somebody else came in, and what you had seen was no "
            "longer so. Look and take in one instant.",
            somewhere(ends_in("an invariant is false", "a promise is broken"))),
    ),
)

# == QUEUE, for another threshold ==================================================================


def _one_wait(rung, case):
    """In the child: whether a caller who is alone sleeps in the rung, or goes on."""
    from kit.errors import WouldSleepForever
    from kit.gfp import GFP_KERNEL
    from kit.memory.mempool import Mempool
    from kit.memory.promises import Refusing
    from kit.traps import might_sleep
    pool = Mempool(6, Refusing())
    pool.elements += [f"e{number}" for number in range(case[0])]

    @might_sleep
    async def climb():
        return await rung(pool, GFP_KERNEL)
    try:
        return ["goes on", climb(), len(pool.elements)]
    except WouldSleepForever:
        return ["sleeps", None, len(pool.elements)]


def _waiting(rung, case):
    """In the child: every schedule of some who take where `least` are there, and else wait in the rung."""
    from kit.drivers.missed import ToldNo, world
    from kit.machine.explore import explore
    from kit.memory.mempool import Rung, ask
    from kit.traps import might_sleep, never_sleeps
    least, elements, tasks, one_cpu = case
    climb = getattr(rung, "function", rung)

    @Rung
    @never_sleeps
    async def batch(pool, gfp):
        return pool.take(at_least=least)

    @Rung
    @might_sleep
    async def queue_for(pool, gfp):
        if await climb(pool, gfp) is not None:
            raise ToldNo("the rung gives something, and its job is to wait")
    found = explore(world((ask, batch, queue_for), elements=elements, tasks=tasks, one_cpu=one_cpu), limit=20_000)
    return [found.verdict, found.states, found.exhaustive, found.story()]


QUEUE = Exercise(
    id="04-queue", title="Waiting for more than one", difficulty=3, minutes=15,
    objective="Wait for a condition so that no wake-up is lost and no CPU is burnt.",
    name="queue_for",
    variants=(Variant("two", {"least": 2}), Variant("three", {"least": 3})),
    stub='''
from kit import might_sleep, sleep, step
from kit.memory.mempool import Rung


@Rung
@might_sleep
async def queue_for(pool, gfp):
    """Wait until at least $least elements are in the pool, then give None: the climb starts again.

    The rung before this one takes only where at least $least are there.  Each free wakes the first
    who stands in pool.wait, however few elements there are then.
    """
    ...  # your code here
''',
    hints=("Read the kit's own QUEUE in notebook 04, or by source(queue). Which of its lines is about how many "
           "there are?",
           "Stand in the queue (with pool.wait.queued():), look whether $least are there, and only if not, sleep. No "
           "step may lie between that look and the sleep that is not inside the queue.",
           "Waiting for a full pool: `with pool.wait.queued():` and inside, `if len(pool.elements) < pool.min_nr: "
           "await sleep(pool.wait)`."),
    checks=(
        Check("a caller who is alone, with 0 to 6 of 6 there", points=1,
              cases=lambda variant, random: [(here,) for here in range(7)], drive=_one_wait,
              expect=lambda variant, here: ["goes on" if here >= variant.least else "sleeps", None, here],
              rule="it sleeps while fewer than $least are there, and only then; it takes nothing",
              typed=lambda case: f"queue_for(pool, GFP_KERNEL) with {case[0]} of 6 there",
              state=lambda seen: f"{seen[0]}, gives {seen[1]}, leaves {seen[2]}", heap="a pool of 6"),
        Check("every schedule of small worlds", points=3,
              cases=lambda variant, random: [(variant.least, elements, tasks, one_cpu)
                                             for elements in (variant.least, variant.least + 1)
                                             for tasks in (2, 3) for one_cpu in (False, True)],
              judge=no_harm, drive=_waiting, steps=1_000_000, heap="a small world",
              rule="everybody gets an element in the end, and nobody who waits keeps the CPU",
              typed=lambda case: f"ask, take where {case[0]} are there, queue_for; a pool of {case[1]} over nothing; "
                                 f"{case[2]} tasks that take one each, {'on one CPU' if case[3] else 'a CPU each'}"),
    ),
    misconceptions=(
        Misconception(
            "while it is empty", "You sleep only while the pool is empty. With fewer than $least there, the climb "
            "starts again at once and comes back here, round and round.",
            always(lambda variant, here: ["sleeps" if not here else "goes on", None, here])),
        Misconception(
            "polls", "You let time pass instead of waiting to be woken: whoever polls is always either too early or "
            "too late.", somewhere(lambda variant, row: row.case == [0] and row.seen[0] == "goes on")),
        Misconception(
            "no second look", "You sleep without looking. Whoever freed an element a moment ago found nobody in the "
            "queue, and does not come back to wake you.",
            always(lambda variant, here: ["sleeps", None, here])),
        Misconception(
            "takes as well", "The rung hands out an element itself. Waiting is its whole job: what it gives was not "
            "asked for by the rung before.", somewhere(lambda variant, row: len(row.case) == 1 and row.seen[1])),
        Misconception(
            "looks, then queues", "You look before you stand in the queue. An element freed between the two wakes "
            "nobody, and you sleep beside it.", somewhere(ends_in("deadlock"))),
    ),
)

EXERCISES = (KEEP, QUEUE)
