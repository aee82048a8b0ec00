"""The playlists a player reads, by the rules of RFC 8216."""

from __future__ import annotations

import re
from array import array
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hls_sessions.media import (
    AudioTrack,
    Cuts,
    Media,
    Presentation,
    SubtitleTrack,
    VideoTrack,
    fingerprint,
    is_written,
    master_playlist,
    media_playlist,
    playlist,
)

ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"\r\n]*"|[^",\s]+)(?:,|$)')
"""One attribute of a list (RFC 8216, 4.2)."""


def video_track(seconds=10, rate=Fraction(25), *, start=0) -> VideoTrack:
    base = Fraction(1, 90_000)
    ticks = [round((start + number / rate) / base) for number in range(int(seconds * rate) + 1)]
    return VideoTrack(
        index=0,
        codec="h264",
        width=1280,
        height=720,
        time_base=base,
        start=ticks[0] * base,
        end=ticks[-1] * base,
        frame_rate=rate,
        frame_times=array("q", ticks[:-1]),
    )


def audio_track(title=None, language=None, *, default=False, end=Fraction(10)) -> AudioTrack:
    return AudioTrack(1, "aac", 2, 48_000, Fraction(0), end, language, title, default)


def subtitle_track(title=None, language=None, **flags) -> SubtitleTrack:
    return SubtitleTrack(2, "subrip", language, title, **flags)


def offer(video: VideoTrack | None = None, *audio: AudioTrack, length=2.0, subtitles=()) -> Presentation:
    media = Media(Path("/films/one.mkv"), "mov,mp4", Fraction(0), video, audio, subtitles=tuple(subtitles))
    return Presentation.of(media, length)


def attributes(line: str) -> dict[str, str]:
    """Read an attribute list, all of it, or fail."""
    text = line.partition(":")[2]
    found = list(ATTRIBUTE.finditer(text))
    assert "".join(match[0] for match in found) == text
    names = [match[1] for match in found]
    assert len(names) == len(set(names))
    return {match[1]: match[2] for match in found}


def tags(text: str, name: str) -> list[str]:
    return [line for line in text.splitlines() if line.partition(":")[0] == name]


def value(text: str, name: str) -> str:
    (line,) = tags(text, name)
    return line.partition(":")[2]


def variants(text: str) -> dict[str, dict[str, str]]:
    """The attributes of each variant by its URI."""
    lines = text.splitlines()
    return {uri: attributes(line) for line, uri in pairwise(lines) if line.startswith("#EXT-X-STREAM-INF:")}


def groups(text: str) -> list[dict[str, str]]:
    return [attributes(line) for line in tags(text, "#EXT-X-MEDIA")]


def segments(text: str) -> list[tuple[Decimal, str]]:
    """The length and URI of each segment."""
    lines = text.splitlines()
    return [
        (Decimal(line.removeprefix("#EXTINF:").removesuffix(",")), uri)
        for line, uri in pairwise(lines)
        if line.startswith("#EXTINF:")
    ]


# Every playlist


@pytest.fixture(params=["master", "video", "audio"])
def written(request) -> str:
    shown = offer(video_track(), audio_track("Original", "eng"))
    if request.param == "master":
        return master_playlist(shown)
    return media_playlist(shown, "video-720p" if request.param == "video" else "audio-0")


def test_a_playlist_begins_with_extm3u_and_its_version(written):
    assert written.splitlines()[:2] == ["#EXTM3U", "#EXT-X-VERSION:7"]


def test_a_playlist_is_lines_that_end_with_a_line_feed_and_none_is_blank(written):
    assert written.endswith("\n")
    assert all(written[:-1].split("\n"))
    assert "\r" not in written


# The media playlist


def test_a_media_playlist_is_whole_from_the_start():
    text = media_playlist(offer(video_track()), "video-720p")

    assert value(text, "#EXT-X-PLAYLIST-TYPE") == "VOD"
    assert value(text, "#EXT-X-MEDIA-SEQUENCE") == "0"
    assert text.endswith("#EXT-X-ENDLIST\n")


def test_the_init_segment_is_named_once_before_the_first_segment():
    text = media_playlist(offer(video_track()), "video-720p")

    assert attributes(*tags(text, "#EXT-X-MAP")) == {"URI": '"init.mp4"'}
    assert text.index("#EXT-X-MAP") < text.index("#EXTINF")


def test_segments_are_named_by_their_numbers_in_order():
    shown = offer(video_track())

    uris = [uri for _, uri in segments(media_playlist(shown, "video-720p"))]
    assert uris == [f"{number}.m4s" for number in range(len(shown.cuts("video-720p")))]


@pytest.mark.parametrize("rate", ["25", "30000/1001", "24000/1001", "1/3"])
def test_each_segment_has_its_true_length(rate):
    shown = offer(video_track(21, Fraction(rate)), audio_track(end=Fraction(21)))

    for rendition in shown.renditions:
        told = [Fraction(length) for length, _ in segments(media_playlist(shown, rendition))]
        assert told == pytest.approx(list(shown.cuts(rendition).lengths()), abs=1e-6)


def test_the_lengths_add_up_to_the_film():
    text = media_playlist(offer(video_track(3600, Fraction(30_000, 1001))), "video-720p")

    assert float(sum(length for length, _ in segments(text))) == pytest.approx(3600, abs=0.034)


def test_all_playlists_of_a_file_tell_one_target_duration():
    shown = offer(video_track(10), audio_track(end=Fraction(10)), audio_track(end=Fraction("3.7")))

    assert len({value(media_playlist(shown, name), "#EXT-X-TARGETDURATION") for name in shown.renditions}) == 1


@given(
    st.fractions(Fraction(1, 10), 100, max_denominator=10**7),
    st.fractions(Fraction(1, 10), 100, max_denominator=10**7),
    st.floats(1, 12),
)
def test_every_length_rounded_is_at_most_the_target_duration(video, audio, length):
    still = VideoTrack(0, "h264", 320, 180, Fraction(1, 10**7), Fraction(0), video, 1 / video)
    shown = offer(still, audio_track(end=audio), length=length)

    for rendition in shown.renditions:
        text = media_playlist(shown, rendition)
        target = value(text, "#EXT-X-TARGETDURATION")
        assert target.isdecimal()
        assert all(told.to_integral(ROUND_HALF_UP) <= int(target) for told, _ in segments(text))
        assert all(told > 0 for told, _ in segments(text))


def test_a_viewer_who_wants_to_begin_later_is_told_where_exactly():
    text = media_playlist(offer(video_track()), "video-720p", start_at=4.25)

    assert attributes(*tags(text, "#EXT-X-START")) == {"TIME-OFFSET": "4.250000", "PRECISE": "YES"}


def test_a_viewer_who_begins_at_the_beginning_is_told_nothing():
    assert not tags(media_playlist(offer(video_track()), "video-720p"), "#EXT-X-START")


def test_a_rendition_that_is_not_offered_has_no_playlist():
    with pytest.raises(KeyError):
        media_playlist(offer(video_track()), "video-1080p")


# The master playlist


def test_the_master_playlist_names_every_video_rendition():
    text = master_playlist(offer(video_track(), audio_track()))

    assert list(variants(text)) == [f"video-{height}p/index.m3u8" for height in (720, 480, 360)]


def test_every_segment_can_be_decoded_alone():
    assert "#EXT-X-INDEPENDENT-SEGMENTS" in master_playlist(offer(video_track())).splitlines()


@given(st.integers(16, 4096), st.integers(16, 2304), st.sampled_from(["24000/1001", "25", "60"]))
def test_a_variant_tells_a_bandwidth_at_least_its_average(width, height, rate):
    track = VideoTrack(0, "h264", width, height, Fraction(1, 90_000), Fraction(0), Fraction(10), Fraction(rate))

    for variant in variants(master_playlist(offer(track, audio_track()))).values():
        assert int(variant["BANDWIDTH"]) >= int(variant["AVERAGE-BANDWIDTH"]) > 0


def test_a_variants_bandwidth_counts_the_audio_that_plays_with_it():
    alone, together = (variants(master_playlist(offer(video_track(), *audio))) for audio in [(), (audio_track(),)])

    for uri, variant in together.items():
        assert int(variant["BANDWIDTH"]) >= int(alone[uri]["BANDWIDTH"]) + 128_000
        assert int(variant["AVERAGE-BANDWIDTH"]) >= int(alone[uri]["AVERAGE-BANDWIDTH"]) + 128_000


def test_a_variant_tells_its_size_rate_and_codecs():
    variant = variants(master_playlist(offer(video_track(rate=Fraction(30_000, 1001)), audio_track())))[
        "video-480p/index.m3u8"
    ]

    assert variant["RESOLUTION"] == "854x480"
    assert variant["FRAME-RATE"] == "29.970"
    assert variant["CODECS"] == '"avc1.64001f,mp4a.40.2"'


def test_the_audio_renditions_are_one_group_that_every_variant_names():
    text = master_playlist(offer(video_track(), audio_track("Original", "eng"), audio_track("Commentary", "eng")))

    assert {group["GROUP-ID"] for group in groups(text)} == {'"audio"'}
    assert {variant["AUDIO"] for variant in variants(text).values()} == {'"audio"'}
    assert [group["URI"] for group in groups(text)] == ['"audio-0/index.m3u8"', '"audio-1/index.m3u8"']


def test_an_audio_rendition_tells_its_name_language_and_channels():
    (group,) = groups(master_playlist(offer(video_track(), audio_track("Director, later", "eng"))))

    assert group["TYPE"] == "AUDIO"
    assert group["NAME"] == '"Director, later"'
    assert group["LANGUAGE"] == '"en"'
    assert group["CHANNELS"] == '"2"'


def test_an_audio_rendition_without_a_language_tells_none():
    (group,) = groups(master_playlist(offer(video_track(), audio_track())))

    assert "LANGUAGE" not in group


def test_exactly_one_audio_rendition_is_the_default():
    text = master_playlist(offer(video_track(), audio_track(), audio_track(default=True), audio_track()))

    assert [group["DEFAULT"] for group in groups(text)] == ["NO", "YES", "NO"]
    assert {group["AUTOSELECT"] for group in groups(text)} == {"YES"}


def test_a_silent_film_names_no_audio():
    text = master_playlist(offer(video_track()))

    assert not groups(text)
    for variant in variants(text).values():
        assert "AUDIO" not in variant
        assert "mp4a" not in variant["CODECS"]


def test_the_tracks_of_audio_alone_are_a_group_of_one_variant_which_is_the_default_track():
    text = master_playlist(offer(None, audio_track("One", "ger"), audio_track("Two", "eng", default=True)))

    (uri, variant), *others = variants(text).items()
    assert (uri, others) == ("audio-1/index.m3u8", [])
    assert variant["CODECS"] == '"mp4a.40.2"'
    assert variant["AUDIO"] == '"audio"'
    assert not {"RESOLUTION", "FRAME-RATE"} & variant.keys()
    assert int(variant["BANDWIDTH"]) >= int(variant["AVERAGE-BANDWIDTH"]) >= 128_000
    found = [(group["NAME"], group["DEFAULT"], group["URI"].partition("?")[0].strip('"')) for group in groups(text)]
    assert found == [('"One"', "NO", "audio-0/index.m3u8"), ('"Two"', "YES", "audio-1/index.m3u8")]


def test_audio_alone_with_surround_sound_is_a_variant_in_stereo_and_one_in_surround_sound():
    surround = replace(audio_track("Two"), channels=6)
    text = master_playlist(offer(None, audio_track("One"), surround))

    found = [attributes(line) for line in tags(text, "#EXT-X-STREAM-INF")]
    assert [variant["AUDIO"] for variant in found] == ['"audio"', '"surround"']
    assert int(found[0]["BANDWIDTH"]) < int(found[1]["BANDWIDTH"])
    assert [(group["GROUP-ID"], group["CHANNELS"]) for group in groups(text)] == [
        ('"audio"', '"2"'),
        ('"audio"', '"2"'),
        ('"surround"', '"2"'),
        ('"surround"', '"6"'),
    ]


def test_a_track_that_players_may_change_from_has_an_address_apart_from_its_variants():
    several = master_playlist(offer(None, audio_track(), audio_track()))
    one = master_playlist(offer(None, audio_track()))

    assert not {group["URI"].strip('"') for group in groups(several)} & variants(several).keys()
    assert [group["URI"].strip('"') for group in groups(one)] == list(variants(one))


@pytest.mark.parametrize("video", [video_track(), None], ids=["with video", "audio alone"])
def test_every_variant_says_that_there_are_no_closed_captions(video):
    found = variants(master_playlist(offer(video, audio_track(), replace(audio_track(), channels=6))))

    assert {variant["CLOSED-CAPTIONS"] for variant in found.values()} == {"NONE"}


def test_where_the_video_carries_closed_captions_every_variant_says_so():
    text = master_playlist(offer(replace(video_track(), captions=True), audio_track()))

    (captions,) = [
        attributes(line) for line in tags(text, "#EXT-X-MEDIA") if attributes(line)["TYPE"] == "CLOSED-CAPTIONS"
    ]
    assert captions["INSTREAM-ID"] == '"CC1"'
    assert "URI" not in captions
    assert {variant["CLOSED-CAPTIONS"] for variant in variants(text).values()} == {captions["GROUP-ID"]}


def test_every_uri_of_the_master_playlist_is_a_rendition_with_a_playlist():
    shown = offer(video_track(), audio_track(), audio_track())
    text = master_playlist(shown)

    uris = [*variants(text), *(group["URI"].strip('"') for group in groups(text))]
    assert sorted(uris) == sorted(f"{name}/index.m3u8" for name in shown.renditions)


# What is kept


def test_a_playlist_is_written_once():
    shown = offer(video_track(), audio_track())

    for rendition in (None, "video-720p", "audio-0"):
        assert not is_written(shown, rendition)
        assert playlist(shown, rendition) is playlist(shown, rendition)
        assert is_written(shown, rendition)
    assert str(playlist(shown)) == master_playlist(shown)
    assert str(playlist(shown, "video-720p")) == media_playlist(shown, "video-720p")


def test_sessions_that_begin_elsewhere_have_playlists_of_their_own():
    shown = offer(video_track(), audio_track())

    playlist(shown, "video-720p")
    assert not is_written(shown, "video-720p", 4.25)
    for start in (0.0, 4.25, 2.5):
        assert str(playlist(shown, "video-720p", start)) == media_playlist(shown, "video-720p", start)
    assert playlist(shown, None, 4.25) is playlist(shown)


def test_playlists_of_any_number_of_beginnings_are_kept_within_bounds():
    shown = offer(video_track(), audio_track())
    for start in range(200):
        playlist(shown, "audio-0", start / 100)

    assert len(shown.playlists) <= 4 * (1 + len(shown.offered))


def test_the_fingerprint_and_the_target_duration_are_computed_once(monkeypatch):
    shown = offer(video_track(), audio_track())
    once = fingerprint(shown), shown.target_duration
    monkeypatch.delattr(Cuts, "lengths")

    assert (fingerprint(shown), shown.target_duration) == once
    assert fingerprint(offer(video_track(), audio_track())) == once[0]


def test_equal_playlists_have_equal_tags_and_others_have_not():
    one, same = (playlist(offer(video_track(10), audio_track())) for _ in range(2))
    other = playlist(offer(video_track(10), audio_track("A title")))

    assert one.etag == same.etag != other.etag


# Titles and languages

hostile = st.one_of(
    st.text(),
    st.sampled_from(
        [
            'He said "no"',
            'x",URI="http://elsewhere.example/',
            "one\n#EXT-X-ENDLIST\ntwo",
            "one\r\n#EXTM3U",
            "\u2028\u2029\x85\x0b\x0c",
            "\udcff\ud800",
            "\x00\x07\x1b[2J",
            "Комментарий режиссёра",
            ",,=,=",
        ]
    ),
)


@given(hostile, hostile, st.booleans())
def test_no_title_or_language_adds_a_line_or_an_attribute(title, language, with_video):
    video = video_track(1) if with_video else None
    plain = master_playlist(offer(video, audio_track("a title", "eng")))
    text = master_playlist(offer(video, audio_track(title, language)))

    assert len(text.splitlines()) == len(plain.splitlines())
    for line, expected in zip(text.splitlines(), plain.splitlines(), strict=True):
        if line.startswith("#EXT-X-MEDIA:"):
            assert attributes(line).keys() | {"LANGUAGE"} == attributes(expected).keys()
        elif line.startswith("#EXT-X-STREAM-INF:"):
            assert attributes(line).keys() == attributes(expected).keys()
        else:
            assert line == expected


@given(hostile, hostile)
def test_a_playlist_can_always_be_sent_as_utf_8_without_control_characters(title, language):
    text = master_playlist(offer(video_track(1), audio_track(title, language)))

    assert text.encode().decode() == text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)


