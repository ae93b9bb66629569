"""A disk: it takes requests at once, serves them one after the other, and answers by interrupt.

Always true: requests complete in the order of submission, and each exactly once.
Left out: seeks, merging, an elevator; what matters here is that the answer comes later, from
outside, and in a context that may not sleep.  Beside it: drivers/block/ll_rw_blk.c of Linux 2.5.1.
"""

from collections import deque

from kit import trace
from kit.traps import note


class Disk:
    """A block device on `machine` that needs `service_ns` for a request and interrupts `cpu`.

    spread: by what share of that a request takes longer or shorter, drawn from the machine's seed if it has one.
    """

    explored = ("waiting",)

    def __init__(self, machine, name="disk", service_ns=5_000_000, cpu=0, spread=0):
        self.machine, self.name = machine, name
        self.service_ns, self.cpu, self.spread = service_ns, cpu, spread
        self.waiting = deque()      # (request, done), the one being served first
        self.served = 0

    def __repr__(self):
        return self.name

    def submit(self, request, done):
        """Take `request`; when it is served, an interrupt runs the coroutine `done(request)`.

        Never sleeps and never fails.  `done` must not sleep either: it runs in the interrupt.
        """
        if trace.watchers:
            note("submit", self.name, request=request)
        self.waiting.append((request, done))
        if len(self.waiting) == 1:
            self._serve()

    def _serve(self):
        drawn = self.machine.random.uniform(-self.spread, self.spread) if self.spread and self.machine.random else 0
        self.machine.interrupt(self.name, self._complete, cpu=self.cpu, after=round(self.service_ns * (1 + drawn)))

    async def _complete(self):
        request, done = self.waiting.popleft()
        self.served += 1
        if self.waiting:
            self._serve()
        await done(request)
