from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event

import pytest

from hls_sessions.errors import SessionNotFound, Unavailable
from hls_sessions.session import SessionServer
from hls_sessions.supervisor.tree import Tree
from hls_sessions.testing import busy, child_processes, hanging_ffmpeg, session_directories, threads

VIDEO, AUDIO = "video-90p", "audio-0"
BOUND = 30


def peek(session):
    return session.ask_peek().get(BOUND)


@pytest.fixture
def hanging(hls_supervisor, tmp_path):
    """Start a supervisor whose encoders never make anything."""
    return lambda: hls_supervisor(ffmpeg=str(hanging_ffmpeg(tmp_path)), share_segments=False)


def test_stopping_leaves_no_process_thread_or_directory(hanging, film, hls_segments_dir):
    threads_before, processes_before = threads(), child_processes()
    supervisor = hanging()
    for user in ("anna", "ben", None):
        session = supervisor.open(film, user=user)
        session.ask_segment(VIDEO, 0)
        session.segment(AUDIO, 0, BOUND)
        assert len(peek(session).runs) == 1

    supervisor.stop()

    assert child_processes() <= processes_before
    assert session_directories(hls_segments_dir) == set()
    for thread in threads() - threads_before:
        thread.join(BOUND)  # on its way out
    assert threads() <= threads_before


def test_stopping_twice_is_stopping_once(hls_supervisor, film):
    supervisor = hls_supervisor()
    supervisor.open(film)

    supervisor.stop()
    supervisor.stop()

    assert not supervisor.is_running


def test_a_second_stop_at_the_same_time_returns_when_all_is_gone(hls_supervisor, film, monkeypatch):
    supervisor = hls_supervisor()
    session = supervisor.open(film)
    terminate, ending, may_end = SessionServer.terminate, Event(), Event()

    def terminate_slowly(server, reason):
        ending.set()
        may_end.wait(BOUND)
        terminate(server, reason)

    monkeypatch.setattr(SessionServer, "terminate", terminate_slowly)

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(supervisor.stop)
        ending.wait(BOUND)
        second = threads.submit(lambda: (supervisor.stop(), session.directory.exists())[1])
        may_end.set()

        assert second.result(BOUND) is False
        first.result(BOUND)


def test_waiting_viewers_are_answered_when_the_supervisor_stops(hanging, film):
    supervisor = hanging()
    session = supervisor.open(film)
    waiting = [session.ask_segment(VIDEO, 0), session.ask_init(VIDEO)]
    peek(session)

    supervisor.stop()

    for reply in waiting:
        with pytest.raises(Unavailable, match="The supervisor has stopped"):
            reply.get(BOUND)


def test_a_session_of_a_stopped_supervisor_answers_nothing_more(hls_supervisor, film):
    supervisor = hls_supervisor()
    session = supervisor.open(film)
    supervisor.stop()

    for ask in (session.info, session.master_playlist, lambda: session.segment(VIDEO, 0, BOUND)):
        with pytest.raises(Unavailable, match="The supervisor has stopped"):
            ask()
    with pytest.raises(SessionNotFound):
        supervisor.find(session.id)
    assert supervisor.sessions() == []


def test_opening_while_the_supervisor_stops_gives_a_session_or_an_error_and_leaves_nothing(
    hls_supervisor, film, hls_segments_dir
):
    supervisor = hls_supervisor()
    supervisor.probe(film)
    begun = Event()

    def open_many(_):
        opened = []
        try:
            while True:
                opened.append(supervisor.open(film))
                begun.set()
        except Unavailable:
            return opened

    with ThreadPoolExecutor(4) as threads:
        openers = [threads.submit(open_many, n) for n in range(4)]
        begun.wait(BOUND)
        supervisor.stop()
        sessions = [session for opener in openers for session in opener.result(BOUND)]

    assert supervisor.sessions() == []
    assert session_directories(hls_segments_dir) == set()
    for session in sessions:
        with pytest.raises(Unavailable):
            session.segment(VIDEO, 0, BOUND)


def test_a_file_whose_probing_is_cut_short_by_the_stop_is_not_called_unplayable(
    hls_supervisor, film, tmp_path, monkeypatch, until
):
    begun = tmp_path / "begun"
    (tmp_path / "probing_double.py").write_text(
        f"import signal\ndef serve(channel):\n    open({str(begun)!r}, 'w').close()\n    signal.pause()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("hls_sessions.ffmpeg.probing.prober.PROBE", "probing_double:serve")
    supervisor = hls_supervisor()

    with ThreadPoolExecutor(1) as threads:
        opening = threads.submit(supervisor.open, film)
        until(begun.exists)
        supervisor.stop()

        with pytest.raises(Unavailable, match="The prober is closed"):
            opening.result(BOUND)


def test_a_stopped_supervisor_can_be_started_again(hls_supervisor, film):
    supervisor = hls_supervisor()
    before = supervisor.open(film, user="anna")
    supervisor.stop()

    with supervisor:
        session = supervisor.open(film, user="anna")

        assert session.id != before.id
        assert session.segment(VIDEO, 0, BOUND).exists()


def test_two_supervisors_share_a_segments_directory(hls_supervisor, film):
    first, second = hls_supervisor(), hls_supervisor()

    session, other = first.open(film, user="anna"), second.open(film, user="anna")
    first.stop()

    assert session.id != other.id
    assert other.segment(VIDEO, 0, BOUND).exists()


def test_a_stop_does_not_wait_for_a_session_that_does_not_answer(hls_supervisor, film):
    supervisor = hls_supervisor(shutdown_timeout=0.1)
    session = supervisor.open(film)

    with ExitStack() as stuck:
        stuck.enter_context(busy(session))
        supervisor.stop()
        assert not supervisor.is_running
        with pytest.raises(Unavailable):
            stuck.close()  # what kept it busy is answered, too


def test_a_start_that_fails_leaves_nothing_and_can_be_made_again(hls_supervisor, film, monkeypatch):
    supervisor = hls_supervisor()
    supervisor.stop()
    supervisor.subscribe("ended", print)

    def fail(_):
        raise RuntimeError("no")

    with monkeypatch.context() as patch:
        patch.setattr(Tree, "start", fail)
        before = threads()
        with pytest.raises(RuntimeError, match="no"):
            supervisor.start()
    assert threads() == before

    supervisor.start()
    assert supervisor.open(film).info().state == "active"
