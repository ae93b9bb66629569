"""small worlds: stories for the explorer, ready to be explored, changed and passed on.

Each is a function that makes a story from sizes: `pool(elements=2, tasks=3, take=2, rounds=1)` gives
a function that sets the world up on the machine that it is handed.  All run the kit's own Mempool.
What its ladder promises hangs on what the allocator beneath promises, so that is named in each:

    Refusing()      gives what pools are filled with, and nothing ever after
    Answering()     answers at once, and the world decides what: yes or no
    Sleeping()      as Answering where it may not sleep; where it may, sleeps until memory is freed

A story can be replayed by name, which is how a deadlock is passed on: replay("pool", "AAABBAC").
"""

import inspect

from kit.errors import BadInput
from kit.gfp import GFP_ATOMIC, GFP_KERNEL
from kit.locks import WaitQueue
from kit.machine import explore as explorer
from kit.memory import promises
from kit.memory.mempool import MAIL, Mempool
from kit.traps import choose, might_sleep, never_sleeps, sleep

# == Allocators beneath ==============================================================================


class Element:
    """A token: one is as good as another, and the explorer takes them for one another."""

    alike = True

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name


class Refusing(promises.Refusing):
    """The refusing allocator of memory/promises.py with tokens for elements, so that like states are counted once."""

    def __init__(self, count, name="the allocator beneath"):
        super().__init__(count, name)
        self.stock = [Element(f"e{number}") for number in range(count)]


class Answering(Refusing):
    """As long as it has elements, the world decides whether it gives one: others use the same memory."""

    def _take(self):
        return super()._take() if self.stock and choose("is there memory beneath?") else None


class Sleeping(Answering):
    """Where it may sleep, it never says no: it sleeps until memory is freed to it, and looks again."""

    explored = ("wait",)

    def __init__(self, count, name="the allocator beneath"):
        super().__init__(count, name)
        self.wait = WaitQueue(f"{name}'s queue", "Only memory that is freed to it wakes it.", of=self)

    @might_sleep
    async def alloc(self, gfp):
        """An element, however long that takes."""
        while (element := self._take()) is None:
            with self.wait.queued():
                await sleep(self.wait)
        return element

    @never_sleeps
    async def free(self, element):
        """Memory is freed: whoever waits longest may look again."""
        self.stock.append(element)
        self.wait.wake_one()


# == Drivers =========================================================================================


async def borrower(pool, take, rounds):
    """Takes `take` elements one after the other, then gives all back; so often."""
    for _ in range(rounds):
        held = []
        while len(held) < take:
            held.append(await pool.alloc(GFP_KERNEL))
        while held:
            await pool.free(held.pop())


ACTIONS = ("take", "ask", "give")


async def driver(pool, program, rounds):
    """Follows a program: `take` an element, `ask` for one without sleeping, `give` the oldest back; in the end all."""
    for _ in range(rounds):
        held = []
        for action in program:
            if action == "take":
                held.append(await pool.alloc(GFP_KERNEL))
            elif action == "ask":
                held += await _asked(pool)
            elif held:
                await pool.free(held.pop(0))
        while held:
            await pool.free(held.pop())


async def _asked(pool):
    element = await pool.alloc(GFP_ATOMIC)
    return [] if element is None else [element]


# == Stories =========================================================================================


def pool(elements=2, tasks=3, take=2, rounds=1):
    """Like tasks that take several elements of one pool, one after the other; the allocator beneath refuses."""
    def story(machine):
        reserve = Mempool.create(elements, Refusing(elements))
        for number in range(tasks):
            machine.spawn(chr(ord("A") + number), borrower, reserve, take, rounds)
    return story


FOUR_DRIVERS = ("take take", "take give", "ask give", "take give take")


def ladder(elements=2, spare=1, rounds=2, programs=FOUR_DRIVERS, rungs=MAIL, beneath=Sleeping):
    """Four different drivers on one pool; the allocator beneath sleeps until somebody frees memory to it."""
    def story(machine):
        reserve = Mempool.create(elements, beneath(elements + spare), ladder=rungs)
        for number, program in enumerate(programs):
            machine.spawn(chr(ord("A") + number), driver, reserve, tuple(program.split()), rounds)
    return story


STORIES = {"pool": pool, "ladder": ladder}


def replay(name, schedule, **sizes):
    """See the run that `schedule` tells of a ready-made story, "pool" or another: it prints as a story.

    The sizes are those that the story was explored with.  BadInput if there is no such story, or it
    cannot take these turns.
    """
    return explorer.replay(story_of(name, **sizes), schedule)


def story_of(name, **sizes):
    """The ready-made story of that name, in these sizes; BadInput if there is none, or it has no such size."""
    if name not in STORIES:
        raise BadInput(f"there is no story {name!r}; there are: {', '.join(STORIES)}.")
    known = inspect.signature(STORIES[name]).parameters
    if unknown := [size for size in sizes if size not in known]:
        raise BadInput(f"the story {name} has no size {unknown[0]!r}; it has: {', '.join(known)}.")
    return STORIES[name](**sizes)