def test_a_language_that_cannot_be_written_is_told_as_none():
    (group,) = groups(master_playlist(offer(video_track(), audio_track("A", "\n"))))

    assert "LANGUAGE" not in group


# Subtitles


def subtitles_of(*tracks, video=None, audio=()) -> list[dict[str, str]]:
    """Return the attributes of all subtitle renditions in the master playlist."""
    master = master_playlist(offer(video or video_track(), *audio, subtitles=tracks))
    media = [attributes(line) for line in tags(master, "#EXT-X-MEDIA")]
    return [found for found in media if found["TYPE"] == "SUBTITLES"]


def test_every_subtitle_track_is_a_rendition_that_every_variant_names():
    master = master_playlist(
        offer(video_track(), audio_track(), subtitles=[subtitle_track(language="eng"), subtitle_track(language="ger")])
    )
    renditions = [line for line in tags(master, "#EXT-X-MEDIA") if "TYPE=SUBTITLES" in line]

    assert [attributes(line)["URI"] for line in renditions] == [
        '"subtitles-0/index.m3u8"',
        '"subtitles-1/index.m3u8"',
    ]
    assert {attributes(line)["SUBTITLES"] for line in tags(master, "#EXT-X-STREAM-INF")} == {'"subs"'}
    assert {attributes(line)["GROUP-ID"] for line in renditions} == {'"subs"'}


