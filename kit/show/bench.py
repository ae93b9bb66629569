"""bench: the ladder on a bench: rungs switched on and off, put in another order, and put under load.

    bench = LadderBench()
    bench                           # every change runs it anew
    bench.beneath.value = "Sleeping"
    bench.insist.value = False      # each rung is a switch

The idea: tasks, each with a CPU of its own, take elements of one pool one after the other, give all
back, and do so ten times.  It is the real Mempool.alloc over an allocator that is named by its promise;
a run that does not come to its end is told with the sentence that says why.

Left out: every schedule but one, that of a machine on which all CPUs are equally fast.  What every
schedule does is for the explorer to say.
"""

from kit.drivers.small_worlds import borrower
from kit.errors import BadInput, KitError
from kit.machine.core import MICROSECOND, Machine
from kit.machine.hang import run_or_hang
from kit.memory.mempool import MAIL, Mempool
from kit.memory.promises import Refusing, Sleeping, Wavering
from kit.memory.zones import Pages, Zone
from kit.show.widget import Frame, Live, button, choice, row

ROUNDS = 10                     # of each task
PATIENCE = 500 * MICROSECOND    # some 5,000 steps of each task
BAR = 40                        # characters of the longest bar
SETTING = {"tasks": 3, "each": 1, "elements": 4, "spare": 0, "beneath": "Refusing"}     # until told otherwise
STOCKS = {"Refusing": Refusing, "Wavering": Wavering, "Sleeping": Sleeping}
BENEATH = {
    "Refusing": "says no, at once, when its stock is out",
    "Wavering": "then says yes or no, as the world will",
    "Sleeping": "then sleeps until memory is freed to it",
    "Pages": "the page allocator of 2.5.1, where nobody reclaims",
}


class LadderBench(Live):
    """Rungs to switch and reorder, pressure to set, and what comes of it.

    A switch for each rung by its name (ask, skim, insist, drain, queue); rung, earlier, later: reorder them;
    tasks, each: how many tasks take how many elements; elements: of the pool; spare: left beneath it
    (pages above the lowest mark); beneath: the allocator there; restore: all as it was.
    """

    def __init__(self, rungs=MAIL, **setting):
        from ipywidgets import IntSlider, Layout, ToggleButton
        self.rungs, self.order = {rung.name: rung for rung in rungs}, [rung.name for rung in rungs]
        self.setting = {**SETTING, **setting}
        self.switch = {name: ToggleButton(value=True, layout=Layout(width="auto")) for name in self.order}
        for name, switch in self.switch.items():
            setattr(self, name.lower(), switch)
        self.rung = choice(self.order, "move")
        self.earlier = button("earlier", lambda: self._move(-1), "the chosen rung is climbed earlier")
        self.later = button("later", lambda: self._move(1), "the chosen rung is climbed later")
        self.restore = button("as it was", self._restore, "all rungs, in their first order, and the first setting")
        self.tasks = IntSlider(min=1, max=12, description="tasks")
        self.each = IntSlider(min=1, max=3, description="each takes")
        self.elements = IntSlider(min=0, max=8, description="pool size")
        self.spare = IntSlider(min=0, max=8, description="left beneath")
        self.beneath = choice(list(BENEATH), "beneath")
        self.beneath.tooltips = list(BENEATH.values())
        self.row = row()
        self.controls = {name: getattr(self, name) for name in SETTING}
        if unknown := [name for name in setting if name not in SETTING]:
            raise BadInput(f"the bench has no {unknown[0]!r} to set; it has: {', '.join(SETTING)}.")
        if self.setting["beneath"] not in BENEATH:
            raise BadInput(f"there is no allocator {self.setting['beneath']!r} here; there are: {', '.join(BENEATH)}.")
        self._restore_setting()
        for control in [*self.switch.values(), *self.controls.values()]:
            control.observe(self.show, "value")
        super().__init__(self.row, self.rung, row(self.earlier, self.later, self.restore),
                         row(self.tasks, self.each, self.elements, self.spare), self.beneath)

    # -- What a control does ---------------------------------------------------------------------------

    def show(self, *_):
        """Run it, and write on each switch where in the ladder its rung is."""
        climbed = [rung.name for rung in self.ladder()]
        for name, switch in self.switch.items():
            switch.description = f"{climbed.index(name) + 1} {name}" if name in climbed else f"{name} is off"
        self.row.children = tuple(self.switch[name] for name in self.order)
        super().show()

    def _move(self, way):
        old = self.order.index(self.rung.value)
        new = min(max(old + way, 0), len(self.order) - 1)
        self.order.insert(new, self.order.pop(old))
        self.show()

    def _restore(self):
        self.order = list(self.rungs)
        for switch in self.switch.values():
            switch.value = True
        self._restore_setting()
        self.show()

    def _restore_setting(self):
        for name, control in self.controls.items():
            control.value = self.setting[name]

    def ladder(self):
        """The rungs that are on, in the order in which they are climbed: a tuple, as Mempool takes it."""
        return tuple(self.rungs[name] for name in self.order if self.switch[name].value)

    # -- What is shown -----------------------------------------------------------------------------------

    def now(self):
        """The present frame: who was served by which rung, and how it ended."""
        return trial(self.ladder(), **{name: control.value for name, control in self.controls.items()})

    def frames(self):
        """Over an allocator that sleeps: three tasks, six tasks, and six without the rung that sleeps in it."""
        rungs = tuple(self.rungs.values())
        squeeze = {**self.setting, "tasks": 6, "beneath": "Sleeping"}
        patient = tuple(rung for rung in rungs if not rung.name.startswith("INSIST"))
        return [trial(rungs, **{**squeeze, "tasks": 3}), trial(rungs, **squeeze), trial(patient, **squeeze)]


