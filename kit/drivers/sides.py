"""sides: the same driver over a pool, and over promises.

The problem.  Each side of the debate has a driver that hangs the other's design.  The idea: write the
driver once, against `memory`, and have the explorer run it on both:

    explore(either(driver, promised=False))         units set aside in a pool, filled before anybody came
    explore(either(driver, promised=True))          units promised by a ledger over all memory there is

Both sides have as much memory, and hold the driver to the same manners: it says once how much it will hold, takes
no more than that, and gives all back before it ends.  Whoever breaks that is refused.
The allocator beneath the pool refuses; ordinary pages are only ever asked for without sleeping.
"""

from kit import traps
from kit.drivers.proving import Pool, in_words
from kit.errors import Refused
from kit.gfp import GFP_ATOMIC, GFP_KERNEL
from kit.memory.ledger import Ledger
from kit.memory.policies import COUNTED, WAITING
from kit.memory.zones import Pages, Zone
from kit.traps import hold, let_go, might_sleep, sleep, step


class Memory:
    """What a driver sees of memory: `reserved` units for those who declare their need, and `ordinary` pages.

    One task's own.  Its units come from a pool, filled before anybody came, or are promised by the ledger.
    Ordinary pages are the ledger's on both sides, so that both hand out the last one.
    """

    explored = ("declared", "held", "grabbed")

    def __init__(self, reserved, ledger, pool=None):
        self.reserved, self._ledger, self._pool = reserved, ledger, pool
        self._reservation = ledger.try_reserve()
        self.declared, self.held, self.grabbed = 0, [], []

    @might_sleep
    async def declare(self, count):
        """Say once how many units will be held at once.  A pool does not care; a ledger answers when it can promise."""
        if self.declared or not 0 < count <= self.reserved:
            raise Refused(f"{traps.current} declares {count}: a driver declares once, from 1 to {self.reserved}.")
        self.declared = count
        await step("declare")
        while self._pool is None and not self._promised(count):
            with self._ledger.wait.queued():
                await step("look again")
                if not self._ledger.would_grant(count):
                    await sleep(self._ledger.wait)

    def _promised(self, count):
        """Whether the ledger promises so many: Ledger.reserve, for a reservation that is there from the start."""
        if all(self._reservation.add(0) for _ in range(count)):
            return True
        self._reservation.undo()
        return False

    @might_sleep
    async def take(self):
        """A unit.  From a pool it may sleep; of what a ledger has promised it never does."""
        if len(self.held) >= self.declared:
            raise Refused(f"{traps.current} takes more than the {self.declared} that it has declared.")
        await step("take")
        element = self._reservation.take() if self._pool is None else await self._pool.alloc(GFP_KERNEL)
        self.held.append(element)
        return element

    async def give(self, unit):
        """Give a unit back."""
        if unit not in self.held:
            raise Refused(f"{traps.current} gives {unit} back, which it does not hold.")
        self.held.remove(unit)
        await step("give")
        if self._pool is None:
            self._reservation.put(unit)
        else:
            await self._pool.free(unit)

    async def grab(self):
        """An ordinary page, or None if there is none at the moment.  Never sleeps."""
        await step("grab")
        page = self._ledger.pages.take(GFP_ATOMIC)
        if page is not None:
            self.grabbed.append(page)
            hold(f"page {page}", of=self._ledger)
        return page

    async def drop(self, page):
        """Give an ordinary page back."""
        if page not in self.grabbed:
            raise Refused(f"{traps.current} drops {page}, which it has not grabbed.")
        self.grabbed.remove(page)
        await step("drop")
        let_go(f"page {page}", of=self._ledger)
        self._ledger.pages.put(page)

    def must_be_back(self):
        """Refused if anything is still out; what was promised is everybody's again."""
        if self.held or self.grabbed:
            raise Refused(f"{traps.current} has ended, and still holds memory.")
        self._reservation.release()


async def honest(driver, memory):
    """A task: the driver, and then the question whether all is back."""
    await in_words(driver, memory)
    memory.must_be_back()


POLICIES = {"waiting": WAITING, "counted": COUNTED}


def either(driver, promised, reserved=2, ordinary=1, tasks=2, policy="waiting"):
    """`driver(memory)` in like tasks, over a pool or over promises, with as much memory on either side.

    promised: whether a ledger promises up to `reserved` units of all pages there are, or a pool holds them from
    the start, and only the `ordinary` pages are everybody's.  policy: the ledger's, "waiting" or "counted".
    """
    def story(machine):
        count = ordinary + (reserved if promised else 0)
        pages = Pages(zones=[Zone("NORMAL", 0, count, pages_min=0, max_order=0)])
        ledger = Ledger(pages, POLICIES[policy])
        pool = None if promised else Pool.of(reserved)
        for number in range(tasks):
            machine.spawn(chr(ord("A") + number), honest, driver, Memory(reserved, ledger, pool))
    return story
