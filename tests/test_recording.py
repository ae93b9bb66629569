"""Recordings: what is read is what was written, and what breaks a rule is refused with line and rule."""

import gzip
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import gfp
from kit.errors import BadInput
from kit.linux import flags, recording
from kit.linux.lines import ObjectEvent, PageEvent

PAGES = "time_us,cpu,event,block,order,gfp"
OBJECTS = "time_us,cpu,event,object,cache,bytes_requested,bytes_allocated,gfp,caller"
A_STORY = [PAGES, "10,0,alloc,0,0,GFP_KERNEL|__GFP_ZERO", "10,1,alloc,1,3,GFP_NOWAIT", "12,1,free,0,0,",
           "15,0,alloc,2,10,GFP_ATOMIC", "15,0,free,2,10,", "17,0,free,1,3,"]
OBJECT_STORY = [OBJECTS, "5,0,alloc,0,filp,184,192,GFP_KERNEL,alloc_empty_file",
                "6,0,alloc,1,bio-184,184,192,GFP_NOWAIT,mempool_alloc_noprof", "9,1,free,0,filp,,,,file_free",
                "9,1,alloc,2,filp,10,192,GFP_KERNEL,alloc_empty_file", "11,1,free,1,bio-184,,,,blk_update_request"]
CACHES = {"filp": 192, "bio-184": 192, "a cache": 4096}


@pytest.fixture
def file(tmp_path):
    def write(lines, name="my.csv"):
        text = lines if isinstance(lines, bytes) else ("\n".join(lines) + "\n").encode()
        path = tmp_path / name
        path.write_bytes(text)
        return path
    return write


def refusal(path):
    with pytest.raises(BadInput) as refused:
        recording.read(path)
    sentence = str(refused.value)
    assert "\n" not in sentence and path.name in sentence
    return sentence


# == What comes with the kit =======================================================================


@pytest.mark.parametrize(("name", "events"), [
    ("build-pages", 36_503), ("journal-pages", 5_391), ("archive-pages", 5_279), ("archive-objects", 13_199),
    pytest.param("build-objects", 45_977, marks=pytest.mark.slow),
    pytest.param("journal-objects", 24_168, marks=pytest.mark.slow)])
def test_the_recordings_of_the_kit_are_as_their_readme_says(name, events):
    recorded = recording.read(name)
    assert len(recorded) == events
    assert f"{recorded.span_us / 1e6:.3f} s" in (recording.DATA / "README.md").read_text(encoding="utf-8")
    assert recorded.kind == name.partition("-")[2]
    assert [event.time_us for event in recorded] == sorted(recorded.column("time_us"))
    assert len(recorded.allocations) == recorded.column("event").count("alloc")
    assert f"{events:,}" in (recording.DATA / "README.md").read_text(encoding="utf-8")


def test_all_recordings_of_the_kit_are_listed_by_their_short_names():
    assert recording.names() == [f"{workload}-{kind}" for workload in ("archive", "build", "journal")
                                 for kind in ("objects", "pages")]


# == Reading =======================================================================================


def test_an_event_has_names_for_its_fields(file):
    recorded = recording.read(file(A_STORY))
    assert recorded[0] == PageEvent(10, 0, "alloc", 0, 0, gfp.GFP_KERNEL, "GFP_KERNEL|__GFP_ZERO")
    assert recorded[2] == PageEvent(12, 1, "free", 0, 0, 0, "")
    assert recorded.column("order") == [0, 3, 0, 10, 10, 3]
    assert [event.block for event in recorded.allocations] == [0, 1, 2]
    assert (recorded.name, recorded.span_us) == ("my", 7)
    assert recording.read(file(OBJECT_STORY))[1] == ObjectEvent(
        6, 0, "alloc", 1, "bio-184", 184, 192, 0, "GFP_NOWAIT", "mempool_alloc_noprof")


def test_a_column_that_is_not_there_is_answered_with_those_that_are(file):
    with pytest.raises(BadInput, match="no column 'cache'; it has time_us, cpu, event, block, order"):
        recording.read(file(A_STORY)).column("cache")


