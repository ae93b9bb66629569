"""forms: mempool as it was at each time, each a ladder and policies over the kit's own Mempool.

The problem.  "Mempool" has meant a dozen different things since 2001, and a bug is only a bug of some.
The idea.  No copies: a form is what differs, that is the ladder, the ladder of later climbs, who is
woken and how long a sleep lasts.  `FORMS["2.5.1"].create(2, backing)` gives such a pool.
The promise.  What is changed is said with its source.  Reading the order of steps off each version
is the record; that these rungs say the same is ours, and for 2.5.1 it is checked: `straight_line`
tells that allocation once more, in one piece, and the explorer finds no difference (tests).
Beside it: mm/mempool.c, from 2.5.1-pre10 (December 2001) to 3.3 (2012), and of 6.19 (2025).
Left out: NORETRY and NOMEMALLOC (since 2005) speak of the page allocator and not of the pool, which
is why the forms since 2005 stand, in Linux, on an allocator that may say no; the flusher that was
woken before each look until 2005 (`kick`) and the disk's task queue (`unplug`) are what the story
gives; the task state that pre10 and pre11 set too early, which matters only where a driver may let
others run (museum/callers.py); memory barriers (2004), which need finer steps than the machine has.
"""

from dataclasses import dataclass

from kit.errors import BadInput
from kit.gfp import FS, GFP_ATOMIC, IO, WAIT
from kit.locks import WaitQueue
from kit.machine.core import SECOND
from kit.memory.mempool import LINUX_2_5_1, MAIL, Mempool, Rung, ask, drain, insist, insist_below_half, queue
from kit.traps import hold, might_sleep, never_sleeps, sleep, step

# == Rungs that only old forms have ==================================================================


@Rung
@never_sleeps
async def ask_with_io(pool, gfp):
    """Ask without sleeping, but leave the permission to start I/O in the mask (until D0)."""
    return await pool.backing.try_alloc(gfp & ~WAIT)


@Rung
@might_sleep
async def drain_for_sleepers(pool, gfp):
    """Take from the pool, but only for callers who may sleep: it is this mark that keeps the others out (until D1)."""
    return pool.take()


@Rung
@might_sleep
async def insist_with_fs(pool, gfp):
    """As 2.5.1 insists, but only for callers whom reclaim may take into a file system (since September 2002)."""
    if gfp & FS:
        return await insist_below_half(pool, gfp)


# == The forms =======================================================================================


@dataclass(frozen=True)
class Form:
    """One historical form: when, what changed, where that is recorded, and what makes a Mempool be it."""

    name: str
    date: str
    source: str
    changed: str
    ladder: tuple
    again: tuple = None
    wake: object = WaitQueue.wake_one
    timeout: int = None

    def create(self, min_nr, backing, **more):
        """A filled pool of this form; awaited inside a task, at once at the prompt.  OutOfMemory as Mempool.create."""
        return Mempool.create(min_nr, backing, ladder=self.ladder, again=self.again, wake=self.wake,
                              timeout=self.timeout, **more)


_SEPTEMBER = (ask, insist_with_fs, drain, queue)
_SIMPLE, _SIMPLE_AGAIN = (ask, drain, queue), (insist, drain, queue)

