"""Segments that are made before a player asks: the first ones, and those where it may seek."""

from __future__ import annotations

import pytest

from hls_sessions.errors import RenditionNotFound
from hls_sessions.media import first_asked
from hls_sessions.testing import hanging_ffmpeg, runs_of

VIDEO, AUDIO = "video-90p", "audio-0"
BOUND = 30


def peek(session):
    return session.ask_peek().get(BOUND)


@pytest.fixture
def stuck(hls_supervisor, tmp_path, hls_clock):
    """Start a supervisor whose encoders never make anything, and whose sessions are prepared."""

    def stuck(**settings):
        return hls_supervisor(
            **{"ffmpeg": str(hanging_ffmpeg(tmp_path)), "clock": hls_clock, "prepare": True} | settings
        )

    return stuck


def test_two_seconds_of_video_and_default_audio_are_made_before_anybody_asks_and_little_more(
    hls_supervisor, film, slow_ffmpeg, until
):
    session = hls_supervisor(ffmpeg=slow_ffmpeg, prepare=True, copy_streams=False).open(film)

    until(lambda: session.info().segments_made >= 6 and not peek(session).runs)

    for rendition in (VIDEO, AUDIO):
        [(first, last)] = session.made(rendition)
        assert first == 0
        assert 2 <= last < 5


def test_they_are_those_at_which_the_viewer_begins(stuck, film):
    session = stuck().open(film, start_at=4.5)

    assert [run.first for run in peek(session).runs if run.rendition == VIDEO] == [4]


def test_a_viewer_who_asks_gets_what_is_being_made_from_the_same_encoder(hls_supervisor, film, paced, is_right):
    ffmpeg = paced(1)
    session = hls_supervisor(ffmpeg=str(ffmpeg), prepare=True).open(film)

    assert is_right(session, VIDEO, 0, session.segment(VIDEO, 0, BOUND))
    assert runs_of(ffmpeg) == 1


def test_they_are_given_up_if_nobody_asks_within_ten_seconds(stuck, film, hls_clock, until):
    session = stuck().open(film)
    assert peek(session).runs

    hls_clock.advance(10)

    until(lambda: not peek(session).runs)


def test_a_viewer_who_has_asked_keeps_what_is_being_made(stuck, film, hls_clock):
    session = stuck().open(film)
    session.ask_segment(VIDEO, 0)

    hls_clock.advance(10)

    assert [run.first for run in peek(session).runs if run.rendition == VIDEO] == [0]


def test_they_take_no_slot_from_a_viewer_who_waits(stuck, film):
    supervisor = stuck(max_encoders=4)
    waits = supervisor.open(film, prepare=False)
    waits.ask_segment(VIDEO, 2)
    peek(waits)

    assert peek(supervisor.open(film)).runs == ()
    assert peek(waits).runs[0].held is False


@pytest.mark.parametrize(("set_", "said"), [(False, None), (True, False)])
def test_nothing_is_made_before_anybody_asks_where_it_is_not_wanted(hls_supervisor, film, set_, said):
    session = hls_supervisor(prepare=set_).open(film, prepare=said)

    assert peek(session).runs == ()


def test_the_copy_is_made_and_its_packager_is_warm(hls_supervisor, hls_clip, until):
    film = hls_clip(seconds=6, size="160x90", gop=25, pixels="yuv420p")
    session = hls_supervisor(prepare=True).open(film)

    until(lambda: session.made("video-copy") == [(0, 0)])
    assert peek(session).packager is not None


def test_the_first_variant_is_the_best_that_hls_js_expects_to_load(hls_supervisor, hls_clip):
    supervisor = hls_supervisor()
    small, large = (supervisor.probe(hls_clip(seconds=1, size=size, rate="30")) for size in ("160x90", "1920x1080"))

    assert first_asked(small) == (VIDEO, AUDIO)
    assert [video.id for video in large.video][:2] == ["video-1080p", "video-720p"]
    assert first_asked(large) == ("video-720p", "audio-0")
    assert large.video[0].peak > 5_000_000 >= large.video[1].peak + large.audio[0].peak


def test_a_hint_has_the_segment_made_where_the_viewer_may_seek(hls_supervisor, long_film, until):
    session = hls_supervisor().open(long_film)
    cuts = session.presentation.cuts(VIDEO)

    session.hint(40, [VIDEO])

    until(lambda: session.published(VIDEO, cuts.at(40)))
    until(lambda: not peek(session).runs)


def test_the_last_hint_counts(stuck, long_film):
    session = stuck(prepare=False).open(long_film)

    for at in (20, 40):
        session.hint(at, [VIDEO])
        peek(session)

    [run] = peek(session).runs
    assert run.first == session.presentation.cuts(VIDEO).at(40)


def test_a_hint_is_forgotten_after_a_while(stuck, long_film, hls_clock, until):
    session = stuck(prepare=False).open(long_film)
    session.hint(40, [VIDEO])
    until(lambda: peek(session).runs)

    hls_clock.advance(11)

    until(lambda: not peek(session).runs)


def test_a_hint_takes_nothing_from_a_viewer_who_waits(stuck, long_film):
    session = stuck(prepare=False).open(long_film)
    waiting = session.ask_segment(VIDEO, 0)

    session.hint(40, [VIDEO])

    assert [run.first for run in peek(session).runs] == [0]
    waiting.cancel()


def test_a_hint_of_a_rendition_that_is_not_there_is_refused(hls_supervisor, long_film):
    with pytest.raises(RenditionNotFound):
        hls_supervisor().open(long_film).hint(40, ["video-4k"])
