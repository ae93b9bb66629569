"""kept_back: five ways to keep memory back for those who must not do without.

    nothing     none is; what reservations need in the allocators is there, one branch a call
    mempool     a pool keeps pages back (Molnar), and those who need them ask it
    hidden      pages are hidden from everybody but who has them reserved (hiding.py)
    counted     a ledger promises pages, but asks at the grant alone
    waiting     a ledger promises pages, and whoever takes some asks it first: the design of the mail

Whoever needs them, a *user*, climbs the pool's ladder; in the last three likewise, it asks as anybody
would, then takes what is kept while that is more than half, then reclaims or waits as anybody would.

Both rivals have their best case.  The pool's is the ladder of the mail.  A ledger keeps its books by
zone, so the zone's lock protects them: where that is held anyway, a look into them is no turn more, and
behind lists of each CPU it is asked by the batch (memory/pcp.py).  To lend a clean page is a turn of its own.
"""

from itertools import islice

from kit import traps
from kit.debate.hiding import Hiding
from kit.gfp import GFP_NOIO, PF_MEMALLOC
from kit.memory.attempts import JULY_2002, LINUX_2_5_1, LINUX_2_6_12
from kit.memory.failing import Failing, seeded
from kit.memory.ledger import COUNTED, WAITING, Ledger
from kit.memory.mempool import Mempool
from kit.memory.pagecache import PageCache
from kit.memory.reclaim import Vm
from kit.memory.slab import Cache
from kit.memory.zones import MB, Pages, Zone
from kit.tasks import Task
from kit.traps import PROMPT, call_as, might_sleep, never_sleeps, step, yield_cpu

WAYS = ("nothing", "mempool", "hidden", "counted", "waiting")
LEDGERS = {"counted": COUNTED, "waiting": WAITING}
RELEASES = {"2.5.1": LINUX_2_5_1, "July 2002": JULY_2002, "2.6.12": LINUX_2_6_12}
KEPT = 16       # pages that are kept back
BIO_BYTES = 192
BATCH = 16      # pages that go to and from a CPU's list at once, in 2.5.45 and a zone of 256 MB or more


class Books(Ledger):
    """A ledger that counts the looks into its books, and takes the zone's lock for those that come without it.

    Where CPUs have lists, the lock is taken as if they saved up a batch of pages that become clean, or that
    reclaim drops, before they enter it: what is lent late breaks no promise.  Clean pages are dropped by the batch.
    """

    told = charged = 0
    look_ns = 0     # by how much a look lengthens the time that the lock is held

    @property
    def touches(self):
        """How often it was asked for a page, or told of one that was taken, came back, was lent or called in."""
        return self.told + self.asked

    def was_taken(self, zone, page, order):
        """As that of Ledger; the zone holds its lock."""
        self._enter(zone)
        super().was_taken(zone, page, order)

    def became_free(self, zone, page, order):
        """As that of Ledger; the zone holds its lock."""
        self._enter(zone)
        super().became_free(zone, page, order)

    def lend(self, page, drop):
        """As that of Ledger, under the zone's lock."""
        self._enter(self._locked(page))
        super().lend(page, drop)

    def call_in(self, page):
        """As that of Ledger, under the zone's lock."""
        self._enter(self._locked(page))
        super().call_in(page)

    def _locked(self, page):
        zone = self.pages.zone_of(page)
        if not zone.has_lists or self.told % BATCH == 0:
            zone.lock.instant()
        return zone

    def _enter(self, zone):
        """Under the zone's lock, which is held for as long as the looks take, those of the question before included."""
        self.told += 1
        looks, self.charged = self.touches - self.charged, self.touches
        if self.look_ns:
            cpu = traps.current.cpu
            cpu.clock += looks * self.look_ns
            zone.lock.free_at = cpu.clock

    def _spare_free(self, zone, order):
        if not (zone.has_lists or zone.free_pages):
            return None         # seen without the lock
        return super()._spare_free(zone, order)

    def _spare_clean(self, zone, order):
        pages = [] if order else list(islice(self.lent, BATCH if zone.has_lists else 1))
        if not pages:
            return super()._spare_clean(zone, order)
        zone.lock.instant()
        dropped = [page for page in pages if self._drop_spare(zone, page)]
        for page in dropped[1:]:
            zone.put(page, 0)
        return dropped[0] if dropped else None

    def _drop_spare(self, zone, page):
        if not self._spared(self.available[zone.name], zone.name, page, 0):
            return False
        drop = self.lent.pop(page)
        self.was_taken(zone, page, 0)
        drop()
        return True


