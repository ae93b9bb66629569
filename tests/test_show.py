"""The figures: what their sentences say is what the data say, and equal data give equal bytes."""

import re
from collections import Counter
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import Cache, Deadlock, Machine, Mutex, Pages, Trail, Zone, explore, step, watch
from kit.debate.claim import DEPENDS, FAILS, HOLDS, Claim, Evidence, Verdict
from kit.debate.hearing import Finding
from kit.drivers.bio import ANYWHERE
from kit.drivers.small_worlds import pool
from kit.drivers.stories import Pressure
from kit.errors import BadInput
from kit.show import memory
from kit.show.figure import picture
from kit.show.journey import STATIONS, journey
from kit.show.lanes import sleeps, swim_lanes
from kit.show.lines import beaten_by, lines, pareto, short
from kit.show.memory import free_blocks, memory_map
from kit.show.rungs import served_by_rung
from kit.show.scoreboard import scoreboard
from kit.show.slabs import slab_pages
from kit.show.voices import lahaise, molnar
from kit.show.waiting import in_circle, wait_for

orders = st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=40)
numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda number: round(number, 3))
places = st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(numbers, numbers), min_size=1)
few = settings(max_examples=4, deadline=None)       # a picture takes a tenth of a second


def used_pages(wanted):
    pages = Pages(zones=[Zone("DMA", 0, 64), Zone("NORMAL", 512, 100)])
    for order, stays in wanted:
        page = pages.zones[1].take(order)
        if page is not None and not stays:
            pages.put(page, order)
    return pages


def two_mutexes(machine):
    async def task(first, second):
        async with first:
            await step("between")
            async with second:
                pass

    inode, page = Mutex("inode"), Mutex("page lock")
    machine.spawn("writer", task, inode, page)
    machine.spawn("reader", task, page, inode)


def deadlocked():
    machine = Machine(seed=1)
    two_mutexes(machine)
    with watch() as trail, pytest.raises(Deadlock):
        machine.run()
    return machine, trail


def small_cache(taken):
    cache = Cache("bio", 56, Pages(zones=[Zone("NORMAL", 0, 64, pages_min=1)]), align=True, limit=4)
    objects = [cache.take() for _ in range(taken)]
    for each in objects[::3]:
        cache.put(each)
    return cache


def finding(name, word, on=""):
    claim = Claim(name, "Ingo Molnar", "it <never> fails", "", "", "", None, None, "")
    return Finding(claim, Evidence((), ()), Verdict(word, "3 of 4 worlds finish", on), {})


EVERY_FIGURE = {
    "journey": lambda: journey("bio"),
    "memory map": lambda: memory_map(used_pages([(2, True), (0, False)])),
    "large memory map": lambda: memory_map(Pages(5000)),
    "free blocks": lambda: free_blocks(used_pages([(2, True)])),
    "slab pages": lambda: slab_pages(small_cache(100)),
    "swim lanes": lambda: swim_lanes(deadlocked()[1]),
    "wait-for graph": lambda: wait_for(deadlocked()[0]),
    "lines": lambda: lines({"mempool": {1: 3.5, 8: 2}, "plain": {1: 4}}, "CPUs", "ns", log="x"),
    "pareto": lambda: pareto({"a": (1, 2), "b": (2, 3)}, "idle pages", "work"),
    "rungs": lambda: served_by_rung({"ASK": 3, "SKIM": 0}),
}


# == All of them ===================================================================================


@pytest.mark.parametrize("name", EVERY_FIGURE)
def test_equal_data_give_equal_bytes_and_every_figure_has_its_sentence(name):
    first, second = EVERY_FIGURE[name](), EVERY_FIGURE[name]()
    assert first.png == second.png and first.alt == second.alt
    assert first.png.startswith(b"\x89PNG") and len(first.alt) > 40
    (alt,) = re.findall(r'<img alt="([^"]+)"', first.html())
    assert alt and "object at 0x" not in alt


def test_a_sentence_of_several_lines_is_one_and_what_html_means_something_by_is_escaped():
    shown = picture(lambda axes: None, 'a "b"\n  < c', caption="d & e")
    assert shown.alt == 'a "b" < c'
    assert 'alt="a &quot;b&quot; &lt; c"' in shown.html() and "d &amp; e" in shown.html()


# == Memory ========================================================================================


