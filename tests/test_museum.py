"""The museum: every bug in the form that had it and not in the one that mended it; what the five levels need."""

from dataclasses import replace

import pytest

from kit.drivers.small_worlds import borrower
from kit.errors import BadInput, KitError
from kit.gfp import DMA, GFP_ATOMIC, GFP_KERNEL, GFP_NOFS
from kit.machine.explore import explore
from kit.memory.mempool import MAIL, Mempool, Rung
from kit.memory.promises import Refusing, Sleeping, Wavering
from kit.museum import forms, levels, visit
from kit.museum.bugs import BUGS, lost_wakeup, stacked, stampede
from kit.museum.forms import FORMS, bulk, straight_line
from kit.museum.shortage import Zones, wrong_zone
from kit.traps import might_sleep

# == The bugs ========================================================================================


@pytest.mark.parametrize("name", BUGS)
def test_the_form_that_had_the_bug_shows_it_and_the_one_that_mended_it_does_not(name):
    bug = BUGS[name]
    had, mended = bug.explored()
    assert had.verdict == bug.verdict
    assert mended.verdict == bug.left and mended.exhaustive


def test_only_the_five_seconds_leave_a_harm_behind_and_it_is_the_timer():
    assert {bug.name: bug.left for bug in BUGS.values() if bug.left != "none"} == {
        "sleep through plenty": "only a timer can continue"}


def test_a_lost_wake_up_leaves_one_of_two_waiters_asleep_and_nobody_to_wake_him():
    had, _ = BUGS["lost wake-up"].explored()
    waiting, = had.wait_for.values()
    assert waiting == {"waits for": "pool", "held by": [], "holds": []}
    assert "is served new 1 by ASK" in had.story()      # the woken one leaves the pool full


def test_one_waiter_alone_loses_no_wake_up():
    assert explore(lost_wakeup("September 2002", waiters=1)).verdict == "none"


@pytest.mark.parametrize("elements, tasks, take", [(1, 1, 1), (1, 2, 1), (1, 1, 2), (2, 1, 2), (2, 2, 2), (3, 2, 2),
                                                   (3, 3, 2), (4, 2, 3), (5, 2, 3), (2, 1, 3), (3, 1, 3)])
def test_like_tasks_can_hang_exactly_where_the_pool_theorem_says(elements, tasks, take):
    result = explore(stampede(elements, tasks, take))
    assert result.verdict == ("deadlock" if tasks * (take - 1) >= elements else "none")


@pytest.mark.parametrize("elements", [1, 2, 3])
def test_two_layers_may_share_a_pool_of_more_elements_than_tasks(elements):
    assert explore(stacked(False, elements=elements)).verdict == ("none" if elements > 2 else "deadlock")


@pytest.mark.parametrize("elements", [1, 2])
def test_two_pools_taken_in_one_order_do_not_hang_so_what_raid5_feared_is_not_told(elements):
    assert explore(stacked(True, elements=elements)).verdict == "none"


class CameToQueue(KitError):
    """A task got as far as the last rung."""


@Rung
@might_sleep
async def no_further(pool, gfp):
    """In the place of QUEUE."""
    raise CameToQueue("QUEUE")


@pytest.mark.parametrize("elements, tasks, take, comes", [(1, 1, 1, False), (2, 1, 2, False), (3, 1, 3, False),
                                                          (1, 2, 1, True), (3, 3, 1, False),
                                                          (3, 4, 1, True)])
def test_over_an_allocator_that_sleeps_2_5_1_comes_to_queue_only_by_a_race(elements, tasks, take, comes):
    def story(machine):
        pool = Mempool.create(elements, Sleeping(elements), ladder=(*FORMS["2.5.1"].ladder[:-1], no_further))
        for number in range(tasks):
            machine.spawn(chr(ord("A") + number), borrower, pool, take, 1)
    result = explore(story, whole=True)
    assert ("promise" in result.verdict) is comes


@pytest.mark.parametrize("mended, kept", [("none", "DMA page"), ("a promise is broken", "NORMAL page")])
def test_what_is_kept_back_for_a_device_is_of_the_zone_that_its_filling_asked_for(mended, kept):
    zones = Zones(DMA if mended == "none" else 0)
    assert Mempool.create(1, zones).elements == [kept]
    assert explore(wrong_zone(zones.asks_for)).verdict == mended


