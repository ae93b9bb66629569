"""visit: the museum told as text or as data: one bug from beginning to end, or everything in a table."""

from kit.errors import BadInput
from kit.museum.bugs import BUGS
from kit.museum.levels import BENEATH, LADDERS, SIZES, table


def bug(name):
    """One bug as text: the record, the model, and what the explorer finds in both forms.  BadInput if unknown."""
    told = _named(name)
    had, mended = told.explored()
    return "\n".join([told.name, f"record: {told.record}", f"model: {told.model}", "",
                      f"as it was: {had}", "", f"as it was mended: {mended}"])


def bug_data(name):
    """The same as plain data, for JSON."""
    told = _named(name)
    had, mended = told.explored()
    return {"name": told.name, "record": told.record, "model": told.model,
            "had": had.to_dict(), "mended": mended.to_dict()}


def everything(progress=iter):
    """All bugs and the table of the five levels, as text.  `progress` wraps the rows as they come."""
    lines = ["bugs really found: as it was -> as it was mended"]
    for told in BUGS.values():
        had, mended = told.explored()
        lines.append(f"  {told.name:26} {had.verdict} -> {mended.verdict}")
    lines += ["", "the five levels: a hang is marked ! where the half-full rule is to blame",
              f"  {'beneath':22}{'pool':>5}{'tasks':>6}{'each':>5}  " + "".join(f"{name:>14}" for name in LADDERS)]
    rows = list(progress(table()))
    for row in rows:
        cells = "".join(f"{_short(row, name):>14}" for name in LADDERS)
        lines.append(f"  {row.beneath:22}{row.elements:>5}{row.tasks:>6}{row.take:>5}  {cells}")
    if len(rows) < len(BENEATH) * len(SIZES):
        lines.append("interrupted: so much is known, and it is not all there is")
    return "\n".join(lines)


def everything_data(progress=iter):
    """The same as plain data, for JSON."""
    bugs = {name: [result.verdict for result in told.explored()] for name, told in BUGS.items()}
    rows = [{"beneath": row.beneath, "elements": row.elements, "tasks": row.tasks, "take": row.take,
             "verdicts": row.verdicts, "states": row.states, "charged": [name for name in LADDERS if row.charged(name)]}
            for row in progress(table())]
    return {"bugs": bugs, "levels": rows}


def _named(name):
    if name not in BUGS:
        raise BadInput(f"there is no bug {name!r} in the museum; there are: {', '.join(BUGS)}.")
    return BUGS[name]


def _short(row, ladder):
    """A verdict in a column's width, marked where the half-full rule is to blame."""
    verdict = row.verdicts[ladder].replace("only a timer can continue", "only a timer")
    return verdict + ("!" if row.charged(ladder) else "")
