"""The NAL units at the beginning of a frame: whether a decoder may begin there, and when it shows whole pictures."""

from __future__ import annotations

import pytest

from hls_sessions.media import recovery_frames, refreshes

IDR, SLICE = b"\x65\x88", b"\x41\x9a"


def frame(*units: bytes) -> bytes:
    """Return a frame of NAL units, each after its length in four bytes."""
    return b"".join(len(unit).to_bytes(4) + unit for unit in units)


def recovery(bits: str, before: bytes = b"") -> bytes:
    """Return a SEI unit with a recovery point, of which the number of frames is written in these bits."""
    payload = int(bits.ljust(16, "0"), 2).to_bytes(2)
    return b"\x06" + before + b"\x06\x02" + payload + b"\x80"


def test_a_decoder_may_begin_with_an_idr_frame_alone():
    assert refreshes("h264", frame(IDR), 4)
    assert not refreshes("h264", frame(recovery("1"), SLICE), 4)


# Exp-Golomb codes (ITU-T H.264, table 9-2).
@pytest.mark.parametrize(("bits", "frames"), [("1", 0), ("010", 1), ("00111", 6), ("00000110011", 50)])
def test_a_recovery_point_tells_after_how_many_frames_pictures_are_whole(bits, frames):
    assert recovery_frames("h264", frame(recovery(bits), SLICE), 4) == frames


def test_a_recovery_point_is_found_behind_another_message():
    other = b"\x05\x03abc"

    assert recovery_frames("h264", frame(recovery("00111", before=other), SLICE), 4) == 6


@pytest.mark.parametrize("units", [(IDR,), (b"\x06", SLICE), (b"\x06\x06", SLICE), (b"\x06\xff\xff", SLICE), ()])
def test_without_a_whole_recovery_point_there_is_none(units):
    assert recovery_frames("h264", frame(*units), 4) == 0


def test_a_recovery_that_takes_absurdly_long_is_not_believed():
    assert recovery_frames("h264", frame(recovery("0" * 15 + "1"), SLICE), 4) <= 600


def test_other_codecs_have_no_such_recovery_points():
    assert recovery_frames("hevc", frame(recovery("00111"), SLICE), 4) == 0
