"""Recordings over HTTP and WebSockets, as sources send them and viewers fetch them."""

from __future__ import annotations

import json
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from io import BytesIO

import av
import m3u8
import pytest
from streams import SECONDS, SOURCES, stream
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

BOUND = 60
ORIGINAL = {"name": "part-0.mkv", "kind": "original", "seconds": 7.04, "made_from": []}
NAME = "H.264 and AAC in Matroska"


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return stream(tmp_path_factory.mktemp("sources"), SOURCES[NAME])


@pytest.fixture
def live(daemon):
    """A recording that waits for its source."""
    answer = daemon.http.post("/live", json={"user": "anna", "title": "At the lake"})
    assert answer.status_code == 201
    recording = answer.json()
    yield recording
    daemon.http.delete(f"/recordings/{recording['session_id']}")


@contextmanager
def source(daemon, live, token=None):
    """A connection of a source."""
    url = daemon.url.replace("http", "ws") + live["input_url"]
    with connect(f"{url}?token={token or live['input_token']}", max_size=None, open_timeout=BOUND) as socket:
        yield Source(socket)


class Source:
    """What a source says and hears."""

    def __init__(self, socket):
        self.socket = socket

    def say(self, **message):
        self.socket.send(json.dumps(message))

    def hear(self, kind):
        """The next message of a kind."""
        while True:
            message = json.loads(self.socket.recv(BOUND))
            if message["type"] == kind:
                return message

    def start(self, **more):
        self.say(type="start", **more)
        return self.hear("started")["next"]

    def send(self, offset, data):
        self.socket.send(offset.to_bytes(8, "big") + data)

    def send_all(self, data, offset=0, chunk=20_000):
        for at in range(offset, len(data), chunk):
            self.send(at, data[at : at + chunk])

    def acknowledged(self, offset):
        """Wait until so many bytes are acknowledged."""
        while self.hear("ack")["next"] < offset:
            pass

    def code(self):
        """Wait for the end, and return the code that the connection is closed with."""
        with suppress(ConnectionClosed):
            for _ in self.socket:
                pass
        return self.socket.close_code


def fetched(daemon, live, kind="video") -> bytes:
    """All of a rendition, as a player fetches it."""
    base = f"/sessions/{live['session_id']}/{kind}"
    playlist = m3u8.loads(daemon.http.get(f"{base}/index.m3u8").text)
    names = [playlist.segments[0].init_section.uri, *(segment.uri for segment in playlist.segments)]
    return b"".join(daemon.http.get(f"{base}/{name}").raise_for_status().content for name in names)


def frames(data) -> int:
    with av.open(BytesIO(data)) as container:
        return sum(packet.size > 0 for packet in container.demux(video=0))


def test_a_source_sends_and_is_told_what_is_kept_and_in_the_end_what_there_is(daemon, live, data):
    with source(daemon, live) as ours:
        assert ours.start(mime="video/x-matroska") == 0
        ours.send_all(data)
        ours.acknowledged(len(data))
        ours.say(type="stop")
        recorded = ours.hear("recorded")
        assert ours.code() == 1000

    assert recorded["files"] == [ORIGINAL | {"bytes": len(data)}]
    assert frames(fetched(daemon, live)) == 20 * SECONDS


def test_a_source_that_comes_back_goes_on_where_it_was(daemon, live, data):
    half = len(data) // 2
    with source(daemon, live) as ours:
        ours.start()
        ours.send_all(data[:half])
        ours.acknowledged(half)
    with source(daemon, live) as ours:
        assert ours.start() == half
        ours.send_all(data, half)
        ours.say(type="stop")
        ours.hear("recorded")

    assert frames(fetched(daemon, live)) == 20 * SECONDS


@pytest.mark.parametrize("body", [b"", b"\0" * 100_000, b"a text\n" * 100], ids=["nothing", "zeros", "a text"])
def test_a_body_that_is_no_media_is_answered_so_and_kept(daemon, live, body):
    answer = daemon.http.put(f"{live['input_url']}?token={live['input_token']}", content=body)

    assert (answer.status_code, answer.json()["type"]) == (415, "/problems/not-playable")
    master = daemon.http.get(f"/sessions/{live['session_id']}/master.m3u8")
    assert master.status_code == 415
    assert sum(file["bytes"] for file in daemon.http.get(f"/sessions/{live['session_id']}/files").json()) == len(body)


