"""Encoders that are killed from outside, or for which the machine has nothing left, are tried again with backoff."""

from __future__ import annotations

import errno

import pytest
from watchdog.observers import Observer

from hls_sessions.encoding import packager as encoding_packager
from hls_sessions.errors import SegmentImpossible, Unavailable
from hls_sessions.testing import Disk, failing_ffmpeg, out_of_resources, runs_of, storage_that_fails

VIDEO, AUDIO = "video-90p", "audio-0"
BOUND = 30


def peek(session):
    return session.ask_peek().get(BOUND)


def waits_for(session, what):
    info = peek(session)
    return any(what in lack for lack in info.lacks) and any(f"Out of {what}" in note for note in info.notes)


# ---- the machine has run out of something


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (errno.EMFILE, "file descriptors"),
        (errno.ENFILE, "file descriptors of the whole machine"),
        (errno.EAGAIN, "processes or threads"),
        (errno.ENOMEM, "memory"),
    ],
)
def test_an_encoder_that_cannot_be_started_for_want_of_something_is_waited_for(
    hls_supervisor, film, is_right, until, error, what
):
    supervisor = hls_supervisor(copy_streams=False)
    session = supervisor.open(film)

    with out_of_resources(error):
        waiting = session.ask_segment(VIDEO, 1)
        until(lambda: waits_for(session, what))
        [reason] = [reason for reason in supervisor.health().reasons if "Out of" in reason]
        assert what in reason
        assert "1 sessions wait to start encoders" in reason

    assert is_right(session, VIDEO, 1, waiting.get(BOUND))
    info = peek(session)
    assert (info.state, info.lacks, info.encoder_failures) == ("active", (), 0)


@pytest.mark.parametrize(
    "says",
    [
        "Error opening output files: Resource temporarily unavailable",
        "Error while opening encoder for output stream #0:0 - maybe incorrect parameters",  # x264 without threads
    ],
)
def test_an_encoder_that_could_not_have_threads_has_not_failed(hls_supervisor, film, tmp_path, is_right, says):
    ffmpeg = failing_ffmpeg(tmp_path, times=4, says=says)
    session = hls_supervisor(ffmpeg=str(ffmpeg), copy_streams=False).open(film)

    assert is_right(session, VIDEO, 1, session.segment(VIDEO, 1, BOUND))
    assert (peek(session).encoder_failures, runs_of(ffmpeg)) == (0, 5)


def test_a_packager_that_cannot_be_written_down_is_replaced(hls_supervisor, hls_clip, monkeypatch):
    session = hls_supervisor().open(hls_clip(seconds=4, size="160x90", rate="10", gop=20, pixels="yuv420p"))
    write, broken = encoding_packager.record_process, iter(range(2))

    def record(*what):
        if next(broken, None) is not None:
            raise OSError(errno.EMFILE, "Too many open files")
        write(*what)

    monkeypatch.setattr(encoding_packager, "record_process", record)

    assert session.segment("video-copy", 0, BOUND).exists()
    assert session.segment("video-copy", 1, BOUND).exists()


def test_a_session_that_cannot_be_started_for_want_of_something_is_to_be_opened_later(
    hls_supervisor, film, monkeypatch
):
    supervisor = hls_supervisor()
    supervisor.probe(film)

    def no_more(*_, **__):
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr("hls_sessions.segments.directory.SegmentDirectory.open", no_more)
        with pytest.raises(Unavailable, match="This machine has run out of file descriptors"):
            supervisor.open(film)

    assert supervisor.sessions() == []
    assert supervisor.open(film).info().state == "active"


def test_a_packager_that_cannot_be_started_for_want_of_something_is_waited_for(hls_supervisor, hls_clip, until):
    session = hls_supervisor().open(hls_clip(seconds=4, size="160x90", rate="10", gop=20, pixels="yuv420p"))
    copy = "video-copy"

    with out_of_resources():
        waiting = session.ask_segment(copy, 0)
        until(lambda: waits_for(session, "file descriptors"))

    assert waiting.get(BOUND).exists()
    assert (peek(session).state, peek(session).lacks, peek(session).encoder_failures) == ("active", (), 0)


