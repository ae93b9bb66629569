"""told: a machine that does what the explorer tells it, and whose places can be read and written.

The turns are the Machine's own; only three things differ.  `choose` answers from a script and says
what else it could have answered.  Time stands still: what is under way may come at any turn, in the
order of its due time only within one device.  And it remembers how every task was made, so that
another coroutine can be brought to where an earlier one stood.

Places are what the machine knows beside what the tasks share: who is on which CPU, what is about to
arrive, whose sleep ended by time-out.  Where a task has its CPU to itself and nothing interrupts it,
all this follows from where the task stands, and the form of the places is None.
"""

from kit import traps
from kit.machine.core import Machine
from kit.machine.schedule import timeout_letter
from kit.tasks import Sleep, Task, Yield


class Remembering(Machine):
    """A machine that knows of each task how it was made: `made`, (function, args) for each."""

    def __init__(self):
        super().__init__(step_ns=0, lock_ns=0)
        self.made = []

    def spawn(self, name, function, *args, cpu=None, daemon=False):
        task = super().spawn(name, function, *args, cpu=cpu, daemon=daemon)
        self.made.append((function, args))
        return task

    def roots(self):
        """Everything that tasks were given, and what was set up to arrive: from here all that they share is met."""
        return [part for made in self.made for part in made] + [arrival.action for arrival in self.arrivals]


class Told(Remembering):
    """The machine that a story is set up on, in order to be explored."""

    def __init__(self):
        super().__init__()
        self.script = []            # the answers to give
        self.given, self.offered = [], []       # what was answered in this turn, out of how many

    def _enter(self, arrival, handler, args):
        super()._enter(arrival, handler, args)
        task = self.handler(arrival.name, arrival.cpu)
        task.call, task.made, task.stance = arrival.cpu.stack[-1].call, (handler, args), None
        arrival.cpu.stack[-1] = task

    def choose(self, question, options):
        index = self.script[len(self.given)] if len(self.given) < len(self.script) else 0
        self.given.append(index)
        self.offered.append(len(options))
        return options[index]

    def time(self):
        return 0

    def settle(self, forms):
        """The story has been set up: from now on places can be read and written."""
        self.forms = forms
        forms.name(self, ("machine",))
        for number, task in enumerate(self.tasks):
            forms.name(task, ("task", number))
        self._count_sharers()
        self.sleepers = {timeout_letter(task.letter): task for task in self.tasks}

    def _count_sharers(self):
        """Which tasks have a CPU in common; called again when a device has brought in another CPU."""
        self.sharers = [[task for task in self.tasks if task.cpu is cpu] for cpu in self.cpus]
        self.crowded = [len(tasks) > 1 for tasks in self.sharers]

    # -- Reading ---------------------------------------------------------------------------------------

    def read_places(self, number_of):
        """The form of the places; number_of(handler) numbers where the handler of an interrupt stands."""
        late = tuple([number for number, task in enumerate(self.tasks) if task.timed_out])
        if not (self.arrivals or self._masked or late or any(self.crowded)):
            return None
        if len(self.cpus) > len(self.crowded):
            self._count_sharers()
        cpus = [self._read_cpu(cpu, number_of) for cpu in self.cpus]
        coming = sorted(sorted(self.arrivals), key=lambda arrival: arrival.letter)
        return ("places", ("cpus", *cpus), ("coming", *[self.forms.of(arrival) for arrival in coming]),
                ("late", *[("task", number) for number in late]))

    def _read_cpu(self, cpu, number_of):
        """Who is on a CPU; of one that is not shared only its interrupts, since the rest follows."""
        handlers = [("handler", task.name, number_of(task)) for task in cpu.stack if task.in_interrupt]
        if not self.crowded[cpu.number]:
            return ("cpu", *handlers)
        return ("cpu", ("below", *[self.forms.of(task) for task in cpu.stack if not task.in_interrupt]),
                ("ready", *[self.forms.of(task) for task in cpu.ready]), *handlers)

    # -- Writing ---------------------------------------------------------------------------------------

    def write_places(self, places, stand_handler):
        """Put everybody who is known to `places` in their place; the tasks' own stances are written already.

        stand_handler(name, number) gives a task for the handler of an interrupt that stands there.
        """
        self.schedule.clear()
        _, cpus, coming, late = places or ("places", ("cpus", *[("cpu",)] * len(self.cpus)), ("coming",), ("late",))
        self._masked.clear()
        for cpu, form in zip(self.cpus, cpus[1:]):
            handlers = form[1:]
            if self.crowded[cpu.number]:
                cpu.stack, cpu.ready = [self.forms.thaw(task) for task in form[1][1:]], self._thawed(form[2])
                handlers = form[3:]
            else:
                cpu.stack, cpu.ready = _on_own_cpu(self.sharers[cpu.number])
            for _, name, number in handlers:
                cpu.stack.append(stand_handler(name, number, cpu))
                self._masked.add(cpu.stack[-1].letter)
        for task in self.tasks:
            task.timed_out = False
        for task in self._thawed(late):
            task.timed_out = True
        self.arrivals = self._thawed(coming)
        for number, arrival in enumerate(self.arrivals):
            arrival.number = number
        self.arrivals.sort()
        self._numbers = len(self.arrivals)
        self._timeouts = {self.sleepers[arrival.letter]: arrival for arrival in self.arrivals
                          if arrival.letter in self.sleepers}

    def _thawed(self, form):
        return [self.forms.thaw(part) for part in form[1:]]

    def handler(self, name, cpu):
        """The task that handles the interrupts of device `name`: the same one each time, for there is one at a time."""
        form = ("interrupt", name)
        if form not in self.forms.named:
            task = Task(name, world=self, in_interrupt=True)
            task.letter = self._device(name)
            self.forms.name(task, form)
        task = self.forms.named[form]
        task.cpu, task.request, task.flags, task.queue = cpu, None, 0, None
        task.spinlocks, task.holds, task.finished, task.unawaited, task.timed_out = [], [], False, None, False
        return task

    def begin(self, task, made):
        """Give `task` a coroutine that has not begun."""
        traps.start(task, *made)


def _on_own_cpu(sharers):
    """The stack and the ready list of a CPU that at most one task uses, given where that task stands."""
    if not sharers or sharers[0].finished or sharers[0].asleep:
        return [], []
    task = sharers[0]
    on_cpu = task.request is not None and type(task.request) not in (Sleep, Yield)
    return ([task], []) if on_cpu else ([], [task])
