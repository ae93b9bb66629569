"""What an exercise is, and under which variant of its rule it is asked.

An exercise is one definition: what it asks (`stub`, whose docstring states the rule), what it tries
(`checks`), what it says to those who are stuck (`hints`) and to those who are wrong in a well-known
way (`misconceptions`).  Solution and explanation are not here: they stand in solutions/, which
learners are not given.

A check feeds *cases* to the learner's code, in the child, and compares what was observed with what
`expect` says, in the parent.  Cases come smallest first, wherever it fits all there are, so that the
first that fails is the shortest there is.

An instructor's private seed picks the variant of the rule as well as the data.  It is read from the
environment variable KIT_PRIVATE_SEED, or from the file that KIT_PRIVATE_SEED_FILE names.  A released
kit holds the names of the variants picked (variants.json), never the seed.
"""

import ast
import importlib
import json
import os
import pkgutil
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from kit.errors import BadInput
from kit.grading import sets

PICKED = Path(__file__).with_name("variants.json")


@dataclass(frozen=True)
class Variant:
    """One form of a changed rule: its name, and the values that stubs, hints and checks read.

    `$name` in a stub or a hint is replaced by the value of that name.
    """

    name: str = "standard"
    values: dict = field(default_factory=dict)

    def __getattr__(self, name):
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(f"variant {self.name} has no value {name!r}") from None

    def fill(self, text):
        return Template(text).safe_substitute(self.values)


def call(answer, case):
    """The simplest way to drive an answer: call it with the case, and hand back what it returns."""
    return answer(*case)


@dataclass(frozen=True)
class Check:
    """One thing that is tried: cases, and what must be seen for each.

    name: what is tried, as a noun phrase ("every block of a heap of 16 pages").
    rule: the sentence that is broken when it fails; may use `$values`.
    cases: (variant, random) -> list of tuples of plain values, smallest first.
    expect: (variant, *case) -> the right observation.  Plain values; runs in the parent alone.
    judge: instead of expect, where more than one answer is right: (variant, case, seen) -> None,
        or a sentence on what is wrong with it.
    drive: (answer, case) -> observation.  Runs in the child: its source is sent there, so it stands
        alone and imports inside its body what it needs.  It may know no right answer.
    typed: case -> the call as a learner would type it.
    state: observation -> text, one line or several, for the two states side by side.
    moves: case -> the texts of its moves, if an observation is a list with a state for each move;
        then a failure is told by the first move at which the two part.
    shrink: case -> smaller cases, for cases drawn at random; not needed where cases are all there are.
    heap: what the step budget is told on ("a heap of 64 pages").
    steps: how many rounds of loops and calls of the learner's own functions one case may take.
    """

    name: str
    rule: str
    points: int
    cases: Callable
    expect: Callable | None = None
    judge: Callable | None = None
    drive: Callable = call
    typed: Callable = repr
    state: Callable = repr
    moves: Callable | None = None
    shrink: Callable | None = None
    heap: str = "this input"
    steps: int = 10_000


@dataclass(frozen=True)
class Misconception:
    """A well-known way to be wrong, recognised by how it behaves.

    when: (variant, rows) -> bool, where rows are all cases of the check that failed, each with
        `case`, `seen` and `wanted`.  `always` and `somewhere` below make the usual ones.
    says: the sentence for whoever does it, which names the way of thinking and not the repair.
    """

    name: str
    says: str
    when: Callable


def always(behaves):
    """A recogniser: every case came out as `behaves(variant, *case)` would have it."""
    return lambda variant, rows: all(row.seen == _plain(behaves(variant, *row.case)) for row in rows)


def somewhere(sign):
    """A recogniser: at least one wrong case bears the sign: sign(variant, row) -> bool."""
    return lambda variant, rows: any(row.fault and sign(variant, row) for row in rows)


@dataclass(frozen=True)
class Exercise:
    """One task: what it asks, what is tried, what is said.

    name: the name that the learner's cell must define (a function, a class, a tuple ...).
    difficulty: 1 (a few lines, no trap) to 5.  minutes: for the middle of a class.
    """

    id: str
    title: str
    difficulty: int
    minutes: int
    objective: str
    name: str
    stub: str
    hints: tuple        # a nudge, the rule, a worked sibling case
    checks: tuple
    misconceptions: tuple = ()
    variants: tuple = (Variant(),)

    @property
    def points(self):
        return sum(check.points for check in self.checks)

    @property
    def variant(self):
        """The variant in force: by the private seed, else as the release picked it, else the first."""
        seed = private_seed()
        if seed is not None:
            return random.Random(f"{seed}:{self.id}").choice(self.variants)
        return self.variant_named(picked_variants().get(self.id, self.variants[0].name))

    def variant_named(self, name):
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise BadInput(f"exercise {self.id} has no variant {name!r}; it has "
                       f"{', '.join(variant.name for variant in self.variants)}.")

    def stub_of(self, variant=None):
        """The cell that a learner starts from."""
        return (variant or self.variant).fill(self.stub).strip("\n")

    def untouched(self, source):
        """Whether `source` still is the stub of some variant, comments and spacing aside."""
        return any(_same_code(source, self.stub_of(variant)) for variant in self.variants)

    def random(self):
        """Where a check draws its cases from: the same for the same exercise and private seed."""
        return random.Random(f"{private_seed() or 'public'}:{self.id}:cases")


# == Which there are ===============================================================================


def exercises():
    """Every exercise of the kit, by id, set by set."""
    found = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(sets.__path__)):
        for exercise in importlib.import_module(f"kit.grading.sets.{module}").EXERCISES:
            found[exercise.id] = exercise
    return found


def exercise_called(id):
    """The exercise of that id; BadInput, with those there are, if there is none."""
    known = exercises()
    if id not in known:
        raise BadInput(f"there is no exercise {id!r}. There are: {', '.join(known)}")
    return known[id]


def private_seed():
    """The instructor's private seed as text, or None."""
    if path := os.environ.get("KIT_PRIVATE_SEED_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"KIT_PRIVATE_SEED_FILE names {path}, which cannot be read: {error}") from error
    return os.environ.get("KIT_PRIVATE_SEED") or None


def picked_variants():
    """In a released kit: the variant picked for each exercise, by name."""
    return json.loads(PICKED.read_text(encoding="utf-8")) if PICKED.exists() else {}


def _same_code(one, other):
    try:
        return ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return one.split() == other.split()


def _plain(value):
    """As the child hands it back: tuples are lists there."""
    return json.loads(json.dumps(value))
