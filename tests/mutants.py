"""Mechanical mutants of a piece of Python: one small change each, as a tired hand might make it.

    for name, source in mutants(solution): ...

The name is "line: before -> after", which is how a test lists the ones that are no mistake.
"""

import ast
import copy

SWAPS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Pow: ast.Mult, ast.Mod: ast.FloorDiv,
         ast.FloorDiv: ast.Mod, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitXor: ast.BitOr,
         ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.And: ast.Or, ast.Or: ast.And,
         ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
         ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In}


def mutants(source):
    """A list of (name, source): every mutant that differs from `source` and from all before it."""
    tree, found = ast.parse(source), {}
    before = ast.unparse(tree).splitlines()
    for position, node in enumerate(ast.walk(tree)):
        for change in changes(node):
            mutant = copy.deepcopy(tree)
            change(list(ast.walk(mutant))[position])
            text = ast.unparse(ast.fix_missing_locations(mutant))
            found.setdefault(text, difference(before, text.splitlines()))
    found.pop("\n".join(before), None)
    return [(name, text) for text, name in found.items()]


def changes(node):
    """Functions that each change a node of this kind in place, in one way."""
    if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp) and type(node.op) in SWAPS:
        yield lambda node: setattr(node, "op", SWAPS[type(node.op)]())
    if isinstance(node, ast.Compare):
        yield lambda node: node.ops.__setitem__(0, SWAPS[type(node.ops[0])]())
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield lambda node: setattr(node, "value", node.value + 1)
        yield lambda node: setattr(node, "value", node.value - 1)
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        yield lambda node: setattr(node, "value", not node.value)
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        yield lambda node: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.Tuple) and len(node.elts) > 1 and isinstance(node.ctx, ast.Load):
        for index in range(len(node.elts)):
            yield lambda node, index=index: node.elts.pop(index)
        for index in range(len(node.elts) - 1):
            yield lambda node, index=index: node.elts.insert(index, node.elts.pop(index + 1))
    if isinstance(node, ast.stmt) and hasattr(node, "body"):
        for index, child in enumerate(node.body):
            if not isinstance(child, ast.Pass | ast.FunctionDef | ast.AsyncFunctionDef) and not is_docstring(child):
                yield lambda node, index=index: node.body.__setitem__(index, ast.Pass())


def is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def difference(before, after):
    """The first line that changed, before and after."""
    for old, new in zip(before, after, strict=False):
        if old != new:
            return f"{old.strip()} -> {new.strip()}"
    return "the end"
