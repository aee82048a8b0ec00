"""Grey pictures in H.264 (ITU-T H.264), written bit by bit: one keyframe, and frames that repeat it."""

from __future__ import annotations

GREY = "00100111"
"""A macroblock of a keyframe: predicted from nothing around it (I_16x16, DC), and no residue."""

FRAME_NUMBERS = 16
"""Frames are numbered modulo that, as log2_max_frame_num says."""

NAL_LENGTH = 4
"""Bytes of the length before each NAL unit."""

_SPS, _PPS, _IDR, _SLICE = 0x67, 0x68, 0x65, 0x61
"""The first bytes of NAL units: their type, and that others refer to them."""


class Grey:
    """Grey video of one size."""

    def __init__(self, width: int, height: int, level: int, parameter_sets: int) -> None:
        """Write its parameter sets.

        Args:
            width: in pixels, an even number.
            height: in pixels, an even number.
            level: level_idc, ten times the level.
            parameter_sets: the number of the parameter sets, by which they are told from those of other encoders.
        """
        across, down = -(-width // 16), -(-height // 16)
        self._macroblocks = across * down
        self._pps_id = _unsigned(parameter_sets)
        crop = [across * 16 - width, down * 16 - height]
        self.sps = _unit(
            _SPS,
            # High profile, no constraints; 4:2:0, 8 bits, no scaling matrices.
            f"{100:08b}{0:08b}{level:08b}" + _unsigned(parameter_sets) + _unsigned(1) + _unsigned(0) * 2 + "00"
            # Frame numbers of four bits; pictures are shown as they are decoded; one is referred to.
            + _unsigned(0) + _unsigned(2) + _unsigned(1) + "0"
            + _unsigned(across - 1) + _unsigned(down - 1) + "11"
            # What of the last macroblocks is not shown, in pairs of pixels.
            + ("1" + "".join(_unsigned(side) for side in (0, crop[0] // 2, 0, crop[1] // 2)) if any(crop) else "0")
            + "0",
        )  # fmt: skip
        self.pps = _unit(
            _PPS,
            # CAVLC, no slice groups, one reference, QP 26, filters as usual.
            self._pps_id + _unsigned(parameter_sets) + "00" + _unsigned(0) * 3 + "000" + _unsigned(0) * 3 + "000",
        )
        self._repeats = [self._repeat(number) for number in range(FRAME_NUMBERS)]

    def keyframe(self, number: int, *, in_band: bool) -> bytes:
        """Return a keyframe.

        Args:
            number: how many keyframes came before; two in a row must differ (7.4.3, idr_pic_id).
            in_band: whether it brings the parameter sets.
        """
        header = _unsigned(0) + _unsigned(7) + self._pps_id + "0000" + _unsigned(number % 2) + "00" + _unsigned(0)
        frame = _unit(_IDR, header + GREY * self._macroblocks)
        units = [self.sps, self.pps, frame] if in_band else [frame]
        return b"".join(map(_with_length, units))

    def repeat(self, number: int) -> bytes:
        """Return a frame that repeats the one before it; ``number`` is its distance from the keyframe."""
        return self._repeats[number % FRAME_NUMBERS]

    def configuration(self) -> bytes:
        """Return an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1)."""
        return (
            bytes([1, *self.sps[1:4], 0xFC | NAL_LENGTH - 1, 0xE1])
            + len(self.sps).to_bytes(2, "big") + self.sps
            + b"\1" + len(self.pps).to_bytes(2, "big") + self.pps
            # 4:2:0 with 8 bits, which the High profile adds.
            + b"\xfd\xf8\xf8\0"
        )  # fmt: skip

    def _repeat(self, number: int) -> bytes:
        header = _unsigned(0) + _unsigned(5) + self._pps_id + f"{number:04b}" + "000" + _unsigned(0)
        # All macroblocks are skipped.
        return _with_length(_unit(_SLICE, header + _unsigned(self._macroblocks)))


def _unsigned(number: int) -> str:
    """Write a number in Exp-Golomb code (9.1); a signed zero is written alike."""
    bits = f"{number + 1:b}"
    return "0" * (len(bits) - 1) + bits


def _unit(first: int, bits: str) -> bytes:
    """Write a NAL unit, ended by a stop bit, in which nothing looks like a start code (7.4.1)."""
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    if b"\0\0" in data:
        escaped, zeros = bytearray(), 0
        for byte in data:
            if zeros == 2 and byte <= 3:  # noqa: PLR2004 - bytes of a start code
                escaped.append(3)
                zeros = 0
            escaped.append(byte)
            zeros = 0 if byte else zeros + 1
        data = bytes(escaped)
    return bytes([first]) + data


def _with_length(unit: bytes) -> bytes:
    return len(unit).to_bytes(NAL_LENGTH, "big") + unit
