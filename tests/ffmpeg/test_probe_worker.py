"""The facts of a file, compared with the options it was made with and with a reading of all its packets."""

from __future__ import annotations

import struct
import subprocess
from contextlib import suppress
from fractions import Fraction

import av
import pytest
from captions import captioned

from hls_sessions.errors import NotPlayable
from hls_sessions.ffmpeg import Prober, Workers, find
from hls_sessions.ffmpeg.probing import prober

SMALL = {"size": "160x90"}
AAC = Fraction(1024, 44_100)
"""Seconds in one AAC frame of a clip."""


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    """Probe with one worker for all tests of this file, which runs before the first of them."""
    with pytest.MonkeyPatch.context() as one:
        one.setattr(prober, "WORKERS", 1)
        workers = Workers()
        shared = Prober(workers, timeout=60)
    warm_up = tmp_path_factory.mktemp("probe") / "text.mp4"
    warm_up.write_text("no film\n")
    with suppress(NotPlayable):
        shared.probe(warm_up)
    yield shared.probe
    shared.close()
    workers.close()


def remux(path, *options, source=()) -> None:
    """Write a file of another's packets."""
    subprocess.run([find(), "-v", "error", "-nostdin", *source, "-c", "copy", *options, path], check=True)


# Each container tells when its video begins and ends

CLIPS = {
    "mp4": {"container": "mp4"},
    "mp4, no B-frames": {"container": "mp4", "b_frames": 0},
    "mp4, 29.97": {"container": "mp4", "rate": "30000/1001"},
    "mp4, 1/2": {"container": "mp4", "rate": "1/2", "seconds": 10.0},
    "mp4, one frame": {"container": "mp4", "seconds": 0.04},
    "mp4, silent": {"container": "mp4", "audio": None},
    "fragmented mp4": {"container": "mp4", "options": ("-movflags", "frag_keyframe+empty_moov")},
    "mov": {"container": "mov"},
    "mkv": {"container": "mkv"},
    "mkv, 23.976": {"container": "mkv", "rate": "24000/1001"},
    "webm": {"container": "webm", "video": "libvpx", "audio": "libvorbis", "seconds": 2.0},
    "ts": {"container": "ts"},
    "ts, 29.97": {"container": "ts", "rate": "30000/1001"},
}


@pytest.mark.parametrize("like", CLIPS.values(), ids=CLIPS)
def test_video_begins_and_ends_as_its_packets_do(probe, hls_clip, demux, like):
    path = hls_clip(**SMALL | like)

    video = probe(path).video

    read = demux(path, video.index)
    assert (video.start, video.end) == (read.start, read.end)


@pytest.mark.parametrize("like", CLIPS.values(), ids=CLIPS)
def test_video_is_told_as_it_was_made(probe, hls_clip, like):
    media = probe(hls_clip(**SMALL | like))

    assert (media.video.width, media.video.height) == (160, 90)
    assert media.video.frame_rate == Fraction(like.get("rate", "25"))
    assert media.video.codec == ("vp8" if "video" in like else "h264")
    frame = 1 / media.video.frame_rate
    seconds = max(Fraction(like.get("seconds", 6)), frame)
    assert abs(media.video.end - media.video.start - seconds) < frame


@pytest.mark.parametrize("name", ["mp4", "mp4, no B-frames", "mp4, 29.97", "mp4, 1/2", "mp4, silent", "mov"])
def test_the_index_of_an_mp4_tells_every_frame(probe, hls_clip, demux, name):
    path = hls_clip(**SMALL | CLIPS[name])

    video = probe(path).video

    assert list(video.frame_times) == demux(path, 0).frames


@pytest.mark.parametrize("name", ["fragmented mp4", "mkv", "webm", "ts"])
def test_a_container_without_a_whole_index_tells_no_frames(probe, hls_clip, name):
    assert probe(hls_clip(**SMALL | CLIPS[name])).video.frame_times is None


