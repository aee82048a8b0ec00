"""Opening, finding and listing: one session per user and file, and a new one for each caller without a user."""

from __future__ import annotations

import shutil
import stat
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier
from uuid import UUID

import psutil
import pytest

from hls_sessions import Supervisor
from hls_sessions.errors import (
    FfmpegNotFound,
    MediaNotFound,
    NotPlayable,
    OutsideRoots,
    SessionEnded,
    SessionNotFound,
    StorageFailed,
    Unavailable,
)
from hls_sessions.settings import Settings
from hls_sessions.testing import hanging_ffmpeg

BOUND = 30
VIDEO = "video-90p"


def all_at_once(number, do):
    """Have so many threads do something in the same moment; return what each got."""
    start = Barrier(number)

    def one(index):
        start.wait(BOUND)
        return do(index)

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(one, range(number)))


# ---- one session per user and file


def test_opening_twice_gives_the_same_session(hls_supervisor, film):
    supervisor = hls_supervisor()

    first, new = supervisor.open_or_find(film, user="anna")
    second, also_new = supervisor.open_or_find(film, user="anna")

    assert first is second
    assert (new, also_new) == (True, False)
    assert supervisor.sessions() == [first]


def test_opening_from_many_threads_at_once_gives_the_same_session(hls_supervisor, film):
    supervisor = hls_supervisor()

    answers = all_at_once(16, lambda _: supervisor.open_or_find(film, user="anna"))

    assert len({session.id for session, _ in answers}) == 1
    assert sum(new for _, new in answers) == 1
    assert len(supervisor.sessions()) == 1


def test_one_file_by_two_names_is_one_session(hls_supervisor, film):
    supervisor = hls_supervisor()
    link = film.with_name(f"link to {film.name}")
    if not link.is_symlink():
        link.symlink_to(film)

    sessions = {supervisor.open(name, user="anna") for name in (film, film.name, f"./{film.name}", link)}

    assert len(sessions) == 1


def test_different_users_have_different_sessions(hls_supervisor, film):
    supervisor = hls_supervisor()

    anna, ben = supervisor.open(film, user="anna"), supervisor.open(film, user="ben")

    assert anna.id != ben.id
    assert anna.directory != ben.directory
    assert supervisor.sessions("anna") == [anna]
    assert supervisor.sessions("ben") == [ben]
    assert supervisor.sessions("carl") == []


def test_different_files_are_different_sessions(hls_supervisor, film, hls_clip):
    supervisor = hls_supervisor()

    first = supervisor.open(film, user="anna")
    second = supervisor.open(hls_clip(seconds=2, size="160x90"), user="anna")

    assert first.id != second.id
    assert supervisor.sessions("anna") == [first, second]


def test_a_caller_without_a_user_gets_a_session_of_its_own(hls_supervisor, film):
    supervisor = hls_supervisor()

    ids = {supervisor.open(film).id for _ in range(3)}

    assert len(ids) == 3


def test_a_caller_without_a_user_gets_a_session_of_its_own_in_many_threads_too(hls_supervisor, film):
    supervisor = hls_supervisor()

    ids = {session.id for session in all_at_once(8, lambda _: supervisor.open(film))}

    assert len(ids) == 8


def test_an_id_is_a_random_uuid_and_the_directory_has_another_name(hls_supervisor, film, hls_segments_dir):
    session = hls_supervisor().open(film)

    assert UUID(session.id).version == 4
    assert session.directory.parent == hls_segments_dir
    assert session.directory.name != session.id
    assert stat.S_IMODE(session.directory.stat().st_mode) == 0o700


def test_no_process_and_no_file_that_others_may_see_tells_the_id(hls_supervisor, film, hls_segments_dir, tmp_path):
    supervisor = hls_supervisor(state_dir=tmp_path / "state", ffmpeg=hanging_ffmpeg(tmp_path))
    session = supervisor.open(film, user="anna")
    session.segment("audio-0", 0, 30)
    waiting = session.ask_segment("video-90p", 0)
    assert session.info().runs
    assert session.info().packager

    seen = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")]
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            seen += [*process.cmdline(), process.name(), process.cwd()]
    seen += [thread.read_text() for thread in Path("/proc/self/task").glob("*/comm")]
    private = [path for path in (tmp_path / "state").iterdir() if path.name.startswith("history")]

    assert len(private) > 0
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert [text for text in seen if session.id in text or session.id[:8] in text] == []
    waiting.cancel()


