"""The judgement as a tool: it finds each fault, and finds none in a right recording."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import threading
import zlib
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from films import Film
from typer.testing import CliRunner

from hls_sessions import Supervisor
from hls_sessions.cli import app
from hls_sessions.cli.exits import Exit
from hls_sessions.ffmpeg.judging import reader
from hls_sessions.testing import Clip, make
from hls_sessions.verify import Unreachable
from hls_sessions.verify import verify as judge

TALK = "1\n00:00:00,500 --> 00:00:02,500\nFirst\n"
FILM = Clip(seconds=6, size="160x90", rate="30000/1001", subtitles=(TALK,))


@pytest.fixture
def film(hls_clip_folder):
    return make(FILM, hls_clip_folder)


@pytest.fixture(scope="module")
def recorded(hls_clip_folder, hls_shared_workers, tmp_path_factory):
    """A whole presentation as files, which is made once."""
    folder = tmp_path_factory.mktemp("recorded")
    options = {"media": [hls_clip_folder], "segments_dir": folder, "encoder": "libx264", "drain": True}
    with Supervisor(**options, workers=hls_shared_workers[0]) as supervisor:
        return record(supervisor.open(make(FILM, hls_clip_folder)), folder / "recording")


@pytest.fixture
def recording(recorded, tmp_path):
    """A whole presentation as files, as any server might have it, to be changed."""
    return Path(shutil.copytree(recorded, tmp_path / "recording"))


@pytest.fixture
def verify(hls_shared_workers):
    """Judge a presentation: by workers that tests share, unless the test gives them another path to import from."""
    workers, path = hls_shared_workers

    def verify(*what, **more):
        return judge(*what, workers=workers if os.environ.get("PYTHONPATH") == path else None, **more)

    return verify


def record(session, folder):
    """Write a whole presentation into a folder, which is returned."""
    for rendition in session.presentation.renditions:
        target = folder / rendition
        target.mkdir(parents=True)
        (target / "index.m3u8").write_text(session.media_playlist(rendition))
        for number in range(len(session.presentation.cuts(rendition))):
            (target / f"{number}.m4s").write_bytes(session.segment(rendition, number, 30).read_bytes())
        (target / "init.mp4").write_bytes(session.init(rendition, 30).read_bytes())
    for rendition in session.presentation.subtitles:
        texts = folder / rendition.id
        texts.mkdir()
        (texts / "index.m3u8").write_text(session.media_playlist(rendition.id))
        for number in range(len(session.presentation.cuts(rendition.id))):
            (texts / f"{number}.vtt").write_bytes(session.segment(rendition.id, number, 30).read_bytes())
    (folder / "master.m3u8").write_text(session.master_playlist())
    return folder


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def url(recording):
    with served(recording) as url:
        yield url


@contextmanager
def served(recording):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=recording)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/master.m3u8"
        finally:
            server.shutdown()
            thread.join()


def rules(report) -> set[str]:
    return {finding.rule for finding in report.findings}


def change(path, pattern, replacement) -> None:
    text, changes = re.subn(pattern, replacement, path.read_text(), count=1)
    assert changes == 1
    path.write_text(text)


def test_a_right_recording_is_right(url, film, verify):
    report = verify(url, film)

    assert report.findings == []
    assert [looked.segments for looked in report.renditions] == [5, 5, 5]
    assert report.renditions[0].frames == 180
    assert report.renditions[0].worst_deviation_ms == 0


def test_a_caller_is_told_of_each_segment_before_it_is_judged(url, verify):
    told = []

    report = verify(url, on_segment=lambda *segment: told.append(segment))

    counts = {looked.rendition: looked.segments for looked in report.renditions}
    assert told == [(name, number, many) for name, many in counts.items() for number in range(many)]


RIGHT = {
    "frames shorter than the priming of the audio": Film(seconds=3.0, rate="60", container="mkv", gop=250),
    "video that begins late": Film(seconds=3.0, lag=-900, container="mkv"),
    "audio that begins late": Film(seconds=3.0, rate="24000/1001", lag=300),
    "frames that are shown for longer now and then": Film(seconds=3.0, rate="50", uneven=True, container="ts", gop=30),
}


@pytest.mark.parametrize("film", RIGHT.values(), ids=RIGHT.keys())
def test_a_right_recording_of_a_film_that_is_not_even_is_right(hls_supervisor, hls_clip_folder, tmp_path, film, verify):
    path = film.make(hls_clip_folder)
    with served(record(hls_supervisor().open(path), tmp_path / "recording")) as url:
        assert verify(url).findings == []
        assert verify(url, path).findings == []


def test_a_hole_that_the_source_has_is_no_fault_of_the_recording(hls_supervisor, hls_clip, tmp_path, verify):
    options = ("-vf", "select='not(between(n,36,49))'", "-fps_mode", "passthrough", "-force_key_frames", "2")
    path = hls_clip(seconds=4.0, size="160x90", pixels="yuv420p", options=options)
    with served(record(hls_supervisor().open(path), tmp_path / "recording")) as url:
        assert "continuity" in rules(verify(url))
        assert verify(url, path).findings == []


def test_a_first_segment_that_begins_late_although_nothing_else_does_is_found(url, recording, verify):
    change(recording / "video-90p" / "index.m3u8", r"#EXTINF:1.001\d*,", "#EXTINF:1.3,")

    assert "4.3.2.1" in rules(verify(url))


def test_a_missing_segment_is_found(url, recording, verify):
    (recording / "video-90p" / "2.m4s").unlink()

    report = verify(url)

    assert {"delivery", "continuity"} <= rules(report)
    assert any("404" in finding.sentence for finding in report.findings)


def test_a_repeated_segment_is_found(url, recording, verify):
    segment = recording / "video-90p" / "2.m4s"
    segment.write_bytes((recording / "video-90p" / "1.m4s").read_bytes())

    assert "continuity" in rules(verify(url))


def test_a_segment_that_is_cut_off_is_found(url, recording, verify):
    segment = recording / "audio-0" / "1.m4s"
    segment.write_bytes(segment.read_bytes()[:-500])

    assert rules(verify(url)) & {"decoding", "continuity"}


@pytest.mark.parametrize(
    ("file", "pattern", "replacement", "rule"),
    [
        ("video-90p/index.m3u8", "#EXTM3U\n", "", "4.3.1.1"),
        ("video-90p/index.m3u8", "#EXT-X-TARGETDURATION:2\n", "#EXT-X-TARGETDURATION:1\n", "4.3.3.1"),
        ("video-90p/index.m3u8", "#EXT-X-TARGETDURATION:2\n", "#EXT-X-TARGETDURATION:3\n", "6.2.4"),
        ("video-90p/index.m3u8", "#EXT-X-ENDLIST\n", "", "4.3.3.4"),
        ("video-90p/index.m3u8", "#EXT-X-VERSION:7", "#EXT-X-VERSION:2", "7"),
        ("video-90p/index.m3u8", r"#EXTINF:1.001\d*,", "#EXTINF:1.4,", "4.3.2.1"),
        ("master.m3u8", r",BANDWIDTH=\d+|:BANDWIDTH=\d+", ":BANDWIDTH=1000", "4.3.4.2"),
        ("master.m3u8", 'AUDIO="audio",S', 'AUDIO="other",S', "4.3.4.2"),
        ("master.m3u8", 'SUBTITLES="subs"', 'SUBTITLES="other"', "4.3.4.2"),
        ("subtitles-0/index.m3u8", "#EXTINF:1.001\\d*,", "#EXTINF:4,", "4.3.3.1"),
        ("subtitles-0/0.vtt", "WEBVTT", "WEBSRT", "3.5"),
        ("subtitles-0/0.vtt", "X-TIMESTAMP-MAP=.*\n", "", "3.5"),
        ("subtitles-0/0.vtt", r"00:00:00.\d+ -->", "00:00:03.000 -->", "3.5"),
        ("subtitles-0/0.vtt", r"00:00:00.\d+ -->", "soon -->", "3.5"),
    ],
)
def test_each_broken_rule_is_found(url, recording, file, pattern, replacement, rule, verify):
    change(recording / file, pattern, replacement)

    assert rule in rules(verify(url))


def test_subtitles_that_are_no_utf_8_are_found(url, recording, verify):
    (recording / "subtitles-0" / "0.vtt").write_bytes(b"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00.000\n\n\xe9\n")

    assert rules(verify(url)) == {"3.5"}


def test_subtitles_in_fragments_of_mp4_are_not_read_as_webvtt(url, recording, verify):
    change(recording / "subtitles-0" / "index.m3u8", "#EXTINF", '#EXT-X-MAP:URI="0.vtt"\n#EXTINF')
    for number in range(1, 4):
        (recording / "subtitles-0" / f"{number}.vtt").write_bytes(b"\0\0\0\x08moof")

    assert verify(url).findings == []


DOUBLE = """
import os, socket, time
from hls_sessions.ffmpeg.judging import worker

