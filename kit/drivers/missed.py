"""missed: small worlds in which a rung of the ladder is missed.

The problem.  What is a rung for?  Its docstring says what it does.  What it is *for* is shown only by a run
that goes well with the whole ladder and badly without that rung.  The idea: one story with a few sizes,
small enough that the explorer sees every run of it, under any ladder:

    explore(world(elements=3, take=2))
    explore(world(without(drain), elements=3, take=2))

Each task takes its elements one after the other, waits for the disk (and leaves its CPU to others), and
gives all back.  An atomic one that is told no complains, which the explorer calls a broken promise.
"""

from kit.errors import BadInput, KitError
from kit.gfp import GFP_ATOMIC, GFP_KERNEL
from kit.memory import promises
from kit.memory.mempool import MAIL, Mempool
from kit.traps import might_sleep, never_sleeps, yield_cpu


class ToldNo(KitError):
    """An atomic task got no element, and has nobody to wait for."""


class Slow(promises.Refusing):
    """Refuses whoever may not sleep; whoever may is given memory, once some has been written out."""

    @might_sleep
    async def alloc(self, gfp):
        """An element, always; leaves the CPU if the stock is out."""
        if self.stock:
            return self.stock.pop()
        await yield_cpu("write memory out")
        return "found"

    @never_sleeps
    async def free(self, element):
        """Back into the stock; what was found goes to whoever else needs it."""
        if element != "found":
            self.stock.append(element)


BENEATH = {"refusing": promises.Refusing, "slow": Slow, "sleeping": promises.Sleeping}


def without(rung, ladder=MAIL):
    """The ladder with one rung taken out."""
    return tuple(other for other in ladder if other is not rung)


def world(ladder=MAIL, elements=3, beneath="refusing", spare=0, tasks=1, take=1, atomic=False, one_cpu=False):
    """A story for the explorer: so many tasks that each take so many elements of one pool.

    beneath: what the allocator does when its stock is out; spare: how many elements it still has when the
    pool is full.  atomic: the tasks may not sleep.  one_cpu: they share a CPU, else each has its own.
    """
    if beneath not in BENEATH:
        raise BadInput(f"there is no allocator {beneath!r}; there are: {', '.join(BENEATH)}.")

    def story(machine):
        pool = Mempool.create(elements, BENEATH[beneath](elements + spare), ladder=ladder)
        for number in range(tasks):
            machine.spawn("ABCDEFGH"[number], worker, pool, take, GFP_ATOMIC if atomic else GFP_KERNEL,
                          cpu=0 if one_cpu else None)
    return story


async def worker(pool, take, gfp):
    """Takes `take` elements one after the other, waits for the disk, gives all back."""
    held = []
    while len(held) < take:
        element = await pool.alloc(gfp)
        if element is None:
            raise ToldNo(f"an atomic task was told no, with {len(held)} of {take} elements in its hands")
        held.append(element)
    await yield_cpu("wait for the disk")
    while held:
        await pool.free(held.pop())
