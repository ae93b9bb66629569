"""stories: a machine whose memory is full of dirty pages, and which has to write them out.

The situation of the debate.  Some tasks dirty more pages than there is memory, as fast as they can.
Pages must be written before they can be used again, and every write needs a bio, a vector, an
r1bio, clones, bounce pages, whatever the stack of drivers takes.  Where these come from is one
argument; all else is the same:

    story = Pressure(supply="plain")
    outcome = story.run()
    print(outcome)

An outcome is *finished*, *waited over T* or *hung*.  Going round in a circle for ever, as the page
allocator of 2.5.1 does, is hung (machine/hang.py), and the report says who holds what and wants
what.

Nothing here is built so that one side must lose: every size is an argument, and which of them the
outcome hangs on is what the experiments ask.  Times are virtual; a step of a task counts as a
microsecond here, so that waiting for a disk does not take a million of them.
"""

from dataclasses import dataclass

from kit.drivers.bio import Bios, BlockDevice, Pageout
from kit.drivers.highmem import Bounce
from kit.drivers.raid1 import Raid1
from kit.drivers.supply import SUPPLIES
from kit.errors import BadInput
from kit.machine.core import MICROSECOND, MILLISECOND, SECOND, Deadlock, Machine
from kit.machine.disk import Disk
from kit.machine.hang import Hang, run_or_hang
from kit.memory.kmalloc import CacheChain, Kmalloc
from kit.memory.pagecache import PageCache
from kit.memory.reclaim import Vm, flusher, kswapd
from kit.memory.zones import Pages, Zone


@dataclass(frozen=True)
class Outcome:
    """How a run ended: `verdict` is "finished", "waited" or "hung"; `report` says why it hung."""

    verdict: str
    time_ns: int
    report: str = ""

    def __str__(self):
        when = f"{self.time_ns / MILLISECOND:.1f} ms"
        say = {"finished": f"finished after {when}", "waited": f"not finished after {when}", "hung": self.report}
        return say[self.verdict]


