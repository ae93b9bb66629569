"""The machine: tasks, CPUs, interrupts and time, and a loop that says whose turn it is.

A turn lets one task run to its next trap (traps.py), or lets one thing arrive from outside: an
interrupt, a time-out.  The same turns make three kinds of run:

    timed       every CPU has its own clock, and the CPU furthest behind goes on (the default)
    told        a schedule says who runs when: `run(schedule="AABa")`, or a function that picks
    explored    explore.py tries every turn that options() offers

A CPU does not take a running task away from itself (Linux 2.5.1 does not preempt kernel code): it
changes to another one when its task sleeps, yields or ends.  Interrupts come in between any two
steps, nest, and run to their end on their CPU, unless it holds a spinlock across the step.  A task
has a CPU of its own unless it is told to share one.

Always true: a task is in exactly one place, on its CPU's stack, among its ready, or asleep in a
wait queue; and the same seed and story give the same turns.

Left out: preemption, migration between CPUs, priorities, weak memory.
Beside it: kernel/sched.c and kernel/timer.c of Linux 2.5.1.
"""

import heapq
import random
import re

from kit import trace, traps
from kit.errors import BadInput, KitError
from kit.machine.report import deadlock_report
from kit.traps import Cpu, Sleep, Spin, Step, Task, World, Yield, abandon, advance, task_note

MICROSECOND, MILLISECOND, SECOND = 1_000, 1_000_000, 1_000_000_000
FOREVER = float("inf")
HZ = SECOND     # as in the kernel: `5 * HZ` is five seconds


class Deadlock(KitError):
    """Every task that is to end sleeps or spins, and nothing is under way that could wake one."""


class NoEnd(KitError):
    """The run used up the turns it was given; somebody may be going round in circles."""


class Processor(Cpu):
    """A CPU of the machine: what runs on it, what waits for it, which interrupts it has put off."""

    explored = ("stack", "ready", "put_off")

    def __init__(self, number, lock_ns):
        super().__init__(number, lock_ns)
        self.stack = []         # the task that runs, under the interrupts that came in on top of it
        self.ready = []         # tasks that could run here, longest waiting first
        self.put_off = []       # arrivals that came while interrupts were off
        self.on_heap = False

    def candidates(self):
        """Who may run next here."""
        if not self.stack:
            return self.ready
        top = self.stack[-1]
        return [] if type(top.request) is Spin and top.request.lock.owner is not None else [top]

    @property
    def interrupts_off(self):
        return bool(self.stack) and bool(self.stack[-1].spinlocks)


class Arrival:
    """Something that comes from outside: an interrupt or a time-out, due at `time`."""

    def __init__(self, time, number, letter, name, cpu, action, masks):
        self.time, self.number, self.letter, self.name = time, number, letter, name
        self.cpu, self.action = cpu, action
        self.masks = masks      # an interrupt: until its handler has ended, its device stays quiet

    def __lt__(self, other):
        return (self.time, self.number) < (other.time, other.number)

    def __repr__(self):
        return self.name


