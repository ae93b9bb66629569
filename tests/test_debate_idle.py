"""Idle memory: ratios are all that counts, what the figures must be, and L3 and L10 either way."""

import pytest

from kit.debate import idle_trial, layer_trial
from kit.debate.claim import DEPENDS, FAILS, HOLDS, Evidence
from kit.debate.idle_trial import (
    FOUND,
    L3,
    NEVER,
    NOISE,
    SAME,
    WAYS,
    gained,
    hit_rate,
    in_models,
    listed,
    machine_with,
    never_touched,
    what_decides,
)
from kit.debate.layer_trial import L10, NONE, WRITES, share_kept


def expected(way, kept, file, stays):
    """What reads find, of shares of memory: all fits, or there is room for so much of the files."""
    room = {"nothing": 1, "mempool": 1 - kept, "reservation": 1}[way]
    pinned = min(file * stays, 1 - kept if way != "nothing" else 1)
    # Who wants to read in a page when all but the reserve stays put waits for ever, wherever the reserve lies.
    stuck = pinned >= 1 - kept if way == "reservation" else pinned >= room
    return pinned / file if stuck and room < file + kept * (way == "reservation") else min(1, room / file)


@pytest.mark.parametrize("stays", [0, 1 / 4, 1 / 2, 3 / 4, 1])
@pytest.mark.parametrize("kept, file", [(1 / 4, 1), (1 / 2, 1), (1 / 4, 2), (1 / 16, 2), (1 / 2, 1 / 2)])
def test_what_reads_find_is_what_there_is_room_for(kept, file, stays):
    for way in WAYS:
        found = hit_rate(machine_with(way, 64, int(64 * kept)), 7, int(64 * file), int(64 * file * stays))
        assert found == pytest.approx(expected(way, kept, file, stays), abs=NOISE), way


@pytest.mark.parametrize("state", ["dirty", "mapped", "held"])
def test_to_a_promise_all_that_cannot_be_dropped_is_the_same(state, monkeypatch):
    """The trial locks what stays put; a page that is dirty, mapped or held by a user keeps a reserve as empty."""
    def found():
        return [hit_rate(machine_with("reservation", 64, 16), 7, 64, pinned) for pinned in (32, 48, 64)]

    async def otherwise(cache, page):
        if state != "held":
            await (cache.dirty_page if state == "dirty" else cache.map)(page)
            cache.release(page)
    locked = found()
    monkeypatch.setattr(idle_trial.PageCache, "lock", otherwise)
    assert found() == locked == [1, 0.75, 0.75]


@pytest.mark.slow
@pytest.mark.parametrize("again", [0, 0.8])
def test_other_draws_make_less_than_noise_at_random_and_never_a_loss(again):
    """Reads that go to the same fifth find more in any memory; a reservation is not behind with them either."""
    by_seed = [in_models((64,), seed, 1 / 4, 1, 1 / 2, again) for seed in range(6)]
    assert all(gained(*figures[:3]) > NOISE for figures in by_seed)
    if not again:
        assert max(figures[1] for figures in by_seed) - min(figures[1] for figures in by_seed) < NOISE


def test_a_pool_is_touched_by_what_is_refused_and_by_no_more_than_was_out_at_once():
    assert never_touched("build", 0, seed=0) == 1
    assert never_touched("build", 1, seed=0) == 1 - 133 / 256        # the most bios that were out at once
    assert never_touched("journal", 1, seed=0, elements=1) == 0, "two at once, and the second got none"


def l3(found, never=(0.9,), apart=0.0):
    """A table: {(stays put): (nothing, mempool, reservation)}, and what share is never touched."""
    rows = [(NEVER, f"one, {number}% refused", "", "", "", share, "", "") for number, share in enumerate(never)]
    rows += [(FOUND, "files", 0.25, stays, *figures, apart) for stays, figures in found.items()]
    return Evidence(idle_trial.COLUMNS, tuple(rows))


GAIN, SAME_AS_POOL, LAST_PAGE = (1, 0.5, 1), (1, 0.5, 0.5), (0.5, 0.5, 0.52)


