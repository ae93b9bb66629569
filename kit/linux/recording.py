"""recording: allocations written down on a running Linux, read back and checked.

Everything else in the kit is a model; here is what it is a model of.  A recording is a CSV file,
plain or gzipped, with one line for each page block, or for each slab object, that a small workload
on Linux 6.18 allocated or freed (data/README.md tells how they were made):

    build-pages.csv.gz      time_us,cpu,event,block,order,gfp
    build-objects.csv.gz    time_us,cpu,event,object,cache,bytes_requested,bytes_allocated,gfp,caller

A file that breaks one of these rules is refused whole, with its name, the line and the rule:

    the header is one of the two above, and every line has its fields
    time never goes back
    blocks and objects are numbered 0, 1, 2 ... in the order of allocation, so that a lost one shows
    what is freed was allocated before, is still in use, and has the order or cache it was allocated with
    the objects of a cache are all of one size, which a slab can hold, and no smaller than what was asked for
    a mask consists of flags that Linux 6.18 prints

What was never freed was still in use at the end.  A plain CSV file that was cut off exactly at the
end of a line cannot be told from a shorter recording; a gzip file can, wherever it was cut.
"""

import gzip
import zlib
from functools import cached_property
from pathlib import Path

from kit.errors import BadInput
from kit.linux.lines import events_of, wrong

DATA = Path(__file__).parent / "data"
LARGEST = 1 << 28       # bytes of text: more than any recording, less than what would fill the machine


class Recording:
    """The events of one file, in order: `len(recording)`, `for event in recording`, `recording[0]`."""

    def __init__(self, name, kind, events):
        self.name, self.kind, self.events = name, kind, events      # kind: "pages" or "objects"

    def __repr__(self):
        return f"<recording {self.name}: {len(self):,} events of {self.kind} in {self.span_us / 1e6:.3f} s>"

    def __len__(self):
        return len(self.events)

    def __iter__(self):
        return iter(self.events)

    def __getitem__(self, index):
        return self.events[index]

    def column(self, name):
        """One column as a list: `recording.column("order")`.  The names are the fields of an event."""
        fields = self.events[0]._fields
        if name not in fields:
            raise BadInput(f"{self.name} has no column {name!r}; it has {', '.join(fields)}.")
        return [getattr(event, name) for event in self.events]

    @cached_property
    def allocations(self):
        """The events that allocate: number n is that of block or object n."""
        return [event for event in self.events if event.event == "alloc"]

    @property
    def span_us(self):
        """Microseconds from the first event to the last, as the real kernel took them."""
        return self.events[-1].time_us - self.events[0].time_us


def names():
    """The short names of the recordings that come with the kit, such as `journal-objects`."""
    return [_short(path) for path in sorted(DATA.glob("*.csv.gz"))]


def read(file):
    """The Recording in `file`: a path, or the short name of one that comes with the kit.

    Reads and checks all of it before it returns; anything wrong is a BadInput that names the file,
    the line and the rule.
    """
    path = _find(file)
    text = _text(path)
    return Recording(_short(path), *events_of(path.name, text))


def _find(file):
    packaged = {_short(path): path for path in DATA.glob("*.csv.gz")}
    path = Path(file)
    if str(file) in packaged and not path.is_file():
        return packaged[str(file)]
    if not path.exists():
        raise BadInput(f"there is no file {file}, and no recording of that name comes with the kit; "
                       f"these do: {', '.join(names())}.")
    if not path.is_file():
        raise BadInput(f"{file} is not a file, so it cannot be a recording.")
    return path


def _short(path):
    return path.name.removeprefix("linux-6.18-").removesuffix(".gz").removesuffix(".csv")


def _text(path):
    """All of the file as text, unpacked if it is gzipped."""
    try:
        with open(path, "rb") as plain:
            zipped = plain.read(2) == b"\x1f\x8b"
        with (gzip.open if zipped else open)(path, "rb") as file:
            content = file.read(LARGEST + 1)
        text = content.decode("ascii")
    except EOFError:
        raise BadInput(f"{path.name}: the gzip file is cut off. Rule: a recording is read whole or not at all; "
                       f"fetch it again. {_last_line(path)}") from None
    except (zlib.error, gzip.BadGzipFile) as error:
        raise BadInput(f"{path.name}: the gzip file is damaged ({error}). Rule: a recording is read whole or not "
                       f"at all; fetch it again. {_last_line(path)}") from None
    except UnicodeDecodeError as error:
        raise wrong(path.name, content[:error.start].count(b"\n") + 1,
                     f"byte {content[error.start]:#04x} is not text", "a recording is ASCII text") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from None
    if len(content) > LARGEST:
        raise BadInput(f"{path.name} is longer than {LARGEST >> 20} MiB of text, so it is no recording.")
    return text


def _last_line(path):
    """How far a damaged gzip file can be read, as a sentence."""
    lines, unzip = 1, zlib.decompressobj(wbits=31)
    with open(path, "rb") as file:
        try:
            while packed := file.read(1 << 12):
                lines += unzip.decompress(packed).count(b"\n")
        except zlib.error:
            pass
    return f"It is readable up to line {lines}."
