"""Turns: what can happen next in a machine, and what happens when it does.

A turn lets one task run to its next trap (traps.py), or lets one thing arrive from outside: an
interrupt, a time-out, a timer.  `options()` is everything that could happen next, `turn(option)` lets
it happen; who chooses is for core.py (time, a schedule, a function) and for the explorer to say.

A CPU does not take a running task away from itself (Linux 2.5.1 does not preempt kernel code): it
changes to another one when its task sleeps, yields or ends.  Interrupts come in between any two
steps, nest, and run to their end on their CPU; while a task holds a spinlock across a step, its CPU
lets none in.

Always true: a task is in exactly one place: on its CPU's stack, among its ready, or asleep in a wait
queue.  A time-out is under way only while its task sleeps.
"""

import heapq

from kit import trace, traps
from kit.errors import BadInput, Refused
from kit.machine.cpus import Arrival
from kit.machine.report import how_to_replay
from kit.machine.schedule import answer_digits, timeout_letter
from kit.tasks import Sleep, Step, Task, World, Yield
from kit.traps import advance, task_note


class Turns(World):
    """The tasks, CPUs and arrivals of a machine, and the turns that they can take."""

    explored = ("tasks", "cpus", "arrivals")

    def __init__(self):
        self.tasks, self.cpus = [], []
        self.arrivals = []          # what is under way: a heap, by the time when it is due
        self.schedule = []          # the letters of all turns so far, and the answers that `choose` gave
        self.now = 0                # when the last arrival came
        self.random = None          # what `choose` answers from; None: the first option
        self._answers = []          # what it answers before that: told by a schedule
        self._masked = set()        # the letters of the devices whose interrupt is being handled
        self._timeouts = {}         # the arrival that would end a task's sleep, by task
        self._numbers = 0           # how many arrivals there were
        self._unfinished = 0        # how many tasks have yet to end, daemons apart

    # -- What can happen -----------------------------------------------------------------------------

    def options(self):
        """Everything that could happen next: tasks that may run, and arrivals that may come."""
        tasks = [task for cpu in self.cpus for task in cpu.candidates()]
        first = {}      # of each device: its interrupts come in order
        for arrival in sorted(self.arrivals):
            if self._may_come(arrival):
                first.setdefault(arrival.letter, arrival)
        return tasks + list(first.values())

    def turn(self, option):
        """Let it happen: `option` is one of options()."""
        if type(option) is Task:
            self._run_on(option)
        else:
            self.schedule.append(option.letter)
            self._call_off(option)
            self._come(option)

    @property
    def is_quiet(self):
        """Nothing is under way but time-outs, and no interrupt is being handled."""
        return len(self.arrivals) == len(self._timeouts) and not self._masked

    @property
    def ended(self):
        """All tasks but the daemons have ended."""
        return not self._unfinished

    def _may_come(self, arrival):
        return arrival.letter not in self._masked and not arrival.cpu.interrupts_off

    # -- A task runs ---------------------------------------------------------------------------------

    def _run_on(self, task, turns=1):
        """Let `task` take so many turns at most, as long as nobody else has to be asked."""
        cpu = task.cpu
        if not cpu.stack:
            cpu.ready.remove(task)
            cpu.stack.append(task)
        answer = None
        if type(task.request) is Sleep:
            answer, task.timed_out = not task.timed_out, False
        elif task.request is None and trace.watchers:
            task_note(task, "start", task.name)
        try:
            request = advance(task, answer, turns)
        except BaseException as error:
            self._failed(task, error)
            raise
        if trace.watchers:
            task_note(task, *(("end", task.name) if request is None else (request.what, request.label)))
        if type(request) is not Step:
            self._leave(task, request)

    def _leave(self, task, request):
        """What a request other than a step means for the CPU of `task`."""
        cpu = task.cpu
        if request is None:
            self._ended(task)
        elif type(request) is Yield:
            cpu.stack.remove(task)
            cpu.ready.append(task)
        elif task.asleep:       # and not woken already, between queueing and sleeping
            cpu.stack.remove(task)
            task.since = cpu.clock
            if request.timeout is not None:
                self._timeouts[task] = self._arrive(request.timeout, timeout_letter(task.letter),
                                                    f"time-out of {task}", cpu, lambda arrival: self._time_out(task))

    def _ended(self, task):
        task.cpu.stack.remove(task)
        if task.in_interrupt:
            self._masked.discard(task.letter)
        elif not task.daemon:
            self._unfinished -= 1

    def _failed(self, task, error):
        """An exception has ended `task`: add where that was, unless it says so itself."""
        self._ended(task)
        if not isinstance(error, Refused):
            where = "in the interrupt" if task.in_interrupt else "in task"
            error.add_note(f"{where} {task}, on CPU {task.cpu.number} at {task.cpu.clock:,} ns. "
                           f"To see it again: {how_to_replay(self)}")

    # -- Something arrives ---------------------------------------------------------------------------

    def _arrive(self, delay, letter, name, cpu, action, masks=False):
        """Put an arrival under way."""
        self._numbers += 1
        arrival = Arrival(self.time() + delay, self._numbers, letter, name, cpu, action, masks)
        heapq.heappush(self.arrivals, arrival)
        self.horizon = min(self.horizon, arrival.time)
        return arrival

    def _call_off(self, arrival):
        self.arrivals.remove(arrival)
        heapq.heapify(self.arrivals)

    def _come(self, arrival):
        """An arrival happens now."""
        cpu = arrival.cpu
        cpu.clock = self.now = max(cpu.clock, arrival.time)
        if arrival.masks:
            self._masked.add(arrival.letter)
        arrival.action(arrival)
        self.has_work(cpu)

    def _enter(self, arrival, handler, args):
        """An interrupt comes in on top of whatever its CPU is doing."""
        task = Task(arrival.name, cpu=arrival.cpu, world=self, in_interrupt=True)
        task.letter = arrival.letter
        traps.start(task, handler, args)
        arrival.cpu.stack.append(task)
        if trace.watchers:
            task_note(task, "irq", arrival.name)

    def _call(self, arrival, action):
        """A timer goes off: `action` is called as an interrupt of one instant."""
        traps.call_as(Task(arrival.name, cpu=arrival.cpu, world=self, in_interrupt=True), action)

    def _time_out(self, task):
        """A sleep has lasted long enough."""
        del self._timeouts[task]
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
        """The virtual time here, in ns: by the clock of the CPU that runs, else that of the last arrival."""
        return traps.current.cpu.clock if traps.current.world is self else self.now

    def woken(self, task):
        """`task` was asleep and is to go on; its time-out is called off."""
        if task in self._timeouts:
            self._call_off(self._timeouts.pop(task))
        self._make_ready(task)

    def _make_ready(self, task):
        cpu = task.cpu
        cpu.ready.append(task)
        if not cpu.stack:
            cpu.clock = max(cpu.clock, self.time())
        self.has_work(cpu)

    def has_work(self, cpu):
        """Told whenever `cpu` may have got something to run."""