read_tracks, serve = worker.read_tracks, worker.serve

def reaches(act):
    try:
        act()
    except OSError:
        return False
    return True

def read(media):
    if media.endswith(b"crash"):
        os.abort()
    if media.endswith(b"hang"):
        time.sleep(60)
    if media.endswith(b"reach"):
        acts = [lambda: open({secret!r}), lambda: open({secret!r} + "2", "w"), socket.socket, os.fork]
        raise worker.Unreadable(f"reached {{sum(map(reaches, acts))}} of 4")
    return read_tracks(media)

worker.read_tracks = read
"""


def test_a_segment_that_crashes_or_hangs_a_decoder_is_found_and_the_others_are_judged(
    url, recording, tmp_path, monkeypatch, verify
):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (tmp_path / "decoding_double.py").write_text(DOUBLE.format(secret=str(secret)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(reader, "JUDGE", "decoding_double:serve")
    monkeypatch.setattr(reader, "SEGMENT_TIME", 2.0)
    for number, end in enumerate((b"crash", b"hang", b"reach")):
        segment = recording / "audio-0" / f"{number}.m4s"
        segment.write_bytes(segment.read_bytes() + end)

    report = verify(url)

    assert [(finding.where, finding.sentence) for finding in report.findings] == [
        ("/audio-0/0.m4s", "It cannot be decoded: it crashes a decoder."),
        ("/audio-0/1.m4s", "It cannot be decoded: decoding it takes more than 2 seconds."),
        ("/audio-0/2.m4s", "It cannot be decoded: reached 0 of 4."),
    ]
    assert [looked.segments for looked in report.renditions] == [5, 5, 5]
    assert report.renditions[0].frames == 180


def test_another_film_than_its_source_is_found(url, hls_clip, verify):
    other = hls_clip(seconds=6, size="160x90", rate="25")

    assert "exactness" in rules(verify(url, other))


def test_no_playlist_is_no_presentation(url, verify):
    with pytest.raises(Unreachable):
        verify(url.replace("master", "missing"))


def test_the_command_says_what_is_wrong_and_exits_accordingly(url, recording, film):
    right = CliRunner().invoke(app, ["verify", url, "--source", str(film)])
    (recording / "audio-0" / "1.m4s").unlink()
    wrong = CliRunner().invoke(app, ["verify", url, "--json"])
    missing = CliRunner().invoke(app, ["verify", url.replace("master", "missing")])

    assert (right.exit_code, wrong.exit_code, missing.exit_code) == (Exit.OK, Exit.FAILED, Exit.NO_DAEMON)
    assert "Nothing is wrong." in right.stdout
    assert json.loads(wrong.stdout)["findings"]


class Endless(http.server.BaseHTTPRequestHandler):
    """Answers with a megabyte of zeros for each kilobyte that it sends, until nobody listens."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        pack = zlib.compressobj(wbits=31)
        with suppress(OSError):
            while True:
                self.wfile.write(pack.compress(bytes(1 << 20)))

    def log_message(self, *_):
        pass


def test_what_has_no_end_is_not_fetched_to_its_end(verify):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with pytest.raises(Unreachable):
                verify(f"http://127.0.0.1:{server.server_port}/master.m3u8")
        finally:
            server.shutdown()
            thread.join()


def test_where_no_process_can_be_started_the_command_says_so(url, monkeypatch):
    def start(*_):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("hls_sessions.ffmpeg.workers.Workers.start", start)

    result = CliRunner().invoke(app, ["verify", url])

    assert result.exit_code == Exit.FAILED
    assert "Resource temporarily unavailable" in result.stderr
