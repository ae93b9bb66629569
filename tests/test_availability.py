"""The theorem of availability.py against a search that tries every placement."""

from hypothesis import given, settings
from hypothesis import strategies as st

from kit.memory.availability import Availability

PAGES, MAX_ORDER = 16, 3
available_pages = st.sets(st.integers(0, PAGES - 1))
wants = st.tuples(*[st.integers(0, 4 >> order) for order in range(MAX_ORDER + 1)])


def with_pages(pages, first=32):
    available = Availability(first, MAX_ORDER)
    for page in sorted(pages):
        available.add(first + page)
    return available


def can_be_placed(pages, wanted):
    """The oracle: try every aligned block for every wanted order, largest first."""
    order = max((order for order, count in enumerate(wanted) if count), default=None)
    if order is None:
        return True
    left = [count - (position == order) for position, count in enumerate(wanted)]
    for start in range(0, PAGES, 1 << order):
        block = set(range(start, start + (1 << order)))
        if block <= pages and can_be_placed(pages - block, left):
            return True
    return False


@given(available_pages, wants)
def test_counting_decides_what_trying_decides(pages, wanted):
    assert with_pages(pages).fits(wanted) == can_be_placed(pages, wanted)


@given(st.lists(st.tuples(st.integers(0, MAX_ORDER), st.integers(0, PAGES - 1)), max_size=30))
def test_counters_agree_after_every_change(changes):
    available = with_pages(())
    for order, page in changes:
        pfn = 32 + (page >> order << order)
        inside = [available.has(frame) for frame in range(pfn, pfn + (1 << order))]
        if all(inside):
            available.remove(pfn, order)
        elif not any(inside):
            available.add(pfn, order)
        available.check()


@settings(max_examples=300)
@given(available_pages, wants, st.permutations(range(MAX_ORDER + 1)))
def test_best_fit_keeps_the_promise_in_any_order_of_taking(pages, wanted, order_of_taking):
    available, left = with_pages(pages), list(wanted)
    if not available.fits(left):
        return
    for order in order_of_taking:
        while left[order]:
            pfn = available.best_fit(order)
            available.remove(pfn, order)
            left[order] -= 1
            assert available.fits(left)


def test_without_best_fit_the_promise_breaks():
    """One page and one pair wanted of three: whoever takes a page of the pair breaks the promise."""
    available = with_pages({0, 1, 2})
    assert available.fits([1, 1, 0, 0])
    assert not available.fits_without(32, 0, [0, 1, 0, 0])
    assert available.best_fit(0) == 34


@given(available_pages, wants, st.integers(0, PAGES - 1))
def test_asking_changes_nothing(pages, wanted, page):
    available = with_pages(pages | {page})
    before = [dict(largest) for largest in available.largest]
    assert available.fits_without(32 + page, 0, wanted) == can_be_placed(pages - {page}, wanted)
    assert [dict(largest) for largest in available.largest] == before
