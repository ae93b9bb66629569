"""The house rules.  The table FLOORS is the architecture; the rest keeps the code readable and the kit honest.

Every message says what to do, for whoever meets it knows only that a test is red.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
KIT = ROOT / "kit"

# What stands on what.  A module imports from lower floors and from its own unit, never from beside or above.
FLOORS = (
    ("errors", "gfp", "trace", "progress"),
    ("tasks", "refusals"),                      # who runs and what it may ask for; what it is told when it may not
    ("traps",),                                 # step, sleep, choose: the only ways off the CPU
    ("locks",),
    ("memory", "machine"),                      # the two wings: they meet only where a task may leave the CPU
    ("drivers", "linux"),
    ("museum",),
    ("debate",),
    ("show", "grading"),
    ("commands", "__init__"),
    ("__main__",),
)
FLOOR_OF = {unit: floor for floor, units in enumerate(FLOORS) for unit in units}
# What a learner reads, and what the explorer runs:
CORE = ("errors", "gfp", "trace", "tasks", "refusals", "traps", "locks", "memory", "machine", "drivers")

# Who may import what from outside the standard library, and only inside a function: `import kit` stays free of it.
OUTSIDERS = {
    "show": {"matplotlib", "ipywidgets", "IPython"},
    "grading": {"matplotlib", "ipywidgets", "IPython", "nbformat", "nbgrader"},
    "commands": {"jupyterlab", "nbformat", "nbclient", "pytest", "simpy"},
}
FOR_EVERYBODY = {"tqdm"}

SOURCES = sorted(KIT.rglob("*.py"))


def name_of(file):
    return file.relative_to(ROOT).as_posix()


def unit_of(file):
    """The unit of kit/ that a file belongs to: `memory` for kit/memory/slab.py, `traps` for kit/traps.py."""
    parts = file.relative_to(KIT).parts
    return parts[0].removesuffix(".py")


def tree_of(file):
    return ast.parse(file.read_text(encoding="utf-8"))


def is_core(file):
    return unit_of(file) in CORE


def imports(tree):
    """(module, line, at the top level?) for every import in a tree, `from kit import traps` as kit.traps."""
    inner = {id(node) for function in ast.walk(tree) if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
             for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"kit.{alias.name}" for alias in node.names] if node.module == "kit" else [node.module]
        else:
            continue
        yield from ((name, node.lineno, id(node) not in inner) for name in names)


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def refuse(wrong, why):
    """Fail with every place that breaks a rule, and with the reason for the rule."""
    assert not wrong, why + "\n" + "\n".join(f"  {line}" for line in wrong)


# == The floors ====================================================================================


def test_every_unit_of_the_kit_has_its_floor():
    strangers = sorted({unit_of(file) for file in SOURCES} - set(FLOOR_OF))
    refuse(strangers, "Give each of these units a floor in FLOORS: it decides what they may import.")


def test_imports_go_down_only():
    wrong = []
    for file in SOURCES:
        unit = unit_of(file)
        for module, line, _ in imports(tree_of(file)):
            target = module.split(".")[1] if module.startswith("kit.") else unit
            if target != unit and FLOOR_OF.get(target, 99) >= FLOOR_OF[unit]:
                wrong.append(f"{name_of(file)}:{line} imports {module}")
    refuse(wrong, "Imports go down only (see FLOORS), and the wings memory/ and machine/ never meet. Where the kernel "
                  "calls up, let the upper part register itself with the lower one.")


def test_outsiders_are_imported_late_and_only_where_they_belong():
    wrong = []
    for file in SOURCES:
        allowed = OUTSIDERS.get(unit_of(file), set()) | FOR_EVERYBODY
        for module, line, at_top in imports(tree_of(file)):
            package = module.split(".")[0]
            if package != "kit" and package not in sys.stdlib_module_names and (at_top or package not in allowed):
                wrong.append(f"{name_of(file)}:{line} imports {module}" + (" at the top of the file" if at_top else ""))
    refuse(wrong, "The kit proper needs the standard library alone. Import packages inside the function that needs "
                  "them, and only in the units of OUTSIDERS.")


def test_the_front_door_is_light():
    """Everything a notebook imports, all at once, brings in the standard library and the kit, and no asyncio."""
    loaded = subprocess.run(
        [sys.executable, "-S", "-c", "import sys; before = set(sys.modules); from kit import *; "
         "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"],
        cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    refuse([name for name in loaded if name != "kit" and (name not in sys.stdlib_module_names or name == "asyncio")],
           "`from kit import *` must not load any package, nor asyncio.")


def test_every_name_at_the_front_door_exists():
    import kit
    for name in kit.__all__:
        assert getattr(kit, name) is not None


# == How a file reads ==============================================================================


def test_files_are_short():
    wrong = [f"{name_of(file)}: {lines} lines" for file in SOURCES
             if (lines := len(file.read_text(encoding="utf-8").splitlines())) > 300]
    refuse(wrong, "A file of the kit has at most 300 lines. Split it where it has two subjects.")


def test_functions_are_short():
    wrong = [f"{name_of(file)}:{node.lineno} {node.name}: {lines} lines" for file in SOURCES
             for node in functions(tree_of(file)) if (lines := node.end_lineno - node.lineno + 1) > 40]
    refuse(wrong, "A function has at most 40 lines, and is best between 5 and 15. Name a part of it and take it out.")


def test_public_things_have_docstrings():
    wrong = []
    for file in SOURCES:
        for scope in [tree := tree_of(file), *(node for node in tree.body if isinstance(node, ast.ClassDef))]:
            if ast.get_docstring(scope) is None:
                wrong.append(f"{name_of(file)}: {getattr(scope, 'name', 'the file itself')}")
            wrong += [f"{name_of(file)}:{node.lineno} {node.name}" for node in scope.body
                      if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
                      and scope is tree and not node.name.startswith("_") and not says_itself(node)]
    refuse(sorted(set(wrong)), "Say what the caller gets, when it sleeps and how it fails, in a docstring.")


def says_itself(node):
    """A docstring, or a function of one statement under a name that needs no more words."""
    return ast.get_docstring(node) is not None or not isinstance(node, ast.ClassDef) and len(node.body) == 1


def test_nothing_is_left_for_later():
    words = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]
    wrong = [f"{name_of(file)}:{number} {line.strip()}" for file in SOURCES + sorted((ROOT / "tests").glob("*.py"))
             for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
             if any(re.search(rf"\b{word}\b", line) for word in words)]
    refuse(wrong, "Do it now, or write down in a sentence what is left out and why.")


def test_ruff_is_content():
    ruff = subprocess.run([sys.executable, "-m", "ruff", "check", "--output-format", "concise", "."],
                          cwd=ROOT, capture_output=True, text=True)
    assert ruff.returncode == 0, "`ruff check` has something to say:\n" + ruff.stdout + ruff.stderr


# == The same run everywhere =======================================================================


def test_the_core_has_exactly_one_yield():
    yields = []
    for file in filter(is_core, SOURCES):
        for node in functions(tree_of(file)):
            yields += [f"{name_of(file)} {node.name}" for inner in ast.walk(node)
                       if isinstance(inner, ast.Yield | ast.YieldFrom)]
    assert len(yields) == 1 and yields[0].endswith("__await__"), (
        "All that leaves the CPU leaves through one yield, in Trap.__await__; a generator beside it would blur what "
        f"`await` says. Return a list instead. Found: {', '.join(yields)}")


def test_nothing_depends_on_the_wall_the_hash_or_the_order_of_a_set():
    wrong = [f"{name_of(file)}:{node.lineno} {smell}" for file in SOURCES for node in ast.walk(tree_of(file))
             if (smell := smell_of(node)) and not may_look_at_the_clock(file, smell)]
    refuse(wrong, "The same seed gives the same bytes on every Python: sort a set before walking through it, use a "
                  "name or a number instead of hash(), and virtual time instead of the clock on the wall.")


def smell_of(node):
    """What about a node of the tree could differ from run to run, or None."""
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        if called in {"hash", "time.time", "time.perf_counter", "time.monotonic", "datetime.now", "random.random",
                      "random.randrange", "random.choice", "random.shuffle", "perf_counter", "uuid.uuid4"}:
            return f"calls {called}()"
        if called in {"list", "tuple", "enumerate", "iter"} or called.endswith(".join"):
            return next((f"{called}() of a set" for argument in node.args if is_set(argument)), None)
    if isinstance(node, ast.For | ast.comprehension) and is_set(node.iter):
        return "walks through a set"
    return None


def is_set(node):
    return (isinstance(node, ast.Set | ast.SetComp)
            or isinstance(node, ast.Call) and ast.unparse(node.func) in {"set", "frozenset"})


def may_look_at_the_clock(file, smell):
    """Measuring real time is the business of commands, progress bars and the graders' time limits."""
    return unit_of(file) in {"commands", "grading"} and ("perf_counter" in smell or "monotonic" in smell)


