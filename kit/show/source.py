"""source: the kit's own code, shown by name, so that prose never cites a line that has moved."""

import inspect
import textwrap


class Source:
    """The text of a function or class; Jupyter shows it as Python code."""

    def __init__(self, thing):
        thing = inspect.unwrap(getattr(thing, "function", thing))      # a rung is a function with a name
        self.text = textwrap.dedent(inspect.getsource(thing)).rstrip()

    def __repr__(self):
        return self.text

    def _repr_markdown_(self):
        return f"```python\n{self.text}\n```"


def source(thing):
    """Show the code of `thing`: source(Mempool.alloc)."""
    return Source(thing)
