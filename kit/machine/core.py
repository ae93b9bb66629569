"""The machine: tasks, CPUs, interrupts and time, and the loops that say whose turn it is.

What a turn is, turns.py says.  The same turns make three kinds of run:

    timed       every CPU has its own clock, and the CPU furthest behind goes on (the default)
    told        a schedule says who runs when: `run(schedule="AABa")`, or a function that picks
    explored    explorer/ tries every turn that options() offers

A task has a CPU of its own unless it is told to share one.

Always true: the same seed and story give the same turns, and the schedule of a run gives it again.

Left out: preemption, migration between CPUs, priorities, weak memory.
Beside it: kernel/sched.c and kernel/timer.c of Linux 2.5.1.
"""

import random
from heapq import heappop, heappush

from kit import trace, traps
from kit.errors import BadInput, KitError
from kit.machine.cpus import Processor
from kit.machine.report import deadlock_report, unfinished_report
from kit.machine.schedule import device_letter, read_schedule, task_letter
from kit.machine.turns import Turns
from kit.refusals import Dropped
from kit.tasks import Task

MICROSECOND, MILLISECOND, SECOND = 1_000, 1_000_000, 1_000_000_000
FOREVER = float("inf")
HZ = SECOND     # as in the kernel: `5 * HZ` is five seconds


class Deadlock(KitError):
    """Every task that is to end sleeps or spins, and nothing is under way that could wake one."""


class NoEnd(KitError):
    """The run used up the turns it was given; somebody may be going round in circles."""


