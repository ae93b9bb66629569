"""Each subtle line of the block layer and the drivers changed once: which story notices, and as what."""

import random
from collections import Counter
from contextlib import suppress
from functools import partial

import pytest
from accounts import balance, held
from rewriting import line_of, tells_the_harm
from test_pressure_properties import change_some
from versions import Versions

from kit.drivers import bio, composite, highmem, raid1
from kit.drivers.bio import BIO_MAX_PAGES, Bios, BlockDevice
from kit.drivers.composite import Composite
from kit.drivers.highmem import Bounce
from kit.drivers.raid1 import Raid1
from kit.drivers.stories import Pressure
from kit.drivers.supply import SUPPLIES
from kit.gfp import GFP_ATOMIC
from kit.machine.core import MICROSECOND, Machine, NoEnd
from kit.machine.disk import Disk
from kit.machine.explore import explore
from kit.memory.kmalloc import CacheChain, Kmalloc
from kit.memory.promises import Refusing
from kit.memory.zones import Pages, Zone

# == Stories: each raises something when there is harm ==============================================


def pressure(supply="mempool", stack=("bounce", "raid1"), schedules=4, fails=lambda bio: False, **setting):
    """Memory full of dirty pages, under some schedules: nothing is lost, and all is given back before the end."""
    what = {"lowmem": 16, "highmem": 0, "pages_min": 2, "reserve": 4, "cluster": 4, "writers": 1, "each": 24,
            "cpus": 2, "service_ns": 20 * MICROSECOND} | setting
    for seed in range(schedules):
        story = Pressure(supply=supply, stack=stack, fails=fails, **what)
        versions, dice = Versions(story), random.Random(seed)
        pick = dice.choice if seed else None
        story.machine.spawn("mapper", change_some, story.cache, [dice.randrange(24) for _ in range(20)])
        while not all(task.finished or task.daemon for task in story.machine.tasks):
            with suppress(NoEnd):
                story.machine.run(pick=pick, turns=20)
            balance(story)
            versions.check()
            assert len(story.machine.schedule) < 6_000, "they go round for ever"
        assert story.cache.writing or not held(story), "all tasks have ended, and not all is given back"
        story.machine.spawn("settle", story._settle)
        story.machine.run(pick=pick)
        assert not held(story), "all tasks have ended, and not all is given back"


def dead_mirror():
    """One of two mirrors fails always: the other has every page, and all end."""
    pressure(stack=("raid1",), fails=lambda bio: bio.owner.clones[0] is bio, schedules=1)


def bounces_fail():
    """Every third bio fails, and what it carried is written again."""
    pressure(stack=("bounce",), highmem=8, fails=every(3))


def every(nth):
    served = []

    def fails(bio):
        served.append(bio)
        return len(served) % nth == 0
    return fails


def direct(stack):
    """Two tasks that write two pages each, and wait for it."""
    pressure(stack=stack, writers=0, direct=2, segments=2, rounds=1, schedules=40)


def mixed(supply="mempool"):
    """One request for pages of which some are out of the disk's reach, and some are not."""
    pressure(supply, ("bounce",), highmem=2, pages_min=0, writers=0, direct=1, segments=4, rounds=2)


def vector_refused():
    """A bio is there and a vector is not, for somebody who may not wait."""
    pages = Pages(zones=[Zone("NORMAL", 0, 4, pages_min=0, max_order=2)])
    bios = Bios(SUPPLIES["mempool"](pages), CacheChain(pages), bios=1, vecs=(0,) * 6)
    while pages.take() is not None:
        pass
    assert bios.alloc(GFP_ATOMIC) is None
    assert len(bios.bio_cache.live) == 1 == len(bios.bios.elements), "a bio is lost"


