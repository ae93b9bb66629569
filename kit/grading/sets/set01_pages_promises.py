"""Set 01, Pages, third part: what a heap promises, and who breaks it.

The heaps of the last exercise are in kit/grading/heaps.py.
"""

from kit.errors import KitError
from kit.grading.exercise import Check, Exercise, Misconception, Variant, somewhere
from kit.grading.heaps import HEAPS, run

# == What a heap promises ==========================================================================

_PAGES = 4      # of the heap whose records are read


def _runs(variant, held, pages, order):
    """Where a block of that order may begin: every run of pages that nobody holds, by the rule of the variant."""
    size = 2 ** order
    starts = [page for page in range(pages - size + 1) if variant.anywhere or page % size == 0]
    return [page for page in starts if not held & set(range(page, page + size))]


def _audit(variant, record):
    """The slow way: who holds what is found out anew, from the beginning, before every operation."""
    for index, operation in enumerate(record):
        what, order, page = operation
        held = set()
        for done, of, first in record[:index]:
            block = set() if first is None else set(range(first, first + 2 ** of))
            held = held | block if done == "take" else held - block
        if what == "take" and page not in (_runs(variant, held, _PAGES, order) or [None]):
            return index
    return None


def _next(record):
    """Every operation that can follow in a record: whatever a heap may answer, and every block that is held."""
    held = [(order, page) for what, order, page in record if what == "take" and page is not None]
    for what, order, page in record:
        if what == "put":
            held.remove((order, page))
    return [("take", order, page) for order in range(3) for page in (None, *range(_PAGES + 1))] + \
        [("put", *block) for block in held]


def _every_record(variant, random):
    """All records of 1, 2 and 3 operations in which at most the last two are wrong, the shortest first."""
    cases, longest = [], [[]]
    for _ in range(3):
        longest = [[*record, operation] for record in longest if _audit(variant, record[:-1]) is None
                   for operation in _next(record)]
        cases += longest
    return [(record,) for record in cases]


def _told(record):
    return "audit([" + ", ".join(map(repr, map(tuple, record))) + "])"


def _at(row):
    """The operation at which the learner and the rule part: the earlier of the two that they name."""
    return row.case[0][min(index for index in (row.seen, row.wanted) if type(index) is int)]


def _let_pass(row):
    return row.wanted is not None and (row.seen is None or row.wanted < row.seen)


def _past(row):
    _, order, page = _at(row)
    return page is not None and page + 2 ** order > _PAGES


AUDIT = Exercise(
    id="01-audit", title="Did the heap keep its promise?", difficulty=3, minutes=15,
    objective="State what an allocator promises so that a program can tell when it is broken.",
    name="audit",
    variants=(Variant("aligned", {"anywhere": False, "where": "beginning at a multiple of 2**order"}),
              Variant("anywhere", {"anywhere": True, "where": "beginning anywhere"})),
    stub='''
def audit(record):
    """The index in `record` of the first operation at which a heap of 4 pages broke its promise; None if it kept it.

    Each operation is (what, order, page):
    ("take", order, page): a block of 2**order pages was asked for; `page` is the first page of what
        the heap gave, or None if it said that it had none;
    ("put", order, page): that block, given before and not yet put back, was put back.
    The promise: whoever takes gets 2**order pages of this heap that nobody holds, side by side,
    $where; and None only if there are none such.
    """
    ...  # your code here
''',
    hints=("You need not know how the heap works. What do you have to remember of the operations that came before?",
           "Remember the pages that are held. For each take list all places where such a block could begin, $where. "
           "If the list is empty, the right answer was None; else it was any place in the list.",
           "For a heap that hands out single pages only: held = set(); for each take of `page`: if page is None, the "
           "heap broke its promise if len(held) < 4; else it broke it if page is in held or is not one of 0 to 3. A "
           "put strikes the page out of held."),
    checks=(
        Check("every record of up to 3 operations", points=4, cases=_every_record, expect=_audit,
              rule="whoever takes gets pages that nobody holds, side by side, $where; and None only if there are none",
              typed=lambda case: _told(case[0]),
              state=lambda index: "it kept it" if index is None else f"broken at index {index}", heap="4 pages"),
    ),
    misconceptions=(
        Misconception(
            "last one wins", "You name an operation too late. The first at which the promise is broken is asked for; "
            "what comes after it no longer counts.",
            lambda variant, rows: all(row.seen > row.wanted for row in rows if row.fault)),
        Misconception(
            "None is never wrong", "You let every None pass. A heap that says it has nothing while the pages lie there "
            "has broken its promise too; that is how lost memory shows.",
            somewhere(lambda variant, row: _let_pass(row) and _at(row)[2] is None)),
        Misconception(
            "alignment", "Look again at where a block may begin. Here that is part of the promise: $where.",
            somewhere(lambda variant, row: not _past(row) and (_at(row)[2] or 0) % 2 ** _at(row)[1] > 0)),
        Misconception(
            "past the end", "You accept a block that does not lie inside the heap.",
            somewhere(lambda variant, row: _past(row))),
        Misconception(
            "first page only", "You look at the first page of a block. None of its pages may be held.",
            somewhere(lambda variant, row: _let_pass(row))),
        Misconception(
            "only a sum", "You call a None broken because enough pages are free. They must also lie side by side, "
            "$where.", somewhere(lambda variant, row: type(row.seen) is int and _at(row)[2] is None)),
    ),
)

# == The hunt ======================================================================================

