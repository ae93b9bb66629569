"""Set 01, Pages: blocks that split and merge, under rules that are not Linux's.

What the rules are checked against is written the slow way: by looking at every block that there is.
The set goes on in set01_pages_merge.py and set01_pages_promises.py.
"""

from itertools import product

from kit.grading.exercise import Check, Exercise, Misconception, Variant, always, somewhere

# == A family of blocks ============================================================================


def _every_block(pages):
    """A check's cases: every block of a heap of that many pages, the smaller heaps' blocks first."""
    def cases(variant, random):
        blocks = [(page, order) for order in range(pages) for page in range(0, pages, variant.parts ** order)
                  if variant.parts ** (order + 1) <= pages]
        return sorted(blocks, key=lambda block: (block[0] + variant.parts ** block[1], block))
    return cases


def _siblings(variant, page, order):
    """Look for the block one order up that has this one as a part, among all there could be."""
    size, whole = variant.parts ** order, variant.parts ** (order + 1)
    for parent in range(0, page + whole, whole):
        parts = [parent + number * size for number in range(variant.parts)]
        if page in parts:
            return [part for part in parts if part != page]


SIBLINGS = Exercise(
    id="01-siblings", title="The buddies of a block that was cut in more than two", difficulty=1, minutes=10,
    objective="Tell which blocks a block may merge with, from its page number and its order alone.",
    name="siblings",
    variants=(Variant("thirds", {"parts": 3, "word": "three"}), Variant("quarters", {"parts": 4, "word": "four"}),
              Variant("fifths", {"parts": 5, "word": "five"})),
    stub='''
def siblings(page, order):
    """The other blocks that were cut from the same block as this one: a list, lowest page first.

    In this heap a block of order k is $parts**k pages long and starts at a multiple of its length.
    A block is not halved: it is cut into $word equal blocks of the next lower order.  Which
    blocks must be free before this one can become part of the larger block again?
    """
    ...  # your code here
''',
    hints=("Begin one order up: at which page does the block start that this one was cut from?",
           "A block of order k+1 starts at a multiple of $parts**(k+1). Its $word parts follow each other at "
           "distances of $parts**k.",
           "With halves: the block of order 1 at page 6 is 2 pages long, and the one it was cut from is 4 pages long "
           "and starts at 4. Its parts are 4 and 6. So the other one is [4]."),
    checks=(
        Check("every block of a heap of up to 64 pages", points=3, cases=_every_block(64), expect=_siblings,
              rule="the larger block starts at a multiple of its own length, $parts**(order + 1)",
              typed=lambda case: f"siblings({case[0]}, {case[1]})", heap="a heap of 64 pages"),
    ),
    misconceptions=(
        Misconception(
            "next door", "You take the blocks that come next in memory. That a block of the same size lies beside this "
            "one does not make it a sibling: together they must be exactly one block of the next order.",
            always(lambda variant, page, order:
                   [page + number * variant.parts ** order for number in range(1, variant.parts)])),
        Misconception(
            "pairs", "You look for one buddy, as if blocks were halved. Here a block is cut into $word.",
            always(lambda variant, page, order: [page ^ 1 << order])),
        Misconception(
            "itself", "A block is not its own sibling: it is among those that you list.",
            somewhere(lambda variant, row: row.case[0] in row.seen)),
    ),
)

# == By hand: a textbook exercise ==================================================================

# 6 KB, 250 B, 900 B, 1500 B and 7 KB out of 1024 KB: what is then free below 32 KB, and what is to be released.
_FREE = [(8.25, 0.25), (8.5, 0.5), (12, 4), (24, 8)]
_HELD = {"250 B": (8, 0.25), "900 B": (9, 1), "1500 B": (10, 2)}


