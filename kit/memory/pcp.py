"""pcp: single pages kept per CPU, so that most allocations take no lock (an option, as of 2.5.45).

The problem: every page comes from its zone's free lists under its zone's lock, and many CPUs queue
for that.  The idea: each CPU keeps a few free pages of its own.  It fetches a batch of them from the
zone when its list runs low, and gives a batch back when the list grows high.

    Pages(64 * MB, zone=PerCpuZone)

What is always true: a page on a CPU's list is not free for others (neither the zone's free_pages
nor its marks see it); free + on lists + handed out = all pages.  So memory may be refused to one
CPU while another has some on its list, and blocks stay apart while their pages lie on lists.

A ledger of reservations counts them as handed out, so it is asked once for each page that is fetched
and told once for each that is given back, and of what goes to and fro between a list and its CPU it
need not know.  Whoever waits for the ledger has all lists emptied, and until it has got its page what
is freed goes past them.

Stands beside: buffered_rmqueue and free_hot_cold_page in mm/page_alloc.c of Linux 2.5.45 (October
2002).  2.5.1 had nothing like it: what the mail says of per-CPU caching was true of slabs alone.
Left out: the second list of each CPU, for pages that are not in its cache ("cold").
"""

from kit import traps
from kit.errors import Corruption
from kit.memory.zones import PAGE_SIZE, Zone
from kit.trace import watchers
from kit.traps import note


class PerCpuZone(Zone):
    """A zone whose single pages go through a list for each CPU.

    batch, low, high: in pages; without them, what 2.5.45 computes from the zone's size.  Blocks of
    more than one page are the zone's own, as before.
    """

    explored = ("lists", "on_list")
    has_lists = True

    def __init__(self, *args, batch=None, low=None, high=None, **options):
        super().__init__(*args, **options)
        self.batch = batch_of(self.pages) if batch is None else batch
        self.low = 2 * self.batch if low is None else low
        self.high = 6 * self.batch if high is None else high
        self.lists = {}                         # by CPU number (None is the prompt): pages, the newest last
        self.on_list = bytearray(self.pages)    # 1 for a page that lies on some list

    def take(self, order):
        """As Zone.take, but a single page comes from this CPU's list, and the lock is taken once a batch."""
        if order:
            return super().take(order)
        pages = self._list_of_this_cpu()
        if len(pages) <= self.low:
            self._fetch_a_batch(pages)
        if not pages:
            return None
        page = pages.pop()
        self.on_list[page - self.start] = 0
        if watchers:
            note("take", self.name, page=page, order=0)
        return page

    def put(self, page, order):
        """As Zone.put, but a single page goes to this CPU's list, whatever CPU it came from."""
        if order or self.ledger is not None and self.ledger.wait.tasks:
            self.put_back(page, order)
            return
        self._require_handed_out(page, order)
        pages = self._list_of_this_cpu()
        if len(pages) >= self.high:
            self._give_back(pages, self.batch)
        pages.append(page)
        self.on_list[page - self.start] = 1
        if watchers:
            note("put", self.name, page=page, order=0)

    def put_back(self, page, order):
        """As Zone.put: to the free lists, where everybody finds it."""
        self._require_handed_out(page, order)
        super().put(page, order)

    def pages_on_lists(self):
        """How many pages lie on the lists of all CPUs."""
        return sum(len(pages) for pages in self.lists.values())

    def _list_of_this_cpu(self):
        return self.lists.setdefault(traps.current.cpu.number, [])

    def _fetch_a_batch(self, pages):
        """Under the lock once; what is fetched is handed out after what is there already."""
        if self.ledger is not None and not (self.free_pages and self.ledger.can_spare(self)):
            return          # seen without the lock: a no that is late does no harm
        self.lock.instant()
        for _ in range(self.batch):
            page = self._free_page()
            if page is None:
                break
            pages.insert(0, page)
            self.on_list[page - self.start] = 1

    def _free_page(self):
        """A page from the free lists; None if there is none, or if a ledger has promised it."""
        if self.ledger is not None and not self.ledger.can_spare(self):
            return None
        page = self.buddy.take()
        if page is None:
            return None
        self.free_pages -= 1
        if self.ledger is not None:
            self.ledger.was_taken(self, page, 0)
            if not self.ledger.is_kept(self):       # some page can be spared, but not this one
                self._free(page)
                return None
        return page

    def _free(self, page):
        self.buddy.put(page)
        self.free_pages += 1
        if self.ledger is not None:
            self.ledger.became_free(self, page, 0)

    def empty_lists(self):
        """As Zone.empty_lists."""
        for pages in self.lists.values():
            if pages:
                self._give_back(pages, len(pages))

    def _give_back(self, pages, count):
        """Under the lock once; those go first that have lain here longest."""
        self.lock.instant()
        for page in pages[:count]:
            self._free(page)
            self.on_list[page - self.start] = 0
        del pages[:count]

    def _require_handed_out(self, page, order):
        """To the buddy lists a page on a CPU's list is in use, so freeing it twice has to be seen here."""
        self.buddy.require_held(page, order)
        if self.on_list[page - self.start]:
            raise Corruption(f"page {page} is freed twice: it lies on a CPU's list of free pages.")

    def check(self):
        """As Zone.check; each page on a list is on one list, is marked so, and to the buddy lists is in use."""
        super().check()
        listed = [page for pages in self.lists.values() for page in pages]
        assert len(set(listed)) == len(listed), f"a page lies on two lists of {self}"
        assert sum(self.on_list) == len(listed), f"{self} marks {sum(self.on_list)} pages as listed, not {len(listed)}"
        for page in listed:
            assert self.on_list[page - self.start], f"page {page} lies on a list of {self} and is not marked so"
            self.buddy.require_held(page)


def batch_of(pages):
    """Pages per batch in a zone of so many: a 4096th, at most 16 (64 KiB), at least 1 (2.5.45)."""
    return max(1, min(pages // 1024, 256 * 1024 // PAGE_SIZE) // 4)
