"""lines: what a line of a recording says, and the rules that all of them keep.

A recording has one line for each event.  It is read in two passes: one pattern over the whole text
says in a few milliseconds that every line has the form of an event (and only when one has not is it
looked at field by field, to say what is wrong); then the events are walked through in order, to see
that together they tell a possible story.  recording.py lists the rules; a broken one is a BadInput
that names the file, the line and the rule.
"""

import re
from typing import NamedTuple

from kit.errors import BadInput
from kit.linux.flags import translate


class PageEvent(NamedTuple):
    """One line of a recording of pages: `PageEvent(276, 0, "alloc", 0, 0, GFP_KERNEL, "GFP_KERNEL_ACCOUNT|...")`."""

    time_us: int        # microseconds from the start
    cpu: int
    event: str          # "alloc" or "free"
    block: int          # stands for an address: the n-th block allocated is n
    order: int          # the block has 2**order pages
    gfp: int            # the kit's mask (flags.py); 0 for a free
    flags: str          # the mask as Linux printed it; "" for a free


class ObjectEvent(NamedTuple):
    """One line of a recording of slab objects: `ObjectEvent(33, 0, "alloc", 7, "bio-184", 184, 192, 0, ...)`."""

    time_us: int
    cpu: int
    event: str
    object: int
    cache: str          # SLUB merges caches of like size, so the name can be that of another one
    bytes_requested: int    # 0 for a free
    bytes_allocated: int    # 0 for a free
    gfp: int
    flags: str
    caller: str         # the kernel function that asked


def events_of(name, text):
    """The kind ("pages" or "objects") and the events of a whole recording; `name` is for the errors."""
    for kind, (header, pattern, check) in _KINDS.items():
        if text.startswith(header + "\n"):
            return kind, check(name, _rows(name, text[len(header) + 1:], header, pattern))
    first = text.partition("\n")[0][:80]
    expected = " or ".join(header for header, _, _ in _KINDS.values())
    raise wrong(name, 1, f"{first!r} is not the header of a recording", f"a recording starts with {expected}")


def wrong(name, line, what, rule):
    """The error for line `line` of file `name`."""
    return BadInput(f"{name}, line {line}: {what}. Rule: {rule}.")


# == The form of a line ============================================================================


def _rows(name, body, header, pattern):
    """The fields of every line, matched by `pattern` in one go; a line that does not match is explained."""
    rows = pattern.findall(body)
    if len(rows) == body.count("\n") and body.endswith("\n"):
        return rows
    lines = body.split("\n")
    for number, line in enumerate(lines[:-1], 2):
        if not pattern.fullmatch(line + "\n"):
            raise wrong(name, number, *_misfit(line, header))
    if lines[-1]:
        raise wrong(name, len(lines) + 1, "the file is cut off inside this line", "every line ends with a newline")
    raise wrong(name, 2, "there is no event", "a recording has at least one")


def _misfit(line, header):
    """What is wrong with a line that does not have the form of an event, and the rule."""
    fields, columns = line.split(","), header.split(",")
    if len(fields) != len(columns):
        return f"{len(fields)} fields instead of {len(columns)}", f"the columns are {header}"
    for column, field in zip(columns, fields, strict=True):
        form, rule = _FIELDS[column]
        if not re.fullmatch(form, field):
            return f"{column} is {field!r}", rule
    return f"this {fields[2]} has the columns of the other event", "an alloc states its request, a free leaves it out"


_NUMBER, _CPU, _ORDER = "0|[1-9][0-9]{0,14}", "0|[1-9][0-9]{0,3}", "10|[0-9]"
_NAME, _MASK = r"[^,\n]+", r"[A-Za-z0-9_|]+"
_FIELDS = {
    "time_us": (_NUMBER, "a time is a number of microseconds"),
    "cpu": (_CPU, "a CPU has a number"),
    "event": ("alloc|free", "an event is alloc or free"),
    "block": (_NUMBER, "a block has a number"),
    "object": (_NUMBER, "an object has a number"),
    "order": (_ORDER, "an order is 0 to 10, as in Linux 6.18"),
    "cache": (_NAME, "a cache has a name"),
    "bytes_requested": (f"(?:{_NUMBER})?", "a size is a number of bytes"),
    "bytes_allocated": (f"(?:{_NUMBER})?", "a size is a number of bytes"),
    "gfp": (f"(?:{_MASK})?", "a mask is flags joined by |"),
    "caller": (_NAME, "a caller has a name"),
}

