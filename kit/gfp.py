"""gfp: what a caller permits the allocator to do ("get free pages").

Every allocation carries such a mask.  It never says what the caller *wants*; it says what the
allocator *may do* to get it: sleep, start disk I/O, call into a file system, dig into the reserve.
The names and combinations are those of Linux 2.5.1 (include/linux/mm.h), where the absence of WAIT
alone meant "this is an interrupt, dig deeper"; the flags below the line came later and are used
only by the later forms of mempool in the museum.

Masks are plain integers: `gfp & WAIT` asks, `gfp & ~IO` forbids, and `spell(gfp)` reads one aloud.
"""

DMA = 0x01          # only memory that ISA devices can reach (below 16 MB)
HIGHMEM = 0x02      # memory that the kernel has no address for will do as well
WAIT = 0x10         # the caller may sleep
HIGH = 0x20         # the caller may dig into the emergency reserve (ignored in 2.5.1, revived July 2002)
IO = 0x40           # the allocator may start disk I/O
HIGHIO = 0x80       # ... also on pages in high memory, which need a bounce page first
FS = 0x100          # the allocator may call into a file system

GFP_ATOMIC = HIGH
GFP_NOIO = HIGH | WAIT
GFP_NOHIGHIO = HIGH | WAIT | IO
GFP_NOFS = HIGH | WAIT | IO | HIGHIO
GFP_KERNEL = HIGH | WAIT | IO | HIGHIO | FS
GFP_USER = WAIT | IO | HIGHIO | FS
GFP_HIGHUSER = GFP_USER | HIGHMEM

# After 2.5.1 --------------------------------------------------------------------------------------
NORETRY = 0x1000    # one round of reclaim, then no (April 2003; used by mempool since 2005)
NOFAIL = 0x800      # never no, however long it takes (April 2003)
NOMEMALLOC = 0x10000    # not from the PF_MEMALLOC reserve, whoever asks (2005, for mempool)

# A task that is itself freeing memory may take the last page (a flag of the task, not of the call).
PF_MEMALLOC = 0x800

_MASKS = {
    GFP_KERNEL: "GFP_KERNEL", GFP_NOFS: "GFP_NOFS", GFP_NOHIGHIO: "GFP_NOHIGHIO",
    GFP_NOIO: "GFP_NOIO", GFP_HIGHUSER: "GFP_HIGHUSER", GFP_USER: "GFP_USER", GFP_ATOMIC: "GFP_ATOMIC",
}
_FLAGS = {
    "WAIT": WAIT, "HIGH": HIGH, "IO": IO, "HIGHIO": HIGHIO, "FS": FS, "DMA": DMA, "HIGHMEM": HIGHMEM,
    "NORETRY": NORETRY, "NOFAIL": NOFAIL, "NOMEMALLOC": NOMEMALLOC,
}


def spell(gfp):
    """The mask as one would write it: `GFP_NOIO`, `GFP_KERNEL|DMA`, `WAIT|IO`, or `0`."""
    for mask, name in _MASKS.items():
        rest = gfp & ~mask
        if gfp & mask == mask and not rest & GFP_KERNEL:
            return "|".join([name] + [flag for flag, bit in _FLAGS.items() if rest & bit])
    return "|".join(flag for flag, bit in _FLAGS.items() if gfp & bit) or "0"
