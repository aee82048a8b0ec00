"""Sessions whose encoders share fewer slots than they want."""

from __future__ import annotations

import subprocess

from hls_sessions.ffmpeg import find
from hls_sessions.testing import hanging_ffmpeg

VIDEO, AUDIO = "video-90p", "audio-0"
BOUND = 30


def peek(session):
    return session.ask_peek().get(BOUND)


def at_work(*sessions):
    return [run.rendition for session in sessions for run in peek(session).runs if not run.held]


def test_a_run_is_not_started_until_there_is_a_slot(hls_supervisor, film, tmp_path):
    supervisor = hls_supervisor(max_encoders=2, ffmpeg=str(hanging_ffmpeg(tmp_path)), share_segments=False)
    first, second, third = (supervisor.open(film) for _ in range(3))
    waiting = [session.ask_segment(VIDEO, 0) for session in (first, second, third)]
    assert at_work(first, second, third) == [VIDEO, VIDEO]
    assert peek(third).viewers_waiting == 1

    first.stop()

    assert at_work(second, third) == [VIDEO, VIDEO]
    for reply in waiting:
        reply.cancel()


def test_all_viewers_who_wait_are_served_with_one_slot(hls_supervisor, long_film, is_right):
    supervisor = hls_supervisor(max_encoders=1)
    sessions = [supervisor.open(long_film) for _ in range(4)]

    for number in range(5):
        waiting = [(session, session.ask_segment(VIDEO, number)) for session in sessions]
        for session, reply in waiting:
            assert is_right(session, VIDEO, number, reply.get(BOUND))

    assert sum(peek(session).encoder_failures for session in sessions) == 0


def test_a_run_that_is_ahead_is_held_for_a_viewer_who_waits_and_goes_on_after(
    hls_supervisor, long_film, slow_ffmpeg, until
):
    supervisor = hls_supervisor(max_encoders=1, ffmpeg=str(slow_ffmpeg))
    ahead_, new = supervisor.open(long_film), supervisor.open(long_film)
    ahead_.segment(VIDEO, 0, BOUND)
    [run] = peek(ahead_).runs

    waiting = new.ask_segment(VIDEO, 0)

    until(lambda: at_work(ahead_) == [])
    assert [each.pid for each in peek(ahead_).runs] == [run.pid]
    assert waiting.get(BOUND).exists()
    ahead_.segment(VIDEO, 12, BOUND)
    assert peek(ahead_).encoder_failures == peek(new).encoder_failures == 0


def test_a_viewer_who_waits_for_a_segment_before_a_late_track_has_its_beginning_made(
    hls_supervisor, hls_clip, tmp_path, until
):
    clip = hls_clip(seconds=14, size="160x90", gop=25)
    late = clip.with_name("late-sound-to-wait-for.mp4")
    inputs = ("-i", str(clip), "-itsoffset", "7", "-i", str(clip))
    maps = ("-map", "0:v", "-map", "1:a", "-t", "14", "-c", "copy")
    subprocess.run([find(), "-v", "error", "-y", *inputs, *maps, str(late)], check=True)
    settings = {"max_encoders": 1, "copy_streams": False, "ffmpeg": str(hanging_ffmpeg(tmp_path))}
    supervisor = hls_supervisor(**settings)
    session, other = supervisor.open(late), supervisor.open(late)
    other.ask_segment(VIDEO, 0).cancel()
    assert at_work(other) == [VIDEO]

    waiting = session.ask_segment(AUDIO, 0)

    until(lambda: at_work(session, other) == [AUDIO])
    waiting.cancel()


def test_a_copy_takes_no_slot(hls_supervisor, hls_clip, tmp_path):
    large = ("-qp", "5")  # so that it is worth encoding to its own size, too
    copied = hls_clip(seconds=8, size="160x90", pixels="yuv420p", gop=25, audio=None, options=large)
    supervisor = hls_supervisor(max_encoders=1, ffmpeg=str(hanging_ffmpeg(tmp_path)))
    session, other = supervisor.open(copied), supervisor.open(copied)
    waiting = session.ask_segment(VIDEO, 0)

    assert other.segment("video-copy", 0, BOUND).exists()
    assert at_work(session, other) == [VIDEO]
    waiting.cancel()
