"""A media server decides by its own accounts who may open which file, and watch which session."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from hls_sessions.web import create_app

ANNA, BERTA, ADMIN = ({"X-Account": name} for name in ("anna", "berta", "admin"))


def may(request, wanted):
    """What the media server of these tests allows: everybody their own; the operators everything."""
    account = request.headers.get("x-account")
    match wanted.action:
        case "open":
            return wanted.user == account and "secret" not in (wanted.media or "")
        case "watch":
            return wanted.session is not None and wanted.session.user == account
    return account == "admin"


async def may_in_time(request, wanted):
    return may(request, wanted)


@pytest.fixture(params=[may, may_in_time], ids=["a function", "a coroutine"])
def http(request, hls_supervisor):
    app = Starlette(routes=[Mount("/tv/hls", create_app(hls_supervisor(), authorize=request.param))])
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://tv.example/tv/hls")


@pytest.fixture
def session(film) -> dict:
    return {"media": film.name, "user": "anna"}


@pytest.mark.anyio
async def test_everybody_opens_and_watches_their_own(http, session):
    opened = await http.post("/sessions", json=session, headers=ANNA)
    assert opened.status_code == 201
    base = f"/sessions/{opened.json()['session_id']}"

    for path in ("", "/master.m3u8", "/video-90p/index.m3u8", "/video-90p/0.m4s"):
        assert (await http.get(base + path, headers=ANNA)).status_code == 200
        refused = await http.get(base + path, headers=BERTA)
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/forbidden")
    assert (await http.post(f"{base}/heartbeat", headers=ANNA)).status_code == 204
    assert (await http.get(f"/watch/{opened.json()['session_id']}", headers=BERTA)).status_code == 403
    assert (await http.delete(base, headers=BERTA)).status_code == 403
    assert (await http.delete(base, headers=ANNA)).status_code == 204


@pytest.mark.anyio
async def test_what_an_account_may_not_open_is_not_opened(http, session):
    refused = [
        await http.post("/sessions", json=session, headers=BERTA),
        await http.post("/sessions", json=session | {"media": "secret.mkv"}, headers=ANNA),
    ]

    assert {answer.status_code for answer in refused} == {403}
    assert (await http.get("/sessions", headers=ADMIN)).json() == []


@pytest.mark.anyio
async def test_what_is_for_operators_is_asked_for_as_such(http):
    for path in ("/sessions", "/settings", "/metrics", "/recordings", "/sessions/x/log", "/nowhere"):
        assert (await http.get(path, headers=ANNA)).status_code == 403
    assert (await http.get("/settings", headers=ADMIN)).status_code == 200
    assert (await http.get("/health")).status_code == 200


@pytest.mark.anyio
async def test_a_viewer_is_told_nothing_of_the_machine(http, session, film):
    told = (await http.post("/sessions", json=session, headers=ANNA)).json()

    assert str(film.parent) not in str(told)
    assert told["player_url"].startswith("/tv/hls/watch/")
