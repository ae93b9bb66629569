"""Set 04, Five levels: rungs and ladders for other promises than the mail's.

Where an answer is data, a ladder or (in set04_five_levels_absence.py) a world, the child hands it back and the
parent runs it, on the kit's own pool: there is no verdict to forge.
"""

from fractions import Fraction

from kit.gfp import GFP_ATOMIC, GFP_KERNEL, WAIT
from kit.grading.exercise import Check, Exercise, Misconception, Variant, always, somewhere
from kit.machine.core import Deadlock, Machine, NoEnd
from kit.memory.mempool import MAIL, Mempool
from kit.memory.promises import Refusing
from kit.traps import might_sleep

RUNGS = {rung.name: rung for rung in MAIL}


def taken(here, least):
    """What a take from a pool of e0, e1 ... comes to, and how many are left."""
    return [f"e{here - 1}", here - 1] if here >= max(least, 1) else [None, here]


def result(state):
    """The same in words."""
    given, left = state
    return f"gave {given or 'nothing'}; {left} left in the pool"


# == SKIM, by another measure ======================================================================


def _one_atomic_caller(rung, case):
    """In the child: what the pool gives to a caller who may not sleep, on a ladder of this rung alone."""
    from kit.gfp import GFP_ATOMIC
    from kit.memory.mempool import Mempool
    from kit.memory.promises import Refusing
    min_nr, here = case
    pool = Mempool(min_nr, Refusing(), ladder=(rung,))
    pool.elements += [f"e{number}" for number in range(here)]
    return [pool.alloc(GFP_ATOMIC), len(pool.elements)]


def _at_least(measure):
    """What a rung does that takes where at least measure(variant, min_nr, here) elements are there."""
    return lambda variant, min_nr, here: taken(here, measure(variant, min_nr, here))


