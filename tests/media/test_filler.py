"""The filler, which a player is given in place of a segment that cannot be made."""

from __future__ import annotations

import subprocess
from fractions import Fraction

import judge
import pytest

from hls_sessions.ffmpeg import find
from hls_sessions.media import BrokenSegment, filler_segment, read_segment

START, END = Fraction(10), Fraction(12)


def init_of(path):
    data = path.read_bytes()
    return data[: read_segment(data).head]


def test_the_filler_of_video_is_a_fragment_at_its_time_that_holds_no_sample(encoded):
    init = init_of(encoded.video[1])

    made = filler_segment(init, START, END)

    at = made.index(b"tfdt") + 8
    assert int.from_bytes(made[at : at + 8]) == START * 12_800
    with pytest.raises(BrokenSegment, match="it holds no sample"):
        read_segment(init + made)


def test_a_filler_says_how_long_it_lasts(encoded):
    made = filler_segment(init_of(encoded.video[1]), START, END)

    at = made.index(b"sidx") + 4
    scale, duration = (int.from_bytes(made[at + begin : at + begin + 4]) for begin in (8, 36))
    assert duration == (END - START) * scale


@pytest.fixture
def encode_audio(tmp_path):
    """Return a function that encodes audio with some options, and returns its init segment."""

    def encode_audio(*options):
        path = tmp_path / "audio.mp4"
        fragmented = ("-movflags", "frag_keyframe+empty_moov+default_base_moof+skip_trailer")
        source = ("-f", "lavfi", "-i", "sine=sample_rate=44100:duration=0.1")
        subprocess.run([find(), "-v", "error", *source, *options, *fragmented, path], check=True)
        return init_of(path)

    return encode_audio


@pytest.mark.parametrize("channels", ["1", "2", "6"])
def test_the_filler_of_audio_is_silence_from_its_beginning_to_its_end(encode_audio, tmp_path, channels):
    init = encode_audio("-ac", channels)
    path = tmp_path / "filler.mp4"

    path.write_bytes(init + filler_segment(init, START, END))

    segment = read_segment(path.read_bytes())
    assert segment.first == START
    assert abs(segment.end - END) <= Fraction(1024, 44_100)
    assert judge.frames(path.read_bytes()) == segment.samples
    listen = [find(), "-hide_banner", "-i", path, "-af", "volumedetect", "-f", "null", "-"]
    assert "max_volume: -91.0 dB" in subprocess.run(listen, capture_output=True, text=True, check=True).stderr


@pytest.mark.parametrize("options", [("-ac", "3"), ("-c:a", "mp2"), ("-c:a", "alac")])
def test_the_filler_of_audio_whose_silence_is_not_known_holds_no_sample(encode_audio, options):
    init = encode_audio(*options)

    with pytest.raises(BrokenSegment, match="it holds no sample"):
        read_segment(init + filler_segment(init, START, END))


def test_no_filler_can_be_made_for_bytes_that_are_no_init_segment():
    with pytest.raises(BrokenSegment):
        filler_segment(b"no boxes", START, END)
