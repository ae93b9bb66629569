"""pagecache: memory that holds what is on disk, and is worth something only while nobody else needs it.

The problem: nearly all memory of a busy machine holds copies of disk blocks.  A clean copy is as
good as a free page, for it can be dropped on the spot; a dirty one is not, for it must be written
first, and writing takes memory.  The idea: remember of each page what stands between it and the
free list (page.py), and keep all of them in the order in which they were last wanted (lru.py).

What is always true (`check()`): every cached page is in exactly one of the two lists, is handed out
by the page allocator and not free; `dirty`, `writing` and `droppable` hold just the pages that are so.

Nothing here knows a disk.  Pages are filled by `readpage(page)` and written by `writepage(page)`,
coroutine functions that whoever has a disk puts there; the writer says end_write when it is done.
A ledger of reservations may be lent the droppable pages (lend_to): then it is asked before one of them
stops being droppable, and may drop any of them at any time.

Stands beside: mm/filemap.c, mm/swap.c and include/linux/pagemap.h of Linux 2.5.1.  Left out:
buffer heads (a page is written whole), address spaces (a key is any value), anonymous memory's way
into the swap cache, and the hash of wait queues (each page has its own, made when first needed).
"""

from collections import Counter, OrderedDict

from kit import trace
from kit.errors import BadInput
from kit.gfp import GFP_HIGHUSER
from kit.locks import WaitQueue
from kit.memory.lru import TwoLists
from kit.memory.page import Page, why_not
from kit.traps import might_sleep, never_sleeps, note, sleep, step


