"""Any video is shown upright, square, progressive and in ordinary colours, frame for frame."""

from __future__ import annotations

import io
import subprocess

import av
import judge
import pytest

from hls_sessions.ffmpeg import find

FFMPEGS_IN_TURN = ()


@pytest.fixture
def shown(hls_supervisor, ffmpeg):
    """Return a function that plays a film's largest rendition, and returns the session and the first frame."""
    supervisor = hls_supervisor(ffmpeg=ffmpeg)

    def shown_(film):
        session = supervisor.open(film)
        rendition = session.presentation.video[0].id
        count = len(session.presentation.cuts(rendition))
        segments = [session.segment(rendition, number, timeout=60).read_bytes() for number in range(count)]
        data = session.init(rendition, timeout=60).read_bytes() + b"".join(segments)
        with av.open(io.BytesIO(data)) as container:
            frame = next(container.decode(video=0))
        assert judge.frames(data) == len(judge.source_times(film))
        assert judge.worst_deviation(judge.times(data), judge.source_times(film)) <= judge.MILLISECOND
        assert frame.format.name == "yuv420p"
        return session, frame

    return shown_


def test_a_high_dynamic_range_is_shown_as_a_standard_one(shown, hls_clip):
    colours = "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
    film = hls_clip(seconds=3, size="160x90", options=("-pix_fmt", "yuv420p10le", "-vf", colours))

    session, frame = shown(film)

    assert (int(frame.color_trc), int(frame.colorspace)) == (1, 1)  # BT.709, both
    assert "the video is HDR (smpte2084) and is shown as SDR" in session.info().notes


def test_interlaced_video_is_deinterlaced(shown, hls_clip):
    film = hls_clip(seconds=3, size="160x96", rate="50", options=("-vf", "interlace", "-flags", "+ildct+ilme"))

    session, frame = shown(film)

    assert not frame.interlaced_frame
    assert "the video is interlaced and is shown deinterlaced" in session.info().notes


def test_rotated_video_is_shown_upright(shown, hls_clip, hls_clip_folder):
    lying = hls_clip(seconds=3, size="160x90")
    film = hls_clip_folder / "rotated.mp4"
    with av.open(str(lying)) as source, av.open(str(film), "w") as target:
        streams = {stream: target.add_stream_from_template(stream) for stream in source.streams}
        streams[source.streams.video[0]].set_display_rotation(90)
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream]
                target.mux(packet)

    session, frame = shown(film)

    assert (frame.width, frame.height) == (90, 160)
    assert "RESOLUTION=90x160" in session.master_playlist()


@pytest.mark.parametrize(
    ("size", "options", "expected"),
    [
        ("160x128", ("-vf", "setsar=64/45"), (228, 128)),
        ("161x91", ("-pix_fmt", "yuv444p"), (160, 90)),
        ("160x90", ("-pix_fmt", "yuvj420p"), (160, 90)),
        ("160x90", ("-pix_fmt", "yuv422p10le"), (160, 90)),
        ("2x2", (), (2, 2)),
    ],
    ids=["non-square pixels", "odd sizes and 4:4:4", "full range", "10 bit", "tiny"],
)
def test_any_size_and_format_is_shown_square_even_and_ordinary(shown, hls_clip, size, options, expected):
    film = hls_clip(seconds=3, size=size, container="mkv", audio=None, options=options)

    session, frame = shown(film)

    assert (frame.width, frame.height) == expected
    assert f"RESOLUTION={expected[0]}x{expected[1]}" in session.master_playlist()


def test_video_with_alpha_is_shown_without(shown, hls_clip):
    film = hls_clip(seconds=3, size="160x90", container="mov", video="qtrle", b_frames=0, options=("-pix_fmt", "argb"))

    shown(film)


def test_frames_at_any_distance_are_shown_at_their_times(shown, hls_clip):
    irregular = "setpts='PTS+floor(N/7)*0.1/TB'"
    film = hls_clip(seconds=4, size="160x90", audio=None, options=("-vf", irregular, "-fps_mode", "passthrough"))

    shown(film)


def test_frames_at_any_distance_in_matroska_are_shown_at_their_times(shown, hls_clip):
    irregular = "setpts='PTS+floor(N/7)*0.1/TB'"
    options = ("-vf", irregular, "-fps_mode", "passthrough")
    film = hls_clip(seconds=4, size="160x90", container="mkv", audio=None, options=options)

    shown(film)


def test_cover_art_is_no_film(hls_supervisor, hls_clip, hls_clip_folder):
    audio, cover = hls_clip(seconds=3, video=None, container="m4a"), hls_clip_folder / "cover.png"
    film = hls_clip_folder / "cover.m4a"
    draw = ("-f", "lavfi", "-i", "testsrc2=size=64x64", "-frames:v", "1", str(cover))
    subprocess.run([find(), "-v", "error", "-y", *draw], check=True)
    mapped = ("-map", "0", "-map", "1", "-c", "copy", "-disposition:v", "attached_pic")
    subprocess.run([find(), "-v", "error", "-y", "-i", str(audio), "-i", str(cover), *mapped, str(film)], check=True)

    session = hls_supervisor().open(film)

    assert list(session.presentation.renditions) == ["audio-0"]
