"""One allocation fails, each in its turn: under whatever supply, nothing is lost and the end has a name."""

from itertools import count

import pytest
from accounts import balance, beneath

from kit.drivers.bio import Bios, BlockDevice
from kit.drivers.raid1 import Raid1
from kit.drivers.stories import Pressure
from kit.drivers.supply import SUPPLIES
from kit.machine.core import MICROSECOND, MILLISECOND, Machine
from kit.machine.disk import Disk
from kit.memory.failing import Failing, nth
from kit.memory.kmalloc import CacheChain, Kmalloc
from kit.memory.mempool import OutOfMemory
from kit.memory.zones import Pages, Zone

TIGHT = {"stack": ("bounce", "raid1"), "lowmem": 16, "highmem": 8, "pages_min": 2, "cluster": 2, "reserve": 2,
         "writers": 1, "each": 26, "cpus": 2, "service_ns": 20 * MICROSECOND, "direct": 1, "segments": 2, "rounds": 1}


def each_fails_once(run):
    """run(fails) for the first allocation, the second ... until the run makes no such allocation; how each ended."""
    ends = []
    for n in count(1):
        fails = nth(n)
        end = run(fails)
        if fails.seen < n:
            assert end == "finished", "nothing has failed, so this is the ordinary run"
            return ends
        ends.append(end)


def end_of(story):
    """How the story ends, its books checked by name, and again when all is abandoned."""
    outcome = story.run(until=20 * MILLISECOND)
    story.check()
    balance(story)
    if outcome.verdict == "finished":
        assert story.out() == 0 and not any(task.holds for task in story.machine.tasks)
    story.machine.close()
    balance(story)
    return outcome.verdict


# == Beneath the pools =============================================================================


def failing_below(supply, fails):
    """That supply, over allocators that fail when `fails` says so."""
    def of_pages(pages):
        made = SUPPLIES[supply](pages)
        source = made._source
        made._source = lambda name, backing, min_nr: source(name, Failing(backing, fails), min_nr)
        made.part = lambda backing: Failing(backing, fails)
        return made
    return of_pages


@pytest.mark.slow
@pytest.mark.parametrize("supply", ["plain", "private", "mempool", "mempool-2.5.1"])
def test_one_element_is_refused(supply):
    def run(fails):
        try:
            story = Pressure(supply=failing_below(supply, fails), **TIGHT)
        except OutOfMemory:
            return "no pool"
        return end_of(story)

    ends = each_fails_once(run)
    assert len(ends) > 60 and set(ends) <= {"finished", "no pool", "hung"}
    assert ends.count("no pool") == (0 if supply == "plain" else 10), "each element that is kept back, once"
    assert "hung" not in ends or supply == "private"


# == In the zones ==================================================================================


@pytest.mark.slow
@pytest.mark.parametrize("supply", list(SUPPLIES))
def test_one_page_is_refused(supply):
    def run(fails):
        story = Pressure(supply=supply, **TIGHT)
        for zone in story.pages.zones:
            zone.take = lambda order, zone=zone, take=zone.take: None if fails(zone) else take(order)
        return end_of(story)

    assert set(each_fails_once(run)) == {"finished"}


# == A composite element ===========================================================================


class Resync:
    """An array over two disks that is about to have its resync buffers, of which each part may be refused."""

    def __init__(self, fails):
        self.machine = Machine()
        self.pages = Pages(zones=[Zone("NORMAL", 0, 128, pages_min=0, max_order=7)])
        self.chain = CacheChain(self.pages)
        self.supply = failing_below("mempool", fails)(self.pages)
        self.bios = Bios(self.supply, self.chain, 4, (2, 0, 2, 0, 0, 0))
        disks = [BlockDevice(Disk(self.machine, name)) for name in ("one", "two")]
        self.raid = Raid1(disks, self.bios, self.supply, Kmalloc(self.pages, self.chain), self.pages, min_nr=2)

    def books(self):
        """What is in use and in no pool: pages, and objects of each cache."""
        self.chain.check()
        self.supply.check()
        in_use = {cache: len(cache.live) for cache in self.chain.caches}
        in_use[self.pages] = self.pages.total_pages - self.pages.free_pages - self.chain.pages_held
        for pool in self.supply.sources:
            if beneath(pool) in in_use:
                in_use[beneath(pool)] -= len(pool.elements)
        return in_use


@pytest.mark.parametrize("nested", [True, False])
def test_one_part_of_a_resync_buffer_is_refused(nested):
    """A buffer is had whole or not at all, when it is made and when it is used."""
    def run(fails):
        story = None            # while it is set up nothing fails
        story = Resync(lambda backing: story is not None and fails(backing))
        before = story.books()
        try:
            story.raid.start_resync(nested, buffers=2)
        except OutOfMemory:
            assert story.books() == before
            return "no buffers"
        before = story.books()
        task = story.machine.spawn("resync", story.raid.resync)
        story.machine.run()
        assert story.books() == before and not task.holds
        return "finished"

    ends = each_fails_once(run)
    assert set(ends) == {"no buffers", "finished"}
