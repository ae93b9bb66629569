"""Set 09, The random arbitrary driver: three drivers to be mended.  (set09_the_other_side.py goes on.)

Here the explorer is the judge.  It runs the learner's own code, in every state of a small world
(kit/drivers/proving.py), and what it tells is what the learner is told: the simplest way to the harm.
"""

from kit.grading.exercise import Check, Exercise, Misconception, Variant, somewhere

# == What all checks of this set share =============================================================


def _explored(driver, case):
    """In the child: explore a world of proving.py with this driver in it."""
    import kit.drivers.proving as proving
    from kit.machine.explore import explore
    world, sizes, _ = case
    result = explore(getattr(proving, world)(driver, **sizes), limit=4_000)
    return [result.verdict, result.exhaustive, str(result)]


def _no_harm(variant, case, seen):
    """None if no state does harm and all were looked at; else the explorer's story."""
    verdict, exhaustive, told = seen
    if verdict == "none" and not exhaustive:
        return f"{told}. Is there a loop that counts without end?"
    return None if verdict == "none" else told


def _call(name):
    """How a learner would look at a case: the line to type, and the size of the world."""
    def typed(case):
        world, sizes, words = case
        sizes = "".join(f", {size}={value!r}" for size, value in sizes.items())
        return f"explore({world}({name}{sizes}))\n{words};\nthe allocator beneath refuses (always says no, at once)"
    return typed


def _told(*words):
    """A sign by which a wrong answer is recognised: the explorer's story has one of these words in it."""
    return somewhere(lambda variant, row: any(word in row.seen[-1] for word in words))


def _verdict(verdict):
    return somewhere(lambda variant, row: row.seen[0] == verdict)


ATOMIC = "You ask without leave to sleep (GFP_ATOMIC): when the pool is empty such a caller gets None, which " \
    "cannot be written. alloc() alone waits for an element."

# == Two pools =====================================================================================


def _writers(variant, random):
    return [("two_orders", {"first": variant.first, "writers": writers},
             f"the reader and {writers} of yours, a pool of 1 request and a pool of 1 buffer") for writers in (1, 2)]


ORDER = Exercise(
    id="09-order", title="Two pools, two drivers", difficulty=1, minutes=10,
    objective="Mend a circle between two pools by taking from them in one order.",
    name="write",
    variants=(Variant("requests first", {"first": "requests", "second": "buffers", "one": "request", "two": "buffer"}),
              Variant("buffers first", {"first": "buffers", "second": "requests", "one": "buffer", "two": "request"})),
    stub='''
async def write(requests, buffers, disk):
    """Write once: with a request and a buffer in hand, each from its own pool.

    As it stands the driver hangs.  It begins with

        $two = await $second.alloc()
        $one = await $first.alloc()

    and elsewhere in the kernel there is a reader, which you may not change, that takes of `$first` first
    and of `$second` then.  Write the beginning anew.
    """
    request = buffer = None
    ...  # your code here
    await disk.write(request, buffer)
    await requests.free(request)
    await buffers.free(buffer)
''',
    hints=("Let each of the two have taken its first element. What does each wait for now, and who has it?",
           "If everybody takes from the pools in one order, whoever holds of the last pool waits for nobody.",
           "With a pool of bios and a pool of pages, beside a driver that takes a page and then a bio: "
           "page = await pages.alloc(), and in the next line bio = await bios.alloc()."),
    checks=(
        Check("every state, with one and with two writers", points=2, cases=_writers, judge=_no_harm, drive=_explored,
              rule="nobody may sleep for an element of `$first` with one of `$second` in hand; the disk is handed both",
              typed=_call("write"), heap="a world of 3 tasks", steps=500_000),
    ),
    misconceptions=(
        Misconception(
            "the other way round", "You hold one of `$second` while you sleep for one of `$first`, and the reader the "
            "other way round: each has what the other waits for.", _verdict("deadlock")),
        Misconception("without leave to sleep", ATOMIC, _told("the disk None")),
        Misconception(
            "too early", "You give an element back while it is still needed: the disk has to find both in your hand. "
            "That breaks the circle, and the work with it.", _told("does not hold")),
        Misconception(
            "kept", "You write, and keep an element. The next who wants it will wait for somebody who is gone.",
            _told("still holds")),
    ),
)

# == A lock ========================================================================================


def _logs(variant, random):
    return [("one_log", {"lock": variant.lock, "tasks": tasks, "elements": elements},
             f"a log, tasks: {tasks}, elements in the pool: {elements}")
            for tasks, elements in ((1, 1), (2, 1), (3, 1), (3, 2))]