class Machine(World):
    """Tasks, CPUs and devices, and the run that they make together.

    seed: what `choose` answers from (without one, it takes the ordinary answer).
    step_ns: virtual nanoseconds that a step takes; lock_ns: that taking a spinlock takes.
    """

    explored = ("tasks", "cpus", "arrivals")

    def __init__(self, seed=None, step_ns=100, lock_ns=20):
        self.step_ns, self.lock_ns = step_ns, lock_ns
        self.random = None if seed is None else random.Random(seed)
        self.tasks, self.cpus, self.arrivals = [], [], []
        self.schedule = []      # the letters of all turns so far, and the answers that `choose` gave
        self.answers = []       # told in advance, by a schedule
        self.now = 0            # when the last arrival came
        self._heap, self._horizon, self._numbers, self._unfinished = [], 0, 0, 0
        self._devices = {}      # the letter of each device, by name
        self._masked = set()    # the letters of the devices whose interrupt is being handled

    # -- Setting up ----------------------------------------------------------------------------------

    def spawn(self, name, function, *args, cpu=None, daemon=False):
        """Start a task that runs `function(*args)`; returns the Task.

        It gets a CPU of its own, or shares the one whose number is given.  A daemon (kswapd, the
        flusher) need not end: the run ends when all others have.
        """
        call = function(*args)
        if not hasattr(call, "cr_code"):
            raise BadInput(f"{name} cannot be a task: {getattr(function, '__name__', function)} is an ordinary "
                           "function. Define it with `async def`, and await what it calls.")
        task = Task(name, call, self.cpu(len(self.cpus) if cpu is None else cpu), self, daemon=daemon)
        task.letter = chr(ord("A") + len(self.tasks)) if len(self.tasks) < 20 else f"({name})"
        self.tasks.append(task)
        self._unfinished += not daemon
        task.cpu.ready.append(task)
        self._busy(task.cpu)
        return task

    def cpu(self, number):
        """The CPU of that number; all up to it are there from then on."""
        while len(self.cpus) <= number:
            self.cpus.append(Processor(len(self.cpus), self.lock_ns))
        return self.cpus[number]

    def interrupt(self, name, handler, *args, cpu=0, after=0):
        """Let device `name` interrupt `cpu` in `after` nanoseconds and run `handler(*args)` there.

        The handler is a coroutine that never sleeps.  A device interrupts again only when the
        handler of its last interrupt has ended (its line is masked until then).
        """
        return self._arrive(after, self._device(name), name, self.cpu(cpu),
                            lambda arrival: self._enter(arrival, handler, args), masks=True)

    def timer(self, name, action, after, cpu=0):
        """Call the plain function `action()` on `cpu` in `after` nanoseconds; it takes no time."""
        return self._arrive(after, self._device(name), name, self.cpu(cpu), lambda arrival: action())

    def _device(self, name):
        letter = chr(ord("z") - len(self._devices)) if len(self._devices) < 6 else f"({name})"
        return self._devices.setdefault(name, letter)

    # -- Running -------------------------------------------------------------------------------------

    def run(self, schedule="", pick=None, until=None, turns=10_000_000):
        """Take turns until every task but the daemons has ended; returns the machine.

        schedule: take these turns first, a letter each (see `replay string` in the README).
        pick: a function that is given the options of each turn and returns one; without it, time
        decides.  until: stop when that time is reached.  Raises Deadlock when nobody can go on, and
        NoEnd after `turns` turns.
        """
        self._follow(schedule)
        turn_limit = turns
        while self._unfinished:
            if pick:
                taken = self._picked_turn(pick)
            else:
                taken = self._timed_turns(until, turn_limit)
            if taken is None:
                break
            turn_limit -= taken
            if turn_limit <= 0:
                raise NoEnd(f"{turns:,} turns were taken and {self._who_is_left()} had not ended. "
                            "Does somebody go round in circles, or is `turns` too small for this story?")
        return self

    def options(self):
        """Everything that could happen next: tasks that may run, and arrivals that may come."""
        tasks = [task for cpu in self.cpus for task in cpu.candidates()]
        return tasks + [arrival for arrival in self.arrivals if arrival.letter not in self._masked]

    def turn(self, option):
        """Let it happen: `option` is one of options()."""
        self.schedule.append(option.letter)
        if type(option) is Task:
            self._run_on(option)
        else:
            self.arrivals.remove(option)
            heapq.heapify(self.arrivals)
            self._come(option)

    def close(self):
        """Abandon all tasks where they stand."""
        for task in self.tasks + [task for cpu in self.cpus for task in cpu.stack]:
            abandon(task)

    # -- Time decides --------------------------------------------------------------------------------

    def _timed_turns(self, until, turn_limit):
        """Let the CPU furthest behind run until another one is; returns the turns taken, None at `until`."""
        cpu, arrival = self._furthest_behind(), self._next_arrival()
        if cpu is None and arrival is None:
            self._stuck()
        arrives = arrival is not None and (cpu is None or arrival.time <= cpu.clock)
        if cpu is not None and (arrives or until is not None and cpu.clock > until):
            self._busy(cpu)
        if until is not None and (arrival.time if arrives else cpu.clock) > until:
            return None
        if arrives:
            self.turn(arrival)
            return 1
        return self._run_until_behind(cpu, turn_limit)

    def _run_until_behind(self, cpu, turn_limit):
        """The busy loop of a timed run: one CPU goes on while it is not ahead of the horizon."""
        self._horizon = min(self._heap[0][0] if self._heap else FOREVER,
                            self.arrivals[0].time if self.arrivals else FOREVER)
        taken, schedule = 0, self.schedule
        while taken < turn_limit and cpu.clock <= self._horizon and (candidates := cpu.candidates()):
            task = candidates[0]
            schedule.append(task.letter)
            self._run_on(task)
            taken += 1
            if not self._unfinished:
                break
        if cpu.candidates():
            self._busy(cpu)
        return taken

    def _furthest_behind(self):
        while self._heap:
            _, number = heapq.heappop(self._heap)
            cpu = self.cpus[number]
            cpu.on_heap = False
            if cpu.candidates():
                return cpu
        return None

    def _busy(self, cpu):
        """`cpu` has something to run: let the loop find it."""
        if not cpu.on_heap:
            cpu.on_heap = True
            heapq.heappush(self._heap, (cpu.clock, cpu.number))
        if cpu.clock < self._horizon:
            self._horizon = cpu.clock

    def _next_arrival(self):
        """The earliest arrival whose device is not masked, or None; it stays in the heap."""
        if not self._masked:
            return self.arrivals[0] if self.arrivals else None
        return min((arrival for arrival in self.arrivals if arrival.letter not in self._masked), default=None)

    # -- A schedule decides --------------------------------------------------------------------------

    def _picked_turn(self, pick):
        options = self.options()
        if not options:
            self._stuck()
        self.turn(pick(options))
        return 1

    def _follow(self, schedule):
        """Take the turns that a replay string tells."""
        for position, (letter, answers) in enumerate(read_schedule(schedule), 1):
            self.answers = list(answers)
            options = {option.letter: option for option in self.options()}
            if letter not in options:
                raise BadInput(f"turn {position} of the schedule is {letter}, but only {', '.join(options) or 'nobody'} "
                               "can go on there. Is it a schedule of this very story?")
            self.turn(options[letter])
        self.answers = []

    # -- One turn ------------------------------------------------------------------------------------

    def _run_on(self, task):
        """Let `task` run to its next trap, then see what that asks for."""
        cpu = task.cpu
        if not cpu.stack:
            cpu.ready.remove(task)
            cpu.stack.append(task)
        if task.request is None:
            answer = None
            if trace.watchers:
                task_note(task, "start", task.name)
        else:
            answer, task.timed_out = not task.timed_out, False
        request = advance(task, answer)
        cpu.clock += self.step_ns
        if type(request) is not Step:
            self._leave(task, cpu, request)
        if trace.watchers:
            task_note(task, *(("end", task.name) if request is None else (request.what, request.label)))
        if cpu.put_off and not cpu.interrupts_off:
            self._come(cpu.put_off.pop(0))

    def _leave(self, task, cpu, request):
        """What a request other than a step means for the CPU."""
        if request is None:
            cpu.stack.remove(task)
            if task.in_interrupt:
                self._masked.discard(task.letter)
            elif not task.daemon:
                self._unfinished -= 1
        elif type(request) is Yield and not task.in_interrupt:
            cpu.stack.remove(task)
            cpu.ready.append(task)
        elif type(request) is Sleep and task.asleep:
            cpu.stack.remove(task)
            task.since = cpu.clock
            if request.timeout is not None:
                self._arrive(request.timeout, task.letter.lower(), f"time-out of {task.name}", cpu,
                             lambda arrival: self._time_out(task, request))
        if cpu.stack or cpu.ready:
            self._busy(cpu)

    def _arrive(self, delay, letter, name, cpu, action, masks=False):
        self._numbers += 1
        arrival = Arrival(self.time() + delay, self._numbers, letter, name, cpu, action, masks)
        heapq.heappush(self.arrivals, arrival)
        self._horizon = min(self._horizon, arrival.time)
        return arrival

    def _come(self, arrival):
        """An arrival happens now, or is put off while its CPU has interrupts off."""
        if arrival.masks:
            self._masked.add(arrival.letter)
        if arrival.cpu.interrupts_off:
            arrival.cpu.put_off.append(arrival)
            return
        arrival.cpu.clock = self.now = max(arrival.cpu.clock, arrival.time)
        arrival.action(arrival)

    def _enter(self, arrival, handler, args):
        """An interrupt comes in on top of whatever its CPU is doing."""
        task = Task(arrival.name, handler(*args), arrival.cpu, self, in_interrupt=True)
        task.letter = arrival.letter
        arrival.cpu.stack.append(task)
        if trace.watchers:
            task_note(task, "irq", arrival.name)
        self._busy(arrival.cpu)

    def _time_out(self, task, request):
        if task.request is request and task.asleep:
            request.queue.tasks.remove(task)
            task.timed_out = True
            if trace.watchers:
                task_note(task, "timeout", request.label)
            self._make_ready(task)

    # -- Asked by the traps and locks ----------------------------------------------------------------

    def choose(self, question, options):
        """What the world decides: as told, else from the seed, else the ordinary."""
        if self.answers:
            index = self.answers.pop(0)
        else:
            index = self.random.randrange(len(options)) if self.random else 0
        self.schedule.append(str(index))        # one digit: read_schedule relies on it
        return options[index]

    def time(self):
        """The virtual time here: by the clock of the CPU that runs, else that of the last arrival."""
        return traps.current.cpu.clock if traps.current.world is self else self.now

    def woken(self, task):
        self._make_ready(task)

    def released(self, lock):
        """Whoever spins on `lock` may go on; the CPU furthest behind comes first."""
        for cpu in self.cpus:
            if cpu.stack and type(cpu.stack[-1].request) is Spin and cpu.stack[-1].request.lock is lock:
                self._busy(cpu)

    def _make_ready(self, task):
        cpu = task.cpu
        cpu.ready.append(task)
        if not cpu.stack:
            cpu.clock = max(cpu.clock, self.time())
        self._busy(cpu)

    def _stuck(self):
        raise Deadlock(deadlock_report(self))

    def _who_is_left(self):
        return ", ".join(task.name for task in self.tasks if not (task.finished or task.daemon))


def read_schedule(text):
    """The turns of a replay string, as (letter, answers) pairs: "AB1a" -> [("A", ()), ("B", (1,)), ("a", ())].

    A capital is a task, in the order of spawning; the same small letter is its time-out; z, y, x ...
    are devices, in the order of their first use; a name in parentheses is whoever came after the
    letters ran out.  Digits are the answers that `choose` gives in that turn.
    """
    turns, end = [], 0
    for token in re.finditer(r"([A-Za-z]|\([^()]+\))(\d*)|\s+", text):
        if token.start() != end:
            break
        end = token.end()
        if token[1]:
            turns.append((token[1], tuple(int(digit) for digit in token[2])))
    if end != len(text):
        raise BadInput(f"a schedule is letters and digits, such as AABz0; at position {end + 1} there is {text[end]!r}.")
    return turns
