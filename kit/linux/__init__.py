"""linux: real input.  What a running Linux allocated, and what it says of its allocators.

    recording.py    recordings of page blocks and slab objects, read and checked; lines.py has the rules
    flags.py        the masks of today in the words of 2001
    rerun.py        a recording through the kit's own page and slab allocators
    bios.py         the recorded bios through mempools, under pressure
    procfs.py       /proc/buddyinfo and /proc/slabinfo, printed from the model and read from real files

Floor 4: stands on memory/ and machine/, and nothing there knows of it.
"""

from kit.linux.bios import bios, run_bios
from kit.linux.flags import translate
from kit.linux.recording import Recording, names, read
from kit.linux.rerun import run_objects, run_pages

__all__ = ["Recording", "bios", "names", "read", "run_bios", "run_objects", "run_pages", "translate"]
