"""/proc/buddyinfo and /proc/slabinfo: printed as the kernel prints them, and read back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.errors import BadInput
from kit.gfp import GFP_KERNEL
from kit.linux import procfs
from kit.linux.procfs import CacheRow, ZoneRow, buddyinfo, read_buddyinfo, read_slabinfo, slabinfo
from kit.memory.slab import Cache
from kit.memory.zones import MB, Pages

# As kernels printed them; $ is the end of a line, as `cat -E` shows it: the blank before it is the kernel's.
BUDDYINFO_6_18 = """\
Node 0, zone      DMA      0      0      0      0      0      0      0      0      1      1      3 $
Node 0, zone    DMA32      1      1      4      2      5      4      3      3      4      2    752 $
Node 0, zone   Normal    663    482    313    376    695    411    243    134     86     50    464 $
""".replace("$", "")
SLABINFO_6_18 = """\
slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> \
<sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>
btrfs_delayed_node      0      0    312   13    1 : tunables    0    0    0 : slabdata      0      0      0
bio-376               21     21    384   21    2 : tunables    0    0    0 : slabdata      1      1      0
"""
SLABINFO_2_4 = """\
slabinfo - version: 1.1
kmem_cache            60     78    100    2    2    1
blkdev_requests     5120   5120     96  128  128    1
buffer_head        67131  71240     96 1776 1781    1
"""


# == Real files ====================================================================================


def test_what_linux_6_18_prints_is_read_and_printed_again():
    rows = read_buddyinfo(BUDDYINFO_6_18)
    assert rows[1] == ZoneRow(0, "DMA32", (1, 1, 4, 2, 5, 4, 3, 3, 4, 2, 752))
    assert rows[0].pages == 256 + 512 + 3 * 1024
    assert buddyinfo(rows) == BUDDYINFO_6_18
    caches = read_slabinfo(SLABINFO_6_18)
    assert caches[1] == CacheRow("bio-376", 21, 21, 384, 2, 1, 1, objperslab=21, limit=0, batchcount=0)
    assert slabinfo(caches) == SLABINFO_6_18


def test_what_linux_2_4_printed_is_read_and_printed_again():
    rows = read_slabinfo(SLABINFO_2_4)
    assert rows[0] == CacheRow("kmem_cache", 60, 78, 100, pagesperslab=1, active_slabs=2, num_slabs=2)
    assert slabinfo(rows, "1.1") == SLABINFO_2_4


@pytest.mark.parametrize(("size", "align", "total", "slabs", "pages"), [
    (32, True, 2712, 24, 1), (64, True, 1357, 23, 1), (96, True, 4480, 112, 1), (128, True, 5160, 172, 1),
    (160, True, 240, 10, 1), (512, True, 32, 4, 1), (244, False, 64, 4, 1), (48, False, 7800, 100, 1),
    (3072, True, 260, 52, 4)])
def test_the_kits_line_is_the_line_that_was_published(size, align, total, slabs, pages):
    """As many objects as the published line has take as many slabs, and that is what the kit prints."""
    cache = Cache("published", size, Pages(64 * MB), align=align, limit=0)
    for _ in range(total):
        cache.take(GFP_KERNEL)
    row = read_slabinfo(slabinfo(procfs.cache_rows([cache]), "1.1"))[0]
    assert (row.active_objs, row.num_objs, row.objsize) == (total, total, size)
    assert (row.active_slabs, row.num_slabs, row.pagesperslab) == (slabs, slabs, pages)


def test_names_with_blanks_are_names():
    text = "slabinfo - version: 1.1 (SMP)\nfasync cache         202    202     16    1    1    1 :  252  126\n"
    rows = read_slabinfo(text)
    assert (rows[0].name, rows[0].limit, rows[0].batchcount) == ("fasync cache", 252, 126)
    assert slabinfo(rows, "1.1") == text


# == From the model ================================================================================


def test_the_zones_of_the_model_are_printed_as_the_kernel_would():
    pages = Pages(64 * MB)
    pages.take(GFP_KERNEL)
    assert buddyinfo(procfs.zone_rows(pages)) == (
        "Node 0, zone      DMA      0      0      0      0      0      0      0      0      0      8 \n"
        "Node 0, zone   Normal      1      1      1      1      1      1      1      1      1     23 \n")
    assert sum(row.pages for row in procfs.zone_rows(pages)) == 64 * MB - 1


@given(st.lists(st.integers(0, 9), max_size=40))
def test_buddyinfo_counts_every_free_page(orders):
    pages = Pages(16 * MB)
    taken = [order for order in orders if pages.take(GFP_KERNEL, order) is not None]
    rows = read_buddyinfo(buddyinfo(procfs.zone_rows(pages)))
    assert sum(row.pages for row in rows) + sum(1 << order for order in taken) == 16 * MB


# == Round trips ===================================================================================

NUMBER = st.integers(0, 10**9)
WORD = st.text(st.characters(codec="ascii", min_codepoint=33, exclude_characters=":#"), min_size=1, max_size=20)
NAME = st.lists(WORD, min_size=1, max_size=3).map(" ".join)
ZONES = st.integers(1, 12).flatmap(lambda orders: st.lists(
    st.builds(ZoneRow, st.integers(0, 1023), WORD, st.lists(NUMBER, min_size=orders, max_size=orders).map(tuple)),
    max_size=4))


@st.composite
def caches(draw, **rest):
    num_objs, num_slabs = draw(NUMBER), draw(NUMBER)
    return CacheRow(draw(NAME), draw(st.integers(0, num_objs)), num_objs, draw(NUMBER), draw(NUMBER),
                    draw(st.integers(0, num_slabs)), num_slabs, **{column: draw(NUMBER) for column in rest})


@settings(max_examples=40)
@given(ZONES)
def test_zones_that_are_printed_are_read_back(rows):
    assert read_buddyinfo(buddyinfo(rows)) == rows


@settings(max_examples=40)
@given(st.lists(caches(objperslab=1, limit=1, batchcount=1, sharedfactor=1, sharedavail=1), max_size=4))
def test_caches_that_are_printed_as_today_are_read_back(rows):
    assert read_slabinfo(slabinfo(rows)) == rows


@settings(max_examples=40)
@given(st.lists(caches(), max_size=4) | st.lists(caches(limit=1, batchcount=1), max_size=4))
def test_caches_that_are_printed_as_in_2001_are_read_back(rows):
    assert read_slabinfo(slabinfo(rows, "1.1")) == rows


# == Damage ========================================================================================


@pytest.mark.parametrize(("read", "text", "says"), [
    (read_buddyinfo, BUDDYINFO_6_18.replace("Node 0, zone    DMA32", "Node 0, zne    DMA32"), "line 2: 'Node 0, zne"),
    (read_buddyinfo, BUDDYINFO_6_18.replace("663", "6x3"), "line 3: 'Node 0, zone   Normal    6x3"),
    (read_buddyinfo, BUDDYINFO_6_18.replace("    464 ", ""), "line 3"),
    (read_buddyinfo, BUDDYINFO_6_18.replace("663", "9" * 5_000), "line 3"),
    (read_buddyinfo, BUDDYINFO_6_18.replace("663", "9" * 19 + "x"), "line 3"),
    (read_slabinfo, SLABINFO_2_4.replace("5120   5120", "5120   " + "9" * 5_000), "line 3: 'blkdev_requests"),
    (read_slabinfo, SLABINFO_2_4 + "60     78    100    2    2    1\n", "line 5: '60 "),
    (read_buddyinfo, "\n" + BUDDYINFO_6_18, "line 1: '' is damaged. Rule: a zone reads"),
    (read_slabinfo, "", "line 1: '' is damaged. Rule: the first line is `slabinfo - version: 1.1`"),
    (read_slabinfo, SLABINFO_6_18.replace("2.1", "3.0", 1), "line 1: 'slabinfo - version: 3.0'"),
    (read_slabinfo, SLABINFO_6_18.replace("# name", "name"), "line 2"),
    (read_slabinfo, SLABINFO_6_18.replace("tunables    0 ", "tunables   -1 "), "line 3: 'btrfs_delayed_node"),
    (read_slabinfo, SLABINFO_6_18[:-20], "line 4: 'bio-376"),
    (read_slabinfo, SLABINFO_6_18.replace("21     21", "22     21"), "line 4: 'bio-376"),
    (read_slabinfo, SLABINFO_2_4.replace("1776 1781", "1776"), "line 4: 'buffer_head"),
    (read_slabinfo, SLABINFO_2_4.replace("1.1", "1.1 (statistics)"), "line 1"),
])
def test_a_damaged_line_is_named(read, text, says):
    with pytest.raises(BadInput) as refused:
        read(text, "my.txt")
    assert str(refused.value).startswith(f"my.txt, {says}")
    assert "Rule: " in str(refused.value)


def test_an_unknown_version_is_not_printed():
    with pytest.raises(BadInput, match="version '2.0' is not known here"):
        slabinfo([], "2.0")


# == The machine that this runs on =================================================================


@pytest.mark.parametrize("name", ["buddyinfo", "slabinfo"])
def test_ones_own_machine_is_read_or_a_sentence_says_why_not(name):
    try:
        rows = procfs.own(name)
    except BadInput as refused:
        assert f"/proc/{name}" in str(refused)
    else:
        printed = getattr(procfs, name)(rows)
        assert getattr(procfs, f"read_{name}")(printed) == rows


@pytest.mark.parametrize(("error", "says"), [
    (FileNotFoundError, "this machine has no /proc/slabinfo: only a Linux does"),
    (PermissionError, "/proc/slabinfo is there, but this user may not read it")])
def test_a_machine_that_will_not_tell_is_answered_with_a_sentence(monkeypatch, error, says):
    def read_text(path, **options):
        raise error
    monkeypatch.setattr(procfs.Path, "read_text", read_text)
    with pytest.raises(BadInput, match=says):
        procfs.own("slabinfo")


def test_other_files_of_proc_are_not_read():
    with pytest.raises(BadInput, match="/proc/meminfo is not read here"):
        procfs.own("meminfo")
