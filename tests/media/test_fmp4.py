"""The reading of a segment before it is published: a whole one is understood, anything else is refused."""

from __future__ import annotations

import contextlib
import struct
import subprocess
from fractions import Fraction

import av
import pytest
from boxes import MDHD, box, picture, track, units
from hypothesis import given
from hypothesis import strategies as st

from hls_sessions.ffmpeg import find
from hls_sessions.media import BrokenSegment, Segment, read_codec, read_segment, read_track, same_audio, same_form


def as_pyav_sees(path):
    """The first presentation time, the end, the number of samples and whether the first is a keyframe."""
    with av.open(str(path)) as container:
        (stream,) = container.streams
        packets = [packet for packet in container.demux(stream) if packet.size]
        return (
            min(packet.pts for packet in packets) * stream.time_base,
            max(packet.pts + packet.duration for packet in packets) * stream.time_base,
            len(packets),
            packets[0].is_keyframe,
        )


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_a_whole_segment_is_read_as_pyav_reads_it(encoded, kind):
    for path in getattr(encoded, kind).values():
        segment = read_segment(path.read_bytes())

        first, end, samples, keyframe = as_pyav_sees(path)
        assert segment.first == first
        assert segment.end == end
        assert segment.samples == samples
        assert segment.starts_with_keyframe == keyframe


def test_a_segment_that_begins_inside_a_gop_does_not_start_with_a_keyframe(encoded):
    data = bytearray(encoded.video[1].read_bytes())
    trun = data.index(b"trun")
    assert struct.unpack_from(">I", data, trun + 4)[0] & 0x4, "its first sample has flags of its own"

    struct.pack_into(">I", data, trun + 16, 0x0101_0000)

    assert read_segment(data).starts_with_keyframe is False


def test_the_head_is_an_init_segment_that_plays_with_every_segment(encoded, tmp_path):
    first, second = (encoded.video[number].read_bytes() for number in (0, 1))
    joined = tmp_path / "joined.mp4"

    joined.write_bytes(first[: read_segment(first).head] + b"".join(d[read_segment(d).head :] for d in (first, second)))

    with av.open(str(joined)) as container:
        frames = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert frames == [Fraction(1, 4) + Fraction(number, 25) for number in range(25)]


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_all_segments_of_a_rendition_repeat_one_track(encoded, kind):
    tracks = {read_segment(path.read_bytes()).track for path in getattr(encoded, kind).values()}

    assert len(tracks) == 1


def test_the_track_of_an_init_segment_is_the_one_its_segments_repeat(encoded):
    data = encoded.video[0].read_bytes()
    segment = read_segment(data)

    assert read_track(data[: segment.head]) == segment.track


def test_video_and_audio_are_different_tracks(encoded):
    video, audio = (read_segment(of[0].read_bytes()) for of in (encoded.video, encoded.audio))

    assert video.track != audio.track


def test_the_track_names_the_codec_that_the_playlist_tells(encoded):
    track = read_segment(encoded.video[0].read_bytes()).track

    assert read_codec(track) == encoded.presentation.video[0].codecs
    # AVCDecoderConfigurationRecord: version, then profile, its constraints, and level.
    _, profile, constraints, level = track[(at := track.index(b"avcC") + 4) : at + 4]
    assert encoded.presentation.video[0].codecs == f"avc1.{profile:02x}{constraints:02x}{level:02x}"


# Segments that are not whole


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_a_segment_that_is_cut_short_anywhere_is_refused(encoded, kind):
    data = min((path.read_bytes() for path in getattr(encoded, kind).values()), key=len)

    whole = [length for length in range(len(data)) if not refused(data[:length])]
    assert whole == []


def refused(data: bytes) -> bool:
    try:
        read_segment(data)
    except BrokenSegment:
        return True
    return False


@pytest.mark.parametrize(
    "data",
    [b"", b"\0", b"ffmpeg", b"\0" * 1000, b"\xff" * 1000, b"#EXTM3U\n", b"\0\0\0\x08ftyp", b"\0\0\0\x08moof"],
    ids=repr,
)
def test_bytes_that_are_no_segment_are_refused(data):
    with pytest.raises(BrokenSegment):
        read_segment(data)


def test_an_init_segment_alone_is_refused(encoded):
    data = encoded.video[0].read_bytes()

    with pytest.raises(BrokenSegment, match="no sample"):
        read_segment(data[: read_segment(data).head])


def test_a_segment_without_its_init_segment_is_refused(encoded):
    data = encoded.video[0].read_bytes()

    with pytest.raises(BrokenSegment, match="does not begin with an init segment"):
        read_segment(data[read_segment(data).head :])


def test_media_data_without_a_header_is_refused(encoded):
    data = encoded.video[0].read_bytes()

    with pytest.raises(BrokenSegment, match="a fragment is not whole"):
        read_segment(data + box(b"mdat", b"more"))


def test_a_header_without_media_data_is_refused(encoded):
    data = encoded.video[0].read_bytes()

    with pytest.raises(BrokenSegment, match="a fragment is not whole"):
        read_segment(data + box(b"moof"))


