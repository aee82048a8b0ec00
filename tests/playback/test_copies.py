"""Video and audio that are offered as they are in the file, beside encoded renditions."""

from __future__ import annotations

import random
import subprocess
from itertools import pairwise

import judge
import pytest

from hls_sessions.ffmpeg import find
from hls_sessions.testing import Clip, make

ONE_FFMPEG = True
"""What is copied is made by PyAV. One ffmpeg is enough for what is encoded beside it."""

PLAYABLE = {"seconds": 8.0, "size": "320x180", "gop": 26, "pixels": "yuv420p"}
HEVC = ("-x265-params", "log-level=none:open-gop=0:keyint=26:bframes=3", "-preset", "ultrafast", "-tag:v", "hvc1")

FILMS = {
    "H.264 in MP4": Clip(**PLAYABLE, b_frames=3),
    "29.97 fps in Matroska": Clip(**PLAYABLE, rate="30000/1001", container="mkv"),
    "HEVC in MP4": Clip(**PLAYABLE, video="libx265", options=HEVC),
    "VP9 in WebM": Clip(
        **PLAYABLE, video="libvpx-vp9", audio="libopus", audio_rate=48_000, container="webm", options=("-cpu-used", "8")
    ),
    "AV1 in MP4": Clip(
        **PLAYABLE | {"seconds": 5.0}, video="libsvtav1", options=("-preset", "12", "-svtav1-params", "pred-struct=1")
    ),
    "a clock that starts late": Clip(**PLAYABLE, container="mkv", options=("-output_ts_offset", "100")),
    "variable frame rate": Clip(**PLAYABLE, options=("-vf", "setpts='(N+mod(N*N,7)/10)/25/TB'", "-fps_mode", "vfr")),
}


@pytest.fixture(scope="module", params=FILMS.values(), ids=FILMS.keys())
def film(request, hls_clip_folder):
    return make(request.param, hls_clip_folder)


@pytest.fixture(scope="module")
def seen(supervise, film, tmp_path_factory):
    """Return a presentation, and all its files, fetched in random order: {rendition: (init, segments)}."""
    folder = tmp_path_factory.mktemp("segments")
    with supervise(media=[film.parent], segments_dir=folder) as supervisor:
        session = supervisor.open(film)
        return session.presentation, {name: fetched(session, name) for name in session.presentation.renditions}


def fetched(session, rendition):
    numbers = list(range(len(session.presentation.cuts(rendition))))
    random.Random(rendition).shuffle(numbers)
    segments = {number: session.segment(rendition, number, timeout=60).read_bytes() for number in numbers}
    return session.init(rendition, timeout=60).read_bytes(), [segments[number] for number in sorted(segments)]


def test_copied_video_has_every_frame_of_the_source_once_and_at_its_time(seen, film):
    presentation, files = seen
    init, segments = files["video-copy"]
    source = judge.shown_times(film, presentation.timeline.origin)

    moments = judge.times(init + b"".join(segments))

    assert judge.is_increasing(moments)
    assert judge.worst_deviation(moments, source) <= judge.MILLISECOND
    assert judge.frames(init + b"".join(segments)) == len(source)


def test_every_copied_segment_begins_with_a_keyframe_and_decodes_on_its_own(seen):
    _, files = seen
    init, segments = files["video-copy"]
    for segment in segments:
        packets = judge.packets(init + segment)

        assert packets[0].keyframe
        assert packets[0].time == min(packet.time for packet in packets)
        assert judge.frames(init + segment) == len(packets)


def test_encoded_video_is_cut_wherever_the_copied_one_is(seen):
    presentation, _ = seen
    encoded = [video.id for video in presentation.video if not video.copied]

    assert all(
        set(presentation.cuts("video-copy").times) <= set(presentation.cuts(rendition).times) for rendition in encoded
    )


def test_a_viewer_may_change_the_variant_at_every_shared_cut_and_misses_and_repeats_no_frame(seen, film):
    presentation, files = seen
    encoded = next(video.id for video in presentation.video if not video.copied)
    boundaries = presentation.cuts("video-copy").times
    moments = []
    for number, (begins, ends) in enumerate(pairwise(boundaries)):
        rendition = ("video-copy", encoded)[number % 2]
        init, segments = files[rendition]
        within = [n for n, time in enumerate(presentation.cuts(rendition).times[:-1]) if begins <= time < ends]
        moments += judge.times(init + b"".join(segments[n] for n in within))

    assert judge.is_increasing(moments)
    assert judge.worst_deviation(moments, judge.shown_times(film, presentation.timeline.origin)) <= judge.MILLISECOND


