"""procfs: /proc/buddyinfo and /proc/slabinfo, printed from the model and read from a real Linux.

Both files are the kernel's own account of its allocators, and both have kept their form for decades:
one line for each zone with its free blocks by order, one line for each slab cache with its objects
and slabs.  What the kit prints can be laid beside what `cat` prints, and what `cat` printed, then or
today, can be read here:

    print(buddyinfo(zone_rows(pages)))      the kit's zones, as the kernel would print them
    print(slabinfo(cache_rows(caches)))     the kit's slab caches, likewise
    own("buddyinfo")                        the rows of the machine that this runs on
    read_slabinfo(text)                     version 1.1 (2.5.1 and before) or 2.1 (today)

Always true: rows that are printed are read back as the same rows, but for the columns that a version
does not have; a text that the kernel printed is read and printed again as the same text.  A damaged
line is a BadInput that names line and rule.

Left out: version 2.0, and the extra columns of kernels built with slab statistics.
Beside it: frag_show_print() in mm/vmstat.c, s_show() in mm/slab.c of 2.5.1 and mm/slab_common.c.
"""

import re
from pathlib import Path
from typing import NamedTuple

from kit.errors import BadInput


class ZoneRow(NamedTuple):
    """One line of /proc/buddyinfo: `ZoneRow(0, "Normal", (663, 482, 313))`."""

    node: int
    zone: str
    free: tuple         # free blocks of order 0, 1, 2 ...

    @property
    def pages(self):
        """All free pages of the zone."""
        return sum(blocks << order for order, blocks in enumerate(self.free))


class CacheRow(NamedTuple):
    """One line of /proc/slabinfo; the names are those of its own header since version 2.0."""

    name: str
    active_objs: int            # in use
    num_objs: int               # that there is room for
    objsize: int                # bytes, with padding
    pagesperslab: int
    active_slabs: int           # with an object in use
    num_slabs: int
    objperslab: int | None = None       # 1.1 does not tell
    limit: int | None = None            # objects that a CPU keeps; None without per-CPU arrays
    batchcount: int | None = None       # objects that go to or from its array at a time
    sharedfactor: int = 0               # since 2.6
    sharedavail: int = 0


# == From the model ================================================================================

_ZONES = {"NORMAL": "Normal", "HIGHMEM": "HighMem"}     # as the kernel spells them


def zone_rows(pages):
    """The ZoneRows of a page allocator (memory/zones.py), in the order of its zones."""
    return [ZoneRow(0, _ZONES.get(zone.name, zone.name), tuple(zone.buddy.counts())) for zone in pages.zones]


def cache_rows(caches):
    """The CacheRows of slab caches (memory/slab.py).  What lies in a CPU's array counts as in use, as in 2.5.1."""
    return [CacheRow(line.name, line.active_objects, line.objects, line.size, line.pages_per_slab, line.active_slabs,
                     line.slabs, cache.geometry.objects, line.limit, line.batch)
            for cache in caches for line in [cache.slabinfo()]]


# == /proc/buddyinfo ===============================================================================


def buddyinfo(rows):
    """The text of /proc/buddyinfo that says these ZoneRows."""
    return "".join(f"Node {row.node}, zone {row.zone:>8} " + "".join(f"{blocks:6} " for blocks in row.free) + "\n"
                   for row in rows)