# == Told ============================================================================================


def test_a_bug_is_told_from_the_record_to_the_cure():
    text = visit.bug("lost wake-up")
    assert BUGS["lost wake-up"].record in text and "as it was: deadlock" in text and "mended: none" in text
    assert visit.bug_data("f2fs")["had"]["verdict"] == "deadlock"
    with pytest.raises(BadInput, match="there are: pool not asked"):
        visit.bug("nonsense")


def test_everything_is_told_in_a_table_and_as_data(monkeypatch):
    rows = list(levels.table(sizes=[(3, 3, 1)], beneath=["(c2) sleeping"]))
    monkeypatch.setattr(visit, "table", lambda: rows)
    assert "deadlock!" in visit.everything()
    data = visit.everything_data()
    assert data["levels"][0]["charged"] == ["mail", "2.5.1"] and set(data["bugs"]) == set(BUGS)


def test_an_interrupt_from_the_keyboard_leaves_whole_rows(monkeypatch):
    explored = []

    def until_the_tenth(*args, **how):
        explored.append(explore(*args, **how))
        explored[-1].interrupted = len(explored) == 10
        return explored[-1]
    monkeypatch.setattr(levels, "explore", until_the_tenth)
    text = visit.everything()
    assert text.count("(a) refusing") == 1 and text.endswith("it is not all there is")


# == The forms =======================================================================================


def test_each_form_makes_a_full_pool_that_gives_and_takes():
    forms.check()
    for form in FORMS.values():
        pool = form.create(2, Refusing(2))
        pool.free(pool.alloc(GFP_KERNEL))
        assert len(pool.elements) == 2, form.name
        pool.check()


def test_since_september_2002_a_caller_without_fs_does_not_insist():
    asked = []

    class Telling(Refusing):
        async def alloc(self, gfp):
            asked.append(gfp)
            return self._take()

    for name in ("2.5.1", "September 2002"):
        pool = FORMS[name].create(2, Telling(2))
        asked.clear()
        pool.alloc(GFP_NOFS), pool.alloc(GFP_NOFS)
        assert bool(asked) == (name == "2.5.1"), name


def test_several_at_once_are_all_or_none_and_never_more_than_the_pool():
    pool = FORMS["2012"].create(3, Refusing(3))
    assert sorted(bulk(pool, 3)) == ["e0", "e1", "e2"] and not pool.elements
    with pytest.raises(BadInput):
        bulk(pool, 4)


class Told:
    """What tasks were told, in order.  `reached` gathers it over all states: it is no state itself."""

    explored = ("lines",)

    def __init__(self, reached):
        self.lines, self.reached = [], reached

    def check(self):
        self.reached.add(tuple(self.lines))


async def _asks(pool, told, gfp, take):
    held = []
    for _ in range(take):
        element = await pool.alloc(gfp)
        told.lines.append((len(held), element))
        held += [] if element is None else [element]
    for element in held:
        await pool.free(element)


def _reached(make, promise, elements, asking):
    """The verdict, the simplest way to it, the number of states, and all that tasks can be told."""
    reached = set()

    def story(machine):
        told = Told(reached)
        pool = make(elements, promise(elements))
        for number, (gfp, take) in enumerate(asking):
            machine.spawn(chr(ord("A") + number), _asks, pool, told, gfp, take)
    result = explore(story, whole=True, symmetric=False)
    assert result.exhaustive
    return result.verdict, result.steps, result.switches, result.found, result.states, reached


ASKING = ([(GFP_KERNEL, 1), (GFP_KERNEL, 2)], [(GFP_KERNEL, 2), (GFP_ATOMIC, 1)], [(GFP_KERNEL, 2), (GFP_KERNEL, 2)])


@pytest.mark.parametrize("promise", [Refusing, pytest.param(Wavering, marks=pytest.mark.slow), Sleeping])
@pytest.mark.parametrize("elements", [1, 2, 3])
def test_2_5_1_in_one_piece_reaches_exactly_what_its_ladder_reaches(promise, elements):
    for asking in ASKING:
        one, other = (_reached(make, promise, elements, asking) for make in (straight_line, FORMS["2.5.1"].create))
        assert one == other
        assert len(one[-1]) > 1