def test_a_source_that_goes_on_with_another_stream_says_so_on_its_connection(daemon, live, data):
    with source(daemon, live) as ours:
        ours.start()
        ours.send_all(data)
        ours.acknowledged(len(data))
        assert ours.start(new_stream=True) == 0
        ours.send_all(data)
        ours.acknowledged(len(data))
        ours.say(type="stop")
        assert [file["name"] for file in ours.hear("recorded")["files"]] == ["part-0.mkv", "part-1.mkv"]


def test_a_body_is_recorded_to_its_end(daemon, live, data):
    def chunks():
        for at in range(0, len(data), 50_000):
            yield data[at : at + 50_000]

    headers = {"Authorization": f"Bearer {live['input_token']}", "Content-Type": "video/x-matroska"}
    answer = daemon.http.put(live["input_url"], content=chunks(), headers=headers)

    assert answer.status_code == 200
    assert answer.json()["files"] == [ORIGINAL | {"bytes": len(data)}]
    assert frames(fetched(daemon, live)) == 20 * SECONDS
    assert daemon.http.get(f"/sessions/{live['session_id']}").json()["source"] == "ended"


def test_what_was_sent_can_be_fetched_in_whole_and_in_parts_also_meanwhile(daemon, live, data):
    files = f"/sessions/{live['session_id']}/files"
    with source(daemon, live) as ours:
        ours.start(mime="video/x-matroska")
        ours.send_all(data)
        ours.acknowledged(len(data))

        whole = daemon.http.get(f"{files}/original")
        part = daemon.http.get(f"{files}/original", headers={"Range": "bytes=10-19"})
        listed = daemon.http.get(files).json()

    assert (whole.content, whole.headers["content-type"]) == (data, "video/x-matroska")
    assert (part.status_code, part.content) == (206, data[10:20])
    assert [(file["name"], file["bytes"]) for file in listed] == [("part-0.mkv", len(data))]
    assert daemon.http.get(f"{files}/original?part=1").status_code == 404
    assert daemon.http.get(f"{files}/original?part=-1").status_code == 404


@pytest.mark.parametrize(
    ("kind", "media_type", "codecs"),
    [
        ("video", "video/mp4", ["h264", "aac"]),
        ("audio", "audio/mp4", ["aac"]),
        ("audio?format=wav", "audio/wav", ["pcm_s16le"]),
    ],
)
def test_what_was_sent_can_be_fetched_with_an_index_packet_for_packet(daemon, live, data, kind, media_type, codecs):
    daemon.http.put(f"{live['input_url']}?token={live['input_token']}", content=data)
    url = f"/sessions/{live['session_id']}/files/{kind}"

    answer = daemon.http.get(url)
    again = daemon.http.get(url, headers={"Range": "bytes=0-9"})

    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert again.content == answer.content[:10]
    with av.open(BytesIO(answer.content)) as made, av.open(BytesIO(data)) as sent:
        assert [stream.codec_context.name for stream in made.streams] == codecs
        assert float(made.duration) / 1e6 == pytest.approx(SECONDS, abs=0.1)
        if "wav" not in kind:
            chosen = {stream.type: stream for stream in sent.streams}
            for stream in made.streams:
                ours = sorted(packet.pts * packet.time_base for packet in made.demux(stream) if packet.size)
                theirs = [packet for packet in sent.demux(chosen[stream.type]) if packet.size]
                sent.seek(0)
                made.seek(0)
                times = sorted(packet.pts * packet.time_base for packet in theirs)
                assert len(ours) == len(times)
                assert max(abs((a - ours[0]) - (b - times[0])) for a, b in zip(ours, times, strict=True)) < 0.002


def test_a_kind_of_file_that_there_is_not_is_refused(daemon, live):
    with source(daemon, live) as ours:
        ours.start()
        ours.send(0, b"<html>" * 10)
        ours.acknowledged(60)
        files = f"/sessions/{live['session_id']}/files"

        assert daemon.http.get(f"{files}/drawings").status_code == 404
        assert daemon.http.get(f"{files}/video").status_code == 415


