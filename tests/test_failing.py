"""failing: which allocations fail, through every door, and that nothing is lost wherever one fails."""

import copyreg
import pickle
import random

import pytest

from kit.errors import BadInput
from kit.gfp import GFP_ATOMIC, GFP_KERNEL, HIGHMEM, WAIT
from kit.machine.core import Machine
from kit.memory.failing import Failing, chosen, nth, seeded
from kit.memory.mempool import Mempool, OutOfMemory, Rung
from kit.memory.slab import Cache
from kit.memory.zones import MB, Pages, Zone

# == Which ones fail =================================================================================


def doors(pages):
    """The three ways to ask, by name."""
    return {"take": pages.take, "try_alloc": pages.try_alloc, "alloc": pages.alloc}


@pytest.mark.parametrize("door", ["take", "try_alloc", "alloc"])
def test_the_nth_fails_and_no_other(door):
    pages = Failing(Pages(4 * MB), nth(3))
    assert [doors(pages)[door]() is None for _ in range(6)] == [False, False, True, False, False, False]
    assert pages.failed == 1 and pages.free_pages == 4 * MB - 5


def test_all_doors_are_counted_together():
    pages = Failing(Pages(4 * MB), nth(3))
    assert [pages.take(), pages.alloc(), pages.try_alloc()][2] is None


def test_the_order_and_the_mask_reach_the_allocator():
    pages = Failing(Pages(1024 * MB), nth(99))
    page = pages.alloc(GFP_KERNEL | HIGHMEM, 3)
    assert pages.zone_of(page).name == "HIGHMEM"
    pages.free(page, 3)
    pages.put(pages.take(HIGHMEM, 2), 2)
    pages.check()
    assert pages.free_pages == pages.total_pages


def failures(probability, seed, requests=4000):
    pages = Failing(Pages(64 * MB), seeded(probability, seed))
    return [pages.take() is None for _ in range(requests)]


def test_a_seed_decides_which_ones_and_the_probability_how_many():
    assert failures(0.1, seed=1) == failures(0.1, seed=1) != failures(0.1, seed=2)
    assert sum(failures(0.1, seed=1)) == pytest.approx(400, abs=60)        # three standard deviations are 57
    assert sum(failures(0, seed=1)) == 0 and sum(failures(1, seed=1)) == 4000


def test_the_world_decides():
    """At the prompt and without a seed the ordinary answer: it succeeds.  Told so by a schedule, it fails."""
    pages = Failing(Pages(4 * MB), chosen)
    assert pages.take() is not None

    async def asks():
        return [await pages.try_alloc(), pages.take()]

    for schedule, failed in (("A0A0", "00"), ("A0A1", "01"), ("A10", "10"), ("A11", "11")):
        machine = Machine()
        task = machine.spawn("A", asks)
        machine.run(schedule)
        assert "".join(str(int(page is None)) for page in task.result) == failed


def test_a_failed_request_never_reaches_the_allocator_and_never_sleeps():
    pages = Failing(Pages(zones=[Zone("NORMAL", 0, 8)]), seeded(1, seed=0))
    assert pages.alloc(GFP_KERNEL, 3) is None
    assert not pages.zones[0].need_balance


def test_it_stands_beneath_caches_and_pools():
    pages = Failing(Pages(4 * MB), nth(1))
    with pytest.raises(OutOfMemory):
        Mempool.create(4, pages)
    pool = Mempool.create(4, pages)
    cache = Cache("thing", 100, Failing(pages.backing, nth(1)))
    assert cache.take() is None and cache.take() is not None
    assert pool.alloc() is not None


@pytest.mark.parametrize("senseless", [lambda: nth(0), lambda: nth(-1), lambda: seeded(1.1, 0), lambda: seeded(-1, 0)])
def test_senseless_failures_are_refused(senseless):
    with pytest.raises(BadInput):
        senseless()


# == Nothing is lost, wherever one fails =============================================================


DICE = random.Random(2001).choices(range(5040), k=99_991)
copyreg.pickle(Rung, lambda rung: rung.function.__name__)      # a copied pool climbs the same ladder


class Workload:
    """Pages of several orders, objects of two caches and elements of a pool, taken and given back at random.

    Every request that can fail goes through one Failing, so that any of them can be picked.
    """

    def __init__(self):
        self.drawn = 0
        self.pages = Failing(Pages(zones=[Zone("DMA", 0, 64, pages_min=2, max_order=5),
                                          Zone("NORMAL", 64, 192, pages_min=6, max_order=5)]), nth(10 ** 9))
        self.caches = [Cache("small", 120, self.pages), Cache("large", 900, self.pages)]
        self.pool = Mempool.create(4, self.pages)
        self.pages_held, self.objects_held, self.elements_held = [], [], []

    @property
    def asked(self):
        return self.pages.fails.seen

    def draw(self, sides):
        """A number below `sides`; where it comes from is one int, so that a snapshot is small."""
        self.drawn += 1
        return DICE[self.drawn % len(DICE)] % sides

    def one_operation(self):
        kind = self.draw(6)
        if kind == 0:
            order, gfp = (0, 0, 0, 1, 2)[self.draw(5)], (GFP_ATOMIC, 0, WAIT)[self.draw(3)]
            page = self.pages.take(gfp, order)
            if page is not None:
                self.pages_held.append((page, order))
        elif kind == 1:
            cache = self.caches[self.draw(2)]
            obj = cache.take()
            if obj is not None:
                self.objects_held.append((cache, obj))
        elif kind == 2:
            element = self.pool.try_alloc()
            if element is not None:
                self.elements_held.append(element)
        else:
            self._give_one_back((self.pages_held, self.objects_held, self.elements_held)[kind - 3])

    def _give_one_back(self, held):
        if not held:
            return
        thing = held.pop(self.draw(len(held)))
        if held is self.pages_held:
            self.pages.put(*thing)
        elif held is self.objects_held:
            thing[0].put(thing[1])
        else:
            self.pool.free(thing)

    def check(self):
        """Free pages, pages held, pages in slabs and pages in the pool are all pages there are."""
        held = sum(1 << order for _, order in self.pages_held) + len(self.elements_held) + len(self.pool.elements)
        slabs = sum(cache.pages_held for cache in self.caches)
        assert self.pages.free_pages + held + slabs == self.pages.total_pages

    def give_all_back(self):
        for held in (self.pages_held, self.objects_held, self.elements_held):
            while held:
                self._give_one_back(held)
        self.check()
        self.pages.check()
        self.pool.check()
        assert len(self.pool.elements) == 4


@pytest.mark.slow
def test_nothing_is_lost_when_any_of_the_first_10_000_allocations_fails():
    """Each failure starts from a snapshot taken right before it; then 8 more operations, and all is given back."""
    workload, injected = Workload(), 0
    while injected < 10_000:
        asked, snapshot = workload.asked, pickle.dumps(workload)
        workload.one_operation()
        workload.check()
        for later in range(workload.asked - asked):
            branch = pickle.loads(snapshot)
            branch.pages.fails.n = asked + later + 1
            for _ in range(8):
                branch.one_operation()
                branch.check()
            assert branch.pages.failed == 1
            branch.give_all_back()
            injected += 1
    assert workload.asked >= 10_000
