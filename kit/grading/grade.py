"""The one judgement: grade(exercise, source) -> Report.  Notebook, command line, nbgrader and Gradescope print it.

The child says what it saw (isolate.py); here, in the parent, that is held against the rule, and the
first case that differs is told.  Cases come smallest first, so the first one is the shortest; where
they were drawn at random it is shrunk.

Always true: a check gives all its points or none, and gives them only if every one of its cases was
observed and right.
"""

import json
from dataclasses import dataclass

from kit.grading.child import plain
from kit.grading.isolate import Stopped, observe
from kit.grading.report import NOT_ATTEMPTED, NOT_YET, PASSED, Fault, Report, Result

LONGEST_SOURCE = 100_000
ROUNDS_OF_SHRINKING = 8


@dataclass(frozen=True)
class Row:
    """One case of a check: what was seen, what the rule says, and whether (or how) they differ."""

    case: list
    seen: object
    wanted: object
    fault: object       # None if right; True, or a sentence


def grade(exercise, source):
    """What `source`, the text of the answer's cell (None if there is none), is worth.

    Takes about 0.1 s and never more than 10; does not raise for anything that a learner can write.
    """
    if source is None:
        return _report(exercise, NOT_ATTEMPTED, note="There is no cell for it: neither one that was made for it, "
                       f"nor one that defines {exercise.name}.")
    if len(source) > LONGEST_SOURCE:
        return _report(exercise, NOT_YET, note=f"The cell is longer than {LONGEST_SOURCE:,} characters.")
    if not source.strip() or exercise.untouched(source):
        return _report(exercise, NOT_ATTEMPTED)
    variant, random = exercise.variant, exercise.random()
    cases = [[list(case) for case in check.cases(variant, random)] for check in exercise.checks]
    seen = observe(source, exercise.name,
                   [(check.drive, each, check.steps) for check, each in zip(exercise.checks, cases, strict=True)])
    if seen.verdict:
        return _report(exercise, NOT_YET, note=seen.verdict)
    return _judged(exercise, variant, source, cases, seen)


def _judged(exercise, variant, source, cases, seen):
    tables = [_rows(check, variant, each, part)
              for check, each, part in zip(exercise.checks, cases, seen.parts, strict=True)]
    _mark_spent(exercise, cases, tables, seen)
    results = [_result(exercise, check, variant, source, rows, len(each))
               for check, rows, each in zip(exercise.checks, tables, cases, strict=True)]
    points = sum(result.points for result in results)
    if points == exercise.points:
        return _report(exercise, PASSED, results, points)
    rows = next(rows for rows, result in zip(tables, results, strict=True) if result.points < result.of)
    name, says = _recognised(exercise, variant, rows)
    return _report(exercise, NOT_YET, results, points, misconception=name, says=says)


def _report(exercise, outcome, results=(), points=0, **more):
    results = tuple(results)
    return Report(exercise.id, exercise.title, outcome, points, exercise.points, results=results, **more)


# == One check =====================================================================================


def _rows(check, variant, cases, seen):
    """The table of a check, as far as the child came."""
    return [_row(check, variant, case, each) for case, each in zip(cases, seen, strict=False)]


def _row(check, variant, case, seen):
    if check.judge:
        fault = str(seen) if isinstance(seen, Stopped) else _judgement(check, variant, case, seen)
        return Row(case, seen, None, fault)
    wanted = plain(check.expect(variant, *case))
    return Row(case, seen, wanted, None if _same(seen, wanted) else True)


def _judgement(check, variant, case, seen):
    try:
        return check.judge(variant, case, seen)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError):
        # A judge may take the form of an observation for granted: what has another form is wrong.
        return f"It handed back {_short(seen)}, which is not of the form that was asked for."


def _mark_spent(exercise, cases, tables, seen):
    """Where the step budget ended, put a row that says so."""
    if not seen.spent:
        return
    for check, each, rows in zip(exercise.checks, cases, tables, strict=True):
        if len(rows) < len(each):
            rows.append(_spent_row(check, each[len(rows)], seen))
            return


