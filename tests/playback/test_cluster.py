"""A viewer in a browser watches through a cluster whose nodes die one after another."""

from __future__ import annotations

import os

import pytest
from browsing import happens, real
from machines import Machines, until

from hls_sessions.testing import Clip, make
from hls_sessions.web.pages import HLS_JS

pytestmark = [
    pytest.mark.skipif(not HLS_JS.exists(), reason="the libraries of the pages could not be fetched"),
    # Playwright's own event loop closes its sockets when it is collected.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

DEATHS = int(os.environ.get("HLS_SESSIONS_TEST_DEATHS", "3"))
"""How many nodes die; scripts/soak --cluster has it be twenty."""

SECONDS_EACH = 8


@pytest.fixture
def machines(hls_clip_folder, tmp_path):
    film = Clip(seconds=(DEATHS + 3) * SECONDS_EACH, size="160x90", gop=50, pixels="yuv420p")
    make(film, hls_clip_folder)
    machines = Machines(hls_clip_folder, tmp_path)
    machines.film = film
    yield machines
    machines.close()


@pytest.mark.timeout(120 + 15 * DEATHS)
def test_a_player_plays_through_the_deaths_of_its_nodes(machines, hls_clip_folder, page):
    # The page's own node only passes requests on: it is drained, and the sessions are at the others.
    assert machines.ask("a", "/nodes/a/drain", "POST").status_code == 204
    until(lambda: any(node["draining"] for node in machines.ask("a", "/nodes").json()))
    viewing = machines.open("a", make(machines.film, hls_clip_folder).name)
    complaints = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(f"{machines.nodes['a'].url}/watch/{viewing.id}")
    happens(page, "!document.querySelector('video').paused && document.querySelector('video').currentTime > 1")
    page.evaluate(
        "window.stalls = 0; document.querySelector('video').addEventListener('waiting', () => window.stalls++)"
    )

    for _ in range(DEATHS):
        owner = viewing.owner("a")
        machines.nodes[owner].kill()
        at = page.evaluate("document.querySelector('video').currentTime")
        happens(page, f"document.querySelector('video').currentTime > {at + SECONDS_EACH - 2}")
        until(lambda gone=owner: viewing.owner("a") != gone)
        machines.nodes[owner].start()
        until(lambda: len(machines.seen_by("a")) == len(machines.nodes))

    assert page.evaluate("window.stalls") == 0
    assert real(complaints) == []
