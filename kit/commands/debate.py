"""python -m kit debate: the claims of the two mails, each with its evidence and its verdict."""

import argparse
import json
import multiprocessing
import signal
import sys
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import nullcontext
from textwrap import fill

from kit.errors import KitError
from kit.progress import bar

WIDTH = 100


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
    from kit.debate.hearing import BrokenOff, hear
    seeds, status = range(20 if args.record else 2), 0
    with _workers(args.jobs) as executor:
        try:
            findings = hear(args.claims, seeds, args.record, executor, _with_a_bar)
        except BrokenOff as broken:
            for worker in multiprocessing.active_children():
                worker.terminate()
            print(f"kit: {broken}", file=sys.stderr)
            findings, status = broken.findings, 130
        except BrokenExecutor:
            raise KitError("a worker ended in the middle of a trial: is there memory for fewer --jobs only?") from None
    if findings:
        print(json.dumps([_as_dict(one) for one in findings], indent=1) if args.json else _as_text(findings))
    return status


def _with_a_bar(trials, total):
    return bar(trials, total=total, unit=" trials", desc="trying", smoothing=0)    # no two claims take the same time


def _workers(jobs):
    """So many processes, which leave an interrupt from the keyboard to us; None for one job."""
    if jobs == 1:
        return nullcontext()
    return ProcessPoolExecutor(jobs, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN))


def _as_dict(finding):
    claim, evidence, verdict = finding.claim, finding.evidence, finding.verdict
    return {"claim": claim.name, "who": claim.who, "words": claim.words, "question": claim.question,
            "columns": evidence.columns, "rows": evidence.rows, "verdict": verdict.word, "on": verdict.on,
            "because": verdict.because, "overturned by": claim.overturned_by, "tried": finding.tried,
            "by seed": finding.words_by_seed if claim.seeded else finding.tried}


def _as_text(findings):
    said = ("Words in quotation marks are from the mails. The cases made for Molnar and for LaHaise are this kit's, "
            "each as strong as we could make it; either man might have made another.")
    return "\n\n".join([fill(said, WIDTH), *(_finding(one) for one in findings), _scoreboard(findings)])


def _finding(finding):
    claim = finding.claim
    lines = [fill(f'{claim.name}  {claim.who}: "{claim.words}"', WIDTH, subsequent_indent="    "),
             _told("Question", claim.question), _told("For Molnar", claim.molnar),
             _told("For LaHaise", claim.lahaise),
             "", finding.evidence.text(), "",
             _told("Verdict", str(finding.verdict)), _told("Tried", finding.tried),
             _told("What would overturn it", claim.overturned_by)]
    if claim.history:
        lines.append(_told("What became of it", claim.history))
    return "\n".join(lines)


def _told(what, sentence):
    return fill(f"{what}: {sentence}", WIDTH, initial_indent="  ", subsequent_indent="    ")


def _scoreboard(findings):
    rows = []
    for one in findings:
        head = f"  {one.claim.name:3}  {one.claim.who}  {one.tried.split(':')[0]:16}"
        rows.append(fill(f"{one.verdict.word} {one.verdict.on}".rstrip(), WIDTH, initial_indent=head,
                         subsequent_indent=" " * len(head)))
    return "\n".join(["scoreboard", *rows])


def _count(text):
    if not text.isdecimal() or not 1 <= int(text) <= 99:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 99")
    return int(text)
