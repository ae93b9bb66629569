"""A class: a folder of submissions, in any layout, graded in parallel.

    grade_class(folder, out)        out/points.csv, out/summary.md, out/feedback/ID.html

Whose a submission is, is read off its path by a pattern with a group `id`; of several by one student
the last wins, by the natural order of their paths (attempt-2 before attempt-10).  Whoever is on the
roster, or has files but no notebook among them, is a row that says so.

Always true: the same submissions give the same bytes.  Every report is stored as soon as it is there
(out/reports), under a digest of the submission and the kit, so that a run that was broken off goes on
where it was.  The work is done by any concurrent.futures.Executor, processes of this machine by default.
"""

import concurrent.futures
import csv
import hashlib
import html
import io
import json
import multiprocessing
import os
import re
from collections import Counter
from pathlib import Path

from kit.errors import BadInput
from kit.grading import notebooks
from kit.grading.exercise import exercises, picked_variants, private_seed
from kit.grading.grade import grade
from kit.grading.report import NOT_ATTEMPTED, NOT_YET, PASSED, Report

# Up to the first slash (a folder a student), or of a single file up to the first underscore.
PATTERN = r"^(?P<id>[^/]+?)(?=/|_[^/]*\.ipynb$|\.ipynb$)"


def grade_class(folder, out, number=None, pattern=PATTERN, roster=(), executor=None, jobs=None, progress=iter):
    """Grade set `number` (by default the one that most submissions answer) for everybody; returns the rows.

    progress: wraps an iterable that yields once a submission (tqdm with its total set).
    """
    found = find(folder, pattern)
    for name in roster:
        found.setdefault(name, [])
    if not found:
        raise BadInput(f"no file in {folder} matches {pattern}: nobody has handed in anything.")
    number = number or commonest_set(found)
    if not any(id.startswith(number + "-") for id in exercises()):
        raise BadInput(f"the kit has no set {number}.")
    chosen = {id: last_of(files, number) for id, files in found.items()}
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file: name a folder for the results.")
    out.mkdir(parents=True, exist_ok=True)
    with executor or concurrent.futures.ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        reports = _graded(pool, {id: path for id, path in chosen.items() if path}, number, out / "reports", progress)
    rows = {id: reports.get(id) for id in sorted(chosen, key=_natural)}
    _write(out, number, folder, rows, chosen)
    return rows


# == Whose is what =================================================================================


def find(folder, pattern=PATTERN):
    """{id: the notebooks of that student, in natural order}, from everything below `folder`."""
    if not folder.is_dir():
        raise BadInput(f"{folder} is not a folder.")
    try:
        matches = re.compile(pattern).search
        matches("").group("id") if matches("") else re.compile(pattern).groupindex["id"]
    except (re.error, KeyError) as error:
        raise BadInput(f"{pattern!r} is no pattern for paths with a group (?P<id>...): {error}") from error
    found = {}
    for path in sorted(folder.rglob("*"), key=lambda path: _natural(path.relative_to(folder).as_posix())):
        name = path.relative_to(folder).as_posix() + ("/" if path.is_dir() else "")
        if "/." not in "/" + name and (match := matches(name)):
            notebooks_of = found.setdefault(match["id"], [])
            if path.suffix == ".ipynb" and path.is_file():
                notebooks_of.append(path)
    return found


def commonest_set(found):
    """The number of the set that most of the notebooks belong to."""
    count = Counter(number for files in found.values() for path in files if (number := _set(path)))
    if not count:
        raise BadInput("none of these notebooks answers an exercise of the kit.")
    return min(count, key=lambda number: (-count[number], number))


def last_of(files, number):
    """The last of a student's notebooks that is of the set, or may be (it cannot be read); None if there is none."""
    return next((path for path in reversed(files) if _set(path) in (number, None)), None)


def _set(path):
    try:
        return notebooks.set_of(notebooks.read(path), path.name)
    except BadInput:
        return notebooks.set_in(path.name)


def _natural(text):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)]


# == Grading =======================================================================================


def _graded(pool, files, number, store, progress):
    """{id: reports} for everybody in `files`; what the store has already is not graded again."""
    store.mkdir(exist_ok=True)
    reports, waiting = {}, {}
    for id, path in files.items():
        data, kept = path.read_bytes(), store / f"{_file_name(id)}.json"
        digest = hashlib.sha256(data + _judges().encode() + number.encode()).hexdigest()
        if (stored := _stored(kept, digest)) is not None:
            reports[id] = stored
        else:
            waiting[pool.submit(grade_notebook, data, path.name, number, private_seed())] = id, digest, kept
    for future in progress(concurrent.futures.as_completed(waiting)):
        id, digest, kept = waiting[future]
        _store(kept, digest, future.result())
        reports[id] = _stored(kept, digest)
    return reports


