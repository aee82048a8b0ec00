"""A viewer's browser over HTTPS, with HTTP/2."""

from __future__ import annotations

import pytest
from browsing import happens, real
from certificate import make_certificate

# Playwright's own event loop closes its sockets when it is collected.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

PROTOCOLS = """[...new Set(performance.getEntriesByType('resource').map((each) => each.nextHopProtocol))].filter(
    Boolean).join()"""
"""What was fetched from a server; of what comes from a cache or from memory, none is told."""
LISTEN = """async (path) => {
    window.listening = Array.from({length: 10}, () => new EventSource(path));
    await Promise.all(listening.map((each) => new Promise((opened) => { each.onopen = opened; })));
    const answer = await fetch(path.replace("events", "heartbeat"), {method: "POST"});
    listening.forEach((each) => each.close());
    return answer.status;
}"""
"""More streams of events than the six connections that a browser opens to a server of HTTP/1, and a request."""


@pytest.fixture(scope="module")
def secure(share_daemon, tmp_path_factory):
    certificate, key = make_certificate(tmp_path_factory.mktemp("certificate"))
    with share_daemon(HLS_SESSIONS_TLS_CERTIFICATE=str(certificate), HLS_SESSIONS_TLS_KEY=str(key)) as daemon:
        yield daemon


@pytest.fixture
def page(browser):
    with browser.new_context(ignore_https_errors=True) as context:
        page = context.new_page()
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
        yield page


VIDEO = "document.querySelector('video')"


@pytest.mark.parametrize("player", ["hls.js", "native"])
def test_a_viewer_plays_and_seeks_over_http_2_while_many_listen(secure, hls_clip, page, player):
    session = secure.open(hls_clip(seconds=40, size="320x180", rate="30000/1001"))

    page.goto(f"{secure.url}{session['player_url']}?player={player}")

    happens(page, f"{VIDEO}?.readyState >= 3")
    page.evaluate(f"{VIDEO}.currentTime = 20, {VIDEO}.play()")
    happens(page, f"{VIDEO}.currentTime > 21")
    assert page.evaluate(LISTEN, f"/sessions/{session['session_id']}/events") == 204
    assert page.evaluate(PROTOCOLS) == "h2"
    assert real(page.complaints) == []
