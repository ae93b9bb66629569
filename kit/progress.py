"""progress: a bar on stderr for work that takes a while, if somebody watches and tqdm is installed.

All of the kit but notebooks and exercises runs on the standard library alone; so does what shows a
bar, without the bar.
"""

import sys


def bar(work=None, **how):
    """`work`, one by one, with tqdm's bar (`how` goes there: unit, desc, total ...); or without any."""
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        return _NoBar(work)
    return tqdm(work, file=sys.stderr, **{"disable": None, "leave": False, **how})


class _NoBar:
    """What a bar can be asked, and nothing to see."""

    n = 0       # how many are done, as a bar counts

    def __init__(self, work):
        self.work = work

    def __iter__(self):
        return iter(self.work)

    def update(self, steps=1):
        """So many more are done."""

    def close(self):
        """All is done."""