AUDIO = {
    "m4a": {"container": "m4a"},
    "mp3": {"container": "mp3", "audio": "libmp3lame"},
    "flac": {"container": "flac", "audio": "flac"},
    "ogg": {"container": "ogg", "audio": "libvorbis"},
    "wav": {"container": "wav", "audio": "pcm_s16le"},
    "mka": {"container": "mka"},
}


@pytest.mark.parametrize("like", AUDIO.values(), ids=AUDIO)
def test_audio_alone_has_no_video(probe, hls_clip, like):
    media = probe(hls_clip(video=None, **like))

    assert media.video is None
    (audio,) = media.audio
    assert (audio.sample_rate, audio.channels) == (44_100, 1)
    # Coded audio is whole frames, and a container need not say how much of the last one counts.
    assert abs(audio.end - audio.start - 6) < 2 * AAC


def test_the_priming_of_audio_is_before_its_start(probe, hls_clip):
    (audio,) = probe(hls_clip(video=None, container="m4a")).audio

    assert (audio.start, audio.end) == (0, 6)


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("seconds", [4.0, 8.0])
def test_audio_that_ends_elsewhere_than_the_video_has_its_own_end(probe, hls_clip, container, seconds):
    media = probe(hls_clip(**SMALL, container=container, audio_seconds=seconds))

    assert abs(media.video.end - media.video.start - 6) < Fraction(1, 25)
    assert abs(media.audio[0].end - media.audio[0].start - Fraction(seconds)) < 2 * AAC


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("late", ["video", "audio"])
def test_a_track_that_starts_late_has_its_own_start(probe, hls_clip, tmp_path, container, late):
    film, path = hls_clip(**SMALL), tmp_path / f"late.{container}"
    tracks = ("-map", "0:a", "-map", "1:v") if late == "video" else ("-map", "0:v", "-map", "1:a")
    remux(path, *tracks, source=("-i", film, "-itsoffset", "3", "-i", film))

    media = probe(path)

    (audio,) = media.audio
    first, last = (audio, media.video) if late == "video" else (media.video, audio)
    assert abs(last.start - first.start - 3) < Fraction(1, 10)
    assert (media.start, media.end) == (first.start, last.end)


def test_a_transport_stream_says_where_it_is_counted_from(probe, hls_clip):
    media = probe(hls_clip(**SMALL, container="ts"))

    assert abs(media.container_start - media.start) < Fraction(1, 1000)
    assert media.container_start > 1


# Frames that are not evenly spaced


def irregular(hls_clip, container, times, *, b_frames=2):
    """A film of 150 frames; ``times`` is when frame N is shown, in frames."""
    options = ("-vf", f"setpts='({times})/25/TB'", "-fps_mode", "vfr")
    return hls_clip(**SMALL, audio=None, container=container, b_frames=b_frames, options=options)


IRREGULAR = {
    "further and further apart": "N+N*N/8",
    "a hole in the middle": "if(lt(N,75),N,N+500)",
    "the last frame far away": "if(lt(N,149),N,N+300)",
    "the last two frames far apart": "if(lt(N,148),N,N+300*(N-147))",
    "the last three frames far apart": "if(lt(N,147),N,N+300*(N-146))",
    "the second frame far away": "if(lt(N,1),N,N+300)",
}


@pytest.mark.parametrize("times", IRREGULAR.values(), ids=IRREGULAR)
@pytest.mark.parametrize("b_frames", [0, 2])
def test_frames_that_are_not_evenly_spaced_are_told_exactly(probe, hls_clip, demux, times, b_frames):
    path = irregular(hls_clip, "mp4", times, b_frames=b_frames)

    video = probe(path).video

    assert list(video.frame_times) == demux(path, 0).frames
    assert video.end == demux(path, 0).end


def test_a_last_frame_far_away_is_the_end_also_without_an_index(probe, hls_clip, demux):
    path = irregular(hls_clip, "mkv", IRREGULAR["the last frame far away"])

    assert probe(path).video.end == demux(path, 0).end > 17


