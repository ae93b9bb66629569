"""The machine: tasks, CPUs, interrupts and time, and a loop that says whose turn it is.

A turn lets one task run to its next trap (traps.py), or lets one thing arrive from outside: an
interrupt, a time-out, a timer.  The same turns make three kinds of run:

    timed       every CPU has its own clock, and the CPU furthest behind goes on (the default)
    told        a schedule says who runs when: `run(schedule="AABa")`, or a function that picks
    explored    explore.py tries every turn that options() offers

A CPU does not take a running task away from itself (Linux 2.5.1 does not preempt kernel code): it
changes to another one when its task sleeps, yields or ends.  Interrupts come in between any two
steps, nest, and run to their end on their CPU; while a task holds a spinlock across a step, its CPU
lets none in.  A task has a CPU of its own unless it is told to share one.

Always true: a task is in exactly one place, on its CPU's stack, among its ready, or asleep in a
wait queue; the same seed and story give the same turns; and the schedule of a run gives it again.

Left out: preemption, migration between CPUs, priorities, weak memory.
Beside it: kernel/sched.c and kernel/timer.c of Linux 2.5.1.
"""

import heapq
import random

from kit import trace, traps
from kit.errors import BadInput, KitError, Refused
from kit.machine.cpus import Arrival, Processor
from kit.machine.report import deadlock_report, how_to_replay, unfinished_report
from kit.machine.schedule import answer_digits, device_letter, read_schedule, task_letter, timeout_letter
from kit.tasks import Sleep, Spin, Step, Task, World, Yield
from kit.traps import advance, task_note

MICROSECOND, MILLISECOND, SECOND = 1_000, 1_000_000, 1_000_000_000
FOREVER = float("inf")
HZ = SECOND     # as in the kernel: `5 * HZ` is five seconds


class Deadlock(KitError):
    """Every task that is to end sleeps or spins, and nothing is under way that could wake one."""


class NoEnd(KitError):
    """The run used up the turns it was given; somebody may be going round in circles."""


