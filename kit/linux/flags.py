"""flags: what a caller of today's Linux permits, in the words of 2001.

A recording of Linux 6.18 writes a mask as the kernel prints it, `GFP_NOFS|__GFP_ZERO|__GFP_NOFAIL`.
The kit's allocators speak the mask of 2.5.1 (gfp.py).  Three kinds of name have to be told apart:

    a combination that 2.5.1 had under the same name: taken as 2.5.1 had it
    a flag with a counterpart: WAIT is called __GFP_DIRECT_RECLAIM today, IO and HIGHIO are one
    a flag without one: NO_COUNTERPART says of each what it asks for; the kit leaves it out

GFP_KERNEL of 2.5.1 carried HIGH as well, which nothing looked at; it is kept, so that `gfp.spell`
reads the old name.  GFP_NOWAIT had no name in 2.5.1: it permits nothing, and its mask is 0.  Under
the rule of 2.5.1 that alone lets it dig to a quarter of the reserve.

Beside it: include/linux/gfp_types.h and include/trace/events/mmflags.h of Linux 6.18.
"""

from kit import gfp
from kit.errors import BadInput

SAME_NAME = {
    "GFP_ATOMIC": gfp.GFP_ATOMIC, "GFP_KERNEL": gfp.GFP_KERNEL, "GFP_NOIO": gfp.GFP_NOIO,
    "GFP_NOFS": gfp.GFP_NOFS, "GFP_USER": gfp.GFP_USER, "GFP_HIGHUSER": gfp.GFP_HIGHUSER, "GFP_DMA": gfp.DMA,
}
COUNTERPART = {
    "GFP_NOWAIT": 0,
    "GFP_KERNEL_ACCOUNT": gfp.GFP_KERNEL,
    "GFP_HIGHUSER_MOVABLE": gfp.GFP_HIGHUSER,
    "GFP_TRANSHUGE_LIGHT": gfp.GFP_HIGHUSER & ~gfp.WAIT | gfp.NOMEMALLOC,
    "GFP_TRANSHUGE": gfp.GFP_HIGHUSER | gfp.NOMEMALLOC,
    "__GFP_DIRECT_RECLAIM": gfp.WAIT,
    "__GFP_RECLAIM": gfp.WAIT,
    "__GFP_HIGH": gfp.HIGH,
    "__GFP_IO": gfp.IO | gfp.HIGHIO,
    "__GFP_FS": gfp.FS,
    "__GFP_DMA": gfp.DMA,
    "__GFP_HIGHMEM": gfp.HIGHMEM,
    "__GFP_NORETRY": gfp.NORETRY,
    "__GFP_NOFAIL": gfp.NOFAIL,
    "__GFP_NOMEMALLOC": gfp.NOMEMALLOC,
}
NO_COUNTERPART = {
    "GFP_DMA32": "below 4 GB; the i386 of 2001 had no such zone",
    "__GFP_DMA32": "below 4 GB; the i386 of 2001 had no such zone",
    "__GFP_KSWAPD_RECLAIM": "wake kswapd; 2.5.1 always woke it",
    "__GFP_RETRY_MAYFAIL": "try hard, then fail; 2.5.1 never gave up on small requests",
    "__GFP_MEMALLOC": "all of the reserve; in 2.5.1 a flag of the task, PF_MEMALLOC",
    "__GFP_ZERO": "zeroed; callers of 2001 cleared their pages themselves",
    "__GFP_COMP": "a compound page; 2.5.1 kept no track of which pages belong together",
    "__GFP_NOWARN": "no warning on failure",
    "__GFP_MOVABLE": "may be moved; 2.5.1 did not group pages by mobility",
    "__GFP_RECLAIMABLE": "can be reclaimed; 2.5.1 did not group pages by mobility",
    "__GFP_WRITE": "is going to be dirtied",
    "__GFP_HARDWALL": "only from the nodes of the caller's cpuset",
    "__GFP_THISNODE": "only from this node",
    "__GFP_ACCOUNT": "charged to a memory control group",
    "__GFP_ZEROTAGS": "memory tags cleared (arm64)",
    "__GFP_SKIP_ZERO": "not zeroed on allocation (a checker's)",
    "__GFP_SKIP_KASAN": "not tagged or poisoned (a checker's)",
    "__GFP_NOLOCKDEP": "not watched by lockdep (a checker's)",
    "__GFP_NO_OBJ_EXT": "no profiling record for it",
    "none": "no flag at all, as the kernel prints it",
}
_MASKS = {**SAME_NAME, **COUNTERPART, **dict.fromkeys(NO_COUNTERPART, 0)}


def translate(flags):
    """The kit's mask for `flags` as Linux prints them: "GFP_KERNEL|__GFP_ZERO" -> GFP_KERNEL.

    Flags of NO_COUNTERPART are left out; a name that Linux 6.18 does not print is a BadInput.
    """
    mask = 0
    for name in flags.split("|"):
        if name not in _MASKS:
            raise BadInput(f"{name!r} in {flags!r} is no gfp flag that Linux 6.18 prints.")
        mask |= _MASKS[name]
    return mask


def left_out(flags):
    """The names in `flags` that mean nothing to an allocator of 2001, in their order."""
    return [name for name in flags.split("|") if name in NO_COUNTERPART]
