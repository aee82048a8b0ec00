"""A session survives encoders that die, a broken disk and crashes of its own, or gives up with a reason."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from hls_sessions.encoding import run as encoding_run
from hls_sessions.encoding.rendition import SessionRendition
from hls_sessions.errors import EncoderFailed, SegmentImpossible, SessionEnded, SessionNotFound, StorageFailed
from hls_sessions.testing import (
    actor_of,
    child_processes,
    crash,
    failing_ffmpeg,
    hanging_ffmpeg,
    runs_of,
    storage_that_fails,
)

VIDEO, AUDIO = "video-90p", "audio-0"
BOUND = 30


def peek(session):
    return session.ask_peek().get(BOUND)


def broken_disk(*_, **__):
    raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.fixture
def hanging(hls_supervisor, tmp_path):
    """Start a supervisor whose encoders never make anything."""
    return lambda: hls_supervisor(ffmpeg=str(hanging_ffmpeg(tmp_path)))


@pytest.fixture
def stuck(hls_supervisor, tmp_path, until):
    """Open a film, and have a viewer wait for a segment whose first encoder never makes anything."""

    def stuck(film, segment):
        ffmpeg = hanging_ffmpeg(tmp_path, times=1)
        supervisor = hls_supervisor(ffmpeg=str(ffmpeg))
        session = supervisor.open(film)
        waiting = session.ask_segment(VIDEO, segment)
        until(lambda: runs_of(ffmpeg) == 1)
        [run] = peek(session).runs
        return supervisor, session, waiting, run

    return stuck


# ---- encoders that die


def test_a_killed_encoder_is_replaced_and_the_viewer_gets_the_right_segment(stuck, film, is_right):
    _, session, waiting, run = stuck(film, segment=3)

    os.kill(run.pid, signal.SIGKILL)

    assert is_right(session, VIDEO, 3, waiting.get(BOUND))
    assert (peek(session).encoder_failures, peek(session).restarts) == (0, {"killed": 1})


def test_an_encoder_killed_in_the_middle_of_a_segment_publishes_no_half_of_it(
    hls_supervisor, film, slow_ffmpeg, is_right, until
):
    session = hls_supervisor(ffmpeg=str(slow_ffmpeg)).open(film)
    session.segment(VIDEO, 0, BOUND)
    waiting = session.ask_segment(VIDEO, 1)
    [run] = peek(session).runs

    os.kill(run.pid, signal.SIGKILL)

    assert is_right(session, VIDEO, 1, waiting.get(BOUND))
    # If the segment was whole when the encoder was killed, it is served before the end is heard of.
    until(lambda: not (session.directory / VIDEO / f"run-{run.run}").exists())


def test_a_held_encoder_that_is_killed_is_replaced(hls_supervisor, long_film, slow_ffmpeg, is_right):
    session = hls_supervisor(ffmpeg=str(slow_ffmpeg), look_ahead=0.5).open(long_film)
    session.segment(VIDEO, 0, BOUND)
    [run] = peek(session).runs
    assert run.held

    os.kill(run.pid, signal.SIGKILL)

    assert is_right(session, VIDEO, 1, session.segment(VIDEO, 1, BOUND))


def test_an_encoder_that_fails_twice_at_a_segment_is_tried_again(hls_supervisor, film, tmp_path, is_right):
    ffmpeg = failing_ffmpeg(tmp_path, times=2)
    session = hls_supervisor(ffmpeg=str(ffmpeg)).open(film)

    assert is_right(session, VIDEO, 2, session.segment(VIDEO, 2, BOUND))
    assert runs_of(ffmpeg) == 3


def test_failures_at_a_segment_are_forgotten_once_it_is_made(hls_supervisor, film, double, is_right):
    session = hls_supervisor(ffmpeg=str(double('case "$run" in 1|2|4|5) exit 1 ;; esac')), share_segments=False).open(
        film
    )
    session.segment(VIDEO, 4, BOUND).unlink()

    assert is_right(session, VIDEO, 4, session.segment(VIDEO, 4, BOUND))
    assert peek(session).encoder_failures == 4


def test_a_segment_that_fails_three_times_is_impossible_and_the_other_tracks_play_on(hls_supervisor, film, tmp_path):
    session = hls_supervisor(ffmpeg=str(failing_ffmpeg(tmp_path, code=69))).open(film)

    for number in range(4):
        with pytest.raises(SegmentImpossible) as failed:
            session.segment(VIDEO, number, BOUND)
        assert str(failed.value) == f"Segment {number} of {VIDEO} cannot be made: its encoder ended with exit code 69."

    assert session.segment(AUDIO, 0, BOUND).exists()
    assert session.info().state == "active"


def test_a_session_of_which_nothing_can_be_played_fails_says_why_and_is_cleaned_away(hls_supervisor, film, tmp_path):
    supervisor = hls_supervisor(ffmpeg=str(failing_ffmpeg(tmp_path)), copy_streams=False)
    session = supervisor.open(film)
    waiting = [session.ask_init(rendition) for rendition in session.presentation.renditions]
    ref = actor_of(session)

    for reply in waiting:
        with pytest.raises((SegmentImpossible, EncoderFailed)):
            reply.get(BOUND)
    ref.wait(BOUND)

    with pytest.raises(SessionEnded, match=r"failed at .*: Segment \d of .* failed 3 times") as ended:
        supervisor.find(session.id)
    assert ended.value.state == "failed"
    assert not session.directory.exists()


def test_a_failed_session_leaves_the_others_alone(hls_supervisor, film, double, is_right):
    broken = film.with_name("broken.mp4")
    broken.write_bytes(film.read_bytes())
    supervisor = hls_supervisor(ffmpeg=str(double('case "$*" in *broken.mp4*) exit 1 ;; esac')), copy_streams=False)
    other, failing = supervisor.open(film), supervisor.open(broken)
    ref = actor_of(failing)
    waiting = [failing.ask_init(rendition) for rendition in failing.presentation.renditions]
    ref.wait(BOUND)
    for reply in waiting:
        with pytest.raises((SegmentImpossible, EncoderFailed)):
            reply.get(BOUND)

    assert supervisor.sessions() == [other]
    assert is_right(other, VIDEO, 0, other.segment(VIDEO, 0, BOUND))


def test_an_encoder_that_cannot_be_started_is_a_failure_with_a_reason(hls_supervisor, film, double):
    ffmpeg = double("exit 1")
    session = hls_supervisor(ffmpeg=str(ffmpeg)).open(film)
    ffmpeg.unlink()

    with pytest.raises(SegmentImpossible, match="its encoder ended with exit code 127"):
        session.segment(VIDEO, 0, BOUND)


# ---- encoders that write nonsense

NONSENSE = {
    "noise": 'head -c 4096 /dev/urandom > "$folder/0.m4s"',
    "nothing": ': > "$folder/0.m4s"',
    "an endless box": r"""printf '\377\377\377\377ftypisom' > "$folder/0.m4s" """,
}


@pytest.mark.parametrize("write", NONSENSE.values(), ids=NONSENSE)
def test_a_file_that_is_no_segment_is_never_published(hls_supervisor, film, double, write, is_right):
    session = hls_supervisor(ffmpeg=str(double(f"{write}; exit 0", times=1))).open(film)

    assert is_right(session, VIDEO, 0, session.segment(VIDEO, 0, BOUND))
    assert peek(session).segments_refused == 1


def test_an_encoder_that_goes_on_after_a_bad_segment_is_stopped(hls_supervisor, film, double, is_right, ends):
    write = ': > "$folder/0.m4s"; : > "$folder/1.m4s"; exec sleep 3600'
    session = hls_supervisor(ffmpeg=str(double(write, times=1))).open(film)
    waiting = session.ask_segment(VIDEO, 0)
    [run] = peek(session).runs

    assert is_right(session, VIDEO, 0, waiting.get(BOUND))
    assert ends(run.pid)


def test_a_segment_in_another_ones_place_is_never_published(hls_supervisor, film, double, tmp_path, is_right):
    session = hls_supervisor().open(film)
    wrong = tmp_path / "wrong.m4s"
    wrong.write_bytes(session.init(VIDEO, BOUND).read_bytes() + session.segment(VIDEO, 1, BOUND).read_bytes())
    ffmpeg = double(f'cp {wrong} "$folder/3.m4s"; exit 0', times=1)
    session = hls_supervisor(ffmpeg=str(ffmpeg)).open(film)

    assert is_right(session, VIDEO, 3, session.segment(VIDEO, 3, BOUND))
    assert peek(session).segments_refused == 1


def test_an_encoder_that_ends_well_and_leaves_an_empty_segment_has_come_to_the_end_of_the_file(
    hls_supervisor, film, double, tmp_path
):
    init = tmp_path / "empty.m4s"
    init.write_bytes(hls_supervisor().open(film).init(VIDEO, BOUND).read_bytes())
    session = hls_supervisor(ffmpeg=str(double(f'cp {init} "$folder/4.m4s"; exit 0'))).open(film)

    with pytest.raises(SegmentImpossible, match=f"Segment 4 of {VIDEO} cannot be made: it holds no sample"):
        session.segment(VIDEO, 4, BOUND)

    assert peek(session).state == "active"


# ---- a broken disk


def test_a_disk_that_is_broken_for_a_moment_costs_a_pause(hls_supervisor, film, is_right, until):
    session = hls_supervisor().open(film)

    with storage_that_fails(times=2):
        assert is_right(session, VIDEO, 0, session.segment(VIDEO, 0, BOUND))
    until(lambda: peek(session).encoder_failures == 2)  # each counts when its end is heard


def test_a_disk_that_stays_broken_ends_the_session_and_says_so(hls_supervisor, film):
    supervisor = hls_supervisor()
    session = supervisor.open(film)
    ref = actor_of(session)

    with storage_that_fails(), pytest.raises(StorageFailed, match="Input/output error"):
        session.segment(VIDEO, 0, BOUND)

    ref.wait(BOUND)
    assert not session.directory.exists()


def test_an_encoder_that_cannot_be_written_down_does_not_run(hanging, film, monkeypatch, until):
    session = hanging().open(film)
    before = child_processes()
    write_down, first = encoding_run.record_process, iter([True])
    monkeypatch.setattr(
        encoding_run, "record_process", lambda *what: broken_disk() if next(first, False) else write_down(*what)
    )

    session.ask_segment(VIDEO, 0)
    [run] = peek(session).runs

    until(lambda: {int(process.split()[0]) for process in child_processes() - before} == {run.pid})
    assert peek(session).encoder_failures == 1


def test_a_segment_whose_encoders_cannot_be_written_down_is_impossible_and_says_so(hanging, film, monkeypatch):
    session = hanging().open(film)
    monkeypatch.setattr(encoding_run, "record_process", broken_disk)

    with pytest.raises(SegmentImpossible, match=r"its encoder could not be started \(Input/output error\)"):
        session.segment(VIDEO, 0, BOUND)


def test_a_session_whose_directory_cannot_be_made_is_refused_and_leaves_nothing(hls_supervisor, film, monkeypatch):
    supervisor = hls_supervisor()
    monkeypatch.setattr(Path, "mkdir", broken_disk)

    with pytest.raises(StorageFailed, match="Input/output error"):
        supervisor.open(film, user="anna")

    monkeypatch.undo()
    assert supervisor.sessions() == []
    assert supervisor.open(film, user="anna").info().state == "active"


# ---- crashes of its own


def test_a_crashed_session_comes_back_with_its_id_its_directory_and_its_segments(hls_supervisor, film, tmp_path):
    ffmpeg = failing_ffmpeg(tmp_path, times=0)
    supervisor = hls_supervisor(ffmpeg=str(ffmpeg))
    session = supervisor.open(film, user="anna")
    before = session.segment(VIDEO, 0, BOUND)

    crash(session)

    info = session.info()
    assert (info.session_id, info.directory) == (session.id, str(session.directory))
    assert session.segment(VIDEO, 0, BOUND) == before
    assert next(rendition for rendition in info.renditions if rendition.id == VIDEO).published >= 1
    assert supervisor.open(film, user="anna") is session


def test_a_crashed_session_serves_the_next_request(hls_supervisor, film, is_right):
    supervisor = hls_supervisor()
    session = supervisor.open(film)

    crash(session)

    assert is_right(session, VIDEO, 4, session.segment(VIDEO, 4, BOUND))


def test_a_viewer_who_waits_while_the_session_crashes_gets_the_right_segment(stuck, film, is_right, ends):
    _, session, waiting, run = stuck(film, segment=2)

    crash(session)

    assert ends(run.pid)
    assert is_right(session, VIDEO, 2, waiting.get(BOUND))


def test_a_request_that_the_session_crashes_over_is_answered_by_its_next_actor(
    hls_supervisor, film, monkeypatch, is_right
):
    session = hls_supervisor().open(film)
    get_segment, first = SessionRendition.get_segment, iter([True])

    def crash_once(*arguments, **options):
        if next(first, False):
            raise RuntimeError("a bug")
        return get_segment(*arguments, **options)

    monkeypatch.setattr(SessionRendition, "get_segment", crash_once)

    assert is_right(session, VIDEO, 0, session.segment(VIDEO, 0, BOUND))


def test_a_session_that_was_killed_hears_of_the_segments_its_next_encoder_makes(hls_supervisor, long_film, slow_ffmpeg):
    supervisor = hls_supervisor(ffmpeg=str(slow_ffmpeg))
    session = supervisor.open(long_film)
    waiting = session.ask_segment(VIDEO, 0)
    [before] = peek(session).runs

    actor_of(session).kill()
    waiting.get(BOUND)

    [run] = peek(session).runs  # which is far from its end, when its exit would be heard of in any case
    assert run.run == before.run
    assert run.pid != before.pid


@pytest.mark.parametrize("method", ["file_closed", "run_exited", "act"])
def test_a_crash_over_an_encoders_message_costs_the_viewer_a_pause(hls_supervisor, film, monkeypatch, is_right, method):
    session = hls_supervisor().open(film)
    original, first = getattr(SessionRendition, method), iter([True])

    def crash_once(*arguments):
        if next(first, False):
            raise RuntimeError("a bug")
        return original(*arguments)

    monkeypatch.setattr(SessionRendition, method, crash_once)

    for number in range(5):
        assert is_right(session, VIDEO, number, session.segment(VIDEO, number, BOUND))


def test_a_killed_session_comes_back_and_serves_the_viewer_who_waits(stuck, film, is_right, ends):
    _, session, waiting, run = stuck(film, segment=2)

    actor_of(session).kill()

    assert ends(run.pid)
    assert is_right(session, VIDEO, 2, waiting.get(BOUND))


def test_a_session_that_crashes_too_often_fails_and_says_why(hanging, film, ends):
    supervisor = hanging()
    session = supervisor.open(film, user="anna")
    waiting = session.ask_segment(VIDEO, 0)
    for _ in range(4):
        crash(session)

    with pytest.raises(SessionEnded, match=r"failed at .*: its actor crashed too often") as ended:
        waiting.get(BOUND)

    assert ended.value.state == "failed"
    with pytest.raises(SessionEnded):
        supervisor.find(session.id)
    assert supervisor.open(film, user="anna") is not session


def test_a_session_that_crashes_too_often_leaves_nothing(hanging, film, ends):
    supervisor = hanging()
    session = supervisor.open(film)
    session.ask_segment(VIDEO, 0)
    for _ in range(4):
        [run] = peek(session).runs
        crash(session)

    supervisor.stop()

    assert ends(run.pid)
    assert not session.directory.exists()


def test_a_session_that_crashes_too_often_leaves_the_others_alone(hls_supervisor, film, is_right):
    supervisor = hls_supervisor()
    other, crashing = supervisor.open(film), supervisor.open(film)
    waiting = other.ask_segment(VIDEO, 0)
    ref = actor_of(other)

    for _ in range(4):
        crash(crashing)

    assert is_right(other, VIDEO, 0, waiting.get(BOUND))
    assert actor_of(other) is ref


def test_crashes_far_apart_are_forgiven(hls_supervisor, film, hls_clock, is_right, until):
    supervisor = hls_supervisor(clock=hls_clock)
    session = supervisor.open(film)

    for _ in range(6):
        is_back = crash(session)
        # Its backoff begins when the crash is heard of. If the clock were advanced without a pause, the half hour
        # after which a session expires could be over first.
        until(lambda: hls_clock.advance(0.01) or is_back())  # noqa: B023 - it is called at once
        hls_clock.advance(61)

    assert is_right(session, VIDEO, 0, session.segment(VIDEO, 0, BOUND))


# ---- being closed


def test_a_closed_session_leaves_no_directory_and_no_process(hanging, film, ends):
    session = hanging().open(film)
    session.ask_segment(VIDEO, 0)
    [run] = peek(session).runs

    session.stop()

    assert ends(run.pid)
    assert not session.directory.exists()


def test_closing_takes_a_held_encoder_too(hls_supervisor, long_film, slow_ffmpeg, ends):
    session = hls_supervisor(ffmpeg=str(slow_ffmpeg), look_ahead=0.5).open(long_film)
    session.segment(VIDEO, 0, BOUND)
    [run] = peek(session).runs
    assert run.held

    session.stop()

    assert ends(run.pid)


def test_a_viewer_who_waits_for_a_session_that_is_closed_is_answered(hanging, film):
    session = hanging().open(film)
    waiting = [session.ask_segment(VIDEO, 0), session.ask_init(VIDEO)]
    peek(session)

    session.stop()

    for reply in waiting:
        with pytest.raises(SessionNotFound, match=f"There is no session '{session.id}'"):
            reply.get(BOUND)


def test_stopping_a_session_that_has_ended_is_no_error(hls_supervisor, film):
    session = hls_supervisor().open(film)
    session.stop()

    session.stop()


def test_a_closed_session_answers_nothing_more(hls_supervisor, film):
    session = hls_supervisor().open(film)
    session.stop()

    for ask in (
        session.info,
        session.heartbeat,
        session.master_playlist,
        lambda: session.media_playlist(VIDEO),
        lambda: session.init(VIDEO, BOUND),
        lambda: session.segment(VIDEO, 0, BOUND),
    ):
        with pytest.raises(SessionNotFound):
            ask()


def test_encoders_that_are_killed_while_nobody_waits_end_no_session(
    hls_supervisor, long_film, slow_ffmpeg, is_right, until
):
    session = hls_supervisor(ffmpeg=str(slow_ffmpeg)).open(long_film)
    session.segment(VIDEO, 0, BOUND)

    for _ in range(4):
        until(lambda: peek(session).runs or peek(session).encoder_failures >= 3)
        for run in peek(session).runs:
            os.kill(run.pid, signal.SIGKILL)
            until(lambda run=run: run.pid not in {other.pid for other in peek(session).runs})

    assert peek(session).state == "active"
    last = len(session.presentation.cuts(VIDEO)) - 1
    assert is_right(session, VIDEO, 3, session.segment(VIDEO, 3, BOUND))
    assert is_right(session, VIDEO, last, session.segment(VIDEO, last, BOUND))
