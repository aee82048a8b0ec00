"""The options that ffmpeg gets for each encoder. Only a trial on hardware shows the result of hardware."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from hls_sessions.ffmpeg import ENCODERS, SOFTWARE, Binary, Method, encoders, methods, plan_run
from hls_sessions.ffmpeg.encoders import Hardware
from hls_sessions.media import CopiedVideo, Media, Presentation, VideoTrack

BINARY = Binary("/opt/ffmpeg", "9.0", frozenset(), absolute_segment_times=False)
EVERYWHERE = {"b:v", "maxrate", "bufsize", "profile:v", "level:v", "bf", "g", "sc_threshold", "bsf:v"}
"""Options of all encoders, which ffmpeg's help of one does not name."""
HARDWARE = [encoder for encoder in ENCODERS if isinstance(encoder, Hardware)]

VIDEO = VideoTrack(
    index=0,
    codec="h264",
    width=1280,
    height=720,
    time_base=Fraction(1, 30_000),
    start=Fraction(0),
    end=Fraction(60),
    frame_rate=Fraction(30_000, 1001),
)
FILM = Presentation.of(Media(Path("/films/one.mp4"), "mov,mp4", Fraction(0), VIDEO, ()))
RENDITION = FILM.video[0]


def command(encoder, *, b_frames=True, in_band=False):
    method = Method(encoder.name, encoder, b_frames, in_band)
    return plan_run(BINARY, FILM, RENDITION, method, 3, Path("/tmp/one/video-720p/run-1")).argv


def option(argv, name):
    return argv[argv.index(name) + 1] if name in argv else None


def filters(argv):
    return option(argv, "-filter_complex").split(";")


def test_hardware_is_preferred_to_software_and_each_has_its_place():
    assert [encoder.name for encoder in ENCODERS] == [
        "h264_nvenc",
        "h264_qsv",
        "h264_vaapi",
        "h264_videotoolbox",
        "libx264",
    ]
    assert len({encoder.preference for encoder in ENCODERS}) == len(ENCODERS)


def test_a_new_encoder_is_one_new_file(tmp_path, monkeypatch):
    (tmp_path / "amf.py").write_text(
        """from hls_sessions.ffmpeg.encoders.encoder import Hardware

class Amf(Hardware):
    name = "h264_amf"
    label = "AMF"
    preference = 15

ENCODER = Amf()
"""
    )
    monkeypatch.setattr(encoders, "__path__", [*encoders.__path__, str(tmp_path)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    try:
        assert [encoder.name for encoder in encoders._all()][:3] == ["h264_nvenc", "h264_amf", "h264_qsv"]
    finally:
        sys.modules.pop("hls_sessions.ffmpeg.encoders.amf", None)


def test_every_option_is_one_that_ffmpeg_knows_of_the_encoder(binary):
    built = [encoder for encoder in ENCODERS if encoder.name in binary.encoders]
    assert SOFTWARE in built
    for encoder in built:
        asked = [binary.path, "-hide_banner", "-h", f"encoder={encoder}"]
        known = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()

        own = encoder.options(RENDITION, b_frames=True).keys() - EVERYWHERE
        assert {name for name in own if f"-{name}" not in known} == set()


@pytest.mark.parametrize("encoder", ENCODERS, ids=str)
def test_an_encoder_keeps_to_its_renditions_rate_and_profile_and_forces_the_same_keyframes(encoder):
    argv = command(encoder)

    assert option(argv, "-c:v") == encoder.name
    assert option(argv, "-maxrate") == str(RENDITION.max_rate)
    assert option(argv, "-bufsize") == str(RENDITION.buffer)
    assert option(argv, "-profile:v") == "high"
    assert option(argv, "-force_key_frames") == option(command(SOFTWARE), "-force_key_frames")
    assert option(argv, "-segment_times") == option(command(SOFTWARE), "-segment_times")
    assert int(option(argv, "-g")) > 60 * 60 * 2, "no keyframe of its own between two that are forced"


@pytest.mark.parametrize("encoder", HARDWARE, ids=str)
def test_hardware_makes_no_b_frames_and_is_labelled_as_the_playlist_says(encoder):
    argv = command(encoder)

    assert option(argv, "-bf") == "0"
    assert option(argv, "-bsf:v") == "h264_metadata=level=31:zero_new_constraint_set_flags=1:aud=remove"
    assert RENDITION.codecs == "avc1.64001f"


@pytest.mark.parametrize("encoder", ENCODERS, ids=str)
def test_parameter_sets_go_into_the_frames_where_there_are_several_methods_after_all_else(encoder):
    alone, several = (option(command(encoder, in_band=in_band), "-bsf:v") for in_band in (False, True))

    assert several == ",".join(filter(None, (alone, "dump_extra=freq=keyframe")))


@pytest.mark.parametrize("captions", [False, True])
def test_software_hands_on_captions_only_where_the_playlists_announce_them(captions):
    rendition = replace(RENDITION, track=replace(RENDITION.track, captions=captions))

    assert SOFTWARE.options(rendition, b_frames=True)["a53cc"] == int(captions)


@pytest.mark.parametrize("encoder", ENCODERS, ids=str)
def test_decoding_stays_in_software(encoder):
    assert not [argument for argument in command(encoder) if argument.startswith("-hwaccel")]


def test_nvenc_is_told_that_forced_keyframes_are_idr_frames():
    argv = command(ENCODERS[0])

    assert (option(argv, "-forced-idr"), option(argv, "-no-scenecut")) == ("1", "1")
    assert (option(argv, "-rc"), option(argv, "-cq"), option(argv, "-b:v")) == ("vbr", "23", "0")


def test_quick_sync_is_told_that_forced_keyframes_are_idr_frames_and_gets_interleaved_colours():
    argv = command(ENCODERS[1])

    assert (option(argv, "-forced_idr"), option(argv, "-adaptive_i")) == ("1", "0")
    assert "format=nv12" in filters(argv)[-1]


def test_vaapi_opens_its_device_and_gets_its_frames_loaded_up():
    argv = command(ENCODERS[2])

    assert option(argv, "-init_hw_device") == "vaapi=gpu:/dev/dri/renderD128"
    assert option(argv, "-filter_hw_device") == "gpu"
    assert [part.partition("]")[2].partition("[")[0] for part in filters(argv)[-2:]] == ["format=nv12", "hwupload"]


def test_videotoolbox_is_not_to_fall_back_to_its_own_software():
    argv = command(ENCODERS[3])

    assert (option(argv, "-allow_sw"), option(argv, "-level:v")) == ("0", None)


def test_software_is_the_only_method_unless_hardware_was_chosen():
    assert methods(RENDITION) == methods(RENDITION, SOFTWARE) == (Method("libx264", SOFTWARE),)


@pytest.mark.parametrize("encoder", HARDWARE, ids=str)
def test_hardware_is_the_first_method_and_software_the_last_and_neither_reorders_frames(encoder):
    assert methods(RENDITION, encoder) == (
        Method(encoder.name, encoder, b_frames=False, in_band=True),
        Method("libx264", SOFTWARE, b_frames=False, in_band=True),
    )
    assert option(command(SOFTWARE, b_frames=False), "-bf") == "0"


@pytest.mark.parametrize("encoder", HARDWARE, ids=str)
def test_segments_that_cannot_be_copied_are_encoded_in_software(encoder):
    copied = CopiedVideo("video-copy", VIDEO, 1280, 720, "avc1.64001f", 1, 1, RENDITION)

    assert methods(copied, encoder) == (Method("libx264", SOFTWARE, in_band=True),)
