"""Set 04, Five levels, the absence of a rung: worlds that the parent explores with the whole ladder and with less."""

from kit.drivers.missed import BENEATH, without, world
from kit.grading.exercise import Check, Exercise, Misconception, Variant, somewhere
from kit.grading.sets.set04_five_levels import RUNGS
from kit.machine.explore import explore
from kit.memory.mempool import MAIL

SIZES = {"beneath": tuple(BENEATH), "spare": range(3), "tasks": range(1, 4), "take": range(1, 7),
         "atomic": (False, True), "one_cpu": (False, True)}
STATES = 2_000


def _hurts(variant, case, sizes):
    """Run the world with the whole ladder and without the rung: every schedule of both."""
    if sizes is None:
        return f"There is no world for {case[0]} yet."
    strange = [f"{name!r}: {size!r}" for name, size in sizes.items() if not _one_of(SIZES.get(name), size)]
    if strange:
        return f"{strange[0]} is no size of such a world; there are: {_sizes()}."
    whole = explore(world(MAIL, elements=variant.elements, **sizes), limit=STATES)
    if whole.verdict != "none":
        return f"The whole ladder is hurt in this world too: {whole.verdict}.\n{whole.story()}"
    if not whole.exhaustive:
        return f"This world has more than {STATES:,} states; a smaller one will do."
    less = explore(world(without(RUNGS[case[0]]), elements=variant.elements, **sizes), limit=STATES)
    if less.verdict != "none":
        return None
    return f"Nobody misses {case[0]} here. States with the whole ladder: {whole.states:,}, without {case[0]}: " \
           f"{less.states:,}; there is no harm in any of them."


def _one_of(known, size):
    return known is not None and type(size) is type(known[0]) and size in known


def _sizes():
    return ", ".join(f'"{name}": {known[0]} to {known[-1]}' if isinstance(known, range) else
                     f'"{name}": {" or ".join(map(repr, known))}' for name, known in SIZES.items())


def _in_world_for(name, sign):
    """The sign of a world for that rung: sign(variant, the sizes it was given)."""
    return somewhere(lambda variant, row: row.case == [name] and row.fault.startswith("Nobody") and
                     sign(variant, row.seen))


WORLDS = Exercise(
    id="04-worlds", title="What each rung is for", difficulty=3, minutes=20,
    objective="Say what a rung is for by finding the run in which its absence hurts.",
    name="world_for",
    variants=(Variant("three", {"elements": 3}), Variant("four", {"elements": 4}), Variant("five", {"elements": 5})),
    stub='''
def world_for(rung):
    """A world in which the whole ladder does well under every schedule, and the one without `rung` does not.

    rung: "ASK", "INSIST", "DRAIN" or "QUEUE".  For "SKIM" the answer would be {"beneath": "sleeping"}.
    The pool keeps $elements elements.  What the world is besides, where it differs from this, is a dict:
        "beneath": "refusing"       or "slow" or "sleeping": what the allocator does when it has none left
        "spare": 0                  how many elements it has left when the pool is full (up to 2)
        "tasks": 1, "take": 1       so many tasks (up to 3), each taking so many elements (up to 6), one by one
        "atomic": False             True: the tasks may not sleep; to be told no is then their harm
        "one_cpu": False            True: all tasks share one CPU, which nobody takes away from them
    """
    ...  # your code here
''',
    hints=("Ask of each rung whom it serves whom no other rung would serve. Then make a world with only such a caller.",
           "ASK serves those who may not sleep. INSIST serves where only patience finds memory. DRAIN serves from the "
           "lower half. QUEUE serves the others: it leaves them the CPU.",
           "SKIM: over an allocator that sleeps until memory is freed, one task that takes one element is served by "
           "SKIM. Without it the task goes on to INSIST and sleeps there for ever, beside a full pool."),
    checks=tuple(
        Check(f"a world that misses {name}", points=1, cases=lambda variant, random, name=name: [(name,)], judge=_hurts,
              rule=f"every schedule goes well with the whole ladder, and some schedule does not without {name}",
              typed=lambda case: f'world_for("{case[0]}"), with the whole ladder and without {case[0]}',
              heap="the name of a rung")
        for name in ("ASK", "INSIST", "DRAIN", "QUEUE")),
    misconceptions=(
        Misconception(
            "too much at once", "A world in which the whole ladder hangs shows nothing about one rung: here the tasks "
            "wait for each other, whatever the ladder.", lambda variant, rows:
            any(str(row.fault).startswith("The whole ladder is hurt") for row in rows)),
        Misconception(
            "ASK for the patient", "Whoever may sleep does not miss ASK: INSIST puts the same question to the same "
            "allocator. Who cannot climb INSIST?",
            _in_world_for("ASK", lambda variant, sizes: not sizes.get("atomic"))),
        Misconception(
            "INSIST on nothing", "An allocator that says no as soon as it has none left says it to INSIST as well. "
            "Which one has something for those who sleep?",
            _in_world_for("INSIST", lambda variant, sizes: sizes.get("beneath") != "slow")),
        Misconception(
            "DRAIN above the half", "As long as half of the pool is there, SKIM serves; you do not take enough "
            "elements to come below it.",
            _in_world_for("DRAIN", lambda variant, sizes: sizes.get("take", 1) < variant.elements)),
        Misconception(
            "QUEUE with CPUs to burn", "With a CPU of its own a task may go round and round until an element comes "
            "back: a waste, and it ends. Whom does it keep from running?",
            _in_world_for("QUEUE", lambda variant, sizes: not sizes.get("one_cpu"))),
    ),
)

EXERCISES = (WORLDS,)
