"""widget: what the interactive parts of the notebooks have in common.

The problem: a widget lives in a kernel, and whoever reads the page without one sees a hole.  The
idea: whatever a widget shows is a Frame, plain data that stands on a page as well as in a widget.

    the widget      controls, and beneath them `said`, an HTML that shows the present frame
    now()           the present frame by itself: the last line of a cell that drives the widget
    key_frames()    a few states of it, shown above the widget: they stay when the kernel is gone

Always true: the same state gives the same HTML, however one came there.
"""

import html

# Every part says its own colours and spacing: with those of JupyterLab's dark theme, tables could not be read.
CARD = "background:#fff;color:#222;line-height:1.3;border:1px solid #999;padding:0.5em;margin:0.3em 0"
CELL = "background:#fff;color:#222;line-height:1.3;text-align:left;padding:0.1em 0.8em 0.1em 0;vertical-align:top"
TEXT = ("background:#fff;color:#222;line-height:1.25;font-family:monospace;font-size:0.9em;white-space:pre-wrap;"
        "word-break:normal;overflow-wrap:anywhere;margin:0.5em 0 0 0")


class Frame:
    """One state of a widget: a caption, the rows of a table (the first is its head), and text beneath.

    fold: what stands instead of it until the reader opens it, for what would give something away.
    """

    def __init__(self, caption, rows=(), text="", fold=""):
        self.fold = fold
        self.caption, self.rows, self.text = caption, [[str(cell) for cell in row] for row in rows], text

    def __repr__(self):
        widths = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                 for row in self.rows]
        return "\n".join([self.caption, *lines, *filter(None, [self.text])])

    def html(self):
        """The frame as HTML: a white card, which reads in JupyterLab's dark theme as well."""
        rows = "".join(_row(row, "td" if number else "th") for number, row in enumerate(self.rows))
        table = f'<table style="border-collapse:collapse;margin:0">{rows}</table>' if rows else ""
        text = f'<pre style="{TEXT}">{html.escape(self.text)}</pre>'
        card = (f'<figure style="{CARD}"><figcaption><b>{html.escape(self.caption)}</b></figcaption>'
                f"{table}{text if self.text else ''}</figure>")
        return f"<details><summary>{html.escape(self.fold)}</summary>{card}</details>" if self.fold else card

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": self.html(), "text/plain": repr(self)}


class Live:
    """A widget of the kit: its controls, the present frame beneath, and its key frames above.

    A widget says what it shows in `now()` and what it keeps for readers without a kernel in
    `frames()`; whatever a control changes ends in `show()`.
    """

    def __init__(self, *controls):
        from ipywidgets import HTML, VBox
        self.said = HTML()
        self.box = VBox([*controls, self.said])
        self.show()

    def __repr__(self):
        return repr(self.now())

    def show(self, *_):
        """Let the widget show what now() says."""
        self.said.value = self.now().html()

    def key_frames(self):
        """A few states as HTML, for readers without a kernel; open at first, to be folded by those who have one."""
        frames = "".join(frame.html() for frame in self.frames())
        return f"<details open><summary>Without a kernel: what you would see</summary>{frames}</details>"

    def _repr_html_(self):
        return self.key_frames()

    def _ipython_display_(self):
        from IPython.display import display
        told = "\n\n".join(map(repr, self.frames()))
        display({"text/html": self.key_frames(), "text/plain": told}, raw=True)
        # The text of a widget would spell out every style of every control; what it shows says more.
        display({**self.box._repr_mimebundle_(), "text/plain": repr(self)}, raw=True)


def button(description, act, tooltip=""):
    """A button that calls `act()` when it is clicked, or pressed with Space or Enter."""
    from ipywidgets import Button, Layout
    made = Button(description=description, tooltip=tooltip or description, layout=Layout(width="auto"))
    made.on_click(lambda _: act())
    return made


def choice(options, description):
    """One of several, by buttons: a dropdown would not hear the arrow keys, which JupyterLab keeps for its cells."""
    from ipywidgets import ToggleButtons
    return ToggleButtons(options=options, description=description, style={"button_width": "auto"})


def row(*controls):
    """Controls side by side, on several lines where the page is narrow."""
    from ipywidgets import HBox, Layout
    return HBox(controls, layout=Layout(flex_flow="row wrap"))


def squares(pool):
    """A Mempool as a line of text: a full square for each element in it, an empty one for each that is out."""
    out, stock = pool.min_nr - len(pool.elements), getattr(pool.backing, "stock", None)
    beneath = "" if stock is None else f", {len(stock)} beneath"
    return f"{pool.name}: {'■' * len(pool.elements)}{'□' * out} {len(pool.elements)} of {pool.min_nr} elements{beneath}"


def _row(row, tag):
    cells = "".join(f'<{tag} style="{CELL}">{html.escape(cell)}</{tag}>' for cell in row)
    return f'<tr style="background:#fff">{cells}</tr>'
