"""voices: Molnar and LaHaise, quoted so that one sees at once who speaks.

Each has a label with name, date and source, and a border of his own: Molnar's solid and at the left
margin, LaHaise's double and set in, as his mail answers.  The text keeps the colour of the page, so
that it reads in any theme.

In a code cell the call itself shows the quotation.  For a markdown cell, `molnar(...).html()` is the
HTML to paste; JupyterLab keeps these tags and styles.
"""

import html
from typing import NamedTuple

MAIL = "linux-kernel, 15 Dec 2001"      # LaHaise's mail, in which Molnar's words are quoted
MOLNAR = ("Ingo Molnar", "border-left:4px solid #0072B2;margin:0.8em 4em 0.8em 0")
LAHAISE = ("Ben LaHaise", "border-left:8px double #D55E00;margin:0.8em 0 0.8em 4em")


class Voice(NamedTuple):
    """Somebody's own words, and where they stand; Jupyter shows them as a quotation."""

    who: str
    style: str
    quote: str
    source: str

    def __repr__(self):
        said = "\n".join(f"> {line}".rstrip() for line in self.quote.splitlines())
        return f"{self.who} ({self.source}):\n{said}"

    def html(self):
        """The quotation as HTML, on one line for each paragraph of it."""
        paragraphs = "".join(f'<p style="margin:0.3em 0">{html.escape(" ".join(paragraph.split()), quote=False)}</p>\n'
                             for paragraph in self.quote.strip().split("\n\n"))
        label = f"<b>{self.who}</b> <small>({html.escape(self.source, quote=False)})</small>"
        return f'<blockquote style="{self.style};padding:0.2em 1em;font-size:1em">{label}\n{paragraphs}</blockquote>'

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": self.html(), "text/plain": repr(self)}


def molnar(quote, source=MAIL):
    """Ingo Molnar's words, for mempools; an empty line in `quote` begins a paragraph."""
    return Voice(*MOLNAR, quote, source)


def lahaise(quote, source=MAIL):
    """Ben LaHaise's words, for reservations; an empty line in `quote` begins a paragraph."""
    return Voice(*LAHAISE, quote, source)