def test_samples_that_do_not_fill_the_media_data_are_refused(encoded):
    data = bytearray(encoded.video[0].read_bytes())
    size = data.index(b"mdat") - 4
    (before,) = struct.unpack_from(">I", data, size)

    struct.pack_into(">I", data, size, before + 4)

    with pytest.raises(BrokenSegment, match="do not fill"):
        read_segment(data + b"more")


def test_a_box_it_does_not_know_is_passed_over(encoded):
    data = encoded.video[0].read_bytes()

    assert read_segment(data + box(b"free", b"nothing")) == read_segment(data)


def test_a_box_whose_size_needs_64_bits_is_read(encoded):
    data = encoded.video[0].read_bytes()
    at = data.index(b"mdat") - 4
    media = data[at + 8 :]

    large = data[:at] + struct.pack(">I4sQ", 1, b"mdat", 16 + len(media)) + media

    assert read_segment(large) == read_segment(data)


@pytest.mark.parametrize("init", [b"", b"\0" * 64, b"\0\0\0\x08ftyp\0\0\0\x08moov"], ids=repr)
def test_bytes_that_are_no_init_segment_have_no_track(init):
    with pytest.raises(BrokenSegment):
        read_track(init)


# Hostile and torn files


def fragment(
    *,
    tfhd: bytes = struct.pack(">II", 0x02_0000, 1),
    tfdt: bytes = struct.pack(">II", 0, 0),
    trun: bytes = struct.pack(">III", 0x200, 1, 4),
    mdhd: bytes = struct.pack(">IIIII", 0, 0, 0, 1000, 0),
    data: bytes = b"data",
) -> bytes:
    """A whole segment of the fewest bytes, but for the parts that are given."""
    moov = box(b"moov", track(mdhd))
    traf = box(b"traf", box(b"tfhd", tfhd), box(b"tfdt", tfdt), box(b"trun", trun))
    return box(b"ftyp") + moov + box(b"moof", traf) + box(b"mdat", data)


def test_a_segment_of_one_sample_is_whole():
    assert read_segment(fragment()).samples == 1


@pytest.mark.parametrize("part", ["tfhd", "tfdt", "trun", "mdhd"])
def test_a_box_too_short_for_its_fields_is_refused_and_its_neighbour_not_read(part):
    whole = {
        "tfhd": struct.pack(">III", 0x02_0020, 1, 0),
        "tfdt": struct.pack(">IQ", 0x0100_0000, 0),
        "trun": struct.pack(">IIII", 0x204, 1, 0, 4),
        "mdhd": struct.pack(">IQQI", 0x0100_0000, 0, 0, 1000),
    }[part]
    read_segment(fragment(**{part: whole}))

    for length in range(len(whole)):
        with pytest.raises(BrokenSegment):
            read_segment(fragment(**{part: whole[:length]}))


# When one init segment may stand for another


def in_band(data: bytes, **how) -> bool:
    """Whether a segment with this first frame is found to bring its parameter sets."""
    traf = box(
        b"traf",
        box(b"tfhd", struct.pack(">II", 0x02_0000, 1)),
        box(b"tfdt", bytes(8)),
        box(b"trun", struct.pack(">III", 0x200, 1, len(data))),
    )
    return read_segment(box(b"ftyp") + box(b"moov", picture(**how)) + box(b"moof", traf) + box(b"mdat", data)).in_band


@pytest.mark.parametrize(
    ("kinds", "brings"),
    [((7, 8, 5), True), ((9, 7, 8, 6, 5), True), ((5,), False), ((7, 5), False), ((8, 5), False), ((5, 7, 8), False)],
)
def test_a_segment_brings_its_parameter_sets_when_both_are_before_its_first_slice(kinds, brings):
    assert in_band(units(*kinds)) is brings


def test_parameter_sets_are_found_whatever_the_size_of_a_nal_units_length():
    assert in_band(units(7, 8, 5, length=2), nal_length=2)


@pytest.mark.parametrize("data", [b"\0", bytes(4), bytes(64), b"\xff" * 64], ids=repr)
def test_a_frame_that_is_no_nal_units_brings_no_parameter_sets(data):
    assert not in_band(data)


def test_a_codec_that_is_not_h264_is_called_by_its_kind():
    assert (read_codec(picture()), read_codec(track(MDHD))) == ("avc1.64001f", "mp4a")


def test_tracks_that_differ_in_their_parameter_sets_have_one_form():
    assert same_form(picture(), picture(parameters=b"other"))


@pytest.mark.parametrize(
    "other",
    [
        picture(size=struct.pack(">HH", 90, 160)),
        picture(nal_length=2),
        picture(mdhd=struct.pack(">IIIII", 0, 0, 0, 999, 0)),
        track(MDHD),
    ],
    ids=["its size", "its lengths", "its time scale", "its codec"],
)
def test_tracks_that_differ_in_more_than_their_parameter_sets_have_two_forms(other):
    assert not same_form(picture(), other)


