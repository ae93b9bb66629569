"""predict: say what will happen before it does, and be reminded of it afterwards.

Whoever watches an experiment without having predicted its outcome learns no more than whoever did
not watch (Crouch, Fagen, Callan and Mazur, 2004).  So a notebook asks first:

    predict("third element", "Which rung serves the third caller?", among=RUNGS, guess="SKIM", confidence=0.7)
    ...
    outcome("third element", pool_served)

A later notebook asks back: `recall("09", ("Which two rungs may sleep?", "INSIST and QUEUE."))`, its own
questions and the predictions of notebooks before 09 whose outcome surprised most.

Predictions are kept in one file beside the notebook, which git ignores; nothing leaves the machine
and nothing blocks: with `guess=None` the notebook runs all the same.
"""

import html
import json
from pathlib import Path

from kit.errors import BadInput

FILE = Path(".predictions.json")
ASKED_BACK = 3      # predictions of earlier notebooks, at most


class Said:
    """A sentence or two for the learner; Jupyter shows the text."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text

    def _repr_markdown_(self):
        return self.text


def predict(name, question, among=None, guess=None, confidence=0.5):
    """Record what you expect of the experiment `name`, and how sure you are (0.5 a coin, 1.0 certain)."""
    options = f" ({', '.join(str(option) for option in among)})" if among else ""
    if guess is None:
        return Said(f"**Predict:** {question}{options}\n\nWrite your answer as `guess=`, and how sure you are as "
                    "`confidence=` (0.5 is a coin, 1.0 is certain); then run this cell.")
    if among and guess not in among:
        raise BadInput(f"{guess!r} is not among the answers to {question!r}: {', '.join(map(repr, among))}.")
    if not 0 <= confidence <= 1:
        raise BadInput(f"confidence={confidence} is not between 0 and 1.")
    _record(name, question=question, guess=guess, confidence=confidence)
    return Said(f"Recorded: {question} **{guess}**, {confidence:.0%} sure.")


def outcome(name, observed):
    """Put what happened beside what was predicted."""
    known = predictions().get(name)
    if not known:
        return Said(f"It was **{observed}**.")
    right = known["guess"] == observed
    _record(name, observed=observed, right=right)
    verdict = "as you predicted" if right else f"you predicted **{known['guess']}**"
    why = "" if right else " What did you not take into account?"
    return Said(f"It was **{observed}**, {verdict}, {known['confidence']:.0%} sure.{why}")


def calibration():
    """How well confidence and outcome agree: the Brier score, 0 for an oracle and 0.25 for a coin."""
    judged = [one for one in predictions().values() if "right" in one]
    if not judged:
        return Said("No prediction has met its outcome yet.")
    brier = sum((one["confidence"] - one["right"]) ** 2 for one in judged) / len(judged)
    right = sum(one["right"] for one in judged)
    return Said(f"{right} of {len(judged)} predictions came true; Brier score {brier:.2f} "
                "(0 is an oracle, 0.25 is a coin).")


def recall(notebook, *questions):
    """Questions to answer from memory at the beginning of `notebook`, such as "09"; their answers are folded.

    questions: (question, answer that explains) pairs.  Before them come predictions of earlier
    notebooks that have met their outcome, wrong and confident ones first.
    """
    asked = [(f"{one['question']} (You predicted it in notebook {name[:2]}.)", _answer(one))
             for name, one in _surprises(notebook)]
    if not asked and not questions:
        return Said("There is nothing to recall yet: no earlier prediction has met its outcome.")
    folded = (f"<details><summary>{html.escape(question)}</summary>\n\n{answer}\n\n</details>"
              for question, answer in [*asked, *questions])
    return Said("\n\n".join(["**From memory.** Answer aloud before you open it.", *folded]))


def _surprises(notebook):
    """The predictions of earlier notebooks that have met their outcome: [(name, prediction), ...], at most a few."""
    judged = [(name, one) for name, one in predictions().items()
              if "right" in one and name[:2].isdigit() and name[:2] < notebook]
    return sorted(judged, key=lambda named: _surprise(named[1]), reverse=True)[:ASKED_BACK]


def _surprise(one):
    """How far confidence and outcome were apart: 1 for a certainty that came false."""
    return abs(one["confidence"] - one["right"])


def _answer(one):
    guess = "as you said" if one["right"] else f"and you said **{one['guess']}**"
    return f"It was **{one['observed']}**, {guess}, {one['confidence']:.0%} sure."


def predictions():
    """All predictions recorded so far, by name; empty when there are none."""
    try:
        return json.loads(FILE.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise BadInput(f"{FILE} is damaged: it is no JSON. Delete it to begin anew.") from None


def _record(name, **fields):
    known = predictions()
    known[name] = {**known.get(name, {}), **fields}
    FILE.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