def test_a_film_joined_from_two_that_decode_differently_keeps_its_length(probe, hls_clip, demux, tmp_path):
    parts = [hls_clip(**SMALL, audio=None, seconds=4.0, b_frames=b_frames) for b_frames in (0, 2)]
    (tmp_path / "list.txt").write_text("".join(f"file '{part}'\n" for part in parts))
    path = tmp_path / "joined.mp4"
    remux(path, source=("-f", "concat", "-safe", "0", "-i", tmp_path / "list.txt"))

    video = probe(path).video

    read = demux(path, 0)
    assert (video.start, video.end) == (read.start, read.end)
    assert video.frame_times is None or list(video.frame_times) == read.frames


def test_a_film_that_an_edit_list_begins_in_the_middle_has_the_frames_that_are_shown(probe, hls_clip, demux, tmp_path):
    path = tmp_path / "edited.mp4"
    remux(path, source=("-ss", "3.9", "-i", hls_clip(**SMALL)))

    video = probe(path).video

    read = demux(path, 0)
    assert len(read.frames) < 60
    assert list(video.frame_times) == read.frames
    assert video.start == 0


def test_a_film_that_an_edit_list_ends_early_has_the_frames_that_are_shown(probe, hls_clip, demux, tmp_path):
    data = bytearray(hls_clip(**SMALL, audio=None).read_bytes())
    # elst: version and flags, how many edits, then the first one's length on the film's clock (1/1000 s).
    length = data.index(b"elst") + 12
    assert struct.unpack_from(">I", data, length)[0] == 6000
    struct.pack_into(">I", data, length, 3000)
    path = tmp_path / "edited.mp4"
    path.write_bytes(data)

    video = probe(path).video

    assert abs(video.end - 3) <= Fraction(2, 25)
    if video.frame_times:
        assert list(video.frame_times) == demux(path, 0).frames


# Size and choice of tracks


def test_pixels_that_are_not_square_make_the_video_wider(probe, hls_clip):
    media = probe(hls_clip(**SMALL, seconds=1.0, options=("-vf", "setsar=2")))

    assert (media.video.width, media.video.height) == (320, 90)


def test_video_that_lies_on_its_side_is_told_upright(probe, hls_clip, tmp_path):
    path = tmp_path / "turned.mp4"
    bsf = "h264_metadata=display_orientation=insert:rotate=90"
    remux(path, "-bsf:v", bsf, source=("-i", hls_clip(**SMALL, seconds=1.0)))

    media = probe(path)

    assert (media.video.width, media.video.height) == (90, 160)


def test_a_cover_is_no_video(probe, hls_clip, tmp_path):
    song, path = hls_clip(video=None, container="m4a"), tmp_path / "song.m4a"
    cover = hls_clip(
        container="jpg", video="mjpeg", audio=None, seconds=0.04, options=("-update", "1", "-strict", "-1")
    )
    remux(path, *("-map", "0", "-map", "1", "-disposition:v", "attached_pic"), source=("-i", song, "-i", cover))

    media = probe(path)

    assert media.video is None
    assert len(media.audio) == 1


def test_of_two_video_tracks_the_default_plays(probe, hls_clip, tmp_path):
    one, two = hls_clip(**SMALL, seconds=1.0), hls_clip(size="320x180", seconds=1.0)
    path = tmp_path / "two.mkv"
    which = ("-map", "0:v", "-map", "1:v", "-disposition:v:0", "0", "-disposition:v:1", "default")
    remux(path, *which, source=("-i", one, "-i", two))

    assert probe(path).video.width == 320