@few
@given(orders)
def test_free_blocks_tells_what_buddyinfo_says(wanted):
    pages = used_pages(wanted)
    alt = free_blocks(pages).alt
    assert alt == free_blocks(pages.buddyinfo()).alt
    for zone in pages.zones:
        assert f"{zone}: {zone.free_pages:,} pages in {sum(zone.buddy.counts()):,} blocks" in alt
    assert sum(int(count) << int(order) for count, order in re.findall(r"(\d+) of order (\d)", alt)) == pages.free_pages


@few
@given(orders)
def test_the_map_tells_each_page_once(wanted):
    pages = used_pages(wanted)
    for zone, told in zip(pages.zones, memory.states(pages).values(), strict=True):
        for page, state in enumerate(told, zone.start):
            assert (state == memory.FREE) is zone.buddy.block_of(page)[2]
    alt = memory_map(pages).alt
    assert sum(int(count) for count in re.findall(r"(\d+) free", alt)) == pages.free_pages
    assert "Map of 164 pages" in alt


def test_the_map_of_a_machine_under_pressure_tells_its_page_cache():
    story = Pressure(supply="plain")
    story.run()
    told = [state for zone in memory.states(story.vm).values() for state in zone]
    assert told.count(memory.DIRTY) + told.count(memory.WRITING) == len(story.cache.dirty | story.cache.writing) > 0
    assert told.count(memory.CLEAN) == len(story.cache.droppable) > 0
    assert told.count(memory.FREE) == story.pages.free_pages
    assert memory_map(story.vm).alt == memory_map(story.cache).alt != memory_map(story.pages).alt


def test_a_square_of_a_large_map_is_a_power_of_two_of_pages():
    assert "Each square is 4 pages" in memory_map(Pages(5000)).alt


@few
@given(st.integers(1, 150))
def test_slab_pages_tells_every_object_once(taken):
    cache = small_cache(taken)
    info = cache.slabinfo()
    used, kept, free = map(int, re.search(r"bytes: (\d+) in use, (\d+) free, kept by a CPU, (\d+) free\.",
                                          slab_pages(cache).alt).groups())
    assert used == len(cache.live) and used + kept == info.active_objects and used + kept + free == info.objects


def test_a_cache_without_slabs_is_told_so():
    with pytest.raises(BadInput, match="no slab yet"):
        slab_pages(small_cache(0))


# == Tasks =========================================================================================


def test_lanes_tell_who_sleeps_on_what_to_the_end():
    result = explore(pool(elements=2, tasks=2, take=2))
    alt = swim_lanes(result).alt
    assert alt == swim_lanes(result.trail).alt
    for name in result.wait_for:
        count = sum(event.task == name for event in result.trail)
        assert f"{name}: {count} events, sleeps on pool.wait (to the end)" in alt


def test_a_sleep_ends_with_the_next_thing_that_the_sleeper_does():
    def event(task, what, label=""):
        return SimpleNamespace(task=task, what=what, label=label)

    events = [event("A", "sleep", "q"), event("B", "wake", "q"), event("A", "wake", "other"), event("A", "step"),
              event("B", "sleep", "r")]
    assert sleeps(events) == [("A", "q", 0, 3), ("B", "r", 4, None)]


def test_of_a_long_trail_the_end_is_drawn():
    trail = deadlocked()[1]
    assert f"the last 120 of {len(trail) * 30}" in swim_lanes(Trail(trail.events * 30)).alt


def test_nothing_to_draw_is_a_sentence():
    sound = explore(pool(elements=2, tasks=2, take=1))
    for draw in (swim_lanes, wait_for):
        with pytest.raises(BadInput):
            draw(sound)
    with pytest.raises(BadInput):
        swim_lanes(Trail())
    with pytest.raises(BadInput):
        lines({"empty": {}}, "x", "y")
    with pytest.raises(BadInput):
        pareto({}, "x", "y")
    with pytest.raises(BadInput):
        scoreboard([])
    with pytest.raises(BadInput, match="no station 'biography'"):
        journey("biography")


def test_the_wait_for_graph_of_a_machine_is_that_of_the_explorer():
    machine, _ = deadlocked()
    result = explore(two_mutexes)
    alt = wait_for(machine).alt
    assert "writer waits for page lock, held by reader, and holds inode." in alt
    assert "In a circle: writer, reader." in alt
    assert wait_for(result).alt == alt


def test_who_only_waits_for_those_in_a_circle_is_not_in_it():
    graph = {name: {"waits for": "m", "held by": by, "holds": []} for name, by in
             {"A": ["B"], "B": ["A"], "C": ["A"], "D": []}.items()}
    assert in_circle(graph) == ["A", "B"]


