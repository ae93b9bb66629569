"""Set 01, Pages, second part: a block is put back, under a rule that may leave buddies apart."""

from itertools import product

from kit.grading.exercise import Check, Exercise, Misconception, Variant, always, somewhere


def _put_one(put, case):
    """In the child: put one block back; then what is free."""
    free, page, order = case
    put(free, page, order)
    return [sorted(pages) for pages in free]


def _states(page, order):
    """Every way in which the block at `page` can be cut up, each part free or held: (free, held), lists of blocks."""
    whole = [([(page, order)], []), ([], [(page, order)])]
    if order == 0:
        return whole
    halves = product(_states(page, order - 1), _states(page + 2 ** (order - 1), order - 1))
    return whole + [(low[0] + high[0], low[1] + high[1]) for low, high in halves]


def _by_order(blocks):
    return [sorted(page for page, order in blocks if order == of) for of in range(4)]


def _every_put(variant, random):
    """Every held block in every state of a heap of 8 pages, the states of few blocks first."""
    cases = [(_by_order(free), *block) for free, held in _states(0, 3) for block in held]
    return sorted(cases, key=lambda case: (sum(map(len, case[0])), case))


def _put(variant, free, page, order, most=3):
    """The slow way: the heap is a set of free blocks; look among all of them for one to merge with, `most` times."""
    blocks = {(first, of) for of, pages in enumerate(free) for first in pages}
    block = page, order
    for _ in range(most):
        buddy = next((other for other in sorted(blocks) if _halves(*sorted([block, other]))), None)
        there = sum(of == block[1] + variant.up for _, of in blocks)
        if buddy is None or not variant.least <= there <= variant.most:
            break
        blocks.remove(buddy)
        block = min(buddy, block)[0], block[1] + 1
    return _by_order(blocks | {block})


def _halves(low, high):
    """Whether these two blocks are the lower and the upper half of one."""
    size = 2 ** low[1]
    return low[1] == high[1] and low[0] + size == high[0] and low[0] % (2 * size) == 0


_ALWAYS = Variant("whatever there is", {"up": 0, "least": 0, "most": 8})


def _in_all(free):
    return sum(len(pages) << order for order, pages in enumerate(free))


PUT = Exercise(
    id="01-put", title="Merge with a reason", difficulty=3, minutes=20,
    objective="Merge freed blocks upwards by a rule that may end it at any order.",
    name="put",
    variants=(Variant("scarce", {"up": 1, "least": 0, "most": 1,
                                 "reason": "fewer than two blocks of the next order are free"}),
              Variant("plenty", {"up": 0, "least": 2, "most": 8,
                                 "reason": "at least two other blocks of its order are free, the buddy among them"})),
    stub='''
def put(free, page, order):
    """Put the block of 2**order pages that begins at `page` back into `free`.

    free[k] is the list of the first pages of the free blocks of order k, in any order; the
    largest order is len(free) - 1, one block that is the whole heap.
    The rule of this heap: the block and its free buddy become one if, and only if,
    $reason;
    what they have become may then merge in its turn, under the same rule, one order up.
    """
    ...  # your code here
''',
    hints=("Write first the ordinary rule, which always merges with a free buddy. Then find the one place where the "
           "new condition belongs.",
           "In each round there are three reasons to end: the block is the whole heap; its buddy, 2**k pages away on "
           "the side that makes the pair begin at a multiple of 2**(k+1), is not in free[k]; or it is not so that "
           "$reason. Whatever the reason, the block is then entered at the order it has reached.",
           "Under the ordinary rule: free is [[5], [6], [0], []], and page 4 of order 0 comes back. Its buddy 5 is "
           "free: 4, of order 1. The buddy of that, 6, is free: 4, of order 2. The buddy of that, 0, is free: 0, of "
           "order 3, the whole heap. At each of these three places this heap asks first whether it has its reason."),
    checks=(
        Check("every block that can come back, in every state of a heap of 8 pages", points=4, cases=_every_put,
              expect=_put, drive=_put_one, rule="a block and its free buddy become one only if $reason",
              typed=lambda case: f"put(free, {case[1]}, {case[2]}) with free = {case[0]}",
              state=lambda free: "\n".join(f"order {order}: {', '.join(map(str, pages)) or '-'}"
                                           for order, pages in enumerate(free)), heap="a heap of 8 pages"),
    ),
    misconceptions=(
        Misconception(
            "buddy left", "Pages are free twice: when two blocks become one, neither is in `free` as it "
            "was.",
            somewhere(lambda variant, row: _in_all(row.seen) > _in_all(row.wanted))),
        Misconception(
            "pages lost", "Pages get lost: whatever ends the merging, the block that has come so far must be entered.",
            somewhere(lambda variant, row: _in_all(row.seen) < _in_all(row.wanted))),
        Misconception(
            "always merges", "You merge whenever the buddy is free, as Linux does. This heap asks first whether "
            "$reason.",
            always(lambda variant, *case: _put(_ALWAYS, *case))),
        Misconception(
            "once", "You merge once. What two blocks have become comes under the same rule one order up.",
            always(lambda variant, *case: _put(variant, *case, most=1))),
        Misconception(
            "neighbour", "You merge blocks that lie side by side and are not the halves of one: a block of order k "
            "begins at a multiple of 2**k.",
            somewhere(lambda variant, row: any(page % 2 ** order for order, pages in enumerate(row.seen)
                                               for page in pages))),
    ),
)


EXERCISES = (PUT,)
