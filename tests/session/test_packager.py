"""Copies: one packager for all renditions of a session makes the requested segments alone; and its replacement."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from hls_sessions import Restarted
from hls_sessions.media import read_track
from hls_sessions.testing import child_processes, crash, hanging_ffmpeg

COPY, AUDIO = "video-copy", "audio-0"
BOUND = 30


@pytest.fixture
def film(hls_clip):
    """The path of a film of twelve seconds that is copied, in segments of two seconds."""
    return hls_clip(seconds=12, size="160x90", rate="10", gop=20, pixels="yuv420p")


@pytest.fixture
def open_(hls_supervisor, hls_clock, film, tmp_path):
    """Return a function that opens the film, where any encoder would hang."""

    def open_(**settings):
        supervisor = hls_supervisor(clock=hls_clock, ffmpeg=str(hanging_ffmpeg(tmp_path)), **settings)
        return supervisor.open(film)

    return open_


def peek(session):
    return session.ask_peek().get(BOUND)


@pytest.fixture
def packager(until):
    """Return a function that waits for a session's packager, and returns its pid."""

    def packager(session):
        until(lambda: peek(session).packager is not None)
        return peek(session).packager

    return packager


@pytest.fixture
def stop(until):
    """Return a function that suspends a process, and returns when it is suspended."""

    def stop(pid):
        os.kill(pid, signal.SIGSTOP)
        until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "T")

    return stop


@pytest.fixture
def gone(until):
    """Return a function that waits until a process is gone."""
    return lambda pid: until(lambda: not Path(f"/proc/{pid}").exists())


def segments_of(session, rendition):
    return sorted(int(file.stem) for file in (session.directory / rendition).glob("*.m4s"))


# ---- the requested segments


def test_no_other_segment_is_made_than_the_requested_one(open_):
    session = open_()

    session.segment(COPY, 3, BOUND)

    assert (segments_of(session, COPY), peek(session).runs) == ([3], ())


def test_an_init_segment_needs_no_segment(open_):
    session = open_()

    assert read_track(session.init(COPY, BOUND).read_bytes())
    assert segments_of(session, COPY) == []


def test_all_copied_renditions_of_a_session_are_made_by_one_process(hls_supervisor, hls_clip, packager):
    maps = ("-map", "0:v", *("-map", "1:a") * 20)
    film = hls_clip(seconds=4, size="160x90", rate="10", gop=20, pixels="yuv420p", options=maps)
    session = hls_supervisor().open(film)
    audio = [f"audio-{number}" for number in range(20)]
    session.segment(COPY, 0, BOUND)
    before = child_processes()

    waiting = [session.ask_segment(rendition, 0) for rendition in audio]

    assert all(reply.get(BOUND).exists() for reply in waiting)
    assert child_processes() == before
    assert peek(session).packager is not None


def test_the_longest_wait_is_answered_first_and_a_viewer_who_has_left_is_passed_over(open_, packager, stop, until):
    session = open_()
    session.segment(COPY, 0, BOUND)
    stop(pid := packager(session))
    waiting, order = [session.ask_segment(COPY, number) for number in (4, 2, 3, 1)], []
    for reply in waiting:
        reply.add_done_callback(order.append)
    peek(session)
    waiting[2].cancel()
    peek(session)

    os.kill(pid, signal.SIGCONT)

    until(lambda: len(order) == len(waiting))
    assert [reply.get(BOUND).name for reply in order if reply is not waiting[2]] == ["4.m4s", "2.m4s", "1.m4s"]
    assert segments_of(session, COPY) == [0, 1, 2, 4]


def test_its_processor_time_is_counted(open_, packager):
    session = open_()
    session.segment(COPY, 0, BOUND)

    session.pause()

    assert session.info().encoder_seconds > 0
    assert session.info().segments_made == 1


# ---- its end


def test_it_ends_when_it_was_not_used_for_as_long_as_an_encoder_may_idle(open_, packager, hls_clock, gone):
    session = open_()
    session.segment(COPY, 0, BOUND)
    pid = packager(session)
    hls_clock.advance(59)
    assert peek(session).packager == pid

    hls_clock.advance(1)

    gone(pid)
    assert peek(session).packager is None
    assert session.segment(COPY, 1, BOUND).exists()