def grade_notebook(data, name, number, seed=None):
    """The reports, as dicts, on every exercise of set `number`, from the bytes of a notebook whatever they are."""
    if seed:
        os.environ["KIT_PRIVATE_SEED"] = seed       # this may run on another machine, where nobody has set it
    wanted = [exercise for id, exercise in exercises().items() if id.startswith(number + "-")]
    try:
        notebook = notebooks.parse(data, name)
    except BadInput as error:
        return [Report(each.id, each.title, NOT_YET, 0, each.points, note=str(error)).to_dict() for each in wanted]
    return [grade(exercise, notebooks.answer_to(exercise, notebook)).to_dict() for exercise in wanted]


def _judges():
    """What a judgement depends on beside the submission: the graders, the exercises, the variants."""
    code = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py")))
    return hashlib.sha256(code + f"{private_seed()}{picked_variants()}".encode()).hexdigest()


def _stored(path, digest):
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return [Report.from_dict(each) for each in kept["reports"]] if kept["digest"] == digest else None
    except (OSError, ValueError, KeyError, TypeError):
        return None         # none yet, or broken off while it was written: graded again


def _store(path, digest, reports):
    path.write_text(json.dumps({"digest": digest, "reports": reports}, indent=1) + "\n", encoding="utf-8")


# == What is written ===============================================================================


def _write(out, number, folder, rows, chosen):
    ids = [id for id in exercises() if id.startswith(number + "-")]
    where = {id: path.relative_to(folder).as_posix() if path else "" for id, path in chosen.items()}
    (out / "points.csv").write_text(_points(ids, rows, where), encoding="utf-8", newline="")
    (out / "summary.md").write_text(_summary(number, ids, rows), encoding="utf-8")
    (out / "feedback").mkdir(exist_ok=True)
    for id, reports in rows.items():
        (out / "feedback" / f"{_file_name(id)}.html").write_text(_page(id, reports), encoding="utf-8")


def _points(ids, rows, where):
    """A line for each student: points for each exercise, the sum, and the file that was graded."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["id", *ids, "points", "of", "status", "file"])
    of = sum(exercises()[id].points for id in ids)
    for id, reports in rows.items():
        points = [report.points for report in reports or ()] or [0] * len(ids)
        status = "missing" if reports is None else "graded"
        table.writerow([_harmless(id), *points, sum(points), of, status, _harmless(where[id])])
    return text.getvalue()


def _summary(number, ids, rows):
    """How each exercise went, and the commonest wrong answers by name."""
    handed_in = [reports for reports in rows.values() if reports is not None]
    lines = [f"# Set {number}: {len(handed_in)} handed in, {len(rows) - len(handed_in)} missing", ""]
    for position, id in enumerate(ids):
        reports = [each[position] for each in handed_in]
        count = Counter(report.outcome for report in reports)
        lines.append(f"## {id} {exercises()[id].title}\n\n{count[PASSED]} passed, {count[NOT_YET]} not yet, "
                     f"{count[NOT_ATTEMPTED]} not attempted.\n")
        wrong = Counter(_kind(report) for report in reports if report.outcome == NOT_YET)
        lines += [f"- {wrong[kind]} x {kind}" for kind in sorted(wrong, key=lambda kind: (-wrong[kind], kind))] + [""]
    return "\n".join(lines)


def _kind(report):
    return report.misconception or report.note.partition(":")[0] or "none of the well-known ones"


def _page(id, reports):
    """What one student is told, as a page that needs nothing else."""
    said = "\n\n".join(report.text() for report in reports) if reports else "There was no notebook of yours."
    points = sum(report.points for report in reports or ())
    of = sum(report.of for report in reports or ())
    return (f'<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8"><title>{html.escape(id)}</title>\n'
            f"<h1>{html.escape(id)}: {points} of {of} points</h1>\n<pre>{html.escape(said)}</pre>\n</html>\n")


def _file_name(id):
    """`id` as a name of a file, different for different ids."""
    plain = re.sub(r"[^\w.-]", "-", id)
    return plain if plain == id else f"{plain}.{hashlib.sha256(id.encode()).hexdigest()[:8]}"


def _harmless(text):
    """A spreadsheet takes a text that begins like a formula for one."""
    return "'" + text if text[:1] in ("=", "+", "-", "@") else text
