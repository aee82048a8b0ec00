"""The tests of the film club. Each leaves nothing behind, or fails."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from film_club import club

from hls_sessions.testing import FakeRun, Faulty, runs_of

pytestmark = pytest.mark.usefixtures("hls_nothing_left")


@pytest.fixture
def film(hls_clip):
    return hls_clip(seconds=6, size="160x90")


@pytest.fixture
def supervisor(hls_supervisor, hls_fake_ffmpeg):
    """A supervisor whose ffmpeg is quick, because these tests are about the club."""
    return hls_supervisor(ffmpeg=hls_fake_ffmpeg(), copy_streams=False, max_sessions=1)


class Client:
    """Asks the club without a server between."""

    def __init__(self, app):
        self._app = app

    def __call__(self, method, path) -> httpx.Response:
        async def ask():
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://club") as http:
                return await http.request(method, path)

        return asyncio.run(ask())


@pytest.fixture
def ask(supervisor):
    return Client(club(supervisor))


def test_a_member_watches_a_film(ask, supervisor, film, hls_client):
    seat = ask("POST", f"/members/anna/films/{film.name}").json()

    assert seat["seconds"] == pytest.approx(6, abs=0.1)
    assert ask("GET", seat["playlist"]).text.startswith("#EXTM3U")
    [session] = supervisor.sessions("anna")
    assert [segment.number for segment in hls_client(session).play(start=3).of("video-90p")] == [3, 4]


def test_a_film_that_is_not_on_the_programme_is_not_found(ask):
    answer = ask("POST", "/members/anna/films/nothing.mp4")

    assert (answer.status_code, answer.json()["detail"]) == (404, "nothing.mp4 is not on the programme.")


def test_a_full_club_takes_nobody_else(ask, film):
    ask("POST", f"/members/anna/films/{film.name}")

    assert ask("POST", f"/members/ben/films/{film.name}").status_code == 503
    assert ask("GET", "/members/ben/films").json() == []


def test_a_member_who_has_left_for_half_an_hour_has_no_seat(hls_supervisor, hls_fake_ffmpeg, hls_clock, film):
    supervisor = hls_supervisor(clock=hls_clock, ffmpeg=hls_fake_ffmpeg())
    ask = Client(club(supervisor))
    ask("POST", f"/members/anna/films/{film.name}")

    hls_clock.advance(1800)
    supervisor.reap()

    assert ask("GET", "/members/anna/films").json() == []


def test_a_crash_of_ffmpeg_is_not_noticed(hls_supervisor, hls_fake_ffmpeg, hls_client, film):
    fake = hls_fake_ffmpeg(FakeRun(crash_after=1), FakeRun())
    session = hls_supervisor(ffmpeg=fake, copy_streams=False).open(film)

    hls_client(session).play()

    assert runs_of(fake) == 4  # of video and of audio: one that crashes, and one that goes on


def test_a_segment_that_cannot_be_made_is_told_of(hls_daemon, hls_fake_ffmpeg, hls_client, film):
    daemon = hls_daemon(ffmpeg=hls_fake_ffmpeg(garbage=(2,)), copy_streams=False)
    player = hls_client(daemon.url + daemon.open(film)["playlist_url"])

    with pytest.raises(Faulty, match="The server cannot make it"):
        player.play()

    assert player.play(segments=2).findings == ()


def test_a_film_is_encoded_by_the_real_ffmpeg(hls_supervisor, hls_client, film):
    assert hls_client(hls_supervisor().open(film)).play(start=4, segments=1).received
