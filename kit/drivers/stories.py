"""stories: a machine whose memory is full of dirty pages, and which has to write them out.

The situation of the debate.  Some tasks dirty more pages than there is memory, as fast as they can.
Pages must be written before they can be used again, and every write needs a bio, a vector, an
r1bio, clones, bounce pages, whatever the stack of drivers takes.  Where these come from is one
argument; all else is the same:

    story = Pressure(supply="plain")
    print(story.run())

An outcome is *finished*, *waited over T* or *hung*.  Going round in a circle for ever, as the page
allocator of 2.5.1 does, is hung (machine/hang.py), and the report says who holds what and wants
what.

Nothing here is built so that one side must lose: every size is an argument (Setting), and which of
them the outcome hangs on is what the experiments ask.  Times are virtual; a step of a task counts as
a microsecond here, so that waiting for a disk does not take a million of them.
"""

from dataclasses import dataclass

from kit import traps
from kit.drivers.bio import BVEC_SIZES, Bios, BlockDevice, Pageout, vec_pool
from kit.drivers.highmem import Bounce
from kit.drivers.raid1 import Raid1
from kit.drivers.supply import SUPPLIES
from kit.drivers.supply_base import beneath
from kit.errors import BadInput
from kit.gfp import GFP_ATOMIC
from kit.machine.core import MICROSECOND, MILLISECOND, SECOND, Deadlock, Machine
from kit.machine.disk import Disk
from kit.machine.hang import Hang, run_or_hang
from kit.memory.kmalloc import CacheChain, Kmalloc
from kit.memory.pagecache import PageCache
from kit.memory.reclaim import Vm, flusher, kswapd
from kit.memory.reservation import Reservation
from kit.memory.zones import Pages, Zone
from kit.traps import yield_cpu


@dataclass(frozen=True)
class Setting:
    """All that can be varied; whatever is not given is small, so that a run takes a fraction of a second."""

    # What the machine has.
    lowmem: int = 64                # pages that the disk can reach
    highmem: int = 192              # pages that it can not, if there is a "bounce" in the stack
    pages_min: int = 2              # the min mark of each zone; 2.5.1 would say 20 for zones so small
    cpus: int = 1
    service_ns: int = 100 * MICROSECOND         # of a request, if there is no seed
    spread: float = 0.5             # with a seed: by what share of that a request takes longer or shorter
    stack: tuple = ("bounce", "raid1")          # drivers from the top down; () is the disk alone
    mirrors: int = 2                # of each raid1
    daemons: tuple = ("kswapd", "flusher")
    # What the drivers have.
    supply: object = "plain"        # a name in SUPPLIES, or what makes a Supply for a page allocator
    reserve: int = 16               # elements kept back, of each kind that is used
    foreseen: bool = True           # what a write declares: what it will take, or the worst that it could
    cluster: int = 8                # pages that a round of reclaim wants; 32 in 2.5.1
    # What happens.
    writers: int = 4                # tasks that dirty `each` pages
    each: int = 100
    throttled: bool = False         # made to wait when much is dirty, as write() does; else nobody counts
    direct: int = 0                 # tasks that write `segments` pages of their own at once, `rounds` times
    segments: int = 16
    rounds: int = 8
    keeper: int = 0                 # bios of the reserve that somebody takes, and never gives back
    card: int = 0                   # pages that a network card takes atomically, one every `service_ns`, for good
    seed: int = None
    fails: object = lambda bio: False           # asked of each bio that is served, whether it failed


@dataclass(frozen=True)
class Outcome:
    """How a run ended: `verdict` is "finished", "waited" or "hung"; `report` says why it hung."""

    verdict: str
    time_ns: int
    report: str = ""

    def __str__(self):
        when = f"after {self.time_ns / MILLISECOND:,.1f} ms"
        return {"finished": f"finished {when}", "waited": f"not finished {when}", "hung": self.report}[self.verdict]


