"""Set 09, The random arbitrary driver."""

from answers import changed

WRONG = {
    "09-order": {
        "the other way round": changed("09-order", (
            "    request = await requests.alloc()\n    buffer = await buffers.alloc()",
            "    buffer = await buffers.alloc()\n    request = await requests.alloc()")),
        "without leave to sleep": "from kit.gfp import GFP_ATOMIC\n" + changed(
            "09-order", ("buffers.alloc()\n    await disk", "buffers.alloc(GFP_ATOMIC)\n    await disk")),
        "too early": changed("09-order", (
            "    buffer = await buffers.alloc()\n    await disk",
            "    await requests.free(request)\n    buffer = await buffers.alloc()\n    await disk")),
        "kept": changed("09-order", ("    await buffers.free(buffer)", "    pass")),
    },
    "09-log": {
        "asleep with the lock": """
async def record(pool, log, disk):
    async with log.lock:
        element = await pool.alloc()
        log.enter(element)
    await disk.write(element)
    async with log.lock:
        log.cross_out(element)
    await pool.free(element)
""",
        "one long lock": """
async def record(pool, log, disk):
    element = await pool.alloc()
    async with log.lock:
        log.enter(element)
        await disk.write(element)
        log.cross_out(element)
    await pool.free(element)
""",
        "no lock": """
async def record(pool, log, disk):
    element = await pool.alloc()
    log.enter(element)
    await disk.write(element)
    log.cross_out(element)
    await pool.free(element)
""",
        "left in the log": changed("09-log", ("        log.cross_out(element)", "        pass")),
        "without leave to sleep": "from kit.gfp import GFP_ATOMIC\n" + changed(
            "09-log", ("pool.alloc()", "pool.alloc(GFP_ATOMIC)")),
    },
    "09-mirror": {
        "one at a time": """
async def mirror(pool, gate, disk):
    async with gate:
        elements = [await pool.alloc() for _ in range(2)]
        await disk.write(*elements)
        for element in elements:
            await pool.free(element)
""",
        "hold and wait": """
async def mirror(pool, gate, disk):
    async with gate:
        first = await pool.alloc()
    second = await pool.alloc()
    await disk.write(first, second)
    await pool.free(first)
    await pool.free(second)
""",
        "give way for ever": """
from kit.gfp import GFP_ATOMIC

async def mirror(pool, gate, disk):
    while True:
        first = await pool.alloc()
        second = await pool.alloc(GFP_ATOMIC)
        if second is not None:
            break
        await pool.free(first)
    await disk.write(first, second)
    await pool.free(first)
    await pool.free(second)
""",
        "not all in hand": """
async def mirror(pool, gate, disk):
    first = await pool.alloc()
    await pool.free(first)
    second = await pool.alloc()
    await disk.write(first, second)
    await pool.free(second)
""",
        "without leave to sleep": """
from kit.gfp import GFP_ATOMIC

async def mirror(pool, gate, disk):
    first = await pool.alloc()
    second = await pool.alloc(GFP_ATOMIC)
    await disk.write(first, second)
    await pool.free(first)
    await pool.free(second)
""",
    },
    "09-smallest": {
        "for everybody at once": "def smallest(needs):\n    return sum(needs)",
        "the full pool that hangs": "def smallest(needs):\n    return sum(need - 1 for need in needs)",
        "for one alone": "def smallest(needs):\n    return max(needs)",
        "for as many as there are tasks": "def smallest(needs):\n    return len(needs)",
    },
    "09-hang-pools": {
        "bad manners": """
async def stampede(memory):
    await memory.declare(2)
    await memory.take()
    await memory.take()
""",
        "beyond its word": """
async def stampede(memory):
    await memory.declare(1)
    units = [await memory.take() for _ in range(3)]
    for unit in units:
        await memory.give(unit)
""",
        "both hang": """
async def stampede(memory):
    page = await memory.grab()
    await memory.declare(3)
    units = [await memory.take() for _ in range(3)]
    for unit in units:
        await memory.give(unit)
    if page is not None:
        await memory.drop(page)
""",
        "nobody hangs": """
async def stampede(memory):
    await memory.declare(2)
    units = [await memory.take() for _ in range(2)]
    for unit in units:
        await memory.give(unit)
""",
    },
    "09-hang-promises": {
        "bad manners": """
async def latecomer(memory):
    await memory.declare(1)
    await memory.take()
    await memory.grab()
""",
        "beyond its word": """
async def latecomer(memory):
    page = await memory.grab()
    await memory.give(await memory.take())
    await memory.drop(page)
""",
        "both harmed": """
async def latecomer(memory):
    pages = []
    while len(pages) < 2:
        page = await memory.grab()
        if page is not None:
            pages.append(page)
    await memory.declare(1)
    await memory.give(await memory.take())
    for page in pages:
        await memory.drop(page)
""",
        "no harm": """
async def latecomer(memory):
    page = await memory.grab()
    await memory.declare(1)
    await memory.give(await memory.take())
    if page is not None:
        await memory.drop(page)
""",
    },
}

# (exercise, what changed): why it is the same answer.
EQUIVALENT = {
    ("09-order", "request = buffer = None -> pass"): "both are taken before they are used",
    ("09-hang-promises", "await memory.give(await memory.take()) -> pass"):
        "two of it hang in declare, before they come to take; and over a pool, who takes nothing cannot hang",
}
