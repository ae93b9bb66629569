"""Small notebooks for the tests that test the tests of notebooks."""

import nbformat
from nbformat import v4

from kit.commands.notebooks import METADATA

FIGURE = """\
import base64, io
from IPython.display import HTML
from matplotlib.figure import Figure
picture, drawn = Figure(figsize=(2, 1)), io.BytesIO()
picture.subplots().plot([1, 4, 9])
picture.savefig(drawn, format="png", metadata={"Software": None})
HTML(f'<img alt="Squares: 1, 4, 9." src="data:image/png;base64,{base64.b64encode(drawn.getvalue()).decode()}">')"""

SLIDER = """\
import ipywidgets as widgets
slider = widgets.IntSlider(description="pages", min=0, max=9)
said = widgets.HTML("<p>0 pages</p>")

def say(change):
    said.value = f"<p>{change.new} pages</p>"

slider.observe(say, "value")
widgets.VBox([slider, said])"""


def sample():
    """A notebook as the kit wants it, not executed yet: text, a number, a figure, a slider, an error."""
    cells = [
        v4.new_markdown_cell("# Pages\n\nA `Machine` does what it is told."),
        v4.new_code_cell("print('one'); print('two')\n6 * 7"),
        v4.new_code_cell(FIGURE),
        v4.new_code_cell(SLIDER),
        v4.new_code_cell("slider.value = 4\nsaid"),
        v4.new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]}),
    ]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    return v4.new_notebook(cells=cells, metadata=METADATA)


def write(notebook, file):
    """Store a notebook in `file`; returns the file."""
    nbformat.write(notebook, file)
    return file