def _spent_row(check, case, seen):
    words = f"your loop ran {check.steps:,} steps on {check.heap} and was stopped there"
    stopped = Stopped("Steps", words, seen.spent["line"], seen.spent["source"], True)
    return Row(case, stopped, None, str(stopped))


def _same(seen, wanted):
    """As text: so True is not 1, and nobody's own idea of equality is asked.  repr() is the quick way to a yes."""
    return not isinstance(seen, Stopped) and \
        (repr(seen) == repr(wanted) or json.dumps(seen, sort_keys=True) == json.dumps(wanted, sort_keys=True))


def _result(exercise, check, variant, source, rows, worlds):
    right = sum(row.fault is None for row in rows)
    rule = variant.fill(check.rule)
    if right == worlds:
        return Result(check.name, rule, check.points, check.points, right, worlds)
    failed = next((row for row in rows if row.fault is not None), None)     # None: the child did not come so far
    if failed is not None and check.shrink:
        failed = _shrunk(exercise, check, variant, source, failed)
    fault = None if failed is None else _fault(check, failed)
    return Result(check.name, rule, 0, check.points, right, worlds, fault)


def _shrunk(exercise, check, variant, source, row):
    """The smallest case on the way down from `row` that still goes wrong."""
    for _ in range(ROUNDS_OF_SHRINKING):
        cases = [list(case) for case in check.shrink(row.case)]
        if not cases:
            break
        seen = observe(source, exercise.name, [(check.drive, cases, check.steps)])
        if seen.verdict:
            break
        rows = _rows(check, variant, cases, seen.parts[0])
        if seen.spent:
            rows.append(_spent_row(check, cases[len(rows)], seen))
        smaller = next((each for each in rows if each.fault is not None), None)
        if smaller is None:
            break
        row = smaller
    return row


# == How a failure is told =========================================================================


def _fault(check, row):
    why = row.fault if isinstance(row.fault, str) else ""
    typed = check.typed(row.case)
    if isinstance(row.seen, Stopped):
        return Fault(typed, f"It stopped at {row.seen}." if row.seen.line else f"It stopped: {row.seen}.", "", None)
    if check.judge:
        return Fault(typed, why, _picture(check, row.seen), None)
    if check.moves and isinstance(row.seen, list):
        return _first_wrong_move(check, row, typed)
    return Fault(typed, why, _picture(check, row.seen), _picture(check, row.wanted))


def _first_wrong_move(check, row, typed):
    """Told by the first move after which the two states differ."""
    moves = check.moves(row.case)
    differ = [not _same(row.seen[at:at + 1], row.wanted[at:at + 1]) for at in range(len(moves))]
    at = differ.index(True) if True in differ else len(moves) - 1
    before = _picture(check, row.wanted[at - 1]) if at else None
    yours = _picture(check, row.seen[at]) if at < len(row.seen) else "(nothing)"
    return Fault(typed, "", yours, _picture(check, row.wanted[at]), f"move {at + 1}, {moves[at]}", before)


def _picture(check, seen):
    try:
        return _short(seen) if isinstance(seen, dict) and set(seen) == {"?"} else check.state(seen)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError):
        return _short(seen)     # a state that is none: shown as it is


def _short(seen):
    text = seen["?"] if isinstance(seen, dict) and set(seen) == {"?"} else repr(seen)
    return text if len(text) <= 200 else text[:200] + " ..."


def _recognised(exercise, variant, rows):
    """(name, sentence) of the first misconception that behaves like this, or two empty texts."""
    for misconception in exercise.misconceptions:
        try:
            if rows and misconception.when(variant, rows):
                return misconception.name, variant.fill(misconception.says)
        except (TypeError, ValueError, KeyError, IndexError, AttributeError):
            continue        # a recogniser for numbers, asked about something else: then it is not that
    return "", ""

