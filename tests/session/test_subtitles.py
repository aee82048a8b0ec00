"""Subtitles of a session: served like other segments, read once for all sessions, and never a reason to end one."""

from __future__ import annotations

import pytest

from hls_sessions.errors import (
    RenditionNotFound,
    SegmentNotFound,
    SessionNotFound,
    StorageFailed,
    SubtitlesFailed,
    Unavailable,
)
from hls_sessions.ffmpeg.subtitles import reader as subtitles
from hls_sessions.session.subtitles import SessionSubtitles

TEXT = "subtitles-0"
BOUND = 30
TALK = """1
00:00:01,500 --> 00:00:02,500
First

2
00:00:07,000 --> 00:00:20,000
Longer than the film
"""


@pytest.fixture
def film(hls_clip):
    """The path of a film of eight seconds: segments of 0.5, 0.5, 1, 2, 2 and 2 seconds."""
    return hls_clip(seconds=8, size="160x90", container="mkv", audio=None, subtitles=(TALK, TALK))


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """Count how often a file is read."""
    log = tmp_path / "runs"
    log.touch()
    (tmp_path / "reading_double.py").write_text(
        "from hls_sessions.ffmpeg.subtitles import worker\n"
        "def serve(channel):\n"
        f"    open({str(log)!r}, 'a').write('run\\n')\n"
        "    worker.serve(channel)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(subtitles, "READ_SUBTITLES", "reading_double:serve")
    return lambda: len(log.read_text().splitlines())


@pytest.fixture
def hanging(monkeypatch, tmp_path):
    """Have all files read by a process that never says anything."""
    (tmp_path / "hanging_double.py").write_text("import signal\ndef serve(channel):\n    signal.pause()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(subtitles, "READ_SUBTITLES", "hanging_double:serve")


def subtitles_of(session, rendition=TEXT) -> list[str]:
    count = len(session.presentation.cuts(rendition))
    return [session.segment(rendition, number, BOUND).read_text() for number in range(count)]


def test_each_segment_has_the_cues_that_are_shown_while_it_plays(hls_supervisor, film):
    found = subtitles_of(hls_supervisor().open(film))

    assert all(text.startswith("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:22500,LOCAL:00:00:00.000\n") for text in found)
    assert ["First" in text for text in found] == [False, False, True, True, False, False]
    assert ["Longer" in text for text in found] == [False, False, False, False, False, True]
    assert "00:00:07.000 --> 00:00:20.000" in found[5]


def test_a_cue_after_the_last_segment_is_in_the_last(hls_supervisor, hls_clip):
    talk = "1\n00:00:08,500 --> 00:00:09,000\nAfter the end\n"
    film = hls_clip(seconds=8, size="160x90", container="mkv", audio_seconds=10, subtitles=(talk,))

    assert "After the end" in subtitles_of(hls_supervisor().open(film))[-1]


def test_no_encoder_runs_for_subtitles(hls_supervisor, film):
    session = hls_supervisor().open(film)
    subtitles_of(session)

    info = session.info()

    assert (info.runs, info.encoder_failures) == ((), 0)


def test_a_file_is_read_once_for_all_its_tracks_and_sessions(hls_supervisor, film, runs):
    supervisor = hls_supervisor()
    one, other = supervisor.open(film, "anna"), supervisor.open(film, "ben")
    assert runs() == 0

    assert subtitles_of(one, "subtitles-0") == subtitles_of(one, "subtitles-1") == subtitles_of(other)
    assert runs() == 1


def test_info_lists_the_subtitles_and_how_many_segments_were_made(hls_supervisor, film):
    session = hls_supervisor().open(film)
    session.segment(TEXT, 1, BOUND)
    session.segment(TEXT, 2, BOUND)

    [info] = [rendition for rendition in session.info().renditions if rendition.id == TEXT]

    assert (info.kind, info.segments, info.published) == ("subtitles", 6, 2)
    assert session.info().segments_made == 2


def test_a_segment_that_was_deleted_is_made_again(hls_supervisor, film):
    session = hls_supervisor().open(film)
    path = session.segment(TEXT, 1, BOUND)
    before = path.read_text()
    path.unlink()

    assert session.segment(TEXT, 1, BOUND).read_text() == before


def test_subtitles_have_no_init_segment(hls_supervisor, film):
    with pytest.raises(RenditionNotFound):
        hls_supervisor().open(film).init(TEXT, BOUND)


def test_a_segment_past_the_end_is_not_found(hls_supervisor, film):
    session = hls_supervisor().open(film)

    with pytest.raises(SegmentNotFound):
        session.segment(TEXT, 6, BOUND)
    with pytest.raises(SegmentNotFound):
        session.ask_segment(TEXT, -1).get(BOUND)
    with pytest.raises(RenditionNotFound):
        session.segment("subtitles-2", 0, BOUND)


def test_asking_for_subtitles_counts_as_activity(hls_supervisor, film, hls_clock):
    session = hls_supervisor(clock=hls_clock).open(film)
    session.segment(TEXT, 0, BOUND)
    hls_clock.advance(1700)
    session.segment(TEXT, 0, BOUND)  # from disk
    hls_clock.advance(1700)

    assert session.info().state == "active"


def test_a_viewer_who_waits_for_subtitles_is_counted_until_leaving(hls_supervisor, film, hanging):
    session = hls_supervisor().open(film)
    waiting = [session.ask_segment(TEXT, 0), session.ask_segment(TEXT, 1)]
    assert session.info().viewers_waiting == 2

    for reply in waiting:
        reply.cancel()
    assert session.info().viewers_waiting == 0


def test_a_viewer_who_waits_gets_an_error_when_subtitles_cannot_be_read_and_the_session_goes_on(
    hls_supervisor, film, hanging
):
    session = hls_supervisor(subtitle_timeout=0.1).open(film)

    with pytest.raises(SubtitlesFailed):
        session.segment(TEXT, 0, BOUND)
    info = session.info()

    assert info.state == "active"
    assert info.notes[-1] == f"The subtitles of {str(film)!r} cannot be read: it took too long."
    assert session.segment("video-90p", 0, BOUND).exists()


def test_a_viewer_who_waits_for_subtitles_gets_an_error_when_the_session_ends(hls_supervisor, film, hanging):
    session = hls_supervisor().open(film)
    waiting = session.ask_segment(TEXT, 0)
    session.stop()

    with pytest.raises(SessionNotFound):
        waiting.get(BOUND)


def test_subtitles_that_cannot_be_written_are_refused_and_the_session_goes_on(hls_supervisor, film):
    session = hls_supervisor().open(film)
    (session.directory / TEXT).write_text("in the way")

    with pytest.raises(StorageFailed):
        session.segment(TEXT, 0, BOUND)
    (session.directory / TEXT).unlink()

    assert session.segment(TEXT, 0, BOUND).read_text().startswith("WEBVTT")
    assert not any("subtitles" in note for note in session.info().notes)


def test_a_session_that_crashes_comes_back_to_its_subtitles(hls_supervisor, film, runs, monkeypatch):
    session = hls_supervisor().open(film)
    session.segment(TEXT, 0, BOUND)
    crashes = iter([RuntimeError("a fault of ours")])
    right = SessionSubtitles.read

    def read(*arguments):
        for crash in crashes:
            raise crash
        right(*arguments)

    monkeypatch.setattr(SessionSubtitles, "read", read)

    assert "First" in session.segment(TEXT, 2, BOUND).read_text()
    [info] = [rendition for rendition in session.info().renditions if rendition.id == TEXT]
    assert info.published == 2
    assert runs() == 1


def test_stopping_the_supervisor_ends_a_reading(hls_supervisor, film, hanging):
    supervisor = hls_supervisor()
    waiting = supervisor.open(film).ask_segment(TEXT, 0)
    supervisor.stop()

    with pytest.raises(Unavailable):
        waiting.get(BOUND)
