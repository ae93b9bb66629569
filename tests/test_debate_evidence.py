"""Evidence as text: every table fits a notebook, and nothing of it is lost."""

from hypothesis import given
from hypothesis import strategies as st

from kit.debate.claim import Evidence

WORDS = st.lists(st.text("abc,%-", min_size=1, max_size=9), min_size=1, max_size=12).map(" ".join)


def test_a_table_that_is_too_wide_breaks_its_headings_and_then_its_first_cells():
    table = Evidence(("what", "how much of it"), (("all of us", 1), ("one of those that are left", 2.5)))
    assert table.text() == """\
what                        how much of it
all of us                                1
one of those that are left             2.5"""
    assert table.text(width=28) == """\
what                     how
                        much
                          of
                          it
all of us                  1
one of those that are    2.5
  left"""


def test_a_table_without_rows_is_its_headings():
    assert Evidence((), ()).text() == "" and Evidence(("a", "b"), ()).text(2) == "a  b"


@given(WORDS, st.lists(st.tuples(WORDS, st.integers(0, 999), st.floats(0, 1)), min_size=1, max_size=5))
def test_a_table_fits_and_says_all(heading, rows):
    table = Evidence(("what", heading, "share"), tuple(rows))
    text = table.text(width=50)
    assert all(len(line) <= 50 for line in text.splitlines())
    assert sorted(text.replace("\n", " ").split()) == sorted(table.text(width=10_000).replace("\n", " ").split())