def test_audio_tracks_are_told_with_title_language_and_which_is_the_default(probe, hls_clip, tmp_path):
    film, path = hls_clip(**SMALL, seconds=1.0), tmp_path / "two-audio-tracks.mkv"
    said = (
        "-metadata:s:a:0",
        "language=eng",
        "-metadata:s:a:0",
        "title=Original",
        "-metadata:s:a:1",
        "language=und",
    )
    which = ("-disposition:a:0", "0", "-disposition:a:1", "default")
    remux(path, *("-map", "0:v", "-map", "0:a", "-map", "0:a"), *said, *which, source=("-i", film))

    first, second = probe(path).audio

    assert (first.index, first.language, first.title, first.default) == (1, "eng", "Original", False)
    assert (second.index, second.language, second.title, second.default) == (2, None, None, True)


def test_a_title_that_is_no_utf_8_does_not_hide_the_film(probe, hls_clip, tmp_path):
    film, path = hls_clip(**SMALL, seconds=1.0), tmp_path / "title.mkv"
    remux(path, "-metadata:s:a:0", "title=MARK", source=("-i", film))
    path.write_bytes(path.read_bytes().replace(b"MARK", b"\xff\xfeRK"))

    assert probe(path).audio[0].title.endswith("RK")


# A file that was cut off ends where its data does, whatever its header says


@pytest.mark.parametrize(
    ("container", "options"),
    [("mp4", ("-movflags", "+faststart")), ("m4a", ("-movflags", "+faststart")), ("flv", ()), ("mkv", ())],
)
def test_a_file_that_was_cut_off_ends_with_the_last_packet_it_holds(
    probe, hls_clip, demux, tmp_path, container, options
):
    video = None if container == "m4a" else "libx264"
    whole = hls_clip(**SMALL, seconds=40, container=container, video=video, options=options)
    film = tmp_path / f"cut-off.{container}"
    film.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 5])

    media = probe(film)

    assert media.end < 30
    for track in media.tracks:
        assert abs(track.end - demux(film, track.index).end) < Fraction(1, 10)
    [note] = media.notes
    assert note.startswith(f"the file ends after {float(media.duration):.1f} s, not after the 40.")


# A clock that jumps


def joined(hls_clip, tmp_path, *parts):
    """Join recordings byte by byte, each of so many seconds and with a clock that begins at a time."""
    film = tmp_path / "joined.ts"
    clips = [hls_clip(**SMALL, seconds=n, container="ts", options=("-output_ts_offset", str(at))) for n, at in parts]
    film.write_bytes(b"".join(clip.read_bytes() for clip in clips))
    return film, [clip.stat().st_size for clip in clips]


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([(20, 0), (10, 36_000)], id="on by hours"),
        pytest.param([(20, 36_000), (10, 0)], id="back by hours"),
        pytest.param([(20, 0), (10, 0)], id="back to the beginning"),
        pytest.param([(20, 0), (10, 60)], id="on by a minute"),
        pytest.param([(20, 0), (10, 3_000), (10, 0)], id="twice"),
    ],
)
def test_of_a_recording_whose_clock_jumps_the_longest_part_is_found(probe, hls_clip, tmp_path, parts):
    film, sizes = joined(hls_clip, tmp_path, *parts)

    media = probe(film)

    assert abs(media.duration - 20) < Fraction(1, 2)
    start, end = media.part
    assert start == 0
    # The first packet of the next recording is the first that tells its time; those before it are tables.
    assert 0 <= end - sizes[0] <= 5 * 188
    assert media.notes == (f"its clock jumps: the longest of its {len(parts)} parts is played, bytes 0 to {end}",)


def test_the_longest_part_may_be_a_later_one(probe, hls_clip, tmp_path):
    film, sizes = joined(hls_clip, tmp_path, (5, 36_000), (20, 0))

    media = probe(film)

    assert 0 <= media.part[0] - sizes[0] <= 5 * 188
    assert media.part[1] == sum(sizes)
    assert abs(media.duration - 20) < Fraction(1, 2)


def test_a_clock_that_wraps_around_does_not_jump(probe, hls_clip):
    film = hls_clip(**SMALL, seconds=20, container="ts", options=("-output_ts_offset", str(2**33 / 90_000 - 10)))

    media = probe(film)

    assert media.part is None
    assert abs(media.duration - 20) < Fraction(1, 2)


