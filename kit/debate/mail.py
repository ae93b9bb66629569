"""mail: the mail that all this answers, sentence by sentence, and the claim that each belongs to.

The problem: whoever chooses the claims chooses the outcome; what is left out is never tried.  So each
sentence, known by its opening words, belongs to one claim or to several, or it is not a claim, and
then for a reason.  The mail itself is not part of the kit: it lies beside the test that goes through
it and is not content until every sentence has its place here, in order.

Source: Ben LaHaise to linux-kernel, 15 Dec 2001, Message-ID 20011215002920.A29284@redhat.com, spelt as
it was; MOLNAR are Ingo Molnar's words, which he quotes.
"""

from typing import NamedTuple

MOLNAR, LAHAISE = "Ingo Molnar", "Ben LaHaise"


class Sentence(NamedTuple):
    """A sentence: whose, its opening words, the claims that it belongs to, or else why it is not a claim."""

    who: str
    opening: str
    claims: str
    why: str = ""


SENTENCES = (
    Sentence(LAHAISE, "On Sat, Dec 15", "", "it says who wrote, and when by his own clock"),
    Sentence(MOLNAR, "exactly what kind", "", "a question to the other side"),
    Sentence(MOLNAR, "(what interface", "", "the same question, spelt out"),
    Sentence(MOLNAR, "Take a look at how", "L2"),
    Sentence(MOLNAR, "mempool allows the use", "M1"),
    Sentence(MOLNAR, "(eg. the highmem.c", "M1"),
    Sentence(LAHAISE, "That's of dubious", "L1"),
    Sentence(LAHAISE, "Personally, I think", "L1"),
    Sentence(LAHAISE, "Anything beyond", "L1"),
    Sentence(MOLNAR, "mempool_alloc(), if", "M2"),
    Sentence(MOLNAR, "This simplifies", "M2"),
    Sentence(LAHAISE, "Arguably, the same", "L2"),
    Sentence(LAHAISE, "Btw, if you looked", "L2"),
    Sentence(LAHAISE, "The idea behind that", "L2 L3"),
    Sentence(LAHAISE, "Plus, with a reservation", "L2"),
    Sentence(MOLNAR, "mempool handles allocation", "M3"),
    Sentence(MOLNAR, "first it ->alloc()'s", "M3"),
    Sentence(LAHAISE, "Great.", "", "irony: what it is about comes in the next sentence"),
    Sentence(LAHAISE, "Function calls", "L4"),
    Sentence(MOLNAR, "then it tries", "M3"),
    Sentence(MOLNAR, "then it ->alloc()'s non", "M3"),
    Sentence(MOLNAR, "then it takes", "M3"),
    Sentence(MOLNAR, "then it waits", "M3"),
    Sentence(LAHAISE, "Oh dear.", "", "a sigh: what it is about comes in the next sentence"),
    Sentence(LAHAISE, "Another set of vm", "L5"),
    Sentence(LAHAISE, "We're already failing", "L6"),
    Sentence(MOLNAR, "this makes for five", "M3"),
    Sentence(MOLNAR, "In the normal case", "M4"),
    Sentence(LAHAISE, "Again, this is", "L1"),
    Sentence(LAHAISE, "The 1 additional", "L7"),
    Sentence(MOLNAR, "mempool adds", "M5"),
    Sentence(LAHAISE, "This is where", "", "it announces what the next sentences say"),
    Sentence(LAHAISE, "As I see it", "L1"),
    Sentence(LAHAISE, "To give you some", "M5 L7"),
    Sentence(LAHAISE, "Quite simply", "L8"),
    Sentence(LAHAISE, "Right now", "L8"),
    Sentence(LAHAISE, "That you're adding", "L10"),
    Sentence(LAHAISE, "The correct way", "L8"),
    Sentence(LAHAISE, "Yes, you can", "L9"),
    Sentence(LAHAISE, "The above is", "L10"),
    Sentence(LAHAISE, "-ben", "", "a signature"),
    Sentence(LAHAISE, "-- Fish.", "", "a signature"),
)

# Tried all the same, though this mail has no sentence on it.
PASSED_OVER = {"M6": "Of the six points of Molnar's list this reply quotes five. The one on buffers of several parts "
                     "it passes over, and Molnar came back to it three times."}
