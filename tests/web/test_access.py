"""With a token, knowing a session's id is the right to watch, and nothing else is open."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urljoin

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from hls_sessions.errors import SessionEnded, StorageFailed
from hls_sessions.session.events import KINDS
from hls_sessions.web import create_app, problems
from hls_sessions.web.access import is_loopback
from hls_sessions.web.disclosure import TOLD, VIEWER, event_for_viewer
from hls_sessions.web.login import VALID, Logins
from hls_sessions.web.pages import HLS_JS
from hls_sessions.web.problems import STATUS
from hls_sessions.web.tokens import Right, Tokens

TOKEN = {"Authorization": "Bearer secret"}
TALK = "1\n00:00:00,500 --> 00:00:01,000\nFirst\n"


def test_without_the_token_nothing_can_be_opened_listed_or_stopped(guarded):
    answers = [
        guarded.http.post("/sessions", json={"media": "film.mp4"}),
        guarded.http.get("/sessions"),
        guarded.http.get("/sessions/x"),
        guarded.http.delete("/sessions/x"),
        guarded.http.get("/openapi.json"),
        guarded.http.get("/sessions", headers={"Authorization": "Bearer wrong"}),
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert {answer.json()["type"] for answer in answers} == {"/problems/token-required"}


@pytest.mark.parametrize(
    "path",
    [
        "/sessions/x/y.m3u8/../../z",
        "/sessions/x/master.m3u8/..",
        "/static/player/main.js/../../sessions",
        "/health/../sessions",
        "/sessions?/main.js",
        "//health",
        "/health/",
        "/static/anything",
        "/sessions/x/y/z.m3u8",
        "/nowhere",
    ],
)
def test_a_path_that_only_looks_like_an_open_one_wants_the_token(guarded, path):
    # httpx would send the path without its dots.
    connection = HTTPConnection(guarded.http.base_url.host, guarded.http.base_url.port, timeout=30)
    with closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        problem = json.load(answer)

    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert problem["type"] == "/problems/token-required"


def test_an_open_path_wants_the_token_for_any_other_method(guarded):
    answers = [guarded.http.delete("/health"), guarded.http.get("/sessions/x/heartbeat")]

    assert {answer.status_code for answer in answers} == {401}


def test_pages_and_health_are_open(guarded):
    answers = [
        guarded.http.get(path) for path in ("/", "/static/player/main.js", "/problems/session-not-found", "/health")
    ]

    assert {answer.status_code for answer in answers} == {200}


def test_with_the_token_a_session_is_opened_and_its_id_is_enough_to_watch_it(guarded, hls_clip):
    film = hls_clip(size="160x90")
    session = guarded.http.post("/sessions", json={"media": film.name}, headers=TOKEN).json()
    base = f"/sessions/{session['session_id']}"

    paths = [session["player_url"], session["playlist_url"], f"{base}/video-90p/index.m3u8", f"{base}/video-90p/0.m4s"]
    assert {guarded.http.get(path).status_code for path in paths} == {200}
    assert guarded.http.post(f"{base}/heartbeat").status_code == 204
    assert guarded.http.delete(base).status_code == 401


def test_knowing_a_session_id_is_enough_to_read_the_subtitles_of_its_film(guarded, hls_clip):
    film = hls_clip(size="160x90", container="mkv", audio=None, subtitles=(TALK,))
    session = guarded.http.post("/sessions", json={"media": film.name}, headers=TOKEN).json()

    text = guarded.http.get(f"/sessions/{session['session_id']}/subtitles-0/1.vtt")

    assert (text.status_code, "First" in text.text) == (200, True)


def test_the_daemon_refuses_to_listen_to_other_machines_without_a_token(tmp_path):
    command = [sys.executable, "-m", "hls_sessions", "serve", "--media", str(tmp_path), "--host", "0.0.0.0"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert refused.returncode != 0
    assert "set a token" in refused.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost"])
def test_loopback_addresses_are_this_machine_alone(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", ""])
def test_other_addresses_are_not(host):
    assert not is_loopback(host)


# ---- DNS rebinding: another site's name that resolves to this machine


def asked_under(http, *hosts):
    """Ask with these Host headers, as they are; return the status. A refusal is a problem like any other."""
    connection = HTTPConnection(http.base_url.host, http.base_url.port, timeout=30)
    with closing(connection):
        connection.putrequest("GET", "/sessions", skip_host=True)
        for host in hosts:
            connection.putheader("Host", host)
        connection.putheader("Authorization", "Bearer secret")
        connection.endheaders()
        answer = connection.getresponse()
        if answer.status != 200:
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert json.load(answer)["type"] == "/problems/host-refused"
        return answer.status


@pytest.mark.parametrize("host", ["localhost", "LocalHost:8642", "127.0.0.1", "127.0.0.1:8642", "[::1]", "[::1]:8642"])
def test_without_a_token_a_daemon_is_asked_under_the_names_of_loopback(http, host):
    assert asked_under(http, host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example",
        "rebound.example:8642",
        "localhost.rebound.example",
        "127.0.0.1.rebound.example",
        "rebound.example@127.0.0.1",
        "testserver",
        "127.8.9.1",
        "0.0.0.0",
        "[::2]",
        "*",
        "",
    ],
)
def test_without_a_token_a_daemon_is_asked_under_no_other_name(http, host):
    assert asked_under(http, host) == 400


def test_without_a_token_a_daemon_is_not_asked_under_no_name_at_all(http):
    assert asked_under(http) == 400


def test_without_a_token_a_daemon_is_not_asked_under_two_names(http):
    assert asked_under(http, "localhost", "rebound.example") == 400


def test_no_route_is_open_under_another_name(http):
    paths = ["/health", "/static/watch.js", "/openapi.json", "/sessions/x/master.m3u8", "/nowhere"]

    assert {http.get(path, headers={"Host": "rebound.example"}).status_code for path in paths} == {400}


def test_a_daemon_is_asked_under_the_address_that_it_listens_on(start_daemon):
    daemon = start_daemon("--host", "127.8.9.1")

    assert asked_under(daemon.http, f"127.8.9.1:{daemon.http.base_url.port}") == 200
    assert asked_under(daemon.http, "127.8.9.2") == 400


def test_with_a_token_a_daemon_is_asked_under_any_name(guarded):
    assert asked_under(guarded.http, "media.example.org") == 200


# ---- pages of other sites that have a browser ask

FROM_ELSEWHERE = [
    {"Origin": "https://elsewhere.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"},
]


@pytest.mark.parametrize("headers", FROM_ELSEWHERE)
def test_without_a_token_a_page_of_another_site_changes_nothing(http, film, session, headers):
    base = f"/sessions/{session['session_id']}"
    wanted = json.dumps({"media": film.name})
    # A browser sends these without asking first: a post of text, or of a blob without a type.
    answers = [
        http.post("/sessions", content=wanted, headers=headers | {"Content-Type": "text/plain"}),
        http.post("/sessions", content=wanted, headers=headers),
        http.post("/sessions/stop", content=json.dumps({"all": True}), headers=headers),
        http.post(f"{base}/pause", headers=headers),
        http.delete(base, headers=headers),
        http.patch("/settings", content="{}", headers=headers),
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert {answer.json()["type"] for answer in answers} == {"/problems/cross-site-request"}
    assert [each["session_id"] for each in http.get("/sessions").json()] == [session["session_id"]]


def test_the_id_of_a_session_is_enough_for_a_page_of_another_site_to_play_it(http, session):
    base = f"/sessions/{session['session_id']}"

    for headers in FROM_ELSEWHERE:
        assert http.get(f"{base}/master.m3u8", headers=headers).status_code == 200
        assert http.post(f"{base}/heartbeat", headers=headers).status_code == 204


def test_without_a_token_pages_of_the_daemon_itself_and_programs_may_ask_for_changes(http, film):
    own = f"http://{http.base_url.host}:{http.base_url.port}"

    for headers in ({}, {"Origin": own}, {"Origin": own, "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
        assert http.post("/sessions", json={"media": film.name}, headers=headers).status_code == 201


# ---- what a viewer may know


def everything_told(http, base):
    """Return all that the open routes tell of a session until it ends."""
    told = [http.get(path).text for path in ("/health", f"{base}/master.m3u8", f"{base}/nothing/index.m3u8")]
    with http.stream("GET", f"{base}/events") as events:
        told += events.iter_lines()
    return "\n".join(told)


def test_a_viewer_is_told_nothing_of_the_machine_and_of_other_people(start_daemon, hls_clip, tmp_path, until):
    daemon = start_daemon("--token", "secret")
    film = shutil.copy(hls_clip(seconds=5, size="160x90", pixels="yuv420p", gop=20), tmp_path / "film.mp4")
    opened = daemon.http.post("/sessions", json={"media": film.name, "user": "anna"}, headers=TOKEN).json()
    base = f"/sessions/{opened['session_id']}"
    secrets = ["anna", str(tmp_path), opened["directory"], "history.db", "Open it again"]

    with ThreadPoolExecutor() as pool:
        events = pool.submit(everything_told, daemon.http, base)
        until(lambda: daemon.http.get(base, headers=TOKEN).json()["subscriber_count"] == 1)
        film.write_bytes(b"another film")
        refused = daemon.http.get(f"{base}/video-copy/1.m4s")
        told = events.result(60)
    gone = [daemon.http.get(f"{base}{path}") for path in ("/master.m3u8", "/events")]
    page = daemon.http.get(opened["player_url"])

    assert refused.json()["type"] == "/problems/file-changed"
    assert {answer.status_code for answer in (refused, *gone, page)} == {410}
    everything = "\n".join([told, refused.text, page.text, *(answer.text for answer in gone)])
    assert [secret for secret in secrets if secret in everything] == []
    assert {answer.json()["reason"] for answer in gone} == {"it cannot be played any further"}
    assert "film.mp4" in everything
    assert str(film) in daemon.http.get(f"{base}/master.m3u8", headers=TOKEN).json()["reason"]
    assert daemon.http.get("/health", headers=TOKEN).json()["history"] != ""


def test_a_viewer_is_told_how_the_session_is_under_the_names_of_all_members(guarded, hls_clip):
    film = hls_clip(size="160x90")
    opened = guarded.http.post("/sessions", json={"media": film.name, "user": "anna"}, headers=TOKEN).json()
    base = f"/sessions/{opened['session_id']}"

    def first_event(headers):
        with guarded.http.stream("GET", f"{base}/events?subscribe=false", headers=headers) as events:
            return next(
                json.loads(line.removeprefix("data: ")) for line in events.iter_lines() if line.startswith("data")
            )

    told, known = first_event({}), first_event(TOKEN)

    assert told.keys() == known.keys()
    assert (known["user"], known["media"]) == ("anna", str(film))
    assert (told["user"], told["media"], told["directory"], told["runs"]) == (None, film.name, "", [])
    assert (told["state"], told["playlist_url"]) == ("active", opened["playlist_url"])
    assert [each["id"] for each in told["renditions"]] == [each["id"] for each in known["renditions"]]


NUMBERS = {"segment", "segments", "failures", "most", "place", "retry_after"}


@pytest.mark.parametrize(
    "error", [error for error in STATUS if not issubclass(error, TOLD) and "__init__" in vars(error)]
)
def test_every_other_error_is_told_to_a_viewer_without_its_facts(error):
    values = {name: 1 if name in NUMBERS else "/secret" for name in inspect.signature(error).parameters}
    values |= {name: value for name, value in {"faults": {"/secret": ""}, "state": "failed"}.items() if name in values}

    problem = problems.of(error(*values.values()), {VIEWER: True})

    told = json.loads(problem.body)
    assert told.pop("session_id", "/secret") == told.pop("ended_at", "/secret") == "/secret"
    assert told["detail"]
    assert error is SessionEnded or "/secret" not in str(told)


def test_an_error_that_a_media_server_derives_tells_a_viewer_what_its_kind_means():
    class TooOld(StorageFailed):
        """Not for viewers: /secret."""

        kind = "too-old"

    problem = problems.of(TooOld("/secret", "/secret"), {VIEWER: True})

    assert (problem.status_code, b"secret" in problem.body) == (507, False)


@pytest.mark.parametrize("event", [*KINDS.values()])
def test_every_kind_of_event_is_judged(event):
    values = dict.fromkeys(inspect.signature(event).parameters, "/secret") | {"session_id": "x"}

    told = event_for_viewer(event(**values))

    hidden = {"user", "snapshot"}
    assert told is None or {getattr(told, name, None) for name in hidden} <= {None}
    assert told is None or getattr(told, "media", "secret") == "secret"


@pytest.mark.parametrize("token", [None, "secret"])
def test_mounted_under_a_prefix_every_address_still_leads_somewhere(hls_supervisor, hls_clip, token):
    film = hls_clip(size="160x90")
    app = Starlette(routes=[Mount("/hls", create_app(hls_supervisor(), token=token))])

    async def visit():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as http:
            opened = await http.post("/hls/sessions", json={"media": film.name}, headers=TOKEN)
            session = opened.json()
            page = await http.get(session["player_url"])
            base = session["playlist_url"].removesuffix("/master.m3u8")
            assets = [urljoin(session["player_url"], ref) for ref in re.findall(r'(?:src|href)="([^"]+)"', page.text)]
            addresses = [session["playlist_url"], f"{base}/video-90p/index.m3u8", f"{base}/video-90p/0.m4s", *assets]
            answers = {address: (await http.get(address)).status_code for address in addresses}
            return opened, assets, answers

    opened, assets, answers = asyncio.run(visit())

    assert opened.headers["location"].startswith("/hls/sessions/")
    assert "/hls/static/player/main.js" in assets
    missing = {address for address, status in answers.items() if status != 200}
    assert missing == set() if HLS_JS.exists() else all("/vendor/" in address for address in missing)


def test_a_browser_that_has_logged_in_needs_no_token_and_no_script_can_read_its_cookie(guarded):
    answer = guarded.http.post("/login", json={"token": "secret"})
    cookie = answer.headers["set-cookie"]

    assert answer.status_code == 204
    assert guarded.http.get("/login").json() == {"is_needed": True, "is_done": True}
    assert "secret" not in cookie
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert guarded.http.get("/sessions").status_code == 200
    assert guarded.http.post("/sessions/stop", json={"all": True}).status_code == 200
    assert guarded.http.post("/logout").status_code == 204
    assert guarded.http.get("/sessions").status_code == 401


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://elsewhere.example"}])
def test_a_page_of_another_site_cannot_use_the_cookie_for_a_change(guarded, headers):
    guarded.http.post("/login", json={"token": "secret"})
    try:
        assert guarded.http.post("/sessions/stop", json={"all": True}, headers=headers).status_code == 401
    finally:
        guarded.http.post("/logout")


def test_a_page_of_another_site_can_log_nobody_in_or_out(guarded):
    headers = {"Sec-Fetch-Site": "cross-site"}

    assert guarded.http.post("/logout", headers=headers).status_code == 403
    assert guarded.http.post("/login", json={"token": "secret"}, headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("body", "status"), [({"token": "wrong"}, 403), ({"token": ""}, 422), ({"token": 1}, 422), ([], 422), ({}, 422)]
)
def test_a_login_without_the_token_is_refused_and_gives_no_cookie(guarded, body, status):
    answer = guarded.http.post("/login", json=body)

    assert (answer.status_code, answer.headers.get("set-cookie")) == (status, None)


@pytest.mark.parametrize("cookie", ["", "x", "9999999999.", "9999999999." + 64 * "0", "9999999999.é", ".", "é.x"])
def test_a_cookie_that_was_made_up_is_worth_nothing(cookie):
    logins = Logins(Tokens("secret"))

    assert logins.right_of(asked(cookie=f"{logins.names()[0]}={cookie}")) is Right.NOTHING


def test_a_cookie_is_worth_something_for_a_week_and_only_with_the_token_that_it_was_given_for():
    now = 1_000_000.0
    logins = Logins(Tokens("secret"), lambda: now)
    cookie = "=".join(logins.cookie("secret"))

    assert logins.right_of(asked(cookie=cookie)) is Right.OPERATE
    assert Logins(Tokens("another"), lambda: now).right_of(asked(cookie=cookie)) is Right.NOTHING
    now += VALID + 1
    assert logins.right_of(asked(cookie=cookie)) is Right.NOTHING


def asked(method="GET", **headers):
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": "/", "headers": raw}


def test_a_daemon_without_a_token_has_no_login(daemon):
    assert daemon.http.post("/login", json={"token": "secret"}).status_code == 404
    assert daemon.http.get("/login").json() == {"is_needed": False, "is_done": False}
