"""supply_base: what a driver may ask of a supply, whichever it is.

supply.py says what a supply is for and which there are; this is the part that all of them have: they
make a source for each kind of element, know all that they made, and let a request begin.  A supply
says how it makes a source in `_source(name, backing, min_nr)`.

What is always true (`check()`): every source is sound.
"""

from kit.memory.mempool import Mempool


class Supply:
    """What the three without a ledger share: a request has nothing to ask."""

    def __init__(self):
        self.sources = []       # for check() and for the tables of who waited where

    def of(self, name, backing, min_nr):
        """A source of elements of one kind, from `backing`, of which `min_nr` are kept back where that is the way."""
        source = self._source(name, backing, min_nr)
        self.sources.append(source)
        return source

    def part(self, backing):
        """A source for a part of a composite element, which is kept back as a whole or not at all."""
        return backing

    def keep_back(self, needs, requests):
        """So many requests with such needs are to come through when nothing is left: pools have their elements."""

    def request(self, needs):
        """`async with` this while a task takes what one request needs: {allocator: how many}."""
        return NothingToAsk()

    def lend(self, cache):
        """What the page cache has to do for this supply: nothing, but where clean pages stand in for reserves."""

    def shape(self):
        """How many elements are kept back, and how many tasks wait; to compare states."""
        return [(len(source.elements), len(source.wait.tasks)) for source in self._pools()]

    def pages_kept(self, pages):
        """How many pages of `pages` lie idle in pools, slabs not counted."""
        return sum(len(pool.elements) for pool in self._pools() if beneath(pool) is pages)

    def _pools(self):
        return [source for source in self.sources if isinstance(source, Mempool)]

    def check(self):
        """Every source that keeps elements is sound."""
        for source in self.sources:
            source.check()


class NothingToAsk:
    """A request that may begin at once."""

    async def __aenter__(self):
        pass

    async def __aexit__(self, *_):
        pass


def beneath(allocator):
    """The allocator at the bottom of pools that stand on pools, and of wrappers."""
    while hasattr(allocator, "backing"):
        allocator = allocator.backing
    return allocator
