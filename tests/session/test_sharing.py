"""Sessions of one film: each segment is made once, and belongs to all who have it."""

from __future__ import annotations

import errno
import os
import signal

import pytest

from hls_sessions.encoding.output import Output
from hls_sessions.segments import SegmentDirectory
from hls_sessions.testing import FakeRun, counted_bytes, crash, runs_of

VIDEO, AUDIO = "video-90p", "audio-0"
BOUND = 30
DAY = 86_400.0


def peek(session):
    return session.ask_peek().get(BOUND)


def watch(session, rendition=VIDEO, numbers=None):
    count = len(session.presentation.cuts(rendition))
    return [session.segment(rendition, number, BOUND) for number in (range(count) if numbers is None else numbers)]


def are_one_file(*paths):
    return len({(path.stat().st_dev, path.stat().st_ino) for path in paths}) == 1


@pytest.fixture
def counted(double):
    """An ffmpeg that counts how often it encodes."""
    return double(":")


def test_what_one_session_has_made_is_not_made_for_the_next(hls_supervisor, film, counted):
    supervisor = hls_supervisor(ffmpeg=counted)
    first, second = supervisor.open(film), supervisor.open(film)
    made = watch(first)
    runs = runs_of(counted)

    taken = watch(second)

    assert runs_of(counted) == runs
    assert all(map(are_one_file, made, taken))
    assert second.init(VIDEO, BOUND).read_bytes() == first.init(VIDEO, BOUND).read_bytes()
    assert (peek(second).segments_made, peek(second).segments_shared) == (0, len(taken))
    assert peek(second).encoder_seconds == 0


def test_copies_are_shared_too(hls_supervisor, hls_clip):
    supervisor = hls_supervisor()
    copied = hls_clip(seconds=8, gop=50, rate="25", size="160x90", pixels="yuv420p")
    first, second = supervisor.open(copied), supervisor.open(copied)

    assert are_one_file(first.segment("video-copy", 1, BOUND), second.segment("video-copy", 1, BOUND))
    assert peek(second).segments_made == 0
    assert peek(second).packager is None


def test_a_viewer_who_waits_for_what_another_sessions_encoder_makes_gets_it_from_there(
    hls_supervisor, film, hls_fake_ffmpeg
):
    supervisor = hls_supervisor(ffmpeg=hls_fake_ffmpeg(start_delay=0.3))
    sessions = [supervisor.open(film) for _ in range(4)]

    waiting = [session.ask_segment(VIDEO, 0) for session in sessions]

    assert are_one_file(*(reply.get(BOUND) for reply in waiting))
    assert sorted(peek(session).segments_shared > 0 for session in sessions) == [False, True, True, True]
    assert sum(len(peek(session).runs) for session in sessions) <= 1


@pytest.mark.parametrize("ends", ["stops", "is paused", "seeks", "is killed"])
def test_a_viewer_who_waits_for_anothers_encoder_gets_the_segment_when_that_is_lost(
    hls_supervisor, long_film, hls_fake_ffmpeg, is_right, until, ends
):
    # The first run hangs; the ones that follow do not.
    supervisor = hls_supervisor(ffmpeg=hls_fake_ffmpeg(FakeRun(stall_after=0), FakeRun()))
    first, second = supervisor.open(long_film), supervisor.open(long_film)
    abandoned = first.ask_segment(VIDEO, 0)
    until(lambda: peek(first).runs)
    waiting = second.ask_segment(VIDEO, 0)
    assert peek(second).runs == ()

    abandoned.cancel()
    match ends:
        case "stops":
            first.stop()
        case "is paused":
            first.pause()
        case "seeks":
            supervisor.reconfigure(max_runs=1)
            first.segment(VIDEO, 20, BOUND)
        case "is killed":
            [run] = peek(first).runs
            os.kill(run.pid, signal.SIGKILL)

    assert is_right(second, VIDEO, 0, waiting.get(BOUND))