def test_a_recording_that_is_dense_here_and_thin_there_does_not_jump(probe, hls_clip, tmp_path):
    dense = ("-b:v", "6M", "-minrate", "6M", "-maxrate", "6M", "-bufsize", "1M", "-x264-params", "nal-hrd=cbr")
    film = tmp_path / "uneven.ts"
    options = ("-output_ts_offset", "0")
    first = hls_clip(**SMALL, seconds=5, container="ts", audio=None, options=(*dense, *options))
    second = hls_clip(
        size="16x16", rate="2", seconds=120, container="ts", audio=None, options=("-output_ts_offset", "5.0")
    )
    film.write_bytes(first.read_bytes() + second.read_bytes())

    assert probe(film).part is None


# A track that begins late


@pytest.mark.parametrize("late", ["video", "audio"])
def test_a_track_that_begins_long_after_the_other_is_found_where_it_begins(probe, hls_clip, demux, tmp_path, late):
    clip = hls_clip(**SMALL, seconds=40, gop=25)
    film = tmp_path / "late.mkv"
    first, second = ("1:v", "0:a") if late == "video" else ("0:v", "1:a")
    delayed = ("-i", str(clip), "-itsoffset", "17", "-i", str(clip))
    remux(film, "-map", first, "-map", second, "-t", "40", source=delayed)

    media = probe(film)

    track = media.video if late == "video" else media.audio[0]
    other = media.audio[0] if late == "video" else media.video
    with av.open(str(film)) as container:
        packets = [p for p in container.demux(container.streams[track.index]) if p.pts is not None]
        begins = min(packet.pts * packet.time_base for packet in packets)
    assert track.start == begins
    assert abs(begins - 17) < Fraction(1, 10)
    assert abs(other.start) < Fraction(1, 10)
    assert f"the {late} (stream {track.index}) begins only after 17.0 s" in media.notes


def test_a_track_that_holds_nothing_is_left_out_and_told(probe, hls_clip, tmp_path):
    clip = hls_clip(**SMALL, seconds=6)
    film = tmp_path / "empty.mkv"
    remux(film, "-map", "0:v", "-map", "1:a", "-t", "5.5", source=("-i", clip, "-itsoffset", "5.6", "-i", clip))

    media = probe(film)

    assert media.audio == ()
    assert any("is left out" in note for note in media.notes)


# One bad track never refuses the film


TRACKS = {"video": 0, "audio": 2}
"""The track of each kind that is made bad: the only video, or the second of two audio tracks."""


def without(film, path, track, box):
    """Write a film of which one track misses a box of its header."""
    data = bytearray(film.read_bytes())
    at = data.index(b"moov")
    for _ in range(track + 1):
        at = data.index(b"trak", at) + 4
    at = data.index(box, at)
    data[at : at + 4] = b"free"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", TRACKS)
@pytest.mark.parametrize("box", [b"stsd", b"minf"])
def test_a_track_whose_codec_no_header_tells_is_left_out_and_the_others_play(probe, hls_clip, tmp_path, kind, box):
    film = hls_clip(seconds=2.0, **SMALL, options=("-map", "0", "-map", "1", "-map", "1"))

    media = probe(without(film, tmp_path / "bad.mp4", TRACKS[kind], box))

    assert (media.video is None, len(media.audio)) == ((True, 2) if kind == "video" else (False, 1))
    assert media.notes == (f"the {kind} (stream {TRACKS[kind]}) is left out: there is no decoder for it",)


def test_a_matroska_track_of_an_unknown_codec_is_left_out_and_the_others_play(probe, hls_clip, tmp_path):
    film = hls_clip(seconds=2.0, **SMALL, container="mkv", options=("-map", "0", "-map", "1", "-map", "1"))
    data = film.read_bytes()
    at = data.rindex(b"A_AAC")
    (bad := tmp_path / "bad.mkv").write_bytes(data[:at] + b"A_XYZ" + data[at + 5 :])

    media = probe(bad)

    assert (media.video is None, len(media.audio)) == (False, 1)
    assert media.notes == ("the audio (stream 2) is left out: there is no decoder for it",)


