"""How subtitles are shown, and when: always valid WebVTT, whatever their text is."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hls_sessions.media import Cue, cue_text, webvtt_segment

TIMES = re.compile(r"(\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3}) --> (\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3})")
SECOND = 1_000_000

anything = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("{}\\<>&-/\r\n\0\u2028Nnhibupr0123456789"))
)


def segment(*cues, origin=0, offset=Fraction(1, 4)):
    """Read a segment as a player does: its header, and (start, end, text) in milliseconds."""
    blocks = webvtt_segment(cues, Fraction(origin), offset).split("\n\n")
    shown = []
    for block in blocks[1:]:
        times, _, text = block.partition("\n")
        h, m, s, ms, *end = map(int, TIMES.fullmatch(times).groups())
        shown.append(
            (((h * 60 + m) * 60 + s) * 1000 + ms, ((end[0] * 60 + end[1]) * 60 + end[2]) * 1000 + end[3], text)
        )
    return blocks[0].splitlines(), [(start, end, text.removesuffix("\n")) for start, end, text in shown]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Hello", "Hello"),
        (r"two\Nlines", "two\nlines"),
        (r"a soft\nbreak and a hard\hspace", "a soft break and a hard\u00a0space"),
        ("from\r\nWindows\rand\nothers", "from\nWindows\nand\nothers"),
        (r"no\N\N \Nempty line", "no\nempty line"),
        (r"{\i1}all{\i0} of {\b1}it{\b0}", "<i>all</i> of <b>it</b>"),
        (r"{\i1}slanted {\b1}and heavy{\i0} and{\r} done", "<i>slanted </i><b><i>and heavy</i></b><b> and</b> done"),
        (r"{\b700}heavy{\b}", "<b>heavy</b>"),
        (r"{\u1}two\Nlines", "<u>two</u>\n<u>lines</u>"),
        (r"{\an8\pos(10,20)\fs20\bord2\be1\iclip(m 0 0)\fad(1,2)\1c&HFF&}plain", "plain"),
        (r"before{\p1}m 0 0 l 100 0 100 100{\p0} after", "before after"),
        ("{a comment}", ""),
        (r"{\an8} \N ", ""),
        ("a < b & c > d", "a &lt; b &amp; c &gt; d"),
        ("<i>written</i> &amp; so", "&lt;i&gt;written&lt;/i&gt; &amp;amp; so"),
        ("00:00:01.000 --> 00:00:02.000", "00:00:01.000 --&gt; 00:00:02.000"),
        (r"\{braces\} and a \\", r"{braces} and a \\"),
        ("{never closed", "{never closed"),
        ("nothing\0\ufeff between", "nothing between"),
    ],
    ids=ascii,
)
def test_the_parts_of_a_text_that_players_can_show_are_shown(said, shown):
    assert cue_text(said) == shown


@given(anything)
def test_every_text_is_a_valid_cue(said):
    shown = cue_text(said)

    assert "-->" not in shown
    assert "\r" not in shown
    assert "\0" not in shown
    assert "" not in shown.split("\n") or shown == ""
    assert re.sub(r"</?[biu]>", "", shown).count("<") == 0
    assert re.sub(r"&(amp|lt|gt);", "", shown).count("&") == 0
    opened = []
    for closing, style in re.findall(r"<(/?)([biu])>", shown):
        assert not closing or opened.pop() == style
        opened += [] if closing else [style]
    assert opened == []


@given(st.lists(st.builds(Cue, st.integers(-(10**9), 10**11), st.integers(-(10**9), 10**11), anything.map(cue_text))))
def test_every_segment_is_valid(cues):
    cues = [cue for cue in cues if cue.text]
    header, shown = segment(*cues, origin=Fraction(-1, 3))

    assert header == ["WEBVTT", "X-TIMESTAMP-MAP=MPEGTS:22500,LOCAL:00:00:00.000"]
    assert all(0 <= start < end for start, end, _ in shown)
    assert [start for start, *_ in shown] == sorted(start for start, *_ in shown)


def test_a_segment_without_cues_has_its_header():
    assert segment() == (["WEBVTT", "X-TIMESTAMP-MAP=MPEGTS:22500,LOCAL:00:00:00.000"], [])


def test_times_count_from_where_the_presentation_begins():
    _, shown = segment(Cue(7 * SECOND, 9 * SECOND, "late"), origin=5)
    _, below = segment(Cue(SECOND, 2 * SECOND, "early"), origin=Fraction(-1, 2))

    assert (shown, below) == ([(2000, 4000, "late")], [(1500, 2500, "early")])


def test_the_map_holds_the_offset_that_is_added_to_all_written_times():
    header, _ = segment(offset=Fraction(10))

    assert header[1] == "X-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000"


def test_a_cue_that_began_before_the_presentation_is_shown_from_its_beginning():
    _, shown = segment(Cue(SECOND, 6 * SECOND, "on"), Cue(SECOND, 2 * SECOND, "gone"), origin=5)

    assert shown == [(0, 1000, "on")]


def test_cues_may_overlap():
    _, shown = segment(Cue(2 * SECOND, 4 * SECOND, "second"), Cue(SECOND, 3 * SECOND, "first"))

    assert shown == [(1000, 3000, "first"), (2000, 4000, "second")]


def test_a_film_of_a_hundred_hours_has_its_hours():
    _, shown = segment(Cue(360_000 * SECOND, 360_001 * SECOND, "late"))

    assert shown == [(360_000_000, 360_001_000, "late")]


def test_a_note_is_no_cue():
    assert webvtt_segment((), Fraction(0), Fraction(0), note="why\n\n1 --> 2").endswith("\n\nNOTE why\n1 --&gt; 2\n")
