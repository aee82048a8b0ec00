"""Playlists and segments, as a player asks for them."""

from __future__ import annotations

import asyncio
import re
import shlex
import socket
import subprocess
import threading
from fractions import Fraction
from urllib.parse import urlsplit

import httpx
import pytest

from hls_sessions.ffmpeg import find
from hls_sessions.media import OFFSET, filler_segment
from hls_sessions.testing import hanging_ffmpeg
from hls_sessions.web import create_app


def base(session) -> str:
    return f"/sessions/{session['session_id']}"


def test_playlists_are_answered_without_any_encoder(http, session):
    master = http.get(session["playlist_url"])
    media = http.get(f"{base(session)}/video-90p/index.m3u8")

    assert master.text.startswith("#EXTM3U")
    assert media.text.rstrip().endswith("#EXT-X-ENDLIST")
    assert {master.headers["content-type"], media.headers["content-type"]} == {"application/vnd.apple.mpegurl"}
    assert http.get(base(session)).json()["runs"] == []


def test_the_wait_for_a_segment_is_told_up_to_its_sending(http, session, until):
    assert http.get(f"{base(session)}/video-90p/0.m4s").is_success

    until(lambda: "send" in http.get(base(session)).json()["first_awaited"]["phases"])


def test_every_address_in_the_playlists_leads_somewhere(http, session):
    for line in http.get(session["playlist_url"]).text.splitlines():
        if line.startswith("#EXT-X-I-FRAME-STREAM-INF"):
            playlist = http.get(f"{base(session)}/thumbnails/index.m3u8").text.splitlines()
            answers = [http.get(f"{base(session)}/thumbnails/{name}") for name in playlist if name.endswith(".jpg")]
            assert {answer.headers["content-type"] for answer in answers} == {"image/jpeg"}
        elif line.endswith("index.m3u8") or 'URI="' in line:
            rendition = line.rpartition('URI="')[2].split("/")[0]
            playlist = http.get(f"{base(session)}/{rendition}/index.m3u8").text.splitlines()
            names = ["init.mp4", *(name for name in playlist if name and not name.startswith("#"))]
            answers = [http.get(f"{base(session)}/{rendition}/{name}") for name in names]
            assert {answer.status_code for answer in answers} == {200}
            assert {answer.headers["content-type"] for answer in answers} == {"video/mp4"}


def test_a_segment_is_the_same_whether_it_was_waited_for_or_is_on_disk(http, session):
    waited = http.get(f"{base(session)}/video-90p/2.m4s")
    from_disk = http.get(f"{base(session)}/video-90p/2.m4s")

    assert waited.content == from_disk.content
    assert waited.headers["etag"] == from_disk.headers["etag"]


def test_a_part_of_a_segment_may_be_asked_for(http, session):
    whole = http.get(f"{base(session)}/video-90p/0.m4s").content
    part = http.get(f"{base(session)}/video-90p/0.m4s", headers={"Range": "bytes=10-19"})

    assert part.status_code == 206
    assert part.content == whole[10:20]


def test_a_part_may_be_asked_for_again_and_again(http, session):
    # While a request waits, the app listens for a leaving player; granian then sometimes takes the player for gone.
    def ask():
        with httpx.Client(base_url=http.base_url, timeout=30, trust_env=False) as player:
            address = f"{base(session)}/video-90p/init.mp4"
            answers.extend(player.get(address, headers={"Range": "bytes=0-"}) for _ in range(100))

    answers = []
    players = [threading.Thread(target=ask) for _ in range(4)]
    for player in players:
        player.start()
    for player in players:
        player.join()

    assert {answer.status_code for answer in answers} == {206}
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.parametrize("path", ["video-90p/1.m4s", "video-90p/init.mp4", "audio-0/0.m4s", "subtitles-0/0.vtt"])
def test_head_makes_nothing_and_counts_nothing(http, media, film, path):
    (media / "talk.srt").write_text("1\n00:00:00,500 --> 00:00:01,000\nFirst\n")
    named = media / "film.mkv"
    sources = ("-i", film, "-i", media / "talk.srt")
    subprocess.run([find(), "-v", "error", "-y", *sources, "-map", "0", "-map", "1", "-c:v", "copy", named], check=True)
    session = http.post("/sessions", json={"media": named.name}).json()

    before = http.head(f"{base(session)}/{path}")
    info = http.get(base(session)).json()
    there = http.get(f"{base(session)}/{path}")
    counted = http.get(base(session)).json()
    after = http.head(f"{base(session)}/{path}")

    assert (before.status_code, after.status_code) == (200, 200)
    assert "content-length" not in before.headers
    assert (info["runs"], info["segments_served"], info["renditions"][0]["published"]) == ([], 0, 0)
    assert after.headers["content-length"] == str(len(there.content))
    assert after.headers["etag"] == there.headers["etag"]
    assert after.headers["content-type"] == before.headers["content-type"] == there.headers["content-type"]
    assert http.get(base(session)).json()["segments_served"] == counted["segments_served"]


