"""A recording through the kit's own allocators: nothing is lost, and every bio is served."""

import argparse
import json
from collections import Counter
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import gfp, linux
from kit.commands import recording as command
from kit.errors import BadInput, KitError
from kit.linux import procfs, rerun, summary
from kit.linux.bios import MOST, Bio, bios, run_bios
from kit.linux.lines import ObjectEvent, PageEvent
from kit.linux.recording import Recording
from kit.memory.mempool import LINUX_2_5_1, MAIL
from kit.memory.zones import MB, Pages, Zone

read = lru_cache(linux.read)        # tests look at a recording and change nothing
NAMES = {kind: [name for name in linux.names() if name.endswith(kind)] for kind in ("pages", "objects")}


def never_freed(recording):
    """The naive model: what was allocated and not freed, by number."""
    live = {}
    for event in recording:
        number = event[3]
        if event.event == "alloc":
            live[number] = event
        else:
            del live[number]
    return live


@st.composite
def page_recordings(draw):
    events, live, born = [], [], 0
    for time in range(draw(st.integers(1, 40))):
        if live and draw(st.booleans()):
            block, order = live.pop(draw(st.integers(0, len(live) - 1)))
            events.append(PageEvent(time, 0, "free", block, order, 0, ""))
        else:
            order = draw(st.integers(0, 10))
            mask = draw(st.sampled_from([gfp.GFP_KERNEL, gfp.GFP_ATOMIC, 0, gfp.GFP_HIGHUSER, gfp.GFP_NOFS | gfp.DMA]))
            events.append(PageEvent(time, 0, "alloc", born, order, mask, "as drawn"))
            live.append((born, order))
            born += 1
    return Recording("drawn", "pages", events)


# == Pages =========================================================================================


@pytest.mark.parametrize("name", NAMES["pages"])
def test_what_is_never_freed_is_what_the_model_still_holds(name):
    recording = read(name)
    run = rerun.run_pages(recording)
    live = never_freed(recording)
    assert run.refused == 0
    assert run.held.keys() == live.keys()
    held = sum(1 << event.order for event in live.values())
    free = sum(row.pages for row in procfs.zone_rows(run.pages))
    assert free + held == sum(zone.pages for zone in run.pages.zones)
    run.pages.check()


@settings(max_examples=40)
@given(page_recordings(), st.integers(2, 12))
def test_nothing_is_lost_and_no_page_is_in_two_blocks_however_short_memory_is(recording, log2):
    pages = Pages(zones=[Zone("NORMAL", 0, 1 << log2, pages_min=2, max_order=min(log2, 10))])
    run = rerun.run_pages(recording, pages)
    frames = [frame for block, first in run.held.items()
              for frame in range(first, first + (1 << recording.allocations[block].order))]
    assert len(frames) == len(set(frames))
    assert run.held.keys() <= never_freed(recording).keys()
    assert sum(row.pages for row in procfs.zone_rows(pages)) + len(frames) == 1 << log2
    pages.check()


@settings(max_examples=25)
@given(page_recordings())
def test_the_peak_is_that_of_the_naive_count(recording):
    peak = max(sum(1 << event.order for event in never_freed(recording[:end]).values())
               for end in range(1, len(recording) + 1))
    assert rerun.peak_pages(recording) == peak


def test_build_pages_needs_33_7_mib_at_once_and_keeps_5907_blocks():
    recording = read("build-pages")
    assert rerun.peak_pages(recording) == 8_620
    assert len(rerun.run_pages(recording).held) == 21_205 - 15_298


def test_a_small_memory_refuses_and_says_how_often():
    recording = read("build-pages")
    run = rerun.run_pages(recording, Pages(16 * MB))
    assert run.refused > 1_000
    assert sum(row.pages for row in procfs.zone_rows(run.pages)) < 512      # to the quarter of the low marks, at most
    run.pages.check()


@pytest.mark.parametrize(("counts", "order", "share"), [
    ([4], 0, 0.0), ([4, 2], 1, 0.5), ([4, 2, 0], 2, 1.0), ([0, 0, 1], 2, 0.0), ([0, 0], 0, 1.0), ([2, 1, 1], 2, 0.5)])
