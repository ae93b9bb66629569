"""mail: the mail that all this answers, and which claim each of its sentences belongs to.

The problem: whoever chooses the claims chooses the outcome; what is left out is never tried.
The idea: the mail stands here whole, Ben LaHaise's words and the ones of Ingo Molnar that he quotes
(marked > as he marked them), and CLAIMS_OF goes through it sentence by sentence.  Each sentence is
known by its opening words and belongs to one claim or to several, or it is not a claim, and then
for a reason.  `sentences()` puts both together, and is not content until every sentence has its place.

Source: Ben LaHaise to linux-kernel, 15 Dec 2001, Message-ID 20011215002920.A29284@redhat.com, spelt as
it was; paragraphs are set off by empty lines here.  Left out: what the list and its archive put below it.
"""

import re
from dataclasses import dataclass

from kit.errors import KitError

MOLNAR, LAHAISE = "Ingo Molnar", "Ben LaHaise"

MAIL = """
On Sat, Dec 15, 2001 at 07:41:12AM +0100, Ingo Molnar wrote:

> exactly what kind of SLAB based reservation system do you have in mind?
> (what interface, how would it work, etc.) Take a look at how bio.c,
> highmem.c and raid1.c uses the mempool mechanizm, the main properties of
> mempool cannot be expressed via SLAB reservation:

> - mempool allows the use of non-SLAB allocators as the underlying
> allocator. (eg. the highmem.c mempool uses the page allocator to alloc
> lowmem pages. raid1.c uses 4 allocators: kmalloc(), page_alloc(),
> bio_alloc() and mempool_alloc() of a different pool.)

That's of dubious value. Personally, I think there should be two
allocators: slab and page allocs. Anything beyond that seems to be
duplicating functionality.

> - mempool_alloc(), if called from a process context, never fails. This
> simplifies lowlevel IO code (which often must not fail) visibly.

Arguably, the same should be possible with normal allocations. Btw, if
you looked at the page level reservations, it did so but still left the
details of how that memory is reserved up to the vm. The idea behind that
is to reserve memory, but still allow clean and immediately reclaimable
pages to populate the memory until it is allocate (many reservations will
never be touched as they're worst case journal/whatnot protection). Plus,
with a reservation in hand, an allocation from that reservation will
never fail.

> - mempool handles allocation in a more deadlock-avoidance-aware way than
> a normal allocator would do:

> - first it ->alloc()'s atomically

Great. Function calls through pointers are really not a good idea on
modern cpus.

> - then it tries to take from the pool if the pool is at least
> half full

> - then it ->alloc()'s non-atomically

> - then it takes from the pool if it's non-empty

> - then it waits for pool elements to be freed

Oh dear. Another set of vm logic that has to be kept in sync with the
behaviour of the slab, alloc_pages and try_to_free_pages. We're already
failing to keep alloc_pages deadlock free; how can you be certain that
this arbitary "half full pool" condition is not going to cause deadlocks
for $random_arbitary_driver?

> this makes for five different levels of allocation, ordered for
> performance and blocking-avoidance, while still kicking the VM and
> trying as hard as possible if there is a resource squeeze. In the
> normal case we never touch the mempool spinlocks, we just call
> ->alloc() and if the core allocator does per-CPU caching then we'll
> have the exact same high level of scalability as the underlying
> allocator.

Again, this is duplicating functionality that doesn't need to be. The
1 additional branch for the uncommon case that reservations adds is
far, far cheaper and easier to understand.

> - mempool adds reservation without increasing the complexity of the
> underlying allocators.

This is where my basic disagreement with the approach comes from. As
I see it, all of the logic that mempools adds is already present in the
current system (or at the very least should be). To give you some insight
to how I think reservations should work and how they can simplify code in
the current allocators, take the case of an ordinary memory allocation of
a single page. Quite simply, if there are no immediately free pages, we
need to wait for another page to be returned to the free pool (this is
identical to the logic you added in mempool that prevents a pool from
failing an allocation). Right now, memory allocations can fail because
we allow ourselves to grossly overcommit memory usage. That you're adding
mempool to patch over that behaviour, is *wrong*, imo. The correct way to
fix this is to make the underlying allocator behave properly: the system
has enough information at the time of the initial allocation to
deterministically say "yes, the vm will be able to allocate this page" or
"no, i have to wait until another user frees up memory". Yes, you can
argue that we don't currently keep all the necessary statistics on hand
to make this determination, but that's a small matter of programming.

The above is looks like a bit more of a rant than I'd meant to write, but
I think the current allocator is broken and in need of fixing, and once
fixed there should be no need for yet another layer on top of it.

-ben

-- Fish.
"""