def test_recordings_are_listed_and_deleted(daemon, live, data):
    daemon.http.put(f"{live['input_url']}?token={live['input_token']}", content=data)

    [listed] = [each for each in daemon.http.get("/recordings").json() if each["id"] == live["session_id"]]
    assert (listed["title"], listed["user"], listed["size"]) == ("At the lake", "anna", len(data))
    assert listed["duration"] == pytest.approx(SECONDS, abs=0.1)
    assert listed["files"] == [ORIGINAL | {"bytes": len(data)}]
    video = daemon.http.get(f"/sessions/{live['session_id']}/files/video").content
    made = daemon.http.get(f"/sessions/{live['session_id']}/files").json()[1]
    assert (made["kind"], made["bytes"], made["made_from"]) == ("video", len(video), ["part-0.mkv"])
    assert daemon.http.delete(f"/recordings/{live['session_id']}").status_code == 204
    assert daemon.http.delete(f"/recordings/{live['session_id']}").status_code == 404
    assert daemon.http.get(f"/sessions/{live['session_id']}").status_code == 404


def test_one_that_is_over_is_opened_as_a_film(daemon, live, data):
    daemon.http.put(f"{live['input_url']}?token={live['input_token']}", content=data)
    same = daemon.http.post("/sessions", json={"recording": live["session_id"]})
    daemon.http.delete(f"/sessions/{live['session_id']}")

    film = daemon.http.post("/sessions", json={"recording": live["session_id"]})
    kept = daemon.http.get(f"/sessions/{live['session_id']}/files/original")

    assert kept.content == data
    assert kept.headers["content-disposition"].endswith("At%20the%20lake.mkv")
    assert (same.status_code, same.json()["session_id"]) == (200, live["session_id"])
    assert film.status_code == 201
    assert film.json()["duration"] == pytest.approx(SECONDS, abs=0.1)
    assert frames(fetched(daemon, film.json(), film.json()["renditions"][0]["id"])) == 20 * SECONDS
    unknown = {"recording": "6f1c2e9e-0a51-4a35-9a3c-0d8b4a2d3f10"}
    assert daemon.http.post("/sessions", json=unknown).status_code == 404
    assert daemon.http.post("/sessions", json={"recording": "../x"}).status_code == 404
    assert daemon.http.post("/sessions", json={}).status_code == 422
    assert daemon.http.post("/sessions", json={"media": "x", "recording": "y"}).status_code == 422


def test_a_playlist_is_held_until_there_is_something_to_play(daemon, live, data):
    with source(daemon, live) as ours:
        ours.start()
        ours.send_all(data)
        master = m3u8.loads(daemon.http.get(live["playlist_url"]).text)

    assert master.playlists[0].stream_info.resolution == (128, 72)


@pytest.mark.parametrize("token", ["wrong", " ", "\u00e9"])
def test_without_its_token_nothing_is_taken(daemon, live, token):
    assert daemon.http.put(live["input_url"], params={"token": token}, content=b"x").status_code == 403
    with source(daemon, live, token.strip() or "%20") as ours:
        assert ours.hear("error")["kind"] == "input-refused"
        assert ours.code() == 4403


@pytest.mark.parametrize(
    ("said", "kind", "code"),
    [
        (["not json"], "malformed-request", 4400),
        (['{"type": "stop"}'], "malformed-request", 4400),
        ([b"\0" * 8 + b"bytes before a start"], "malformed-request", 4400),
        (['{"type": "start"}', b"short"], "malformed-request", 4400),
        (['{"type": "start"}', (7).to_bytes(8, "big") + b"elsewhere"], "wrong-offset", 4409),
        (["[" * 100_000], "malformed-request", 4400),
    ],
)
def test_what_no_source_says_is_answered_with_an_error_and_the_end(daemon, live, said, kind, code):
    with source(daemon, live) as ours:
        for each in said:
            ours.socket.send(each)
        assert ours.hear("error")["kind"] == kind
        assert ours.code() == code


def test_a_second_source_is_told_that_there_is_one(daemon, live):
    with source(daemon, live) as ours, source(daemon, live) as theirs:
        ours.start()
        ours.send(0, b"\x1aE\xdf\xa3")
        ours.acknowledged(4)
        theirs.say(type="start")

        assert theirs.hear("error")["kind"] == "input-busy"
        assert theirs.code() == 4409
        ours.send(4, b"more")
        ours.acknowledged(8)


def test_what_is_no_media_is_refused_while_its_source_still_sends(daemon, live):
    with source(daemon, live) as ours:
        ours.start()
        ours.send(0, b"<html>" * 100_000)

        assert ours.hear("error")["kind"] == "not-playable"
        assert ours.code() == 4415


