"""Bytes of another server are media segments, or nothing."""

from __future__ import annotations

import socket
import subprocess

import pytest

from hls_sessions.ffmpeg import find
from hls_sessions.ffmpeg.judging.packets import Unreadable, read_tracks


@pytest.fixture
def listener():
    """A port on which nobody is to call."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0)
        yield listening.getsockname()[1]
        with pytest.raises(BlockingIOError):
            listening.accept()


@pytest.mark.parametrize(
    "text",
    [
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:{port}/0.ts\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile 'http://127.0.0.1:{port}/film.mp4'\n",
        "ffconcat version 1.0\nfile '{film}'\n",
        "<MPD><Period><BaseURL>http://127.0.0.1:{port}/</BaseURL></Period></MPD>",
    ],
    ids=["SDP", "playlist", "ffconcat over HTTP", "ffconcat of a file", "DASH"],
)
@pytest.mark.parametrize("as_file", [False, True], ids=["bytes", "file"])
def test_a_list_in_place_of_a_segment_is_unreadable_and_opens_nothing(listener, hls_clip, tmp_path, text, as_file):
    data = text.format(port=listener, film=hls_clip(seconds=1.0, size="160x90")).encode()
    (tmp_path / "list").write_bytes(data)

    with pytest.raises(Unreadable):
        read_tracks(tmp_path / "list" if as_file else data)


@pytest.mark.parametrize("container", ["mp4", "mpegts", "adts", "mp3", "ac3"])
def test_every_kind_of_media_segment_is_read(container):
    codec = {"mp4": "aac", "mpegts": "aac", "adts": "aac"}.get(container, container)
    made = subprocess.run(
        [
            *(find(), "-v", "error", "-nostdin", "-f", "lavfi", "-i", "sine", "-t", "1"),
            *("-c:a", "libmp3lame" if codec == "mp3" else codec, "-movflags", "empty_moov", "-f", container, "-"),
        ],
        capture_output=True,
        check=True,
        timeout=60,
    )

    assert [track.kind for track in read_tracks(made.stdout)] == ["audio"]
