"""kit: the front door.  These are the names that a notebook imports, in reading order.

    from kit import Machine, Mempool, watch

A name is fetched from its module when it is first asked for, so `import kit` costs next to nothing
and a notebook on pages never loads the explorer.  Whoever reads on goes from here to the module
named on the right; the floors of the house are in tests/test_house.py.
"""

import importlib

_FRONT_DOOR = {
    # What a caller permits
    "GFP_KERNEL": "kit.gfp",
    "GFP_NOIO": "kit.gfp",
    "GFP_ATOMIC": "kit.gfp",
    "spell": "kit.gfp",
    # What happened, in order
    "watch": "kit.trace",
    "Trail": "kit.trace",
    # Where somebody else may come in, and who may sleep
    "step": "kit.traps",
    "sleep": "kit.traps",
    "choose": "kit.traps",
    "might_sleep": "kit.traps",
    "never_sleeps": "kit.traps",
    "Spinlock": "kit.locks",
    "Mutex": "kit.locks",
    "WaitQueue": "kit.locks",
    # The allocators
    "Pages": "kit.memory.zones",
    "Zone": "kit.memory.zones",
    "MB": "kit.memory.zones",
    "Cache": "kit.memory.slab",
    "Kmalloc": "kit.memory.kmalloc",
    "Mempool": "kit.memory.mempool",
    "MAIL": "kit.memory.mempool",
    "LINUX_2_5_1": "kit.memory.mempool",
    "Refusing": "kit.memory.promises",
    "Wavering": "kit.memory.promises",
    "Sleeping": "kit.memory.promises",
    "Ledger": "kit.memory.ledger",
    # Whose turn it is
    "Machine": "kit.machine.core",
    "Deadlock": "kit.machine.core",
    "NoEnd": "kit.machine.core",
    "Disk": "kit.machine.disk",
    # Every schedule, and one that was passed on
    "explore": "kit.machine.explore",
    "replay": "kit.drivers.small_worlds",
}

__all__ = list(_FRONT_DOOR)


def __getattr__(name):
    if name not in _FRONT_DOOR:
        raise AttributeError(f"kit has no name {name!r} at its front door, which knows: {', '.join(__all__)}")
    value = getattr(importlib.import_module(_FRONT_DOOR[name]), name)
    globals()[name] = value     # from now on without this function
    return value


def __dir__():
    return sorted([*globals(), *__all__])
