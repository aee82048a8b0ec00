"""The daemon of a test is a real one, serves the films of the run, and leaves nothing."""

from __future__ import annotations

import pytest


@pytest.fixture
def film(hls_clip):
    return hls_clip(seconds=3, size="160x90")


def test_it_serves_the_films_of_this_run_and_says_why_it_refuses_others(hls_daemon, film):
    daemon = hls_daemon()

    session = daemon.open(film.name, user="anna")

    assert session["user"] == "anna"
    assert daemon.http.get(session["playlist_url"]).text.startswith("#EXTM3U")
    with pytest.raises(AssertionError, match=r"There is no file 'nothing.mp4' under the media roots"):
        daemon.open("nothing.mp4")


def test_settings_and_options_are_those_of_serve(hls_daemon, hls_fake_ffmpeg, film):
    fake = hls_fake_ffmpeg()
    daemon = hls_daemon("--idle-timeout", "77", max_sessions=1, copy_streams=False, ffmpeg=fake)

    settings = daemon.http.get("/settings").json()["settings"]

    assert (settings["idle_timeout"], settings["max_sessions"]) == (77, 1)
    assert (settings["copy_streams"], settings["ffmpeg"]) == (False, str(fake))


def test_its_token_is_sent(hls_daemon):
    daemon = hls_daemon(token="secret")

    assert daemon.http.get("/sessions").json() == []
    assert daemon.http.get("/sessions", headers={"Authorization": "Bearer another"}).status_code == 401


def test_one_that_is_stopped_leaves_nothing(hls_daemon, hls_segments_dir, film, ends):
    daemon = hls_daemon()
    daemon.http.get(daemon.open(film)["playlist_url"])

    assert daemon.stop() == 0

    assert list(hls_segments_dir.iterdir()) == []
    assert ends(daemon.process.pid)


def test_one_that_does_not_start_fails_the_test(hls_daemon, capfd):
    with pytest.raises(AssertionError, match="The daemon does not start"):
        hls_daemon(encoder="h266_abacus")

    assert "h266_abacus" in capfd.readouterr().err