class World:
    """A memory of one zone, in which KEPT pages are kept back in one of the ways."""

    def __init__(self, way, zone=Zone, pages=256 * MB, release="2.5.1"):
        self.zone = zone("NORMAL", 0, pages)
        self.pages = Pages(zones=[self.zone], attempts=RELEASES[release])
        self.way, self.pool, self.ledger, self.reservation = way, None, None, None
        self.reserved = set()       # pages in use that were kept back
        self.looks = 0              # of alloc into the pool
        self.calls = 0              # made here, as whoever makes them counts
        self.beneath, self.round_ns = self.zone.lock, 0
        self.cache = PageCache(self.pages)
        self.vm = Vm(self.pages, self.cache)
        if way == "mempool":
            self.pool = Mempool.create(KEPT, self.pages, kick=self._look)
        elif way == "hidden":
            self.zone.buddy = Hiding(self.zone, KEPT)
        elif way in LEDGERS:
            self.ledger = Books(self.pages, LEDGERS[way])
            self.reservation = self.ledger.try_reserve(KEPT)
            self.cache.lend_to(self.ledger)

    def _look(self):
        self.looks += 1

    @might_sleep
    async def alloc(self):
        """A page for a user; never None."""
        if self.pool:
            return await self.pool.alloc(GFP_NOIO)
        if self.way == "nothing":
            return await self.pages.alloc(GFP_NOIO)
        page = await self.pages.try_alloc(GFP_NOIO)
        if page is None and (page := self._kept_back()) is not None:
            self.reserved.add(page)
        return await self.pages.alloc(GFP_NOIO) if page is None else page

    def _kept_back(self):
        """One of the upper half, as in SKIM; then rather reclaim."""
        left = self.zone.buddy.hidden if self.way == "hidden" else self.reservation.left[0]
        if left <= KEPT // 2:
            return None
        return self.zone.buddy.take_hidden() if self.way == "hidden" else self.reservation.take()

    @never_sleeps
    async def free(self, page):
        """A user gives a page back, to where it came from."""
        if self.pool:
            await self.pool.free(page)
        elif page not in self.reserved:
            await self.pages.free(page)
        else:
            await step("back into what is kept")
            self.reserved.remove(page)
            (self.zone.buddy.give_back if self.way == "hidden" else self.reservation.put)(page)

    def keep_clean(self, key, page):
        """`page` is clean page cache from now on."""
        page = self.cache.insert(key, page)
        self.cache.unlock(page)
        self.cache.release(page)

    def left(self):
        """How many of the pages kept back are left, when somebody who is freeing memory has taken what can be had."""
        while self._last_page() is not None:
            pass
        if self.pool:
            return len(self.pool.elements)
        return self.zone.buddy.hidden if self.way == "hidden" else self.zone.free_pages

    def used_meanwhile(self):
        """How many of the pages kept back can hold clean page cache until they are needed."""
        for number in range(self.zone.pages):
            page = self._last_page()
            if page is not None:
                self.keep_clean(number, page)
        return len(self.cache) - (self.zone.pages - KEPT)

    def _last_page(self):
        """A page for somebody with PF_MEMALLOC, who may have the last one."""
        task = Task("frees memory", cpu=PROMPT.cpu, world=PROMPT.world)
        task.flags |= PF_MEMALLOC
        return call_as(task, self.pages.take)


class Bios:
    """A slab cache of bios, with a mempool in front of it or with nothing; it refuses a share of all requests.

    arrays: whether CPUs have arrays of free objects.
    """

    ledger = None

    def __init__(self, way, arrays, refused, seed):
        cache = Cache("bio", BIO_BYTES, Pages(64 * MB), limit=None if arrays else 0)
        self.beneath, self.looks, self.calls = cache.lock, 0, 0
        self.round_ns = 0       # that went by in asking again
        self.pool = Mempool.create(KEPT, cache, kick=self._look) if way == "mempool" else None
        self.source = Failing(cache, seeded(refused, seed))
        if self.pool:
            self.pool.backing = self.source     # only now: the pool is full

    def _look(self):
        self.looks += 1

    @might_sleep
    async def alloc(self):
        """A bio; never None."""
        if self.pool:
            return await self.pool.alloc(GFP_NOIO)
        while (bio := await self.source.alloc(GFP_NOIO)) is None:
            refused_at = traps.current.cpu.clock
            await yield_cpu("ask again")
            self.round_ns += traps.current.cpu.clock - refused_at
        return bio

    @never_sleeps
    async def free(self, bio):
        """Give it back."""
        await (self.pool or self.source).free(bio)