# Group 3 matches for an alloc only, and (?(3)...|) then asks for what a free leaves empty.
_PAGES = re.compile(rf"^({_NUMBER}),({_CPU}),(?:(alloc)|free),({_NUMBER}),({_ORDER}),(?(3)({_MASK})|)\n", re.M)
_OBJECTS = re.compile(rf"^({_NUMBER}),({_CPU}),(?:(alloc)|free),({_NUMBER}),({_NAME}),"
                      rf"(?(3)({_NUMBER})|),(?(3)({_NUMBER})|),(?(3)({_MASK})|),({_NAME})\n", re.M)


# == From lines to events ==========================================================================


def _page_events(name, rows):
    events, lives, masks, before = [], _Lives(name, "block"), {"": 0}, 0
    for line, (time, cpu, alloc, block, order, flags) in enumerate(rows, 2):
        time, block, order = int(time), int(block), int(order)
        if time < before:
            raise _backwards(name, line, time, before)
        if flags not in masks:
            masks[flags] = _mask(name, line, flags)
        if alloc:
            lives.alloc(line, block, order)
        else:
            lives.free(line, block, order)
        events.append(PageEvent(time, int(cpu), alloc or "free", block, order, masks[flags], flags))
        before = time
    return events


def _object_events(name, rows):
    events, lives, masks, sizes, before = [], _Lives(name, "object"), {"": 0}, {}, 0
    for line, (time, cpu, alloc, number, cache, requested, allocated, flags, caller) in enumerate(rows, 2):
        time, number, requested, allocated = int(time), int(number), int(requested or 0), int(allocated or 0)
        if time < before:
            raise _backwards(name, line, time, before)
        if flags not in masks:
            masks[flags] = _mask(name, line, flags)
        if alloc:
            lives.alloc(line, number, cache)
            _check_size(name, line, cache, requested, allocated, sizes)
        else:
            lives.free(line, number, cache)
        events.append(ObjectEvent(time, int(cpu), alloc or "free", number, cache, requested, allocated,
                                  masks[flags], flags, caller))
        before = time
    return events


_KINDS = {
    "pages": ("time_us,cpu,event,block,order,gfp", _PAGES, _page_events),
    "objects": ("time_us,cpu,event,object,cache,bytes_requested,bytes_allocated,gfp,caller", _OBJECTS, _object_events),
}


class _Lives:
    """Which numbers are in use: each is allocated in its turn and freed once, as what it was allocated as."""

    def __init__(self, name, thing):
        self.name, self.thing = name, thing     # thing: "block" or "object"
        self.kinds = []                         # of number n: its order or its cache
        self.freed = {}                         # number: the line that freed it

    def alloc(self, line, number, kind):
        if number != len(self.kinds):
            raise wrong(self.name, line, f"{self.thing} {number} is allocated where {len(self.kinds)} should be",
                         "allocations are numbered in their order, so that a lost one shows")
        self.kinds.append(kind)

    def free(self, line, number, kind):
        thing = f"{self.thing} {number}"
        if number >= len(self.kinds):
            raise wrong(self.name, line, f"{thing} is freed, but no line before allocates it",
                         "a free is listed only for what the recording saw allocated")
        if number in self.freed:
            raise wrong(self.name, line, f"{thing} is freed a second time (first on line {self.freed[number]})",
                         "what is freed is in use")
        if kind != self.kinds[number]:
            raise wrong(self.name, line, f"{thing} is freed as {kind}, but was allocated as {self.kinds[number]}",
                         f"{'an order' if self.thing == 'block' else 'a cache'} is the same at both ends")
        self.freed[number] = line


def _check_size(name, line, cache, requested, allocated, sizes):
    if not 0 < requested <= allocated:
        raise wrong(name, line, f"{requested} bytes are requested of {cache} and {allocated} allocated",
                     "a request is for at least a byte, and gets at least what it asked for")
    if not 4 <= allocated <= 131_072:
        raise wrong(name, line, f"an object of {cache} has {allocated} bytes",
                    "a slab cache of the kit holds objects of 4 to 131,072 bytes")
    if sizes.setdefault(cache, allocated) != allocated:
        raise wrong(name, line, f"an object of {cache} has {allocated} bytes, an earlier one {sizes[cache]}",
                     "the objects of a cache are of one size")


def _mask(name, line, flags):
    try:
        return translate(flags)
    except BadInput as error:
        raise wrong(name, line, str(error).rstrip("."), "a mask consists of flags that Linux 6.18 prints") from None


def _backwards(name, line, time, before):
    return wrong(name, line, f"time {time} comes after {before}", "time never goes back")
