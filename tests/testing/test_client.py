"""The client plays a part, and says in a sentence what is wrong with it."""

from __future__ import annotations

import re

import pytest

from hls_sessions.testing import FakeRun, Faulty


@pytest.fixture
def film(hls_clip):
    return hls_clip(seconds=9)


@pytest.fixture
def session(hls_supervisor, hls_fake_ffmpeg, film):
    return hls_supervisor(ffmpeg=hls_fake_ffmpeg(), copy_streams=False).open(film)


def test_all_of_a_session_is_played(session, hls_client):
    played = hls_client(session).play()

    video, audio = played.of("video-180p"), played.of("audio-0")
    assert [each.number for each in video] == [each.number for each in audio] == [0, 1, 2, 3, 4, 5, 6]
    assert [each.start for each in video] == pytest.approx([0, 0.48, 1, 2, 4, 6, 8])
    assert video[4].times["video"][0] == pytest.approx(4.25)
    assert video[4].content == session.segment("video-180p", 4).read_bytes()
    assert audio[0].init == session.init("audio-0").read_bytes()
    assert played.findings == ()


def test_a_part_is_played_from_a_time_on(session, hls_client):
    played = hls_client(session).play(start=5, segments=2)

    assert [(each.number, each.rendition) for each in played.received] == [
        (4, "/video-180p/index.m3u8"),
        (5, "/video-180p/index.m3u8"),
        (4, "/audio-0/index.m3u8"),
        (5, "/audio-0/index.m3u8"),
    ]


def test_behind_the_end_the_last_segment_is_played(session, hls_client):
    assert [each.number for each in hls_client(session).play(start=1000).of("video-180p")] == [6]


def test_a_daemon_is_played_over_http(hls_daemon, hls_fake_ffmpeg, hls_client, film):
    daemon = hls_daemon(ffmpeg=hls_fake_ffmpeg(), copy_streams=False)
    opened = daemon.open(film)

    master = hls_client(daemon.url + opened["playlist_url"]).play(segments=1)
    [media, _] = [each.rendition for each in master.received]
    alone = hls_client(daemon.url + media).play(segments=1)

    assert alone.received == master.received[:1]


def test_a_variant_that_is_not_there_is_named(session, hls_client):
    with pytest.raises(AssertionError, match=r"No variant at .* has 'video-8k' in its address"):
        hls_client(session).play(variant="video-8k")


def test_a_playlist_that_is_not_there_is_named(hls_client):
    with pytest.raises(AssertionError, match=r"There is no playlist at http://127\.0\.0\.1:9/film\.m3u8"):
        hls_client("http://127.0.0.1:9/film.m3u8").play()


def test_a_hole_is_named_and_may_be_allowed(hls_supervisor, hls_fake_ffmpeg, hls_client, hls_clip):
    fake = hls_fake_ffmpeg(garbage=(2,))
    session = hls_supervisor(ffmpeg=fake).open(hls_clip(audio=None))

    with pytest.raises(Faulty, match=re.escape("/video-180p/2.m4s (gap): The server cannot make it")) as caught:
        hls_client(session).play()
    assert [finding.rule for finding in caught.value.findings] == ["gap"]

    played = hls_client(session).play(allow={"gap"})
    assert [each.number for each in played.received] == [0, 1, 3, 4]
    assert [finding.rule for finding in played.findings] == ["gap"]


def test_a_session_that_has_ended_is_a_fault(session, hls_client):
    session.stop()

    with pytest.raises(AssertionError, match="There is no playlist at"):
        hls_client(session).play()


def test_a_segment_in_anothers_place_is_a_fault(session, hls_client):
    for number in range(7):
        session.segment("video-180p", number)
    one, other = (session.segment("video-180p", number) for number in (4, 5))
    other.write_bytes(one.read_bytes())

    with pytest.raises(Faulty, match="The video of segment 5 repeats what was before it"):
        hls_client(session).play(start=4, segments=2)


def test_a_tag_that_is_missing_is_a_fault(session, hls_client, monkeypatch):
    whole = session.media_playlist("video-180p")
    monkeypatch.setattr(session, "media_playlist", lambda _: whole.replace("#EXT-X-TARGETDURATION:2\n", ""))

    with pytest.raises(Faulty, match=r"4\.3\.3\.1.*It has no EXT-X-TARGETDURATION"):
        hls_client(session).play(segments=1)


def test_a_crash_between_two_segments_is_not_noticed(hls_supervisor, hls_fake_ffmpeg, hls_client, film):
    fake = hls_fake_ffmpeg(FakeRun(crash_after=2), FakeRun())
    session = hls_supervisor(ffmpeg=fake, copy_streams=False).open(film)

    assert len(hls_client(session).play().of("video-180p")) == 7
