"""Each subtle line of Mempool removed or swapped once: the explorer names the harm, under every schedule."""

import pytest

from kit.drivers.small_worlds import Refusing
from kit.gfp import GFP_ATOMIC, GFP_KERNEL, WAIT
from kit.machine.explore import explore
from kit.memory import mempool
from kit.memory.mempool import MAIL, Mempool, Rung
from kit.traps import let_go, might_sleep, never_sleeps, sleep, step


async def borrower(pool):
    element = await pool.alloc(GFP_KERNEL)
    await step("use it")
    await pool.free(element)


async def give_back(pool, element):
    await pool.free(element)


async def atomic(pool):
    assert await pool.alloc(GFP_ATOMIC) is None
    assert await pool.alloc(GFP_ATOMIC) is None


def two_borrowers(pool_class):
    """Two tasks, one element: somebody has to wait for the other."""
    def story(machine):
        pool = pool_class.create(1, Refusing(1))
        machine.spawn("A", borrower, pool)
        machine.spawn("B", borrower, pool)
        return lambda: check_when_over(machine, pool)
    return story


def two_frees(pool_class):
    """Two elements come back at once to a pool that lacks one."""
    def story(machine):
        pool = pool_class.create(1, Refusing(2))
        held = pool.alloc(), pool.alloc()
        for name, element in zip("AB", held, strict=True):
            machine.spawn(name, give_back, pool, element)
        return lambda: check_when_over(machine, pool)
    return story


def one_who_may_not_wait(pool_class):
    """An atomic caller finds nothing anywhere."""
    def story(machine):
        machine.spawn("A", atomic, pool_class.create(0, Refusing(0)))
    return story


def in_an_interrupt(pool_class):
    """The same from an interrupt."""
    def story(machine):
        pool = pool_class.create(0, Refusing(0))
        machine.spawn("A", idle)
        machine.interrupt("card", atomic, pool)
    return story


async def idle():
    await step("idle")


def check_when_over(machine, pool):
    assert len(pool.elements) <= pool.min_nr, "the pool holds more than it should keep"
    if all(task.finished for task in machine.tasks):
        assert len(pool.elements) == pool.min_nr, "everything was given back, and the pool is not full"


# == The mutants ===================================================================================


@Rung
@might_sleep
async def blind(pool, gfp):
    """QUEUE without the second look."""
    with pool.wait.queued():
        await step("look again")
        await sleep(pool.wait)


class NoSecondLook(Mempool):
    def __init__(self, *args, **policy):
        super().__init__(*args, ladder=(*MAIL[:-1], blind), **policy)


class NoSecondTest(Mempool):
    def _put(self, element):
        with self.lock:
            self.elements.append(element)
        return True


class WakesNobody(Mempool):
    def __init__(self, *args, **policy):
        super().__init__(*args, wake=lambda queue: None, **policy)


class WakesBeforePut(Mempool):
    @never_sleeps
    async def free(self, element):
        let_go(element, of=self)
        self.wake(self.wait)
        await step("refill")
        if not self._put(element):
            await self.backing.free(element)


class GivesBackFirst(Mempool):
    @never_sleeps
    async def free(self, element):
        let_go(element, of=self)
        await step("free")
        await self.backing.free(element)


class NeverSaysNo(Mempool):
    """`if not gfp & WAIT: return None` left out."""

    @might_sleep
    async def alloc(self, gfp=GFP_KERNEL):
        while True:
            for rung in self.ladder:
                if rung.sleeps and not gfp & WAIT:
                    continue
                await step(rung)
                element = await rung(self, gfp)
                if element is not None:
                    return self._hand_out(element, rung)


class ClimbsEveryRung(Mempool):
    """`if rung.sleeps and not gfp & WAIT: continue` left out."""

    @might_sleep
    async def alloc(self, gfp=GFP_KERNEL):
        for rung in self.ladder:
            await step(rung)
            element = await rung(self, gfp)
            if element is not None:
                return self._hand_out(element, rung)


MUTANTS = [
    (NoSecondLook, two_borrowers, "deadlock"),
    (WakesNobody, two_borrowers, "deadlock"),
    (WakesBeforePut, two_borrowers, "deadlock"),
    (GivesBackFirst, two_borrowers, "deadlock"),
    (NoSecondTest, two_frees, "an invariant is false"),
    (NeverSaysNo, one_who_may_not_wait, "no progress"),
    (ClimbsEveryRung, in_an_interrupt, "a promise is broken"),
]


@pytest.mark.parametrize("mutant, story, harm", MUTANTS, ids=lambda value: getattr(value, "__name__", None))
def test_without_the_line_the_explorer_names_the_harm(mutant, story, harm):
    assert explore(story(mutant)).verdict == harm


@pytest.mark.parametrize("story", [two_borrowers, two_frees, one_who_may_not_wait, in_an_interrupt])
def test_with_it_there_is_none_under_any_schedule(story):
    result = explore(story(Mempool))
    assert result.verdict == "none" and result.exhaustive


def test_the_look_without_the_lock_is_for_speed_alone():
    """`free` asks first without the lock: without that question nothing hangs, but every free takes the lock."""
    class AlwaysLocks(Mempool):
        @never_sleeps
        async def free(self, element):
            await step("refill")
            if self._put(element):
                await step("wake")
                self.wake(self.wait)
            else:
                await self.backing.free(element)

    assert explore(two_borrowers(AlwaysLocks)).verdict == explore(two_frees(AlwaysLocks)).verdict == "none"
    taken = []
    for pool_class in (Mempool, AlwaysLocks):
        pool = pool_class.create(1, Refusing(2))
        before = pool.lock.acquisitions
        pool.free(pool.alloc())
        taken.append(pool.lock.acquisitions - before)
    assert taken == [0, 1]


def test_waiting_starts_again_at_the_top():
    """Whoever was woken climbs anew: taking the element it was woken for without a look would take another's."""
    @Rung
    @might_sleep
    async def trusting(pool, gfp):
        with pool.wait.queued():
            await step("look again")
            if not pool.elements:
                await sleep(pool.wait)
        return pool.elements.pop()

    class Trusting(Mempool):
        def __init__(self, *args, **policy):
            super().__init__(*args, ladder=(mempool.ask, mempool.drain, trusting), **policy)

    def three(machine):
        pool = Trusting.create(1, Refusing(1))
        for name in "ABC":
            machine.spawn(name, borrower, pool)

    assert explore(three).verdict == "a promise is broken"