def test_asyncio_is_nowhere():
    wrong = [f"{name_of(file)}:{line}" for file in SOURCES for module, line, _ in imports(tree_of(file))
             if module.split(".")[0] in {"asyncio", "greenlet"} or module == "threading" and is_core(file)]
    refuse(wrong, "The kit has one loop of its own, and a learner can read it. No other.")


def test_what_tasks_share_declares_its_state():
    """The explorer compares states; a class that changes and says nothing would make it blind."""
    wrong = [f"{name_of(file)}:{node.lineno} {node.name} changes {', '.join(changed)}"
             for file in SOURCES if unit_of(file) in {"locks", "memory", "machine", "drivers"}
             and not looks_from_outside(file)
             for node in tree_of(file).body if isinstance(node, ast.ClassDef)
             if (changed := changing_fields(node)) and not declares(node, tree_of(file))]
    refuse(wrong, 'Declare `explored = ("field", ...)` in each of these: the fields that are its state.')


def looks_from_outside(file):
    """The explorer and the search for hangs compare states; no task ever holds one of their objects."""
    return "explorer" in file.parts or name_of(file) == "kit/machine/hang.py"


def changing_fields(cls):
    """The fields of self that a class assigns outside `__init__`, in order."""
    fields = {}
    for method in cls.body:
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and method.name != "__init__":
            for node in ast.walk(method):
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                    if isinstance(node.value, ast.Name) and node.value.id == "self":
                        fields[node.attr] = None
    return list(fields)


