"""Schedules: a run, told in letters, so that it can be passed on by message and seen again.

    AAB1z(T21)a

A capital is a turn of a task, in the order of spawning (A to T); z, y, x ... u are devices and timers
in the order of their first use; a small a to t is the time-out of that task's sleep.  When the letters
have run out, a number in parentheses follows: (T21), (t21), (d7).  Digits are the answers that
`choose` gave in the turn before them, as positions among its options; {12} is a position of two digits.
"""

import re

from kit.errors import BadInput

_TURN = re.compile(r"\s*([A-Za-z]|\([^()\s]+\))((?:\d|\{\d+\})*)\s*")


def task_letter(number):
    """The letter of the task that was spawned after `number` others."""
    return chr(ord("A") + number) if number < 20 else f"(T{number + 1})"


def timeout_letter(task_letter):
    """The letter of the time-out of that task."""
    return task_letter.lower()


def device_letter(number):
    """The letter of the device that was first used after `number` others."""
    return chr(ord("z") - number) if number < 6 else f"(d{number + 1})"


def answer_digits(index):
    """How a schedule writes that `choose` took its option number `index`."""
    return str(index) if index < 10 else f"{{{index}}}"


def read_schedule(text):
    """The turns of a schedule, as (letter, answers) pairs: "AB1a" -> [("A", []), ("B", [1]), ("a", [])]."""
    turns, end = [], 0
    while end < len(text.rstrip()):
        turn = _TURN.match(text, end)
        if not turn:
            raise BadInput(f"a schedule is letters and digits, such as AABz0; at position {end + 1} "
                           f"there is {text[end]!r}.")
        answers = [int(digits.strip("{}")) for digits in re.findall(r"\d|\{\d+\}", turn[2])]
        turns.append((turn[1], answers))
        end = turn.end()
    return turns