def test_an_encoder_that_hangs_holds_up_no_other_session(hls_supervisor, film, hls_fake_ffmpeg, hls_clock, until):
    supervisor = hls_supervisor(ffmpeg=hls_fake_ffmpeg(FakeRun(stall_after=0), FakeRun()), clock=hls_clock)
    first, second = supervisor.open(film), supervisor.open(film)
    abandoned = first.ask_segment(VIDEO, 0)
    until(lambda: peek(first).runs)
    abandoned.cancel()
    waiting = second.ask_segment(VIDEO, 0)

    until(lambda: hls_clock.advance(0.1) or waiting.done())

    assert waiting.get(BOUND).exists()


def test_nobody_waits_for_an_encoder_whose_segments_cannot_be_linked(
    hls_supervisor, long_film, hls_fake_ffmpeg, hls_clock, until, monkeypatch
):
    def refuse(*_):
        raise OSError(errno.EOPNOTSUPP, "the file system has no hard links")

    monkeypatch.setattr(SegmentDirectory, "link", refuse)
    supervisor = hls_supervisor(ffmpeg=hls_fake_ffmpeg(FakeRun(stall_after=1), FakeRun()), clock=hls_clock)
    first, second = supervisor.open(long_film), supervisor.open(long_film)
    first.segment(VIDEO, 0, BOUND)
    until(lambda: peek(first).runs)

    assert second.segment(VIDEO, 1, BOUND)
    assert peek(first).runs


def test_a_segment_that_another_session_makes_at_the_moment_a_viewer_begins_to_wait_is_not_missed(
    hls_supervisor, film, hls_fake_ffmpeg, hls_clock, monkeypatch
):
    supervisor = hls_supervisor(ffmpeg=hls_fake_ffmpeg(FakeRun(stall_after=1)), clock=hls_clock)
    first, second = supervisor.open(film), supervisor.open(film)
    look, moments = Output.take_over, iter([first])

    def look_too_early(output):
        look(output)
        for session in moments:
            assert session.segment(VIDEO, 0, BOUND)
            assert peek(session)  # it has told others by now

    monkeypatch.setattr(Output, "take_over", look_too_early)

    assert second.segment(VIDEO, 0, BOUND)


def test_the_end_of_a_session_takes_nothing_from_another(hls_supervisor, film):
    supervisor = hls_supervisor()
    first, second = supervisor.open(film), supervisor.open(film)
    watch(first)
    watch(second, numbers=range(3))

    first.stop()

    assert not first.directory.exists()
    assert all(second.published(VIDEO, number) for number in range(3))
    assert watch(second)
    assert peek(second).segments_made == 0


def test_what_two_sessions_have_is_counted_once(hls_supervisor, film, until):
    supervisor = hls_supervisor(copy_streams=False)
    first, second = supervisor.open(film), supervisor.open(film)
    watch(first)
    until(lambda: not peek(first).runs)
    alone = counted_bytes(supervisor)

    watch(second)

    assert counted_bytes(supervisor) == alone
    assert peek(second).bytes_on_disk == peek(first).bytes_on_disk == alone


