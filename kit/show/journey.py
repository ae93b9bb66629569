"""journey: one write from a dirty page to a free one, and where memory must be allocated on the way.

This picture is the debate: to free memory, one must allocate some.
"""

from typing import NamedTuple

from kit.errors import BadInput
from kit.show.figure import PALETTE, picture


class Station(NamedTuple):
    """A station of the journey: what happens there, who does it, and what memory that takes."""

    name: str
    what: str
    who: str
    allocates: tuple = ()


STATIONS = (
    Station("page", "a page is dirty: it must\nbe written before\nit can be free", "a task: may sleep"),
    Station("bio", "a request says which\npages to write, and\nwhom to tell", "a task: may sleep",
            ("a bio", "a vector of segments")),
    Station("drivers", "each adds what its\ndevice needs", "a task: may sleep",
            ("raid1: an r1bio,\n  a bio for each mirror", "highmem: a bio, its vector,\n  bounce pages")),
    Station("disk", "the request waits in a\nqueue, and is written\nmilliseconds later", "the disk"),
    Station("interrupt", "memory is given back;\nthe page is clean\nand can be free", "no task: never sleeps"),
)
WIDTH, GAP, HEIGHT = 1.75, 0.25, 2.75       # of a station, between two, and of the whole, in inches
ASIDE = "where from, when\nno page is free?"


def journey(here=None, caption=""):
    """The journey of one write, station by station; `here` names one to be marked, such as "bio"."""
    if here is not None and here not in [station.name for station in STATIONS]:
        raise BadInput(f"the journey has no station {here!r}, but {', '.join(station.name for station in STATIONS)}.")
    size = (len(STATIONS) * (WIDTH + GAP), HEIGHT)

    def paint(axes):
        for number, station in enumerate(STATIONS):
            _station(axes, number, station, station.name == here)
            if number:
                _arrow(axes, (number * (WIDTH + GAP) - GAP, 1.9), (number * (WIDTH + GAP), 1.9))
        # The circle that the whole debate is about: what the second station takes, the first is to give.
        axes.text(0.08, 0.3, ASIDE, fontsize=9, weight="bold", color=PALETTE[5], linespacing=1.25)
        _arrow(axes, (WIDTH + GAP, 0.75), (WIDTH / 2, 1.08), connectionstyle="angle,angleA=0,angleB=90,rad=4")
        axes.set(xlim=(-0.1, size[0] - GAP + 0.1), ylim=(0, HEIGHT))
        axes.axis("off")

    return picture(paint, _sentence(here), caption, size)


def _arrow(axes, start, end, **style):
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "#222222", **style})


def _station(axes, number, station, marked):
    from matplotlib.patches import Rectangle
    left, takes = number * (WIDTH + GAP), bool(station.allocates)
    axes.add_patch(Rectangle((left, 1.08), WIDTH, 1.6, facecolor="#FFF3D6" if takes else "white",
                             edgecolor="#222222", linewidth=3 if marked else 1))
    axes.text(left + 0.08, 2.46, f"{number + 1}  {station.name}{'  (here)' if marked else ''}",
              weight="bold", fontsize=11, va="center")
    axes.text(left + 0.08, 2.25, station.what, fontsize=9, va="top", linespacing=1.25)
    axes.text(left + 0.08, 1.18, station.who, fontsize=8.5, style="italic")
    if takes:
        axes.text(left + 0.08, 0.96, "MUST ALLOCATE", fontsize=9, weight="bold", color=PALETTE[5], va="top")
        axes.text(left + 0.08, 0.75, "\n".join(f"+ {each}" for each in station.allocates), fontsize=8.5, va="top",
                  linespacing=1.25)


def _sentence(here):
    told = []
    for number, station in enumerate(STATIONS, 1):
        takes = f" Must allocate {'; '.join(station.allocates)}." if station.allocates else ""
        marked = " (here)" if station.name == here else ""
        told.append(f"{number} {station.name}{marked}: {station.what} ({station.who}).{takes}")
    takers = [station.name for station in STATIONS if station.allocates]
    return (f"The journey of one write, in {len(STATIONS)} stations. {' '.join(told)} "
            f"Memory must be allocated at {len(takers)} of {len(STATIONS)}: {', '.join(takers)}; "
            f"{ASIDE}")