@pytest.mark.parametrize("table, word, on", [
    (l3({0: GAIN, 1: GAIN}), HOLDS, ""), (l3({0: SAME_AS_POOL, 1: LAST_PAGE}), FAILS, ""),
    (l3({0: GAIN}, never=(0.1,)), FAILS, ""), (l3({0: GAIN}, never=(0.9, 0.1)), DEPENDS, "how much is refused"),
    (l3({0: GAIN, 1: SAME_AS_POOL}), DEPENDS, "how much of them may be dropped"),
    (l3({0: GAIN}, apart=2 * SAME), DEPENDS, "the size of memory")])
def test_l3_can_come_out_every_way(table, word, on):
    verdict = L3.judge(table)
    assert (verdict.word, verdict.on) == (word, on)


def test_what_decides_are_pairs_that_differ_in_that_alone():
    words = ("first", "second")
    assert what_decides({(1, 1): True, (1, 2): False}, words) == ["second"]
    assert what_decides({(1, 1): True, (2, 2): False}, words) == [], "they differ in both"
    assert what_decides({(1, 1): True, (1, 2): False, (2, 1): False}, words) == ["first", "second"]


def test_words_are_listed_as_english_does():
    assert [listed(list("abc"[:count])) for count in range(4)] == ["", "a", "a and b", "a, b and c"]


def l10(found, writes=(), apart=0.0):
    """A table of one machine, {stays put: figures}, and of writes, (helper, reserve, pool, exact, worst)."""
    rows = [(f"{layer_trial.FOUND}, {stays}", "4 MB", 0.3, *figures, "", apart) for stays, figures in found.items()]
    rows += [(f"{WRITES}, a load", helper, reserve, "", *ends, "") for helper, reserve, *ends in writes]
    return Evidence(layer_trial.COLUMNS, tuple(rows))


DONE, FORESIGHT = "9 ms", "whether a write can say beforehand what it will take"


@pytest.mark.parametrize("table, word, on", [
    (l10({0: GAIN}), HOLDS, ""), (l10({0: SAME_AS_POOL}, [("kswapd", 1, DONE, DONE, DONE)]), HOLDS, ""),
    (l10({0: (1, 0.5, 0.4)}), FAILS, ""), (l10({0: SAME_AS_POOL}, [("kswapd", 1, DONE, "hung", "hung")]), FAILS, ""),
    (l10({0: GAIN}, [("kswapd", 1, DONE, DONE, "hung")]), DEPENDS, FORESIGHT),
    (l10({0: GAIN}, [("kswapd", 1, DONE, "hung", "hung")]), DEPENDS, "what is asked"),
    (l10({0: GAIN}, [("kswapd", 1, DONE, DONE, "hung"), ("kswapd", 16, DONE, DONE, DONE)]), DEPENDS,
     f"{FORESIGHT} and the size of the reserve"),
    (l10({0: GAIN}, [(helper, 1, DONE, *[end] * 2) for helper, end in (("kswapd", DONE), ("none", "hung"))]), DEPENDS,
     "whether somebody frees memory for those who wait"),
    (l10({0: GAIN}, apart=2 * SAME), DEPENDS, "the size of the model")])
def test_l10_can_come_out_every_way(table, word, on):
    verdict = L10.judge(table)
    assert (verdict.word, verdict.on) == (word, on)


def test_l10_tells_no_equality_that_is_none_and_leaves_out_what_keeps_nothing():
    assert "give as much" not in L10.judge(l10({0: GAIN})).because
    verdict = L10.judge(Evidence(layer_trial.COLUMNS, (
        (f"{layer_trial.FOUND}, all", "4 MB", 0.3, *SAME_AS_POOL, "", 0), ("found, all", "4 GB", NONE, *GAIN, "", 0))))
    assert "give as much" in verdict.because and "4 GB" not in verdict.because


def test_a_small_machine_kept_back_a_third_and_a_large_one_next_to_nothing():
    assert share_kept(4) == pytest.approx(1_455_104 / 4_194_304)        # the bytes of history
    assert share_kept(1024) == pytest.approx((1_455_104 / 4096 + 64) / 262_144)
