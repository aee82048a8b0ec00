"""The ledger of a recording: what it was told is there again after any crash, and nothing that it was not told."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import pytest

from hls_sessions.errors import StorageFailed
from hls_sessions.live import Facts, Ledger, Section

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FACTS = Facts(
    id="6f1c2e9e-0a51-4a35-9a3c-0d8b4a2d3f10",
    user="anna",
    title=None,
    mime="video/webm",
    token="secret",
    created_at=NOON.timestamp(),
    idle_timeout=1800.0,
    segment_length=2.0,
)
CODECS = {"video": "avc1.64001e", "audio": "mp4a.40.2"}
FIRST = Section(0, Fraction(-7, 1000), 0, copies=True, is_copied=False, codecs=CODECS, size=(640, 360))
SECOND = Section(1, Fraction(0), 2, copies=True, is_copied=False, codecs={"audio": "mp4a.40.2"}, size=None)


@pytest.fixture
def ledger(tmp_path):
    """A ledger of two parts, of which the first has two segments."""
    ledger = Ledger(tmp_path, FACTS)
    ledger.begin_section(FIRST, Fraction(-7, 1000), NOON)
    ledger.add(Fraction(2), {"video": 100_000, "audio": 30_000})
    ledger.add(Fraction(4), {"video": 200_000, "audio": 30_000})
    ledger.finish(0, None)
    ledger.begin_section(SECOND, Fraction(0), NOON)
    ledger.add(Fraction(1, 3), {"audio": 1})
    return ledger


def known(ledger) -> tuple:
    timeline = ledger.timeline
    return ledger.facts, ledger.sections, ledger.done, ledger.over, ledger.peaks, timeline.parts, timeline.ends


def test_what_was_written_down_is_there_again(ledger, tmp_path):
    ledger.finish(1, "it is no media")
    ledger.end("its source has ended it")

    assert known(Ledger(tmp_path)) == known(ledger)


def test_the_peak_is_that_of_the_densest_segment(ledger):
    assert ledger.peaks["video"] == 800_000


def test_a_line_that_was_cut_short_is_as_if_it_had_not_been_written(ledger, tmp_path):
    before = known(ledger)
    ledger.add(Fraction(2), {"audio": 1})
    whole = (tmp_path / "cuts.jsonl").read_bytes()
    for length in range(len(whole.rstrip(b"\n").rpartition(b"\n")[0]) + 1, len(whole)):
        (tmp_path / "cuts.jsonl").write_bytes(whole[:length])

        again = Ledger(tmp_path)
        assert known(again)[1:6] == before[1:6]
        again.add(Fraction(3), {"audio": 1})
        assert Ledger(tmp_path).timeline.ends[-1] == Fraction(3)


def test_what_cannot_be_written_down_has_not_happened(ledger, tmp_path):
    before = known(ledger)
    (tmp_path / "cuts.jsonl").rename(tmp_path / "elsewhere")
    (tmp_path / "cuts.jsonl").mkdir()
    with pytest.raises(StorageFailed):
        ledger.add(Fraction(2), {"audio": 1})
    assert known(ledger) == before


def test_one_without_a_title_is_called_by_its_beginning():
    assert FACTS.name == "Recording of 2026-03-01 12:00 UTC"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 1}'])
def test_one_that_cannot_be_read_says_so(tmp_path, text):
    (tmp_path / "recording.json").write_text(text)

    with pytest.raises(StorageFailed):
        Ledger(tmp_path)


def test_a_segment_that_breaks_what_was_promised_is_not_written_down(ledger, tmp_path):
    with pytest.raises(ValueError, match="cannot be added"):
        ledger.add(Fraction(60), {"audio": 1})

    assert known(Ledger(tmp_path)) == known(ledger)
