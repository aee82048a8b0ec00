"""Segment i of a rendition is a pure function of (file, rendition, i): whichever run made it, in whatever order."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import pairwise

import judge
import pytest

from hls_sessions.testing import Clip, make

FFMPEGS_IN_TURN = ("film",)
FILMS = {
    "25 fps": {"rate": "25"},
    "29.97 fps": {"rate": "30000/1001"},
    "23.976 fps": {"rate": "24000/1001"},
    "23.976 fps in Matroska": {"rate": "24000/1001", "container": "mkv"},
    "25 fps in MPEG-TS": {"rate": "25", "container": "ts"},
    "encoded audio": {"rate": "25", "audio": "ac3"},
}


@pytest.fixture(scope="module", params=FILMS.values(), ids=FILMS.keys())
def film(request, hls_clip_folder):
    return make(Clip(seconds=8, size="320x180", b_frames=3, **request.param), hls_clip_folder)


@pytest.fixture(scope="module")
def copies(supervise, film, tmp_path_factory):
    """All segments of all renditions, fetched in random order from two sessions: {rendition: [(init, segments)]}.

    Beside them is the origin of the presentation.
    """
    order = random.Random(str(film))
    folder = tmp_path_factory.mktemp("segments")
    with supervise(media=[film.parent], segments_dir=folder) as supervisor:
        sessions = [supervisor.open(film, user) for user in ("anna", "ben")]
        presentation = sessions[0].presentation
        fetched_ = {id_: [fetched(session, id_, order) for session in sessions] for id_ in presentation.renditions}
        return fetched_ | {"origin": presentation.timeline.origin}


def fetched(session, rendition, order):
    numbers = list(range(len(session.presentation.cuts(rendition))))
    order.shuffle(numbers)
    segments = {number: session.segment(rendition, number, timeout=60).read_bytes() for number in numbers}
    init = session.init(rendition, timeout=60).read_bytes()
    return init, [segments[number] for number in sorted(segments)]


@pytest.fixture(scope="module")
def video(copies):
    return copies["video-180p"]


@pytest.fixture(scope="module")
def audio(copies):
    return copies["audio-0"]


@pytest.fixture(scope="module")
def shown(copies, film):
    """When the frames of the source are to be shown."""
    return judge.shown_times(film, copies["origin"])


def test_every_frame_of_the_source_is_there_once_and_at_its_time(video, shown):
    for init, segments in video:
        moments = judge.times(init + b"".join(segments))

        assert len(moments) == len(shown)
        assert judge.is_increasing(moments)
        assert judge.worst_deviation(moments, shown) <= judge.MILLISECOND


def test_both_sessions_have_the_same_init_segment_and_the_same_times_in_every_segment(video):
    (init, segments), (other_init, other_segments) = video

    assert init == other_init
    for ours, theirs in zip(segments, other_segments, strict=True):
        assert judge.times(init + ours) == judge.times(init + theirs)


def test_every_segment_begins_with_a_keyframe_and_decodes_on_its_own(video):
    [(init, segments), _] = video
    for segment in segments:
        packets = judge.packets(init + segment)

        assert packets[0].keyframe
        assert packets[0].time == min(packet.time for packet in packets)
        assert judge.frames(init + segment) == len(packets)


def test_segments_of_two_sessions_may_be_mixed_without_a_missing_or_repeated_frame(video, film):
    (init, ours), (_, theirs) = video
    mixed = [pair[number % 2] for number, pair in enumerate(zip(ours, theirs, strict=True))]

    assert judge.frames(init + b"".join(mixed)) == len(judge.source_times(film))


def test_audio_goes_on_over_every_join_without_a_gap_or_an_overlap(audio, film):
    encoded = film.suffix == ".ts" or judge.codec(film, "audio") != "aac"
    frame = Fraction(1024, 48_000 if encoded else 44_100)
    # Matroska's times are whole milliseconds.
    apart = judge.MILLISECOND if film.suffix == ".mkv" else 0
    (init, ours), (other_init, theirs) = audio
    mixed = [pair[number % 2] for number, pair in enumerate(zip(ours, theirs, strict=True))]

    assert init == other_init
    for segments in (ours, theirs, mixed):
        moments = judge.times(init + b"".join(segments))
        assert all(abs(after - before - frame) <= apart for before, after in pairwise(moments))


def test_video_and_audio_stay_together(video, audio, film, shown):
    source_audio = judge.source_times(film, "audio")
    [(video_init, videos), _], [(audio_init, audios), _] = video, audio
    apart = shown[0] - source_audio[0]

    first_frame = judge.times(video_init + videos[0])[0]
    # The encoder's own priming precedes the first sample by one frame.
    first_sample = judge.times(audio_init + audios[0])[0] + Fraction(1024, 48000)

    # An encoder's priming is also in the source, as packets before the first sample that a container announces.
    assert abs((first_frame - first_sample) - apart) <= judge.MILLISECOND + Fraction(1024, 44100)