def test_a_segment_is_the_same_whichever_run_copied_it(supervise, film, seen, tmp_path):
    _, files = seen
    init, copied = files["video-copy"]
    with supervise(media=[film.parent], segments_dir=tmp_path) as supervisor:
        session = supervisor.open(film)
        again = [session.segment("video-copy", number, timeout=60).read_bytes() for number in range(len(copied))]

    assert [judge.times(init + segment) for segment in again] == [judge.times(init + segment) for segment in copied]
    # Matroska has no decoding times, and ffmpeg's guess at the first of them depends on where it begins.
    assert again == copied or film.suffix != ".mp4"


# When a copy fails


def test_a_segment_that_cannot_be_copied_is_encoded_and_the_next_is_copied_again(
    packager_double, ffmpeg, hls_clip, hls_supervisor
):
    film = hls_clip(**PLAYABLE)
    packager_double('if asked == "video-copy-1.m4s": os.abort()')
    session = hls_supervisor(ffmpeg=ffmpeg).open(film)

    init, segments = fetched_in_order(session, range(len(session.presentation.cuts("video-copy"))))

    moments = judge.times(init + b"".join(segments))
    assert judge.worst_deviation(moments, judge.source_times(film)) <= judge.MILLISECOND
    # A decoder goes from the copied segment to the encoded one, and back, with the same init segment.
    assert judge.frames(init + b"".join(segments)) == len(moments)
    [note] = [note for note in session.info().notes if note.startswith("video-copy")]
    assert note == "video-copy: copy was given up at segment 1: its packager ended by SIGABRT."


@pytest.mark.parametrize("order", ["forwards", "backwards"])
def test_video_of_which_nothing_can_be_copied_is_encoded_in_its_stead(
    packager_double, ffmpeg, hls_clip, hls_supervisor, order
):
    film = hls_clip(**PLAYABLE)
    packager_double('if asked.startswith("video-copy"): return self.refuse("it is spoilt")')
    session = hls_supervisor(ffmpeg=ffmpeg).open(film)
    numbers = range(len(session.presentation.cuts("video-copy")))

    init, segments = fetched_in_order(session, numbers if order == "forwards" else reversed(numbers))

    moments = judge.times(init + b"".join(segments))
    assert judge.worst_deviation(moments, judge.source_times(film)) <= judge.MILLISECOND
    assert judge.frames(init + b"".join(segments)) == len(moments)
    assert {rendition.id: rendition.encoder for rendition in session.info().renditions}["video-copy"] == "libx264"


def test_video_whose_init_segment_cannot_be_made_either_is_encoded(packager_double, ffmpeg, hls_clip, hls_supervisor):
    film = hls_clip(**PLAYABLE)
    packager_double('return self.refuse("it is spoilt")')
    session = hls_supervisor(ffmpeg=ffmpeg).open(film)

    init, segments = fetched_in_order(session, range(len(session.presentation.cuts("video-copy"))))

    assert judge.frames(init + b"".join(segments)) == len(judge.source_times(film))


def test_for_a_damaged_packet_of_audio_its_own_segment_alone_is_encoded(ffmpeg, hls_clip, hls_supervisor, tmp_path):
    film, damaged = hls_clip(**PLAYABLE, audio_rate=48_000), tmp_path / "damaged.mp4"
    noise = ("-bsf:a", "noise=amount='if(between(n\\,130\\,133)\\,1\\,0)'")
    subprocess.run(
        [ffmpeg, "-v", "error", "-nostdin", "-i", film, "-map", "0", "-c", "copy", *noise, damaged], check=True
    )
    session = hls_supervisor(media=[tmp_path], ffmpeg=ffmpeg).open(damaged)

    init, segments = fetched(session, "audio-0")

    assert judge.frames(init + b"".join(segments)) == len(judge.packets(init + b"".join(segments)))
    audio = next(rendition for rendition in session.info().renditions if rendition.id == "audio-0")
    assert audio.encoder == "copy"
    reason, damage = audio.given_up
    assert reason.startswith("copy was given up at segment 3: a packet of it cannot be decoded")
    assert damage == "parts of it cannot be decoded."
    assert session.segment("video-copy", 2, timeout=60).exists()


def fetched_in_order(session, numbers):
    segments = {number: session.segment("video-copy", number, timeout=60).read_bytes() for number in numbers}
    return session.init("video-copy", timeout=60).read_bytes(), [segments[number] for number in sorted(segments)]


