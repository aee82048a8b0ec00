"""A player on a page of another site may read every answer of the media routes, errors too."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from hls_sessions.web import create_app

MEDIA = ["master.m3u8", "video-90p/index.m3u8", "video-90p/init.mp4", "video-90p/0.m4s", "subtitles-0/0.vtt"]


@pytest.fixture
def base(session) -> str:
    return f"/sessions/{session['session_id']}"


def assert_readable(answer) -> None:
    assert answer.headers["access-control-allow-origin"] == "*"
    exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert {"segment-impossible", "segment-empty", "retry-after", "link", "etag", "content-range"} <= exposed


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_any_page_may_read_playlists_and_segments(http, base, method):
    for path in MEDIA[:4]:
        answer = http.request(method, f"{base}/{path}")
        assert answer.status_code == 200
        assert_readable(answer)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("video-90p/0.m4s", {"Range": "bytes=0-9"}, 206),
        ("video-90p/0.m4s", {"If-None-Match": "*"}, 304),
        ("video-90p/0.m4s", {"Range": "nonsense"}, 400),
        ("video-90p/99.m4s", {}, 404),
        ("video-90p/one.m4s", {}, 404),
        ("video-91p/index.m3u8", {}, 404),
        ("video-90p/0.m4s", {"Range": "bytes=99999999-"}, 416),
    ],
)
def test_any_page_may_read_what_is_wrong(http, base, path, headers, status):
    answer = http.get(f"{base}/{path}", headers=headers)

    assert answer.status_code == status
    assert_readable(answer)


@pytest.mark.parametrize("path", MEDIA)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_any_page_may_read_that_a_method_is_not_allowed(http, base, path, method):
    answer = http.request(method, f"{base}/{path}")

    assert answer.status_code == 405
    assert_readable(answer)


@pytest.mark.parametrize("path", MEDIA)
def test_any_page_may_read_that_a_session_is_unknown_or_has_ended(http, base, path):
    http.delete(base)

    for address in (base, "/sessions/unknown"):
        answer = http.get(f"{address}/{path}")
        assert answer.status_code == 404
        assert_readable(answer)


def test_any_page_may_read_that_the_daemon_has_a_fault(hls_supervisor, film, monkeypatch):
    supervisor = hls_supervisor()
    session = supervisor.open(film)

    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr(session, "playlist", fail)

    async def ask():
        transport = httpx.ASGITransport(create_app(supervisor), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as http:
            return await http.get(f"/sessions/{session.id}/master.m3u8")

    answer = asyncio.run(ask())

    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/internal-server-error")
    assert_readable(answer)


@pytest.mark.parametrize("path", MEDIA)
def test_a_browser_that_asks_first_is_told_that_it_may_ask(http, base, path):
    asked = {
        "Origin": "https://player.example",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "range,authorization",
    }
    answer = http.options(f"{base}/{path}", headers=asked)

    assert (answer.status_code, answer.content) == (204, b"")
    assert_readable(answer)
    assert {"GET", "HEAD"} <= set(answer.headers["access-control-allow-methods"].split(", "))
    assert {"*", "Authorization"} <= set(answer.headers["access-control-allow-headers"].split(", "))
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


def test_a_browser_that_asks_first_needs_no_token(hls_supervisor):
    app = create_app(hls_supervisor(), token="secret")

    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as http:
            return [await http.options(f"/sessions/x/{path}") for path in MEDIA] + [await http.options("/sessions")]

    *media, other = asyncio.run(ask())

    assert {answer.status_code for answer in media} == {204}
    assert other.status_code == 401


@pytest.mark.parametrize("path", ["/sessions", "/health", "/static/watch.js"])
def test_no_other_route_is_for_pages_of_other_sites(http, path):
    assert "access-control-allow-origin" not in http.get(path, headers={"Origin": "https://player.example"}).headers


@pytest.mark.anyio
async def test_a_site_that_is_named_may_use_everything_and_no_other_site_anything(hls_supervisor):
    app = create_app(hls_supervisor(cors_origins="https://tv.example"), token="secret")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as http:
        ours, theirs = {"Origin": "https://tv.example"}, {"Origin": "https://evil.example"}
        asked = await http.options("/sessions", headers=ours | {"Access-Control-Request-Method": "POST"})
        answers = [await http.get(path, headers=ours) for path in ("/sessions", "/sessions/x/master.m3u8")]
        refused = [await http.get(path, headers=theirs) for path in ("/sessions", "/sessions/x/master.m3u8")]

    assert (asked.status_code, "POST" in asked.headers["access-control-allow-methods"]) == (204, True)
    assert "Authorization" in asked.headers["access-control-allow-headers"]
    assert {answer.headers["access-control-allow-origin"] for answer in answers} == {"https://tv.example"}
    assert {answer.headers["vary"] for answer in answers} == {"Origin"}
    assert not any("access-control-allow-origin" in answer.headers for answer in refused)
