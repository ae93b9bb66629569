"""python -m kit debate: the claims of the two mails, each with its evidence and its verdict."""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from textwrap import fill

from kit.progress import bar

WIDTH = 110


def add_parser(subparsers):
    """`debate`: the command and its flags."""
    parser = subparsers.add_parser(
        "debate", help="claims of the two mails, tried by experiment",
        description="Try claims of the two mails by experiment. Each verdict is computed from the table beside it; "
                    "one that is not the same under every seed reads: depends on chance.")
    parser.add_argument("claims", nargs="*", metavar="CLAIM", help="the name of a claim, M3 or L6 (all)")
    parser.add_argument("--json", action="store_true", help="evidence and verdicts as JSON")
    parser.add_argument("--jobs", type=_count, default=1, metavar="N", help="so many trials at a time (1)")
    parser.add_argument("--record", action="store_true", help="the full number of runs, under 20 seeds")
    parser.set_defaults(func=run)


def run(args):
    """Try the claims, with a progress bar; prints the findings, and a scoreboard at the end."""
    from kit.debate.hearing import hear
    seeds = range(20 if args.record else 2)
    with ProcessPoolExecutor(args.jobs) if args.jobs > 1 else nullcontext() as executor:
        findings = hear(args.claims, seeds, args.record, executor,
                        lambda trials: bar(trials, unit=" trials", desc="trying"))
    print(json.dumps([_as_dict(one) for one in findings], indent=1) if args.json else _as_text(findings))


def _as_dict(finding):
    claim, evidence, verdict = finding.claim, finding.evidence, finding.verdict
    return {"claim": claim.name, "who": claim.who, "words": claim.words, "question": claim.question,
            "columns": evidence.columns, "rows": evidence.rows, "verdict": verdict.word, "on": verdict.on,
            "because": verdict.because, "overturned by": claim.overturned_by, "by seed": finding.words_by_seed}


def _as_text(findings):
    return "\n\n".join([*(_finding(one) for one in findings), _scoreboard(findings)])


def _finding(finding):
    claim = finding.claim
    lines = [f'{claim.name}  {claim.who}: "{claim.words}"', _told("Question", claim.question),
             _told("Molnar", claim.molnar), _told("LaHaise", claim.lahaise), "", finding.evidence.text(), "",
             _told("Verdict", str(finding.verdict)), _told("What would overturn it", claim.overturned_by)]
    if claim.history:
        lines.append(_told("What became of it", claim.history))
    return "\n".join(lines)


def _told(what, sentence):
    return fill(f"{what}: {sentence}", WIDTH, initial_indent="  ", subsequent_indent="    ")


def _scoreboard(findings):
    lines = [f"  {one.claim.name:3}  {one.claim.who:12}  {one.verdict.word} {one.verdict.on}".rstrip()
             for one in findings]
    return "\n".join(["scoreboard", *lines])


def _count(text):
    if not text.isdecimal() or not 1 <= int(text) <= 99:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 99")
    return int(text)
