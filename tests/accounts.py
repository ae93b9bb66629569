"""Where every page and every object of a Pressure story is, by name: in one place each, at every instant.

    balance(story)      raises AssertionError with what is nowhere, or in two places, and these

The places below are all there are.  What the drivers have taken is known from what tasks hold
(traps.hold); and what a bio at a disk stands on must be held, for the disk still reads it, and in its reach.

Left out: slabs that keep their own data elsewhere, which no vector of up to 16 pages needs.
"""

from collections import defaultdict

from kit.drivers.bio import Bio
from kit.memory.mempool import Mempool


def balance(story):
    """Every page and every object is in exactly one place, and what lies at a disk is held."""
    claims = defaultdict(lambda: defaultdict(list))     # allocator -> thing -> the places that have it
    for name, things in places(story).items():
        for allocator, thing in things:
            claims[allocator][thing].append(name)
    frames = {page for zone in story.pages.zones for page in range(zone.start, zone.end)}
    for allocator, things in [(story.pages, frames)] + [(cache, cache.live) for cache in story.chain.caches]:
        for thing in things | claims[allocator].keys():
            where = claims[allocator][thing]
            assert len(where) == 1 and thing in things, (
                f"{thing} of {name_of(allocator)} is with {' and with '.join(where) or 'nobody'}")
    limit = story.setting.lowmem if "bounce" in story.setting.stack else story.pages.zones[-1].end
    for disk in story.disks:
        for bio, _ in disk.disk.waiting:
            assert max(bio.pages) < limit, f"{disk.name} is asked for a page that it cannot reach"
            for allocator, thing in stands_on(story, bio):
                assert claims[allocator][thing] == ["a task"], (
                    f"{disk.name} has yet to read {thing} of {name_of(allocator)}, which was given back")


def places(story):
    """{name: (allocator, thing) pairs}: what a page, or an object in use, can be."""
    pages, ledger = story.pages, story.pages.ledger
    return {
        "the free": [(pages, page) for zone in pages.zones for first, order, is_free in zone.buddy.blocks() if is_free
                     for page in range(first, first + (1 << order))],
        "whoever freed it": [(pages, page) for kept in pages.kept.values() for page, _ in kept],
        "the page cache": [(pages, page.pfn) for page in story.cache.cached.values()],
        "a slab": [(pages, page) for page in story.chain.by_page],
        "the card": [(pages, page) for page in story.on_card],
        "a pool": [(beneath(pool), element) for pool in story.supply.sources if isinstance(pool, Mempool)
                   for element in pool.elements],
        "a promise": [(cache, spare) for cache, account in (ledger.accounts if ledger else {}).items()
                      for spare in account.spares],
        "the keeper": [(story.bios.bio_cache, thing) for thing in story.kept if not isinstance(thing, Bio)],
        "a task": held(story),
    }


def held(story):
    """What tasks have taken and not given back."""
    return [(came_from(thing, of), thing) for task in story.machine.tasks for thing, of in task.holds]


def came_from(thing, of):
    """The allocator; a reservation says of what kind each of its elements is, any other source has one kind."""
    if not hasattr(of, "out"):
        return beneath(of)
    kind = next(kind for element, kind, _ in of.out if element is thing)
    return of.ledger.pages if kind == 0 else kind


def stands_on(story, bio):
    """(allocator, element) of a bio and of all that it was made for."""
    while isinstance(bio, Bio):
        yield story.bios.bio_cache, bio.element
        if bio.vec is not None:
            yield beneath(bio.pool), bio.vec
        owner = bio.owner
        if isinstance(owner, Bio):
            yield from ((story.pages, page) for page in set(bio.pages) - set(owner.pages))
        bio = getattr(owner, "bio", owner)      # of a clone, the owner is the Write, which knows its bio


def beneath(allocator):
    while hasattr(allocator, "backing"):
        allocator = allocator.backing
    return allocator


def name_of(allocator):
    return getattr(allocator, "name", "the pages")
