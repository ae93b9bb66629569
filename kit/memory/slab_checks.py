"""slab_checks: who frees twice, who frees what was never handed out, who writes to what was freed.

A free object is at rest: as its constructor built it, or filled with poison if it has none.  A
checked cache looks at that twice.  A constructed object must be at rest when it is freed, for the
next user will find it so.  And every object must still be at rest when it is taken: if it is not,
somebody wrote to it in between, through an address he had given away.

Whoever catches the error finds the cache whole: a refused object stays in use, a damaged one is
mended before the error is raised.

Beside it: SLAB_POISON and SLAB_DEBUG_INITIAL of mm/slab.c, Linux 2.5.1.
"""

from kit import traps
from kit.errors import Corruption
from kit.memory.zones import PAGE_SIZE

POISON = 0x5A       # POISON_BYTE of 2.5.1


def lay_to_rest(cache, obj):
    """`obj` has just been freed."""
    if cache.constructor is None:
        cache.memory[obj] = POISON
    elif cache.memory.get(obj) != at_rest(cache, obj):
        cache.live.add(obj)
        raise Corruption(f"{traps.current} frees {name(cache, obj)} holding {cache.read(obj)!r}, but objects of "
                         f"this cache have to be freed as they were constructed, holding {at_rest(cache, obj)!r}. "
                         "Restore it, then free it.")


def look_for_damage(cache, obj):
    """`obj` is about to be taken."""
    found, expected = cache.memory.get(obj), at_rest(cache, obj)
    if found != expected:
        cache.memory[obj] = expected
        raise Corruption(f"use after free: {name(cache, obj)} was written to while it was free: it holds {found!r} "
                         f"instead of {expected!r}. Its last user went on using its address after freeing it.")


def at_rest(cache, obj):
    """What a free object has to hold."""
    return cache.constructor(obj) if cache.constructor else POISON


def why_not_in_use(cache, obj):
    """The sentence for whoever frees `obj`, which is not in use."""
    who = f"{traps.current} frees {obj!r} to {cache}"
    if type(obj) is not int:
        return f"{who}, but an object is freed by its address, an int: the one that take() or alloc() returned."
    slab = cache.slabs.by_page.get(obj // PAGE_SIZE)
    if slab is None:
        return (f"{who}, but page {obj // PAGE_SIZE} belongs to no slab that {cache} knows of. "
                "Free it to the allocator that it came from.")
    if slab.cache is not cache:
        return f"{who}, but it lies in a {slab}. Free it there: {slab.cache}.put(...)"
    if obj in slab.objects:
        return (f"double free: {traps.current} frees {name(cache, obj)}, which is free already. "
                "Whoever takes it next would share it with whoever takes it after.")
    return f"{who}, but no object begins there. {_nearest(slab, obj)}"


def name(cache, obj):
    """An object as a reader can find it: its number, its slab, its address."""
    slab = cache.slabs.by_page[obj // PAGE_SIZE]
    return f"object {slab.objects.index(obj)} of the {slab} (address {obj})"


def _nearest(slab, address):
    number = (address - slab.objects.start) // slab.objects.step
    if 0 <= number < len(slab.objects):
        return f"It lies inside object {number}, which begins at {slab.objects[number]}. Free that address."
    return f"The objects of the {slab} begin at {slab.objects.start} and end at {slab.objects.stop}."