def test_audio_alone_has_its_subtitles_too():
    master = master_playlist(offer(None, audio_track("one"), audio_track("two"), subtitles=[subtitle_track()]))

    assert [attributes(line)["SUBTITLES"] for line in tags(master, "#EXT-X-STREAM-INF")] == ['"subs"']


def test_a_film_without_subtitles_names_none():
    assert "SUBTITLES" not in master_playlist(offer(video_track(), audio_track()))


def test_subtitles_are_named_by_title_language_or_number_and_no_two_alike():
    found = subtitles_of(
        subtitle_track("Full", "eng"), subtitle_track("Full", "eng"), subtitle_track(None, "eng"), subtitle_track()
    )

    assert [rendition["NAME"] for rendition in found] == ['"Full"', '"Full (2)"', '"eng"', '"Subtitles 4"']
    assert [rendition.get("LANGUAGE") for rendition in found] == ['"en"', '"en"', '"en"', None]


def test_one_subtitle_track_at_most_is_the_default_and_none_that_is_forced():
    found = subtitles_of(
        subtitle_track(language="eng", forced=True, default=True),
        subtitle_track(language="eng", default=True),
        subtitle_track(language="ger", default=True),
    )

    assert [rendition["DEFAULT"] for rendition in found] == ["NO", "YES", "NO"]
    assert [rendition.get("FORCED") for rendition in found] == ["YES", None, None]


