"""What nbval lets pass in a notebook: cells never run, pictures nobody can hear, names that are gone.

`faults(file)` gives a sentence for each, with the cell it is in.
"""

import ast
import builtins
import importlib
import inspect
import keyword
import re
import socket
import sys
from functools import cache
from pathlib import Path

import nbformat

from kit.commands.notebooks import WIDGETS, normalised

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 500_000   # bytes
PATHS = re.compile(r"(?<![\w.~:/])/(?:home|root|tmp|Users|opt|var|work|usr/lib|usr/local)/[\w.-]+|\b[A-Z]:\\\\?\w")
DRIVES = re.compile(r"^\w[\w.\[\]'\"]*(\.\w+ = |\.click\(\))", re.M)      # at the left margin, not in an observer
VIEW = "application/vnd.jupyter.widget-view+json"

# Words of the kernel, of /proc and of the shell that prose may put in backticks though the kit does not define them.
KERNEL = set("""
    alloc_pages __alloc_pages try_to_free_pages mempool_alloc mempool_free mempool_create mempool_alloc_t mempool_t
    mempool_alloc_bulk
    kmem_cache_alloc kmem_cache_free kmalloc kfree bio_alloc bio_put schedule yield wake_up spin_lock_irqsave
    get_page_from_freelist wakeup_kswapd run_task_queue tq_disk GFP_NOWAIT min_nr __GFP_NORETRY __GFP_NOMEMALLOC
    curr_nr gfp_mask drivers_md_raid1 work
""".split())


def faults(file):
    """Everything wrong with the notebook in `file`, a sentence each; [] for one that may be committed."""
    text = file.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    found = [*of_the_file(text, notebook), *of_the_pictures(notebook), *of_the_names(notebook)]
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "code":
            found += [f"cell {number}: {fault}" for fault in of_a_cell(cell)]
    return found


def of_the_file(text, notebook):
    """The notebook as a whole: valid, headed, in order, executed in one go, and in the one stored form."""
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        yield f"it is not a valid notebook: {error.message}"
        return
    if not notebook.cells or not re.match(r"# \S", notebook.cells[0].source):
        yield "it does not begin with its title, `# ...`"
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    if counts != list(range(1, len(counts) + 1)):
        yield f"its cells were not executed once each from top to bottom, but as {counts}; nbval would not compare them"
    if len(text.encode()) > LARGEST:
        yield f"it has {len(text.encode()):,} bytes, more than {LARGEST:,}"
    for match in PATHS.finditer(text):
        yield f"it names a path of somebody's machine, {match[0]}"
    if len(host := socket.gethostname()) > 3 and re.search(rf"\b{re.escape(host)}\b", text):
        yield f"it names the machine it was made on, {host}"
    if "asyncio" in text:
        yield "it mentions asyncio, which is none of the reader's business"
    if normalised(nbformat.reads(text, as_version=4)) != text:
        yield "it is not as `python3 -m kit notebooks` stores it"


def of_a_cell(cell):
    """One code cell: nothing on stderr, an error where one is announced and nowhere else, no trailing semicolon."""
    if cell.source.rstrip().endswith(";"):
        yield "it ends with `;`, which nbval does not honour; write `_ = ...`"
    announced = "raises-exception" in cell.metadata.get("tags", [])
    raised = any(output.output_type == "error" for output in cell.outputs)
    if raised != announced:
        yield "it raises, and is not tagged so" if raised else "it is tagged raises-exception, and raises nothing"
    if re.search(r"(?i)nbval.(skip|ignore)", " ".join([cell.source, *cell.metadata.get("tags", [])])):
        yield "it asks nbval to look away"
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stderr":
            yield f"it prints to stderr: {output.text.strip().splitlines()[-1]}"