def resync(windows=2, mirrors=3, schedules=8):
    """So many windows are copied at once, again and again, from one disk to the others."""
    for seed in range(schedules):
        machine = Machine(seed=seed)
        pages = Pages(zones=[Zone("NORMAL", 0, 256, pages_min=0, max_order=8)])
        chain, supply = CacheChain(pages), SUPPLIES["mempool"](pages)
        bios = Bios(supply, chain, 4, (2, 0, 2, 0, 0, 0))
        disks = [Disk(machine, f"disk {number}", 20 * MICROSECOND) for number in range(mirrors)]
        raid = Raid1([BlockDevice(disk) for disk in disks], bios, supply, Kmalloc(pages, chain), pages, min_nr=windows)
        raid.start_resync(nested=True, buffers=windows)
        tasks = [machine.spawn(f"resync {number}", copy_windows, raid) for number in range(windows)]
        while not all(task.finished for task in tasks):
            with suppress(NoEnd):
                machine.run(pick=machine.random.choice, turns=3)
            requests = [request for disk in disks for request, _ in disk.waiting]
            assert all(len(request.pages) == BIO_MAX_PAGES for request in requests), "not the whole window is copied"
            clones = {request.element for request in requests if request.vec is None}
            assert clones <= {thing for task in tasks for thing, of in task.holds}, "a disk reads what was given back"
        assert {disk.served for disk in disks} == {3 * windows}
        assert not any(task.holds for task in tasks), "a window is copied, and not all is given back"


def resync_in_reach_of_isa():
    """The disks reach no page of the buffer, and what a window takes was promised beforehand, to the last page."""
    machine = Machine()
    pages = Pages(zones=[Zone("NORMAL", 0, 128, pages_min=0, max_order=7)])
    chain, supply = CacheChain(pages), SUPPLIES["reservation"](pages)
    bios = Bios(supply, chain, 4, (0, 0, 4, 0, 0, 0))
    disks = [Bounce(BlockDevice(Disk(machine, name)), 0, bios, supply, pages, min_nr=16) for name in ("one", "two")]
    raid = Raid1(disks, bios, supply, Kmalloc(pages, chain), pages, min_nr=2)
    raid.start_resync(nested=True, buffers=1)
    machine.spawn("resync", raid.resync)
    machine.run()


async def copy_windows(raid):
    for _ in range(3):
        await raid.resync()


def half_way():
    """The second part of a composite element cannot be had."""
    stock = Refusing(2)
    assert Composite({"there": (stock, 1), "not there": (Refusing(0), 1)}).try_alloc(GFP_ATOMIC) is None
    assert len(stock.stock) == 2, "a part is lost"


def in_many_orders(story, orders=40):
    """The story under so many orders of turns, what it returns held after each turn."""
    for seed in range(orders):
        machine = Machine(seed=seed)
        holds = story(machine) or (lambda: None)
        while not all(task.finished or task.daemon for task in machine.tasks):
            with suppress(NoEnd):
                machine.run(pick=machine.random.choice, turns=1)
            holds()


def explored(story):
    result = explore(story)
    assert result.verdict == "none", str(result)


def one_request(machine):
    """A disk with room for one request, and three who want it."""
    device = BlockDevice(Disk(machine), requests=1)

    for name in "ABC":
        machine.spawn(name, device.submit, Request())
    return lambda: room_is_sound(device)


def room_is_sound(device):
    assert 0 <= device.room <= 1, "there are more requests than the queue has room for"


class Request:
    """Of a bio, as much as a disk knows."""

    explored = ("failed",)

    def __init__(self):
        self.failed = False

    async def end_io(self, _):
        pass


def needs_are_exact():
    """What a write declares is what it has taken when its last bio is at a disk, page by page, in every stack."""
    for stack in (("bounce",), ("raid1",), ("bounce", "raid1"), ("raid1", "bounce"), ("bounce", "raid1", "bounce")):
        for pages in ([3], [16], [3, 20, 21], [4, 5]):
            story = Pressure(supply="plain", stack=stack, lowmem=16, highmem=16, writers=0, daemons=())
            top = story.pageout
            story.machine.spawn("A", top._submit, pages, [], top._direct_written)
            story.machine.run()
            taken = Counter(allocator for allocator, _ in held(story))
            assert taken == top.needs(pages), f"{stack} declares {top.needs(pages)} for {pages}, and takes {taken}"


# == The mutants ===================================================================================

high = partial(pressure, stack=("bounce",), highmem=8)
reserved = partial(pressure, "reservation", highmem=8)
direct_writes = partial(direct, ())
requests = partial(explored, one_request)
mixed_and_reserved = partial(mixed, "reservation")
only_mirror = partial(pressure, stack=("raid1",), mirrors=1, fails=every(3))
six_windows = partial(resync, 6, 2, 60)