# Video that is not copied


@pytest.mark.parametrize(
    ("like", "why"),
    {
        "GOPs of more than 12 seconds": ({"gop": 1000, "seconds": 13.0}, "it cannot be cut for 13.0 seconds"),
        "a profile of few players": ({"pixels": "yuv444p"}, "players do not take its profile of H.264"),
        "a codec of no player": ({"video": "mpeg4"}, "players do not take mpeg4"),
        "interlaced": (
            {"size": "160x96", "rate": "50", "options": ("-vf", "interlace", "-flags", "+ildct+ilme")},
            "it is interlaced",
        ),
        "MPEG-TS": ({"container": "ts"}, "MP4 does"),
    }.values(),
)
def test_the_reason_why_video_is_not_copied_is_told(hls_clip, hls_supervisor, like, why):
    session = hls_supervisor().open(hls_clip(**PLAYABLE | {"size": "160x90"} | like))

    assert "video-copy" not in session.presentation.renditions
    [note] = [note for note in session.info().notes if "not copied" in note]
    assert why in note


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_open_gops_are_not_copied(hls_clip, hls_supervisor, container):
    options = ("-x264-params", "open-gop=1:scenecut=0", "-bf", "2")
    film = hls_clip(**PLAYABLE | {"size": "160x90", "seconds": 14.0}, container=container, options=options)
    session = hls_supervisor().open(film)

    assert "video-copy" not in session.presentation.renditions
    [note] = [note for note in session.info().notes if "not copied" in note]
    assert "its GOPs are open" in note


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_keyframe_is_no_cut_when_frames_after_it_refer_to_frames_before_it(hls_clip, hls_supervisor, container):
    options = ("-flags", "-cgop", "-sc_threshold", "0")
    film = hls_clip(**PLAYABLE | {"size": "160x90", "seconds": 2.7, "gop": 19}, container=container, options=options)
    session = hls_supervisor().open(film)
    copied = [name for name in session.presentation.renditions if name == "video-copy"]

    for rendition in copied:
        init, segments = fetched(session, rendition)
        assert all(judge.frames(init + segment) == len(judge.packets(init + segment)) for segment in segments)
    assert copied or any("its GOPs are open" in note for note in session.info().notes)


@pytest.mark.parametrize(
    ("container", "options"),
    [("mp4", ("-movflags", "frag_keyframe+empty_moov")), ("mkv", ("-live", "1"))],
    ids=["fragmented MP4", "Matroska without cues"],
)
def test_a_film_without_an_index_is_encoded_at_once_and_copied_the_next_time(
    hls_clip, hls_supervisor, until, container, options
):
    film = hls_clip(**PLAYABLE, container=container, options=options)
    supervisor = hls_supervisor()
    first = supervisor.open(film)
    assert "video-copy" not in first.presentation.renditions
    assert any("may be copied when it is opened again" in note for note in first.info().notes)

    until(lambda: "video-copy" in supervisor.probe(film).renditions)

    second = supervisor.open(film)
    init, segments = fetched(second, "video-copy")
    moments = judge.times(init + b"".join(segments))
    shown = judge.shown_times(film, second.presentation.timeline.origin)
    assert judge.worst_deviation(moments, shown) <= judge.MILLISECOND


def test_copying_can_be_switched_off(hls_clip, hls_supervisor):
    session = hls_supervisor(copy_streams=False).open(hls_clip(**PLAYABLE))

    assert list(session.presentation.renditions) == ["video-180p", "audio-0"]
    assert any("the settings do not allow it" in note for note in session.info().notes)


# Audio


def test_audio_of_5_1_channels_is_offered_as_such_and_as_stereo(ffmpeg, tmp_path, hls_supervisor):
    film = tmp_path / "surround.mkv"
    source = "sine=frequency=440:duration=5:sample_rate=48000,aformat=channel_layouts=5.1(side)"
    subprocess.run([find(), "-v", "error", "-nostdin", "-f", "lavfi", "-i", source, "-c:a", "ac3", film], check=True)
    session = hls_supervisor(media=[tmp_path], ffmpeg=ffmpeg).open(film)

    assert {audio.id: audio.channels for audio in session.presentation.renditions.values()} == {
        "audio-0": 2,
        "audio-0-surround": 6,
    }
    for rendition in session.presentation.renditions:
        init, segments = fetched(session, rendition)
        assert judge.channels(init + b"".join(segments)) == session.presentation.renditions[rendition].channels
        assert judge.frames(init + b"".join(segments)) > 0