def test_a_session_of_a_film_takes_no_input(daemon, hls_clip):
    session = daemon.open(hls_clip(seconds=1))

    assert daemon.http.put(f"/live/{session['session_id']}/input?token=x", content=b"x").status_code == 404
    assert daemon.http.get(f"/sessions/{session['session_id']}/files").status_code == 404


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_acknowledged_is_lost_with_the_daemon(start_daemon, data, number):
    lasting = {"HLS_SESSIONS_DRAIN": "false"}
    first = start_daemon(**lasting)
    live = first.http.post("/live", json={}).json()
    half = len(data) // 2
    with source(first, live) as ours:
        ours.start()
        ours.send_all(data[:half])
        ours.acknowledged(half)
        first.stop(number)

    second = start_daemon()
    with source(second, live) as ours:
        assert ours.start() == half
        ours.send_all(data, half)
        ours.say(type="stop")
        ours.hear("recorded")
    assert frames(fetched(second, live)) == 20 * SECONDS
    assert second.http.get(f"/sessions/{live['session_id']}/files/original").content == data


# ---- low latency


@pytest.fixture
def low(daemon, data):
    """A recording of low latency that goes on: half of its stream has come."""
    recording = daemon.http.post("/live", json={"low_latency": True}).json()
    with source(daemon, recording) as sender:
        sender.start()
        sender.send_all(data[: len(data) // 2])
        sender.acknowledged(len(data) // 2)
        recording["rest"] = lambda: (sender.send_all(data, len(data) // 2), sender.say(type="stop"))
        yield recording
    daemon.http.delete(f"/recordings/{recording['session_id']}")


def latest(playlist: str) -> tuple[int, int]:
    """The part that a playlist hints at."""
    segment, part = re.search(r'PRELOAD-HINT:TYPE=PART,URI="(\d+)\.(\d+)\.m4s"', playlist).groups()
    return int(segment), int(part)


def test_a_playlist_is_held_until_the_part_is_there_that_is_asked_for(daemon, low):
    index = f"/sessions/{low['session_id']}/video/index.m3u8"
    segment, part = latest(daemon.http.get(index).text)
    with ThreadPoolExecutor() as threads:
        held = threads.submit(daemon.http.get, index, params={"_HLS_msn": segment, "_HLS_part": part})
        hinted = threads.submit(daemon.http.get, f"/sessions/{low['session_id']}/video/{segment}.{part}.m4s")
        low["rest"]()

        assert latest(held.result(BOUND).text) > (segment, part) or "#EXT-X-ENDLIST" in held.result().text
        assert hinted.result(BOUND).status_code == 200
    assert f"{segment}.m4s" in daemon.http.get(index, params={"_HLS_msn": segment}).text


@pytest.mark.parametrize("query", ["_HLS_msn=99", "_HLS_part=1", "_HLS_msn=x", "_HLS_msn=0&_HLS_part=x", "_HLS_msn=-1"])
def test_a_playlist_that_will_not_come_is_refused(daemon, low, query):
    answer = daemon.http.get(f"/sessions/{low['session_id']}/video/index.m3u8?{query}")

    assert answer.status_code == 400


@pytest.mark.parametrize("name", ["0.99.m4s", "99.0.m4s", "0.x.m4s", "x.0.m4s"])
def test_a_part_that_is_not_there_is_not_found(daemon, low, name):
    assert daemon.http.get(f"/sessions/{low['session_id']}/video/{name}").status_code == 404


def test_parts_have_the_headers_of_segments_and_ask_nobody_by_head(daemon, low):
    video = f"/sessions/{low['session_id']}/video"
    daemon.http.get(f"{video}/index.m3u8", params={"_HLS_msn": 0, "_HLS_part": 0})
    path = f"{video}/0.0.m4s"

    answer, head = daemon.http.get(path), daemon.http.head(path)

    assert answer.headers["content-type"] == head.headers["content-type"] == "video/mp4"
    assert "immutable" in answer.headers["cache-control"]
    assert int(head.headers["content-length"]) == len(answer.content)


def test_a_film_has_no_parts_and_its_playlist_is_never_held(daemon, hls_clip):
    session = daemon.open(hls_clip(seconds=1))
    [rendition] = [each["id"] for each in session["renditions"]][:1]

    playlist = daemon.http.get(f"/sessions/{session['session_id']}/{rendition}/index.m3u8?_HLS_msn=99&_HLS_part=0")

    assert playlist.status_code == 200
    assert daemon.http.get(f"/sessions/{session['session_id']}/{rendition}/0.0.m4s").status_code == 404
