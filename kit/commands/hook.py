"""hook: what `python -m kit` alone shows: a machine hangs, and two ways out of it, neither of them free.

A terminal has no figures, so memory is a bar of letters, one sample of virtual time a line.  Every
number is from the run that has just happened; the two scenes at the end are such that either
remedy hangs in one of them, and which one it is, is not typed here but run.
"""

import textwrap

WIDTH = 92
BAR = 64        # letters for all of memory
MICROSECONDS = (0, 100, 200, 300, 400, 500, 1000, 3000)

EIGHT = {"pages_min": 20, "stack": ("bounce",), "writers": 2, "direct": 8}
SCENES = (
    ("the machine above", {"pages_min": 0}),
    ("eight tasks that write 16 pages at once each", EIGHT),
    ("the same, less kept back, needs not known", EIGHT | {"reserve": 4, "foreseen": False}),
)
REMEDIES = {"plain": "nothing", "mempool": "mempools (Molnar)", "reservation": "reservations (LaHaise)"}


def show(args):
    """Tell the debate in a minute: the hang, the two remedies, and where each of them hangs in turn."""
    from kit.drivers.stories import Pressure
    _say("A machine with 256 pages of memory. Four programs change pages as fast as they can. A changed page is "
         "dirty: before its memory can be used for anything else, it must be written to the disk. Nothing is kept back "
         "for emergencies, and nobody makes the programs wait.")
    _watch(Pressure(**SCENES[0][1]))
    report = str(Pressure(**SCENES[0][1]).run())
    _say("It hangs, and says why:")
    for line in report.splitlines():
        print(textwrap.fill(line.strip(), WIDTH, initial_indent="    ", subsequent_indent="        "))
    print()
    _say("To free memory, the kernel must write pages out. To write a page out, it must allocate: a bio, which "
         "describes the write, and its vector (biovec), the list of pages in it. The low memory that they are made "
         "of, the zone NORMAL, has no page left. (Linux 2.5.1 kept 20 pages of each zone back for whoever frees "
         "memory. That is enough while a write takes one page; in the other situations below they are there as well.)")
    _say("In December 2001 there were two answers. Ingo Molnar: keep some elements back in pools of their own "
         "(mempool). Ben LaHaise: no new layer, let the allocators themselves reserve. Here are both, in three "
         "situations:")
    _compare(Pressure)
    _say("In the last one 4 elements of each kind are kept back, not 16, and nobody knows beforehand which pages the "
         "disk can reach: whoever reserves has to ask for the worst, 16 pages to copy them to.")
    _say("Molnar or LaHaise? It depends on something, and you can find out on what:")
    print("    python3 -m kit lab           the first notebook, in your browser\n"
          "    python3 -m kit debate        every claim of the two, tried by experiment\n"
          "    python3 -m kit explore pool  every schedule of three tasks and one pool\n"
          "    python3 -m kit --help        all that there is")


def _say(sentence):
    print(textwrap.fill(sentence, WIDTH), end="\n\n")


def _watch(story):
    """Bars of memory while the story runs, as `.` free, `#` dirty, `w` being written, `-` anything else."""
    for time in MICROSECONDS:
        story.machine.run(until=time * 1000)
        print(f"  {time:>5,} us  |{_bar(story)}|  {story.pages.free_pages:>3} free, {len(story.cache.dirty):>3} dirty")
    print("            . free   # dirty   w being written   - all else\n")


def _bar(story):
    """All of memory in BAR letters."""
    total, cache = story.pages.total_pages, story.cache
    marks = "#" * len(cache.dirty) + "w" * len(cache.writing)
    marks = marks + "-" * (total - story.pages.free_pages - len(marks)) + "." * story.pages.free_pages
    return marks[::total // BAR]


def _compare(pressure):
    """A table of every scene under every remedy: how it ended, after how many virtual milliseconds."""
    print(f"    {'':47}" + "".join(f"{title:>23}" for title in REMEDIES.values()))
    for title, setting in SCENES:
        ends = (pressure(supply=supply, **setting).run() for supply in REMEDIES)
        print(f"    {title:47}" + "".join(f"{_end(outcome):>23}" for outcome in ends))
    print()


def _end(outcome):
    return "HANGS" if outcome.verdict == "hung" else f"{outcome.verdict}, {outcome.time_ns / 1e6:.0f} ms"
