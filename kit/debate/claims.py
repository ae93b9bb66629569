"""claims: all claims that are tried, in the order of the mails: Molnar's, then LaHaise's."""

from kit.debate import (
    admission_trial,
    backing_trial,
    complexity_trial,
    composite_trial,
    drift_trial,
    duplication_trial,
    frontier,
    half_full_trial,
    idle_trial,
    ladder_trial,
    layer_trial,
    lock_trial,
    mixed_trial,
    pointer_trial,
    statistics_trial,
)
from kit.errors import BadInput

CLAIMS = {one.name: one for one in (
    backing_trial.M1, mixed_trial.M2, ladder_trial.M3, lock_trial.M4, complexity_trial.M5, composite_trial.M6,
    duplication_trial.L1, frontier.L2, idle_trial.L3, pointer_trial.L4, drift_trial.L5,
    half_full_trial.L6, complexity_trial.L7, admission_trial.L8, statistics_trial.L9,
    layer_trial.L10)}


def claim(name):
    """The claim of that name, M3 or m3; BadInput, with those that there are, if it is not tried here."""
    if name.upper() not in CLAIMS:
        raise BadInput(f"no claim {name!r} is tried here. There are: {', '.join(CLAIMS)}.")
    return CLAIMS[name.upper()]
