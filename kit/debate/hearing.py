"""hearing: every claim tried under several seeds, on as many workers as there are.

The work goes to any concurrent.futures.Executor: threads of this process for a quick look, processes
for several cores, a cluster's executor for more.  Results come back in the order of the claims,
whoever finished first.
"""

from dataclasses import dataclass

from kit.debate.claim import DEPENDS, Claim, Evidence, Verdict
from kit.debate.claims import CLAIMS, claim


@dataclass(frozen=True)
class Finding:
    """What came of one claim: the evidence under the first seed, and the verdict under all of them."""

    claim: Claim
    evidence: Evidence
    verdict: Verdict
    words_by_seed: dict     # seed -> the verdict's word under that seed


def hear(names=None, seeds=(0,), record=False, executor=None, progress=iter):
    """The Findings on these claims (all, unless named), each tried once a seed.

    record: with the full number of runs.  progress: wraps the results as they come, for a bar.
    """
    wanted = [claim(name).name for name in names] if names else list(CLAIMS)
    tasks = [(name, seed, record) for name in wanted for seed in seeds]
    run = executor.map if executor else map
    trials = dict(zip(tasks, progress(run(_try, tasks)), strict=True))
    return [_finding(name, {seed: trials[name, seed, record] for seed in seeds}) for name in wanted]


def _try(task):
    """One trial; a function of plain values alone, so that it can be sent to another process."""
    name, seed, record = task
    one = claim(name)
    return one.trial(seed, **(one.recorded if record else {}))


def _finding(name, trials):
    evidence, verdict = next(iter(trials.values()))
    words = {seed: f"{one.word} {one.on}".rstrip() for seed, (_, one) in trials.items()}
    if len(set(words.values())) > 1:
        counted = ", ".join(f"{word} under {list(words.values()).count(word)}" for word in sorted(set(words.values())))
        verdict = Verdict(DEPENDS, f"of {len(words)} seeds, {counted}", on="chance")
    return Finding(claim(name), evidence, verdict, words)
