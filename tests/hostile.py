"""Hostile files: each names a secret file or a host, or claims to be endless, under the name of a film."""

from __future__ import annotations

import struct
import subprocess
import zlib
from typing import TYPE_CHECKING

import boxes
import ebml

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


OWN, OTHER = bytes(range(16)), bytes(range(16, 32))
"""The identifiers of two Matroska segments."""


def matroska_that_names_others(other: Path, port: int) -> Iterator[tuple[str, bytes]]:
    """Yield Matroskas that are parts of others: by identifier and file name, and in ordered chapters."""
    files = (ebml.element(0x3C83AB, str(other).encode()), ebml.element(0x3E83BB, f"http://127.0.0.1:{port}/".encode()))
    uids = (
        ebml.element(0x73A4, OWN),
        ebml.element(0x3CB923, OTHER),
        ebml.element(0x3EB923, OTHER),
        ebml.element(0x4444, OWN),
    )
    linked = b"".join((*uids, *files))
    whole, missing = ebml.element(0x6E67, OTHER), ebml.element(0x6E67, bytes(16))
    yield "linked.mkv", ebml.matroska(info=linked)
    parts = (_chapter(1, 0, 10**9, whole), _chapter(2, 0, 10**18, missing), _chapter(3, 2 * 10**9, 10**9, whole))
    yield "ordered.mkv", ebml.matroska(ebml.element(CHAPTERS, _edition(*parts)), info=linked)
    yield "of others alone.mkv", ebml.matroska(ebml.element(CHAPTERS, _edition(parts[0])), info=linked, clusters=(b"",))


def matroska_with_many_chapters() -> Iterator[tuple[str, bytes]]:
    """Yield Matroskas whose chapters are many, deep in one another, or in no order."""
    many = [_chapter(n, n, n + 1) for n in range(1, 20_000)]
    yield "many chapters.mkv", ebml.matroska(ebml.element(CHAPTERS, _edition(*many)))
    yield "many editions.mkv", ebml.matroska(ebml.element(CHAPTERS, *(_edition(chapter) for chapter in many[:5000])))
    yield "backwards.mkv", ebml.matroska(ebml.element(CHAPTERS, _edition(*many[1000::-1])))
    deep = b""
    for n in range(1000):
        deep = _chapter(n + 1, 0, 10**9, deep)
    yield "deep.mkv", ebml.matroska(ebml.element(CHAPTERS, _edition(deep)))


def huge() -> Iterator[tuple[str, bytes]]:
    """Yield small files whose pictures or times are beyond everything that plays."""
    for width, height in ((65_536, 65_536), (1, 1 << 28), (2_147_483_647, 1)):
        yield f"{width} by {height}.mkv", _pictures(width, height)
        yield f"{width} by {height} raw.mkv", ebml.matroska(tracks=(ebml.video(width=width, height=height),))
    yield "16000 by 16000.gif", _animation(16_000, 16_000, 40)
    years = 10**8 * 1000
    yield "years.mkv", ebml.matroska(clusters=(ebml.cluster(0), ebml.cluster(years)), seconds=years)
    yield "years.mp4", _sound_as_mp4(rate=8000, count=2, delta=0x7FFFFFFF, scale=1)
    yield "years of pictures.y4m", b"YUV4MPEG2 W16 H16 F1:2000000000 Ip C420\n" + (b"FRAME\n" + bytes(384)) * 3
    yield "slow.wav", _wav(rate=1, channels=1)
    yield "fast.wav", _wav(rate=0x7FFFFFFF, channels=1)
    yield "loud.wav", _wav(rate=8000, channels=65_535)


def odd() -> Iterator[tuple[str, bytes]]:
    """Yield small files with claims that are not true, but whose pictures and sounds can be played."""
    for width, height in ((0x7FFFFFFF, 1), (1, 0x7FFFFFFF)):
        shape = ebml.number(0x54B0, width) + ebml.number(0x54BA, height)
        yield f"shown as {width} by {height}.mkv", ebml.matroska(tracks=(ebml.video(shown=shape),))
    for length in (float("inf"), 1e12):
        yield f"{length} seconds.mkv", ebml.matroska(seconds=length)
    for rate in (float("nan"), -5.0):
        yield f"{rate} Hz.mkv", ebml.matroska(tracks=(ebml.video(), ebml.audio(rate=rate)))
    yield "fast.y4m", b"YUV4MPEG2 W16 H16 F2000000000:1 Ip C420\n" + (b"FRAME\n" + bytes(384)) * 3


CHAPTERS = 0x1043A770


def _edition(*chapters: bytes) -> bytes:
    """Chapters that are to be played in their own order."""
    return ebml.element(0x45B9, ebml.number(0x45DB, 1), ebml.number(0x45DD, 1), *chapters)


def _chapter(uid: int, start: int, end: int, *more: bytes) -> bytes:
    return ebml.element(0xB6, ebml.number(0x73C4, uid), ebml.number(0x91, start), ebml.number(0x92, end), *more)


def _pictures(width: int, height: int) -> bytes:
    """Return a Matroska whose pictures are PNGs of one grey, of which the first rows are there."""
    rows = min(height, 1 + (1 << 20) // width)
    pixels = zlib.compress(bytes((1 + width) * rows)) if width < 1 << 20 else b""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    packet = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    format_ = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, b"MPNG", 0, 0, 0, 0, 0)
    track = ebml.video(ebml.element(0x63A2, format_), codec=b"V_MS/VFW/FOURCC", width=width, height=height)
    return ebml.matroska(tracks=(track,), clusters=(ebml.cluster(0, packet),))


def _animation(width: int, height: int, frames: int) -> bytes:
    """Return a GIF of so many frames, which change one pixel each."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"\x21\xf9\4\4\4\0\0\0\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2\x44\1\0"
    return head + frame * frames + b";"


def _wav(rate: int, channels: int) -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate, channels, 8)
    return b"RIFF\xff\xff\xff\x7fWAVE" + form + b"data\0\0\x10\0" + bytes(1 << 20)


def _sound_as_mp4(rate: int, count: int, delta: int, scale: int) -> bytes:
    """Return an MP4 of so many samples of sound, each of which lasts for so many ticks."""
    entry = boxes.box(b"sowt", bytes(6), b"\0\1", bytes(8), struct.pack(">HHHHI", 1, 16, 0, 0, rate << 16))
    tables = (
        boxes.box(b"stsd", struct.pack(">II", 0, 1), entry),
        boxes.box(b"stts", struct.pack(">IIII", 0, 1, count, delta)),
        boxes.box(b"stsc", struct.pack(">IIIII", 0, 1, 1, count, 1)),
        boxes.box(b"stsz", struct.pack(">III", 0, 2, count)),
        boxes.box(b"stco", struct.pack(">III", 0, 1, 36)),
    )
    place = boxes.box(b"dinf", boxes.box(b"dref", struct.pack(">II", 0, 1), boxes.box(b"url ", b"\0\0\0\1")))
    media = boxes.box(b"minf", boxes.box(b"smhd", bytes(8)), place, boxes.box(b"stbl", *tables))
    header = boxes.box(b"mdhd", struct.pack(">IIIIII", 0, 0, 0, scale, count * delta & 0xFFFFFFFF, 0))
    kind = boxes.box(b"hdlr", bytes(8), b"soun", bytes(13))
    track = boxes.box(b"trak", boxes.box(b"mdia", header, kind, media))
    samples = boxes.box(b"mdat", bytes(4 * count))
    return boxes.box(b"ftyp", b"isom", bytes(4), b"isom", b"isom", b"isom") + samples + boxes.box(b"moov", track)


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