def test_the_segments_directory_is_made_where_there_is_none(hls_supervisor, film, hls_segments_dir):
    supervisor = hls_supervisor(segments_dir=hls_segments_dir / "not" / "there")

    assert supervisor.health().status != "critical"
    assert supervisor.open(film).directory.is_dir()


# ---- finding


def test_a_session_is_found_by_its_id(hls_supervisor, film):
    supervisor = hls_supervisor()
    session = supervisor.open(film)

    assert supervisor.find(session.id) is session


@pytest.mark.parametrize("wrong", ["5c8f1c1e-3f8a-4b0e-9d0a-6c1d0a7b9e52", "", "..", "not an id", "\0"])
def test_an_id_of_no_session_is_not_found(hls_supervisor, film, wrong):
    supervisor = hls_supervisor()
    supervisor.open(film)

    with pytest.raises(SessionNotFound, match="There is no session"):
        supervisor.find(wrong)
    with pytest.raises(SessionNotFound):
        supervisor.close(wrong)


def test_a_closed_session_is_not_found_and_cannot_be_closed_again(hls_supervisor, film):
    supervisor = hls_supervisor()
    session = supervisor.open(film, user="anna")

    supervisor.close(session.id)

    assert not session.directory.exists()
    assert supervisor.sessions() == []
    with pytest.raises(SessionNotFound):
        supervisor.find(session.id)
    with pytest.raises(SessionNotFound):
        supervisor.close(session.id)


def test_one_of_many_threads_that_close_a_session_at_once_does(hls_supervisor, film):
    supervisor = hls_supervisor()
    session = supervisor.open(film)

    def close(_):
        try:
            supervisor.close(session.id)
        except SessionNotFound:
            return False
        return True

    assert sum(all_at_once(8, close)) == 1


def test_opening_after_closing_gives_a_new_session(hls_supervisor, film):
    supervisor = hls_supervisor()
    before = supervisor.open(film, user="anna")
    supervisor.close(before.id)

    assert supervisor.open(film, user="anna").id != before.id


def test_opening_and_closing_in_many_threads_leaves_the_session_opened_last(hls_supervisor, film):
    supervisor = hls_supervisor()

    def open_and_close(_):
        for _ in range(5):
            with suppress(SessionNotFound, SessionEnded):  # another thread was quicker
                supervisor.open(film, user="anna").stop()

    all_at_once(6, open_and_close)

    assert supervisor.sessions() == []
    assert supervisor.open(film, user="anna").info().state == "active"


def test_an_ended_session_says_when_and_why_as_often_as_it_is_asked(hls_supervisor, film, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock)
    session = supervisor.open(film)
    hls_clock.advance(1800)

    def depth(ask):
        with pytest.raises(SessionEnded, match=f"Session {session.id} expired at 2023-11-14T22:43:20") as ended:
            ask()
        return len(traceback.extract_tb(ended.value.__traceback__))

    session.ask_peek()
    with pytest.raises(SessionEnded):
        session.info()
    for ask in (lambda: supervisor.find(session.id), session.master_playlist):
        first = depth(ask)
        assert [depth(ask) for _ in range(5)] == [first] * 5


def test_the_memory_of_ended_sessions_has_a_bound(hls_supervisor, film, hls_clock, monkeypatch):
    monkeypatch.setattr("hls_sessions.supervisor.recorder.REMEMBERED", 2)
    supervisor = hls_supervisor(clock=hls_clock)
    ended = []
    for _ in range(3):
        supervisor.open(film).stop()
        ended.append(supervisor.open(film, idle_timeout=1))
        hls_clock.advance(1)
        supervisor.reap()

    with pytest.raises(SessionNotFound):
        supervisor.find(ended[0].id)
    for session in ended[1:]:
        with pytest.raises(SessionEnded):
            supervisor.find(session.id)
    assert [step.step for step in supervisor.history(ended[0].id)] == ["start", "expire"]


# ---- files that cannot be opened


@pytest.mark.parametrize("user", ["", "x" * 257, 5])
def test_a_user_has_a_name(hls_supervisor, film, user):
    supervisor = hls_supervisor()

    with pytest.raises(ValueError, match="A user is named by up to 256 characters"):
        supervisor.open(film, user=user)

    assert supervisor.sessions() == []