# == Numbers =======================================================================================


@few
@given(st.dictionaries(st.sampled_from(["mempool", "plain"]),
                       st.dictionaries(st.integers(0, 99), numbers, min_size=1, max_size=12), min_size=1))
def test_lines_tell_their_points_or_their_ends_and_bounds(series):
    alt = lines(series, "CPUs", "ns").alt
    for label, points in series.items():
        told = re.search(rf"{label}: (.*?)\.( [mp]|$)", alt)[1]
        named = points if len(points) <= 8 else (min(points), max(points))
        assert all(f"{short(points[x])} at {short(x)}" in told for x in named)
        if len(points) > 8:
            assert f"between {short(min(points.values()))} and {short(max(points.values()))}" in told


@settings(deadline=None)
@given(places, st.tuples(st.booleans(), st.booleans()))
def test_nobody_on_the_front_is_beaten_and_everybody_else_is_by_somebody_there(points, lower):
    beaten = {label: beaten_by(label, points, lower) for label in points}
    front = [label for label in points if not beaten[label]]
    assert front
    for by in beaten.values():
        assert not by or any(label in front for label in by)
    for label, (x, y) in points.items():
        merit = (-x if lower[0] else x) + (-y if lower[1] else y)
        assert all(merit < (-u if lower[0] else u) + (-v if lower[1] else v) + 1e-9
                   for u, v in (points[other] for other in beaten[label]))


@few
@given(places)
def test_pareto_tells_each_point_and_by_whom_it_is_beaten(points):
    alt = pareto(points, "idle pages", "work").alt
    for label, (x, y) in points.items():
        by = ", ".join(beaten_by(label, points)) or "none"
        assert f"{label}: {short(x)}, {short(y)}, beaten by {by}." in alt


def test_numbers_are_said_shortly():
    assert [short(x) for x in (1234, 0.12345, 2.0, 12345.678, "none")] == ["1,234", "0.123", "2", "12,346", "none"]


def test_the_scoreboard_counts_the_verdicts():
    frame = scoreboard([finding("M1", HOLDS), finding("M2", DEPENDS, "the backing"), finding("L1", FAILS)])
    assert frame.caption == "3 claims: 1 ✔ holds, 1 ✘ fails, 1 ◐ depends"
    assert frame.rows[2][:2] == ["M2", "Ingo Molnar"]
    assert frame.rows[2][2:] == ["it <never> fails", "◐ depends on the backing", "3 of 4 worlds finish"]
    assert "it &lt;never&gt; fails" in frame.html()


# == Words =========================================================================================


def test_the_journey_allocates_what_the_drivers_take():
    """Station by station: what a write takes of each cache, with one driver more."""
    taken = {}
    for stack in ((), ("raid1",), ("bounce",)):
        needs = Pressure(stack=stack, mirrors=2).pageout.needs([ANYWHERE])
        taken[stack] = Counter({getattr(cache, "name", "pages"): count for cache, count in needs.items()})
    bare, alt = taken[()], journey().alt
    assert bare == {"bio": 1, "biovec-1": 1} and "Must allocate a bio; a vector of segments." in alt
    assert taken["raid1",] - bare == {"size-256": 1, "bio": 2} and "raid1: an r1bio, a bio for each mirror" in alt
    assert taken["bounce",] - bare == {"bio": 1, "biovec-1": 1, "pages": 1}
    assert "highmem: a bio, its vector, bounce pages" in alt
    assert f"Memory must be allocated at 2 of {len(STATIONS)}: bio, drivers" in alt


@pytest.mark.parametrize("voice, name", [(molnar, "Ingo Molnar"), (lahaise, "Ben LaHaise")])
def test_a_voice_says_who_and_where_and_escapes_what_it_quotes(voice, name):
    quote = voice("first <b>\nline\n\nsecond & last", source="a mail")
    assert quote.html().count("<p ") == 2
    assert "first &lt;b&gt; line" in quote.html() and "second &amp; last" in quote.html()
    assert f"<b>{name}</b> <small>(a mail)</small>" in quote.html()
    assert repr(quote) == f"{name} (a mail):\n> first <b>\n> line\n>\n> second & last"


def test_the_voices_differ_in_more_than_colour():
    borders = [re.search(r"border-left:\d+px (\w+)", voice("x").html())[1] for voice in (molnar, lahaise)]
    assert borders == ["solid", "double"]