LOG = Exercise(
    id="09-log", title="Asleep with the lock in hand", difficulty=2, minutes=15,
    objective="Find out which locks those need who are to give back, and hold none of these while you wait for them.",
    name="record",
    variants=(Variant("mutex", {"lock": "mutex", "ends": "hangs"}),
              Variant("spinlock", {"lock": "spinlock", "ends": "is refused, for it may sleep under a spinlock"})),
    stub='''
async def record(pool, log, disk):
    """Enter an element in the log, have it written, cross it out, give it back.

    log.enter and log.cross_out are for holders of log.lock, a $lock.  While the disk writes,
    others must be able to get at the log.  As it stands the driver $ends:

        async with log.lock:
            element = await pool.alloc()
            log.enter(element)
        await disk.write(element)
        async with log.lock:
            log.cross_out(element)
            await pool.free(element)
    """
    ...  # your code here
''',
    hints=("Somebody sleeps until an element is freed. What does whoever has that element need before it frees it?",
           "What may sleep comes before the lock: under it only what cannot wait for anybody.",
           "A driver that adds a page to a list under a lock: first page = await pages.alloc(), then "
           "`async with list.lock:` and the adding, and nothing else in that block."),
    checks=(
        Check("every state, up to three tasks and two elements", points=3, cases=_logs, judge=_no_harm,
              drive=_explored, rule="nobody may sleep for an element while it holds a lock that is needed to free one",
              typed=_call("record"), heap="a world of 3 tasks", steps=500_000),
    ),
    misconceptions=(
        Misconception(
            "asleep with the lock", "You hold the log's lock while you wait for an element. Whoever has the element "
            "needs the lock before it can give it back.",
            somewhere(lambda variant, row: row.seen[0] == "deadlock" or "holds the spinlock" in row.seen[2])),
        Misconception(
            "one long lock", "You keep the lock while the disk writes. Then nothing hangs because nothing happens at "
            "the same time: the log is locked for as long as a disk takes.", _told("while the disk writes")),
        Misconception(
            "no lock", "You change the log without its lock. Taking the lock away is not the same as not sleeping "
            "under it.", _told("without log.lock")),
        Misconception(
            "left in the log", "An element goes back to the pool while it stands in the log: the next who takes it "
            "would find it entered by somebody else.", _told("while it stood in the log")),
        Misconception("without leave to sleep", ATOMIC, _told("enters None")),
    ),
)

# == Several of one pool ===========================================================================


def _mirrors(variant, random):
    copies = variant.copies
    return [("mirrors", {"copies": copies, "elements": elements, "tasks": tasks},
             f"tasks: {tasks}, each with {copies} copies, elements in the pool: {elements}")
            for tasks, elements in ((1, copies), (2, copies))]


def _stripes(variant, random):
    return [("mirrors", {"copies": variant.copies, "elements": 2 * variant.copies, "at_once": 2},
             f"tasks: 2, each with {variant.copies} copies, elements in the pool: {2 * variant.copies}; "
             "the disk begins when both have handed over")]


def _takes(*names):
    """The driver that hangs, as it stands in the docstring: for two copies, or for three."""
    lines = [*[f"{name} = await pool.alloc()" for name in names], f"await disk.write({', '.join(names)})",
             *[f"await pool.free({name})" for name in names]]
    return "\n".join(" " * 8 + line for line in lines)


MIRROR = Exercise(
    id="09-mirror", title="All copies in hand", difficulty=3, minutes=15,
    objective="Take several elements of one pool without hanging, and without making everybody wait for everybody.",
    name="mirror",
    variants=(Variant("two", {"copies": 2, "word": "two", "takes": _takes("first", "second")}),
              Variant("three", {"copies": 3, "word": "three", "takes": _takes("first", "second", "third")})),
    stub='''
async def mirror(pool, gate, disk):
    """Write $word copies: the disk is handed $copies elements of one pool at the same time.

    As it stands the driver hangs:

$takes

    `gate` is a mutex that nobody uses yet.  Where there are elements for two tasks, two must be able
    to hand their copies over at the same time: the disk may wait for the second before it begins.
    """
    ...  # your code here
''',
    hints=("Nobody may hold a part of what it needs while somebody else does so too.",
           "Let one task at a time take several. Whoever has them all has no more to take, so it need keep nobody out.",
           "Philosophers with two forks each: a waiter lets one at a time pick forks up. Once a philosopher has both, "
           "the waiter turns to the next; eating and laying down happen without him."),
    checks=(
        Check("every state, one task and two, with just enough elements", points=3, cases=_mirrors, judge=_no_harm,
              drive=_explored, rule="of those who hold a part and wait for more there may be one at a time",
              typed=_call("mirror"), heap="a world of 2 tasks", steps=500_000),
        Check("every state, where two tasks must write at the same time", points=1, cases=_stripes, judge=_no_harm,
              drive=_explored, rule="whoever has all its elements keeps nobody from taking others",
              typed=_call("mirror"), heap="a world of 2 tasks", steps=500_000),
    ),
    misconceptions=(
        Misconception(
            "one at a time", "You stand in the gate while the disk writes, so nobody else can hand over: one at a "
            "time, whatever the size of the pool.", _told("sleeps on disk.wait")),
        Misconception(
            "hold and wait", "More than one task can hold a part of the pool and wait for the rest: each has what the "
            "other lacks.", _verdict("deadlock")),
        Misconception(
            "give way for ever", "You give back and try again. Two who do so in step give way to each other for ever: "
            "nobody sleeps, and nothing is written.", _verdict("no progress")),
        Misconception(
            "not all in hand", "You give an element back before the disk has been handed all of them: a mirror with "
            "less than $word copies is none.", _told("does not hold", "the same element twice")),
        Misconception("without leave to sleep", ATOMIC, _told("the disk None")),
    ),
)

EXERCISES = (ORDER, LOG, MIRROR)