def of_the_pictures(notebook):
    """Every picture says in words what it shows, and every widget is driven by the next cell."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(notebook.cells, 1):
        for html in [cell.source] if cell.cell_type == "markdown" else htmls(cell):
            yield from (f"cell {number}: {fault}" for fault in of_html(html))
    for cell, following in zip(code, [*code[1:], None], strict=True):
        for output in cell.outputs:
            data = output.get("data", {})
            if any(kind.startswith("image/") for kind in data):
                yield f"cell {cell.id}: a bare image has no words; show it as an HTML figure with an alt text"
            if VIEW in data and not any(DRIVES.search(driver.source) for driver in (cell, following) if driver):
                yield f"cell {cell.id}: neither it nor the next cell drives its widget, so nothing tests it"
    state = notebook.metadata.get("widgets", {}).get(WIDGETS, {}).get("state", {})
    for model in state.values():
        yield from (f"a widget: {fault}" for fault in of_html(str(model["state"].get("value", ""))))
        if model["model_name"] == "ImageModel":
            yield "a widget: Image can carry no words; use HTML with an <img alt=...>"


def htmls(cell):
    """The HTML that a code cell shows."""
    return ["".join(output.data["text/html"]) for output in cell.outputs if "text/html" in output.get("data", {})]


def of_html(html):
    """Pictures in a piece of HTML or Markdown that say nothing in words."""
    for tag in re.findall(r"<img\b[^>]*>", html):
        if not re.search(r"""\balt=(["'])\s*[^"'\s].*?\1""", tag, re.S):
            yield f"a picture has no alt text: {tag[:60]}"
    if re.search(r"!\[\s*\]\(", html):
        yield "a picture has no alt text: ![]("


# == Names in prose ================================================================================


def of_the_names(notebook):
    """Names in backticks, in prose, that are neither the kit's, nor Python's, nor the notebook's own."""
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    own = set(re.findall(r"\w+", code))
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "markdown":
            prose = re.sub(r"```.*?```", "", cell.source, flags=re.S)
            for name in re.findall(r"`([^`\n]+)`", prose):
                if not is_known(name, own):
                    yield f"cell {number}: there is no `{name}` in the kit any more, nor in this notebook"


def is_known(words, own):
    """Whether what stands in backticks can be found; whatever is not a name, a call or a path passes."""
    if re.fullmatch(r"kit/[\w/.]+", words):
        return (ROOT / words).exists()
    match = re.fullmatch(r"(?:await )?([A-Za-z_][\w.]*)(\(.*\))?", words)
    if not match:
        return True
    first, *rest = match[1].split(".")
    if first == "kit" or first in classes():
        return resolves(first, rest)
    return all(part in own or part in vocabulary() or part in KERNEL for part in (first, *rest))


def resolves(first, rest):
    """Whether `kit.memory.slab` or `Mempool.alloc` leads anywhere."""
    path = first
    while rest and f"{path}.{rest[0]}" in trees():
        path += "." + rest.pop(0)
    here = importlib.import_module(path if first == "kit" else classes()[first])
    here = here if first == "kit" else getattr(here, first)
    return not rest or hasattr(here, rest[0]) or f"self.{rest[0]}" in inspect.getsource(here)


@cache
def classes():
    """Every public class of the kit, with its module."""
    return {node.name: module for module, tree in trees().items()
            for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")}


@cache
def vocabulary():
    """Every name that the kit's code, Python or its library uses."""
    words = {*dir(builtins), *keyword.kwlist, *sys.stdlib_module_names, *(file.stem for file in ROOT.rglob("*.ipynb"))}
    for module, tree in trees().items():
        words.update(module.split("."))
        for node in ast.walk(tree):
            for field in ("name", "id", "attr", "arg"):
                if isinstance(word := getattr(node, field, None), str):
                    words.add(word)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
                words.add(node.value)
    return words


@cache
def trees():
    """The syntax tree of every module of the kit."""
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"):
            ast.parse(file.read_text(encoding="utf-8")) for file in sorted((ROOT / "kit").rglob("*.py"))}
