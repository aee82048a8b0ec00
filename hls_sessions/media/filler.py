"""The filler: a segment without anything of the film, in place of one that cannot be made. Bytes in, bytes out.

A native player ends at a missing segment. The filler is whole and in time, but holds no sample: it is a fragment, and
before it an index that says how long the fragment lasts, because hls.js takes a segment without a length for a fault
and gives up after a few. In place of video, a player goes on showing the last frame while the audio plays. In place of
plain AAC the filler is silence, as for a hole within a segment, because without audio no browser would show the video
either.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from hls_sessions.media.fmp4 import read_aac_config, read_time_scale, read_track
from hls_sessions.media.isobmff import write_box
from hls_sessions.media.timeline import AAC_FRAME, OFFSET

if TYPE_CHECKING:
    from fractions import Fraction

    from hls_sessions.media.timeline import Cuts

PLAIN_AAC = "mp4a.40.2"
"""The codec in which a filler is silence, as CODECS spells it (RFC 6381)."""

_LOW_COMPLEXITY = 2
"""The audio object type of plain AAC (ISO/IEC 14496-3, 1.5.1.1)."""

_SILENCE = {
    1: bytes.fromhex("01182007"),
    2: bytes.fromhex("211004608c1c"),
    6: bytes.fromhex("011820010880230460231004608c0c230000e0"),
}
"""One frame of plain AAC in which nothing is heard, by channel configuration: channel elements without a spectrum."""


SILENT_CHANNELS = frozenset(_SILENCE)
"""How many channels a filler of plain AAC can have."""


def filler_segment(init: bytes, start: Fraction, end: Fraction) -> bytes:
    """Return a media segment without anything of the film.

    Args:
        init: the init segment of its rendition.
        start: when it begins, in seconds, as written (with the constant offset).
        end: when the next segment begins.

    Raises:
        BrokenSegment: ``init`` is not an init segment.
    """
    scale = read_time_scale(read_track(init))
    first = round(start * scale)
    codec, channels = read_aac_config(init) or (0, 0)
    silence = _SILENCE.get(channels) if codec == _LOW_COMPLEXITY else None
    frames = round((end - start) * scale / AAC_FRAME) if silence else 0
    fragment = _fragment(first, AAC_FRAME, [silence or b""] * frames)
    index = _index(first, round((end - start) * scale), scale, len(fragment))
    return write_box(b"styp", b"msdh", struct.pack(">I", 0), b"msdhmsix") + index + fragment


def filler_of(number: int, cuts: Cuts, origin: Fraction, init: bytes) -> bytes:
    """Return the filler in place of a segment of a rendition.

    Args:
        number: the segment.
        cuts: where its rendition is cut.
        origin: the file's time at which the presentation begins.
        init: its rendition's init segment.

    Raises:
        BrokenSegment: that is not an init segment.
    """
    return filler_segment(init, cuts.times[number] - origin + OFFSET, cuts.end(number) - origin + OFFSET)


def _fragment(time: int, duration: int, samples: list[bytes]) -> bytes:
    """Write one fragment of track 1 (8.8.4 to 8.8.8, 8.8.12), whose samples last equally long and are all keyframes."""
    media = b"".join(samples)
    sizes = b"".join(struct.pack(">I", len(sample)) for sample in samples)
    moof = b""
    for _ in range(2):  # its own size is where the media data begins
        moof = write_box(
            b"moof",
            write_box(b"mfhd", struct.pack(">II", 0, 1)),
            write_box(
                b"traf",
                # default-base-is-moof, and a duration for all samples.
                write_box(b"tfhd", struct.pack(">III", 0x020008, 1, duration)),
                write_box(b"tfdt", struct.pack(">IQ", 0x01000000, time)),
                # Where the data begins, and a size for each.
                write_box(b"trun", struct.pack(">III", 0x000201, len(samples), len(moof) + 8), sizes),
            ),
        )
    return moof + write_box(b"mdat", media)


def _index(time: int, duration: int, scale: int, size: int) -> bytes:
    """Write an index of one fragment (8.16.3), which begins with a point of access (SAP type 1)."""
    entry = struct.pack(">HHIII", 0, 1, size, duration, 0x90000000)
    return write_box(b"sidx", struct.pack(">IIIQQ", 0x01000000, 1, scale, time, 0), entry)
