"""Sources that are fetched: allowed ones alone, again and again, and their credentials are told to nobody."""

from __future__ import annotations

import logging
import socket
import socketserver
import subprocess

import av
import m3u8
import psutil
import pytest
from rtsp import Stream, answering, serving

from hls_sessions import NotPlayable, SourceRefused
from hls_sessions.ffmpeg import find
from hls_sessions.live import judge_source
from hls_sessions.testing import Clip, make

BOUND = 60
ALLOWED = ("rtsp://camera.example", "rtmp://127.0.0.1:1935", "udp://*")


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://camera.example/stream",
        "rtsp://user:secret@camera.example:8554/stream",
        "RTSP://Camera.Example/stream",
        "rtmp://127.0.0.1:1935/live/film",
        "udp://239.0.0.1:1234",
    ],
)
def test_a_source_with_an_allowed_scheme_host_and_port_may_be_fetched(url):
    judge_source(url, ALLOWED)


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://other.example/stream",
        "rtsp://camera.example.evil.example/stream",
        "rtsp://camera.example@evil.example/stream",
        "rtsps://camera.example/stream",
        "rtmp://127.0.0.1/live/film",
        "rtmp://127.0.0.1:1936/live/film",
        "http://camera.example/stream",
        "file:///etc/passwd",
        "concat:/etc/passwd",
        "/etc/passwd",
        "udp://",
        "rtsp://[::1",
        "rtsp://camera.example:port/",
        "rtsp://camera.example/\nfile 'rtsp://other.example/'",
        "rtsp://camera.example/\tx",
        "",
    ],
)
def test_any_other_is_refused(url):
    with pytest.raises(SourceRefused):
        judge_source(url, ALLOWED)


def test_without_a_setting_nothing_is_fetched(hls_supervisor):
    supervisor = hls_supervisor()

    with pytest.raises(SourceRefused):
        supervisor.record(source="rtmp://127.0.0.1/live/film")
    assert supervisor.sessions() == []


def test_a_source_that_is_cut_is_fetched_again_as_another_part(hls_supervisor, hls_live_source, until, caplog):
    caplog.set_level(logging.DEBUG)
    supervisor = hls_supervisor(live_sources=["rtmp://127.0.0.1"])
    url = hls_live_source.url.replace("://", "://anna:secret@")
    hls_live_source.start()

    recording = supervisor.record(source=url)
    recording.ask_playable().get(BOUND)
    assert recording.source.value == "arriving"
    hls_live_source.cut()
    until(lambda: recording.source.value == "lost")
    hls_live_source.start()
    until(lambda: len(recording.files()) == 2 and recording.files()[1].size > 50_000)
    hls_live_source.cut()
    recording.finish(BOUND)

    segments = m3u8.loads(str(recording.playlist("video"))).segments
    assert [segment.discontinuity for segment in segments].count(True) == 1
    assert "secret" not in caplog.text
    assert "secret" not in repr(recording.info())
    assert "secret" not in repr(supervisor.recordings())


def test_a_source_that_never_comes_ends_its_recording(hls_supervisor, hls_clock, hls_live_source):
    supervisor = hls_supervisor(clock=hls_clock, live_sources=["rtmp://*"], pull_patience=30)
    recording = supervisor.record(source=hls_live_source.url)
    recording.info()

    hls_clock.advance(31)

    recording.info()
    recording.finish(BOUND)
    assert recording.source.value == "ended"


def test_a_source_of_which_no_more_may_be_kept_ends_its_recording(hls_supervisor, hls_live_source, until):
    supervisor = hls_supervisor(live_sources=["rtmp://*"], max_recording_bytes=20_000)
    hls_live_source.start()

    recording = supervisor.record(source=hls_live_source.url)
    until(lambda: recording.source.value == "ended")

    recording.finish(BOUND)
    assert len(recording.files()) == 1
    assert recording.files()[0].size <= 20_000
    assert "no more can be kept" in supervisor.recordings()[0].over


def knows_srt() -> bool:
    known = subprocess.run([find(), "-v", "quiet", "-protocols"], stdout=subprocess.PIPE, check=True, timeout=BOUND)
    return b" srt\n" in known.stdout


@pytest.mark.skipif(not knows_srt(), reason="this ffmpeg was built without SRT")
def test_a_source_over_srt_is_fetched_and_its_passphrase_is_told_to_nobody(hls_supervisor, hls_clip, until, caplog):
    caplog.set_level(logging.DEBUG)
    film = hls_clip(seconds=4, size="128x72", rate="25", gop=25, pixels="yuv420p")
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"srt://127.0.0.1:{port}?passphrase=the-secret"
    sends = [find(), "-v", "error", "-readrate", "2", "-i", film, "-c", "copy", "-f", "mpegts", f"{url}&mode=listener"]
    supervisor = hls_supervisor(live_sources=["srt://127.0.0.1"])
    with subprocess.Popen(sends):
        recording = supervisor.record(source=url)
        until(lambda: recording.source.value == "arriving")
        ours = psutil.Process().children(recursive=True)
        assert not any("the-secret" in argument for each in ours for argument in said_by(each))
        until(lambda: recording.source.value == "lost")
    recording.finish(BOUND)

    with av.open(str(recording.files()[0].path)) as kept:
        # SRT may drop what is late at the very end.
        assert sum(packet.size > 0 for packet in kept.demux(video=0)) > 90
    assert "the-secret" not in caplog.text


def said_by(process: psutil.Process) -> list[str]:
    """The command line of a process that fetches; nothing of the one that sends, or of one that has ended."""
    try:
        words = process.cmdline()
    except psutil.NoSuchProcess:
        return []
    return [] if any("mode=listener" in word for word in words) else words