# The fewest operations that show the mistake of a heap, with 8 pages or 16; none of the others has one.
# tests/test_heaps.py finds them by trying all sequences.
SHORTEST = {"ash": 6, "elm": 3, "fir": 7, "pine": 6, "yew": 5}


def _of_heap(hunt, case):
    """In the child: the answer for one heap."""
    return hunt.get(case[0], "(nothing)")


def _each_heap(variant, random):
    """A case for each heap, those that take the fewest operations first."""
    return [(name,) for name in sorted(HEAPS, key=lambda name: (SHORTEST.get(name, 99), name))]


def _broke(variant, name, moves):
    """(every operation with what the heap gave, the index of the first that broke the promise, or None)."""
    texts = [move.strip() for move in moves.split(",") if move.strip()]
    given, held = run(name, moves, variant.pages), {}
    for index, (text, page) in enumerate(zip(texts, given, strict=True)):
        what, number = text.split()
        if what == "put":
            held.pop(int(number))
            continue
        free = _runs(variant, set().union(*held.values()), variant.pages, int(number)) or [None]
        if page not in free:
            return given, index
        if page is not None:
            held[page] = set(range(page, page + 2 ** int(number)))
    return given, None


def _shows(variant, case, moves):
    """Whether the answer for one heap is right: None for the sound one, a sequence that shows it for the others."""
    name, = case
    if moves == "(nothing)":
        return f"hunt has no line for {name}."
    if moves is None:
        return f"{name} is not sound: there is a sequence of operations after which it breaks its promise." \
            if name in SHORTEST else None
    if not isinstance(moves, str):
        return f'{name} has {moves!r}: write the operations as one text, "take 0, put 0", or None for a sound heap.'
    try:
        given, index = _broke(variant, name, moves)
    except KitError as error:
        return str(error)
    gave = "; ".join(f"{move.strip()} gave {page}" if "take" in move else move.strip()
                     for move, page in zip(moves.split(","), given, strict=False))
    return f"{name} keeps its promise all the way: {gave or 'nothing was asked of it'}." if index is None else None


def _shortest(variant, case, moves):
    """The same, and not an operation too many."""
    if fault := _shows(variant, case, moves):
        return fault
    more = 0 if moves is None else len(run(case[0], moves, variant.pages)) - SHORTEST[case[0]]
    return f"{more} operations too many for {case[0]}: {moves}." if more > 0 else None


def _ends_with_none(variant, name, moves):
    try:
        return moves.split(",")[-1].split()[0] == "take" and run(name, moves, variant.pages)[-1] is None
    except KitError:
        return False


HUNT = Exercise(
    id="01-hunt", title="Hunt the broken heap", difficulty=4, minutes=20,
    objective="Read an allocator for its mistake, and prove the mistake by the shortest run that shows it.",
    name="hunt",
    variants=(Variant("eight", {"pages": 8, "whole": 3, "anywhere": False}),
              Variant("sixteen", {"pages": 16, "whole": 4, "anywhere": False})),
    stub='''
# One line for each of the six, as a heap of $pages pages:
#     "beech": "take 1, take 0, put 0, take $whole",
# the fewest operations that make it break its promise (take ORDER, put PAGE), or None if nothing does.
hunt = {
    ...  # your code here
}
''',
    hints=("Start with elm and yew. Read `put`: which free blocks will never find each other? Bring two of those "
           "about, then ask for what they should have become.",
           "The promise is broken in one of two ways: None while an aligned run of free pages is there (so let all "
           "come back and ask for the whole heap, take $whole, or for what should be free), or a block that overlaps "
           "one still held or begins at the wrong page. A heap that only chooses otherwise than Linux breaks nothing.",
           "Beech once more: what it forgets is gone at once, and shows only when somebody asks for it. In fir, too, "
           "the list is spoilt first and felt later. A merged block was put in front of an older one; then the older "
           "one is struck out, because its buddy came back. Follow `first`, `before` and `after` on paper through "
           "these two steps: which block is then not found? Ask for that."),
    checks=(
        Check("every heap told sound or shown broken", points=4, cases=_each_heap, judge=_shows, drive=_of_heap,
              rule="a take gives 2**order pages that nobody holds, beginning at a multiple of 2**order; None only if "
              "there are none", typed=lambda case: f'hunt["{case[0]}"]', heap="six heaps"),
        Check("by as few operations as there can be", points=2, cases=_each_heap, judge=_shortest, drive=_of_heap,
              rule="no shorter sequence of operations shows it",
              typed=lambda case: f'hunt["{case[0]}"]', heap="six heaps"),
    ),
    misconceptions=(
        Misconception(
            "other is not broken", "You accuse oak. Its choice is not that of Linux, and no promise says which block "
            "is to be taken: every block that it gives is right, and it says None only when it must.",
            somewhere(lambda variant, row: row.case == ["oak"] and isinstance(row.seen, str)
                      and row.seen != "(nothing)")),
        Misconception(
            "taken for sound", "You call a broken heap sound. That it got through what you tried says little: the "
            "mistake of one call may be felt only some calls later.",
            somewhere(lambda variant, row: row.seen is None)),
        Misconception(
            "too many", "They all show what they should, and something can be left out of at least one. Drop an "
            "operation, or ask for less, and look whether it still breaks.",
            lambda variant, rows: all(_shows(variant, row.case, row.seen) is None for row in rows)),
        Misconception(
            "no mistake yet", "A None proves nothing by itself: a heap may say it once no aligned run of that many "
            "free pages is left. Make sure that there is one.",
            somewhere(lambda variant, row: _ends_with_none(variant, row.case[0], row.seen))),
    ),
)


EXERCISES = (AUDIT, HUNT)