def _freed(variant, after):
    """The slow way: let any two blocks that are the halves of one become that one, until no two are left."""
    free = _FREE + [_HELD[name] for name in variant.releases[:after + 1]]
    while pairs := [(low, high) for low in free for high in free
                    if low[1] == high[1] and low[0] + low[1] == high[0] and low[0] % (2 * low[1]) == 0]:
        low, high = pairs[0]
        free = [block for block in free if block not in (low, high)] + [(low[0], 2 * low[1])]
    return [[float(number) for number in block] for block in sorted(free)]


def _entry(freed, case):
    """In the child: one line of the answer, its numbers all of one kind."""
    return [[number / 1 for number in block] for block in freed[case[0]]]


def _in_kb(blocks):
    return "\n".join(f"{size:g} KB at {start:g}" for start, size in blocks)


def _total(blocks):
    return sum(size for _, size in blocks)


def _order_of_release(name, releases, given, ends):
    one, two, three = releases
    return Variant(name, {"releases": releases, "one": one, "two": two, "three": three, "given": given, "ends": ends})


FREED = Exercise(
    id="01-freed", title="Three releases, by hand", difficulty=1, minutes=10,
    objective="Follow merges upwards, and see where they end.",
    name="freed",
    variants=(
        _order_of_release("first come first", ("250 B", "900 B", "1500 B"), "(8, 1), (12, 4), (24, 8)",
                          "The 0.25 KB at 8 and at 8.25 merge, then with the 0.5 KB at 8.5: 1 KB at 8. Its buddy, "
                          "at 9, is held."),
        _order_of_release("last come first", ("1500 B", "900 B", "250 B"),
                          "(8.25, 0.25), (8.5, 0.5), (10, 2), (12, 4), (24, 8)",
                          "The buddy of the 2 KB at 10 would be 2 KB at 8: in pieces, and some are held.")),
    stub='''
# The free blocks below 32 KB, lowest first, each as (where it begins, how long it is), both in KB.
freed = [
    # $ends
    [$given],     # after the release of $one
    # two more lines: after that of $two, and then that of $three
    ...  # your code here
]
''',
    hints=("Take the block that was released and ask, again and again: where does its other half lie, and is all of it "
           "free?",
           "A block of s KB is one half of a block of 2s KB that begins at a multiple of 2s. The other half is the "
           "buddy. They merge only if the buddy is free as one block of s KB.",
           "Were the block of 6 KB released at the very start, before anything else was taken: 8 KB at 0; its buddy is "
           "8 KB at 8 and free, so 16 KB at 0; its buddy 16 KB at 16 is free, so 32 KB at 0; and so on up to 1024 KB."),
    checks=(
        Check("all three lines", points=2, cases=lambda variant, random: [(0,), (1,), (2,)], expect=_freed,
              drive=_entry, rule="two free blocks become one if they are the two halves of one block, and only then",
              typed=lambda case: f"freed[{case[0]}]", state=_in_kb, heap="five blocks"),
    ),
    misconceptions=(
        Misconception(
            "as a published key", "You make one block of 16 KB out of two of 8 KB. So does an answer key that was "
            "published for this exercise, and it is wrong: look where each of the two begins, and what its other "
            "half is.", somewhere(lambda variant, row: any(size == 16 for _, size in row.seen))),
        Misconception(
            "lost", "The sizes do not add up to what was free before and what was released. Merging makes no memory "
            "and loses none.", somewhere(lambda variant, row: _total(row.seen) != _total(row.wanted))),
        Misconception(
            "ends too soon", "No memory is missing, and two blocks that are the halves of one still lie apart. What "
            "two blocks have become may have a free buddy in its turn.",
            somewhere(lambda variant, row: len(row.seen) > len(row.wanted))),
    ),
)

# == Taking a block ================================================================================


def _take_each(take, orders):
    """In the child: take blocks of these orders, one after the other, from a heap that is one free block."""
    free, seen = [[], [], [], [0]], []
    for order in orders:
        page = take(free, order)
        seen.append([page, [sorted(pages) for pages in free]])
    return seen


