"""A viewer is served any segment, in any order, by as few encoders as possible."""

from __future__ import annotations

import asyncio
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from hls_sessions.errors import RenditionNotFound, SegmentImpossible, SegmentNotFound
from hls_sessions.testing import hanging_ffmpeg, runs_of

VIDEO, AUDIO = "video-90p", "audio-0"
BOUND = 30
FAR = 20
"""A segment far from the first one."""


def peek(session):
    return session.ask_peek().get(BOUND)


@pytest.fixture
def counting(hls_fake_ffmpeg):
    """An ffmpeg that works, and counts its runs; what they make is whole, and in its place."""
    return hls_fake_ffmpeg()


@pytest.fixture
def hanging(hls_supervisor, tmp_path):
    """Start a supervisor whose encoders never make anything."""

    def hanging(**settings):
        return hls_supervisor(ffmpeg=str(hanging_ffmpeg(tmp_path)), **settings)

    return hanging


# ---- requests that need no encoder


def test_opening_starts_no_encoder(hls_supervisor, film, counting):
    session = hls_supervisor(ffmpeg=str(counting)).open(film)

    info = session.info()

    assert (info.state, info.runs, info.segments_made) == ("active", (), 0)
    assert runs_of(counting) == 0


def test_playlists_are_answered_without_an_encoder(hls_supervisor, film, counting):
    session = hls_supervisor(ffmpeg=str(counting)).open(film)

    assert VIDEO in session.master_playlist()
    assert "#EXT-X-ENDLIST" in session.media_playlist(VIDEO)
    assert "#EXT-X-ENDLIST" in session.media_playlist(AUDIO)

    assert session.info().runs == ()
    assert runs_of(counting) == 0


def test_a_segment_that_is_on_disk_is_answered_without_an_encoder(hls_supervisor, film, counting, hls_clock):
    session = hls_supervisor(ffmpeg=str(counting), clock=hls_clock).open(film)
    first = session.segment(VIDEO, 4, BOUND)
    hls_clock.advance(60)
    peek(session)  # the encoders have been stopped

    assert session.segment(VIDEO, 4, BOUND) == first
    assert session.published(VIDEO, 4) == first
    assert runs_of(counting) == 1


@pytest.mark.parametrize("segment", [-1, 6, 10**6, 10**300])
def test_a_segment_the_playlist_does_not_have_is_refused(hls_supervisor, film, segment):
    session = hls_supervisor().open(film)

    with pytest.raises(SegmentNotFound, match=f"{VIDEO} has 6 segments; there is no segment {segment}"):
        session.segment(VIDEO, segment, BOUND)
    with pytest.raises(SegmentNotFound):
        session.ask_segment(VIDEO, segment).get(BOUND)

    assert session.info().runs == ()


@pytest.mark.parametrize("rendition", ["video-9000p", "", "..", "../../etc", VIDEO.upper()])
def test_a_rendition_the_file_is_not_offered_in_is_refused(hls_supervisor, film, rendition):
    session = hls_supervisor().open(film)

    for ask in (session.media_playlist, session.init, lambda rendition: session.segment(rendition, 0)):
        with pytest.raises(RenditionNotFound, match="has no rendition"):
            ask(rendition)
    with pytest.raises(RenditionNotFound):
        session.ask_segment(rendition, 0).get(BOUND)


# ---- segments


@pytest.mark.parametrize("rendition", [VIDEO, AUDIO])
def test_any_segment_may_be_asked_for_in_any_order(hls_supervisor, film, rendition, is_right):
    session = hls_supervisor().open(film)

    for number in (3, 0, 4, 2, 1):
        assert is_right(session, rendition, number, session.segment(rendition, number, BOUND))


def test_a_film_watched_from_the_beginning_to_the_end_is_made_by_one_encoder(hls_supervisor, film, counting, is_right):
    session = hls_supervisor(ffmpeg=str(counting)).open(film)

    for number in range(5):
        assert is_right(session, VIDEO, number, session.segment(VIDEO, number, BOUND))

    assert runs_of(counting) == 1


def test_the_init_segment_may_be_asked_for_first(hls_supervisor, film, counting):
    session = hls_supervisor(ffmpeg=str(counting)).open(film)

    assert session.init(VIDEO, BOUND).read_bytes()[4:8] == b"ftyp"

    session.segment(VIDEO, 0, BOUND)
    assert runs_of(counting) == 1


def test_a_viewer_who_asks_for_the_init_segment_first_gets_it_from_an_encoder_at_the_start_position(hanging, long_film):
    session = hanging().open(long_film, start_at=40.0)

    session.ask_init(VIDEO)

    [run] = peek(session).runs
    assert run.first == session.presentation.cuts(VIDEO).at(40.0)