def test_a_limit_of_watches_is_no_full_disk(hls_supervisor, film, is_right, until, monkeypatch):
    session = hls_supervisor(copy_streams=False, share_segments=False, free_bytes=Disk(10**9)).open(film)

    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "inotify watch limit reached")

    made = [session.segment(VIDEO, number, BOUND) for number in range(5)]
    made[4].unlink()
    until(lambda: not peek(session).runs)
    with monkeypatch.context() as patch:
        patch.setattr(Observer, "schedule", refuse)
        waiting = session.ask_segment(VIDEO, 4)
        until(lambda: waits_for(session, "inotify watches"))
        assert all(session.published(VIDEO, number) for number in range(4))
        assert not any("disk is full" in note for note in peek(session).notes)

    assert is_right(session, VIDEO, 4, waiting.get(BOUND))


def test_a_segment_that_cannot_be_published_for_want_of_something_is_made_again(hls_supervisor, film, is_right, until):
    session = hls_supervisor(copy_streams=False).open(film)

    with storage_that_fails(times=5, error=errno.EMFILE):
        assert is_right(session, VIDEO, 1, session.segment(VIDEO, 1, BOUND))

    assert (peek(session).state, peek(session).encoder_failures) == ("active", 0)


def test_a_shortage_without_an_end_is_a_failure(hls_supervisor, film, monkeypatch):
    monkeypatch.setattr("hls_sessions.encoding.setbacks.HOPELESS", 0.2)
    session = hls_supervisor(copy_streams=False).open(film)

    with out_of_resources(), pytest.raises(SegmentImpossible, match=r"could not be started \(Too many open files\)"):
        session.segment(VIDEO, 1, BOUND)


# ---- encoders that are killed


@pytest.mark.parametrize(
    "killed", ["kill -KILL $$", "kill -TERM $$", "echo Exiting normally, received signal 15. >&2; exit 255"]
)
def test_an_encoder_that_is_killed_again_and_again_costs_a_pause_and_no_session(
    hls_supervisor, film, double, is_right, killed
):
    session = hls_supervisor(ffmpeg=str(double(killed, times=5)), copy_streams=False).open(film)

    assert is_right(session, VIDEO, 1, session.segment(VIDEO, 1, BOUND))

    info = peek(session)
    assert (info.state, info.encoder_failures) == ("active", 0)
    assert info.restarts == {"killed": 5}


def test_an_encoder_that_is_killed_without_an_end_has_failed(hls_supervisor, film, double, monkeypatch):
    monkeypatch.setattr("hls_sessions.encoding.setbacks.HOPELESS", 0.2)
    session = hls_supervisor(ffmpeg=str(double("kill -KILL $$")), copy_streams=False).open(film)

    with pytest.raises(SegmentImpossible, match="its encoder ended by SIGKILL"):
        session.segment(VIDEO, 1, BOUND)


# ---- backoff


def test_a_segment_that_has_failed_twice_is_tried_again_after_a_delay(
    hls_supervisor, film, tmp_path, is_right, hls_clock, until
):
    ffmpeg = failing_ffmpeg(tmp_path, times=2)
    session = hls_supervisor(ffmpeg=str(ffmpeg), clock=hls_clock, copy_streams=False).open(film)

    waiting = session.ask_segment(VIDEO, 2)
    until(lambda: peek(session).encoder_failures == 2)
    assert peek(session).runs == ()

    hls_clock.advance(0.1)
    assert is_right(session, VIDEO, 2, waiting.get(BOUND))
    assert runs_of(ffmpeg) == 3


def test_a_segment_that_backs_off_delays_no_other(hls_supervisor, long_film, double, hls_clock, until):
    fail = 'case "$*" in *"segment_start_number 9 "*) exit 1 ;; esac'
    session = hls_supervisor(ffmpeg=str(double(fail)), clock=hls_clock, copy_streams=False).open(long_film)
    waiting = session.ask_segment(VIDEO, 9)
    until(lambda: peek(session).encoder_failures == 2)

    assert session.segment(VIDEO, 20, BOUND).exists()
    waiting.cancel()
