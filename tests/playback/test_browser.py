"""A viewer's browser: the player page in headless Chromium, with hls.js and natively."""

from __future__ import annotations

import os
import shutil

import pytest

from hls_sessions.web.pages import HLS_JS

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
    # Playwright's own event loop closes its sockets when it is collected.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

PLAYS_ON_FROM = """async (position) => {
    const video = document.querySelector("video");
    const reached = (goal) => new Promise((resolve, reject) => {
        const look = () => {
            if (video.error) reject(new Error(video.error.message || `error ${video.error.code}`));
            else if (video.currentTime >= goal && !video.paused && video.readyState >= 3) resolve(video.currentTime);
            else return false;
            return true;
        };
        const ear = () => { if (look()) events.forEach((e) => video.removeEventListener(e, ear)); };
        const events = ["timeupdate", "playing", "error", "seeked", "canplay"];
        events.forEach((e) => video.addEventListener(e, ear));
        ear();
    });
    if (position > 0) video.currentTime = position;
    await video.play();
    return await reached(position + 1);
}"""


@pytest.fixture
def page():
    with playwright.sync_playwright() as browsers:
        # As root, as in a container, Chromium's own sandbox cannot be.
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=FLAGS, chromium_sandbox=os.geteuid() != 0)
        page = browser.new_page()
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("requestfailed", lambda request: page.complaints.append(f"{request.url} {request.failure}"))
        page.on(
            "response",
            lambda answer: page.complaints.append(f"{answer.url} {answer.status}") if answer.status >= 400 else None,
        )
        yield page
        browser.close()


@pytest.mark.parametrize(
    "player",
    [
        pytest.param(
            "hls.js", marks=pytest.mark.skipif(not HLS_JS.exists(), reason="hls.js is not installed (npm is absent)")
        ),
        "native",
    ],
)
def test_a_viewer_presses_play_seeks_to_the_middle_and_sees_it_go_on(daemon, hls_clip, page, player):
    film = hls_clip(seconds=40, size="320x180", rate="30000/1001")
    session = daemon.open(film)

    page.goto(f"{daemon.url}{session['player_url']}?player={player}")
    begun = page.evaluate(PLAYS_ON_FROM, 0)
    middle = page.evaluate(PLAYS_ON_FROM, 20)

    assert begun >= 1
    assert 21 <= middle < 30
    assert page.evaluate("document.querySelector('video').error") is None
    assert abs(page.evaluate("document.querySelector('video').duration") - 40) < 0.5
    assert page.text_content("#status") == ("Playing with hls.js" if player == "hls.js" else "Playing natively")
    assert real(page.complaints) == []


def test_the_page_of_an_unknown_session_says_so(daemon, page):
    page.goto(f"{daemon.url}/watch/no-such-session")

    assert page.text_content("h1") == "Nothing to watch here"
    assert "no-such-session" in page.text_content("main")


def real(complaints: list[str]) -> list[str]:
    """Leave out what a player does on purpose: a seek drops the requests before it; a browser asks for an icon."""
    return [c for c in complaints if "ERR_ABORTED" not in c and "favicon" not in c]