class Machine(World):
    """Tasks, CPUs and devices, and the run that they make together.

    seed: what `choose` answers from (without one, it takes the ordinary answer).
    step_ns: virtual nanoseconds that a step takes; lock_ns: that taking a spinlock takes.
    """

    explored = ("tasks", "cpus", "arrivals")

    def __init__(self, seed=None, step_ns=100, lock_ns=20):
        self.tasks, self.cpus = [], []
        self.step_ns, self.lock_ns = step_ns, lock_ns
        self.random = None if seed is None else random.Random(seed)
        self.arrivals = []          # a heap, by the time when they are due
        self.schedule = []          # the letters of all turns so far, and the answers that `choose` gave
        self.now = 0                # when the last arrival came
        self._answers = []          # told in advance, by a schedule
        self._devices = {}          # the letter of each device, by name
        self._masked = set()        # the letters of the devices whose interrupt is being handled
        self._timeouts = {}         # the arrival that would end a task's sleep, by task
        self._names = {}            # how many tasks were given a name
        self._spinning = {}         # the CPUs that wait for a lock to be released, by lock
        self._numbers = self._unfinished = 0
        self._heap = []             # (clock, number) of the CPUs that have work
        self._horizon = FOREVER     # until when the CPU that runs may go on before anybody else has to be asked

    # -- Setting up ----------------------------------------------------------------------------------

    def spawn(self, name, function, *args, cpu=None, daemon=False):
        """Start a task that runs `function(*args)`, an `async def`; returns the Task.

        It gets a CPU of its own, or shares the one whose number is given.  A daemon (kswapd, the
        flusher) need not end: the run ends when all others have.  A name that is taken gets a number.
        """
        namesakes = self._names[name] = self._names.get(name, 0) + 1
        task = Task(name if namesakes == 1 else f"{name}.{namesakes}", world=self, daemon=daemon)
        traps.start(task, function, args)
        task.letter = task_letter(len(self.tasks))
        task.cpu = self.cpu(len(self.cpus) if cpu is None else cpu)
        task.cpu.ready.append(task)
        self.tasks.append(task)
        self._unfinished += not daemon
        self._has_work(task.cpu)
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
        return self._arrive(after, self._device(name), name, self.cpu(cpu),
                            lambda arrival: traps.call_as(Task(name, cpu=arrival.cpu, world=self, in_interrupt=True),
                                                          action))

    def _device(self, name):
        return self._devices.setdefault(name, device_letter(len(self._devices)))

    def _arrive(self, delay, letter, name, cpu, action, masks=False):
        self._numbers += 1
        arrival = Arrival(self.time() + delay, self._numbers, letter, name, cpu, action, masks)
        heapq.heappush(self.arrivals, arrival)
        self._horizon = min(self._horizon, arrival.time)
        return arrival

    # -- Running -------------------------------------------------------------------------------------

    def run(self, schedule="", pick=None, until=None, turns=10_000_000):
        """Take turns until every task but the daemons has ended; returns the machine.

        schedule: take these turns first (schedule.py says how they are written).
        pick: a function that is given the options of each turn and returns one; without it, time
        decides.  until: stop when that time is reached.  Raises Deadlock when nobody can go on, and
        NoEnd after `turns` turns.
        """
        self._follow(schedule)
        if pick:
            turns = self._run_picked(pick, turns)
        else:
            turns = self._run_timed(FOREVER if until is None else until, turns)
        if turns <= 0 and self._unfinished:
            raise NoEnd(unfinished_report(self))
        return self

    def _run_timed(self, until, turns):
        """Time decides: whoever is furthest behind goes on.  Returns the turns left."""
        for cpu in self.cpus:
            self._has_work(cpu)     # all of them, though they may have nothing to do: a run may have been broken off
        while self._unfinished and turns > 0:
            cpu, arrival = self._furthest_behind(), self._next_arrival()
            if cpu is None and arrival is None:
                raise Deadlock(deadlock_report(self))
            arrives = arrival is not None and (cpu is None or arrival.time <= cpu.clock)
            if (arrival.time if arrives else cpu.clock) > until:
                break
            if arrives:
                self.turn(arrival)
                turns -= 1
            else:
                turns -= self._run_cpu(cpu, until, turns)
        return turns

    def _run_cpu(self, cpu, until, turns):
        """Let one CPU run until another one is behind it, or an arrival is due."""
        heapq.heappop(self._heap)
        cpu.on_heap = False
        self._horizon = min(self._heap[0][0] if self._heap else until,
                            self.arrivals[0].time if self.arrivals else until, until)
        taken = self._run_on(cpu.next_task(), turns)
        self._has_work(cpu)
        return taken

    def _run_picked(self, pick, turns):
        """`pick` decides.  Returns the turns left."""
        while self._unfinished and turns > 0:
            options = self.options()
            if not options:
                raise Deadlock(deadlock_report(self))
            option = pick(options)
            if option not in options:
                raise BadInput(f"pick returned {option}, which is not one of the options it was given: {options}.")
            self.turn(option)
            turns -= 1
        return turns

    def _follow(self, schedule):
        """Take the turns that a schedule tells."""
        for position, (letter, self._answers) in enumerate(read_schedule(schedule), 1):
            options = {option.letter: option for option in self.options()}
            if letter not in options:
                raise BadInput(f"turn {position} of the schedule is {letter}, but only {', '.join(options) or 'nobody'} "
                               "can go on there. Is it a schedule of this very story?")
            self.turn(options[letter])
        self._answers = []

    def close(self):
        """Abandon all tasks where they stand."""
        for task in self.tasks + [task for cpu in self.cpus for task in cpu.stack if task.in_interrupt]:
            traps.abandon(task)

    __del__ = close     # else Python would warn of coroutines that never ran, at some later time

    # -- Whose turn it could be ----------------------------------------------------------------------

    def options(self):
        """Everything that could happen next: tasks that may run, and arrivals that may come."""
        tasks = [task for cpu in self.cpus for task in cpu.candidates()]
        first = {}      # of each device: its interrupts come in order
        for arrival in sorted(self.arrivals):
            if self._may_come(arrival):
                first.setdefault(arrival.letter, arrival)
        return tasks + list(first.values())

    def _furthest_behind(self):
        """The CPU with work whose clock shows least; it stays on top of the heap.  None: nobody has work."""
        while self._heap:
            clock, number = self._heap[0]
            cpu = self.cpus[number]
            if clock == cpu.clock and cpu.next_task():
                return cpu
            heapq.heappop(self._heap)
            cpu.on_heap = False
            if clock != cpu.clock:              # an arrival has set it forward
                self._has_work(cpu)
            elif cpu.stack:                     # it spins
                self._spinning.setdefault(cpu.stack[-1].request.lock, []).append(cpu)
        return None

    def _next_arrival(self):
        """The earliest arrival that may come, or None; it stays in the heap."""
        if not self.arrivals or self._may_come(self.arrivals[0]):
            return self.arrivals[0] if self.arrivals else None
        return min(filter(self._may_come, self.arrivals), default=None)

    def _may_come(self, arrival):
        return arrival.letter not in self._masked and not arrival.cpu.interrupts_off

    def _has_work(self, cpu):
        """`cpu` may have something to run: let the loop look."""
        if not cpu.on_heap:
            cpu.on_heap = True
            heapq.heappush(self._heap, (cpu.clock, cpu.number))
        if cpu.clock < self._horizon:
            self._horizon = cpu.clock

    # -- One turn ------------------------------------------------------------------------------------

    def turn(self, option):
        """Let it happen: `option` is one of options()."""
        if type(option) is Task:
            self._run_on(option, turns=1)
        else:
            self.schedule.append(option.letter)
            self.arrivals.remove(option)
            heapq.heapify(self.arrivals)
            self._come(option)

    def _run_on(self, task, turns):
        """Let `task` run, from trap to trap, as long as nobody else has to be asked; returns the turns taken."""
        cpu, letter, schedule, step_ns = task.cpu, task.letter, self.schedule, self.step_ns
        answer = self._put_on(cpu, task)
        for taken in range(1, turns + 1):
            schedule.append(letter)
            try:
                request = advance(task, answer)
            except BaseException as error:
                self._failed(task, error)
                raise
            cpu.clock += step_ns
            if trace.watchers:
                _remark(task, request)
            if type(request) is not Step and self._leaves(task, request) or cpu.clock > self._horizon:
                break
            answer = None
        return taken

    def _put_on(self, cpu, task):
        """`task` goes on: it takes its CPU.  Returns the answer that its trap gets."""
        if not cpu.stack:
            cpu.ready.remove(task)
            cpu.stack.append(task)
        if task.request is None and trace.watchers:
            task_note(task, "start", task.name)
        if type(task.request) is not Sleep:
            return None
        answer, task.timed_out = not task.timed_out, False
        return answer

    def _leaves(self, task, request):
        """What a request other than a step means: whether `task` stops running for now."""
        cpu = task.cpu
        if request is None:
            self._ended(task)
        elif type(request) is Yield:
            cpu.stack.remove(task)
            cpu.ready.append(task)
        elif type(request) is Spin:
            return request.lock.owner is not None
        elif task.asleep:
            cpu.stack.remove(task)
            task.since = cpu.clock
            if request.timeout is not None:
                self._timeouts[task] = self._arrive(request.timeout, timeout_letter(task.letter),
                                                    f"time-out of {task}", cpu, lambda arrival: self._time_out(task))
        return True

    def _ended(self, task):
        task.cpu.stack.remove(task)
        if task.in_interrupt:
            self._masked.discard(task.letter)
        elif not task.daemon:
            self._unfinished -= 1

    def _failed(self, task, error):
        """An exception has ended `task`: say where that was, unless it says so itself."""
        self._ended(task)
        if not isinstance(error, Refused):
            where = "in the interrupt" if task.in_interrupt else "in task"
            error.add_note(f"{where} {task}, on cpu{task.cpu.number} at {task.cpu.clock:,} ns. {how_to_replay(self)}")

    # -- What arrives --------------------------------------------------------------------------------

    def _come(self, arrival):
        """An arrival happens now."""
        cpu = arrival.cpu
        cpu.clock = self.now = max(cpu.clock, arrival.time)
        if arrival.masks:
            self._masked.add(arrival.letter)
        arrival.action(arrival)
        self._has_work(cpu)

    def _enter(self, arrival, handler, args):
        """An interrupt comes in on top of whatever its CPU is doing."""
        task = Task(arrival.name, cpu=arrival.cpu, world=self, in_interrupt=True)
        task.letter = arrival.letter
        traps.start(task, handler, args)
        arrival.cpu.stack.append(task)
        if trace.watchers:
            task_note(task, "irq", arrival.name)

    def _time_out(self, task):
        task.request.queue.tasks.remove(task)
        task.timed_out = True
        if trace.watchers:
            task_note(task, "timeout", task.request.label)
        self._make_ready(task)

    # -- Asked by the traps and locks ----------------------------------------------------------------

    def choose(self, question, options):
        """What the world decides: as told, else from the seed, else the ordinary."""
        if self._answers:
            index = self._answers.pop(0)
        else:
            index = self.random.randrange(len(options)) if self.random else 0
        if index >= len(options):
            raise BadInput(f"the schedule answers {index} to {question!r}, which has only the answers 0 to "
                           f"{len(options) - 1}. Is it a schedule of this very story?")
        self.schedule.append(answer_digits(index))
        return options[index]

    def time(self):
        """The virtual time here: by the clock of the CPU that runs, else that of the last arrival."""
        return traps.current.cpu.clock if traps.current.world is self else self.now

    def woken(self, task):
        """`task` was asleep and is to go on; its time-out is called off."""
        if task in self._timeouts:
            self.arrivals.remove(self._timeouts.pop(task))
            heapq.heapify(self.arrivals)
        self._make_ready(task)

    def released(self, lock):
        """Whoever spins on `lock` may go on; the CPU furthest behind comes first."""
        for cpu in self._spinning.pop(lock, ()):
            self._has_work(cpu)

    def _make_ready(self, task):
        cpu = task.cpu
        cpu.ready.append(task)
        if not cpu.stack:
            cpu.clock = max(cpu.clock, self.time())
        self._has_work(cpu)


def _remark(task, request):
    if request is None:
        task_note(task, "end", task.name)
    else:
        task_note(task, request.what, request.label)
