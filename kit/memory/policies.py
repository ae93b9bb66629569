"""policies: how an ordinary allocation goes when the allocator itself reserves, as data.

Ben LaHaise (linux-kernel, 15 Dec 2001): "yes, the vm will be able to allocate this page" or "no, i
have to wait until another user frees up memory".  So there are no watermarks to probe and nothing to
guess: a spare free block, a spare clean one, else wait.  Three policies, to compare:

    COUNTED     asks at the grant of a reservation only.  Shown to break the promise.
    REFUSING    tells ordinary callers no while the promise needs what they want.
    WAITING     lets those who may wait do so.  This is the design of the mail.
"""

from dataclasses import dataclass

from kit.memory.attempts import NO, Attempt, Attempts, kswapd, may_not_wait, only_if
from kit.traps import might_sleep


@Attempt
def spare_free(pages, gfp, order):
    """Take a free block that no reservation needs."""
    return pages.ledger.take_spare(gfp, order, free_only=True)


@Attempt
def spare_clean(pages, gfp, order):
    """Drop clean pages that no reservation needs, and take their block."""
    return pages.ledger.take_spare(gfp, order)


@only_if(may_not_wait)
def atomic(pages, gfp, order):
    """Whoever may not wait is told no."""
    return NO


@Attempt
def refuse(pages, gfp, order):
    """No: what is left is promised to others, or in use."""
    return NO


@Attempt
@might_sleep
async def wait_for_memory(pages, gfp, order):
    """No, I have to wait until another user frees up memory."""
    await pages.ledger.wait_for_change(lambda: pages.ledger.could_take(gfp, order))


@dataclass(frozen=True)
class Policy:
    """Whether ordinary use of memory has to ask the ledger, and what the page allocator then tries."""

    name: str
    asks: bool
    attempts: Attempts


_WAITS = Attempts("reserving, waiting", once=(spare_free, spare_clean, atomic),
                  again=(kswapd, wait_for_memory, spare_free, spare_clean))
_REFUSES = Attempts("reserving, refusing", once=(spare_free, spare_clean, kswapd, atomic, refuse),
                    again=(wait_for_memory,))

COUNTED = Policy("counted at the grant only", asks=False, attempts=_WAITS)
REFUSING = Policy("refusing", asks=True, attempts=_REFUSES)
WAITING = Policy("waiting", asks=True, attempts=_WAITS)