class Pressure:
    """The story of one Setting: `Pressure(supply="mempool", pages_min=0)`."""

    def __init__(self, **setting):
        self.setting = what = Setting(**setting)
        self.machine = Machine(seed=what.seed, step_ns=MICROSECOND)
        self.pages = Pages(zones=_zones(what))
        self.chain = CacheChain(self.pages)
        self.kmalloc = Kmalloc(self.pages, self.chain)
        self.cache = PageCache(self.pages)
        self.vm = Vm(self.pages, self.cache, self.chain, cluster=what.cluster)
        self.supply = (SUPPLIES[what.supply] if isinstance(what.supply, str) else what.supply)(self.pages)
        self.supply.lend(self.cache)
        self.bios = Bios(self.supply, self.chain, what.reserve, _vecs(what))
        self.disks, self.kept, self.on_card = [], [], []
        self.device = self._device(what.stack)
        self.pageout = Pageout(self.cache, self.device, self.bios, self.supply, foreseen=what.foreseen)
        self._spawn_all()

    def _device(self, stack):
        """The stack of drivers, from its top; each driver has its own pools."""
        if not stack:
            disk = Disk(self.machine, f"disk {len(self.disks)}", self.setting.service_ns, spread=self.setting.spread)
            self.disks.append(BlockDevice(disk, fails=self.setting.fails))
            return self.disks[-1]
        layer, *below = stack
        reserve = self.setting.reserve
        if layer == "bounce":
            return Bounce(self._device(below), self.setting.lowmem, self.bios, self.supply, self.pages, reserve)
        if layer == "raid1":
            mirrors = [self._device(below) for _ in range(self.setting.mirrors)]
            return Raid1(mirrors, self.bios, self.supply, self.kmalloc, self.pages, reserve)
        raise BadInput(f"there is no driver {layer!r}: a stack is made of 'bounce' and 'raid1'.")

    def _spawn_all(self):
        what = self.setting
        for daemon in (kswapd, flusher):
            if daemon.__name__ in what.daemons:
                self.machine.spawn(daemon.__name__, daemon, self.vm, daemon=True, cpu=0)
        for number in range(what.writers):
            self.machine.spawn(f"writer {number}", self._write, number, cpu=number % what.cpus)
        for number in range(what.direct):
            self.machine.spawn(f"direct {number}", self._write_directly, number, cpu=number % what.cpus)
        if what.keeper:
            self.machine.spawn("keeper", self._keep, cpu=0)
        if what.card:
            self.machine.timer("card", self._receive, after=what.service_ns)

    # -- What the tasks do -------------------------------------------------------------------------------

    async def _write(self, number):
        """Change one page after another; if throttled, by write(), which helps to write out when much is dirty."""
        for page in range(self.setting.each):
            await self.cache.write((number, page))
            if self.setting.throttled:
                await self.vm.balance_dirty()

    async def _write_directly(self, number):
        """Write pages of one's own to the disk, all in one request, and wait for each."""
        own = [await self.cache.read((f"own {number}", page)) for page in range(self.setting.segments)]
        for _ in range(self.setting.rounds):
            await self.pageout.write_and_wait([page.pfn for page in own])
        for page in own:
            self.cache.release(page)

    async def _keep(self):
        """Once writing has begun, take the bios that lie free, and then those of the reserve, and give none back."""
        others = [task for task in self.machine.tasks if not task.daemon and task is not traps.current]
        while not self.cache.writing and not all(task.finished for task in others):
            await yield_cpu("is memory short?")
        while (element := self.bios.bio_cache.take_free()) is not None:
            self.kept.append(element)
        for _ in range(self.setting.keeper):
            async with self.supply.request(self.bios.needs(pages=0)):
                self.kept.append(await self.bios.alloc(pages=0))

    def _receive(self):
        """A packet has come: a page for it, atomically, if there is one; and the next will come."""
        page = self.pages.take(GFP_ATOMIC)
        if page is not None:
            self.on_card.append(page)
        if len(self.on_card) < self.setting.card and page is not None:
            self.machine.timer("card", self._receive, after=self.setting.service_ns)

    # -- Running -----------------------------------------------------------------------------------------

    def run(self, until=10 * SECOND):
        """Run until the tasks have ended and what is under write-out is written, or until the time `until`.

        Returns the Outcome.
        """
        try:
            finished = run_or_hang(self.machine, self.shape, until)
            if finished:
                self.machine.spawn("settle", self._settle, cpu=0)
                finished = run_or_hang(self.machine, self.shape, until)
        except (Hang, Deadlock) as hang:
            return Outcome("hung", self._time(), f"{hang}\n{self.memory()}")
        return Outcome("finished" if finished else "waited", self._time())

    def _time(self):
        return max(cpu.clock for cpu in self.machine.cpus)

    async def _settle(self):
        while self.cache.writing:
            await self.vm.wait_for_some()

    # -- Looking -----------------------------------------------------------------------------------------

    def memory(self):
        """Where the memory is, in one line."""
        free = ", ".join(f"{zone.free_pages} {zone.name}" for zone in self.pages.zones)
        return (f"  memory: {self.pages.total_pages} pages; free: {free}; {len(self.cache.dirty)} dirty, "
                f"{len(self.cache.writing)} being written, {len(self.cache.droppable)} clean; "
                f"{self.chain.pages_held} in slabs, {self.out()} with drivers")

    def shape(self):
        """All that the tasks share, as far as anybody acts upon it: equal shapes, equal futures."""
        slabs = [(cache.slabinfo(), [len(array) for array in cache.arrays], cache.grown_lately)
                 for cache in self.chain.caches]
        return (self.cache.shape(), self.pages.buddyinfo(), [zone.need_balance for zone in self.pages.zones],
                self.chain.hand, slabs, self.supply.shape(), [disk.room for disk in self.disks])

    def out(self):
        """Pages that are not free, cached, in slabs, in a pool or on the card: with drivers, for writes under way."""
        kept = sum(1 for block in self.pages.kept.values() for _ in block)
        return (self.pages.total_pages - self.pages.free_pages - kept - len(self.cache) - self.chain.pages_held
                - self.supply.pages_kept(self.pages) - len(self.on_card))

    def check(self):
        """Everybody's books are in order, and no page is lost: what is out, somebody holds."""
        for each in (self.pages, self.chain, self.cache, self.supply):
            each.check()
        held = [thing for task in self.machine.tasks for thing, of in task.holds if _is_page(thing, of, self.pages)]
        assert self.out() == len(held), f"{self.out()} pages are out, and tasks hold {held}"


def _is_page(thing, of, pages):
    """Whether `thing`, which was taken of `of`, is a page: a reservation knows of what kind its elements are."""
    if isinstance(of, Reservation):
        return any(element is thing and kind == 0 for element, kind, _ in of.out)
    return beneath(of) is pages


def _zones(what):
    """Low memory and high memory, in blocks as large as the place where high memory begins allows."""
    order = min(9, (what.lowmem & -what.lowmem).bit_length() - 1)
    zones = [Zone("NORMAL", 0, what.lowmem, pages_min=what.pages_min, max_order=order)]
    if what.highmem:
        zones.append(Zone("HIGHMEM", what.lowmem, what.highmem, pages_min=what.pages_min, max_order=order))
    return zones


def _vecs(what):
    """How many vectors are kept back: `reserve` of each length that is used, for fairness to small machines."""
    used = {vec_pool(1)} | ({vec_pool(what.segments)} if what.direct else set())
    return [what.reserve if pool in used else 0 for pool in range(len(BVEC_SIZES))]
