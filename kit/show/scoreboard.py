"""scoreboard: the claims, who made them, and the verdict on each; a table of text, for any reader."""

from kit.debate.claim import DEPENDS, FAILS, HOLDS, UNDECIDABLE
from kit.errors import BadInput
from kit.show.widget import Frame

MARKS = {HOLDS: "✔", FAILS: "✘", DEPENDS: "◐", UNDECIDABLE: "?"}


def scoreboard(findings):
    """The scoreboard of these findings, as hear() of kit.debate.hearing gives them: a Frame, which is a table."""
    if not findings:
        raise BadInput("no claim was heard, so there is no score. hear() of kit.debate.hearing hears all of them.")
    words = [one.verdict.word for one in findings]
    counted = ", ".join(f"{words.count(word)} {mark} {word.removesuffix(' on')}" for word, mark in MARKS.items()
                        if word in words)
    rows = [(one.claim.name, one.claim.who, one.claim.words, f"{MARKS[one.verdict.word]} {one.verdict.word} "
             f"{one.verdict.on}".rstrip(), one.verdict.because) for one in findings]
    return Frame(f"{len(findings)} claims: {counted}", [("claim", "who", "said", "verdict", "because"), *rows])
