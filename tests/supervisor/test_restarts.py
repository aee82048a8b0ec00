"""The tree that keeps the sessions: the parts of it that may die, and the cost of that for a viewer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from time import sleep

import pytest

from hls_sessions.encoding.rendition import SessionRendition
from hls_sessions.errors import SessionNotFound, Unavailable
from hls_sessions.otp import CallTimeout, Intensity, which_children
from hls_sessions.segments import SegmentDirectory
from hls_sessions.session import SessionServer
from hls_sessions.supervisor import tree
from hls_sessions.supervisor.tree import SESSIONS, end_together
from hls_sessions.testing import crash, hanging_ffmpeg, process_of, runs_of

VIDEO = "video-90p"
BOUND = 30
PARTS = ["timers", "segment watcher", SESSIONS]


def peek(session):
    return session.ask_peek().get(BOUND)


def part(supervisor, name):
    """Return a child of the root, while it runs."""
    return process_of(supervisor, name)


def kill(supervisor, name):
    """Kill a child of the root, and wait until the root has handled its end."""
    part(supervisor, name).kill()
    which_children(process_of(supervisor))


@pytest.fixture
def stuck(hls_supervisor, film, tmp_path, until):
    """Have a viewer wait for a segment whose first encoder never makes anything."""
    ffmpeg = hanging_ffmpeg(tmp_path, times=1)
    supervisor = hls_supervisor(ffmpeg=str(ffmpeg))
    session = supervisor.open(film, user="anna")
    waiting = session.ask_segment(VIDEO, 2)
    until(lambda: runs_of(ffmpeg) == 1)
    return supervisor, session, waiting


@pytest.mark.parametrize("name", PARTS)
def test_sessions_come_back_under_their_ids_when_a_part_of_the_tree_is_killed(hls_supervisor, film, name):
    supervisor = hls_supervisor()
    anna, ben = supervisor.open(film, user="anna"), supervisor.open(film, user="ben")

    kill(supervisor, name)

    assert supervisor.sessions() == [anna, ben]
    assert supervisor.open(film, user="anna") is anna
    for session in (anna, ben):
        assert session.info().session_id == session.id
        assert session.segment(VIDEO, 0, BOUND).is_relative_to(session.directory)


@pytest.mark.parametrize("name", PARTS)
def test_a_waiting_viewer_is_served_when_a_part_of_the_tree_is_killed(stuck, name):
    supervisor, session, waiting = stuck

    kill(supervisor, name)

    assert waiting.get(BOUND) == session.directory / VIDEO / "2.m4s"


@pytest.mark.parametrize("name", PARTS)
def test_the_encoders_of_an_earlier_actor_are_gone(stuck, name, ends):
    supervisor, session, _ = stuck
    [run] = peek(session).runs

    kill(supervisor, name)

    assert ends(run.pid)


def test_a_new_actor_does_not_lose_its_directory_to_the_end_of_the_old_one(hls_supervisor, film, monkeypatch):
    supervisor = hls_supervisor()
    session = supervisor.open(film)
    init, terminate = SessionServer.init, SessionServer.terminate
    ending, begun = [], Event()

    def begin(server, *arguments):
        begun.set()
        init(server, *arguments)

    def end_late(server, reason):
        ending.append(begun.wait(0.5))  # give the next actor the chance to begin too early
        terminate(server, reason)

    monkeypatch.setattr(SessionServer, "init", begin)
    monkeypatch.setattr(SessionServer, "terminate", end_late)
    kill(supervisor, SESSIONS)
    session.info()

    assert ending == [False]
    assert session.directory.is_dir()
    monkeypatch.undo()


def test_opening_while_the_tree_is_restarted_waits_for_it(hls_supervisor, film):
    supervisor = hls_supervisor()
    supervisor.probe(film)

    with ThreadPoolExecutor(4) as threads:
        opened = [threads.submit(supervisor.open, film) for _ in range(20)]
        kill(supervisor, "segment watcher")
        opened += [threads.submit(supervisor.open, film) for _ in range(20)]

        sessions = [each.result(BOUND) for each in opened]

    assert len({session.info().session_id for session in sessions}) == 40


def test_closing_while_the_tree_is_restarted_closes(hls_supervisor, film):
    supervisor = hls_supervisor()
    sessions = [supervisor.open(film) for _ in range(20)]

    with ThreadPoolExecutor(4) as threads:
        closed = [threads.submit(session.stop) for session in sessions[:10]]
        part(supervisor, SESSIONS).kill()
        closed += [threads.submit(session.stop) for session in sessions[10:]]
        for each in closed:
            each.result(BOUND)

    assert supervisor.sessions() == []
    assert which_children(process_of(supervisor, "sessions")) == []
    for session in sessions:
        assert not session.directory.exists()
        with pytest.raises(SessionNotFound):
            session.info()


def test_waiting_viewers_are_told_when_the_tree_gives_up(hls_supervisor, film, tmp_path):
    supervisor = hls_supervisor(ffmpeg=str(hanging_ffmpeg(tmp_path)))
    session = supervisor.open(film)
    waiting = session.ask_segment(VIDEO, 0)
    root = process_of(supervisor)

    for _ in range(3):
        kill(supervisor, "timers")
    part(supervisor, "timers").kill()
    root.wait(BOUND)

    with pytest.raises(Unavailable, match="The supervisor has stopped"):
        waiting.get(BOUND)
    assert not supervisor.is_running
    assert supervisor.health().status == "critical"
    with pytest.raises(Unavailable):
        supervisor.open(film)


def test_a_tree_that_gave_up_can_be_stopped_and_started_again(hls_supervisor, film):
    supervisor = hls_supervisor()
    session = supervisor.open(film)
    process_of(supervisor).kill()

    supervisor.stop()

    assert not Path(session.directory).exists()
    with supervisor:
        assert supervisor.open(film).segment(VIDEO, 0, BOUND).exists()


def test_a_request_that_crashes_every_actor_is_given_up_and_the_session_lives(hls_supervisor, film, monkeypatch):
    session = hls_supervisor().open(film)
    poison = SessionRendition.get_segment

    def crash_over_one(rendition, number, caller, **options):
        if number == 1:
            raise RuntimeError("a bug")
        return poison(rendition, number, caller, **options)

    monkeypatch.setattr(SessionRendition, "get_segment", crash_over_one)

    with pytest.raises(Unavailable, match="crashed 3 times over this request"):
        session.segment("video-90p", 1, timeout=30)
    assert session.segment("video-90p", 2, timeout=30).exists()


@pytest.mark.parametrize("number", ["2", 1.5, None])
def test_a_segment_number_that_is_none_is_refused_before_the_actor_sees_it(hls_supervisor, film, number):
    session = hls_supervisor().open(film)

    with pytest.raises(TypeError):
        session.ask_segment("video-90p", number)
    with pytest.raises(TypeError):
        session.segment("video-90p", number)


def test_clearing_away_a_session_that_is_given_up_delays_no_other(hls_supervisor, film, monkeypatch):
    destroy, go_on, went_on = SegmentDirectory.destroy, Event(), []

    def slow(directory):
        went_on.append(go_on.wait(BOUND / 3))
        destroy(directory)

    monkeypatch.setattr(SegmentDirectory, "destroy", slow)
    monkeypatch.setattr(tree, "SESSION_INTENSITY", Intensity(restarts=0, seconds=60.0))
    supervisor = hls_supervisor()
    crash(supervisor.open(film, user="anna"))

    supervisor.open(film, user="ben")

    go_on.set()
    supervisor.stop()
    assert went_on
    assert all(went_on)


def test_actors_that_do_not_end_are_waited_for_together():
    class Stuck:
        def wait(self, timeout):
            waited.append(timeout)
            sleep(timeout)
            raise CallTimeout(self, timeout)

        def kill(self):
            killed.append(self)

    waited, killed, actors = [], [], [Stuck() for _ in range(5)]

    end_together(actors, 0.1)

    assert killed == actors
    assert sum(waited) < 0.2
