"""duplication_trial: L1, what a pool keeps that a slab or the page allocator would have kept as well.

Slabs keep free objects, and the page allocator keeps pages below its marks: so what does a pool add?
For each kind of element four are kept back, by a mempool, by nobody (that is by whatever slab and page
do of themselves; each is first used and freed, so that they have some), or by a reservation in them.
Then others take what they can get, and the table says how many of the four an atomic caller still gets.

How deep others may dig is 2.5.1's: ordinary callers down to the min mark, those who may not wait to a
quarter of it, and whoever is freeing memory (PF_MEMALLOC) to the last page.  The min mark is 2.5.1's for
so small a zone.  Each time is tried anew, before and after slabs that nobody uses have been reaped, and
once more when the elements came back; what is said is the fewest.

Left out: elements that are not memory, which a ledger does not count (we know of no such pool in 2001);
callers who may wait (M2, M3), the zones of elements (M1), how elements are put together (M6).
"""

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict, listed, what_decides
from kit.drivers.composite import Composite
from kit.gfp import GFP_ATOMIC, PF_MEMALLOC
from kit.memory.kmalloc import CacheChain
from kit.memory.ledger import WAITING, Ledger, PromiseBroken
from kit.memory.mempool import Mempool
from kit.memory.zones import Pages, Zone, watermark
from kit.traps import PROMPT, might_sleep, never_sleeps

ELEMENTS, ZONE_PAGES = 4, 256
MARK = watermark(ZONE_PAGES)
PAGES, OBJECTS, BLOCKS, BUFFERS = "pages", "slab objects", "blocks of 8 pages", "an object and 2 pages"
KINDS = (PAGES, OBJECTS, BLOCKS, BUFFERS)
POOL, BARE, REAPED, RESERVING = "mempool", "slab and page", "reaped", "reserving"
ORDINARY, NOT_WAITING, FREEING = "the min mark", "a quarter of it", "the last page"
OTHERS = (ORDINARY, NOT_WAITING, FREEING)


def experiment(seed, kinds=KINDS, others=OTHERS, marks=(MARK,), policy=WAITING):
    """How many of four elements of each kind can be had, in each way, when others have dug so deep.

    marks: of the zone.  policy: of the ledger in which slab and page reserve.  The seed has no part in it.
    """
    rows = []
    for kind in kinds:
        for mark in marks:
            for depth in others:
                pool, bare, reserving = (_squeeze(World(kind, way, mark, depth, policy))
                                         for way in (POOL, BARE, RESERVING))
                rows.append((kind, mark, depth, min(pool), bare[0], min(bare[1:]), min(reserving)))
    return Evidence((f"of {ELEMENTS}", "min mark", "others dig to", POOL, BARE, REAPED, RESERVING), tuple(rows))


def judge(evidence):
    """Do slab and page keep as much as a pool, as they are, or if they reserve?"""
    as_they_are = {row[:3]: min(row[4:6]) >= row[3] for row in evidence.rows}
    reserving = {row[:3]: row[6] >= row[3] for row in evidence.rows}
    depths = " or ".join(dict.fromkeys(depth for (_, _, depth), is_kept in as_they_are.items() if is_kept))
    reason = (f"slab and page keep as much as a pool in {sum(as_they_are.values())} of {len(as_they_are)} rows as they "
              "are" + f", all of them where others dig to {depths}" * bool(depths) + f"; and in "
              f"{sum(reserving.values())} if they reserve. Whose source is longer is not decidable here: all of it is "
              "this kit's")
    if all(as_they_are.values()):
        return Verdict(HOLDS, reason)
    if all(reserving.values()):     # what is kept where nothing is reserved differs in that alone
        return Verdict(DEPENDS, reason, on="whether slab and page reserve")
    if not any(reserving.values()):
        return Verdict(FAILS, reason)
    return Verdict(DEPENDS, reason, on=listed(what_decides(reserving, ("what the elements are", "the marks",
                                                                       "how deep others dig"))))


class World:
    """A small memory with four elements of a kind kept back in some way, and others who dig to a certain depth."""

    def __init__(self, kind, way, mark, others, policy):
        self.pages = Pages(zones=[Zone("NORMAL", 0, ZONE_PAGES, pages_min=mark)])
        self.chain = CacheChain(self.pages)
        self.cache = self.chain.create("object", 512)
        self.others = others
        self.source = self._source(kind)
        if way == POOL:
            self.source = Mempool.create(ELEMENTS, self.source)
        elif way == RESERVING:
            self.source = Reserving(Ledger(self.pages, policy), self._needs(kind))

    def _source(self, kind):
        return {PAGES: self.pages, OBJECTS: self.cache, BLOCKS: Blocks(self.pages),
                BUFFERS: Composite({"object": (self.cache, 1), "page": (self.pages, 2)})}[kind]

    def _needs(self, kind):
        return {PAGES: {0: 1}, OBJECTS: {self.cache: 1}, BLOCKS: {3: 1}, BUFFERS: {self.cache: 1, 0: 2}}[kind]

    def others_take_all(self):
        """Every page that they are given; objects are of a cache that nobody else uses."""
        zone, = self.pages.zones
        floor = zone.pages_min if self.others == ORDINARY else 0
        PROMPT.flags = PF_MEMALLOC if self.others == FREEING else 0
        while zone.free_pages > floor and self.pages.take(GFP_ATOMIC) is not None:
            pass
        PROMPT.flags = 0

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
        """An element; None once all that were promised are out, or where the promise is broken."""
        if not all(self.reservation.left[kind] >= count for kind, count in self.needs.items()):
            return None
        try:
            return [(self.reservation.take(kind), kind) for kind, count in self.needs.items() for _ in range(count)]
        except PromiseBroken:
            return None

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
    """How many elements can be had before slabs are reaped, after it, and once more."""
    _give_back(world, _take(world))         # used once, so that slabs have free objects
    figures = []
    for reaps in (False, True, False):
        if reaps:
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
    overturned_by="Others who all stop at the min mark, and no blocks of several pages: what lies below the mark is "
                  "then as good as a pool.",
    overturning={"kinds": (PAGES, OBJECTS, BUFFERS), "others": (ORDINARY,)}, recorded={"marks": (0, 20, 40, 80)},
    history="Both allocators and mempool are there still. A ledger of reserves was proposed in 2008 and not merged; in "
            "2012 network block devices, which cannot use pools, got marked slab pages instead; since 2025 (release: "
            "our recollection) a slab cache can be prefilled with what will be needed.")