@st.composite
def stories(draw, kind):
    """The lines of a recording that keeps all rules."""
    time, live, lines, born = 0, [], [], 0
    for _ in range(draw(st.integers(1, 15))):
        time += draw(st.integers(0, 3))
        start = f"{time},{draw(st.integers(0, 3))}"
        if live and draw(st.booleans()):
            number, what = live.pop(draw(st.integers(0, len(live) - 1)))
            lines.append(f"{start},free,{number},{what}," + ("" if kind == "pages" else ",,,kfree"))
            continue
        mask = "|".join(draw(st.lists(st.sampled_from(sorted(flags.COUNTERPART)), min_size=1, max_size=3)))
        what = draw(st.integers(0, 10) if kind == "pages" else st.sampled_from(sorted(CACHES)))
        request = mask if kind == "pages" else f"1,{CACHES[what]},{mask},kmalloc"
        lines.append(f"{start},alloc,{born},{what},{request}")
        live.append((born, what))
        born += 1
    return [PAGES if kind == "pages" else OBJECTS, *lines]


def as_lines(recorded):
    """The recording written out again, by a writer that knows nothing of the reader."""
    header = PAGES if recorded.kind == "pages" else OBJECTS
    lines = [header]
    for event in recorded:
        fields = event._asdict()
        fields["gfp"] = fields.pop("flags")
        fields |= {} if event.event == "alloc" else dict.fromkeys(["bytes_requested", "bytes_allocated"], "")
        lines.append(",".join(str(fields[column]) for column in header.split(",")))
    return lines


@settings(max_examples=40)
@given(story=stories("pages") | stories("objects"), zipped=st.booleans())
def test_what_is_read_is_what_was_written(tmp_path_factory, story, zipped):
    text = ("\n".join(story) + "\n").encode()
    path = tmp_path_factory.getbasetemp() / ("story.csv.gz" if zipped else "story.csv")
    path.write_bytes(gzip.compress(text) if zipped else text)
    assert as_lines(recording.read(path)) == story


# == What is refused ===============================================================================


def replaced(story, line, text):
    return [*story[:line - 1], *([] if text is None else [text]), *story[line:]]