def test_the_comparison_would_tell_the_mails_ladder_from_2_5_1():
    asking = [(GFP_KERNEL, 2)]
    mail = _reached(lambda *what: Mempool.create(*what, ladder=MAIL), Sleeping, 2, asking)
    assert mail[0] == "none" and _reached(straight_line, Sleeping, 2, asking)[0] == "deadlock"


# == The five levels =================================================================================


def test_one_task_that_takes_two_of_two_hangs_in_2_5_1_and_not_in_the_mail():
    row, = levels.table(sizes=[(2, 1, 2)], beneath=["(c2) sleeping"])
    assert row.verdicts["2.5.1"] == "deadlock" and row.charged("2.5.1")
    assert row.verdicts["mail"] == "none" and not row.charged("mail")


def test_the_mails_rule_is_charged_where_the_pool_has_enough_for_all():
    for row in levels.table(sizes=[(3, 3, 1), (4, 2, 2)], beneath=["(c2) sleeping"]):
        assert row.charged("mail") and row.charged("2.5.1") and row.verdicts["2005"] == "none", row


@pytest.mark.slow
def test_who_sleeps_before_insisting_misses_free_memory_until_2012():
    forms_since = ("2005", "2006", "2012")
    row, = levels.table(sizes=[(2, 2, 2)], beneath=["(c) sleeping, helped"], ladders=("pool first", *forms_since))
    assert [row.verdicts[form] for form in forms_since] == ["deadlock", "only a timer can continue", "none"]


@pytest.mark.slow
def test_what_the_levels_need_from_the_allocator_beneath():
    rows = list(levels.table(sizes=[size for size in levels.SIZES if size not in ((4, 2, 2), (3, 2, 2))]))
    for row in rows:
        if row.beneath[:3] in ("(a)", "(b)"):
            timed = row.verdicts.pop("6.19")        # its five seconds hide a deadlock, and the verdict says so
            assert timed == ("none" if row.avoidable else "only a timer can continue"), row
            assert set(row.verdicts.values()) == {"none" if row.avoidable else "deadlock"}, row
            assert not any(map(row.charged, levels.LADDERS)), row
        elif row.beneath == "(c2) sleeping":
            assert row.verdicts["insist first"] == "deadlock", row
            assert (row.verdicts["never insist"] == "none") == row.avoidable, row
        else:
            assert row.verdicts["mail"] == row.verdicts["2.5.1"] == row.verdicts["pool first"] == "none", row
            assert row.verdicts["2005"] == ("none" if row.avoidable else "deadlock"), row
            assert row.verdicts["6.19"] == "none", row
    charged = {(row.elements, row.tasks, row.take, name) for row in rows for name in ("mail", "2.5.1")
               if row.charged(name)}
    assert charged == {(3, 3, 1, "mail"), (3, 3, 1, "2.5.1"), (2, 2, 1, "2.5.1"), (2, 1, 2, "2.5.1")}


@pytest.mark.parametrize("beneath", ["(a) refusing", "(b) wavering"])
def test_without_its_five_seconds_6_19_hangs_where_only_a_timer_can_continue(beneath, monkeypatch):
    assert explore(levels.story("6.19", beneath, 2, 2, 2)).verdict == "only a timer can continue"
    monkeypatch.setitem(FORMS, "6.19", replace(FORMS["6.19"], timeout=None))
    assert explore(levels.story("6.19", beneath, 2, 2, 2)).verdict == "deadlock"


@pytest.mark.slow
def test_six_tasks_on_four_elements_hang_in_the_mails_ladder_only_by_insisting():
    def story(form):
        def told(machine):
            pool = FORMS[form].create(4, Sleeping(4))
            for name in "ABCDEF":
                machine.spawn(name, borrower, pool, 1, 1)
        return told
    assert explore(story("mail")).verdict == "deadlock"
    never = explore(story("never insist"))
    assert never.verdict == "none" and never.exhaustive