def test_of_subtitles_that_players_cannot_tell_apart_they_choose_the_first():
    found = subtitles_of(
        subtitle_track(language="eng"),
        subtitle_track("Commentary", "eng"),
        subtitle_track(language="eng", hearing_impaired=True),
    )

    assert [rendition["AUTOSELECT"] for rendition in found] == ["YES", "NO", "YES"]


def test_subtitles_for_the_hard_of_hearing_say_so():
    plain, sdh = subtitles_of(subtitle_track(language="eng"), subtitle_track(language="eng", hearing_impaired=True))

    assert "CHARACTERISTICS" not in plain
    assert "public.accessibility.transcribes-spoken-dialog" in sdh["CHARACTERISTICS"]


@pytest.mark.parametrize("video", [video_track(), None], ids=["with video", "audio alone"])
def test_subtitles_are_cut_where_the_video_is_or_audio_alone(video):
    presentation = offer(video, audio_track(), subtitles=[subtitle_track()])
    subtitles, others = (
        media_playlist(presentation, rendition) for rendition in ("subtitles-0", "video-720p" if video else "audio-0")
    )

    assert tags(subtitles, "#EXTINF") == tags(others, "#EXTINF")
    assert tags(subtitles, "#EXT-X-TARGETDURATION") == tags(others, "#EXT-X-TARGETDURATION")
    assert tags(subtitles, "#EXT-X-MAP") == []
    assert [line for line in subtitles.splitlines() if not line.startswith("#")][:2] == ["0.vtt", "1.vtt"]
