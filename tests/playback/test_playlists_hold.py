"""The segments are as the playlists promise."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise

import judge
import pytest

from hls_sessions.media import master_playlist, media_playlist
from hls_sessions.testing import Clip, make


@pytest.fixture(scope="module", params=["yuv422p", "yuv420p"], ids=["encoded", "copied"])
def made(request, supervise, hls_clip_folder, tmp_path_factory):
    """Return a presentation, and all its files: {rendition: (init, segments)}."""
    film = make(Clip(seconds=6, size="852x480", rate="30000/1001", pixels=request.param), hls_clip_folder)
    folder = tmp_path_factory.mktemp("segments")
    with supervise(media=[film.parent], segments_dir=folder) as supervisor:
        session = supervisor.open(film)
        presentation = session.presentation
        return presentation, {rendition: everything(session, rendition) for rendition in presentation.renditions}


def everything(session, rendition):
    count = len(session.presentation.cuts(rendition))
    segments = [session.segment(rendition, number, timeout=60).read_bytes() for number in range(count)]
    return session.init(rendition, timeout=60).read_bytes(), segments


def test_extinf_is_the_true_length_of_every_segment(made):
    presentation, files = made
    for rendition, (init, segments) in files.items():
        playlist = media_playlist(presentation, rendition)
        announced = [Fraction(length) for length in re.findall(r"#EXTINF:([\d.]+),", playlist)]
        # The packet before the first sample is the encoder's priming.
        starts = [max(Fraction(0), judge.times(init + segment)[0]) for segment in segments]
        lengths = [after - before for before, after in pairwise(starts)]

        for promised, found in zip(announced, lengths, strict=False):
            assert abs(promised - found) <= judge.MILLISECOND


def test_codecs_and_resolution_are_those_of_the_init_segment(made):
    presentation, files = made
    master = master_playlist(presentation)
    for rendition in presentation.video:
        init, _ = files[rendition.id]
        # avcC: configurationVersion, then profile, constraints and level (ISO/IEC 14496-15, 5.3.3.1).
        at = init.index(b"avcC") + 5
        codec = f"avc1.{init[at : at + 3].hex()}"
        width, height = (int.from_bytes(init[at - 5 - 58 + n : at - 5 - 58 + n + 2]) for n in (0, 2))

        assert f'CODECS="{codec},mp4a.40.2"' in master
        assert f"RESOLUTION={width}x{height}" in master


def test_no_segment_is_denser_than_bandwidth_and_all_together_not_than_average_bandwidth(made):
    presentation, files = made
    half = Fraction(presentation.target_duration, 2)
    for rendition in presentation.renditions.values():
        _, segments = files[rendition.id]
        lengths = list(presentation.cuts(rendition.id).lengths())
        # A peak is taken over at least half a target duration (RFC 8216, 4.3.4.2).
        peaks = [len(s) * 8 / length for s, length in zip(segments, lengths, strict=True) if length >= half]

        average = sum(len(s) * 8 for s in segments) / sum(lengths)

        assert max(peaks) <= rendition.peak
        assert average <= rendition.average
