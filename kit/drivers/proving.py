"""proving: small worlds in which a driver that you wrote is tried.

The problem.  That a driver cannot hang is nothing that a run shows.  The idea: hand the driver to a
story, and the story to the explorer, which looks at every state of that small world:

    print(explore(two_orders(write)))

Each world here watches that the driver does its work: it hands on what it holds and nothing else, does
it once, and in the end holds nothing.  Whoever breaks that is refused with a sentence, and the
explorer tells the simplest way there, as it does for a deadlock.

    two_orders(write)       two pools, and another driver that takes from both
    one_log(record)         a lock that those who give back need as well
    mirrors(write)          several elements of one pool, all in hand at once
    borrowers(needs)        as the first story of small_worlds, but each task has its own need

The allocator beneath every pool refuses: it answers at once, and always no.
"""

from inspect import iscoroutinefunction
from traceback import walk_tb

from kit import traps
from kit.drivers.small_worlds import Refusing, borrower
from kit.errors import KitError, Refused
from kit.locks import Mutex, Spinlock, WaitQueue
from kit.memory.mempool import Mempool
from kit.traps import might_sleep, sleep, step


class Pool(Mempool):
    """A mempool over a refusing allocator, which remembers whom it gave which element."""

    explored = ("out",)

    @classmethod
    def of(cls, count, name="pool"):
        """A pool of so many elements."""
        return cls.create(count, Refusing(count, f"beneath {name}"), name=name)

    def __init__(self, *sizes, **policy):
        super().__init__(*sizes, **policy)
        self.out = set()

    def must_be_mine(self, element, what):
        """Refused unless the current task has `element` and has not given it back."""
        if element is None:
            raise Refused(f"{traps.current} {what} None: that is what who may not sleep is given when {self} is empty.")
        if (traps.current, element) not in self.out:
            raise Refused(f"{traps.current} {what} {element}, which it does not hold: no element of {self}, or given "
                          "back already.")

    def must_all_be_back(self):
        """Refused if the current task still has an element."""
        if any(task is traps.current for task, _ in self.out):
            raise Refused(f"{traps.current} has ended, and still holds an element of {self}.")

    def _hand_out(self, element, rung):
        self.out.add((traps.current, element))
        return super()._hand_out(element, rung)

    def _put(self, element):
        kept = super()._put(element)
        self.out = {(task, held) for task, held in self.out if held is not element}
        return kept

    def check(self):
        """As for every pool; and each element is either here or out."""
        super().check()
        assert len(self.elements) + len(self.out) <= self.min_nr, f"an element of {self} was given back twice"


class Disk:
    """Writes when it is handed one element of each of `pools`; each task writes once.

    at_once: so many writes must have been handed over before any of them is done, as for a stripe.
    """

    explored = ("written", "wait")

    def __init__(self, *pools, at_once=1, lock=None):
        self.pools, self.at_once, self.lock = pools, at_once, lock
        self.written = set()
        self.wait = WaitQueue("disk.wait", f"The disk begins when {at_once} writes have been handed over.")

    @might_sleep
    async def write(self, *elements):
        """Write what stands in `elements`; back when that is done.  Refused unless the caller holds them all."""
        if len(elements) != len(self.pools):
            raise Refused(f"the disk wants {len(self.pools)} elements; {traps.current} hands it {len(elements)}.")
        if len(set(elements)) < len(elements) and None not in elements:
            raise Refused(f"{traps.current} hands the disk one and the same element twice.")
        if traps.current in self.written:
            raise Refused(f"{traps.current} writes a second time.")
        if self.lock is not None and self.lock.owner is traps.current:
            raise Refused(f"{traps.current} holds {self.lock} while the disk writes: until then nobody else gets on.")
        for pool, element in zip(self.pools, elements, strict=True):
            pool.must_be_mine(element, "hands the disk")
        self.written.add(traps.current)
        await step("write")
        if len(self.written) >= self.at_once:
            self.wait.wake_all()
        else:
            with self.wait.queued():
                await sleep(self.wait)

    def must_be_done(self):
        """Refused unless the current task has written and holds nothing."""
        if traps.current not in self.written:
            raise Refused(f"{traps.current} has ended, and never wrote.")
        for pool in self.pools:
            pool.must_all_be_back()


async def tried(driver, disk, *things):
    """A task: the driver, and then the question whether it did its work."""
    await in_words(driver, *things)
    disk.must_be_done()


