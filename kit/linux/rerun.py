"""rerun: what a real Linux asked for, asked of the kit's own allocators.

The recorded events go through the page allocator (zones.py) or through slab caches (slab.py) one by
one, in their order and in an instant each, and what the model's memory looks like afterwards can be
laid beside the real one (procfs.py).  Blocks that the recording never freed stay allocated.

The kit has the orders of the recorded kernel, 0 to 10, but answers by the rules of 2.5.1.  Three more
things differ from the machine that was recorded: memory is all free at the start; slabs have the
layout of 2.5.1, for objects of the size that SLUB gave them; and all requests come from one CPU, at
the prompt, where nobody can sleep or reclaim.  A request that the model refuses is counted, and its
free is passed over.
"""

from dataclasses import dataclass, field

from kit.errors import BadInput
from kit.gfp import DMA, HIGHMEM
from kit.memory.slab import Cache
from kit.memory.zones import MB, PAGE_SIZE, Pages

MAX_ORDER = 10          # of Linux 6.18: blocks of 4 MiB; 2.5.1 had 9


@dataclass
class PageRun:
    """What came of a recording of pages."""

    pages: Pages                                # the page allocator, as the run left it
    held: dict = field(default_factory=dict)    # the page frame of each block still allocated
    refused: int = 0                            # requests that got nothing


@dataclass
class ObjectRun:
    """What came of a recording of objects."""

    pages: Pages
    caches: dict = field(default_factory=dict)  # the slab cache of each name, in the order of first use
    held: dict = field(default_factory=dict)    # the address of each object still allocated
    refused: int = 0


def run_pages(recording, pages=None, progress=iter):
    """Run a recording of pages through `pages`; returns a PageRun.

    pages: a page allocator; without one, a fresh memory of twice what the recording needs at once.
    progress: what the events are passed through on their way, such as a progress bar.
    """
    _require(recording, "pages")
    run = PageRun(pages or memory_for(peak_pages(recording)))
    take, put, held = run.pages.take, run.pages.put, run.held
    for _, _, event, block, order, gfp, _ in progress(recording.events):
        if event == "alloc":
            page = take(gfp, order)
            if page is None:
                run.refused += 1
            else:
                held[block] = page
        elif block in held:
            put(held.pop(block), order)
    return run


def run_objects(recording, pages=None, progress=iter):
    """Run a recording of objects through slab caches over `pages`; returns an ObjectRun.

    A cache is made when its name first occurs, for objects of the size that the recording states.
    Which zone a request names is left out.  pages, progress: as for run_pages.
    """
    _require(recording, "objects")
    run = ObjectRun(pages or memory_for(peak_bytes(recording) // PAGE_SIZE))
    for event in progress(recording.events):
        if event.event == "alloc":
            cache = run.caches.get(event.cache)
            if cache is None:
                cache = run.caches[event.cache] = Cache(event.cache, event.bytes_allocated, run.pages)
            address = cache.take(event.gfp & ~(DMA | HIGHMEM))
            if address is None:
                run.refused += 1
            else:
                run.held[event.object] = address
        elif event.object in run.held:
            run.caches[event.cache].put(run.held.pop(event.object))
    return run


# == How much memory it takes ======================================================================


def peak_pages(recording):
    """The most pages that were in use at once, as far as the recording saw them allocated."""
    in_use = peak = 0
    for event in recording:
        in_use += 1 << event.order if event.event == "alloc" else -1 << event.order
        peak = max(peak, in_use)
    return peak


def peak_bytes(recording):
    """The most bytes of objects that were in use at once, likewise."""
    sizes, in_use, peak = [], 0, 0      # object n is the n-th that was allocated
    for event in recording:
        if event.event == "alloc":
            sizes.append(event.bytes_allocated)
            in_use += event.bytes_allocated
            peak = max(peak, in_use)
        else:
            in_use -= sizes[event.object]
    return peak


def memory_for(pages):
    """A fresh page allocator with twice `pages` page frames, as a power of two from 64 MiB to 16 GiB."""
    return Pages(min(max(64 * MB, 1 << (2 * pages - 1).bit_length()), 16_384 * MB), max_order=MAX_ORDER)


def unusable(counts, order):
    """The share of free memory that lies in blocks too small for `order`; `counts` are free blocks by order.

    The kernel calls it the unusable free space index: 0 when every free page could serve such a
    request, 1 when none could.  Without free memory it is 1.
    """
    free = [blocks << of for of, blocks in enumerate(counts)]
    return 1 - sum(free[order:]) / sum(free) if any(free) else 1.0


def _require(recording, kind):
    if recording.kind != kind:
        raise BadInput(f"{recording.name} is a recording of {recording.kind}, and {kind} are asked for.")
