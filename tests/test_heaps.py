"""The heaps of the hunt: what breaks each, found by trying everything, and that one of them is sound."""

import copy
import random

import pytest

from kit.errors import BadInput
from kit.grading.heaps import HEAPS, Heap, run
from kit.grading.sets.set01_pages_promises import SHORTEST


def breaks(held, pages, order, page):
    """Whether a heap that handed out `held`, asked for that order, broke its promise by answering `page`."""
    free = [first for first in range(0, pages, 2 ** order)
            if all(first + 2 ** order <= other or other + 2 ** of <= first for other, of in held)]
    return page not in (free or [None])


def fewest(heap):
    """(the fewest operations that show a mistake, how many states were seen); (None, all there are) if none does."""
    pages, seen, edge, length = 2 ** heap.top, set(), [(heap, ())], 0
    while edge:
        length, following = length + 1, []
        for before, held in edge:
            for move in [*range(before.top + 1), *held]:
                after = copy.deepcopy(before)
                if isinstance(move, int):
                    page = after.take(move)
                    if breaks(held, pages, move, page):
                        return length, len(seen)
                    now = held if page is None else (*held, (page, move))
                else:
                    after.put(*move)
                    now = tuple(block for block in held if block != move)
                state = repr((sorted(vars(after).items()), sorted(now)))
                if state not in seen:
                    seen.add(state)
                    following.append((after, now))
        edge = following
    return None, len(seen)


@pytest.mark.parametrize("name", sorted(SHORTEST))
def test_the_shortest_proof_is_as_long_as_the_set_says(name):
    assert fewest(HEAPS[name](8))[0] == SHORTEST[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SHORTEST))
def test_and_as_long_on_sixteen_pages(name):
    assert fewest(HEAPS[name](16))[0] == SHORTEST[name]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Heap, HEAPS["oak"]])
def test_the_sound_ones_keep_their_promise_in_every_state(kind):
    length, states = fewest(kind(8))
    assert length is None and states > 677     # that many ways there are to hold blocks of 8 pages


@pytest.mark.parametrize("name", HEAPS)
@pytest.mark.parametrize("pages", [8, 16])
def test_no_heap_raises_or_hangs(name, pages):
    draw = random.Random(1)
    for _ in range(40):
        heap, held = HEAPS[name](pages), []
        for _ in range(100):
            if held and draw.random() < 0.5:
                heap.put(*held.pop(draw.randrange(len(held))))
            elif (page := heap.take(order := draw.randrange(3))) is not None:
                held.append((page, order))


@pytest.mark.parametrize(("moves", "says"), [
    ("take", "`take ORDER`"), ("give 3", "is no move"), ("take -1", "is no move"),
    ("take 4", "more than the whole heap"), ("put 0", "no page"), ("take 1, take 0, put 1", "blocks at 0, 2")])
def test_what_is_no_move_gets_a_sentence(moves, says):
    with pytest.raises(BadInput, match=says):
        run("elm", moves)


def test_a_run_says_what_each_move_gave():
    assert run("elm", "take 0, take 1, put 0, take 3, ") == [0, 2, None, None]