def test_audio_tracks_that_differ_in_their_configuration_have_two_forms():
    assert not same_form(track(MDHD, b"mp4a", b"one"), track(MDHD, b"mp4a", b"other"))


def test_a_time_scale_of_zero_is_refused():
    with pytest.raises(BrokenSegment, match="time scale"):
        read_segment(fragment(mdhd=bytes(20)))


def test_samples_that_are_claimed_by_the_billion_are_refused_before_they_are_counted():
    with pytest.raises(BrokenSegment, match="more samples than"):
        read_segment(fragment(trun=struct.pack(">II", 0, 0xFFFF_FFFF)))


def test_runs_that_repeat_a_claim_are_refused_together():
    # Each run alone claims no more samples than there are bytes.
    trun = struct.pack(">II", 0, 4)
    moov = box(b"moov", track(struct.pack(">IIIII", 0, 0, 0, 1000, 0)))
    head = (box(b"tfhd", struct.pack(">II", 0x02_0000, 1)), box(b"tfdt", struct.pack(">II", 0, 0)))
    traf = box(b"traf", *head, *(box(b"trun", trun) for _ in range(1000)))

    with pytest.raises(BrokenSegment, match="more samples than"):
        read_segment(box(b"ftyp") + moov + box(b"moof", traf) + box(b"mdat", b"data"))


def is_understood_or_refused(data: bytes) -> None:
    with contextlib.suppress(BrokenSegment):
        assert isinstance(read_segment(data), Segment)
    with contextlib.suppress(BrokenSegment):
        assert isinstance(read_track(data), bytes)


@given(st.binary(max_size=200))
def test_any_bytes_are_understood_or_refused(data):
    is_understood_or_refused(data)


integers = st.sampled_from([0, 1, 2, 7, 8, 15, 16, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF])
words = st.one_of(integers, st.integers(0, 0xFFFF_FFFF)).map(lambda number: struct.pack(">I", number))


@given(
    st.sampled_from(["tfhd", "tfdt", "trun", "mdhd"]),
    st.lists(words, max_size=10).map(b"".join),
    st.binary(max_size=3),
    st.binary(max_size=20),
)
def test_any_fields_in_the_right_boxes_are_understood_or_refused(part, fields, rest, data):
    is_understood_or_refused(fragment(**{part: fields + rest, "data": data}))


kinds = st.sampled_from([b"ftyp", b"moov", b"trak", b"mdia", b"mdhd", b"moof", b"traf", b"tfhd", b"tfdt", b"trun"])
leaves = st.builds(box, kinds, st.lists(words, max_size=6).map(b"".join))
trees = st.recursive(
    leaves,
    lambda inner: st.builds(lambda kind, boxes: box(kind, *boxes), kinds, st.lists(inner, max_size=3)),
    max_leaves=6,
)


several = st.lists(trees, max_size=3).map(b"".join)


@given(several, several)
def test_any_tree_of_boxes_is_understood_or_refused(moov, rest):
    is_understood_or_refused(box(b"ftyp") + box(b"moov", moov) + rest)


@pytest.mark.parametrize("kind", ["video", "audio"])
@given(st.data())
def test_a_segment_with_damage_is_understood_or_refused(encoded, kind, data):
    whole = bytearray(getattr(encoded, kind)[1].read_bytes())
    # Damage to the boxes; what lies in the media data is not looked at.
    boxes = whole.index(b"mdat") + 4
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, boxes))
        damage = data.draw(st.one_of(words, st.binary(min_size=1, max_size=4)))
        whole[at : at + data.draw(st.sampled_from([len(damage), 0, 4]))] = damage

    is_understood_or_refused(bytes(whole))


@pytest.fixture
def audio_track(tmp_path):
    """Return a function that encodes audio with some options, and returns its trak box."""

    def audio_track(*options):
        path = tmp_path / "audio.mp4"
        fragmented = ("-movflags", "frag_keyframe+empty_moov+default_base_moof+skip_trailer")
        source = ("-f", "lavfi", "-i", "sine=sample_rate=44100:duration=0.1")
        subprocess.run([find(), "-v", "error", "-y", *source, *options, *fragmented, path], check=True)
        return read_segment(path.read_bytes()).track

    return audio_track


def test_aac_of_another_bit_rate_is_the_same_audio(audio_track):
    one, other = audio_track("-b:a", "64k"), audio_track("-b:a", "128k")

    assert one != other
    assert same_audio(one, other)


@pytest.mark.parametrize("options", [("-ac", "2"), ("-ar", "48000"), ("-c:a", "alac"), ("-c:a", "mp2")])
def test_audio_of_other_channels_another_rate_or_codec_is_other_audio(audio_track, options):
    assert not same_audio(audio_track(), audio_track(*options))
    assert not same_audio(audio_track("-c:a", "alac"), audio_track("-c:a", "alac"))


def test_bytes_that_are_no_track_are_no_audio():
    assert not same_audio(b"no", b"boxes")