MUTANTS = [
    (bio, "await self.bios.free(element)\n            return None", "return None",
     vector_refused, "a bio is lost"),
    (bio, "if bio.vec is not None:", "if False:", pressure, "not all is given back"),
    (bio, "while not self.room:", "if not self.room:", requests, "more requests than the queue has room for"),
    (bio, "self.wait.wake_one()", "pass", requests, "deadlock"),
    (bio, "bio.failed = self.fails(bio)", "self.fails(bio)", bounces_fail, "last change is on no disk"),
    (bio, "bio.owner.append(bio.failed)\n        self.written.wake_all()", "self.written.wake_all()",
     direct_writes, "deadlock"),
    (bio, "await self.bios.put(bio)\n        bio.owner.append(bio.failed)\n",
     "bio.owner.append(bio.failed)\n        await self.bios.put(bio)\n", direct_writes, "not all is given back"),
    (bio, """        await self.bios.put(bio)
        await self.cache.end_write(bio.owner, failed=bio.failed)""",
     """        await self.cache.end_write(bio.owner, failed=bio.failed)
        await self.bios.put(bio)""", pressure, "not all is given back"),
    (bio, "failed=bio.failed)", "failed=False)", bounces_fail, "last change is on no disk"),
    (highmem, "if all(page < self.limit for page in bio.pages):", "if False:", needs_are_exact, "and takes"),
    (highmem, "if all(page < self.limit", "if all(page <= self.limit", needs_are_exact, "and takes"),
    (highmem, "page if page < self.limit else await self._bounce_page()", "await self._bounce_page()",
     mixed_and_reserved, "reserve as much as you will take"),
    (highmem, "if page != original:", "if True:", mixed, "is with the free and with the page cache"),
    (highmem, "if page != original:", "if False:", high, "deadlock|not all is given back"),
    (highmem, "        bio.failed = copy.failed\n", "", bounces_fail, "last change is on no disk"),
    (highmem, "await self.bios.put(copy)\n        await bio.end_io(bio)",
     "await bio.end_io(bio)\n        await self.bios.put(copy)", high, "not all is given back"),
    (highmem, "self.bios.needs(len(pages)) + Counter", "Counter", reserved, "reserve as much as you will take"),
    (highmem, "+ Counter({self.pages: above})", "", reserved, "reserve as much as you will take"),
    (highmem, "[min(page, self.limit - 1) for page in pages]", "pages", needs_are_exact, "and takes"),
    (raid1, "        if write.remaining:\n            return\n", "", pressure, "serves a write of .* that is over"),
    (raid1, """GFP_NOIO))
        write.remaining = len(write.clones)""", """GFP_NOIO))
            write.remaining = 1""", pressure, "serves a write of .* that is over"),
    (raid1, "all(each.failed for each in write.clones)", "any(each.failed for each in write.clones)",
     dead_mirror, "they go round for ever"),
    (raid1, "all(each.failed for each in write.clones)", "False", only_mirror, "last change is on no disk"),
    (raid1, "        for each in write.clones:\n            await self.bios.put(each)\n", "",
     pressure, "not all is given back"),
    (raid1, """        await self.r1bios.free(write.element)
        await write.bio.end_io(write.bio)""", """        await write.bio.end_io(write.bio)
        await self.r1bios.free(write.element)""", pressure, "not all is given back"),
    (raid1, "self.bios.needs(pages=0) + mirror.needs(pages)", "mirror.needs(pages)",
     reserved, "reserve as much as you will take"),
    (raid1, "needs += mirror.needs([ANYWHERE] * BIO_MAX_PAGES)", "pass",
     resync_in_reach_of_isa, "reserve as much as you will take"),
    (raid1, """            bio.pages = part_of(buffer, "page")\n""", "", resync, "not the whole window is copied"),
    (raid1, "while len(served) < len(bios):", "if len(served) < len(bios):", resync, "reads what was given back"),
    (raid1, "        for clone in clones:\n            await self.bios.put(clone)\n", "",
     resync, "not all is given back"),
    pytest.param((raid1, "self.resync_done.wake_all()", "self.resync_done.wake_one()", six_windows, "deadlock"),
                 marks=pytest.mark.slow),
    (composite, "                await self._give_back(got)\n", "", half_way, "a part is lost"),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=line_of)
def test_without_the_line_a_story_tells_the_harm(mutant):
    tells_the_harm(*mutant)


STORIES = [pressure, high, reserved, bounces_fail, dead_mirror, only_mirror, direct_writes, mixed,
           mixed_and_reserved, needs_are_exact, vector_refused, half_way, resync, resync_in_reach_of_isa, requests,
           pytest.param(six_windows, marks=pytest.mark.slow)]


@pytest.mark.parametrize("story", STORIES)
def test_with_it_there_is_none(story):
    story()
