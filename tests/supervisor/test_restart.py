"""Sessions that go on in the next daemon, and sessions that cannot."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event
from uuid import uuid4

import pytest

from hls_sessions import Changes, Filter
from hls_sessions.errors import CapacityExceeded, IllegalTransition, SessionEnded, SessionNotFound, Unavailable
from hls_sessions.ffmpeg import Prober, ProcessId
from hls_sessions.media import fingerprint
from hls_sessions.supervisor import MediaRoots
from hls_sessions.supervisor.recorder import Recorder
from hls_sessions.supervisor.recovery import Recovery
from hls_sessions.testing import counted_bytes, failing_ffmpeg, hanging_share, runs_of, session_directories, written

VIDEO, AUDIO = "video-90p", "audio-0"
BOUND = 30


@pytest.fixture
def state_dir(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def start(hls_supervisor, state_dir):
    """Start a supervisor that leaves its sessions to the next."""
    return lambda **more: hls_supervisor(**({"state_dir": state_dir, "drain": False} | more))


@pytest.fixture
def start_last(hls_supervisor, state_dir):
    """Start a supervisor that ends its sessions when it stops."""
    return lambda **more: hls_supervisor(**({"state_dir": state_dir} | more))


@pytest.fixture
def counted(tmp_path):
    """An ffmpeg that makes what it is asked for, and counts its runs."""
    return failing_ffmpeg(tmp_path, times=0)


def playlists(session):
    return session.master_playlist(), *(session.media_playlist(each) for each in session.presentation.offered)


def test_a_session_goes_on_under_its_id_as_its_player_was_told(start, start_last, film):
    first = start()
    session = first.open(film, user="anna", start_at=2)
    told = playlists(session)
    first.stop()

    again = start_last().find(session.id)

    assert playlists(again) == told
    assert (again.id, again.user, again.directory) == (session.id, "anna", session.directory)
    assert again.info().state == "active"


def test_its_segments_are_shown_again_and_not_made_again(start, start_last, film, counted):
    first = start(ffmpeg=counted)
    session = first.open(film)
    whole = [session.segment(VIDEO, number, BOUND).read_bytes() for number in range(5)]
    first.stop()
    made = runs_of(counted)

    again = start_last(ffmpeg=counted).find(session.id)

    assert [again.segment(VIDEO, number, BOUND).read_bytes() for number in range(5)] == whole
    assert runs_of(counted) == made


def test_what_sessions_shared_is_there_for_the_viewers_of_the_next_daemon(start, start_last, film, counted, until):
    first = start(ffmpeg=counted)
    ended, goes_on = first.open(film), first.open(film)
    for session in (ended, goes_on):
        for number in range(5):
            session.segment(VIDEO, number, BOUND)
    until(lambda: not ended.info().runs)
    on_disk = counted_bytes(first)
    ended.stop()
    first.stop()
    made = runs_of(counted)

    second = start_last(ffmpeg=counted)
    again, new = second.find(goes_on.id), second.open(film)

    assert counted_bytes(second) == on_disk
    for number in range(5):
        assert again.segment(VIDEO, number, BOUND).samefile(new.segment(VIDEO, number, BOUND))
    assert runs_of(counted) == made
    assert counted_bytes(second) == on_disk


def test_a_segment_that_is_missing_is_made_by_the_next_daemon(start, start_last, film):
    first = start()
    session = first.open(film)
    session.segment(VIDEO, 0, BOUND)
    first.stop()

    again = start_last().find(session.id)

    assert again.segment(VIDEO, 4, BOUND).exists()
    assert again.segment(AUDIO, 4, BOUND).exists()


def test_nothing_is_encoded_before_anybody_asks(start, start_last, film, counted):
    first = start(ffmpeg=counted)
    session = first.open(film)
    session.segment(VIDEO, 0, BOUND)
    first.stop()
    made = runs_of(counted)

    second = start_last(ffmpeg=counted)
    assert second.wait_for_the_returning(BOUND)

    assert [each.id for each in second.sessions()] == [session.id]
    assert second.find(session.id).info().runs == ()
    assert runs_of(counted) == made


def test_its_user_finds_it_by_opening_the_file_again(start, start_last, film):
    first = start()
    session = first.open(film, user="anna")
    first.stop()

    assert start_last().open_or_find(film, user="anna")[0].id == session.id


def test_its_history_and_its_counters_go_on(start, start_last, film, hls_clock, until):
    first = start(clock=hls_clock)
    session = first.open(film)
    session.segment(VIDEO, 2, BOUND)
    hls_clock.advance(10)
    before = session.info()
    first.stop()
    hls_clock.advance(5)

    second = start_last(clock=hls_clock)
    after = second.find(session.id).info()

    assert (after.created_at, after.started_at, after.position) == (before.created_at, before.started_at, 1.0)
    assert after.segments_made >= before.segments_made
    assert after.restarts == {"daemon": 1}
    assert after.seconds_in["active"] == 15
    assert [step.step for step in second.history(session.id)] == ["start"]
    assert second.stats().by_state["active"] == 1
    assert b"hls_sessions_segments_made_total 0" in second.metrics()[0]


def test_its_idle_time_goes_on_from_the_last_activity(start, start_last, film, hls_clock, until):
    first = start(clock=hls_clock)
    session = first.open(film, idle_timeout=100)
    hls_clock.advance(60)
    first.stop()
    hls_clock.advance(30)

    second = start_last(clock=hls_clock)
    assert second.wait_for_the_returning(BOUND)
    assert second.sessions()[0].ask_peek().get(BOUND).expires_in == 10
    hls_clock.advance(10)

    until(lambda: second.sessions() == [])
    with pytest.raises(SessionEnded, match="nothing was asked of it for 100 seconds"):
        second.find(session.id)


def test_only_a_time_of_its_own_goes_on_where_that_of_all_has_changed(start, start_last, film):
    first = start(idle_timeout=1000)
    follows, has_its_own = first.open(film), first.open(film, idle_timeout=1000)
    first.stop()

    second = start_last(idle_timeout=600)

    assert [second.find(each.id).info().idle_timeout for each in (follows, has_its_own)] == [600, 1000]
    second.reconfigure(idle_timeout=700)
    assert second.find(follows.id).info().idle_timeout == 700


def test_a_change_is_written_down_before_anybody_is_told_that_it_is_done(start_last, film):
    first = start_last()
    session = first.open(film)
    written(first)

    first.update_many(Filter(session_id=session.id), Changes(idle_timeout=77))

    assert written(first).session(session.id).own_idle_timeout == 77


def test_a_change_of_one_session_costs_no_work_for_the_others(start_last, film, monkeypatch):
    supervisor = start_last()
    session, *_ = [supervisor.open(film) for _ in range(3)]
    looked_at, look = [], Recorder._as_now
    monkeypatch.setattr(
        Recorder, "_as_now", lambda self, row, record: looked_at.append(row.id) or look(self, row, record)
    )

    supervisor.update_many(Filter(session_id=session.id), Changes(idle_timeout=77))

    assert looked_at == [session.id]


def test_sessions_go_on_from_a_database_that_was_deleted_meanwhile(start, start_last, film, state_dir):
    first = start()
    sessions = [first.open(film) for _ in range(3)]
    written(first)
    for file in state_dir.glob("history.db*"):
        file.unlink()
    sessions[0].pause()
    written(first)
    steps = written(first).transitions(sessions[0].id)
    first.stop()

    second = start_last()

    assert [second.find(each.id).info().state for each in sessions] == ["paused", "active", "active"]
    assert [step.step for step in steps] == ["start", "pause"]


def test_a_step_that_is_taken_while_a_database_is_begun_anew_is_written_once(start_last, film, state_dir):
    supervisor = start_last()
    session, other = supervisor.open(film), supervisor.open(film)
    written(supervisor)
    store = written(supervisor)
    again = store.when_begun_anew

    def meanwhile():
        session.pause()
        return again()

    store.when_begun_anew = meanwhile
    for file in state_dir.glob("history.db*"):
        file.unlink()
    other.pause()
    written(supervisor)  # by now the new one is begun, and all is recorded again

    steps = {each.id: [step.step for step in written(supervisor).transitions(each.id)] for each in (session, other)}
    assert list(steps.values()) == [["start", "pause"]] * 2


def test_one_whose_time_ran_out_meanwhile_expires_and_leaves_nothing(start, start_last, film, hls_clock, until):
    first = start(clock=hls_clock)
    session = first.open(film, idle_timeout=100)
    first.stop()
    hls_clock.advance(100)

    second = start_last(clock=hls_clock)
    assert second.wait_for_the_returning(BOUND)
    hls_clock.advance(0)

    until(lambda: written(second).session(session.id).state == "expired")
    until(lambda: not session.directory.exists())


def test_a_subscriber_has_its_time_anew_to_come_back(start, start_last, film, hls_clock, until):
    first = start(clock=hls_clock)
    session = first.open(film)
    first.update_many(Filter(session_id=session.id), Changes(subscriber_ttl=50))

    async def listen():
        with first.stream(session.id):
            await asyncio.to_thread(first.stop)

    asyncio.run(listen())
    hls_clock.advance(1000)

    second = start_last(clock=hls_clock)
    assert second.wait_for_the_returning(BOUND)
    hls_clock.advance(49)
    assert second.sessions()[0].ask_peek().get(BOUND).expires_in == 1
    hls_clock.advance(1)

    until(lambda: second.sessions() == [])
    with pytest.raises(SessionEnded, match="for 50 seconds after its last subscriber left"):
        second.find(session.id)


def test_sessions_of_the_earlier_daemon_keep_their_places(start, start_last, film, monkeypatch):
    first = start()
    sessions = {first.open(film).id, first.open(film).id}
    first.stop()
    # No thread brings them back before they are asked for.
    monkeypatch.setattr(Recovery, "begin", lambda _: None)

    second = start_last(max_sessions=2)
    assert second.are_returning
    with pytest.raises(CapacityExceeded):
        second.open(film)

    assert {session.id for session in second.sessions()} == sessions


def test_they_keep_their_places_however_many_callers_open_at_once(start, start_last, film, monkeypatch):
    first = start()
    earlier = first.open(film)
    first.stop()
    monkeypatch.setattr(Recovery, "begin", lambda _: None)
    second = start_last(max_sessions=2)

    def opened(_):
        with suppress(CapacityExceeded):
            return second.open(film).id

    with ThreadPoolExecutor(8) as pool:
        ids = {id_ for id_ in pool.map(opened, range(8)) if id_}

    assert len(ids) == 1
    assert {session.id for session in second.sessions()} == {earlier.id, *ids}


def test_a_pause_lasts_and_its_snapshot_too(start, start_last, film):
    first = start()
    session = first.open(film)
    session.segment(VIDEO, 2, BOUND)
    snapshot = session.pause(3.5)
    first.stop()

    again = start_last().find(session.id)

    assert again.info().state == "paused"
    assert again._record.snapshot == snapshot
    with pytest.raises(IllegalTransition):
        again.pause()
    assert again.resume().position == 3.5


def test_an_ended_session_stays_ended(start, start_last, film):
    first = start()
    session = first.open(film)
    session.stop()
    first.stop()

    second = start_last()

    assert second.wait_for_the_returning(BOUND)
    assert second.sessions() == []
    with pytest.raises(SessionNotFound):
        second.find(session.id)


def test_with_drain_every_session_is_ended_and_nothing_stays(start, start_last, film, hls_segments_dir):
    first = start_last()
    session = first.open(film)
    session.segment(VIDEO, 0, BOUND)
    first.stop()

    assert session_directories(hls_segments_dir) == set()
    assert start_last().stats().by_state["completed"] == 1


@pytest.fixture
def stop_in_the_middle(monkeypatch, until):
    """Start a supervisor that knows sessions of an earlier daemon, and stop it while the first is brought back."""

    def stop_in_the_middle(supervisor):
        held, may_go = Event(), Event()
        probe = Prober.probe

        def hold(prober, path):
            held.set()
            may_go.wait(BOUND)
            return probe(prober, path)

        with monkeypatch.context() as patch:
            patch.setattr(Prober, "probe", hold)
            supervisor.start()
            assert held.wait(BOUND)
            # It runs, however long bringing them back takes.
            assert supervisor.is_running
            assert supervisor.are_returning
            with ThreadPoolExecutor(1) as pool:
                stopping = pool.submit(supervisor.stop)
                until(lambda: not supervisor.is_running)
                may_go.set()
                stopping.result(BOUND)

    return stop_in_the_middle


def test_a_stop_before_all_are_back_leaves_them_to_the_next_daemon(start, start_last, film, stop_in_the_middle):
    first = start()
    sessions = [first.open(film) for _ in range(3)]
    first.stop()
    stop_in_the_middle(first)

    third = start_last()

    assert {third.find(session.id).info().state for session in sessions} == {"active"}


def test_with_drain_those_that_are_not_back_yet_are_ended_too(
    start, start_last, film, stop_in_the_middle, hls_segments_dir
):
    first = start()
    sessions = [first.open(film) for _ in range(3)]
    first.stop()
    first.settings = first.settings.model_copy(update={"drain": True})
    stop_in_the_middle(first)

    assert session_directories(hls_segments_dir) == set()
    second = start_last()
    assert second.stats().by_state["completed"] == 3
    assert [step.to_state for step in second.history(sessions[2].id)] == ["active", "completed"]


# ---- storage that does not answer


@pytest.fixture
def share(tmp_path, film, monkeypatch):
    """A media root with a film, which will not answer."""
    monkeypatch.setattr("hls_sessions.supervisor.supervisor.MediaRoots", partial(MediaRoots, patience=0.05))
    monkeypatch.setattr("hls_sessions.supervisor.recovery.AGAIN_AFTER", 0.05)
    share = tmp_path / "share"
    share.mkdir()
    shutil.copy(film, share / "film.mp4")
    return share


def test_a_session_whose_storage_does_not_answer_is_unavailable_and_goes_on_later(start, start_last, share, until):
    first = start(media=(share,))
    session = first.open("film.mp4")
    first.stop()

    with hanging_share(share):
        second = start_last(media=(share,))
        with pytest.raises(Unavailable, match="does not answer"):
            second.find(session.id)

    until(lambda: not second.are_returning)
    assert second.find(session.id).info().state == "active"


def test_a_session_whose_storage_does_not_answer_costs_others_no_place(start, start_last, film, share):
    first = start(media=(share, film.parent), max_sessions_per_user=1)
    first.open(share / "film.mp4", "anna")
    first.stop()

    with hanging_share(share):
        second = start_last(media=(share, film.parent), max_sessions_per_user=1)
        assert second.open(film, "ben").info().state == "active"
        with pytest.raises(Unavailable, match="not back yet"):
            second.open(film, "anna")


def test_a_stop_does_not_wait_for_storage_that_does_not_answer(start, start_last, share, monkeypatch):
    first = start(media=(share,))
    session = first.open("film.mp4")
    first.stop()
    monkeypatch.setattr("hls_sessions.supervisor.supervisor.MediaRoots", partial(MediaRoots, patience=3600))

    with hanging_share(share), ThreadPoolExecutor(1) as callers:
        second = start(media=(share,))
        asked = callers.submit(second.find, session.id)
        second.stop()
        with pytest.raises(Unavailable):
            asked.result(BOUND)

    assert start_last(media=(share,)).find(session.id).info().state == "active"


# ---- sessions that cannot go on


def test_one_whose_file_has_changed_says_so_and_leaves_nothing(start, start_last, hls_clip, tmp_path, hls_segments_dir):
    film = tmp_path / "film.mp4"
    shutil.copy(hls_clip(seconds=4, size="160x90"), film)
    first = start(media=(tmp_path,))
    session = first.open(film)
    first.stop()
    os.utime(film, (1, 1))

    second = start_last(media=(tmp_path,))

    with pytest.raises(SessionEnded, match="its file has changed"):
        second.find(session.id)
    assert session_directories(hls_segments_dir) == set()


def test_one_whose_file_is_gone_says_so(start, start_last, hls_clip, tmp_path):
    film = tmp_path / "film.mp4"
    shutil.copy(hls_clip(seconds=4, size="160x90"), film)
    first = start(media=(tmp_path,))
    session = first.open(film)
    first.stop()
    film.unlink()

    with pytest.raises(SessionEnded, match="There is no file"):
        start_last(media=(tmp_path,)).find(session.id)


def test_one_whose_file_is_cut_otherwise_now_says_so(start, start_last, film, state_dir):
    first = start()
    session = first.open(film)
    first.stop()
    with closing(sqlite3.connect(state_dir / "history.db")) as connection, connection:
        connection.execute("UPDATE sessions SET fingerprint = 'another'")

    with pytest.raises(SessionEnded, match="cut otherwise now than its player was told"):
        start_last().find(session.id)


def test_settings_that_changed_do_not_change_what_its_player_was_told(start, start_last, hls_clip):
    film = hls_clip(seconds=8, size="160x90", pixels="yuv420p")
    first = start()
    session = first.open(film)
    told = playlists(session)
    first.stop()

    second = start_last(segment_length=4, copy_streams=False)

    assert playlists(second.find(session.id)) == told
    assert playlists(second.open(film)) != told
    assert second.find(session.id).segment("video-copy", 0, BOUND).exists()


def test_a_file_that_was_read_whole_meanwhile_is_cut_for_it_as_before(start, start_last, hls_clip):
    uneven = ("-vf", "select=lt(n\\,100)+not(mod(n\\,7))", "-fps_mode", "vfr")
    film = hls_clip(seconds=8, size="160x90", container="ts", options=uneven)
    first = start()
    session = first.open(film)
    told = session.presentation
    first._runtime.opening._prober.read_whole(film).result(BOUND)
    assert fingerprint(first.probe(film)) != fingerprint(told)
    first.stop()

    again = start_last().find(session.id)

    assert again.presentation == told
    assert again.segment(VIDEO, 1, BOUND).exists()


def test_another_ffmpeg_makes_all_segments_anew(start, start_last, film, counted, state_dir):
    first = start(ffmpeg=counted, share_segments=False)
    session = first.open(film)
    session.segment(VIDEO, 0, BOUND)
    first.stop()
    made = runs_of(counted)
    with closing(sqlite3.connect(state_dir / "history.db")) as connection, connection:
        connection.execute("UPDATE sessions SET encoder = 'another'")

    assert start_last(ffmpeg=counted).find(session.id).segment(VIDEO, 0, BOUND).exists()
    assert runs_of(counted) == made + 1


@pytest.mark.parametrize("damage", ["gone", "a file", "no owner"])
def test_a_damaged_directory_is_rebuilt(start, start_last, film, damage):
    first = start()
    session = first.open(film)
    session.segment(VIDEO, 0, BOUND)
    first.stop()
    match damage:
        case "gone":
            shutil.rmtree(session.directory)
        case "a file":
            shutil.rmtree(session.directory)
            session.directory.touch()
        case "no owner":
            (session.directory / "owner").unlink()

    assert start_last().find(session.id).segment(VIDEO, 0, BOUND).exists()


def test_a_damaged_database_costs_the_sessions_and_their_directories_are_cleared_away(
    start, start_last, film, state_dir, hls_segments_dir, caplog
):
    first = start()
    session = first.open(film)
    first.stop()
    (state_dir / "history.db").write_bytes(b"noise" * 1000)
    assert session_directories(hls_segments_dir) == {session.directory.name}
    own_to_nobody(session)

    second = start_last()

    assert "It was set aside as" in caplog.text
    assert session_directories(hls_segments_dir) == set()
    with pytest.raises(SessionNotFound):
        second.find(session.id)


# ---- after a daemon that was killed

KILLED = """
import os, signal, sys
from hls_sessions import Supervisor
from hls_sessions.testing import written
film, segments_dir, state_dir = sys.argv[1:]
supervisor = Supervisor(media=[os.path.dirname(film)], segments_dir=segments_dir, state_dir=state_dir)
supervisor.start()
session = supervisor.open(film, user="anna")
session.segment("video-90p", 1, 30)
written(supervisor)
print(session.id, session.directory, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def own_to_nobody(session):
    """Make the owner of a session's directory a process that is gone, as it is after a real restart."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as dead:
        (session.directory / "owner").write_text(str(ProcessId.of(dead.pid)))


def test_a_session_of_a_daemon_that_was_killed_goes_on(start_last, film, hls_segments_dir, state_dir):
    command = [sys.executable, "-c", KILLED, str(film), str(hls_segments_dir), str(state_dir)]
    killed = subprocess.run(command, check=False, timeout=60, stdout=subprocess.PIPE, text=True)
    assert killed.returncode == -signal.SIGKILL
    session_id, directory = killed.stdout.split()
    made = (Path(directory) / VIDEO / "1.m4s").stat().st_ino

    session = start_last().find(session_id)

    assert session.user == "anna"
    assert session.segment(VIDEO, 1, BOUND).stat().st_ino == made
    assert session.segment(VIDEO, 4, BOUND).exists()
    assert session.info().restarts == {"daemon": 1}


def test_after_a_kill_the_last_activity_counts_as_the_latest_possible(start, start_last, film, state_dir, hls_clock):
    first = start(clock=hls_clock)
    first.open(film, idle_timeout=100)
    hls_clock.advance(50)
    first.stop()
    with closing(sqlite3.connect(state_dir / "history.db")) as connection, connection:
        connection.execute("UPDATE sessions SET left_at = NULL, updated_at = last_activity_at")

    second = start_last(clock=hls_clock, janitor_interval=20)

    assert second.wait_for_the_returning(BOUND)
    assert second.sessions()[0].ask_peek().get(BOUND).last_activity_at == datetime.fromtimestamp(
        hls_clock.time() - 30, UTC
    )


def test_an_encoder_of_the_earlier_daemon_is_ended_and_a_strangers_is_not(start, start_last, film, state_dir):
    first = start()
    session = first.open(film)
    session.segment(VIDEO, 0, BOUND)
    first.stop()
    own_to_nobody(session)
    with (
        subprocess.Popen(["sleep", "600"], start_new_session=True) as encoder,
        subprocess.Popen(["sleep", "600"], start_new_session=True) as stranger,
    ):
        for number, text in ((7, str(ProcessId.of(encoder.pid))), (8, f"{stranger.pid} 1")):
            run = session.directory / VIDEO / f"run-{number}"
            run.mkdir()
            (run / "pid").write_text(text)

        start_last()

        assert encoder.wait(BOUND) == -signal.SIGKILL
        assert stranger.poll() is None
        stranger.kill()


@pytest.fixture
def bystander():
    """A process of this user in a process group of its own, that must live."""
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        yield process
        process.kill()


def put_in_its_place(directory, bystander, tmp_path, kind):
    """Put what a stranger may put in the place of a directory, with the pid of a process that he wants killed."""
    moved = tmp_path / "elsewhere"
    shutil.rmtree(directory)
    (moved / VIDEO / "run-1").mkdir(parents=True)
    (moved / VIDEO / "run-1" / "pid").write_text(str(ProcessId.of(bystander.pid)))
    (moved / VIDEO / "0.m4s").write_bytes(b"a stranger's")
    if kind == "a symlink":
        directory.symlink_to(moved)
    else:
        moved.rename(directory)
        directory.chmod(0o777)


@pytest.mark.parametrize("kind", ["a symlink", "a directory that all may write to"])
def test_nothing_is_ended_on_the_word_of_what_a_stranger_put_in_the_place_of_a_directory(
    start, start_last, film, bystander, tmp_path, kind
):
    first = start()
    session = first.open(film)
    session.segment(VIDEO, 0, BOUND)
    first.stop()
    put_in_its_place(session.directory, bystander, tmp_path, kind)
    stranger, before = session.directory, everything_in(session.directory)

    second = start_last()
    again = second.find(session.id)
    if kind == "a symlink":  # which is ours here: only the user who runs the tests can make one
        assert again.segment(VIDEO, 0, BOUND).read_bytes() != b"a stranger's"
        assert (tmp_path / "elsewhere" / VIDEO / "0.m4s").read_bytes() == b"a stranger's"
    else:
        assert again.directory != stranger
        assert again.segment(VIDEO, 0, BOUND).exists()
        second.close(session.id)
        assert everything_in(stranger) == before
        shutil.rmtree(stranger)
    assert bystander.poll() is None


def everything_in(folder):
    return sorted(str(path) for path in folder.rglob("*"))


def test_a_directory_that_an_earlier_version_named_by_the_id_is_given_up(
    start, start_last, film, state_dir, hls_segments_dir
):
    first = start()
    session = first.open(film)
    session.segment(VIDEO, 0, BOUND)
    first.stop()
    own_to_nobody(session)
    session.directory.rename(hls_segments_dir / session.id)
    with closing(sqlite3.connect(state_dir / "history.db")) as connection, connection:
        connection.execute("UPDATE sessions SET directory = ?", (str(hls_segments_dir / session.id),))

    again = start_last().find(session.id)

    assert again.segment(VIDEO, 0, BOUND).exists()
    assert session_directories(hls_segments_dir) == {again.directory.name}
    assert again.directory.name != session.id


@pytest.mark.parametrize("name", ["/etc", "films", ".", "", "../elsewhere"])
def test_a_directory_that_no_session_has_is_not_taken_over_from_a_changed_database(
    start, start_last, film, state_dir, hls_segments_dir, name
):
    first = start()
    session = first.open(film)
    first.stop()
    own_to_nobody(session)
    films = hls_segments_dir / "films"
    films.mkdir()
    (films / "film.mkv").touch()
    with closing(sqlite3.connect(state_dir / "history.db")) as connection, connection:
        connection.execute("UPDATE sessions SET directory = ?", (name,))

    second = start_last()
    again = second.find(session.id)

    assert again.directory.parent == hls_segments_dir
    second.close(session.id)
    assert (films / "film.mkv").exists()


def test_the_next_daemon_finds_the_new_directory_of_a_session(start, start_last, film, state_dir):
    first = start()
    session = first.open(film)
    first.stop()
    with closing(sqlite3.connect(state_dir / "history.db")) as connection, connection:
        connection.execute("UPDATE sessions SET directory = 'gone'")
    session.directory.rename(session.directory.with_name("gone"))
    second = start()
    moved = second.find(session.id).directory
    second.stop()
    shutil.rmtree(session.directory.with_name("gone"))

    assert start_last().find(session.id).directory == moved


def test_directories_of_nobody_are_cleared_away_and_those_of_sessions_that_go_on_are_not(
    start, start_last, film, hls_segments_dir
):
    first = start()
    session = first.open(film)
    session.segment(VIDEO, 0, BOUND)
    first.stop()
    own_to_nobody(session)
    nobodys = hls_segments_dir / str(uuid4())
    shutil.copytree(session.directory, nobodys)

    second = start_last()
    second.tidy()

    assert session_directories(hls_segments_dir) == {session.directory.name}
    assert second.find(session.id).segment(VIDEO, 0, BOUND).exists()