def test_free_memory_in_blocks_too_small_is_unusable(counts, order, share):
    assert rerun.unusable(counts, order) == share


# == Objects =======================================================================================


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES["objects"])
def test_every_cache_holds_what_was_never_freed_of_it(name):
    recording = read(name)
    run = rerun.run_objects(recording)
    assert run.refused == 0
    assert Counter(event.cache for event in never_freed(recording).values()) == Counter(
        {cache.name: len(cache.live) for cache in run.caches.values()})
    assert {event.cache: event.bytes_allocated for event in recording.allocations}.keys() == run.caches.keys()
    for cache in run.caches.values():
        cache.check()
    run.pages.check()


def test_objects_that_find_no_page_are_refused_and_their_frees_passed_over():
    recording = read("archive-objects")
    run = rerun.run_objects(recording, Pages(zones=[Zone("NORMAL", 0, 40, pages_min=0, max_order=5)]))
    assert run.refused > 0
    assert run.held.keys() < never_freed(recording).keys()
    for cache in run.caches.values():
        cache.check()


def test_one_kind_of_recording_is_not_taken_for_the_other():
    with pytest.raises(BadInput, match="journal-pages is a recording of pages, and objects are asked for"):
        rerun.run_objects(read("journal-pages"))
    with pytest.raises(BadInput, match="bios are slab objects. Try journal-objects"):
        bios(read("journal-pages"))


# == Bios ==========================================================================================


def test_the_journal_has_1390_bios_and_599_biovecs():
    found = bios(read("journal-objects"))
    assert Counter(bio.cache for bio in found) == {"bio-184": 1_390, "biovec-max": 599}
    assert found[0] == Bio(32_956, 0, "bio-184", 192, gfp.GFP_NOIO, 35_992 - 32_956)


def test_scatterlists_in_a_biovecs_cache_are_no_bios():
    recording = read("build-objects")
    by_pool = Counter(event.cache for event in recording.allocations if event.caller == "mempool_alloc_noprof")
    found = Counter(bio.cache for bio in bios(recording))
    assert (by_pool["biovec-128"], found["biovec-128"]) == (11, 0)
    assert (by_pool["biovec-max"], found["biovec-max"]) == (17, 11)


@pytest.mark.parametrize(("first_rung", "caller"), [
    (gfp.NORETRY | gfp.NOMEMALLOC, gfp.GFP_NOIO), (gfp.FS | gfp.NORETRY, gfp.GFP_KERNEL), (gfp.HIGH, gfp.GFP_ATOMIC)])
def test_the_callers_mask_is_told_from_what_the_first_rung_left_of_it(first_rung, caller):
    recording = Recording("one", "objects", [
        ObjectEvent(1, 0, "alloc", 0, "bio-1", 64, 64, first_rung, "as drawn", "mempool_alloc_noprof"),
        ObjectEvent(9, 0, "free", 0, "bio-1", 0, 0, 0, "", "bio_free")])
    assert bios(recording) == [Bio(1, 0, "bio-1", 64, caller, 8)]