class Machine(Turns):
    """Tasks, CPUs and devices, and the run that they make together.

    seed: what `choose` answers from (without one, it takes the ordinary answer).
    step_ns: virtual nanoseconds that a step takes; lock_ns: that taking a spinlock takes.
    """

    explored = Turns.explored

    def __init__(self, seed=None, step_ns=100, lock_ns=20):
        super().__init__()
        self.step_ns, self.lock_ns = step_ns, lock_ns
        self.random = None if seed is None else random.Random(seed)
        self._names = {}            # how many tasks were given a name
        self._devices = {}          # the letter of each device, by name
        self._heap = []             # (clock, number) of the CPUs that may have something to run
        self._spinning = {}         # the CPUs that wait for a lock to be released, by lock

    # -- Setting up ----------------------------------------------------------------------------------

    def spawn(self, name, function, *args, cpu=None, daemon=False):
        """Start a task that runs `function(*args)`, an `async def`; returns the Task.

        It gets a CPU of its own, or shares the one whose number is given.  A daemon (kswapd, the
        flusher) need not end: the run ends when all others have.  A name that is taken gets a number.
        """
        namesakes = self._names.get(name, 0)
        task = Task(f"{name}.{namesakes + 1}" if namesakes else name, world=self, daemon=daemon)
        traps.start(task, function, args)
        self._names[name] = namesakes + 1
        task.letter = task_letter(len(self.tasks))
        task.cpu = self.cpu(len(self.cpus) if cpu is None else cpu)
        task.cpu.ready.append(task)
        self.tasks.append(task)
        self._unfinished += not daemon
        self.has_work(task.cpu)
        return task

    def cpu(self, number):
        """The CPU of that number; all up to it are there from then on."""
        while len(self.cpus) <= number:
            self.cpus.append(Processor(len(self.cpus), self.step_ns, self.lock_ns))
        return self.cpus[number]

    def interrupt(self, name, handler, *args, cpu=0, after=0):
        """Let device `name` interrupt `cpu` in `after` nanoseconds and run `handler(*args)` there.

        The handler is a coroutine that never sleeps.  A device interrupts again only when the
        handler of its last interrupt has ended (its line is masked until then).
        """
        return self._arrive(after, self._device(name), name, self.cpu(cpu),
                            lambda arrival: self._enter(arrival, handler, args), masks=True)

    def timer(self, name, action, after, cpu=0):
        """Call the plain function `action()` on `cpu` in `after` nanoseconds; it takes no time and may not wait."""
        return self._arrive(after, self._device(name), name, self.cpu(cpu),
                            lambda arrival: self._call(arrival, action))

    def _device(self, name):
        return self._devices.setdefault(name, device_letter(len(self._devices)))

    # -- Running -------------------------------------------------------------------------------------

    def run(self, schedule="", pick=None, until=None, turns=10_000_000):
        """Take turns until every task but the daemons has ended; returns the machine.

        schedule: take these turns first (schedule.py says how they are written).
        pick: a function that is given the options of each turn and returns one; without it, time
        decides.  until: stop when that time is reached.  Raises Deadlock when nobody can go on, and
        NoEnd after so many `turns` (an answer of `choose` counts as one).
        """
        told = read_schedule(schedule)
        with Dropped(self.tasks):
            self._follow(told)
            last = len(self.schedule) + turns
            if pick:
                self._run_picked(pick, last)
            else:
                self.run_timed(FOREVER if until is None else until, turns)
        if self._unfinished and len(self.schedule) >= last:
            raise NoEnd(unfinished_report(self))
        return self

    def run_timed(self, until, turns=10_000_000):
        """As run(until=...), without its look, at the end, for calls that nobody awaited: for many short runs."""
        last = len(self.schedule) + turns
        for cpu in self.cpus:
            self.has_work(cpu)      # all of them, for the last run may have been broken off anywhere
        while self._unfinished and len(self.schedule) < last:
            cpu, arrival = self._furthest_behind(), self._next_arrival() if self.arrivals else None
            if arrival and (cpu is None or arrival.time <= cpu.clock):
                if arrival.time > until:
                    break
                self.turn(arrival)
            elif cpu is None:
                raise Deadlock(deadlock_report(self))
            elif cpu.clock > until:
                break
            else:
                self._run_until_behind(cpu, until, last)

    def _run_until_behind(self, cpu, until, last):
        """Let one CPU run until another one is behind it, or an arrival is due."""
        heap = self._heap
        heappop(heap)
        cpu.on_heap = False
        self.horizon = heap[0][0] if heap and heap[0][0] < until else until
        if self.arrivals and self.arrivals[0].time < self.horizon:
            self.horizon = self.arrivals[0].time
        # A watcher is to see every step, so with one the machine looks up after each.
        self._run_on(cpu.stack[-1] if cpu.stack else cpu.ready[0], 1 if trace.watchers else last - len(self.schedule))
        self.has_work(cpu)

    def _run_picked(self, pick, last):
        """`pick` decides."""
        while self._unfinished and len(self.schedule) < last:
            options = self.options()
            if not options:
                raise Deadlock(deadlock_report(self))
            option = pick(options)
            if option not in options:
                raise BadInput(f"pick returned {option}, which is not one of the options it was given: {options}.")
            self.turn(option)

    def _follow(self, turns):
        """A schedule decides."""
        for position, (letter, self._answers) in enumerate(turns, 1):
            options = {option.letter: option for option in self.options()}
            if letter not in options:
                raise BadInput(f"turn {position} of the schedule is {letter}, but only "
                               f"{', '.join(options) or 'nobody'} can go on there. "
                               "Is it a schedule of this very story?")
            self.turn(options[letter])
        self._answers = []

    def close(self):
        """Abandon all tasks where they stand."""
        for task in self.tasks + [task for cpu in self.cpus for task in cpu.stack if task.in_interrupt]:
            traps.abandon(task)

    __del__ = close     # else Python would warn of coroutines that never ran, at some later time

    # -- Who is furthest behind ----------------------------------------------------------------------

    def has_work(self, cpu):
        """`cpu` may have something to run: let the loop look at it."""
        if not cpu.on_heap:
            cpu.on_heap = True
            heappush(self._heap, (cpu.clock, cpu.number))
        if cpu.clock < self.horizon:
            self.horizon = cpu.clock

    def _furthest_behind(self):
        """The CPU with work whose clock shows least; it stays on top of the heap.  None: nobody has work."""
        while self._heap:
            clock, number = self._heap[0]
            cpu = self.cpus[number]
            if clock == cpu.clock and cpu.next_task():
                return cpu
            heappop(self._heap)
            cpu.on_heap = False
            if clock != cpu.clock:      # an arrival has set it forward
                self.has_work(cpu)
            elif cpu.stack:             # it spins
                self._spinning.setdefault(cpu.stack[-1].request.lock, []).append(cpu)
        return None

    def released(self, lock):
        """Whoever spins on `lock` may go on; the CPU furthest behind comes first."""
        for cpu in self._spinning.pop(lock, ()):
            self.has_work(cpu)

    def _next_arrival(self):
        """The earliest arrival that may come, or None; it stays under way."""
        if self._may_come(self.arrivals[0]):
            return self.arrivals[0]
        return min(filter(self._may_come, self.arrivals), default=None)