class Pressure:
    """The story.

    supply: a name in SUPPLIES, or a function that makes a Supply for a page allocator.
    stack: drivers from the top to the disk, of "bounce" and "raid1"; of any depth, () for the disk alone.
    lowmem, highmem: pages, of which the disk reaches the first alone if there is a "bounce".
    pages_min: the low mark of every zone (2.5.1 would say 20 for zones so small).
    writers, each: tasks, and how many pages each of them dirties.  throttled: whether they are made
    to wait when much is dirty; who writes through a mapping of a file is not, in 2.5.1.
    reserve: elements kept back, of each kind.  cluster: pages that a round of reclaim wants.
    daemons: which of "kswapd" and "flusher" there are.
    """

    def __init__(self, supply="plain", stack=("bounce", "raid1"), lowmem=64, highmem=192, pages_min=2, writers=4,
                 each=100, throttled=False, reserve=16, cluster=8, mirrors=2, service_ns=100 * MICROSECOND, cpus=1,
                 seed=None, daemons=("kswapd", "flusher"), fails=lambda bio: False):
        self.machine = Machine(seed=seed, step_ns=MICROSECOND)
        self.pages = Pages(zones=_zones(lowmem, highmem, pages_min))
        self.chain = CacheChain(self.pages)
        self.kmalloc = Kmalloc(self.pages, self.chain)
        self.cache = PageCache(self.pages)
        self.vm = Vm(self.pages, self.cache, self.chain, cluster=cluster)
        self.supply = (SUPPLIES[supply] if isinstance(supply, str) else supply)(self.pages)
        self.supply.lend(self.cache)
        self.bios = Bios(self.supply, self.chain, reserve, (reserve, 0, 0, 0, 0, 0))    # all writes are of one page
        self.lowmem, self.reserve, self.mirrors, self.service_ns, self.fails = lowmem, reserve, mirrors, service_ns, fails
        self.devices = []
        Pageout(self.cache, self._device(stack), self.bios, self.supply)
        self.throttled = throttled
        for number, daemon in enumerate((kswapd, flusher)):
            if daemon.__name__ in daemons:
                self.machine.spawn(daemon.__name__, daemon, self.vm, daemon=True, cpu=number % cpus)
        self.writers = [self.machine.spawn(f"writer {number}", self._write, number, each, cpu=number % cpus)
                        for number in range(writers)]

    def _device(self, stack):
        """The stack of drivers, from its top; each has its own pools of `reserve` elements."""
        if not stack:
            disk = Disk(self.machine, f"disk {len(self.devices)}", self.service_ns)
            self.devices.append(BlockDevice(disk, fails=self.fails))
            return self.devices[-1]
        layer, *below = stack
        if layer == "bounce":
            return Bounce(self._device(below), self.lowmem, self.bios, self.supply, self.pages, self.reserve)
        if layer == "raid1":
            mirrors = [self._device(below) for _ in range(self.mirrors)]
            return Raid1(mirrors, self.bios, self.supply, self.kmalloc, self.pages, self.reserve)
        raise BadInput(f"there is no driver {layer!r}: a stack is made of 'bounce' and 'raid1'.")

    async def _write(self, number, each):
        for page in range(each):
            await self.cache.write((number, page))
            if self.throttled:
                await self.vm.balance_dirty()

    def run(self, until=SECOND):
        """Run to the end, to the time `until`, or until it hangs; returns the Outcome."""
        try:
            finished = run_or_hang(self.machine, self.shape, until)
        except (Hang, Deadlock) as hang:
            return Outcome("hung", self._time(), f"{hang}\n{self.memory()}")
        return Outcome("finished" if finished else "waited", self._time())

    def _time(self):
        return max(cpu.clock for cpu in self.machine.cpus)

    def settle(self):
        """After a run that finished: let all writes that are under way end."""
        self.machine.spawn("settle", self._settle, cpu=0)
        self.machine.run()

    async def _settle(self):
        while self.cache.writing:
            await self.vm.wait_for_some()

    # -- Looking -----------------------------------------------------------------------------------------

    def memory(self):
        """Where the memory is, in one line."""
        free = ", ".join(f"{zone.free_pages} {zone.name}" for zone in self.pages.zones)
        return (f"  memory: {self.pages.total_pages} pages; free: {free}; {len(self.cache.dirty)} dirty, "
                f"{len(self.cache.writing)} being written, {len(self.cache.droppable)} clean; "
                f"{self.chain.pages_held} in slabs")

    def shape(self):
        """All that the tasks share, as far as anybody acts upon it: equal shapes, equal futures."""
        slabs = [(cache.slabinfo(), [len(array) for array in cache.arrays], cache.grown_lately) for cache in self.chain.caches]
        return (self.cache.shape(), self.pages.buddyinfo(), [zone.need_balance for zone in self.pages.zones],
                self.chain.hand, slabs, self.supply.shape(), [device.room for device in self.devices])

    def out(self):
        """Pages that are not free, cached, in slabs or in a pool: with the drivers, for a write that is under way."""
        kept = sum(1 for block in self.pages.kept.values() for _ in block)
        return (self.pages.total_pages - self.pages.free_pages - kept - len(self.cache) - self.chain.pages_held
                - self.supply.pages_kept(self.pages))

    def check(self):
        """Everybody's books are in order, and no page is lost: what is out, somebody holds."""
        for each in (self.pages, self.chain, self.cache, self.supply):
            each.check()
        held = sum(len(task.holds) for task in self.machine.tasks)
        assert 0 <= self.out() <= held, f"{self.out()} pages are out, and tasks hold {held} things in all"


def _zones(lowmem, highmem, pages_min):
    """Low memory and high memory, each in blocks as large as where the second begins allows."""
    order = min(9, (lowmem & -lowmem).bit_length() - 1)
    zones = [Zone("NORMAL", 0, lowmem, pages_min=pages_min, max_order=order)]
    if highmem:
        zones.append(Zone("HIGHMEM", lowmem, highmem, pages_min=pages_min, max_order=order))
    return zones