@pytest.mark.parametrize("path", ["video-90p/99.m4s", "video-91p/0.m4s", "video-91p/init.mp4", "video-91p/index.m3u8"])
def test_head_of_what_is_not_offered_is_not_found(http, session, path):
    assert http.head(f"{base(session)}/{path}").status_code == 404


def test_each_segment_names_the_next_and_the_last_names_none(http, session):
    links = [http.get(f"{base(session)}/video-90p/{number}.m4s").headers.get("link") for number in range(5)]

    assert links == [*(f'<{number}.m4s>; rel="next"' for number in range(1, 5)), None]
    assert "link" not in http.get(f"{base(session)}/video-90p/init.mp4").headers


def test_a_master_playlist_offers_the_variants_that_are_named_alone(http, hls_clip):
    film = hls_clip(seconds=4, size="640x480", gop=50, pixels="yuv420p")
    playlist = http.post("/sessions", json={"media": film.name}).json()["playlist_url"]

    def variants(query=""):
        return re.findall(r"^(video-\w+)/index.m3u8", http.get(playlist + query).text, re.MULTILINE)

    assert variants() == ["video-copy", "video-480p", "video-360p"]
    assert variants("?variants=video-copy") == ["video-copy"]
    assert variants("?variants=video-360p,video-copy,") == ["video-copy", "video-360p"]
    assert http.get(f"{playlist}?variants=video-4k").status_code == 404
    assert "audio-0/index.m3u8" in http.get(f"{playlist}?variants=video-copy").text


