"""duplication_trial: L1, what a pool keeps that a slab or the page allocator would have kept as well.

Slabs keep free objects, and the page allocator keeps pages below its marks: so what does a pool add?
For each kind of element four are kept back, by a mempool, by nobody (that is by whatever slab and page
do of themselves; each is first used and freed, so that they have some), or by a reservation in them.
How many of the four an atomic caller still gets is asked three times:

    pages gone      others have taken every page and slot that they could get
    slabs reaped    reclaim has given back all slabs that nobody uses, and others have taken those, too
    again           the elements came back, and others have once more taken what they could

The last kind of element is not memory: numbers of the slots of a device, which an allocator of its own
hands out.  mempool takes any allocator; whether one of these counts as a third is the question.

Left out: callers who may wait (M2, M3), the zones of elements (M1), how elements are put together (M6).
"""

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict
from kit.drivers.composite import Composite
from kit.gfp import GFP_ATOMIC
from kit.memory.kmalloc import CacheChain
from kit.memory.ledger import Ledger
from kit.memory.mempool import Mempool
from kit.memory.promises import Refusing
from kit.memory.zones import Pages, Zone
from kit.traps import might_sleep, never_sleeps

ELEMENTS = 4
PAGES, OBJECTS, BLOCKS, BUFFERS, SLOTS = ("pages", "slab objects", "blocks of 8 pages", "an object and 2 pages",
                                          "slots of a device")
KINDS = (PAGES, OBJECTS, BLOCKS, BUFFERS, SLOTS)
POOL, BARE, RESERVING = "mempool", "slab and page", "slab and page that reserve"
WAYS = (POOL, BARE, RESERVING)
REAPED = "slabs reaped"
TIMES = ("pages gone", REAPED, "again")


def experiment(seed, kinds=KINDS):
    """How many of four elements of each kind can be had each time, in each way; the seed has no part in it."""
    rows = []
    for kind in kinds:
        figures = [_squeeze(World(kind, way)) for way in WAYS]
        rows += [(f"{kind}, {when}", *had) for when, had in zip(TIMES, zip(*figures))]
    return Evidence((f"of {ELEMENTS}", *WAYS), tuple(rows))


def judge(evidence):
    """Do slab and page allocators that reserve keep as much as a pool, of every kind?"""
    pool, bare, reserving = (evidence.column(way) for way in WAYS)
    less = [row for row in pool if reserving[row] < pool[row]]
    kinds = dict.fromkeys(row.rpartition(", ")[0] for row in less)
    alone = sum(bare[row] >= pool[row] for row in pool)
    reason = (f"slab and page keep as much as a pool in {alone} of {len(pool)} rows as they are, and in "
              f"{len(pool) - len(less)} if they reserve" + f"; less of: {', '.join(kinds)}" * bool(less)
              + ". Whose source is longer is not decidable here: all of it is this kit's")
    if not less:
        return Verdict(HOLDS, reason)
    if len(less) == len(pool):
        return Verdict(FAILS, reason)
    return Verdict(DEPENDS, reason, on="what the elements are")


class World:
    """A small memory with four elements of a kind kept back in some way, and others who want all of it."""

    def __init__(self, kind, way):
        self.pages = Pages(zones=[Zone("NORMAL", 0, 256, pages_min=0)])
        self.chain = CacheChain(self.pages)
        self.cache = self.chain.create("object", 512)
        self.slots = Refusing(8, "slots")
        self.source = self._source(kind)
        if way == POOL:
            self.source = Mempool.create(ELEMENTS, self.source)
        elif way == RESERVING and kind != SLOTS:        # a ledger counts memory, and nothing else
            self.source = Reserving(Ledger(self.pages), self._needs(kind))

    def _source(self, kind):
        return {PAGES: self.pages, OBJECTS: self.cache, BLOCKS: Blocks(self.pages), SLOTS: self.slots,
                BUFFERS: Composite({"object": (self.cache, 1), "page": (self.pages, 2)})}[kind]

    def _needs(self, kind):
        return {PAGES: {0: 1}, OBJECTS: {self.cache: 1}, BLOCKS: {3: 1}, BUFFERS: {self.cache: 1, 0: 2}}[kind]

    def others_take_all(self):
        """Every page and slot that is not kept from them; objects are of a cache that nobody else uses."""
        for allocator in (self.pages, self.slots):
            while allocator.try_alloc(GFP_ATOMIC) is not None:
                pass

    def reap(self):
        """Slabs that nobody uses go back; a cache that has just grown is passed over once."""
        for _ in range(2 * ELEMENTS):
            self.chain.reap()


class Reserving:
    """Elements that are promised: {kind of unit: how many an element takes}."""

    def __init__(self, ledger, needs):
        self.needs = needs
        all_of_them = {kind: count * ELEMENTS for kind, count in needs.items()}
        self.reservation = ledger.try_reserve(
            blocks={kind: count for kind, count in all_of_them.items() if isinstance(kind, int)},
            objects={kind: count for kind, count in all_of_them.items() if not isinstance(kind, int)})

    @never_sleeps
    async def try_alloc(self, gfp):
        """An element; None once all that were promised are out."""
        if not all(self.reservation.left[kind] >= count for kind, count in self.needs.items()):
            return None
        return [(self.reservation.take(kind), kind) for kind, count in self.needs.items() for _ in range(count)]

    @never_sleeps
    async def free(self, element):
        """Each unit is promised again."""
        for unit, kind in element:
            self.reservation.put(unit, kind)


class Blocks:
    """The page allocator, asked for blocks of eight pages."""

    def __init__(self, pages):
        self.pages = pages

    @might_sleep
    async def alloc(self, gfp):
        """As that of the page allocator."""
        return await self.pages.alloc(gfp, 3)

    @never_sleeps
    async def try_alloc(self, gfp):
        """As that of the page allocator."""
        return await self.pages.try_alloc(gfp, 3)

    @never_sleeps
    async def free(self, page):
        """As that of the page allocator."""
        await self.pages.free(page, 3)


def _squeeze(world):
    """How many elements can be had each time."""
    _give_back(world, _take(world))         # used once, so that slabs have free objects
    figures = []
    for time in TIMES:
        if time == REAPED:
            world.reap()
        world.others_take_all()
        taken = _take(world)
        figures.append(len(taken))
        _give_back(world, taken)
    return figures


def _take(world):
    elements = (world.source.try_alloc(GFP_ATOMIC) for _ in range(ELEMENTS))
    return [element for element in elements if element is not None]


def _give_back(world, elements):
    for element in elements:
        world.source.free(element)


L1 = Claim(
    name="L1", who="Ben LaHaise", words="there should be two allocators: slab and page allocs. Anything beyond that "
                                        "seems to be duplicating functionality",
    question="Of elements that a mempool keeps for its users, how many would slab and page allocators keep for "
             "them, as they are, and if they reserved?",
    molnar="A pool keeps elements of any allocator, be it of slabs, of pages, of several at once, or of one's own.",
    lahaise="To keep free elements and to wait for one are what slab and page allocators are for; a pool does both "
            "again, on top of them.",
    experiment=experiment, judge=judge, seeded=False,
    overturned_by="Elements that are all memory: reservations in the two allocators then keep as much as a pool.",
    overturning={"kinds": (PAGES, OBJECTS, BLOCKS, BUFFERS)},
    history="Both allocators and mempool are there still. A reserve within the slab allocator was proposed in 2008 and "
            "not merged; a flag on slab pages (2012) let network block devices do without pools.")