def test_a_segment_asked_for_by_many_at_once_is_made_once(hls_supervisor, film, counting):
    session = hls_supervisor(ffmpeg=str(counting)).open(film)

    replies = [session.ask_segment(VIDEO, 2) for _ in range(50)]

    assert {reply.get(BOUND) for reply in replies} == {session.directory / VIDEO / "2.m4s"}
    assert runs_of(counting) == 1


def test_a_segment_can_be_awaited_in_an_event_loop(hls_supervisor, film, is_right):
    session = hls_supervisor().open(film)

    async def watch():
        async with asyncio.timeout(BOUND):
            return await asyncio.gather(*(session.ask_segment(VIDEO, number) for number in range(5)))

    paths = asyncio.run(watch())

    assert all(is_right(session, VIDEO, number, path) for number, path in enumerate(paths))


def test_renditions_are_made_by_encoders_of_their_own(hanging, film):
    session = hanging(copy_streams=False).open(film)

    session.ask_segment(VIDEO, 1)
    session.ask_segment(AUDIO, 2)

    assert [(run.rendition, run.first) for run in peek(session).runs] == [(VIDEO, 1), (AUDIO, 2)]


def test_a_caller_that_waits_longer_than_its_timeout_gets_an_error_and_waits_no_more(hanging, film):
    session = hanging().open(film)

    with pytest.raises(TimeoutError, match=r"The segment was not there after 0\.01 seconds"):
        session.segment(VIDEO, 0, timeout=0.01)

    assert peek(session).viewers_waiting == 0


def test_the_encoder_of_a_viewer_who_has_left_moves_to_where_another_waits(hanging, long_film):
    session = hanging(max_runs=1).open(long_film)
    left = session.ask_segment(VIDEO, 0)
    left.cancel()

    session.ask_segment(VIDEO, FAR)

    assert peek(session).runs[-1].first == FAR


# ---- viewers far apart


def test_two_viewers_far_apart_have_an_encoder_each(hanging, long_film):
    session = hanging().open(long_film)

    session.ask_segment(VIDEO, 0)
    session.ask_segment(VIDEO, FAR)

    assert [run.first for run in peek(session).runs] == [0, FAR]


def test_a_third_viewer_waits_while_two_encoders_are_waited_for(hanging, long_film):
    session = hanging().open(long_film)
    session.ask_segment(VIDEO, 0)
    session.ask_segment(VIDEO, FAR)
    runs = peek(session).runs

    third = session.ask_segment(VIDEO, 10)

    assert peek(session).runs == runs
    assert not third.done()


def test_two_viewers_far_apart_are_served_by_two_encoders_to_the_end(hls_supervisor, long_film, paced, is_right):
    ffmpeg = paced(16)
    session = hls_supervisor(ffmpeg=str(ffmpeg), look_ahead=4).open(long_film)

    for step in range(12):
        for number in (step, FAR + step):
            assert is_right(session, VIDEO, number, session.segment(VIDEO, number, BOUND))

    assert runs_of(ffmpeg) == 2


def test_a_viewer_who_seeks_gets_their_segment_of_an_encoder_that_ends_there_and_the_next_of_another(
    hls_supervisor, hls_clip, is_right, until
):
    film = hls_clip(seconds=40, size="640x400", rate="10", gop=20, pixels="yuv420p", audio=None)
    session = hls_supervisor(look_ahead=8).open(film)
    for number in range(4):
        session.segment("video-360p", number, BOUND)  # so that it is known how quick encoders are

    assert is_right(session, "video-360p", 12, session.segment("video-360p", 12, BOUND))
    until(lambda: 13 in [run.first for run in peek(session).runs])
    assert is_right(session, "video-360p", 13, session.segment("video-360p", 13, BOUND))
    assert peek(session).encoder_failures == 0


def test_many_viewers_all_over_the_film_are_all_served(hls_supervisor, long_film, is_right):
    session = hls_supervisor(look_ahead=4).open(long_film)
    segments = [31, 0, 12, 5, 24, 1, 13, 30, 6, 25]

    with ThreadPoolExecutor(len(segments)) as viewers:
        paths = list(viewers.map(lambda number: session.segment(VIDEO, number, BOUND), segments))

    assert all(is_right(session, VIDEO, number, path) for number, path in zip(segments, paths, strict=True))


# ---- ahead of the viewer


def test_an_encoder_far_ahead_of_its_viewer_is_held_until_they_come_near(hls_supervisor, long_film, paced):
    session = hls_supervisor(ffmpeg=str(paced(1)), look_ahead=0.5).open(long_film)

    session.segment(VIDEO, 0, BOUND)
    [held] = peek(session).runs
    session.ask_segment(VIDEO, 1)
    [running] = peek(session).runs

    assert (held.held, running.held) == (True, False)
    assert held.pid == running.pid


# ---- the disk is a cache