def trial(ladder, tasks, each, elements, spare, beneath):
    """One run as a Frame: bars of the allocations by rung, and how it ended, with the reason if it did not."""
    names = ", ".join(rung.name for rung in ladder)
    if not ladder:
        return Frame("no rung is on", text="Nobody can climb a ladder without rungs. Switch one on.")
    setting = f"{names}; {tasks} tasks, {each} each, a pool of {elements} over {beneath} ({BENEATH[beneath]})"
    setting += f" with {spare} left"
    machine, (pool, state) = Machine(seed=1), _pool(ladder, elements, spare, beneath)
    for number in range(tasks):
        machine.spawn(f"T{number + 1}", borrower, pool, each, ROUNDS)
    try:
        ended = run_or_hang(machine, state, PATIENCE, look_every=50 * MICROSECOND)
        end, why = "all served" if ended else f"not done after {PATIENCE // MICROSECOND} microseconds", ""
    except KitError as error:
        end, why = "hung", str(error).partition("\nreplay:")[0]     # of this story only the bench knows
    left = f"{len(pool.elements)} of {pool.min_nr} elements in the pool in the end (one schedule: all CPUs alike)"
    return Frame(f"{end}: {setting}", _bars(pool.served), "\n".join(filter(None, [left, why])))


def _pool(ladder, elements, spare, beneath):
    """A pool that has all its elements, and a function that tells the state of everything that is shared."""
    if beneath == "Pages":
        backing = Pages(zones=[Zone("NORMAL", 0, 32, pages_min=4)])
        zone, = backing.zones
        pool = Mempool.create(elements, backing, ladder=ladder)
        while zone.free_pages > zone.pages_min + 1 + spare:     # somebody else has the rest
            zone.take(0)
        return pool, lambda: (tuple(pool.elements), zone.free_pages)
    backing = STOCKS[beneath](elements + spare, name="the allocator beneath")
    pool = Mempool.create(elements, backing, ladder=ladder)
    return pool, lambda: (tuple(pool.elements), tuple(backing.stock))


def _bars(served):
    most = max(*served.values(), 1)
    return [("rung", "served", ""), *((name, count, "█" * -(-count * BAR // most)) for name, count in served.items())]
