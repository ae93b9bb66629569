"""A naive slab allocator beside ours: the same calls, on several CPUs, have to give the same addresses.

The naive one is written as the C of 2.5.1 reads: linked lists with a head and a tail, indices that say
which object is free next, one object at a time.  It has its own page allocator of the same kind.
"""

from contextlib import contextmanager

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kit import traps
from kit.gfp import GFP_ATOMIC
from kit.memory.failing import Failing
from kit.memory.slab import Cache
from kit.memory.zones import PAGE_SIZE, Pages, Zone

CPUS = st.integers(0, 2)


@contextmanager
def on_cpu(number):
    """What runs in the block runs on that CPU."""
    before, traps.current = traps.current, traps.Task(f"cpu{number}", cpu=traps.Cpu(number), world=traps.World())
    try:
        yield
    finally:
        traps.current = before


def few_pages(count=16):
    return Pages(zones=[Zone("NORMAL", 0, count, pages_min=0)])


class NaiveSlab:
    def __init__(self, page, layout, colour):
        self.page, self.first, self.in_use, self.size = page, page * PAGE_SIZE + colour + layout.front, 0, layout.size
        self.next_free = 0
        self.after = [number + 1 for number in range(layout.objects)]      # the last one leads to no object


class NaiveCache:
    def __init__(self, layout, pages, limit):
        self.layout, self.pages, self.limit, self.batch = layout, pages, limit, (limit + 1) // 2
        self.full, self.partial, self.free = [], [], []     # head first
        self.arrays = {0: [], 1: [], 2: []}
        self.colour = 0

    def take(self, cpu):
        array = self.arrays[cpu]
        if not array:
            self.refill(array)
        if not array and self.grow():
            self.refill(array)
        return array.pop() if array else None

    def refill(self, array):
        for _ in range(max(self.batch, 1)):
            if not self.partial:
                if not self.free:
                    return
                self.partial.insert(0, self.free.pop(0))
            array.append(self.take_one(self.partial[0]))

    def take_one(self, slab):
        number, slab.next_free = slab.next_free, slab.after[slab.next_free]
        slab.in_use += 1
        if slab.in_use == self.layout.objects:
            self.partial.remove(slab)
            self.full.insert(0, slab)
        return slab.first + number * slab.size

    def put(self, cpu, obj):
        array = self.arrays[cpu]
        if self.limit == 0:
            return self.put_one(obj)
        if len(array) == self.limit:
            returned = array[self.limit - self.batch:]
            del array[self.limit - self.batch:]
            for each in returned:
                self.put_one(each)
        array.append(obj)

    def put_one(self, obj):
        slab = next(slab for slab in self.slabs() if slab.first <= obj < slab.first + self.layout.objects * slab.size)
        number = (obj - slab.first) // slab.size
        slab.after[number], slab.next_free = slab.next_free, number
        was_full = slab.in_use == self.layout.objects
        slab.in_use -= 1
        if slab.in_use == 0:
            (self.full if was_full else self.partial).remove(slab)
            self.free.insert(0, slab)
        elif was_full:
            self.full.remove(slab)
            self.partial.insert(0, slab)

    def grow(self):
        page = self.pages.take(GFP_ATOMIC, self.layout.order)
        if page is None:
            return False
        self.free.append(NaiveSlab(page, self.layout, self.colour * self.layout.colour_step))
        self.colour += 1
        if self.colour == self.layout.colours:
            self.colour = 0
        return True

    def drain(self, cpu):
        for obj in self.arrays[cpu]:
            self.put_one(obj)
        self.arrays[cpu] = []

    def release(self, count):
        for _ in range(count):
            if self.free:
                self.pages.put(self.free.pop().page, self.layout.order)

    def slabs(self):
        return self.full + self.partial + self.free


class SameAddresses(RuleBasedStateMachine):
    """Whatever is called in whatever order: same addresses, same lists, nothing lost."""

    @initialize(size=st.sampled_from([60, 300, 1000, 1300, 3000, 9000]), limit=st.sampled_from([0, 1, 2, 5, 8]))
    def boot(self, size, limit):
        self.fails = False
        self.cache = Cache("ours", size, Failing(few_pages(), lambda pages: self.fails), limit=limit)
        self.naive = NaiveCache(self.cache.geometry, Failing(few_pages(), lambda pages: self.fails), limit)
        self.objects = []

    @rule(cpu=CPUS, count=st.integers(1, 12))
    def take(self, cpu, count):
        with on_cpu(cpu):
            for _ in range(count):
                obj = self.cache.take()
                assert obj == self.naive.take(cpu)
                if obj is not None:
                    self.objects.append(obj)

    @rule(cpu=CPUS, picks=st.lists(st.integers(0, 10**6), min_size=1, max_size=12))
    def put(self, cpu, picks):
        with on_cpu(cpu):
            for pick in picks[:len(self.objects)]:
                obj = self.objects.pop(pick % len(self.objects))
                self.cache.put(obj)
                self.naive.put(cpu, obj)

    @rule(fails=st.booleans())
    def let_pages_fail(self, fails):
        self.fails = fails

    @rule(cpu=CPUS)
    def drain(self, cpu):
        with on_cpu(cpu):
            self.cache.drain()
        self.naive.drain(cpu)

    @rule(count=st.integers(0, 3))
    def release(self, count):
        self.cache.release(count)
        self.naive.release(count)

    @invariant()
    def nothing_is_lost(self):
        if hasattr(self, "cache"):
            self.cache.check()
            self.cache.pages.check()
            assert self.cache.pages_held + self.cache.pages.free_pages == 16
            line, each = self.cache.slabinfo(), self.cache.geometry.objects
            in_arrays = sum(len(array) for array in self.cache.arrays)
            in_slabs = line.objects - line.active_objects
            assert len(self.objects) + in_arrays + in_slabs == line.slabs * each

    @invariant()
    def the_lists_are_the_same(self):
        if hasattr(self, "cache"):
            slabs = self.cache.slabs
            assert [slab.pfn for slab in reversed(slabs.full.values())] == [slab.page for slab in self.naive.full]
            assert [slab.pfn for slab in reversed(slabs.partial.values())] == [slab.page for slab in self.naive.partial]
            assert [slab.pfn for slab in reversed(slabs.free)] == [slab.page for slab in self.naive.free]


TestSameAddresses = SameAddresses.TestCase
TestSameAddresses.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


@pytest.mark.slow
class TestSameAddressesAtLength(SameAddresses.TestCase):
    settings = settings(max_examples=400, stateful_step_count=60, deadline=None)
