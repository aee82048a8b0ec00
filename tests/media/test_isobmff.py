"""Boxes are found wherever they lie, in memory and in files of gigabytes, and nothing is read past their ends."""

from __future__ import annotations

import io
import struct

import pytest
from boxes import box

from hls_sessions.media.isobmff import Box, read_box, read_boxes

LIMIT = 1000


class Damaged(ValueError):
    """The error that these tests pass to be raised."""


class CountingFile(io.BytesIO):
    """A file that says how many bytes were read from it."""

    bytes_read = 0

    def read(self, size=-1):
        data = super().read(size)
        self.bytes_read += len(data)
        return data


def within(*content: bytes) -> Box:
    """Return a box that holds these bytes, which has a neighbour."""
    parent, _ = read_boxes(box(b"moov", *content) + box(b"free", bytes(64)), Damaged)
    return parent


def found_in(data: bytes, limit: int = LIMIT) -> bytes:
    """Return the moov box's payload in a file."""
    return bytes(read_box(io.BytesIO(data), b"moov", limit, Damaged).content)


# In memory


def test_the_boxes_of_a_box_are_found_by_their_type():
    parent = within(box(b"mvhd", b"header"), box(b"trak", b"first"), box(b"trak", b"second"))

    assert [child.kind for child in parent.boxes()] == [b"mvhd", b"trak", b"trak"]
    assert bytes(parent.child(b"trak").content) == b"first"
    assert parent.find(b"udta") is None


def test_a_box_that_is_missing_is_named():
    with pytest.raises(Damaged, match="its trak box is missing"):
        within(box(b"mvhd")).child(b"trak")


def test_the_boxes_of_a_box_with_fields_of_its_own_come_after_these():
    assert within(bytes(8), box(b"mp4a", b"entry")).child(b"mp4a", skip=8).content == b"entry"


def test_a_number_that_lies_in_the_neighbour_is_not_read():
    parent = within(b"\0\0\0\x07\0")

    assert parent.number(">I", 0) == 7
    with pytest.raises(Damaged, match="its moov box is too short"):
        parent.number(">I", 2)


@pytest.mark.parametrize("size", [2, 7, 17, 0xFFFF_FFFF])
def test_a_box_that_is_smaller_than_its_header_or_larger_than_its_parent_is_cut_short(size):
    with pytest.raises(Damaged, match="its trak box is cut short"):
        within(struct.pack(">I4s", size, b"trak"), bytes(8)).child(b"trak")


def test_a_64_bit_size_that_lies_in_the_neighbour_is_not_believed():
    with pytest.raises(Damaged, match="its trak box is cut short"):
        within(struct.pack(">I4s", 1, b"trak")).child(b"trak")


def test_a_box_in_a_box_without_a_size_lasts_to_the_end_of_that():
    assert within(struct.pack(">I4s", 0, b"trak"), b"rest").child(b"trak").content == b"rest"


def test_the_zeros_that_end_a_list_of_quicktime_are_no_box():
    assert [child.kind for child in within(box(b"name"), bytes(4)).boxes()] == [b"name"]


@pytest.mark.parametrize("rest", [bytes(1), bytes(4), bytes(8), bytes(64)], ids=len)
def test_zeros_after_the_last_box_of_a_segment_are_a_torn_box(rest):
    with pytest.raises(Damaged, match="cut short"):
        list(read_boxes(box(b"mdat", b"media") + rest, Damaged))


# In a file


@pytest.mark.parametrize(
    "before",
    [b"", box(b"ftyp"), box(b"ftyp") + struct.pack(">I4sQ", 1, b"mdat", 20) + b"film"],
    ids=["nothing", "a box", "a box with a 64-bit size"],
)
def test_a_box_is_found_behind_others(before):
    assert found_in(before + box(b"moov", b"tables")) == b"tables"


def test_of_a_file_only_headers_and_the_wanted_box_are_read():
    file = CountingFile(box(b"ftyp") + box(b"mdat", bytes(1 << 20)) + box(b"moov", b"tables"))

    assert read_box(file, b"moov", LIMIT, Damaged).content == b"tables"
    assert file.bytes_read < 100


def test_the_last_box_of_a_file_may_be_without_a_size():
    assert found_in(struct.pack(">I4s", 0, b"moov") + b"tables") == b"tables"


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "it has no moov box"),
        (box(b"ftyp"), "it has no moov box"),
        (box(b"ftyp") + b"moov", "it has no moov box"),
        (box(b"moov", b"tables")[:-1], "it has no moov box"),
        (box(b"moov", bytes(LIMIT)), "its moov box is too large"),
    ],
    ids=["an empty file", "no such box", "half a header", "a box that is cut off", "a box beyond the limit"],
)
def test_a_box_that_cannot_be_read_is_refused(data, fault):
    with pytest.raises(Damaged, match=fault):
        found_in(data)