@pytest.mark.parametrize(("story", "line", "text", "says"), [
    (A_STORY, 1, "time,cpu,event", "line 1: 'time,cpu,event' is not the header of a recording"),
    (A_STORY, 1, "", "line 1: '' is not the header"),
    (A_STORY, 3, "10,1,alloc,1,3", "line 3: 5 fields instead of 6. Rule: the columns are time_us,cpu"),
    (A_STORY, 3, "ten,1,alloc,1,3,GFP_NOWAIT", "line 3: time_us is 'ten'. Rule: a time is a number"),
    (A_STORY, 3, "-1,1,alloc,1,3,GFP_NOWAIT", "line 3: time_us is '-1'"),
    (A_STORY, 3, "10,99999,alloc,1,3,GFP_NOWAIT", "line 3: cpu is '99999'"),
    (A_STORY, 3, "10,1,realloc,1,3,GFP_NOWAIT", "line 3: event is 'realloc'. Rule: an event is alloc or free"),
    (A_STORY, 3, "10,1,alloc,one,3,GFP_NOWAIT", "line 3: block is 'one'"),
    (A_STORY, 3, "10,1,alloc,1,11,GFP_NOWAIT", "line 3: order is '11'. Rule: an order is 0 to 10"),
    (A_STORY, 3, "10,1,alloc,1,3,GFP NOWAIT", "line 3: gfp is 'GFP NOWAIT'. Rule: a mask is flags"),
    (A_STORY, 3, "10,1,alloc,1,3,GFP_LATER", "line 3: 'GFP_LATER' in 'GFP_LATER' is no gfp flag"),
    (A_STORY, 3, "10,1,alloc,1,3,", "line 3: this alloc has the columns of the other event"),
    (A_STORY, 4, "12,1,free,0,0,GFP_KERNEL", "line 4: this free has the columns of the other event"),
    (A_STORY, 3, "9,1,alloc,1,3,GFP_NOWAIT", "line 3: time 9 comes after 10. Rule: time never goes back"),
    (A_STORY, 3, None, "line 4: block 2 is allocated where 1 should be"),
    (A_STORY, 3, "10,1,alloc,0,3,GFP_NOWAIT", "line 3: block 0 is allocated where 1 should be"),
    (A_STORY, 4, "12,1,free,7,0,", "line 4: block 7 is freed, but no line before allocates it"),
    (A_STORY, 7, "17,0,free,0,0,", "line 7: block 0 is freed a second time (first on line 4). Rule: what is freed"),
    (A_STORY, 7, "17,0,free,1,2,", "line 7: block 1 is freed as 2, but was allocated as 3. Rule: an order is the same"),
    (OBJECT_STORY, 4, "9,1,free,0,bio-184,,,,kfree", "line 4: object 0 is freed as bio-184, but was allocated as filp"),
    (OBJECT_STORY, 5, "9,1,alloc,2,filp,200,192,GFP_KERNEL,f", "line 5: 200 bytes are requested of filp and 192"),
    (OBJECT_STORY, 5, "9,1,alloc,2,filp,0,192,GFP_KERNEL,f", "line 5: 0 bytes are requested"),
    (OBJECT_STORY, 5, "9,1,alloc,2,filp,1,256,GFP_KERNEL,f", "line 5: an object of filp has 256 bytes, an earlier"),
    (OBJECT_STORY, 3, "6,0,alloc,1,bio-184,1,2,GFP_NOWAIT,f", "line 3: an object of bio-184 has 2 bytes"),
    (OBJECT_STORY, 3, "6,0,alloc,1,bio-184,1,999999,GFP_NOWAIT,f", "line 3: an object of bio-184 has 999999 bytes"),
    (OBJECT_STORY, 5, "9,1,alloc,2,filp,1,192,GFP_KERNEL,", "line 5: caller is ''. Rule: a caller has a name"),
    (OBJECT_STORY, 5, "9,1,alloc,2,filp,,192,GFP_KERNEL,f", "line 5: this alloc has the columns of the other event"),
])
def test_a_broken_rule_is_named_with_its_line(file, story, line, text, says):
    sentence = refusal(file(replaced(story, line, text)))
    assert says in sentence
    assert re.search(r"Rule: .+\.$", sentence)


def test_a_file_without_events_or_cut_inside_a_line_is_refused(file):
    assert "line 2: there is no event" in refusal(file([PAGES]))
    assert "line 1: '' is not the header" in refusal(file(b""))
    whole = "\n".join(A_STORY).encode()
    assert "line 7: the file is cut off inside this line" in refusal(file(whole))
    assert "line 7: 4 fields instead of 6" in refusal(file(whole[:-4] + b"\n"))


def test_foreign_files_are_refused(file, tmp_path):
    assert "line 2: byte 0xff is not text" in refusal(file(PAGES.encode() + b"\n\xff\xfe"))
    assert "not the header" in refusal(file(b"%PDF-1.7\n"))
    assert "is not a file" in refusal(tmp_path)
    with pytest.raises(BadInput, match="no file nowhere.csv, and no recording of that name comes with the kit; these"):
        recording.read("nowhere.csv")


def test_a_gzip_file_is_refused_wherever_it_was_cut(file):
    zipped = gzip.compress(("\n".join(A_STORY) + "\n").encode(), mtime=0)
    for length in range(2, len(zipped), 3):
        assert "cut off" in refusal(file(zipped[:length], "my.csv.gz"))