# How far before a frame a seek has to be asked for


def x265(*parameters: str) -> tuple[str, ...]:
    always = ("log-level=none", "pools=1", "scenecut=0", "keyint=25", "min-keyint=25", "bframes=4")
    return ("-preset", "ultrafast", "-x265-params", ":".join((*always, *parameters)))


@pytest.mark.parametrize(("container", "frames"), [("mp4", 6), ("mov", 6), ("mkv", 0)])
def test_a_film_with_open_gops_tells_how_much_too_late_a_seek_may_land(probe, hls_clip, container, frames):
    # Only an MP4 is sought by decoding times. Four frames are shown before a keyframe, and a decoder holds two back.
    options = x265("open-gop=1")
    film = hls_clip(
        seconds=4.0, **SMALL, container=container, video="libx265", pixels="yuv420p", audio=None, options=options
    )

    assert probe(film).video.seek_margin == Fraction(frames, 25)


def test_a_film_in_fragments_that_reorders_frames_is_sought_from_as_far_as_a_decoder_may_reorder(probe, hls_clip):
    fragments = ("-movflags", "frag_keyframe+empty_moov")
    assert probe(hls_clip(**SMALL, seconds=2.0, options=fragments)).video.seek_margin == Fraction(17, 25)
    assert probe(hls_clip(**SMALL, seconds=2.0, b_frames=0, options=fragments)).video.seek_margin == 0


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_film_that_refreshes_its_picture_strip_by_strip_is_sought_from_before_the_strips(
    probe, hls_clip, tmp_path, container
):
    # The TS has a recovery point wherever the strips begin anew; copied from there, these are the keyframes. The video
    # is ten strips wide, of which the first two come at once.
    strips = ("-x264-params", "intra-refresh=1:keyint=20")
    source = hls_clip(**SMALL, seconds=4.0, container="ts", b_frames=0, options=strips)
    remux(film := tmp_path / f"strips.{container}", source=("-i", str(source)))

    assert probe(film).video.seek_margin == Fraction(8, 25)


# Files that are no film


@pytest.mark.parametrize(
    ("codec", "muxer", "name"),
    [("libx264", "h264", "h264"), ("libx265", "hevc", "hevc"), ("mpeg2video", "mpeg2video", "mpegvideo")],
)
def test_a_raw_video_stream_is_refused_with_a_sentence(probe, tmp_path, codec, muxer, name):
    film = tmp_path / "raw"
    source = ("-f", "lavfi", "-i", "testsrc2=size=160x90:duration=2", "-c:v", codec, "-f", muxer)
    subprocess.run([find(), "-v", "quiet", "-nostdin", *source, film], check=True)

    with pytest.raises(NotPlayable, match=rf"it is a raw stream \({name}\), whose frames have no times"):
        probe(film)


def test_a_gif_that_stands_still_is_no_film_and_one_that_moves_is(probe, tmp_path):
    for name, frames in (("still", "1"), ("moving", "10")):
        source = ("-f", "lavfi", "-i", "testsrc2=size=64x64:rate=10", "-frames:v", frames)
        subprocess.run([find(), "-v", "error", "-nostdin", *source, tmp_path / f"{name}.gif"], check=True)

    assert probe(tmp_path / "moving.gif").duration == 1
    with pytest.raises(NotPlayable, match="it is a still image"):
        probe(tmp_path / "still.gif")


# Closed captions


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
def test_closed_captions_are_found_in_the_frames(probe, hls_clip, tmp_path, container):
    clip = hls_clip(seconds=1.0, size="160x90", audio=None, b_frames=0)

    assert probe(captioned(clip, tmp_path / f"captioned.{container}")).video.captions
    assert not probe(clip).video.captions
