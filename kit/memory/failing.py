"""failing: make an allocator say no, when you want it to.

The problem: the paths that matter here are the ones that run when an allocation fails, and on a
quiet machine none ever does.  The idea: put a wrapper round any allocator and let one question
decide, before each allocation, whether it fails:

    Failing(pages, nth(7))                the seventh fails
    Failing(pages, seeded(0.1, seed=1))   each fails with probability 1/10; same seed, same failures
    Failing(pages, chosen)                the world decides: the explorer tries both, always

What is always true: the wrapper never touches the allocator beneath when it fails an allocation, and
it passes every free on.  So whatever is lost then was lost by the caller.

Beside it: the fault injection of Linux 2.6.20 (fail_page_alloc, failslab).  Everything that the
allocator beneath can do besides (check, zones, served ...) can be asked of the wrapper too.
"""

import random

from kit import traps
from kit.errors import BadInput
from kit.traps import choose, might_sleep, never_sleeps


class Failing:
    """`backing`, but an allocation fails when `fails(backing)` says so: the caller gets None.

    `failed` counts these.  The calls sleep where those of `backing` do.
    """

    explored = ("backing", "fails")

    def __init__(self, backing, fails):
        self.backing, self.fails = backing, fails
        self.failed = 0

    def __repr__(self):
        return f"failing {self.backing}"

    def __getattr__(self, name):
        if name == "backing":       # while being copied or unpickled there is none yet
            raise AttributeError(name)
        return getattr(self.backing, name)

    def _is_to_fail(self):
        failing = self.fails(self.backing)
        self.failed += failing
        return failing

    @might_sleep
    async def alloc(self, *request):
        """As the backing's alloc; None if this one is to fail, and then it does not sleep."""
        return None if self._is_to_fail() else await self.backing.alloc(*request)

    @never_sleeps
    async def try_alloc(self, *request):
        """As the backing's try_alloc; None if this one is to fail."""
        return None if self._is_to_fail() else await self.backing.try_alloc(*request)

    @never_sleeps
    async def free(self, *block):
        """As the backing's free: giving back never fails."""
        await self.backing.free(*block)

    def take(self, *request):
        """As the backing's take, in one instant; None if this one is to fail."""
        return None if self._is_to_fail() else self.backing.take(*request)

    def put(self, *block):
        """As the backing's put, in one instant."""
        self.backing.put(*block)


# == Which ones fail ================================================================================


class nth:
    """The n-th allocation fails, counted from 1, and no other."""

    explored = ("seen",)

    def __init__(self, n):
        if n < 1:
            raise BadInput(f"allocations are counted from 1, so there is no allocation number {n} to fail.")
        self.n, self.seen = n, 0

    def __call__(self, backing):
        self.seen += 1
        return self.seen == self.n


class seeded:
    """Each allocation fails with this probability; the same seed fails the same ones."""

    def __init__(self, probability, seed):
        if not 0 <= probability <= 1:
            raise BadInput(f"a probability lies between 0 and 1, and {probability} does not.")
        self.probability, self.random = probability, random.Random(seed)

    def __call__(self, backing):
        return self.random.random() < self.probability


def chosen(backing):
    """The world decides; its ordinary answer is that the allocation succeeds."""
    return choose(f"does {getattr(backing, 'name', type(backing).__name__)} fail {traps.current}?", (False, True))
