"""For nbgrader: grade without running the learner's notebook.

nbgrader executes a submission in one kernel, where a learner's cell can exchange whatever the cells below
it call.  This preprocessor stands in for that execution: it takes each answer out of the notebook,
has it graded in a child of its own, and writes the report where the check's output would be.  In
nbgrader_config.py:

    from kit.grading.nbgrader import instead_of_execute
    instead_of_execute(get_config())

Without it the same check cells work in nbgrader's own way, for those who trust their class.
"""

from kit.grading.exercise import exercises
from kit.grading.grade import grade
from kit.grading.notebooks import answer_to


def instead_of_execute(config):
    """Set nbgrader's autograde up to use grade_outside where it would execute the notebook."""
    from nbgrader.converters.autograde import Autograde
    from nbgrader.preprocessors import Execute, NbGraderPreprocessor

    class GradeOutside(NbGraderPreprocessor):
        def preprocess(self, nb, resources):
            return grade_outside(nb), resources

    steps = Autograde.autograde_preprocessors.default()
    config.Autograde.autograde_preprocessors = [GradeOutside if step is Execute else step for step in steps]


def grade_outside(notebook):
    """Fill the outputs of all check cells of an nbformat notebook, running none; returns it."""
    checks = {f"{id}-check": exercise for id, exercise in exercises().items()}
    for cell in notebook.cells:
        exercise = checks.get(cell.metadata.get("nbgrader", {}).get("grade_id"))
        if exercise:
            cell.outputs = _outputs(grade(exercise, answer_to(exercise, notebook)))
    return notebook


def _outputs(report):
    from nbformat.v4 import new_output
    return [new_output("stream", name="stdout", text=report.text() + "\n"),
            new_output("execute_result", data={"text/plain": str(report.points)}, execution_count=1)]
