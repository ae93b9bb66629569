"""Idle memory: ratios are all that counts, what the figures must be, and L10 either way."""

import pytest

from kit.debate.claim import DEPENDS, FAILS, HOLDS, Evidence
from kit.debate.idle_trial import CLEAN, L3, NOISE, SAME, WAYS, hit_rate, machine_with, spread_over_sizes
from kit.debate.layer_trial import COLUMNS, L10, experiment, share_kept

L3_COLUMNS = ("pages are", "memory", "share kept back", *WAYS)


@pytest.mark.parametrize("pages", [64, 200, 512])
@pytest.mark.parametrize("share, held", [(1 / 4, 0), (1 / 4, 1 / 4), (1 / 2, 1 / 4)])
def test_the_rate_is_that_of_the_memory_which_is_left(pages, share, held):
    """Reads at random find what is cached: the part of the file for which there is room."""
    kept, stay = int(pages * share), int(pages * held)
    file = pages - stay
    room = {"nothing": file - 1, "mempool": file - kept - 1, "reservation": file}     # 2.5.1 never gives its last page
    for way in WAYS:
        rate = hit_rate(machine_with(way, pages, kept), 7, file, 1_000, held=stay)
        assert rate == pytest.approx(room[way] / file, abs=SAME), way


def test_a_spread_is_that_between_sizes_alone():
    figures = {("a", 64, 0.5): (0.1, 0.9), ("a", 256, 0.5): (0.2, 0.9), ("a", 64, 0.25): (0.9, 0.9)}
    assert spread_over_sizes(figures, size=1) == pytest.approx(0.1)
    assert spread_over_sizes({("a", 64, 0.5): (0.1,)}, size=1) == 0


@pytest.mark.parametrize("other, word, on", [(0.4, HOLDS, ""), (0.4 + 2 * SAME, DEPENDS, "the size of memory")])
def test_what_does_not_scale_is_not_judged_as_if_it_did(other, word, on):
    rows = tuple((CLEAN, pages, 0.5, 0.9, pool, pool + 3 * NOISE) for pages, pool in ((64, 0.4), (256, other)))
    verdict = L3.judge(Evidence(L3_COLUMNS, rows))
    assert (verdict.word, verdict.on) == (word, on)


@pytest.mark.parametrize("changed, word, on", [
    ({}, HOLDS, ""), ({"a": 0.8}, HOLDS, ""), ({"a": 0.2, "b": 0.2, "c": 0.2}, FAILS, ""),
    ({"a": 0.2, "b": 0.2, "c": 0.8}, DEPENDS, "what is asked"), ({"b": 0.2, "c": 0.8}, DEPENDS, "the size of the"),
    ({"a": 0.2, "b": 0.2, "c": 0.8, "apart": 0.1}, DEPENDS, "the size of the model")])
def test_l10_can_come_out_every_way(changed, word, on):
    """A machine, and two reserves; mempools give 0.5 everywhere."""
    rows = [("reads", "4 MB", 0.3, 0.9, 0.5, changed.get("c", 0.5), changed.get("apart", 0.0))]
    rows += [("writes", "a small one", reserve, 0.0, 0.5, changed.get(key, 0.5), 0.0)
             for reserve, key in ((4, "a"), (16, "b"))]
    verdict = L10.judge(Evidence(COLUMNS, tuple(rows)))
    assert verdict.word == word and verdict.on.startswith(on) and bool(on) == bool(verdict.on)


def test_a_small_machine_kept_back_a_third_and_a_large_one_next_to_nothing():
    assert share_kept(4) == pytest.approx(1_455_104 / 4_194_304)        # the bytes of history
    assert share_kept(1024) == pytest.approx((1_455_104 / 4096 + 64) / 262_144)


@pytest.mark.slow
def test_every_load_says_the_same_of_both_models():
    rows = experiment(3, machines=(4, 64), reads=1_000, writes=()).rows
    assert len(rows) == 6 and 0 < max(row[-1] for row in rows) <= SAME