class PageCache(TwoLists):
    """The page cache over the page allocator `pages`.

    readpage, writepage: coroutine functions given a Page; without them reading takes no time, and
    writing is impossible.  Neither is called while the page could be dropped meanwhile.
    """

    explored = ("cached", "dirty", "writing", "mapped")

    def __init__(self, pages, readpage=None, writepage=None):
        super().__init__()
        self.pages, self.readpage, self.writepage = pages, readpage, writepage
        self.cached = {}                                # by key
        self.dirty, self.writing, self.mapped = OrderedDict(), OrderedDict(), OrderedDict()     # longest so first
        self.droppable = OrderedDict()
        self.ledger = None
        self.hits = self.misses = self.written = self.dropped = 0

    def __len__(self):
        return len(self.cached)

    # -- What tasks call -----------------------------------------------------------------------------

    @might_sleep
    async def read(self, key, gfp=GFP_HIGHUSER):
        """The page of `key`, filled, with a reference taken: `release` it.  None if there is no page to be had.

        Sleeps as the page allocator does, and while the page is being filled, by `readpage` or by
        another task that came first.  Source: read_cache_page() of 2.5.1.
        """
        while True:
            await step("look up")
            page = self.find(key)
            if page is None:
                pfn = await self.pages.alloc(gfp)
                if pfn is None:
                    return None
                if key not in self.cached:
                    return await self._read_in(key, pfn)
                self.pages.put(pfn)             # somebody else read it in while we looked for a page
            elif await self.hold(page):
                await self.wait_until_idle(page)
                return page

    @might_sleep
    async def write(self, key, gfp=GFP_HIGHUSER):
        """Change what is cached of `key`: its page is dirty now.  Gives the page, or None as `read` does."""
        page = await self.read(key, gfp)
        if page is not None:
            await self.dirty_page(page)
            self.release(page)
        return page

    async def _read_in(self, key, pfn):
        page = self.insert(key, pfn)
        if self.readpage is not None:
            await self.readpage(page)
        self.unlock(page)
        return page

    @might_sleep
    async def dirty_page(self, page):
        """`page` was changed in memory."""
        await self._may_stay(page)
        self._set(page, dirty=True)

    @might_sleep
    async def map(self, page):
        """A process has `page` in its page table from now on."""
        await self._may_stay(page)
        self._set(page, mapped=True)

    @might_sleep
    async def lock(self, page):
        """Nobody else may fill, write or drop `page`; sleeps while somebody else has it locked."""
        while True:
            await self.wait_until_idle(page)
            await self._may_stay(page)
            if not page.busy:       # whoever asks a ledger may sleep, and another may have come first
                break
        self._set(page, locked=True)

    @might_sleep
    async def hold(self, page):
        """Take a reference, so that `page` stays; says whether it is still there.

        Who has one need not ask anybody for anything: the page is not droppable while it is held.
        """
        await self._may_stay(page)
        if self.cached.get(page.key) is not page:
            return False
        self._set(page, users=page.users + 1)
        return True

    @might_sleep
    async def write_out(self, page, launder=False):
        """Start to write a dirty page; does not wait for the end, but sleeps wherever `writepage` does.

        The page is clean from now on: a change that comes after this needs another write.
        """
        self._set(page, dirty=False, writing=True, launder=launder)
        await self.writepage(page)

    @might_sleep
    async def wait_until_idle(self, page):
        """Sleep until `page` is neither locked nor under write-out."""
        while page.busy:
            if page.wait is None:
                page.wait = WaitQueue(f"page {page.pfn}", "Only the end of its reading or write-out wakes it.", of=page)
            with page.wait.queued():
                await step("look again")
                if page.busy:
                    await sleep(page.wait)

    async def _may_stay(self, page):
        """Ask the ledger, if there is one, whether a droppable page may stop being so; no step after its yes."""
        if self.ledger is not None and page.droppable:
            await self.ledger.pin_or_wait(page.pfn)

    # -- In one instant: the way towards the free list -------------------------------------------------

    def find(self, key):
        """The page of `key`, or None; counted, and a page found has been used once more."""
        page = self.cached.get(key)
        if page is None:
            self.misses += 1
            return None
        self.hits += 1
        self.mark_accessed(page)
        return page

    def insert(self, key, pfn):
        """A new page, locked until it is filled and with a reference for who inserts it."""
        if key in self.cached:
            raise BadInput(f"{key!r} is cached already, in {self.cached[key]}: find it first.")
        page = self.cached[key] = Page(key, pfn, self.pages.zone_of(pfn))
        page.locked, page.users = True, 1
        self.inactive[pfn] = page
        return page

    def release(self, page):
        """Give a reference back."""
        if not page.users:
            raise BadInput(f"{page} is released more often than it was held.")
        self._set(page, users=page.users - 1)

    def unlock(self, page):
        """`page` is filled, or no longer busy; wakes who waits for it."""
        self._set(page, locked=False)
        self._wake(page)

    def unmap(self, page):
        """The process has given `page` up."""
        self._set(page, mapped=False)

    def unmap_some(self, count):
        """Processes give up the `count` pages mapped longest, but no active one; swap_out() of 2.5.1, in short."""
        for _ in range(min(count, len(self.mapped))):
            pfn, page = next(iter(self.mapped.items()))
            self.mapped.move_to_end(pfn)
            if not page.active:
                self.unmap(page)

    @never_sleeps
    async def end_write(self, page, failed=False):
        """The write-out is over, well or not; a page that could not be written is dirty again.

        Called from the interrupt of the disk.  Wakes who waits for the page.
        """
        await step("end of write-out")
        self._set(page, writing=False, launder=False, dirty=page.dirty or failed)
        self.written += not failed
        self._wake(page)

    def drop(self, page):
        """Forget a droppable page and give its frame back; returns the number of pages freed: 1."""
        if not page.droppable:
            raise BadInput(f"{page} cannot be dropped: it is {' and '.join(why_not(page))}.")
        self._forget(page)
        self.pages.put(page.pfn)
        return 1

    def _forget(self, page):
        """The page is cached no more; whose its frame is now, the caller knows."""
        del self.cached[page.key], self._list_of(page)[page.pfn]
        self._no_longer_droppable(page)
        self.dropped += 1
        if trace.watchers:
            note("drop", page.key, page=page.pfn)

    # -- The one door through which a page changes -----------------------------------------------------

    def _set(self, page, **changes):
        """Change `page`, and let the lists of dirty, written and droppable pages follow."""
        for name, value in changes.items():
            setattr(page, name, value)
        for pages, belongs in ((self.dirty, page.dirty), (self.writing, page.writing), (self.mapped, page.mapped)):
            if belongs:
                pages.setdefault(page.pfn, page)
            else:
                pages.pop(page.pfn, None)
        if not page.droppable:
            self._no_longer_droppable(page)
        elif page.pfn not in self.droppable:
            self.droppable[page.pfn] = page
            self._lend(page)

    def _no_longer_droppable(self, page):
        if self.droppable.pop(page.pfn, None) and self.ledger is not None and page.pfn in self.ledger.lent:
            self.ledger.call_in(page.pfn)

    def _lend(self, page):
        if self.ledger is not None:
            self.ledger.lend(page.pfn, lambda: self._forget(page))

    def lend_to(self, ledger):
        """From now on droppable pages stand in for what `ledger` has promised, and it is asked before they change."""
        self.ledger = ledger
        for page in self.droppable.values():
            self._lend(page)

    def _wake(self, page):
        if page.wait is not None and not page.busy:
            page.wait.wake_all()

    def shape(self):
        """What whoever frees or wants pages can find here, to tell whether anything has changed.

        How many pages there are of each sort, and how many have come and gone: not which comes first.
        Passes over the lists only turn these round as long as they find nothing, and the last pass of
        a round looks at all pages: so whoever found nothing in one order finds nothing in any.
        """
        sorts = [Counter((page.zone.name, page.dirty, page.writing, page.launder, page.locked, page.mapped,
                          page.referenced, page.users) for page in pages.values())
                 for pages in (self.inactive, self.active)]
        return sorts, self.hits, self.misses, self.written, self.dropped

    def check(self):
        """Every page is in one list, is nobody else's, and is counted among what it is."""
        assert not self.active.keys() & self.inactive.keys(), "a page is active and inactive"
        assert len(self.cached) == len(self.active) + len(self.inactive), "a page of the cache is in no list"
        for key, page in self.cached.items():
            assert page.key == key and self._list_of(page).get(page.pfn) is page, f"{page} is not where it belongs"
            page.zone.buddy.require_held(page.pfn)
            assert (page.pfn in self.dirty) == page.dirty, f"{page} is counted as dirty wrongly"
            assert (page.pfn in self.writing) == page.writing, f"{page} is counted as under write-out wrongly"
            assert (page.pfn in self.droppable) == page.droppable, f"{page} is counted as droppable wrongly"
            assert (page.pfn in self.mapped) == page.mapped, f"{page} is counted as mapped wrongly"
        for pages in (self.dirty, self.writing, self.mapped, self.droppable):
            assert pages.keys() <= self.active.keys() | self.inactive.keys(), "a page that was dropped is still counted"
