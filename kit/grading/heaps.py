"""heaps: six page allocators to hunt in.  Each keeps this promise, or breaks it by one mistake:

    Whoever asks for a block of order k gets 2**k pages that nobody holds, beginning at a multiple of
    2**k, inside the heap; and is told None only while there are no such pages.

The mistakes are of the kind that people make; one of them stood in published code.  A mistake is not
where it hurts: what one call gets wrong is often seen only by a later one, which is why a hunter looks
for the shortest run of calls that shows it.

Always true: whoever only takes, and puts back what was taken, meets no exception.

Stands beside: kit/memory/buddy.py, which has a bit for each pair and is the one that the kit runs on.
Left out: which of these are sound.  That is exercise 01-hunt, and stands with its solution.
"""

from kit.errors import BadInput


class Heap:
    """`pages` pages (a power of two) in one block; every method is one instant."""

    def __init__(self, pages=8):
        self.top = pages.bit_length() - 1                   # the order of the whole heap
        self.free = [[] for _ in range(self.top + 1)]       # by order: first pages, those that came last at the end
        self.add(0, self.top)

    def take(self, order):
        """The first page of a block of that order, or None."""
        found = self.large_enough(order)
        if found is None:
            return None
        page = self.free[found][-1]
        self.remove(page, found)
        while found > order:
            found -= 1
            self.add(page + 2 ** found, found)
        return page

    def put(self, page, order):
        """Give back the block of that order which begins at `page`."""
        while order < self.top and page ^ 2 ** order in self.free[order]:
            self.remove(page ^ 2 ** order, order)
            page = min(page, page ^ 2 ** order)
            order += 1
        self.add(page, order)

    def large_enough(self, order):
        """The smallest order, from `order` up, that has a free block; or None."""
        return next((found for found in range(order, self.top + 1) if self.free[found]), None)

    def add(self, page, order):
        """Enter a free block."""
        self.free[order].append(page)

    def remove(self, page, order):
        """Strike out a free block."""
        self.free[order].remove(page)


class Ash(Heap):
    """Two free blocks of one order that lie side by side become one of the next."""

    def put(self, page, order):
        """Merge with the neighbour on the left or on the right, and so on upwards."""
        size = 2 ** order
        for neighbour in (page - size, page + size):
            if order < self.top and neighbour in self.free[order]:
                self.remove(neighbour, order)
                return self.put(min(page, neighbour), order + 1)
        self.add(page, order)


class Elm(Heap):
    """One look at the buddy."""

    def put(self, page, order):
        """Merge with the buddy, if it is free."""
        buddy = page ^ 2 ** order
        if order < self.top and buddy in self.free[order]:
            self.remove(buddy, order)
            page = min(page, buddy)
            order += 1
        self.add(page, order)


class Fir(Heap):
    """The free blocks of an order are a doubly linked list, so that any of them can be struck out at once."""

    def __init__(self, pages=8):
        self.first = [None] * pages.bit_length()
        self.before, self.after = {}, {}
        super().__init__(pages)

    def add(self, page, order):
        """Put a block in front of the first of its list."""
        first = self.first[order]
        self.before[page], self.after[page] = None, first
        if first is not None:
            self.before[first] = page
        self.first[order] = page
        self.copy(order)

    def remove(self, page, order):
        """Join those before and after the block."""
        before, after = self.before[page], self.after[page]
        if before is None:
            self.first[order] = after
        else:
            self.after[before] = after
        if after is not None:
            self.before[after] = before
        self.copy(order)

    def put(self, page, order):
        """Enter the block; then make one of two for as long as the buddy is free."""
        self.add(page, order)
        while order < self.top and page ^ 2 ** order in self.free[order]:
            self.remove(page, order)
            self.remove(page ^ 2 ** order, order)
            page = min(page, page ^ 2 ** order)
            order += 1
            self.before[page], self.after[page] = None, self.first[order]
            self.first[order] = page
            self.copy(order)

    def copy(self, order):
        """Write the list into `free`, where `take` looks, the first of it at the end."""
        self.free[order], page = [], self.first[order]
        while page is not None:
            self.free[order].insert(0, page)
            page = self.after[page]


class Oak(Heap):
    """The largest free block first, and of those the one that came first; its upper half is handed out."""

    def take(self, order):
        """Halve the chosen block from above."""
        found = next((found for found in range(self.top, order - 1, -1) if self.free[found]), None)
        if found is None:
            return None
        page = self.free[found][0]
        self.remove(page, found)
        while found > order:
            found -= 1
            self.add(page, found)
            page += 2 ** found
        return page


class Pine(Heap):
    """One table for all orders tells which pages begin a free block."""

    def __init__(self, pages=8):
        self.begins_free = [False] * pages
        super().__init__(pages)

    def add(self, page, order):
        """Enter a free block, in its list and in the table."""
        super().add(page, order)
        self.begins_free[page] = True

    def remove(self, page, order):
        """Strike it out, in both."""
        for blocks in self.free:
            if page in blocks:
                blocks.remove(page)
        self.begins_free[page] = False

    def put(self, page, order):
        """Merge with the buddy for as long as the table says that it is free."""
        while order < self.top and self.begins_free[page ^ 2 ** order]:
            self.remove(page ^ 2 ** order, order)
            page = min(page, page ^ 2 ** order)
            order += 1
        self.add(page, order)


class Yew(Heap):
    """The buddy lies behind."""

    def put(self, page, order):
        """Merge with the block of the same order that follows, if together they are one of the next."""
        while order < self.top and page % 2 ** (order + 1) == 0 and page + 2 ** order in self.free[order]:
            self.remove(page + 2 ** order, order)
            order += 1
        self.add(page, order)


HEAPS = {"ash": Ash, "elm": Elm, "fir": Fir, "oak": Oak, "pine": Pine, "yew": Yew}


def run(name, moves, pages=8):
    """What the heap of that name gives for each of the moves: a list; None where it had nothing, or for a put.

    moves: text such as "take 0, take 1, put 0": the order of a block to take, the first page of one to put back.
    Raises BadInput with the first move that is none.
    """
    heap, held, given = HEAPS[name](pages), {}, []
    for move in [move.split() for move in moves.split(",") if move.strip()]:
        if len(move) != 2 or move[0] not in ("take", "put") or not move[1].isdecimal():
            raise BadInput(f"{' '.join(move)!r} is no move: write `take ORDER` or `put PAGE`, with commas between.")
        what, number = move[0], int(move[1])
        if what == "take" and number <= heap.top:
            page = heap.take(number)
            if page is not None:
                held[page] = number
            given.append(page)
        elif what == "put" and number in held:
            given.append(heap.put(number, held.pop(number)))
        else:
            raise BadInput(f"`take {number}` asks for more than the whole heap." if what == "take" else
                           f"`put {number}` puts back what is not held: at that moment {name} has handed out the "
                           f"blocks at {', '.join(map(str, sorted(held))) or 'no page'}.")
    return given