def test_what_a_session_takes_over_counts_towards_its_limit(hls_supervisor, long_film, hls_fake_ffmpeg):
    supervisor = hls_supervisor(ffmpeg=hls_fake_ffmpeg(bit_rate=77_000), look_ahead=4)
    first, second = supervisor.open(long_film), supervisor.open(long_film)
    watch(first)
    supervisor.reconfigure(session_disk_budget=peek(first).bytes_on_disk // 2)

    for number in range(len(second.presentation.cuts(VIDEO))):
        assert second.segment(VIDEO, number, BOUND).exists()
        assert peek(second).bytes_on_disk <= supervisor.settings.session_disk_budget
    assert peek(second).segments_made == 0


def test_a_download_gets_what_another_session_has_though_its_own_session_is_at_its_limit(
    hls_supervisor, long_film, hls_fake_ffmpeg
):
    supervisor = hls_supervisor(ffmpeg=hls_fake_ffmpeg(bit_rate=77_000))
    first, second = supervisor.open(long_film), supervisor.open(long_film)
    watch(first)
    supervisor.reconfigure(session_disk_budget=peek(first).bytes_on_disk // 4)

    for number in reversed(range(len(second.presentation.cuts(VIDEO)))):  # the first are the first to be evicted
        assert second.ask_segment(VIDEO, number, background=True).get(BOUND).exists()


def test_a_film_that_nobody_watches_any_more_is_there_at_once_the_next_evening(
    hls_supervisor, film, counted, hls_clock
):
    supervisor = hls_supervisor(ffmpeg=counted, clock=hls_clock, keep_segments=DAY)
    first = supervisor.open(film)
    watch(first)
    first.stop()
    runs = runs_of(counted)
    hls_clock.advance(DAY - 60)
    supervisor.tidy()

    watch(supervisor.open(film))

    assert runs_of(counted) == runs


@pytest.mark.parametrize(("keep", "after"), [(DAY, DAY + 60), (0, 0)])
def test_what_was_kept_for_long_enough_is_deleted(hls_supervisor, film, hls_clock, keep, after):
    supervisor = hls_supervisor(clock=hls_clock, keep_segments=keep)
    session = supervisor.open(film)
    watch(session)
    session.stop()

    hls_clock.advance(after)
    supervisor.tidy()

    assert counted_bytes(supervisor) == 0


def test_what_is_kept_makes_room_for_a_session(hls_supervisor, long_film, film, hls_fake_ffmpeg, until):
    # It is slow, because a fast one writes more than is reserved for it before it is held.
    supervisor = hls_supervisor(ffmpeg=hls_fake_ffmpeg(bit_rate=77_000, speed=32))
    old = supervisor.open(long_film)
    watch(old)
    until(lambda: not peek(old).runs)
    old.stop()
    kept = counted_bytes(supervisor)
    new = supervisor.probe(film).renditions[VIDEO].peak // 8 * 5

    supervisor.reconfigure(disk_budget=max(kept + 1, new), session_disk_budget=new)

    assert watch(supervisor.open(film))
    assert counted_bytes(supervisor) <= supervisor.settings.disk_budget


def test_no_more_is_kept_than_a_quarter_of_what_segments_may_take(hls_supervisor, long_film, hls_fake_ffmpeg, until):
    supervisor = hls_supervisor(ffmpeg=hls_fake_ffmpeg(bit_rate=77_000))
    session = supervisor.open(long_film)
    watch(session)
    until(lambda: not peek(session).runs)
    supervisor.reconfigure(disk_budget=2 * counted_bytes(supervisor), session_disk_budget=2 * counted_bytes(supervisor))

    session.stop()

    assert 0 < counted_bytes(supervisor) <= supervisor.settings.disk_budget / 4


def test_a_session_that_is_kept_apart_neither_gives_nor_takes(hls_supervisor, film, counted):
    supervisor = hls_supervisor(ffmpeg=counted)
    first, apart, third = supervisor.open(film), supervisor.open(film, share=False), supervisor.open(film)
    watch(apart, numbers=[0])
    watch(first, numbers=[0])

    assert not are_one_file(apart.segment(VIDEO, 0, BOUND), first.segment(VIDEO, 0, BOUND))
    assert are_one_file(third.segment(VIDEO, 0, BOUND), first.segment(VIDEO, 0, BOUND))
    assert (peek(apart).segments_shared, peek(first).segments_shared) == (0, 0)


def test_a_session_goes_on_sharing_after_its_actor_crashed(hls_supervisor, film, until):
    supervisor = hls_supervisor(copy_streams=False)
    first, second = supervisor.open(film), supervisor.open(film)
    watch(first)
    until(lambda: not peek(first).runs)
    alone = counted_bytes(supervisor)
    until(crash(first))

    watch(second)

    assert counted_bytes(supervisor) == alone
    first.stop()
    second.stop()
    assert counted_bytes(supervisor) == alone  # kept, and counted once


def test_other_versions_of_a_film_share_nothing(hls_supervisor, hls_clip, film, tmp_path):
    root = tmp_path / "films"
    root.mkdir()
    supervisor = hls_supervisor(media=[root])
    path = root / "film.mp4"
    path.write_bytes(film.read_bytes())
    before = supervisor.open(path, "anna")
    watch(before, numbers=[0])
    path.write_bytes(hls_clip(seconds=8, size="160x90", rate="24").read_bytes())

    after = supervisor.open(path, "ben")
    watch(after, numbers=[0])

    assert peek(after).segments_shared == 0