def test_a_deleted_segment_is_made_again(hls_supervisor, film, is_right):
    session = hls_supervisor().open(film)
    session.segment(VIDEO, 1, BOUND).unlink()

    assert is_right(session, VIDEO, 1, session.segment(VIDEO, 1, BOUND))


def test_a_deleted_init_segment_is_made_again_though_its_segments_are_there(hls_supervisor, film):
    session = hls_supervisor().open(film)
    session.segment(VIDEO, 0, BOUND)
    before = session.init(VIDEO, BOUND).read_bytes()

    session.init(VIDEO, BOUND).unlink()
    waiting = session.ask_init(VIDEO)
    session.segment(VIDEO, 0, BOUND)

    assert waiting.get(BOUND).read_bytes() == before


def test_a_deleted_session_directory_is_made_again_for_its_owner_alone(hls_supervisor, film, is_right, end_of_encoders):
    session = hls_supervisor().open(film)
    session.segment(VIDEO, 4, BOUND)
    end_of_encoders()
    assert peek(session).runs == ()  # whoever hears of an encoder's end deletes its folder, too

    shutil.rmtree(session.directory)

    assert is_right(session, VIDEO, 2, session.segment(VIDEO, 2, BOUND))
    assert stat.S_IMODE(session.directory.stat().st_mode) == 0o700
    assert (session.directory / "owner").exists()


def test_nothing_but_segments_is_left_of_encoders_that_have_ended(hls_supervisor, film, end_of_encoders):
    session = hls_supervisor().open(film)
    for number in range(6):
        session.segment(VIDEO, number, BOUND)
    end_of_encoders()

    assert peek(session).runs == ()
    assert {path.name for path in (session.directory / VIDEO).iterdir()} == {
        "init.mp4",
        *(f"{number}.m4s" for number in range(6)),
    }


# ---- files that are not what they seem


@pytest.fixture
def cut_off(hls_clip, tmp_path):
    """Make a film whose index promises eight seconds, and whose data ends after a share of them."""

    def cut_off(share):
        whole = hls_clip(seconds=8, size="160x90", audio=None, gop=5, options=("-movflags", "+faststart"))
        data = whole.read_bytes()
        media = data.index(b"mdat") + 4
        path = tmp_path / "cut-off.mp4"
        with path.open("wb") as film:
            film.write(data[: media + int(share * (len(data) - media))])
        return path

    return cut_off


def test_a_film_that_was_cut_off_plays_as_far_as_it_goes(hls_supervisor, cut_off, tmp_path, is_right):
    session = hls_supervisor(media=(tmp_path,)).open(cut_off(0.6))

    assert is_right(session, VIDEO, 0, session.segment(VIDEO, 0, BOUND))
    assert is_right(session, VIDEO, 1, session.segment(VIDEO, 1, BOUND))
    assert is_right(session, VIDEO, 2, session.segment(VIDEO, 2, BOUND))
    with pytest.raises(SegmentNotFound):
        session.segment(VIDEO, 5, BOUND)


def test_the_init_segment_is_made_where_the_film_holds_something(hls_supervisor, cut_off, tmp_path):
    session = hls_supervisor(media=(tmp_path,)).open(cut_off(0.6), start_at=7.9)

    assert session.init(VIDEO, BOUND).exists()


def test_a_segment_after_the_end_of_the_data_is_impossible_and_the_session_goes_on(
    hls_supervisor, film, double, is_right
):
    session = hls_supervisor(ffmpeg=str(double("exit 0", times=3))).open(film)

    with pytest.raises(SegmentImpossible, match=f"Segment 1 of {VIDEO} cannot be made: the file ends before it"):
        session.segment(VIDEO, 1, BOUND)

    assert is_right(session, VIDEO, 2, session.segment(VIDEO, 2, BOUND))


def test_an_init_segment_that_nothing_brings_is_an_error(hls_supervisor, film, double):
    session = hls_supervisor(ffmpeg=str(double("exit 0"))).open(film)

    with pytest.raises(SegmentImpossible):
        session.init(VIDEO, BOUND)


def test_a_viewer_who_went_back_and_changes_the_size_is_served_at_the_current_position(
    hls_supervisor, hls_clip, hls_clock
):
    session = hls_supervisor(clock=hls_clock, share_segments=False).open(
        hls_clip(seconds=40, size="852x480", rate="10", audio=None)
    )
    session.segment("video-480p", 15, BOUND)
    hls_clock.advance(1)
    session.segment("video-360p", 3, BOUND)
    (session.directory / "video-480p" / "init.mp4").unlink()
    hls_clock.advance(1)

    asked = session.ask_init("video-480p")

    assert 3 in {run.first for run in session.ask_peek().get(BOUND).runs if run.rendition == "video-480p"}
    assert asked.get(BOUND).exists()
