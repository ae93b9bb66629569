"""raid1: one write becomes one write per mirror, and each of them needs memory.

The problem: a driver that stands on other drivers allocates in the middle of a write that already
holds memory, and must not fail.  raid1 uses four allocators, which is the mail's example:

    kmalloc         the r1bio, what is known about one write
    alloc_page      16 pages of the resync buffer
    bio_alloc       a clone of the bio for each mirror; one for the resync buffer
    mempool_alloc   the resync buffer again: its r1bio comes from the pool of r1bios

Where it can hang: all clones are taken before any of them is submitted.  So a write holds an r1bio and
some bios and waits for more bios of the same pool: the stampede, with as many each as there are
mirrors.  (That is our reading of make_request; no such hang was found reported.)

Stands beside: drivers/md/raid1.c of Linux 2.5.1.  Left out: reading from a mirror but for resync,
failed mirrors, the barrier between resync and writes, and moving windows.
"""

from collections import Counter

from kit.drivers.bio import ANYWHERE, BIO_MAX_PAGES, BiosOf
from kit.drivers.composite import Composite, part_of
from kit.gfp import GFP_NOIO
from kit.locks import WaitQueue
from kit.traps import might_sleep, never_sleeps, sleep, step

NR_RAID1_BIOS = 256
RESYNC_BUFFERS = 32         # a window of 2 MB in pieces of 64 kB
R1BIO_BYTES = 152           # estimated from its fields; kmalloc makes 256 of anything from 129 up


class Write:
    """One write to the array: an r1bio, the clones, and how many mirrors have not answered."""

    def __init__(self, bio, element):
        self.bio, self.element, self.clones, self.remaining = bio, element, [], 0


class Raid1:
    """An array over `mirrors`, which are devices.  min_nr: how many r1bios are kept back."""

    explored = ("buffers",)

    def __init__(self, mirrors, bios, supply, kmalloc, pages, min_nr=NR_RAID1_BIOS):
        self.mirrors, self.bios, self.supply, self.pages = mirrors, bios, supply, pages
        self.r1bio_cache = kmalloc.cache(R1BIO_BYTES)
        self.r1bios = supply.of("r1bio", self.r1bio_cache, min_nr)
        self.buffers = None     # until start_resync
        self.resync_done = WaitQueue("raid1.resync", "Only the end of a resync request wakes it.", of=self)
        self.name = "raid1.resync"

    # -- Writing -------------------------------------------------------------------------------------

    @might_sleep
    async def submit(self, bio):
        """Write `bio` to every mirror; sleeps for an r1bio and the clones.  Source: make_request()."""
        write = Write(bio, await self.r1bios.alloc(GFP_NOIO))
        for _ in self.mirrors:
            await step("a clone for each mirror")
            write.clones.append(await self.bios.clone(bio, GFP_NOIO))
        write.remaining = len(write.clones)
        for mirror, clone in zip(self.mirrors, write.clones, strict=True):
            clone.owner, clone.end_io = write, self._mirror_answered
            await mirror.submit(clone)

    @never_sleeps
    async def _mirror_answered(self, clone):
        """The last mirror ends the write, gives the clones back, and the r1bio; a write fails if all mirrors do."""
        write = clone.owner
        write.remaining -= 1
        if write.remaining:
            return
        write.bio.failed = all(each.failed for each in write.clones)
        for each in write.clones:
            await self.bios.put(each)
        await self.r1bios.free(write.element)
        await write.bio.end_io(write.bio)

    def needs(self, pages):
        """An r1bio and, for each mirror, a clone and what the mirror needs."""
        needs = Counter({self.r1bio_cache: 1})
        for mirror in self.mirrors:
            needs += self.bios.needs(pages=0) + mirror.needs(pages)
        return needs

    # -- Resync --------------------------------------------------------------------------------------

    def start_resync(self, nested=True, buffers=RESYNC_BUFFERS):
        """Set the buffers up.  nested: the r1bio of each comes from the pool of r1bios, as until May 2003.

        At the prompt, as drivers are set up; it sleeps as creating a pool does.
        """
        parts = {"r1bio": (self.r1bios if nested else self.supply.part(self.r1bio_cache), 1),
                 "bio": (BiosOf(self.bios, BIO_MAX_PAGES), 1),
                 "page": (self.supply.part(self.pages), BIO_MAX_PAGES)}
        self.buffers = self.supply.of("r1buf", Composite(parts, "resync buffer"), buffers)
        self.supply.keep_back(self.resync_needs(), buffers)

    @might_sleep
    async def resync(self):
        """Copy one window of 64 kB from the first mirror to the others; sleeps until it is done."""
        async with self.supply.request(self.resync_needs()):
            buffer = await self.buffers.alloc(GFP_NOIO)
            bio, = part_of(buffer, "bio")
            bio.pages = part_of(buffer, "page")
            await self._submit_and_wait([self.mirrors[0]], [bio])
            clones = []
            for _ in self.mirrors[1:]:
                await step("a clone for each other mirror")
                clones.append(await self.bios.clone(bio, GFP_NOIO))
            await self._submit_and_wait(self.mirrors[1:], clones)
        for clone in clones:
            await self.bios.put(clone)
        await self.buffers.free(buffer)

    async def _submit_and_wait(self, mirrors, bios):
        """Submit each bio to its mirror, then sleep until all are served."""
        served = []
        for mirror, bio in zip(mirrors, bios, strict=True):
            bio.owner, bio.end_io = served, self._resync_answered
            await mirror.submit(bio)
        while len(served) < len(bios):
            with self.resync_done.queued():
                await step("look again")
                if len(served) < len(bios):
                    await sleep(self.resync_done)

    @never_sleeps
    async def _resync_answered(self, bio):
        bio.owner.append(bio)
        self.resync_done.wake_all()

    def resync_needs(self):
        """The buffer, and what the reading and the writing of it take below."""
        needs = Counter({self.r1bio_cache: 1, self.pages: BIO_MAX_PAGES}) + self.bios.needs(BIO_MAX_PAGES)
        for mirror in self.mirrors:
            needs += mirror.needs([ANYWHERE] * BIO_MAX_PAGES)
        for _ in self.mirrors[1:]:
            needs += self.bios.needs(pages=0)
        return needs
