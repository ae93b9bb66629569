"""A story with everything in it; run as a program it prints the digest of its trail, the same under every Python."""

import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kit import trace
from kit.locks import Mutex, Spinlock, WaitQueue
from kit.machine.core import Machine
from kit.machine.disk import Disk
from kit.traps import choose, note, sleep, step, yield_cpu


def trail(seed):
    """The trail of ten tasks on six CPUs, with locks, a disk, a timer, time-outs and chance."""
    machine = Machine(seed=seed)
    lock, mutex, queue = Spinlock("lock"), Mutex("mutex"), WaitQueue("queue")
    disk = Disk(machine, service_ns=1_700, cpu=2)

    async def done(request):
        async with lock:
            await step(f"complete {request}")
        queue.wake_one()

    async def works(number):
        for turn in range(6):
            what = choose("what next?", ("step", "lock", "mutex", "sleep", "disk", "yield"))
            note("decides", what, turn=turn, where=("task", number), why=None)
            if what == "lock":
                async with lock:
                    await step("locked")
            elif what == "mutex":
                async with mutex:
                    await step("alone")
            elif what == "sleep":
                with queue.queued():
                    await sleep(queue, timeout=900 + 100 * number)
            elif what == "disk":
                disk.submit(f"request {number}.{turn}", done)
            elif what == "yield":
                await yield_cpu("others first")
            await step(what)

    for number in range(10):
        machine.spawn("worker", works, number, cpu=number % 6)
    machine.timer("alarm", queue.wake_all, after=2_500)
    with trace.watch() as seen:
        machine.run()
    return seen


def digest():
    """One number for a dozen trails, as text, as JSON and as a Chrome trace."""
    whole = hashlib.sha256()
    for seed in range(12):
        seen = trail(seed)
        for text in (str(seen), seen.to_json(), seen.to_chrome()):
            whole.update(text.encode())
    return whole.hexdigest()


if __name__ == "__main__":
    print(digest())