BAD_FILES = {
    "empty": b"",
    "noise": bytes(range(256)) * 64,
    "text": b"#EXTM3U\nfile:///etc/passwd\n",
    "the beginning of a film": b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41",
}


@pytest.mark.parametrize("data", BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_is_no_film_is_refused_and_leaves_nothing(hls_supervisor, hls_segments_dir, tmp_path, data):
    (tmp_path / "bad.mp4").write_bytes(data)
    supervisor = hls_supervisor(media=(tmp_path,))

    with pytest.raises(NotPlayable, match=r"'.*bad\.mp4' cannot be played: "):
        supervisor.open("bad.mp4", user="anna")

    assert supervisor.sessions() == []
    assert list(hls_segments_dir.iterdir()) == []


def test_a_missing_or_foreign_file_is_refused_and_leaves_nothing(hls_supervisor, hls_segments_dir):
    supervisor = hls_supervisor()

    with pytest.raises(MediaNotFound):
        supervisor.open("nothing.mkv", user="anna")
    with pytest.raises(OutsideRoots):
        supervisor.open("/etc/passwd", user="anna")

    assert supervisor.sessions() == []
    assert list(hls_segments_dir.iterdir()) == []


def test_a_file_that_was_bad_can_be_opened_once_it_is_good(hls_supervisor, film, tmp_path):
    supervisor = hls_supervisor(media=(tmp_path,))
    (tmp_path / "film.mp4").touch()
    with pytest.raises(NotPlayable):
        supervisor.open("film.mp4")

    shutil.copy(film, tmp_path / "film.mp4")

    assert supervisor.open("film.mp4").segment(VIDEO, 0, BOUND).exists()


@pytest.mark.parametrize(("wanted", "given"), [(-1.0, 0.0), (3.5, 3.5), (1e9, 8.0), (float("nan"), 0.0)])
def test_a_start_outside_the_film_is_moved_into_it(hls_supervisor, hls_clip, wanted, given):
    session = hls_supervisor().open(hls_clip(seconds=8, size="160x90", audio=None), start_at=wanted)

    assert session._spec.start_at == given


# ---- start and stop


def test_a_supervisor_that_does_not_run_opens_nothing(film, hls_segments_dir):
    supervisor = Supervisor(media=(film.parent,), segments_dir=hls_segments_dir)

    with pytest.raises(Unavailable, match="The supervisor does not run"):
        supervisor.open(film)
    assert supervisor.sessions() == []
    assert not supervisor.is_running


def test_a_running_supervisor_cannot_be_started(hls_supervisor):
    supervisor = hls_supervisor()

    with pytest.raises(Unavailable, match="The supervisor runs already"):
        supervisor.start()


def test_a_supervisor_needs_a_usable_ffmpeg(tmp_path):
    (tmp_path / "ffmpeg").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "ffmpeg").chmod(0o755)

    for ffmpeg in (tmp_path / "nothing", tmp_path / "ffmpeg"):
        with pytest.raises(FfmpegNotFound):
            Supervisor(ffmpeg=str(ffmpeg))


def test_a_media_root_that_is_not_a_folder_is_an_error_from_the_start(tmp_path):
    with pytest.raises(NotADirectoryError):
        Supervisor(media=(tmp_path / "nothing",))


def test_a_segments_directory_that_cannot_be_made_is_an_error_from_the_start(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(StorageFailed, match="Not a directory"):
        Supervisor(segments_dir=tmp_path / "file" / "segments").start()


@pytest.mark.parametrize("wrong", [{"max_runs": 0}, {"idle_timeout": 0}, {"look_ahead": -1}, {"max_runs": "many"}])
def test_a_setting_without_sense_is_refused_wherever_it_comes_from(wrong):
    with pytest.raises(ValueError, match="validation error"):
        Supervisor(**wrong)
    with pytest.raises(ValueError, match="validation error"):
        Supervisor(Settings(), **wrong)


def test_single_settings_go_before_those_given_together(tmp_path):
    supervisor = Supervisor(Settings(idle_timeout=5, max_runs=3), max_runs=1, segments_dir=str(tmp_path))

    assert (supervisor.settings.idle_timeout, supervisor.settings.max_runs) == (5, 1)
    assert supervisor.settings.segments_dir == tmp_path