@pytest.mark.slow
@pytest.mark.parametrize("refusal", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("ladder", [MAIL, LINUX_2_5_1])
def test_every_bio_is_served_and_every_element_comes_back(refusal, ladder):
    recording = read("archive-objects")
    run = run_bios(recording, elements=2, refusal=refusal, ladder=ladder)
    asked = Counter(bio.cache for bio in bios(recording))
    assert asked == {name: sum(pool.served.values()) for name, pool in run.pools.items()}
    assert set(run.denied.values()) == {0}
    for pool in run.pools.values():
        assert len(pool.elements) == pool.min_nr == 2
        assert len(pool.backing.live) == 2          # what the pool keeps is all that is in use beneath it
        pool.check()


def test_without_pressure_the_first_rung_serves_all_and_nobody_is_late():
    run = run_bios(read("archive-objects"))
    assert all(pool.served["ASK"] == sum(pool.served.values()) for pool in run.pools.values())
    assert set(run.sleeps.values()) == {0}
    assert run.took_us == run.recorded_us == 190_980


def test_when_all_is_refused_the_pool_serves_all_and_somebody_sleeps():
    run = run_bios(read("archive-objects"), refusal=1.0)
    served = run.pools["bio-184"].served
    assert served["SKIM"] + served["DRAIN"] == sum(served.values()) == 495
    assert run.sleeps["bio-184"] > 0


@pytest.mark.slow
def test_a_pool_as_large_as_the_peak_lets_nobody_sleep():
    """133 bios were in flight at once in the build: 133 elements are enough, and 100 are not."""
    recording = read("build-objects")
    assert set(run_bios(recording, elements=133, refusal=1.0).sleeps.values()) == {0}
    assert run_bios(recording, elements=100, refusal=1.0).sleeps["bio-184"] > 0


@pytest.mark.slow
def test_the_same_seed_refuses_the_same():
    recording = read("archive-objects")
    one, same, other = (run_bios(recording, refusal=0.5, seed=seed) for seed in (1, 1, 2))
    served = [run.pools["bio-184"].served for run in (one, same, other)]
    assert served[0] == served[1] != served[2]


def test_a_pool_of_none_hangs_and_says_so():
    with pytest.raises(KitError, match=r"deadlock[^\n]*nobody can go on\n  cpu 0 sleeps on bio-184.wait"):
        run_bios(read("archive-objects"), elements=0, refusal=1.0)


@pytest.mark.parametrize("elements", [-1, MOST + 1])
def test_a_pool_of_no_sensible_size_is_refused(elements):
    with pytest.raises(BadInput, match="elements is asked for; here it keeps 0 to 4,096 back"):
        run_bios(read("archive-objects"), elements=elements)


# == The summary and the command ===================================================================


def run_command(arguments, capsys):
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["recording", *arguments])
    try:
        args.func(args)
    finally:
        output = capsys.readouterr()
        assert output.err == ""
    return output.out


def test_alone_it_lists_the_recordings(capsys):
    assert "  journal-objects\n" in run_command([], capsys)
    assert json.loads(run_command(["--json"], capsys)) == linux.names()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["archive-pages", "archive-objects"])
def test_json_says_what_the_figures_are_and_the_text_repeats_them(name, capsys):
    figures = summary.figures(read(name))
    assert json.loads(run_command([name, "--json"], capsys)) == json.loads(json.dumps(figures))
    text = run_command([name], capsys)
    for number in (figures["events"], figures["allocations"], figures["frees"], figures["may_sleep"]):
        assert f"{number:,}" in text
    if figures["kind"] == "pages":
        rows = procfs.read_buddyinfo("".join(line + "\n" for line in text.splitlines() if line.startswith("Node")))
        assert {row.zone: list(row.free) for row in rows} == figures["free_blocks"]
        assert sum(line["allocated"] for line in figures["orders"]) == figures["allocations"]
    else:
        assert sum(cache["allocated"] for cache in figures["caches"]) == figures["allocations"]
        assert sum(sum(line["served"].values()) for line in figures["bios"]) == 4 * 496


@pytest.mark.slow
def test_pressure_elements_and_seed_reach_the_pools(capsys):
    options = ["--pressure", "0.5", "--elements", "3", "--seed", "7"]
    bio_figures = json.loads(run_command(["archive-objects", "--json", *options], capsys))["bios"]
    assert {line["refusal"] for line in bio_figures} == {0.5}
    expected = run_bios(read("archive-objects"), 3, 0.5, 7)
    assert {line["cache"]: line["served"] for line in bio_figures} == {
        name: pool.served for name, pool in expected.pools.items()}


def test_nothing_is_printed_of_a_recording_that_is_damaged(tmp_path, capsys):
    file = tmp_path / "late.csv"
    file.write_text("time_us,cpu,event,block,order,gfp\n1,0,alloc,0,0,GFP_KERNEL\n2,0,free,0,0,\n3,0,free,0,0,\n")
    with pytest.raises(BadInput, match="late.csv, line 4: block 0 is freed a second time"):
        run_command([str(file)], capsys)
    with pytest.raises(BadInput, match="--pressure is 2, but a probability lies between 0 and 1"):
        run_command(["archive-objects", "--pressure", "2"], capsys)


@settings(max_examples=20)
@given(page_recordings())
def test_any_recording_has_a_summary(recording):
    text = summary.text(summary.figures(recording))
    assert text.startswith(f"drawn: {len(recording):,} events of pages")
