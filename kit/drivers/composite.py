"""composite: an element made of several parts, which is had whole or not at all.

raid1's resync buffer is the example of the mail thread: 16 pages, a bio for them, and an r1bio.  Its
parts come from three allocators, and a fourth, for the r1bio is itself an element of another pool.

Always: when an allocation fails half-way, what it had got is given back, in reverse order.
Beside it: r1buf_pool_alloc() in drivers/md/raid1.c of Linux 2.5.1.
"""

from kit.traps import might_sleep, never_sleeps, step


class Composite:
    """An allocator of elements of `parts`: {name: (allocator, how many)}, taken in that order.

    An element is a tuple of (name, part) pairs.
    """

    explored = ("parts",)

    def __init__(self, parts, name="composite"):
        self.parts, self.name = parts, name

    def __repr__(self):
        return self.name

    @might_sleep
    async def alloc(self, gfp):
        """An element; None if one of its parts could not be had.  Sleeps as the allocators of the parts do."""
        return await self._put_together(gfp, "alloc")

    @never_sleeps
    async def try_alloc(self, gfp):
        """The same without sleeping."""
        return await self._put_together(gfp, "try_alloc")

    @never_sleeps
    async def free(self, element):
        """Give all parts back."""
        await self._give_back(element)

    async def _put_together(self, gfp, ask):
        """All parts or none; `ask` names the method by which each is asked for."""
        got = []
        for name, allocator in self._in_order():
            await step(f"next part: {name}")
            part = await getattr(allocator, ask)(gfp)
            if part is None:
                await self._give_back(got)
                return None
            got.append((name, part))
        return tuple(got)

    def _in_order(self):
        return [(name, allocator) for name, (allocator, count) in self.parts.items() for _ in range(count)]

    async def _give_back(self, got):
        for name, part in reversed(got):
            allocator, _ = self.parts[name]
            await allocator.free(part)

    def check(self):
        """Nothing is kept here."""


def part_of(element, name):
    """The parts of that name, in the order in which they were taken."""
    return [part for each, part in element if each == name]