SKIM = Exercise(
    id="04-skim", title="Skimming by another measure", difficulty=1, minutes=8,
    objective="Turn a sentence about a full pool into one comparison that holds for every size of pool.",
    name="skim_part",
    variants=(Variant("third", {"part": Fraction(1, 3), "words": "a third", "down": "one third of 4 is 1 1/3"}),
              Variant("quarter", {"part": Fraction(1, 4), "words": "a quarter", "down": "one quarter of 5 is 1 1/4"}),
              Variant("two-thirds", {"part": Fraction(2, 3), "words": "two thirds",
                                    "down": "two thirds of 4 is 2 2/3"})),
    stub='''
from kit import never_sleeps
from kit.memory.mempool import Rung


@Rung
@never_sleeps
async def skim_part(pool, gfp):
    """Take from the pool if it is at least $words full.  A full pool holds pool.min_nr elements."""
    least = pool.min_nr         # this alone would take from a full pool only
    ...  # your code here
    return pool.take(at_least=least)
''',
    hints=("Try it on paper with pools of 3, 4, 5 and 6: how many elements must be there at the least?",
           "`least` is the smallest whole number that is not less than $words of pool.min_nr: round up.",
           "At least half full: a pool of 5 must hold 3, for 2 are less than two and a half. In whole numbers that is "
           "(5 + 1) // 2, and for a pool of 4 it is (4 + 1) // 2 = 2."),
    checks=(Check(
        "every pool of up to 12 elements, with any number of them there", points=2,
        cases=lambda variant, random: [(size, here) for size in range(13) for here in range(size + 1)],
        expect=_at_least(lambda variant, size, here: next(n for n in range(size + 1) if n >= variant.part * size)),
        drive=_one_atomic_caller, rule="an element is given if and only if the pool is at least $words full",
        typed=lambda case: f"a pool of {case[0]} with {case[1]} there, an atomic caller", state=result,
        heap="a pool of 12"),),
    misconceptions=(
        Misconception(
            "rounds down", "You round down: $down, and whoever has less than that has less than $words.",
            always(_at_least(lambda variant, size, here: int(variant.part * size)))),
        Misconception(
            "more than", "You ask for more than $words. That is how the code of 2.5.1 reads for a half; the rule says "
            "*at least*, and a pool that is exactly $words full may be skimmed.",
            always(_at_least(lambda variant, size, here: int(variant.part * size) + 1))),
        Misconception(
            "half", "That is the mail's rule, half; this one says $words.",
            always(_at_least(lambda variant, size, here: (size + 1) // 2))),
        Misconception(
            "of what is there", "You measure the pool against what is in it now. The measure is pool.min_nr, what it "
            "holds when it is full.", always(_at_least(lambda variant, size, here: 1))),
        Misconception(
            "may not climb", "An atomic caller never gets to your rung: it is marked as one that may sleep.",
            always(lambda variant, size, here: [None, here])),
    ),
)

# == A ladder for a promise ========================================================================

AT_ONCE, POOL = "is served by the allocator at once", "is served from the pool"
SLEPT = "is served by the allocator after a sleep"
WAITS, NO, ROUND = "waits for an element of the pool", "is told no", "goes round and round"


class _Asked(Refusing):
    """An allocator beneath that has `memory`, or has it `after a sleep`, or has `nothing`."""

    def __init__(self, memory):
        super().__init__()
        self.memory = memory

    def _take(self):
        return AT_ONCE if self.memory == "memory" else None

    @might_sleep
    async def alloc(self, gfp):
        return SLEPT if self.memory == "memory after a sleep" else self._take()


def _served(ladder, here, memory, gfp):
    """What becomes of one caller on that ladder over a pool of 4: the kit's own pool is asked."""
    machine, pool = Machine(), Mempool(4, _Asked(memory), ladder=ladder)
    pool.elements += [POOL] * here
    task = machine.spawn("caller", pool.alloc, gfp)
    try:
        machine.run(turns=100)
    except Deadlock:
        return WAITS
    except NoEnd:
        return ROUND
    return task.result or NO


def _promised(variant, here, memory, gfp):
    """What the promise says, case by case."""
    at_once = AT_ONCE if memory == "memory" else None
    pool = POOL if here else None
    slept = SLEPT if memory == "memory after a sleep" and gfp & WAIT and variant.insists else None
    first, second = (pool, at_once) if variant.pool_first else (at_once, pool)
    return first or second or slept or (WAITS if gfp & WAIT else NO)


def _names(ladder, case):
    """In the child: the names of the rungs, for the parent to run them."""
    return [getattr(rung, "name", rung) for rung in ladder]


def _keeps_promise(variant, case, seen):
    if not seen:
        return "A ladder without rungs serves nobody, and whoever may sleep climbs it for ever."
    strange = [name for name in seen if name not in RUNGS]
    if strange:
        return f"A ladder is a tuple of the kit's own rungs, and {strange[0]!r} is none of them."
    served, wanted = _served([RUNGS[name] for name in seen], *case), _promised(variant, *case)
    return None if served == wanted else \
        f"On your ladder ({', '.join(seen).lower()}) the caller {served}; by the promise it {wanted}."


def _before(one, other):
    """The sign of a ladder in which `one` stands before `other`, or `other` is missing."""
    return lambda variant, row: one in row.seen and (other not in row.seen or
                                                     row.seen.index(one) < row.seen.index(other))


ORDER = Exercise(
    id="04-order", title="A ladder for a promise", difficulty=2, minutes=10,
    objective="Put the rungs in the order that keeps a given promise, and leave out those that break it.",
    name="ladder",
    variants=(
        Variant("pool-before-sleep", {"pool_first": False, "insists": True,
                "one": "Memory that the allocator has at hand is used before the pool is.",
                "two": "Nobody sleeps in the allocator while the pool holds an element.",
                "three": "Whoever finds neither and may sleep, sleeps in the allocator; only if that has none, in the "
                         "pool's queue."}),
        Variant("pool-first", {"pool_first": True, "insists": True,
                "one": "An element of the pool is used before the allocator is asked at all.",
                "two": "Then memory that the allocator has at hand is used.",
                "three": "Whoever finds neither and may sleep, sleeps in the allocator; only if that has none, in the "
                         "pool's queue."}),
        Variant("never-insist", {"pool_first": False, "insists": False,
                "one": "Memory that the allocator has at hand is used before the pool is.",
                "two": "Nobody ever sleeps in the allocator.",
                "three": "Whoever finds neither and may sleep, sleeps in the pool's queue."})),
    stub='''
from kit.memory.mempool import ask, drain, insist, queue, skim

# The promise:
# 1. $one
# 2. $two
# 3. $three
# A tuple of rungs, in the order in which they are climbed.  Not all need be there.
ladder = (
    ...  # your code here
)
''',
    hints=("For each rung: does it sleep, and where does it look? Then read the promise as an order of those looks.",
           "A rung that can serve a caller must stand before every rung that would make it wait longer or elsewhere.",
           "\"Use up the pool, then wait for an element; never ask the allocator\" would be (drain, queue)."),
    checks=(Check(
        "each kind of caller, over each kind of allocator, with 0 to 4 of 4 in the pool", points=3,
        cases=lambda variant, random: [(here, memory, gfp) for here in range(5)
                                       for memory in ("memory", "memory after a sleep", "nothing")
                                       for gfp in (GFP_ATOMIC, GFP_KERNEL)],
        judge=_keeps_promise, drive=_names, rule="the three sentences of the promise, in their order",
        typed=lambda case: f"{case[0]} of 4 in the pool, the allocator has {case[1]}, the caller "
                           f"{'may' if case[2] & WAIT else 'may not'} sleep", heap="a tuple"),),
    misconceptions=(
        Misconception(
            "skims only", "SKIM leaves the lower half of the pool where it is, and nobody on your ladder fetches it.",
            somewhere(lambda variant, row: "SKIM" in row.seen and "DRAIN" not in row.seen)),
        Misconception(
            "the mail's order", "You insist before you drain, as the mail does: then somebody sleeps in the allocator "
            "beside a pool that has something.", somewhere(_before("INSIST", "DRAIN"))),
        Misconception(
            "waits too soon", "You queue before you have tried everything else: after QUEUE the climb begins anew, and "
            "what stands behind it is hardly ever reached.", somewhere(_before("QUEUE", "INSIST"))),
        Misconception(
            "nobody waits", "Nobody waits on your ladder: whoever finds nothing climbs it again and again, on a CPU "
            "that others need.", somewhere(lambda variant, row: row.seen and set(row.seen) <= set(RUNGS) - {"QUEUE"})),
    ),
)

EXERCISES = (SKIM, ORDER)