def test_a_source_whose_protocol_is_not_known_ends_its_recording_at_once(hls_supervisor, tmp_path):
    poor = tmp_path / "ffmpeg"
    poor.write_text(f'#!/bin/sh\ncase "$*" in *-protocols*) echo "file pipe"; exit;; esac\nexec {find()} "$@"\n')
    poor.chmod(0o755)
    supervisor = hls_supervisor(live_sources=["srt://127.0.0.1"], ffmpeg=str(poor))

    recording = supervisor.record(source="srt://127.0.0.1:9")

    with pytest.raises(NotPlayable, match="does not know its protocol"):
        recording.ask_playable().get(BOUND)
    assert recording.source.value == "ended"


@pytest.fixture(scope="module")
def stream(hls_clip_folder) -> Stream:
    return Stream.of(make(Clip(seconds=3, size="128x72", rate="25", gop=25, pixels="yuv420p"), hls_clip_folder))


def test_every_frame_of_a_source_over_rtsp_is_kept_at_its_time(hls_supervisor, stream, until):
    supervisor = hls_supervisor(live_sources=["rtsp://127.0.0.1"])
    with serving(stream) as url:
        recording = supervisor.record(source=url)
        until(lambda: recording.source.value == "lost")
        recording.finish(BOUND)

    with av.open(str(recording.files()[0].path)) as kept:
        times = sorted(packet.pts * packet.time_base for packet in kept.demux(video=0) if packet.size)
    assert [round((time - times[0]) * 25, 1) for time in times] == list(range(75))
    assert sum(segment.duration for segment in m3u8.loads(str(recording.playlist("video"))).segments) >= 3


AV1 = Stream(
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 AV1/90000\r\n"
    "a=control:track=0\r\n",
    # Aggregations of units whose lengths lead out of the packet.
    [(0, bytes([0x80, 96]) + number.to_bytes(2, "big") + bytes(8) + b"\x70" + b"\xff" * 170) for number in range(200)],
)


def says(*answers: bytes) -> type[socketserver.BaseRequestHandler]:
    """A server that says something to whoever asks, and hangs up when that was read."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(4096)
            for answer in answers:
                self.request.sendall(answer)

    return Handler


SECRET = "the secret of the house"


@pytest.mark.parametrize(
    ("scheme", "answers"),
    [
        pytest.param("rtsp", [b"\xff\x00$" * 50_000], id="nonsense over RTSP"),
        pytest.param("rtsp", [b"RTSP/1.0 200 OK\r\n" + b"X: y\r\n" * 500_000], id="headers without an end"),
        pytest.param("rtsp", [b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 99999999999\r\n\r\n"], id="a huge body"),
        pytest.param(
            "rtsp", [b"RTSP/1.0 302 Moved\r\nCSeq: 1\r\nLocation: file://{secret}\r\n\r\n"], id="moved to a file"
        ),
        pytest.param("http", [b"HTTP/1.1 302 Found\r\nLocation: file://{secret}\r\n\r\n"], id="found in a file"),
        pytest.param("http", [b"HTTP/1.1 302 Found\r\nLocation: {other}\r\n\r\n"], id="found on another server"),
        pytest.param(
            "http", [b"HTTP/1.1 200 OK\r\n\r\n#EXTM3U\n#EXTINF:9,\nfile://{secret}\n"], id="a playlist of a file"
        ),
        pytest.param("http", [b"HTTP/1.1 200 OK\r\n\r\n#EXTM3U\n#EXTINF:9,\n{other}\n"], id="a playlist of a server"),
        pytest.param("http", [b"HTTP/1.1 200 OK\r\n\r\nffconcat version 1.0\nfile '{secret}'\n"], id="a list of files"),
        pytest.param("http", [b"HTTP/1.1 200 OK\r\nX: " + b"y" * 5_000_000], id="a header without an end"),
        pytest.param("rtmp", [b"\x03" + b"\xff" * 100_000], id="nonsense over RTMP"),
    ],
)
def test_a_hostile_source_is_a_lost_one(hls_supervisor, until, caplog, tmp_path, scheme, answers):
    caplog.set_level(logging.INFO)
    secret, asked = tmp_path / "secret.ts", []
    secret.write_text(SECRET * 100)
    supervisor = hls_supervisor(live_sources=[f"{scheme}://127.0.0.1"])

    class Other(socketserver.BaseRequestHandler):
        def handle(self):
            asked.append(self.client_address)

    with answering(Other) as other:
        known = {"{secret}": str(secret), "{other}": f"http://127.0.0.1:{other}/x.ts"}
        for name, value in known.items():
            answers = [answer.replace(name.encode(), value.encode()) for answer in answers]
        with answering(says(*answers)) as port:
            recording = supervisor.record(source=f"{scheme}://127.0.0.1:{port}/film")
            until(lambda: "a source was lost" in caplog.text)

    assert asked == []
    assert all(SECRET.encode() not in file.path.read_bytes() for file in recording.files())
    assert recording.info().state == "active"


def test_a_stream_that_is_not_what_it_says_is_a_lost_source(hls_supervisor, until, caplog):
    caplog.set_level(logging.INFO)
    supervisor = hls_supervisor(live_sources=["rtsp://127.0.0.1"])
    with serving(AV1) as url:
        recording = supervisor.record(source=url)
        until(lambda: "a source was lost" in caplog.text)

    assert recording.info().state == "active"
    assert sum(file.size for file in recording.files()) < 100_000
