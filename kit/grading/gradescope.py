"""For Gradescope: the results.json that its autograder picks up."""

import json

from kit.grading.report import PASSED


def results(reports):
    """The text of results.json: a test an exercise, a recognised misconception as its tag."""
    return json.dumps({"visibility": "visible", "stdout_visibility": "hidden",
                       "tests": [_test(report) for report in reports]}, indent=1) + "\n"


def _test(report):
    return {
        "name": f"{report.exercise} {report.title}",
        "number": report.exercise,
        "score": report.points,
        "max_score": report.of,
        "status": "passed" if report.outcome == PASSED else "failed",
        "output": report.text(),
        "tags": [report.misconception or report.outcome],
        "visibility": "visible",
    }
