"""What a ledger has to count: the figures are those of the calls, and L9 can come out every way."""

import pytest

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Evidence
from kit.debate.statistics_trial import L9, TOUCHED, UPDATED, WRONG, Touched, experiment
from kit.memory.pagecache import PageCache
from kit.memory.zones import Pages, Zone


def test_each_call_is_counted_once():
    memory = Pages(zones=[Zone("NORMAL", 0, 8, pages_min=0, max_order=0)])
    cache, ledger = PageCache(memory), Touched(memory)
    cache.lend_to(ledger)
    page = cache.read("a")          # asks for a spare page, and takes it
    cache.release(page)             # clean and idle
    cache.map(page)                 # no longer
    memory.put(memory.take())
    told = {name: ledger.counts[name] for name in TOUCHED.values()}
    assert told == {"a block is taken": 2, "a block comes back": 1, "a page is clean and idle": 1,
                    "a page is dirtied, mapped, locked or held": 1, "an ordinary allocation asks": 2}
    ledger.check()


def test_touches_follow_what_is_done_and_not_the_size_of_the_memory():
    rows = {row[0]: row[1:] for row in experiment(0, sizes=(64, 512), declared=("in full",)).rows}
    small, large = zip(*(rows[name] for name in (*TOUCHED.values(), UPDATED)), strict=True)
    assert large == pytest.approx(small, rel=0.1)
    assert rows["a page is clean and idle"] == (100, 100), "every page read is let go once"


@pytest.mark.parametrize("touches, wrong, word", [
    ((9, 9), (0, 0), HOLDS), ((9, 9), (0, 3), DEPENDS), ((9, 9), (2, 3), FAILS), ((9, 40), (0, 0), FAILS)])
def test_l9_can_come_out_every_way(touches, wrong, word):
    rows = [("a block is taken", *touches), (UPDATED, 20, 21),
            *((WRONG + share, 0, count) for share, count in zip(("in full", "nothing"), wrong, strict=True))]
    verdict = L9.judge(Evidence(("what is counted", "64 pages", "256 pages"), tuple(rows)))
    assert (verdict.word, verdict.on) == (word, "needs being declared" if word == DEPENDS else "")
