"""The mail: every sentence of it is under a claim, or is not one for a reason."""

import pytest

from kit.debate import mail
from kit.debate.claims import CLAIMS
from kit.debate.mail import LAHAISE, MOLNAR, NoPlace, sentences

SIXTEEN = {f"M{number}" for number in range(1, 7)} | {f"L{number}" for number in range(1, 11)}


def test_every_sentence_is_under_a_claim_or_is_not_one_for_a_reason():
    for sentence in sentences():
        assert bool(sentence.claims) != bool(sentence.why), sentence.words
        assert set(sentence.claims) <= SIXTEEN


def test_nothing_of_the_mail_is_lost():
    words = " ".join(sentence.words for sentence in sentences()).split()
    mailed = [word for word in mail.MAIL.split() if word not in (">", "-")]
    assert words == mailed
    assert (len(words), len(sentences())) == (711, 42), "counted in the archived mail"


def test_every_claim_but_the_one_passed_over_has_a_sentence():
    there = {name for sentence in sentences() for name in sentence.claims}
    assert there | set(mail.PASSED_OVER) == SIXTEEN and not there & set(mail.PASSED_OVER)
    assert set(CLAIMS) <= SIXTEEN


def test_who_said_it_is_whom_the_mail_marks():
    by = {sentence.words.split()[0]: sentence.who for sentence in sentences()}
    assert by["mempool_alloc(),"] == MOLNAR and by["Function"] == LAHAISE


def test_a_claim_quotes_its_mail():
    whole = " ".join(sentence.words for sentence in sentences())
    quoted = [name for name, one in CLAIMS.items() if one.words in whole]
    assert set(CLAIMS) - set(quoted) <= set(mail.PASSED_OVER)


@pytest.mark.parametrize("change, told", [
    (lambda table: table[1:], "'On Sat, Dec 15, 2001 .* has no place"), (lambda table: table[:-1], "-- Fish.*no place"),
    (lambda table: (*table, ("One more", "L1", "")), "no such sentence")])
def test_a_table_with_a_gap_is_refused(monkeypatch, change, told):
    monkeypatch.setattr(mail, "CLAIMS_OF", change(mail.CLAIMS_OF))
    with pytest.raises(NoPlace, match=told):
        sentences()
