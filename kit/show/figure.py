"""figure: a matplotlib picture that says in words what it shows.

JupyterLab drops the alternative text of an image that a cell displays; it keeps that of an <img> in
HTML.  So every figure of the kit is an HTML <figure> with the PNG inside, and its alt sentence is
computed from the same data as the picture.  A reader who cannot see it reads the sentence; a test
that cannot compare pictures compares the sentence.

One style: the palette of Okabe and Ito, which the colour-blind can tell apart; a hatch and a label
beside every colour, so that colour never carries anything alone; a white card, so that it reads
in JupyterLab's dark theme as well.
"""

import base64
import html
import io

# Okabe & Ito's palette, in the order in which figures use it, each with a hatch of its own.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
HATCHES = ("", "//", "..", "xx", "\\\\", "oo", "--", "++")

_STYLE = {
    "font.family": "DejaVu Sans", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False,
    "figure.facecolor": "white", "axes.facecolor": "white", "savefig.facecolor": "white", "hatch.linewidth": 0.6,
    "text.color": "#222222", "axes.labelcolor": "#222222", "xtick.color": "#222222", "ytick.color": "#222222",
}


class Picture:
    """A finished figure: `png` bytes, the sentence `alt`, and a `caption` beneath; Jupyter shows it."""

    def __init__(self, png, alt, caption=""):
        self.png, self.alt, self.caption = png, " ".join(alt.split()), caption

    def __repr__(self):
        return self.alt

    def html(self):
        """The figure as HTML, for a page or the value of a widgets.HTML."""
        source = "data:image/png;base64," + base64.b64encode(self.png).decode()
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        return (f'<figure style="margin:0.5em 0;background:#fff;color:#222;padding:0.5em;display:inline-block">'
                f'<img alt="{html.escape(self.alt)}" src="{source}" style="max-width:100%">{caption}</figure>')

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": self.html(), "text/plain": self.alt}


def picture(paint, alt, caption="", size=(7.5, 3.0)):
    """The Picture that `paint(axes)` draws on one set of axes, `size` inches wide and high."""
    # Here and not above: it is slow to import, and only figures need it.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=size, dpi=100, layout="constrained")
        paint(figure.add_subplot())
        png = io.BytesIO()
        figure.savefig(png, format="png", metadata={"Software": None})
    return Picture(png.getvalue(), alt, caption)