def _requests(longest):
    """Every sequence of up to that many requests of orders 0 to 3, the shortest first."""
    def cases(variant, random):
        return [orders for length in range(1, longest + 1) for orders in product(range(4), repeat=length)]
    return cases


def _taken(variant, *orders):
    """The slow way: the heap is a set of free blocks; halve the chosen one until it fits."""
    blocks, seen = {(0, 3)}, []
    for order in orders:
        large_enough = [block for block in blocks if block[1] >= order]
        page = None
        if large_enough:
            page, size = block = min(large_enough, key=lambda block: (variant.sign * block[1], block[0]))
            blocks.remove(block)
            while size > order:
                size -= 1
                blocks.add((page + 2 ** size, size))
        seen.append([page, [sorted(first for first, size in blocks if size == of) for of in range(4)]])
    return seen


def _heap(state):
    page, free = state
    lists = [f"order {order}: {', '.join(map(str, pages)) or '-'}" for order, pages in enumerate(free)]
    return "\n".join([f"returned {page}", *lists])


TAKE = Exercise(
    id="01-take", title="A block from the other end", difficulty=2, minutes=15,
    objective="Choose a free block by a rule, and split it down without losing a page.",
    name="take",
    variants=(Variant("largest", {"which": "largest", "sign": -1}),
              Variant("smallest", {"which": "smallest that is large enough", "sign": 1})),
    stub='''
def take(free, order):
    """Take a block of 2**order pages out of `free`; return its first page, or None if there is none.

    free[k] is the list of the first pages of the free blocks of order k, in any order.
    The rule of this heap: of the free blocks take the $which, and of several such blocks
    the one with the lowest page.  Halve it until it fits; always keep on with the lower half.
    """
    ...  # your code here
''',
    hints=("Two jobs, one after the other: first find the order from which to take, then come down from it.",
           "Each time you halve a block of order k, its upper half, 2**(k-1) pages further on, becomes a free block of "
           "order k-1.",
           "Taking order 1 from one free block of order 3 at page 8: halve it (8 and 12), keep 12 free as order 2; "
           "halve 8 (8 and 10), keep 10 free as order 1; return 8."),
    checks=(
        Check("one request of each order on a heap of 8 pages", points=1, cases=_requests(1), expect=_taken,
              drive=_take_each, rule="every half that is not handed out is a free block of its order",
              typed=lambda case: f"take of order {case[0]} from 8 free pages", state=_heap,
              moves=lambda case: [f"take(free, {order})" for order in case], heap="a heap of 8 pages"),
        Check("every sequence of up to 5 requests on a heap of 8 pages", points=3, cases=_requests(5), expect=_taken,
              drive=_take_each, rule="of the free blocks that are large enough: the $which, lowest page first",
              typed=lambda case: "from 8 free pages, take orders " + ", ".join(map(str, case)), state=_heap,
              moves=lambda case: [f"take(free, {order})" for order in case], heap="a heap of 8 pages"),
    ),
    misconceptions=(
        Misconception(
            "lost half", "Pages get lost: when a block is halved, the half that is not needed goes back into `free`.",
            somewhere(lambda variant, row: _pages(row.seen) < _pages(row.wanted))),
        Misconception(
            "upper half", "You hand out the upper half, as Linux does. This heap keeps on with the lower one.",
            somewhere(lambda variant, row: row.seen[0][0] == 8 - 2 ** row.case[0] != 0)),
        Misconception(
            "exact only", "You say None while a larger block is free: look further up before giving up.",
            somewhere(lambda variant, row: [None, row.seen[0][1]] == row.seen[0])),
        Misconception(
            "other size", "The blocks are right and the choice is not: look again at which of the free blocks is to be "
            "taken.", somewhere(lambda variant, row: _pages(row.seen) == _pages(row.wanted))),
    ),
)


def _pages(states):
    """How many pages are free after the first request."""
    return sum(len(pages) << order for order, pages in enumerate(states[0][1]))


EXERCISES = (SIBLINGS, FREED, TAKE)