def read_buddyinfo(text, name="buddyinfo"):
    """The ZoneRows in a text of that form; `name` is what an error calls it."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        match = re.fullmatch(r"Node +([0-9]{1,9}), zone +(\S+) +(\S.*)", line)
        free = match[3].split() if match else [""]
        if not all(map(_is_number, free)):
            raise _damaged(name, number, line, "a zone reads `Node 0, zone   Normal` and its free blocks by order")
        rows.append(ZoneRow(int(match[1]), match[2], tuple(map(int, free))))
        if len(rows[-1].free) != len(rows[0].free):
            raise _damaged(name, number, line, f"every zone has as many orders as the first, {len(rows[0].free)}")
    return rows


# == /proc/slabinfo ================================================================================

_COLUMNS = ("# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>"
            " : tunables <limit> <batchcount> <sharedfactor>"
            " : slabdata <active_slabs> <num_slabs> <sharedavail>")


def slabinfo(rows, version="2.1"):
    """The text of /proc/slabinfo that says these CacheRows, as 2.5.1 would print it ("1.1") or today ("2.1").

    1.1 has the columns of an SMP kernel if a cache has per-CPU arrays.
    """
    if version == "2.1":
        return "\n".join(["slabinfo - version: 2.1", _COLUMNS, *map(_line_of_2_1, rows), ""])
    if version != "1.1":
        raise BadInput(f"slabinfo of version {version!r} is not known here; 1.1 and 2.1 are.")
    smp = any(row.limit is not None for row in rows)
    header = "slabinfo - version: 1.1" + (" (SMP)" if smp else "")
    return "\n".join([header, *(_line_of_1_1(row, smp) for row in rows), ""])


def read_slabinfo(text, name="slabinfo"):
    """The CacheRows in a text of version 1.1 (with or without SMP) or 2.1."""
    lines = text.splitlines()
    header = lines[0] if lines else ""
    if header in ("slabinfo - version: 1.1", "slabinfo - version: 1.1 (SMP)"):
        form, start = _FORM_1_1_SMP if header.endswith("(SMP)") else _FORM_1_1, 1
    elif header == "slabinfo - version: 2.1":
        form, start = _FORM_2_1, 2
        if len(lines) < 2 or not lines[1].startswith("# name"):
            raise _damaged(name, 2, "".join(lines[1:2]), "line 2 of version 2.1 names the columns")
    else:
        raise _damaged(name, 1, header, "the first line is `slabinfo - version: 1.1`, with or without (SMP), or 2.1")
    return [_cache_row(name, number, line, form) for number, line in enumerate(lines[start:], start + 1)]


def _line_of_1_1(row, smp):
    line = (f"{row.name:<17} {row.active_objs:6} {row.num_objs:6} {row.objsize:6} "
            f"{row.active_slabs:4} {row.num_slabs:4} {row.pagesperslab:4}")
    return line + (f" : {row.limit or 0:4} {row.batchcount or 0:4}" if smp else "")


def _line_of_2_1(row):
    return (f"{row.name:<17} {row.active_objs:6} {row.num_objs:6} {row.objsize:6} "
            f"{row.objperslab or 0:4} {row.pagesperslab:4}"
            f" : tunables {row.limit or 0:4} {row.batchcount or 0:4} {row.sharedfactor:4}"
            f" : slabdata {row.active_slabs:6} {row.num_slabs:6} {row.sharedavail:6}")


# What follows the name in a line; words that are no column of CacheRow stand there as they are.
_FORM_1_1 = "active_objs num_objs objsize active_slabs num_slabs pagesperslab"
_FORM_1_1_SMP = _FORM_1_1 + " : limit batchcount"
_FORM_2_1 = ("active_objs num_objs objsize objperslab pagesperslab : tunables limit batchcount sharedfactor"
             " : slabdata active_slabs num_slabs sharedavail")


def _cache_row(name, number, line, form):
    columns, fields = form.split(), line.split()
    label, values = fields[:-len(columns)], fields[-len(columns):]      # a name may contain blanks: "fasync cache"
    if not label or any(not _is_number(value) if column in CacheRow._fields else value != column
                        for column, value in zip(columns, values, strict=True)):
        raise _damaged(name, number, line, f"a cache reads: name {form}")
    numbers = {column: int(value) for column, value in zip(columns, values, strict=True) if column in CacheRow._fields}
    row = CacheRow(" ".join(label), **numbers)
    if row.active_objs > row.num_objs or row.active_slabs > row.num_slabs:
        raise _damaged(name, number, line, "no more objects are in use than there are, and no more slabs")
    return row


def _is_number(text):
    return text.isascii() and text.isdecimal() and len(text) <= 20      # 64 bits


# == The machine that this runs on =================================================================


def own(name):
    """The rows of this machine's own /proc/buddyinfo or /proc/slabinfo.

    Where they cannot be had (no Linux, or no permission: slabinfo is for the administrator alone),
    a BadInput says so in a sentence.
    """
    readers = {"buddyinfo": read_buddyinfo, "slabinfo": read_slabinfo}
    path = Path("/proc", name)
    if name not in readers:
        raise BadInput(f"/proc/{name} is not read here; /proc/buddyinfo and /proc/slabinfo are.")
    try:
        return readers[name](path.read_text(encoding="ascii", errors="replace"), str(path))
    except FileNotFoundError:
        raise BadInput(f"this machine has no {path}: only a Linux does.") from None
    except PermissionError:
        raise BadInput(f"{path} is there, but this user may not read it; "
                       f"an administrator may: `sudo cat {path} > {name}.txt`.") from None


def _damaged(name, number, line, rule):
    return BadInput(f"{name}, line {number}: {line[:100]!r} is damaged. Rule: {rule}.")
