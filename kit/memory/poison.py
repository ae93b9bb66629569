"""poison: catch who frees twice, who writes to what was freed, and who frees what was never ours.

What lies in the pool belongs to nobody.  So on its way in an element is filled with a pattern, and
on its way out the pattern must still be there; and whatever comes back must be out.  The pattern
needs an allocator whose elements have contents: one with fill(element, pattern) and read(element).
Over others the two questions of identity are asked all the same.

Beside it: the poisoning of mm/mempool.c since 2015 (David Rientjes), and slab poisoning before it.
"""

from kit import traps
from kit.errors import Corruption

PATTERN = 0x6B      # POISON_FREE, the byte that Linux fills freed memory with


class Poison:
    """The watchman of one pool; each method is called as an element passes, and raises Corruption."""

    def __init__(self, pool):
        self.pool = pool
        self.out = []           # elements with users; a list, since an element need not be hashable
        self.has_contents = hasattr(pool.backing, "fill")

    def goes_out(self, element):
        """An element is handed to a user."""
        self.out.append(element)

    def comes_back(self, element):
        """A user frees an element: it has to be one that is out."""
        if element in self.out:
            self.out.remove(element)
        elif element in self.pool.elements:
            raise Corruption(f"double free: {traps.current} frees {element!r}, which lies in {self.pool.name} already. "
                             "Whoever gets it next would share it with whoever gets it after.")
        else:
            raise Corruption(f"foreign element: {traps.current} frees {element!r} to {self.pool.name}, which never "
                             "handed it out, or has taken it back already. Free it where it was allocated.")

    def enters(self, element):
        """An element is kept back: nobody has a right to touch it now."""
        if self.has_contents:
            self.pool.backing.fill(element, PATTERN)

    def leaves(self, element):
        """An element is taken from the pool: it must be as it was put there."""
        if self.has_contents and self.pool.backing.read(element) != PATTERN:
            raise Corruption(f"use after free: {element!r} was written to while it lay in {self.pool.name} "
                             f"(it reads {self.pool.backing.read(element)!r} instead of {PATTERN:#x}). Its last user "
                             "went on using it after free.")

    def check(self):
        """No element is at once in the pool and with a user, and none lies in the pool twice."""
        for position, element in enumerate(self.pool.elements):
            assert element not in self.out, f"{element!r} is in {self.pool.name} and out"
            assert element not in self.pool.elements[:position], f"{element!r} lies in {self.pool.name} twice"