async def in_words(driver, *things):
    """Run the driver; an error that is none of the kit's becomes a sentence with the driver's line."""
    if not iscoroutinefunction(driver):
        raise Refused(f"{driver.__name__} is no `async def`, so it could not wait for anything.")
    try:
        await driver(*things)
    except KitError:
        raise
    except Exception as error:
        lines = [line for frame, line in walk_tb(error.__traceback__) if frame.f_code is driver.__code__]
        raise Refused(f"{traps.current}, in {driver.__name__}, line {lines[-1]}: {type(error).__name__}: {error}"
                      ) from error


# == Three worlds for drivers to be mended ==========================================================


async def read(first, second, disk, swapped):
    """A driver that nobody may change: takes of `first`, then of `second`."""
    one = await first.alloc()
    other = await second.alloc()
    await (disk.write(other, one) if swapped else disk.write(one, other))
    await first.free(one)
    await second.free(other)


def two_orders(write, first="requests", writers=2):
    """`write(requests, buffers, disk)` beside one task of `read`, which takes of `first` first; pools of one each."""
    def story(machine):
        requests, buffers = Pool.of(1, "requests"), Pool.of(1, "buffers")
        disk, swapped = Disk(requests, buffers), first == "buffers"
        order = (buffers, requests) if swapped else (requests, buffers)
        machine.spawn("reader", tried, read, disk, *order, disk, swapped)
        for number in range(writers):
            machine.spawn(chr(ord("A") + number), tried, write, disk, requests, buffers, disk)
    return story


class Log:
    """What is being written: elements are entered and crossed out, under its lock."""

    explored = ("entered", "lock")

    def __init__(self, pool, lock):
        self.pool, self.lock, self.entered = pool, lock, set()

    def enter(self, element):
        """Enter an element that the caller holds; under the lock."""
        self._must_be_locked("enters")
        self.pool.must_be_mine(element, "enters")
        self.entered.add(element)

    def cross_out(self, element):
        """Cross an entered element out again; under the lock."""
        self._must_be_locked("crosses out")
        if element not in self.entered:
            raise Refused(f"{traps.current} crosses out {element}, which was not entered.")
        self.entered.remove(element)

    def _must_be_locked(self, what):
        if self.lock.owner is not traps.current:
            raise Refused(f"{traps.current} {what} without {self.lock}: somebody else may be changing the log.")

    def check(self):
        """Nothing is entered that is not out."""
        assert all(element not in self.pool.elements for element in self.entered), \
            "an element was given back while it stood in the log"


class LogDisk(Disk):
    """A disk that writes only what stands in the log, and only while its caller leaves the log to others."""

    def __init__(self, log):
        super().__init__(log.pool, lock=log.lock)
        self.log = log

    @might_sleep
    async def write(self, element):
        """As Disk.write."""
        self.pools[0].must_be_mine(element, "hands the disk")
        if element not in self.log.entered:
            raise Refused(f"{traps.current} hands the disk {element}, which was not entered in the log.")
        await super().write(element)


LOCKS = {"mutex": Mutex, "spinlock": Spinlock}


def one_log(record, lock="mutex", tasks=2, elements=1):
    """`record(pool, log, disk)` in like tasks; lock: "mutex" or "spinlock", the log's lock."""
    def story(machine):
        pool = Pool.of(elements)
        log = Log(pool, LOCKS[lock]("log.lock"))
        disk = LogDisk(log)
        for number in range(tasks):
            machine.spawn(chr(ord("A") + number), tried, record, disk, pool, log, disk)
    return story


def mirrors(write, copies=2, elements=2, tasks=2, at_once=1):
    """`write(pool, gate, disk)` in like tasks, each with as many elements in hand as there are copies."""
    def story(machine):
        pool, gate = Pool.of(elements), Mutex("gate")
        disk = Disk(*[pool] * copies, at_once=at_once)
        for number in range(tasks):
            machine.spawn(chr(ord("A") + number), tried, write, disk, pool, gate, disk)
    return story


# == How large a pool has to be =====================================================================


def borrowers(needs, elements, kept=0):
    """A task for each of `needs`, which takes so many elements one by one; `kept` are out before, and never return."""
    def story(machine):
        pool = Mempool.create(elements, Refusing(elements))
        for _ in range(kept):
            pool.take()
        for number, need in enumerate(needs):
            machine.spawn(chr(ord("A") + number), borrower, pool, need, 1)
    return story
