"""Predictions are kept, meet their outcome, and come back as questions; without them everything runs all the same."""

import re

import pytest

from kit.errors import BadInput
from kit.show import predict as module
from kit.show.predict import calibration, outcome, predict, predictions, recall


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "FILE", tmp_path / ".predictions.json")


def said(name, guess, confidence, observed):
    predict(name, f"What of {name}?", among=["yes", "no"], guess=guess, confidence=confidence)
    outcome(name, observed)


def questions(recalled):
    return re.findall(r"<summary>(.*?)</summary>", repr(recalled))


def test_a_prediction_is_put_beside_its_outcome():
    predict("04 skim", "Who serves?", among=["ASK", "SKIM"], guess="ASK", confidence=0.9)
    assert repr(outcome("04 skim", "SKIM")).startswith("It was **SKIM**, you predicted **ASK**, 90% sure.")
    assert "as you predicted" in repr(outcome("04 skim", "ASK"))


def test_without_a_guess_nothing_is_recorded_and_nothing_fails():
    assert "Write your answer" in repr(predict("04 skim", "Who serves?", among=["ASK"], guess=None))
    assert repr(outcome("04 skim", "ASK")) == "It was **ASK**."
    assert predictions() == {}
    assert "No prediction" in repr(calibration())
    assert "nothing to recall" in repr(recall("09"))


def test_calibration_is_the_brier_score():
    said("04 a", "yes", 1.0, "yes")
    said("04 b", "yes", 0.5, "no")
    assert "1 of 2" in repr(calibration()) and "Brier score 0.12" in repr(calibration())    # (0 + 0.25) / 2


def test_what_surprised_most_is_asked_first_and_only_of_earlier_notebooks():
    said("00 right and sure", "yes", 0.9, "yes")
    said("04 wrong and sure", "yes", 0.9, "no")
    said("04 wrong and unsure", "yes", 0.6, "no")
    said("04 right and unsure", "yes", 0.5, "yes")
    said("09 later", "yes", 1.0, "no")
    predict("04 without an outcome", "What?", guess="no")
    asked = questions(recall("09", ("Fixed & last?", "It *is*.")))
    assert [re.sub(r"What of (.*)\? \(You.*", r"\1", question) for question in asked] == [
        "04 wrong and sure", "04 wrong and unsure", "04 right and unsure", "Fixed &amp; last?"]


def test_the_answer_is_folded_and_explains():
    said("04 skim", "yes", 0.9, "no")
    told = repr(recall("09", ("Who?", "SKIM, for it *spares* a sleep.")))
    assert "It was **no**, and you said **yes**, 90% sure." in told and "SKIM, for it *spares* a sleep." in told
    assert told.count("<details>") == told.count("</details>") == 2


def test_bad_guesses_and_a_damaged_file_get_a_sentence():
    with pytest.raises(BadInput, match="not among the answers"):
        predict("04 skim", "Who?", among=["ASK"], guess="SKIP")
    with pytest.raises(BadInput, match="not between 0 and 1"):
        predict("04 skim", "Who?", guess="ASK", confidence=7)
    module.FILE.write_text("{", encoding="utf-8")
    with pytest.raises(BadInput, match="damaged"):
        recall("09")