def test_a_pause_ends_it_before_it_is_answered(open_, packager):
    session = open_()
    session.segment(COPY, 0, BOUND)
    pid = packager(session)

    session.pause()

    assert not Path(f"/proc/{pid}").exists()
    session.resume()
    assert session.segment(COPY, 1, BOUND).exists()


def test_a_viewer_who_waits_over_a_pause_is_answered_after_it(open_, packager, stop):
    session = open_()
    session.segment(COPY, 0, BOUND)
    stop(packager(session))
    waiting = session.ask_segment(COPY, 1)
    peek(session)
    session.pause()

    session.resume()

    assert waiting.get(BOUND).exists()


def test_its_process_is_recorded_on_disk_as_long_as_it_runs(open_, packager, until):
    session = open_()
    session.segment(COPY, 0, BOUND)
    pid = packager(session)

    [folder] = (session.directory / "packager").glob("run-*")
    assert (folder / "pid").read_text().split()[0] == str(pid)

    session.pause()
    until(lambda: not list((session.directory / "packager").glob("run-*")))


def test_it_is_ended_with_its_session(open_, packager):
    session = open_()
    session.segment(COPY, 0, BOUND)
    pid = packager(session)

    session.stop()

    assert not Path(f"/proc/{pid}").exists()


# ---- failures


def test_a_packager_that_is_killed_while_a_viewer_waits_is_replaced_and_counts_no_failure(
    open_, packager, stop, hls_supervisor
):
    session = open_()
    session.segment(COPY, 0, BOUND)
    for _ in range(2):
        stop(pid := packager(session))
        waiting = session.ask_segment(COPY, 1 + len(segments_of(session, COPY)))
        peek(session)
        os.kill(pid, signal.SIGKILL)

        assert waiting.get(BOUND).exists()

    assert (peek(session).encoder_failures, peek(session).restarts) == (0, {"killed": 2})


def test_its_replacement_is_an_event(hls_supervisor, film, packager, stop):
    supervisor = hls_supervisor()
    told = []
    supervisor.subscribe(Restarted, told.append)
    session = supervisor.open(film)
    session.segment(COPY, 0, BOUND)
    stop(pid := packager(session))
    waiting = session.ask_segment(COPY, 1)
    peek(session)
    os.kill(pid, signal.SIGKILL)
    waiting.get(BOUND)

    supervisor.stop()

    [event] = told
    assert (event.what, event.cause, event.rendition, event.segment) == ("packager", "killed", COPY, 1)


def test_a_packager_that_is_killed_again_and_again_is_restarted_with_backoff(
    packager_double, open_, hls_clock, until, monkeypatch
):
    monkeypatch.setattr("hls_sessions.encoding.packager.HOPELESS", 5.0)
    packager_double('if asked == "video-copy-1.m4s": os.kill(os.getpid(), signal.SIGKILL)')
    session = open_()
    session.segment(COPY, 0, BOUND)

    waiting = session.ask_segment(COPY, 1)

    # It is then encoded: by an encoder that hangs, in this test.
    def is_encoded():
        hls_clock.advance(0.1)  # in small steps, or a packager that has just begun would count as hanging
        return [run.rendition for run in peek(session).runs] == [COPY]

    until(is_encoded)
    assert "packagers were killed before they had made anything" in peek(session).notes[-1]
    waiting.cancel()


def test_a_packager_that_hangs_is_replaced(packager_double, open_, hls_clock, until, tmp_path):
    once = tmp_path / "once"
    packager_double(f"""
if asked == "video-copy-1.m4s" and not os.path.exists({str(once)!r}):
    open({str(once)!r}, "w").close()
    signal.pause()
""")
    session = open_()
    session.segment(COPY, 0, BOUND)
    waiting = session.ask_segment(COPY, 1)
    until(once.exists)

    def is_given_up():
        hls_clock.advance(2.5)
        return peek(session).restarts

    until(is_given_up)
    # From here on time stands still, because the next packager may take as long as it wants to.
    assert waiting.get(BOUND).exists()
    assert peek(session).restarts == {"stalled": 1}


