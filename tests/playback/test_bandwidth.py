"""BANDWIDTH and AVERAGE-BANDWIDTH are never less than what is served (RFC 8216, 4.3.4.2)."""

from __future__ import annotations

import subprocess
from fractions import Fraction

import m3u8
import pytest

from hls_sessions.ffmpeg import find

NOISE = "testsrc2=size={size}:rate={rate}:duration=4,noise=alls=80:allf=t"
LOUD = "aevalsrc='0.9*random(0)|0.9*random(1)':sample_rate=48000:duration=4"
FILMS = {
    "copied from MP4": ("mp4", "320x180", "25", "yuv420p", ("-b:a", "320k")),
    # Matroska does not tell the sizes of packets.
    "encoded, with sound copied from Matroska": ("mkv", "320x180", "25", "yuv422p", ("-b:a", "320k")),
    # The boxes of many small frames count.
    "encoded, with little sound": ("mp4", "128x72", "60", "yuv422p", ("-b:a", "16k", "-ac", "1")),
}


@pytest.mark.parametrize("kind", FILMS)
def test_no_variant_is_served_with_more_bits_than_it_announces(hls_supervisor, hls_clip_folder, kind):
    container, size, rate, pixels, sound = FILMS[kind]
    film = hls_clip_folder / f"noise, {kind}.{container}"
    video = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "20", "-g", "50", "-pix_fmt", pixels)
    sources = ("-f", "lavfi", "-i", NOISE.format(size=size, rate=rate), "-f", "lavfi", "-i", LOUD)
    subprocess.run([find(), "-v", "error", "-y", *sources, *video, "-c:a", "aac", *sound, str(film)], check=True)
    session = hls_supervisor().open(film)

    served = {name: rates_of(session, name) for name in session.presentation.renditions}

    # What one of the two has to spare must not hide what the other lacks.
    for name, rendition in session.presentation.renditions.items():
        assert served[name][0] <= rendition.peak
        assert served[name][1] <= rendition.average
    for variant in m3u8.loads(session.master_playlist()).playlists:
        peak, average = served[variant.uri.split("/")[0]]
        peaks, averages = zip(*(served[media.uri.split("/")[0]] for media in variant.media), strict=True)
        assert peak + max(peaks) <= variant.stream_info.bandwidth
        assert average + max(averages) <= variant.stream_info.average_bandwidth


def rates_of(session, rendition) -> tuple[Fraction, Fraction]:
    """Return the bits per second of the densest segment of a rendition, and of all of them."""
    lengths = list(session.presentation.cuts(rendition).lengths())
    bits = [8 * session.segment(rendition, number, timeout=60).stat().st_size for number in range(len(lengths))]
    half = Fraction(session.presentation.target_duration, 2)
    peak = max(size / length for size, length in zip(bits, lengths, strict=True) if length >= half)
    return peak, sum(bits) / sum(lengths)
