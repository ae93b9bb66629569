"""junk: catch whoever writes to a page after giving it back.

The problem: a page that is still written to after it was freed damages its next owner, far from the
culprit.  The idea: a freed page is filled with junk, and junk must still be there when it is handed
out again.  It costs a pass over every page freed and taken, so it is an option:

    Pages(64 * MB, zone=JunkZone)

Stands beside: slab poisoning in mm/slab.c (DEBUG), and what xv6 does in kfree.
"""

from kit.errors import Corruption
from kit.memory.zones import Zone

JUNK = "junk"


class JunkZone(Zone):
    """A zone that fills what is given back, and looks at it again before handing it out."""

    def put(self, page, order):
        """As Zone.put, and fills the block with junk."""
        super().put(page, order)
        self.contents.update(dict.fromkeys(range(page, page + (1 << order)), JUNK))

    def take(self, order):
        """As Zone.take; raises Corruption if somebody wrote to the block while it was free."""
        page = super().take(order)
        if page is not None:
            for number in range(page, page + (1 << order)):
                self._expect_junk(number)
        return page

    def _expect_junk(self, page):
        found = self.contents.pop(page, JUNK)
        if found != JUNK:
            raise Corruption(f"page {page} was written to after it had been freed: it should be full of {JUNK!r}, and "
                             f"holds {found!r}. Somebody still uses a page that was given back.")
