"""scheduler: be the scheduler yourself, and try to hang the machine.

    game = BeTheScheduler("pool", elements=2, tasks=2, take=2)
    game                        # a button for each task: it goes on to its next trap
    game.turns.value = "AAB"    # or all turns at once, as a schedule; a later cell does it like this

The idea: a run is its schedule.  Whatever is pressed only changes that string, and the story is told
again from its beginning, so that a turn can be taken back.  It is the machine that the explorer
tells its stories with; `shortest` lets the explorer loose on the same story.

Left out: time.  Time-outs and interrupts come when the learner says so.
"""

from kit.drivers.small_worlds import story_of
from kit.errors import BadInput, KitError
from kit.machine.explore import explore, replay
from kit.machine.report import holding
from kit.machine.schedule import answer_digits, read_schedule
from kit.memory.mempool import Mempool
from kit.show.widget import Frame, Live, button, row, squares

STATES = 10_000     # that the explorer looks at before it gives up: a second or so
LINES = 5           # of the story so far


class BeTheScheduler(Live):
    """The learner says who goes on.  story: "pool" or "ladder", with its sizes, or a function of a machine.

    turns.value: the schedule so far; button["A"] takes a turn; undo, restart, otherwise (the world
    answers the last question differently), shortest (the explorer's simplest way to a harm).
    """

    def __init__(self, story="pool", **sizes):
        from ipywidgets import HTML, Layout, Text
        self.story = story_of(story, **sizes) if isinstance(story, str) else story
        if not callable(self.story):
            raise BadInput(f"{story!r} is no story: give the name of one, or a function that is given a machine.")
        self.run, self.problem, self.button, self._result = replay(self.story, ""), "", {}, None
        self.turns = Text(description="schedule", continuous_update=False, layout=Layout(width="40em"))
        self.turns.observe(self._turned, "value")
        self.undo = button("undo", self._undo, "take the last turn back")
        self.restart = button("restart", lambda: self._set(""), "take all turns back")
        self.otherwise = button("the world answers otherwise", self._answer_otherwise,
                                "what `choose` asked in the last turn gets its next answer")
        self.shortest = button("show the shortest way", self._explore, "let the explorer look at every schedule")
        self.who, self.found = row(), HTML()
        super().__init__(self.who, row(self.undo, self.restart, self.otherwise, self.shortest), self.turns)
        self.box.children = (*self.box.children, self.found)

    # -- What a control does ---------------------------------------------------------------------------

    def show(self, *_):
        """The present state, and a button for everybody who could ever have a turn."""
        machine = self.run.machine
        for option in [*machine.tasks, *machine.options()]:
            if option.letter not in self.button:
                named = "" if option.name == option.letter else f": {option.name}"
                self.button[option.letter] = button(option.letter + named,
                                                    lambda letter=option.letter: self._take(letter),
                                                    f"{option.name} goes on to its next trap")
        self.who.children = tuple(self.button.values())
        super().show()

    def _set(self, schedule):
        self.problem, self.turns.value = "", schedule
        self.show()

    def _turned(self, change):
        """Tell the story again, as the schedule says; one that cannot be followed leaves all as it was."""
        try:
            self.run, self.problem = replay(self.story, change.new), ""
            self.turns.value = self.run.schedule        # with the answers that the world gave
        except BadInput as error:
            self.problem = str(error)
        self.show()

    def _take(self, letter):
        able = [option.letter for option in self.run.machine.options()]
        if letter in able and not self.run.error:
            return self._set(self.run.schedule + letter)
        self.problem = f"{letter} cannot go on now; {', '.join(able) or 'nobody'} can."
        self.show()

    def _undo(self):
        self._set(_written(read_schedule(self.run.schedule)[:-1]))

    def _answer_otherwise(self):
        *before, last = read_schedule(self.run.schedule) or [("", [])]
        if not last[1]:
            self.problem = "In the last turn nothing was asked of the world."
            return self.show()
        answers = [*last[1][:-1], last[1][-1] + 1]
        try:
            replay(self.story, _written([*before, (last[0], answers)]))
        except BadInput:        # that was the last answer there is: begin again with the first
            answers[-1] = 0
        self._set(_written([*before, (last[0], answers)]))

    def _explore(self):
        self.found.value = self.way().html()

    # -- What is shown -----------------------------------------------------------------------------------

    def now(self):
        """The present frame: every task's place, what it holds, why it sleeps; the pools; how it stands."""
        machine = self.run.machine
        rows = [("", "task", "stands at", "holds", "why it sleeps"), *map(_row, machine.tasks)]
        pools = [check.__self__ for check in self.run.checks if isinstance(getattr(check, "__self__", 0), Mempool)]
        shared = "; ".join(map(squares, pools))
        told = self.run.text().splitlines()
        text = "\n".join(filter(None, [shared, self.problem, "...\n" * (len(told) > LINES) + "\n".join(told[-LINES:]),
                                       self._ending()]))
        return Frame(f"after {_turns(len(self.run.turns))}: {self._verdict()}", rows, text)

    def way(self):
        """The explorer's answer as a frame: the simplest way to a harm, or that there is none."""
        if self._result is None:
            try:
                self._result = explore(self.story, limit=STATES)
            except KitError as error:
                return Frame("The explorer cannot look at this story.", text=str(error))
        return Frame("What the explorer found", text=str(self._result))

    def frames(self):
        """The beginning, everybody under way, and, folded, where the explorer's way ends."""
        self.way()
        frames = [self._frame_at(""), self._frame_at("".join(task.letter * 3 for task in self.run.machine.tasks))]
        if self._result is not None and self._result.schedule:
            frames.append(self._frame_at(self._result.schedule))
            frames[-1].fold = "Where the explorer got to (try it yourself first)"
        return frames

    def _frame_at(self, schedule):
        run, problem = self.run, self.problem
        try:
            self.run, self.problem = replay(self.story, schedule), ""
            return self.now()
        except BadInput as error:       # a story in which somebody sleeps sooner than that
            return Frame(f"after {schedule}", text=str(error))
        finally:
            self.run, self.problem = run, problem

    def _verdict(self):
        able = self.run.machine.options()
        if self.run.error or self.run.wrong():
            return "something broke"
        if self.run.stuck and not able:
            return "nobody can go on. You have hung the machine!"
        if all(task.finished or task.daemon for task in self.run.machine.tasks):
            return "all have ended; nobody hung"
        return f"{', '.join(option.letter for option in able)} can go on"

    def _ending(self):
        if self.run.error:
            return f"{type(self.run.error).__name__}: {self.run.error}"
        if wrong := self.run.wrong():
            return wrong
        stuck = self.run.stuck and not self.run.machine.options()
        return f"{self.run.ending()}\npass it on: {self.run.schedule}" if stuck else ""


def _row(task):
    if task.finished:
        place = "has ended"
    else:
        place = "has not begun" if task.request is None else str(task.request)
    why = task.request.queue.why if task.asleep else ""
    return task.letter, task.name, place, holding(task).removeprefix("holding "), why


def _written(turns):
    return "".join(letter + "".join(map(answer_digits, answers)) for letter, answers in turns)


def _turns(count):
    return f"{count} turn{'' if count == 1 else 's'}"