@pytest.mark.parametrize("path", ["master.m3u8", "video-90p/index.m3u8", "video-90p/init.mp4", "video-90p/0.m4s"])
def test_what_a_client_has_is_not_sent_again(http, session, path):
    address = f"{base(session)}/{path}"
    whole = http.get(address)
    tag = whole.headers["etag"]

    for known in (tag, f'"another", {tag}', f"W/{tag.removeprefix('W/')}", "*"):
        again = http.get(address, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert again.headers["cache-control"] == whole.headers["cache-control"]
    assert http.get(address, headers={"If-None-Match": '"another"'}).content == whole.content


@pytest.mark.parametrize("path", ["master.m3u8", "video-90p/index.m3u8"])
@pytest.mark.parametrize(
    ("accepted", "is_compressed"),
    [
        ("gzip", True),
        ("br;q=1, GZIP;q=0.5", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, br", False),
        ("", False),
    ],
)
def test_a_playlist_is_compressed_for_those_who_take_it(http, session, path, accepted, is_compressed):
    plain = http.get(f"{base(session)}/{path}", headers={"Accept-Encoding": "identity"})
    answer = http.get(f"{base(session)}/{path}", headers={"Accept-Encoding": accepted})

    assert (answer.headers.get("content-encoding") == "gzip") is is_compressed
    assert answer.text == plain.text
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["etag"] == plain.headers["etag"]


def test_segments_are_never_compressed(http, session):
    for name in ("init.mp4", "0.m4s"):
        answer = http.get(f"{base(session)}/video-90p/{name}", headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in answer.headers


def test_many_players_may_wait_for_the_same_segment(http, session):
    answers = []
    players = [
        threading.Thread(target=lambda: answers.append(http.get(f"{base(session)}/video-90p/1.m4s"))) for _ in range(8)
    ]
    for player in players:
        player.start()
    for player in players:
        player.join()

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


def test_a_player_that_leaves_while_it_waits_is_no_longer_waited_for(start_daemon, hls_clip, tmp_path, until):
    daemon = start_daemon("--ffmpeg", str(hanging_ffmpeg(tmp_path)))
    session = daemon.open(hls_clip(size="160x90"))
    address = urlsplit(daemon.url)
    request = f"GET {base(session)}/video-90p/1.m4s HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n"
    with socket.create_connection((address.hostname, address.port)) as player:
        player.sendall(request.encode())
        until(lambda: daemon.http.get(base(session)).json()["viewers_waiting"] == 1)

    until(lambda: daemon.http.get(base(session)).json()["viewers_waiting"] == 0)


@pytest.mark.parametrize("name", ["1.m4s", "init.mp4"])
def test_a_file_that_is_deleted_before_it_is_sent_is_made_again(hls_supervisor, film, monkeypatch, name):
    supervisor = hls_supervisor()
    session = supervisor.open(film)
    asked = []

    def losing_the_first(ask):
        def ask_and_lose(*what):
            reply = ask(*what)
            if not asked:
                reply.get(30).unlink()
            asked.append(what)
            return reply

        return ask_and_lose

    monkeypatch.setattr(session, "ask_segment", losing_the_first(session.ask_segment))
    monkeypatch.setattr(session, "ask_init", losing_the_first(session.ask_init))

    async def fetch():
        transport = httpx.ASGITransport(create_app(supervisor))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as http:
            return await http.get(f"/sessions/{session.id}/video-90p/{name}")

    answer = asyncio.run(fetch())

    assert (answer.status_code, len(asked)) == (200, 2)
    assert answer.content == (session.directory / "video-90p" / name).read_bytes()


def test_a_file_that_is_deleted_while_it_is_sent_is_sent_whole(hls_supervisor, film):
    supervisor = hls_supervisor()
    session = supervisor.open(film)
    file = session.directory / "video-90p" / "1.m4s"
    path = f"/sessions/{session.id}/video-90p/1.m4s"
    headers, parts, deleted = [], [], []

    async def send(message):
        if message["type"] == "http.response.start":
            headers.append(dict(message["headers"]))
            deleted.append(file.read_bytes())
            file.unlink()
        else:
            parts.append(message.get("body", b""))

    # Like a server that opens files by their names.
    extensions = {"http.response.pathsend": {}}
    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b"", "root_path": ""}
    asyncio.run(create_app(supervisor)(scope | {"extensions": extensions}, asyncio.Event().wait, send))

    assert headers[0][b"content-length"] == str(len(deleted[0])).encode()
    assert b"".join(parts) == deleted[0]


@pytest.mark.parametrize("path", ["video-90p/99.m4s", "video-90p/100000000000000000.m4s", "audio-0/99.m4s"])
def test_a_segment_past_the_end_is_not_found(http, session, path):
    answer = http.get(f"{base(session)}/{path}")

    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/segment-not-found"
    assert answer.json()["segments"] == 5


@pytest.mark.parametrize(
    "path", ["video-91p/0.m4s", "video-91p/init.mp4", "video-91p/index.m3u8", "..%2f..%2fetc/0.m4s"]
)
def test_a_rendition_that_is_not_offered_is_not_found(http, session, path):
    answer = http.get(f"{base(session)}/{path}")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path", ["-1.m4s", "one.m4s", f"{'9' * 5000}.m4s", "\u0661.m4s", "1.ts", "1.m4s/", "owner", "run-1/1.m4s"]
)
def test_nothing_but_segments_is_served(http, session, path):
    assert http.get(f"{base(session)}/video-90p/{path}").status_code == 404


def test_a_segment_before_a_late_track_says_that_it_is_empty(http, media):
    film = media / "late.mp4"
    sources = ("-f", "lavfi", "-i", "testsrc2=size=160x90:duration=6", "-itsoffset", "3", "-f", "lavfi")
    subprocess.run([find(), "-v", "error", *sources, "-i", "sine=duration=3", film], check=True)
    session = http.post("/sessions", json={"media": film.name}).json()

    answers = [http.get(f"{base(session)}/audio-0/{number}.m4s") for number in (0, 4, 3, 0)]

    assert {answer.status_code for answer in answers} == {200}
    empty = [answer.headers.get("segment-empty") for answer in answers]
    assert empty == ["its track begins later", None, "its track begins later", "its track begins later"]


@pytest.fixture
def ending_before(start_daemon, tmp_path):
    """Start a daemon whose encoders end, when begun at one of these segments, as if the film did."""

    def ending_before(segments):
        script = tmp_path / "ffmpeg"
        cases = "".join(f'*"-segment_start_number {number} "*) exit 0 ;; ' for number in segments)
        script.write_text(f'#!/bin/sh\ncase "$* " in {cases}esac\nexec {shlex.quote(find())} "$@"\n')
        script.chmod(0o755)
        return start_daemon("--ffmpeg", str(script))

    return ending_before


def test_a_segment_that_is_impossible_is_answered_with_a_gap_that_says_why(ending_before, hls_clip):
    daemon = ending_before([1, 2])
    session = daemon.open(hls_clip(size="160x90"))
    whole = daemon.http.get(f"{base(session)}/video-90p/3.m4s")
    init = daemon.http.get(f"{base(session)}/video-90p/init.mp4")

    answers = [daemon.http.get(f"{base(session)}/video-90p/{number}.m4s") for number in (1, 2)]

    assert {answer.status_code for answer in (whole, *answers)} == {200}
    assert "segment-impossible" not in whole.headers
    assert {answer.headers["segment-impossible"] for answer in answers} == {"the file ends before it"}
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}
    assert answers[0].content == filler_segment(init.content, OFFSET + Fraction(12, 25), OFFSET + 1)
    picture, _ = daemon.http.get(base(session)).json()["renditions"]
    assert picture["gaps"] == [{"first": 1, "last": 2, "reason": "the file ends before it"}]


def test_where_nothing_can_be_made_there_is_no_gap_but_an_error_that_says_why(ending_before, hls_clip):
    daemon = ending_before(range(5))
    session = daemon.open(hls_clip(size="160x90"))

    answer = daemon.http.get(f"{base(session)}/video-90p/1.m4s")

    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/segment-impossible"
    assert answer.json()["reason"] == "the file ends before it"