def declares(cls, tree):
    """Whether a class, or one that it inherits from in the same file, has `explored`."""
    if any(isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "explored" for node in cls.body):
        return True
    bases = {ast.unparse(base) for base in cls.bases}
    return any(declares(node, tree) for node in tree.body if isinstance(node, ast.ClassDef) and node.name in bases)


# == What is committed =============================================================================


def committed():
    """Every file that git knows or would take; in an unpacked archive, without git, every file outside dot-folders."""
    git = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if git.returncode == 0:
        return [ROOT / line for line in git.stdout.splitlines() if (ROOT / line).is_file()]
    return [file for file in ROOT.rglob("*") if file.is_file() and file.relative_to(ROOT).parts[0][0] != "."]


def texts():
    for file in committed():
        if file.suffix not in {".gz", ".png", ".pyc"}:
            yield file, file.read_text(encoding="utf-8")


def test_nothing_else_stands_at_the_top():
    allowed = {"pyproject.toml", "README.md", "LICENSE", "kit", "notebooks", "exercises", "solutions", "tests"}
    top = {file.relative_to(ROOT).parts[0] for file in committed()}
    refuse(sorted(name for name in top - allowed if not name.startswith(".")),
           "These do not belong at the top of the project: find them a place inside.")


@pytest.mark.parametrize(("what", "pattern"), [
    # Each is written in two halves, so that this file does not find itself.
    ("the host of a package registry", r"(?i)py" r"pi\.|python" r"hosted\.|registry" r"\.npm|deb" r"\.debian\."),
    ("a path of somebody's machine", r"(?<![\w.~])/(?:wo" r"rk|fa" r"rm|ro" r"ot|ho" r"me|Us" r"ers|t" r"mp)/[\w.-]+"),
    ("a tool or a folder that is not the kit's", r"\.\./sha" r"red|(?m:^)\s*\$? ?iss" r"ues (?:show|list|note)"),
])
def test_no_file_names(what, pattern):
    wrong = [f"{name_of(file)}: {match[0]}" for file, text in texts() if (match := re.search(pattern, text))]
    refuse(wrong, f"A committed file must not name {what}: nobody else has it.")


def test_pins_are_names_and_versions():
    lines = (ROOT / ".pins").read_text(encoding="utf-8").splitlines()
    refuse([line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)],
           "The file of pins holds `name==version` lines and nothing else.")


def test_no_file_is_large():
    refuse([f"{name_of(file)}: {size:,} bytes" for file in committed() if (size := file.stat().st_size) > 1_000_000],
           "A clone should take seconds. Is all of this needed?")