FORMS = {form.name: form for form in (
    Form("2.5.1-pre10", "December 2001", "kernel history 6c22d6f3",
         "The first: an atomic caller whom the allocator refuses is told no, and the pool is not looked at.",
         (ask_with_io, insist_below_half, drain_for_sleepers, queue)),
    Form("2.5.1-pre11", "13 December 2001", "kernel history aaa4517a",
         "A pool can be resized; allocation is as in pre10.",
         (ask_with_io, insist_below_half, drain_for_sleepers, queue)),
    Form("2.5.1", "16 December 2001", "kernel history 7381c636; patches D0 to D2, linux-kernel, 14 December 2001",
         "The first try may not start I/O, and atomic callers are served from the pool.",
         LINUX_2_5_1),
    Form("mail", "15 December 2001", "Ingo Molnar, linux-kernel: the five levels",
         "Never a kernel: the order as the mail tells it, in which a pool exactly half full is used.",
         MAIL),
    Form("insist first", "never", "the kit's own, to compare with",
         "The mail's ladder without SKIM: the blocking call always comes before the pool.",
         (ask, insist, drain, queue)),
    Form("pool first", "never", "the kit's own, to compare with",
         "The mail's ladder without `half full`: the pool is used while anything is in it, and only then one insists.",
         (ask, drain, insist, queue)),
    Form("never insist", "never", "the kit's own, to compare with",
         "Nobody sleeps in the allocator beneath, only on the pool.",
         (ask, drain, queue)),
    Form("September 2002", "15 September 2002", "Andrew Morton, kernel history 77b7d68e3c9",
         "Callers without FS no longer insist: they could not make reclaim succeed, and were killed.",
         _SEPTEMBER),
    Form("October 2002", "4 October 2002", "Andrew Morton, kernel history ca91e95a868",
         "A free that refills the pool wakes everybody who waits, not one.",
         _SEPTEMBER, wake=WaitQueue.wake_all),
    Form("2004", "11 March 2004", "Chris Mason, kernel history 8e76f99c4f7",
         "Memory barriers around the unlocked looks: nothing changes where steps are sequentially consistent, as here.",
         _SEPTEMBER, wake=WaitQueue.wake_all),
    Form("2005", "May 2005, 2.6.12", "Nick Piggin, Linux commit 20a77776c248",
         "The half-full rule is gone: pool first, and only who has slept once asks with permission to sleep.",
         _SIMPLE, _SIMPLE_AGAIN, wake=WaitQueue.wake_all),
    Form("2006", "September 2006, 2.6.18", "Pavel Mironchik and Andrew Morton, Linux commit 0b1d647a02c5",
         "Nobody sleeps on the pool for more than five seconds before looking again.",
         _SIMPLE, _SIMPLE_AGAIN, wake=WaitQueue.wake_all, timeout=5 * SECOND),
    Form("2012", "January 2012, 3.3", "Tejun Heo, Linux commit 1ebb70449a21 (number from memory)",
         "After the first look into an empty pool one asks with permission to sleep, before anybody waits.",
         (ask, drain), _SIMPLE_AGAIN, wake=WaitQueue.wake_all, timeout=5 * SECOND),
    Form("6.19", "November 2025", "Christoph Hellwig, pull request of 30 November 2025",
         "One element is had as in 2012; several are had with `bulk`, all or none from the pool.",
         (ask, drain), _SIMPLE_AGAIN, wake=WaitQueue.wake_all, timeout=5 * SECOND),
)}


# == Several at once, since 6.19 ======================================================================


@might_sleep
async def bulk(pool, count):
    """`count` elements: what the allocator gives at once, and the rest from the pool, all of it or none.

    Sleeps until the pool has all that is missing, so the pool must wake everybody.  Left out: the
    five seconds after which Linux looks again, so that no timer hides a hang.  BadInput if the pool can
    never have so many.  Source: mempool_alloc_bulk(), Christoph Hellwig, November 2025.
    """
    if count > pool.min_nr:
        raise BadInput(f"{pool} keeps {pool.min_nr} elements back, and never has {count} at once.")
    held = []
    while True:
        await step("bulk")
        while len(held) < count and (element := await pool.backing.try_alloc(GFP_ATOMIC)) is not None:
            hold(element, of=pool)
            held.append(element)
        await step("the rest from the pool")
        held += _all_or_none(pool, count - len(held))
        if len(held) == count:
            return held
        with pool.wait.queued():
            await step("look again")
            if len(pool.elements) < count - len(held):
                await sleep(pool.wait)


def _all_or_none(pool, missing):
    """So many elements of the pool in one instant, or an empty list."""
    if len(pool.elements) < missing:
        return []
    taken = [pool.take() for _ in range(missing)]
    for element in taken:
        hold(element, of=pool)
    return taken


# == 2.5.1 once more, in one piece =====================================================================


class StraightLine(Mempool):
    """A pool whose alloc follows 2.5.1 from top to bottom, without a ladder; to hold the ladder against."""

    @might_sleep
    async def alloc(self, gfp):
        """An element, or None for a caller without WAIT.  Source: mempool_alloc() of 2.5.1, in the kit's own words."""
        quick = gfp & ~(WAIT | IO)
        while True:
            await step("first try")
            element = await self.backing.try_alloc(quick)
            if element is not None:
                return self._hand_out(element, ask)
            if gfp & WAIT:
                await step("half full?")
                if len(self.elements) <= self.min_nr // 2:
                    element = await self.backing.alloc(gfp)
                    if element is not None:
                        return self._hand_out(element, insist_below_half)
            await step("the pool")
            element = self.take()
            if element is not None:
                return self._hand_out(element, drain)
            if not gfp & WAIT:
                return None
            await step("wait")
            self.unplug()
            with self.wait.queued():
                await step("look again")
                if not self.elements:
                    await sleep(self.wait, self.timeout)


def straight_line(min_nr, backing, **more):
    """A filled pool of 2.5.1 whose allocation is told in one piece."""
    return StraightLine.create(min_nr, backing, ladder=LINUX_2_5_1, **more)


def check():
    """Each form differs from the one before it in what it says it changed; read as a sentence."""
    assert FORMS["2.5.1-pre10"].ladder == FORMS["2.5.1-pre11"].ladder
    assert FORMS["October 2002"].ladder == FORMS["September 2002"].ladder
    assert FORMS["2006"].ladder == FORMS["2005"].ladder and FORMS["2006"].timeout == 5 * SECOND
