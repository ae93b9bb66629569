"""The mail: every sentence of it is under a claim, or is not one for a reason."""

import re
from pathlib import Path

import pytest

from kit.debate.claims import CLAIMS
from kit.debate.mail import LAHAISE, MOLNAR, PASSED_OVER, SENTENCES

# As it stands in the archives, without what the list put below it; > marks what LaHaise quotes.
MAIL = (Path(__file__).parent / "mail-2001-12-15.txt").read_text(encoding="utf-8")
SIXTEEN = {f"M{number}" for number in range(1, 7)} | {f"L{number}" for number in range(1, 11)}


def said(mail):
    """(who, sentence) in order: a sentence ends with its paragraph, or at . ? ! before a capital or a parenthesis."""
    for paragraph in mail.strip().split("\n\n"):
        who = MOLNAR if paragraph.startswith(">") else LAHAISE
        text = " ".join(line.removeprefix("> ").removeprefix("- ") for line in paragraph.split("\n"))
        for words in re.split(r"(?<=[.?!])\s+(?=[A-Z(])|(?<=[.?!]\))\s+(?=[A-Z(])", text):
            yield who, words


def unplaced(table):
    """What the table and the mail do not have in common, in order; [] if every sentence has its place."""
    sentences = list(said(MAIL))
    missing = [words for (who, words), row in zip(sentences, table, strict=False)
               if who != row.who or not words.startswith(row.opening)]
    return missing + [words for _, words in sentences[len(table):]] + list(table[len(sentences):])


def test_every_sentence_has_its_place():
    assert unplaced(SENTENCES) == []


@pytest.mark.parametrize("change", [lambda table: table[1:], lambda table: table[:-1],
                                    lambda table: (*table, table[0]),
                                    lambda table: (table[0]._replace(who=MOLNAR), *table[1:])])
def test_a_table_with_a_gap_is_found_out(change):
    assert unplaced(change(SENTENCES))


def test_each_is_under_a_claim_or_is_not_one_for_a_reason():
    for sentence in SENTENCES:
        assert bool(sentence.claims) != bool(sentence.why), sentence
        assert set(sentence.claims.split()) <= SIXTEEN


def test_nothing_of_the_mail_is_lost_in_splitting():
    words = " ".join(words for _, words in said(MAIL)).split()
    assert words == [word for word in MAIL.split() if word not in (">", "-")]
    assert len(words) == 711, "counted in the archived mail"


def test_every_claim_but_the_one_passed_over_has_a_sentence():
    there = {name for sentence in SENTENCES for name in sentence.claims.split()}
    assert there | set(PASSED_OVER) == SIXTEEN and not there & set(PASSED_OVER)
    assert set(CLAIMS) == SIXTEEN


def test_a_claim_quotes_its_mail():
    whole = " ".join(words for _, words in said(MAIL))
    assert {name for name, claim in CLAIMS.items() if claim.words not in whole} <= set(PASSED_OVER)
