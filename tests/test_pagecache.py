"""The page cache against a naive model, and its two lists as in 2.5.1."""

from hypothesis import given, settings
from hypothesis import strategies as st

from kit.memory.pagecache import PageCache
from kit.memory.zones import Pages, Zone

CHANGES = ["read", "write", "hold", "release", "map", "unmap", "drop", "refill"]


def cache_of(pages=64):
    return PageCache(Pages(zones=[Zone("NORMAL", 0, pages, pages_min=0)]))


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 5)), max_size=60))
def test_the_cache_agrees_with_a_naive_model(changes):
    """The model: of each key whether it is dirty, mapped, and how often held."""
    cache, model = cache_of(), {}
    for change, key in changes:
        page, state = cache.cached.get(key), model.get(key)
        if change == "read":
            cache.release(cache.read(key))
            model.setdefault(key, {"dirty": False, "mapped": False, "held": 0})
        elif change == "write":
            cache.write(key)
            model.setdefault(key, {"mapped": False, "held": 0})["dirty"] = True
        elif change == "refill":
            cache.refill_inactive(key)
        elif page is None:
            continue
        elif change == "hold":
            assert cache.hold(page)
            state["held"] += 1
        elif change == "release" and state["held"]:
            cache.release(page)
            state["held"] -= 1
        elif change in ("map", "unmap"):
            getattr(cache, change)(page)
            state["mapped"] = change == "map"
        elif change == "drop" and not (state["dirty"] or state["mapped"] or state["held"]):
            cache.drop(page)
            del model[key]
        cache.check()
        assert {k: (p.dirty, p.mapped, p.users) for k, p in cache.cached.items()} == \
            {k: (s["dirty"], s["mapped"], s["held"]) for k, s in model.items()}
        assert cache.pages.free_pages + len(cache) == 64


def test_used_once_referenced_used_again_active():
    cache = cache_of()
    page = cache.read("a")
    cache.find("a")
    assert page.referenced and not page.active
    cache.find("a")
    assert page.active and not page.referenced
    assert (cache.hits, cache.misses) == (2, 1)


def test_the_referenced_stay_active_once_more():
    cache = cache_of()
    pages = [cache.read(key) for key in "abc"]
    for key in "aabbccc":
        cache.find(key)
    cache.refill_inactive(3)
    assert [page.active for page in pages] == [False, False, True]
    assert pages[0].referenced, "one use brings it back"
