"""promises: three allocators that do nothing but keep their promise.

What a mempool can promise hangs on what the allocator beneath it does when it has nothing left.
There are only three answers, and each has its class here:

    Refusing    says no, at once
    Wavering    says yes or no, as the world will have it, but always in bounded time
    Sleeping    sleeps until memory is freed, however long that takes

All three start with a stock of so many elements ("e0", "e1" ...), in which freed ones end up.
"""

from kit.locks import WaitQueue
from kit.traps import choose, might_sleep, never_sleeps, sleep, step


class Refusing:
    """Gives while its stock lasts, then says no."""

    explored = ("stock",)

    def __init__(self, count=0, name="allocator"):
        self.stock, self.name = [f"e{number}" for number in reversed(range(count))], name

    def __repr__(self):
        return self.name

    @might_sleep
    async def alloc(self, gfp):
        """An element, or None.  Never sleeps, though a caller who may sleep cannot know."""
        return self._take()

    @never_sleeps
    async def try_alloc(self, gfp):
        """An element, or None."""
        return self._take()

    @never_sleeps
    async def free(self, element):
        """Back into the stock."""
        self.stock.append(element)

    def _take(self):
        return self.stock.pop() if self.stock else None


class Wavering(Refusing):
    """Gives while its stock lasts; then the world decides, each time anew, whether one more is found."""

    def _take(self):
        if self.stock:
            return self.stock.pop()
        return "found" if choose(f"{self.name} finds memory", (False, True)) else None

    @never_sleeps
    async def free(self, element):
        """Back into the stock; what was merely found disappears again, so that the world stays small."""
        if element != "found":
            self.stock.append(element)


class Sleeping(Refusing):
    """Gives while its stock lasts; whoever may sleep then sleeps until something is freed to it."""

    explored = ("stock", "wait")

    def __init__(self, count=0, name="allocator"):
        super().__init__(count, name)
        self.wait = WaitQueue(f"{name}.wait", f"Only memory freed to {name} wakes it.", of=self)

    @might_sleep
    async def alloc(self, gfp):
        """An element; sleeps until there is one."""
        while not self.stock:
            with self.wait.queued():
                await step("look again")
                if not self.stock:
                    await sleep(self.wait)
        return self._take()

    @never_sleeps
    async def free(self, element):
        """Back into the stock, and whoever waited longest is woken."""
        self.stock.append(element)
        self.wait.wake_one()
