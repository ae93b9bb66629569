"""callers: bugs of mempool that depend on what its caller holds, may do, or has not yet started.

The problem.  What is safe for one caller is not for another: one holds the device, one may not sleep, one
may not enter a file system, one has requests that nobody has started.
The idea.  What surrounds the pool is as small as the bug allows: the disk's task queue is one request,
reclaim is a look at the mask.  Where the record does not say what exactly hung, `model` says that
the way there is ours.
Beside it: mm/mempool.c and drivers/block/ll_rw_blk.c of 2.5.1, December 2001 to December 2002.
"""

from kit.errors import KitError
from kit.gfp import FS, GFP_KERNEL, GFP_NOIO, HIGH, IO, WAIT
from kit.locks import Mutex
from kit.memory.mempool import Mempool, Rung
from kit.memory.promises import Refusing
from kit.museum.bug import Bug, takes_and_gives
from kit.museum.forms import FORMS
from kit.traps import choose, might_sleep, never_sleeps, sleep, step, yield_cpu


class Killed(KitError):
    """A task was killed because the allocator had given up."""


# == D0: the first try may start I/O =================================================================


class StartsIO(Refusing):
    """Out of memory, and allowed to: writes a page out, for which it needs the device."""

    explored = ("stock", "device")

    def __init__(self, count, device):
        super().__init__(count)
        self.device = device

    @never_sleeps
    async def try_alloc(self, gfp):
        """An element, or None; with IO in the mask, after an attempt to free one."""
        if not self.stock and gfp & IO:
            await self.device.acquire()
            self.device.release()
        return self._take()


async def _for_the_device(pool, device):
    async with device:
        await takes_and_gives(pool)


def first_try(form):
    """A driver allocates while it holds its device; the pool is full, the allocator has nothing."""
    def story(machine):
        device = Mutex("device")
        pool = FORMS[form].create(1, StartsIO(1, device))
        machine.spawn("driver", _for_the_device, pool, device)
    return story


# == D2: the disk's task queue is run in the wrong state ==============================================


class TaskQueue:
    """Requests that nobody has started yet; starting them, a driver may let others run."""

    explored = ("pool", "requests")

    def __init__(self, machine):
        self.machine, self.pool, self.requests = machine, None, []

    def start(self):
        """All requests go to the disk, whose interrupt gives their elements back."""
        while self.requests:
            self.machine.interrupt("disk", self.pool.free, self.requests.pop())


def _rung(disk, early):
    """QUEUE with the task queue run after the task is marked asleep (`early`), or before."""
    @Rung
    @might_sleep
    async def queue_and_run(pool, gfp):
        lets_others_run = choose("does the driver let others run before it starts the request?", (False, True))
        if not early:
            if lets_others_run:
                await yield_cpu("the driver lets others run")
            disk.start()
        with pool.wait.queued():
            if early and lets_others_run:
                await sleep(pool.wait)      # whoever yields while marked asleep is asleep
            disk.start()
            await step("look again")
            if not pool.elements:
                await sleep(pool.wait)
    return queue_and_run


async def _two_requests(pool, disk):
    disk.requests.append(await pool.alloc(GFP_KERNEL))
    await takes_and_gives(pool)


def state_too_early(early):
    """Pool of 1: a task hands a request to the disk's task queue, and wants an element for the next."""
    def story(machine):
        disk = TaskQueue(machine)
        ladder = FORMS["2.5.1" if not early else "2.5.1-pre11"].ladder[:-1]
        disk.pool = Mempool.create(1, Refusing(1), ladder=(*ladder, _rung(disk, early)))
        machine.spawn("A", _two_requests, disk.pool, disk)
    return story


# == The test for `may not sleep` =====================================================================


class ByComparison(Mempool):
    """Takes everybody for one who may sleep whose mask has anything that the first try strikes out."""

    @might_sleep
    async def alloc(self, gfp=GFP_KERNEL):
        """As Mempool.alloc, by the test of before December 2002."""
        return await super().alloc(gfp | WAIT if gfp & (WAIT | IO) else gfp)


@never_sleeps
async def _atomic_with_io(pool):
    if (element := await pool.alloc(HIGH | IO)) is not None:
        await pool.free(element)


def mask_test(kind):
    """An empty pool, and a caller who may not sleep but whose mask allows I/O."""
    def story(machine):
        pool = kind.create(1, Refusing(1), ladder=FORMS["October 2002"].ladder)
        machine.spawn("keeper", takes_and_gives, pool)
        machine.spawn("atomic", _atomic_with_io, pool)
    return story


# == Killed instead of waiting ========================================================================


class Killing(Refusing):
    """Where it may sleep, it reclaims; and kills whoever cannot make that succeed."""

    @might_sleep
    async def alloc(self, gfp):
        """An element; Killed if there is none and reclaim may not enter a file system."""
        if not self.stock and not gfp & FS:
            raise Killed("reclaim may write nothing without a file system: out of memory, a task is killed.")
        return self._take()


def killed(form):
    """Pool of 1, two tasks that may not call into a file system."""
    def story(machine):
        pool = FORMS[form].create(1, Killing(1))
        for name in "AB":
            machine.spawn(name, takes_and_gives, pool, GFP_NOIO)
    return story


# == The bugs ==========================================================================================

BUGS = (
    Bug("first try starts I/O",
        "Patch D0, 14 December 2001, a deadlock pointed out by Arjan van de Ven: the first try, which is not to sleep, "
        "still had leave to start I/O. The record does not say what hung.",
        "A driver allocates while it holds its device, and the I/O that the first try starts needs that device. The "
        "device is our choice.",
        "a promise is broken", lambda: first_try("2.5.1-pre11"), lambda: first_try("2.5.1")),
    Bug("task state too early",
        "Noticed by Andrew Morton, patch D2, 14 December 2001: the disk's task queue was run when the task was "
        "already marked as asleep.",
        "Pool of 1, its element in a request that nobody has started; the driver may let others run first, and a task "
        "marked asleep does not come back from that. Whether a driver of then did so is not recorded.",
        "deadlock", lambda: state_too_early(True), lambda: state_too_early(False)),
    Bug("killed instead of waiting",
        "Andrew Morton, 15 September 2002, kernel history 77b7d68e3c9: a caller without FS cannot make reclaim "
        "succeed, insisted all the same, and was killed for want of memory.",
        "Pool of 1, two tasks without FS, an allocator that kills whom it cannot help.",
        "a promise is broken", lambda: killed("2.5.1"), lambda: killed("September 2002")),
    Bug("mask compared",
        "Hugh Dickins, 14 December 2002, kernel history f3e10f8cab1: whether a caller may sleep was told by comparing "
        "his mask with that of the first try, which lacks IO as well.",
        "Pool of 1 that may be empty, and a caller with IO but without WAIT.",
        "a promise is broken", lambda: mask_test(ByComparison), lambda: mask_test(Mempool)),
)
