"""hearing: every claim tried under several seeds, on as many workers as there are.

The work goes to any concurrent.futures.Executor: processes for several cores, a cluster's executor for
more.  Threads take turns, since in one interpreter only one task of a machine can be the current one.
Findings come in the order of the claims, whoever finished first.
"""

from concurrent.futures import as_completed
from dataclasses import dataclass
from threading import Lock

from kit.debate.claim import DEPENDS, Claim, Evidence, Verdict
from kit.debate.claims import CLAIMS, claim

_one_at_a_time = Lock()


@dataclass(frozen=True)
class Finding:
    """What came of one claim: the evidence under the first seed, and the verdict under all of them."""

    claim: Claim
    evidence: Evidence
    verdict: Verdict
    words_by_seed: dict     # seed -> the verdict's word under that seed

    @property
    def tried(self):
        """Under how many seeds, as words."""
        count = len(self.words_by_seed)
        return f"under {count} seed{'s' * (count != 1)}" if self.claim.seeded else "once: the seed has no part in it"


class BrokenOff(KeyboardInterrupt):
    """An interrupt from the keyboard, with the Findings on what had been tried by then."""

    def __init__(self, findings, done, total):
        super().__init__(f"broken off after {done} of {total} trials")
        self.findings = findings


def hear(names=None, seeds=(0,), record=False, executor=None, progress=lambda trials, total: trials):
    """The Findings on these claims (all, unless named), each tried once a seed, or once if no seed has a part in it.

    record: with the full number of runs.  progress: wraps the trials as they end, for a bar; it is told
    how many there are.  Raises BrokenOff at an interrupt; what an executor is doing then, its owner has to end.
    """
    wanted = list(dict.fromkeys(claim(name).name for name in names)) if names else list(CLAIMS)
    # Seed by seed, so that a claim that takes long is not all that is left to do at the end.
    tasks = [(name, seed, record) for seed in seeds for name in wanted if CLAIMS[name].seeded or seed == seeds[0]]
    trials = {}
    try:
        for task, outcome in progress(_tried(tasks, executor), len(tasks)):
            trials[task] = outcome
    except KeyboardInterrupt:
        raise BrokenOff(_findings(wanted, tasks, trials), len(trials), len(tasks)) from None
    return _findings(wanted, tasks, trials)


def _tried(tasks, executor):
    """(task, outcome) of each trial, as they end."""
    if not executor:
        yield from ((task, _try(task)) for task in tasks)
        return
    futures = {executor.submit(_try, task): task for task in tasks}
    for future in as_completed(futures):
        yield futures[future], future.result()


def _try(task):
    """One trial; a function of plain values alone, so that it can be sent to another process."""
    name, seed, record = task
    one = claim(name)
    with _one_at_a_time:
        return one.trial(seed, **(one.recorded if record else {}))


def _findings(wanted, tasks, trials):
    """The Findings on the claims that were tried at all, in their order."""
    by_claim = {name: {task[1]: trials[task] for task in tasks if task[0] == name and task in trials}
                for name in wanted}
    return [_finding(name, by_seed) for name, by_seed in by_claim.items() if by_seed]


def _finding(name, trials):
    evidence, verdict = next(iter(trials.values()))
    words = {seed: f"{one.word} {one.on}".rstrip() for seed, (_, one) in trials.items()}
    if len(set(words.values())) > 1:
        counted = ", ".join(f"{word} under {list(words.values()).count(word)}" for word in sorted(set(words.values())))
        verdict = Verdict(DEPENDS, f"of {len(words)} seeds, {counted}", on="chance")
    return Finding(claim(name), evidence, verdict, words)
