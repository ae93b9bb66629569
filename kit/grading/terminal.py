"""In a terminal: a table of points, and below it what is not there yet."""

import json

from kit.grading.report import NOT_YET


def table(reports):
    """One line an exercise and a total; then the whole text of each that was tried and is not there yet."""
    width = max(len(report.title) for report in reports)
    name = max(len(report.exercise) for report in reports)
    points, of = totals(reports)
    lines = [f"{each.exercise:<{name}}  {each.title:<{width}}  {each.points:>3} of {each.of:>3}  {each.outcome}"
             for each in reports]
    lines.append(f"{'':<{name}}  {'all together':<{width}}  {points:>3} of {of:>3}")
    paragraphs = [report.text() for report in reports if report.outcome == NOT_YET]
    return "\n\n".join(["\n".join(lines), *paragraphs])


def as_json(reports):
    """The same as JSON text, for programs."""
    points, of = totals(reports)
    return json.dumps({"points": points, "of": of, "exercises": [report.to_dict() for report in reports]}, indent=1)


def totals(reports):
    """(the points of all, what they could have been)."""
    return sum(report.points for report in reports), sum(report.of for report in reports)
