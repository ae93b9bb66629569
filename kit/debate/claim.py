"""claim: what was said, made measurable; and a verdict that the evidence gives, never the author.

The problem of a fair trial in a program: whoever writes the experiment knows what it should show.
So a claim consists of parts that can be checked against each other:

    words           what was said, quoted, and by whom
    question        the same, as something that can be measured
    molnar, lahaise the strongest case of either side, each in its own terms
    experiment      a function of a seed and of named parameters that gives a table: the evidence
    judge           a function of that table alone, which gives the verdict and the reason for it
    overturned_by   in words, what would have to be different for another verdict
    overturning     parameters under which the same experiment and judge do give another verdict, if any

Four verdicts: the claim HOLDS, it FAILS, it DEPENDS on something named, or it is UNDECIDABLE here.
A verdict that is not the same under every seed depends on chance, and says so (hearing.py).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import zip_longest
from textwrap import wrap

HOLDS, FAILS, DEPENDS, UNDECIDABLE = "holds", "fails", "depends on", "not decidable here"


@dataclass(frozen=True)
class Evidence:
    """A small table: the names of its columns, and its rows, whose first cell says what the row is about."""

    columns: tuple
    rows: tuple

    def column(self, name):
        """All values of one column, by the first cell of each row."""
        place = self.columns.index(name)
        return {row[0]: row[place] for row in self.rows}

    def text(self, width=100):
        """The table as lines of text, numbers to the right; where it is too wide, headings break, then first cells."""
        rows = [self.columns, *([_cell(value) for value in row] for row in self.rows)]
        widths = _widths(rows, width)
        lines = []
        for row, values in zip(rows, [*(self.rows[:1] or [self.columns]), *self.rows], strict=True):
            cells = [wrap(cell, width, subsequent_indent="  " * (not place), break_on_hyphens=False)
                     for place, (cell, width) in enumerate(zip(row, widths, strict=True))]
            lines += ["  ".join(part.rjust(width) if _is_number(value) else part.ljust(width)
                                for part, width, value in zip(parts, widths, values, strict=True)).rstrip()
                      for parts in zip_longest(*cells, fillvalue="")]
        return "\n".join(lines)


@dataclass(frozen=True)
class Verdict:
    """One of the four words, the reason as a sentence made from the evidence, and what it depends on."""

    word: str
    because: str
    on: str = ""

    def __str__(self):
        return f"{self.word} {self.on}".rstrip() + f": {self.because}"


@dataclass(frozen=True)
class Claim:
    """A claim and its trial; `trial()` gives the evidence and the verdict."""

    name: str
    who: str
    words: str
    question: str
    molnar: str
    lahaise: str
    experiment: Callable
    judge: Callable
    overturned_by: str
    overturning: dict | None = None
    history: str = ""
    recorded: dict = field(default_factory=dict)    # parameters of the full number of runs (--record)
    seeded: bool = True     # False: the experiment draws nothing, so one trial is all there is to try

    def trial(self, seed=0, **parameters):
        """The evidence of one run of the experiment, and the verdict on it."""
        evidence = self.experiment(seed, **parameters)
        return evidence, self.judge(evidence)


def _widths(rows, width):
    """How wide each column is, so that all of them together are no wider than `width`, if that can be."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    between = 2 * (len(widths) - 1)
    if sum(widths) + between > width:
        widths = [max(map(len, [*head.split(), *cells])) for head, *cells in columns]
    excess = sum(widths) + between - width
    return [min(first, max(20, first - excess)) for first in widths[:1]] + widths[1:]


def what_decides(outcome, words):
    """Those of the factors, `words` by place, that alone make a difference between two keys of `outcome`."""
    return [word for place, word in enumerate(words) if any(
        outcome[one] != outcome[other] and one[:place] + one[place + 1:] == other[:place] + other[place + 1:]
        for one in outcome for other in outcome)]


def listed(words):
    """The words as English lists them: "this, that and the other"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _cell(value):
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)
