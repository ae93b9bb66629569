"""Set 04, Five levels."""

import re

from answers import changed

LOOKS_THEN_TAKES = """
from kit import never_sleeps, step
from kit.gfp import WAIT
from kit.memory.mempool import Rung

@Rung
@never_sleeps
async def drain_but(pool, gfp):
    if gfp & WAIT and len(pool.elements) <= 2:
        return None
    await step("take")
    return pool.take()
"""
WAIT_IN_QUEUE = """    with pool.wait.queued():
        await step("look again")
        if len(pool.elements) < 2:
            await sleep(pool.wait)"""
LADDER = "ask, drain, insist, queue"
GIVES_BACK = "await pool.free(each)"

WRONG = {
    "04-skim": {
        "rounds down": changed("04-skim", ("(least + 2) // 3", "least // 3")),
        "more than": changed("04-skim", ("(least + 2) // 3", "least // 3 + 1")),
        "half": changed("04-skim", ("(least + 2) // 3", "(least + 1) // 2")),
        "of what is there": changed("04-skim", ("(least + 2) // 3", "(len(pool.elements) + 2) // 3")),
        "may not climb": changed("04-skim", ("never_sleeps", "might_sleep")),
    },
    "04-order": {
        "the mail's order": changed("04-order", (LADDER, "ask, skim, insist, drain, queue")),
        "waits too soon": changed("04-order", (LADDER, "ask, drain, queue, insist")),
        "nobody waits": changed("04-order", (LADDER, "ask, drain, insist")),
        "skims only": changed("04-order", (LADDER, "ask, skim, insist, queue")),
    },
    "04-worlds": {
        "too much at once": changed("04-worlds", ('"spare": 1, "take": 4, "atomic": True', '"tasks": 2, "take": 3')),
        "ASK for the patient": changed("04-worlds", (', "atomic": True', "")),
        "INSIST on nothing": changed("04-worlds", ('"beneath": "slow", "take": 4', '"beneath": "refusing", "take": 3')),
        "DRAIN above the half": changed("04-worlds", ('{"take": 3}', '{"take": 2}')),
        "QUEUE with CPUs to burn": changed("04-worlds", (', "one_cpu": True', "")),
    },
    "04-keep": {
        "wrong way round": changed("04-keep", ("2 if gfp & WAIT else 0", "0 if gfp & WAIT else 2")),
        "from everybody": changed("04-keep", ("2 if gfp & WAIT else 0", "2")),
        "before the take": changed("04-keep", ("keep + 1", "max(keep, 1)")),
        "looks, then takes": LOOKS_THEN_TAKES,
    },
    "04-queue": {
        "while it is empty": changed("04-queue", ("len(pool.elements) < 2", "not pool.elements")),
        "polls": changed("04-queue", ("await sleep(pool.wait)", 'await step("perhaps now")')),
        "no second look": changed("04-queue", ("len(pool.elements) < 2", "True")),
        "takes as well": changed("04-queue", (WAIT_IN_QUEUE, WAIT_IN_QUEUE + "\n    return pool.take(at_least=2)")),
        "looks, then queues": changed("04-queue", (WAIT_IN_QUEUE, """    if len(pool.elements) < 2:
        await step("stand in the queue")
        with pool.wait.queued():
            await sleep(pool.wait)""")),
    },
    "04-atomic": {
        "sleeps": changed("04-atomic", ("pool.alloc(GFP_ATOMIC)", "pool.alloc()")),
        "tries again": changed("04-atomic", (f"""        for each in got:
                {GIVES_BACK}
            return None""", "        continue")),
        "keeps the first": changed("04-atomic", (GIVES_BACK, "pass")),
        "asks the pool alone": changed("04-atomic", ("    got = []", """    got = []
    if len(pool.elements) < 2:
        return None""")),
        "wakes nobody": changed("04-atomic", (GIVES_BACK, "pool.elements.append(each)")),
    },
}



def more(line, size):
    """The name of a mutant that only has another size, as in "'take': 5"."""
    name = size.partition(":")[0]
    return f"{line} -> {re.sub(rf'{name}: [0-9]', size, line)}"


# (exercise, what changed): why it is the same answer.
EQUIVALENT = {
    ("04-worlds", more("return {'spare': 1, 'take': 4, 'atomic': True}", "'spare': 2")):
        "the allocator may have one more to spare: the pool alone still has too few",
    ("04-worlds", more("return {'beneath': 'slow', 'take': 4}", "'take': 5")):
        "any number above the pool's size will do",
    ("04-worlds", "if rung == 'DRAIN': -> pass"): "the world for QUEUE misses DRAIN as well",
    ("04-worlds", "return {'take': 3} -> pass"): "the same",
    ("04-worlds", more("return {'tasks': 2, 'take': 2, 'one_cpu': True}", "'tasks': 3")):
        "a third task waits like the second; on one CPU each takes both before it lets the next one run",
    ("04-worlds", more("return {'tasks': 2, 'take': 2, 'one_cpu': True}", "'take': 3")):
        "the same for all three elements",
    ("04-keep", "keep = 2 if gfp & WAIT else 0 -> keep = 2 if gfp & WAIT else -1"):
        "take(at_least=0) asks for one, too: an empty pool has nothing to give",
    ("04-queue", "await step('look again') -> pass"):
        "the look and the sleep lie in one instant then, so that nothing is lost",
}
