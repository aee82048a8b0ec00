"""Hostile files: each names a secret file or a host, or claims to be endless, under the name of a film."""

from __future__ import annotations

import struct
import subprocess
from typing import TYPE_CHECKING

from hls_sessions.ffmpeg import find

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def playlists(secret: Path, port: int) -> Iterator[tuple[str, bytes]]:
    """Yield HLS playlists whose segment is each kind of URL."""
    targets = (
        *(f"{secret}", f"file:{secret}", f"http://127.0.0.1:{port}/0.ts", f"tcp://127.0.0.1:{port}"),
        *(f"concat:{secret}|http://127.0.0.1:{port}/", f"subfile,,start,0,end,9,,:{secret}", f"crypto:{secret}"),
        *(f"async:{secret}", f"cache:http://127.0.0.1:{port}/", "data:text/plain,secret", "fd:0", "pipe:0"),
    )
    for number, target in enumerate(targets):
        name = f"list-{number}.{('mp4', 'mkv', 'ts')[number % 3]}"
        head = f'#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:URI="{target}"\n'
        yield name, f"{head}#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n".encode()


def other_lists(secret: Path, port: int) -> Iterator[tuple[str, bytes]]:
    """Yield lists and descriptions of other kinds, and scripts of demuxers."""
    url = f"http://127.0.0.1:{port}/"
    for name in ("join.mp4", "join.ffconcat", "join.mkv"):
        yield name, f"ffconcat version 1.0\nfile '{secret}'\nfile '{url}'\n".encode()
    yield "dash.mp4", f'<?xml version="1.0"?><MPD><Period><BaseURL>{url}</BaseURL></Period></MPD>'.encode()
    sdp = f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n"
    yield "session.mp4", (sdp + "a=rtpmap:96 H264/90000\n").encode()
    yield "redirect.asx.mp4", f'<asx version="3.0"><entry><ref href="{url}"/></entry></asx>'.encode()
    imf = f'<CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"><Id>{url}</Id>'
    yield "imf.xml.mp4", imf.encode()
    yield "sheet.cue.mp4", f'FILE "{secret}" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n'.encode()
    yield "meta.mp4", b";FFMETADATA1\ntitle=x\n"
    yield "picture%03d.png", b"\x89PNG\r\n\x1a\n"
    yield "picture*.png", b"\x89PNG\r\n\x1a\n"


def endless(film: Path) -> Iterator[tuple[str, bytes]]:
    """Yield files that claim to be larger than any machine."""
    yield "wide.y4m", b"YUV4MPEG2 W65536 H65536 F25:1 Ip A1:1 C420\nFRAME\n" + bytes(4096)
    yield "tall.y4m", b"YUV4MPEG2 W16 H2147483647 F25:1 Ip A1:1 C420\nFRAME\n" + bytes(4096)
    riff = struct.pack("<4sI4s", b"RIFF", 0xFFFFFFFF, b"WAVE")
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, 8000, 32000, 4, 16)
    wav = riff + form + struct.pack("<4sI", b"data", 0xFFFFFFF0)
    yield "long.wav", wav + bytes(4096)
    samples = bytearray(film.read_bytes())
    at = samples.index(b"stts") + 8
    samples[at : at + 8] = struct.pack(">II", 1, 1_000_000_000)
    yield "samples.mp4", bytes(samples)
    deep = bytearray(film.read_bytes())
    at = deep.index(b"stsz") + 12
    deep[at : at + 4] = struct.pack(">I", 0x7FFFFFFF)
    yield "sizes.mp4", bytes(deep)


def avi_with_a_list_as_subtitles(folder: Path, secret: Path, port: int) -> bytes:
    """Return an AVI whose second stream is text in a GAB2 chunk: the text is an HLS playlist."""
    path = folder / "plain.avi"
    _ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10", "-f", "lavfi", "-i", "sine=sample_rate=8000"),
        *("-t", "2", "-c:v", "mpeg4", "-c:a", "pcm_s16le", path),
    )
    avi = bytearray(path.read_bytes())
    avi[avi.index(b"auds") : avi.index(b"auds") + 4] = b"txts"
    at = avi.index(b"01wb", avi.index(b"movi"))
    size = struct.unpack_from("<I", avi, at + 4)[0]
    text = f"#EXTM3U\n#EXTINF:1,\n{secret}\n#EXTINF:1,\nhttp://127.0.0.1:{port}/\n#EXT-X-ENDLIST\n".encode()
    chunk = b"GAB2\0" + struct.pack("<HI", 2, 2) + b"x\0" + struct.pack("<HI", 4, len(text)) + text
    avi[at : at + 4] = b"01tx"
    avi[at + 8 : at + 8 + size] = chunk.ljust(size, b"\n")[:size]
    return bytes(avi)


def mp4_with_its_media_elsewhere(film: Path, target: str) -> bytes:
    """Return an MP4 whose tracks say that their samples are in another file (dref, ISO/IEC 14496-12, 8.7.2)."""
    data = film.read_bytes()
    assert data.index(b"mdat") < data.index(b"moov"), "its index is at the end, and may grow"
    entry = b"\0\0\0\0" + target.encode() + b"\0"
    return _changed(data, struct.pack(">I", len(entry) + 8) + b"url " + entry)


def matroska_with_attachments(folder: Path, film: Path) -> bytes:
    """Return a Matroska with fonts whose names lead out of every folder."""
    font = folder / "font"
    font.write_bytes(b"\0\1\0\0" + bytes(64))
    path = folder / "attached.mkv"
    _ffmpeg(
        *("-i", film, "-attach", font, "-metadata:s:t", "mimetype=application/x-truetype-font"),
        *("-metadata:s:t", "filename=../../../../../../tmp/hostile-font.ttf", "-c", "copy", path),
    )
    return path.read_bytes()


def _changed(data: bytes, entry: bytes) -> bytes:
    """Rewrite the boxes of an MP4 with another entry in each ``dref``."""
    made, at = bytearray(), 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + size]
        if kind in {b"moov", b"trak", b"mdia", b"minf", b"dinf"}:
            body = _changed(body, entry)
        elif kind == b"dref":
            body = body[:8] + entry
        made += struct.pack(">I4s", len(body) + 8, kind) + body
        at += size
    return bytes(made)


def _ffmpeg(*arguments: object) -> None:
    subprocess.run([find(), "-v", "error", "-nostdin", *map(str, arguments)], check=True, timeout=60)
