"""What was found, as data and as sentences.

A Report says one of three things: not attempted, not yet, passed.  A check that failed says what broke,
at which move, under which rule, on the shortest input there is, with both states side by side.
Never a traceback, never a bare "wrong".
"""

from dataclasses import asdict, dataclass
from itertools import zip_longest

NOT_ATTEMPTED, NOT_YET, PASSED = "not attempted", "not yet", "passed"


@dataclass(frozen=True)
class Fault:
    """One case that went wrong.  `move` and `before` are there if the case is a sequence of moves."""

    typed: str                  # the case as one would type it
    why: str                    # a sentence, or "" where the two states say it all
    yours: str
    wanted: str | None          # None where more than one answer is right
    move: str | None = None     # "move 3, free(4, 0)"
    before: str | None = None   # the state in which both still agreed

    def text(self):
        lines = [self.typed]
        if self.move:
            lines.append(f"parts from the rule at {self.move}")
        if self.before is not None:
            lines += ["before that, still right:", *_indented(self.before)]
        if self.wanted is not None:
            lines += side_by_side(("yours", self.yours), ("by the rule", self.wanted))
        if self.why:
            lines.append(self.why)
        return "\n".join(lines)


@dataclass(frozen=True)
class Result:
    """What became of one check: how many of its worlds came out right, and the shortest that did not."""

    name: str
    rule: str
    points: int
    of: int
    right: int
    worlds: int
    fault: Fault | None = None

    def line(self):
        """The check and how many of its worlds came out right."""
        word = "right  " if self.points == self.of else "not yet"
        return f"{word}  {self.name}: {self.right:,} of {self.worlds:,} worlds"

    def text(self):
        """The line, and what became of the shortest input that went wrong."""
        if self.fault is None:
            return self.line()
        return "\n".join([f"{self.line()}. The shortest that goes wrong:", *_indented(self.fault.text(), 4),
                          f"The rule: {self.rule}."])


@dataclass(frozen=True)
class Report:
    """The judgement on one exercise.

    note: the sentence when there are no results to speak of.  misconception: the name of the well-known
    way to be wrong that it behaves like, and `says` its sentence; both "" if none was recognised.
    """

    exercise: str
    title: str
    outcome: str
    points: int
    of: int
    note: str = ""
    misconception: str = ""
    says: str = ""
    results: tuple = ()

    def headline(self):
        return f"{self.exercise}  {self.title}: {self.outcome}, {self.points} of {self.of} points"

    def text(self):
        """A line for each check, and a paragraph for the first that failed: one thing at a time."""
        lines, told = [self.headline()], False
        for result in self.results:
            lines += _indented(result.line() if told else result.text())
            told = told or result.fault is not None
        lines += [f"  {sentence}" for sentence in (self.note, self.says) if sentence]
        return "\n".join(lines)

    def to_dict(self):
        return asdict(self)

    @classmethod
    def from_dict(cls, fields):
        """The report that `to_dict` wrote, also by way of JSON."""
        results = [Result(**{**result, "fault": result["fault"] and Fault(**result["fault"])})
                   for result in fields["results"]]
        return cls(**{**fields, "results": tuple(results)})


def side_by_side(left, right):
    """Two titled texts in two columns, as lines: `side_by_side(("yours", a), ("by the rule", b))`."""
    columns = [[title, "-" * len(title), *text.splitlines()] for title, text in (left, right)]
    width = max(len(line) for line in columns[0])
    return [f"{one:<{width}}    {other}".rstrip() for one, other in zip_longest(*columns, fillvalue="")]


def _indented(text, by=2):
    return [" " * by + line for line in text.splitlines()]