# The opening words of each sentence, the claims it belongs to, and, if it is none, why.
CLAIMS_OF = (
    ("On Sat, Dec 15", "", "it says who wrote, and when by his own clock"),
    ("exactly what kind", "", "a question to the other side"),
    ("(what interface", "", "the same question, spelt out"),
    ("Take a look at how", "L2", ""),               # what pools can, and reservations are said not to
    ("mempool allows the use", "M1", ""),
    ("(eg. the highmem.c", "M1", ""),
    ("That's of dubious", "L1", ""),
    ("Personally, I think", "L1", ""),
    ("Anything beyond", "L1", ""),
    ("mempool_alloc(), if", "M2", ""),
    ("This simplifies", "M2", ""),
    ("Arguably, the same", "L2", ""),
    ("Btw, if you looked", "L2", ""),
    ("The idea behind that", "L2 L3", ""),
    ("Plus, with a reservation", "L2", ""),
    ("mempool handles allocation", "M3", ""),
    ("first it ->alloc()'s", "M3", ""),
    ("Great.", "", "irony: what it is about comes in the next sentence"),
    ("Function calls", "L4", ""),
    ("then it tries", "M3", ""),
    ("then it ->alloc()'s non", "M3", ""),
    ("then it takes", "M3", ""),
    ("then it waits", "M3", ""),
    ("Oh dear.", "", "a sigh: what it is about comes in the next sentence"),
    ("Another set of vm", "L5", ""),
    ("We're already failing", "L6", ""),
    ("this makes for five", "M3", ""),
    ("In the normal case", "M4", ""),
    ("Again, this is", "L1", ""),
    ("The 1 additional", "L7", ""),
    ("mempool adds", "M5", ""),
    ("This is where", "", "it announces the disagreement, and the sentences after it say what that is"),
    ("As I see it", "L1", ""),
    ("To give you some", "M5 L7", ""),              # that reservations simplify: the same question, answered otherwise
    ("Quite simply", "L8", ""),
    ("Right now", "L8", ""),
    ("That you're adding", "L10", ""),
    ("The correct way", "L8", ""),
    ("Yes, you can", "L9", ""),
    ("The above is", "L10", ""),
    ("-ben", "", "a signature"),
    ("-- Fish.", "", "a signature"),
)

# Tried all the same, though this mail has no sentence on it.
PASSED_OVER = {"M6": "Of the six points of Molnar's list this reply quotes five. The one on buffers of several parts "
                     "it passes over, and Molnar came back to it three times."}


class NoPlace(KitError):
    """A sentence of the mail has no place in the table, or a line of the table no sentence in the mail."""


@dataclass(frozen=True)
class Sentence:
    """A sentence of the mail: whose, the claims that it belongs to, or why it is not a claim."""

    who: str
    words: str
    claims: tuple
    why: str


def sentences():
    """Every Sentence of the mail, in its order; raises NoPlace if one is not accounted for."""
    said, table = _split(MAIL), iter(CLAIMS_OF)
    found = []
    for who, words in said:
        opening, claims, why = next(table, ("", "", ""))
        if not opening or not words.startswith(opening):
            raise NoPlace(f"the sentence {words!r} has no place in CLAIMS_OF, where {opening!r} comes next: "
                          "say which claim it belongs to, or why it is not a claim.")
        found.append(Sentence(who, words, tuple(claims.split()), why))
    if left := next(table, None):
        raise NoPlace(f"CLAIMS_OF has {left[0]!r}, and the mail no such sentence there: take it out.")
    return found


def _split(mail):
    """(who, sentence) in order: a sentence ends with its paragraph, or at . ? ! before a capital or a parenthesis."""
    for paragraph in mail.strip().split("\n\n"):
        who = MOLNAR if paragraph.startswith(">") else LAHAISE
        text = " ".join(line.removeprefix("> ").removeprefix("- ") for line in paragraph.split("\n"))
        for words in re.split(r"(?<=[.?!])\s+(?=[A-Z(])|(?<=[.?!]\))\s+(?=[A-Z(])", text):
            yield who, words