def test_a_large_gzip_file_that_was_cut_says_how_far_it_can_be_read(file):
    zipped = (recording.DATA / "linux-6.18-journal-pages.csv.gz").read_bytes()
    sentence = refusal(file(zipped[:len(zipped) // 2], "half.csv.gz"))
    line = int(re.search(r"readable up to line (\d+)\.", sentence)[1])
    assert 1_000 < line < 5_392


@settings(max_examples=40)
@given(at=st.integers(0, 10_000), to=st.integers(0, 255), zipped=st.booleans())
def test_a_damaged_byte_gives_a_sentence_or_another_recording_never_anything_else(tmp_path_factory, at, to, zipped):
    text = ("\n".join(OBJECT_STORY) + "\n").encode()
    content = bytearray(gzip.compress(text, mtime=0) if zipped else text)
    at %= len(content)
    content[at] = to
    path = tmp_path_factory.getbasetemp() / "damaged.csv"
    path.write_bytes(content)
    try:
        recorded = recording.read(path)
    except BadInput as refused:
        assert "damaged.csv" in str(refused)
    else:
        written = ("\n".join(as_lines(recorded)) + "\n").encode()
        assert written == (text if zipped else bytes(content))


@settings(max_examples=40)
@given(story=stories("pages"), data=st.data())
def test_a_line_that_is_repeated_is_refused(tmp_path_factory, story, data):
    line = data.draw(st.integers(2, len(story)))
    path = tmp_path_factory.getbasetemp() / "repeated.csv"
    path.write_text("\n".join([*story[:line], *story[line - 1:]]) + "\n")
    assert f"line {line + 1}:" in refusal(path)


def test_a_file_that_is_too_long_is_not_read_whole(file, monkeypatch):
    monkeypatch.setattr(recording, "LARGEST", 100)
    assert "longer than" in refusal(file(A_STORY))


# == Masks =========================================================================================


@pytest.mark.parametrize(("today", "then"), [
    ("GFP_KERNEL", "GFP_KERNEL"), ("GFP_KERNEL_ACCOUNT|__GFP_ZERO|__GFP_COMP", "GFP_KERNEL"),
    ("GFP_NOFS|__GFP_NOFAIL", "GFP_NOFS|NOFAIL"), ("GFP_NOIO", "GFP_NOIO"), ("GFP_ATOMIC|__GFP_NOWARN", "GFP_ATOMIC"),
    ("GFP_HIGHUSER_MOVABLE|__GFP_ZERO", "GFP_HIGHUSER"), ("GFP_NOWAIT", "0"), ("none", "0"),
    ("GFP_NOWAIT|__GFP_NORETRY|__GFP_NOMEMALLOC", "NORETRY|NOMEMALLOC"), ("GFP_USER|__GFP_DMA", "GFP_USER|DMA")])
def test_a_mask_of_today_in_the_words_of_2001(today, then):
    assert gfp.spell(flags.translate(today)) == then


def test_every_mask_is_the_sum_of_its_flags():
    """What Linux 6.18 defines, from single flags: a second account of the combinations, as an oracle."""
    one = {name.removeprefix("__GFP_"): mask for name, mask in flags.COUNTERPART.items() if name.startswith("__")}
    kernel = one["RECLAIM"] | one["IO"] | one["FS"]
    today = {"GFP_ATOMIC": one["HIGH"], "GFP_NOWAIT": 0, "GFP_NOIO": one["RECLAIM"], "GFP_KERNEL": kernel,
             "GFP_NOFS": one["RECLAIM"] | one["IO"], "GFP_USER": kernel, "GFP_KERNEL_ACCOUNT": kernel,
             "GFP_HIGHUSER": kernel | one["HIGHMEM"], "GFP_HIGHUSER_MOVABLE": kernel | one["HIGHMEM"],
             "GFP_TRANSHUGE_LIGHT": (kernel | one["HIGHMEM"] | one["NOMEMALLOC"]) & ~one["RECLAIM"],
             "GFP_TRANSHUGE": kernel | one["HIGHMEM"] | one["NOMEMALLOC"], "GFP_DMA": gfp.DMA}
    for name, mask in today.items():
        assert flags.translate(name) & ~gfp.HIGH == mask & ~gfp.HIGH     # 2.5.1 put HIGH into most of them
    combinations = {name for name in {**flags.SAME_NAME, **flags.COUNTERPART} if name.startswith("GFP_")}
    assert combinations == set(today)


def test_a_flag_is_in_one_table_only():
    tables = flags.SAME_NAME, flags.COUNTERPART, flags.NO_COUNTERPART
    assert len(flags._MASKS) == sum(len(table) for table in tables)
    assert flags.left_out("GFP_KERNEL|__GFP_ZERO|__GFP_NOFAIL") == ["__GFP_ZERO"]