def test_a_packager_that_hangs_does_not_concern_other_sessions(packager_double, hls_supervisor, film):
    packager_double('if asked == "video-copy-1.m4s": signal.pause()')
    supervisor = hls_supervisor()
    hanging, other = supervisor.open(film), supervisor.open(film)
    waiting = hanging.ask_segment(COPY, 1)

    assert other.segment(COPY, 0, BOUND).exists()

    waiting.cancel()


def test_a_segment_that_three_packagers_have_crashed_over_is_encoded(packager_double, open_, until):
    packager_double('if asked == "video-copy-1.m4s": os.abort()')
    session = open_()
    waiting = session.ask_segment(COPY, 1)

    until(lambda: [(run.rendition, run.first) for run in peek(session).runs] == [(COPY, 1)])

    assert session.segment(COPY, 2, BOUND).exists()
    assert peek(session).encoder_failures == 3
    waiting.cancel()


def test_a_session_that_had_to_encode_in_place_of_copies_does_not_have_others_do_so(
    packager_double, hls_supervisor, film, tmp_path
):
    fault = tmp_path / "fault"
    fault.touch()
    packager_double(f'if asked.startswith("video-copy") and os.path.exists({str(fault)!r}): os.abort()')
    supervisor = hls_supervisor()
    unlucky = supervisor.open(film)
    assert unlucky.segment(COPY, 1, BOUND).exists()
    fault.unlink()

    other = supervisor.open(film)
    assert other.segment(COPY, 1, BOUND).exists()

    def encoder_of(session):
        [copy] = [each for each in peek(session).renditions if each.id == COPY]
        return copy.encoder

    assert encoder_of(other) == "copy"
    assert not other.segment(COPY, 1, BOUND).samefile(unlucky.segment(COPY, 1, BOUND))


def test_video_that_can_only_be_copied_has_a_gap_where_it_cannot_be(packager_double, hls_supervisor, hls_clip):
    packager_double('if asked == "video-copy-1.m4s": return self.refuse("it is spoilt")')
    options = ("-x265-params", "log-level=none:open-gop=0:keyint=20", "-preset", "ultrafast", "-tag:v", "hvc1")
    film = hls_clip(seconds=8, size="160x90", rate="10", gop=20, pixels="yuv420p", video="libx265", options=options)
    session = hls_supervisor().open(film)

    with pytest.raises(Exception, match="Segment 1 of video-copy cannot be made: it is spoilt"):
        session.segment(COPY, 1, BOUND)

    assert session.segment(COPY, 0, BOUND).exists()
    assert session.segment(COPY, 2, BOUND).exists()


def test_when_the_parent_of_all_packagers_dies_every_session_goes_on(hls_supervisor, film, packager):
    supervisor = hls_supervisor(workers=None)
    sessions = [supervisor.open(film) for _ in range(3)]
    for session in sessions:
        session.segment(COPY, 0, BOUND)
    parent = int(Path(f"/proc/{packager(sessions[0])}/stat").read_text().rpartition(") ")[2].split()[1])

    os.kill(parent, signal.SIGKILL)

    assert all(session.segment(COPY, 1, BOUND).exists() for session in sessions)


def test_a_session_whose_actor_crashes_gets_another_packager(hls_supervisor, film, packager, gone):
    supervisor = hls_supervisor()
    session = supervisor.open(film)
    session.segment(COPY, 0, BOUND)
    pid = packager(session)
    crash(session)

    assert session.segment(COPY, 1, BOUND).exists()
    gone(pid)
    assert packager(session) != pid


def test_a_folder_that_was_tidied_away_is_made_again(open_, packager):
    session = open_()
    session.segment(COPY, 0, BOUND)
    [folder] = (session.directory / "packager").glob("run-*")
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()

    assert session.segment(COPY, 1, BOUND).exists()
