"""Sessions that go from one daemon to another while both live."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from hls_sessions.errors import MediaNotFound, SessionNotFound, Unavailable
from hls_sessions.testing import hanging_ffmpeg, session_directories

VIDEO = "video-90p"


@pytest.fixture
def two(hls_supervisor, tmp_path, hls_fake_ffmpeg):
    """Return two supervisors with the same films and the same ffmpeg."""
    ffmpeg = str(hls_fake_ffmpeg())
    return [hls_supervisor(segments_dir=tmp_path / name, ffmpeg=ffmpeg) for name in ("here", "there")]


@pytest.fixture
def session(two, film):
    return two[0].open(film, user="anna")


def row_of(supervisor, session):
    return next(row for row in supervisor.migration.rows() if row.id == session.id)


class TestASessionThatIsTakenOver:
    def test_has_the_same_playlists_under_the_same_id(self, two, session):
        taken = two[1].migration.take_over(row_of(two[0], session))

        assert taken.id == session.id
        assert taken.master_playlist() == session.master_playlist()
        assert taken.media_playlist(VIDEO) == session.media_playlist(VIDEO)

    def test_makes_the_same_segments(self, two, session):
        taken = two[1].migration.take_over(row_of(two[0], session))

        assert taken.segment(VIDEO, 1, 30).read_bytes() == session.segment(VIDEO, 1, 30).read_bytes()

    def test_is_the_one_that_its_user_gets_for_the_film(self, two, session, film):
        two[1].migration.take_over(row_of(two[0], session))

        assert two[1].open(film, user="anna").id == session.id

    def test_is_the_same_when_it_is_taken_over_twice(self, two, session):
        row = row_of(two[0], session)

        assert two[1].migration.take_over(row) is two[1].migration.take_over(row)

    def test_is_refused_where_the_film_is_another(self, two, session):
        row = replace(row_of(two[0], session), fingerprint="another")

        with pytest.raises(Unavailable, match="its file is cut otherwise now than its player was told"):
            two[1].migration.take_over(row)

    def test_is_refused_where_the_file_is_another(self, two, session):
        row = replace(row_of(two[0], session), file_size=1)

        with pytest.raises(Unavailable, match="its file has changed"):
            two[1].migration.take_over(row)

    def test_is_refused_where_there_is_no_such_film(self, two, session):
        with pytest.raises(MediaNotFound):
            two[1].migration.take_over(replace(row_of(two[0], session), media="nothing.mp4"))

    def test_leaves_nothing_where_it_is_refused(self, two, session, tmp_path):
        with pytest.raises(Unavailable):
            two[1].migration.take_over(replace(row_of(two[0], session), file_size=1))

        assert session_directories(tmp_path / "there") == set()
        assert two[1].sessions() == []


class TestASessionThatIsGivenUp:
    def test_leaves_nothing(self, two, session, tmp_path):
        session.segment(VIDEO, 0, 30)

        two[0].migration.give_up(session.id, "it goes on elsewhere")

        assert session_directories(tmp_path / "here") == set()
        assert two[0].migration.rows() == []
        with pytest.raises(SessionNotFound):
            two[0].find(session.id)

    def test_tells_no_viewer_that_it_has_ended(self, two, session):
        told = []
        two[0].subscribe("ended", told.append)

        two[0].migration.give_up(session.id, "it goes on elsewhere")
        two[0].stop()

        assert told == []

    def test_answers_the_requests_that_wait(self, hls_supervisor, film, tmp_path):
        supervisor = hls_supervisor(ffmpeg=hanging_ffmpeg(tmp_path))
        session = supervisor.open(film)
        waiting = session.ask_segment(VIDEO, 0)

        supervisor.migration.give_up(session.id, "it goes on elsewhere")

        with pytest.raises((Unavailable, SessionNotFound)):
            waiting.get(30)

    def test_can_come_back(self, two, session):
        row = row_of(two[0], session)
        two[0].migration.give_up(session.id, "it goes on elsewhere")

        assert two[0].migration.take_over(row).id == session.id

    def test_is_none_of_the_next_daemon(self, hls_supervisor, film, tmp_path):
        settings = {"state_dir": tmp_path / "state", "drain": False}
        first = hls_supervisor(**settings)
        session = first.open(film)
        first.migration.give_up(session.id, "it goes on elsewhere")
        first.stop()

        second = hls_supervisor(**settings)

        assert second.wait_for_the_returning(30)
        assert second.sessions() == []

    def test_that_there_is_not_is_no_fault(self, two):
        two[0].migration.give_up("nothing", "it goes on elsewhere")


def test_the_playlists_of_a_session_of_another_daemon_can_be_had(two, session):
    seen = two[1].migration.look_at(row_of(two[0], session))

    assert seen.master_playlist() == session.master_playlist()
    assert two[1].sessions() == []
    assert os.fspath(seen.directory) == os.devnull
