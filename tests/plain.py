"""A naive explorer, to hold the real one against: every schedule from the start, nothing merged, nothing remembered.

It knows nothing but Machine.options() and Machine.turn(), and takes each turn of each schedule on a
machine that was set up anew.
"""

from kit.machine.core import Machine

KINDS = ("an invariant is false", "a promise is broken", "deadlock", "only a timer can continue")


class Asked(Machine):
    """A machine that answers from a script, and says how many answers there would have been."""

    def __init__(self):
        super().__init__(step_ns=0, lock_ns=0)
        self.told, self.offered = [], []

    def choose(self, question, options):
        answer = self.told[len(self.offered)] if len(self.offered) < len(self.told) else 0
        self.offered.append(len(options))
        return options[answer]


def plain(story, limit=20_000):
    """{verdict: the least (forced switches, steps) of all schedules that lead there}; None if there are too many."""
    found, todo, looked = {}, [()], 0
    while todo:
        way = todo.pop()
        looked += 1
        if looked > limit:
            return None
        machine, harm, price = follow(story, way)
        if harm:
            found[harm] = min(found.get(harm, price), price)
        ended = all(task.finished or task.daemon for task in machine.tasks)
        letters = [] if harm in KINDS[:3] or ended else [option.letter for option in machine.options()]
        machine.close()
        todo += [(*way, (letter, answers)) for letter in letters for answers in ways_to_answer(story, way, letter)]
    return found


def follow(story, way):
    """The machine at the end of `way`, the harm that it shows there, and (forced switches, steps)."""
    machine, switches, last, error = Asked(), 0, None, None
    invariant = story(machine)
    for letter, answers in way:
        options = {option.letter: option for option in machine.options()}
        running = [option.letter for option in options.values() if hasattr(option, "call")]
        switches += last in running and not (letter == last and letter in running)
        machine.told, machine.offered = answers, []
        try:
            machine.turn(options[letter])
        except Exception as raised:
            error = raised
        last = letter
    return machine, harm_of(machine, invariant, error), (switches, len(way))


def harm_of(machine, invariant, error):
    if error is not None:
        return "a promise is broken"
    try:
        if invariant:
            invariant()
    except AssertionError:
        return "an invariant is false"
    options = machine.options()
    if all(task.finished or task.daemon for task in machine.tasks):
        return None
    if not options:
        return "deadlock"
    timers = all(not hasattr(option, "call") and not option.masks for option in options)
    return "only a timer can continue" if timers else None


def ways_to_answer(story, way, letter):
    """Every list of answers that the turn of `letter` after `way` can be given."""
    found, todo = [], [()]
    while todo:
        answers = todo.pop()
        machine, _, _ = follow(story, way)
        machine.told, machine.offered = answers, []
        try:
            machine.turn({option.letter: option for option in machine.options()}[letter])
        except Exception:
            pass
        machine.close()
        if len(machine.offered) > len(answers):
            todo += [(*answers, answer) for answer in range(machine.offered[len(answers)])]
        else:
            found.append(answers)
    return found
