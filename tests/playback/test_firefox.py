"""A viewer and an operator with Firefox, which plays nothing without the hls.js that comes with the package."""

from __future__ import annotations

import pytest
from browsing import happens
from firefox import FIREFOX, firefox

from hls_sessions.web.pages import HLS_JS

pytestmark = [
    pytest.mark.skipif(FIREFOX is None, reason="Firefox is not installed"),
    pytest.mark.skipif(not HLS_JS.exists(), reason="the libraries of the pages could not be fetched"),
]


@pytest.fixture
def browser(tmp_path):
    with firefox(tmp_path) as page:
        yield page


def test_a_film_is_played_and_sought_with_hls_js(daemon, hls_clip, browser):
    # Firefox from Debian decodes H.264 by ffmpeg's libraries, where they are installed; it decodes VP9 by itself.
    film = hls_clip(
        seconds=20,
        size="128x72",
        rate="10",
        gop=20,
        pixels="yuv420p",
        video="libvpx-vp9",
        audio="libopus",
        container="webm",
        audio_rate=48000,
    )
    session = daemon.open(film)
    browser.goto(f"{daemon.url}{session['player_url']}")
    happens(browser, "document.body.dataset.engine === 'hls.js'")
    happens(browser, "!document.getElementById('video').paused && document.getElementById('video').currentTime > 1")
    browser.press("5")
    happens(browser, "document.getElementById('video').currentTime > 10.5")

    assert browser.evaluate("document.getElementById('video').error === null")
    assert browser.evaluate("document.querySelector('media-play-button').getAttribute('aria-label')") == "pause"
    assert browser.complaints == []


def test_the_dashboard_shows_sessions_as_they_come_and_go(daemon, hls_clip, browser):
    browser.goto(f"{daemon.url}/")
    happens(browser, "document.body.textContent.includes('No sessions yet')")
    session = daemon.open(hls_clip(seconds=5, size="128x72"), user="anna")
    happens(browser, "document.querySelectorAll('.rows .row').length === 1")
    daemon.http.delete(f"/sessions/{session['session_id']}")
    happens(browser, "document.body.textContent.includes('No sessions yet')")

    assert browser.complaints == []
