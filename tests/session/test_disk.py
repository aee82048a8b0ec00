"""If the disk is too small, a viewer notices nothing, or waits; no session ends because of it.

The next segment of an encoder is reserved before it is written. Segments can be evicted, and are made again when a
viewer asks for them.
"""

from __future__ import annotations

import errno
import os
from math import ceil
from pathlib import Path

import pytest

from hls_sessions import Evicted
from hls_sessions.errors import StorageFailed
from hls_sessions.segments.quota import Shortage
from hls_sessions.session.server import NO_ROOM as SAYINGS
from hls_sessions.session.server import ROOM_CHECK
from hls_sessions.testing import Disk, counted_bytes, crash

VIDEO, AUDIO = "video-90p", "audio-0"
NO_ROOM, OWN_FULL = SAYINGS[Shortage.SHARED], SAYINGS[Shortage.OWN]
BOUND = 30
PIECE = 160_000
"""A little more than the bytes that one run of the long film may write before the next decision."""
PLENTY = 10**9


def peek(session):
    return session.ask_peek().get(BOUND)


def segments_of(session):
    return {int(file.stem) for file in (session.directory / VIDEO).glob("*.m4s")}


def bytes_of(session):
    """Return the bytes of a session on disk, published or not."""
    return sum(map(size_of, files_of(session)))


def size_of(file):
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def files_of(session):
    # Not by glob, which fails over folders that vanish meanwhile.
    found = (Path(folder, name) for folder, _, names in os.walk(session.directory) for name in names)
    return [file for file in found if ".m4s" in file.suffixes]


def watch(session, numbers):
    for number in numbers:
        session.segment(VIDEO, number, BOUND)
    peek(session)  # the actor was only told of segments served from disk; it hears of them before the clock goes on


@pytest.fixture
def disk(hls_supervisor, hls_clock, hls_fake_ffmpeg):
    """Start a supervisor whose disk has as much room as the test says: ``disk.free``.

    Its encoders take 125 ms for a segment, which is as large as if it was encoded. The bytes that a run writes after
    its last reserved one, until it is held, are no matter of these tests.
    """
    slow = hls_fake_ffmpeg(speed=16, bit_rate=77_000)

    class SlowDisk(Disk):
        def supervisor(self, **settings):
            return hls_supervisor(clock=hls_clock, free_bytes=self, **{"ffmpeg": slow} | settings)

    return SlowDisk(PLENTY)


@pytest.fixture
def copied_film(hls_clip):
    """The path of a film of 32 seconds whose video is copied, in segments of two seconds."""
    return hls_clip(seconds=32, size="320x180", rate="10", pixels="yuv420p", gop=20, audio=None)


@pytest.fixture
def evicted():
    """Return a function that begins a list of the evicted segments, by session."""

    def listen(supervisor):
        told = []
        supervisor.subscribe(Evicted, lambda event: told.append((event.session_id, event.segment)))
        return told

    return listen


# ---- a budget


def test_a_film_larger_than_its_budget_plays_to_the_end_within_it(disk, long_film, evicted):
    supervisor = disk.supervisor(session_disk_budget=2 * PIECE, look_ahead=4)
    session = supervisor.open(long_film)

    served = 0
    for number in range(33):
        served += session.segment(VIDEO, number, BOUND).stat().st_size
        assert bytes_of(session) <= 2 * PIECE

    assert served > 2 * PIECE
    assert peek(session).bytes_on_disk <= 2 * PIECE
    assert peek(session).encoder_failures == 0


def test_an_evicted_segment_is_an_event_and_is_made_again_on_request(disk, long_film, evicted, is_right):
    supervisor = disk.supervisor(session_disk_budget=2 * PIECE, look_ahead=4)
    told = evicted(supervisor)
    session = supervisor.open(long_film)
    watch(session, range(33))
    assert 0 not in segments_of(session)

    assert is_right(session, VIDEO, 0, session.segment(VIDEO, 0, BOUND))

    supervisor.stop()
    assert (session.id, 0) in told


def test_segments_within_the_look_ahead_of_a_viewer_stay(disk, long_film):
    session = disk.supervisor(session_disk_budget=2 * PIECE, look_ahead=4).open(long_film)

    for number in range(33):
        session.segment(VIDEO, number, BOUND)
        peek(session)
        assert number in segments_of(session)


def test_the_session_idle_longest_makes_room_for_one_that_is_watched(disk, long_film, hls_clock, evicted):
    supervisor = disk.supervisor(
        disk_budget=4 * PIECE, session_disk_budget=4 * PIECE, look_ahead=4, share_segments=False
    )
    idle, later, watched = (supervisor.open(long_film) for _ in range(3))
    watch(idle, range(16))
    hls_clock.advance(60)
    peek(idle)  # its viewer is forgotten
    watch(later, range(8))
    # Segments behind its viewer may be evicted when the idle session has none left.
    ahead = {segment for segment in segments_of(later) if segment >= 7}

    watch(watched, range(24))

    assert len(segments_of(idle)) < 16
    assert ahead <= segments_of(later)
    assert sum(map(bytes_of, (idle, later, watched))) <= 4 * PIECE


def test_a_copy_needs_no_more_room_than_the_segment_that_is_asked_for(disk, copied_film):
    supervisor = disk.supervisor(ffmpeg=None)
    copied = supervisor.probe(copied_film).renditions["video-copy"]
    supervisor.reconfigure(session_disk_budget=ceil(copied.peak / 8 * 2.1))
    session = supervisor.open(copied_film)

    for number in range(len(session.presentation.cuts("video-copy"))):
        session.segment("video-copy", number, BOUND)
        assert bytes_of(session) <= supervisor.settings.session_disk_budget


def test_a_viewer_who_seeks_gets_the_room_of_the_position_before(disk, long_film):
    session = disk.supervisor(session_disk_budget=2 * PIECE, look_ahead=30).open(long_film)
    watch(session, range(3))

    assert session.segment(VIDEO, 30, BOUND).exists()

    assert bytes_of(session) <= 2 * PIECE


def test_a_viewer_who_waits_gets_the_room_of_segments_ahead_of_another_sessions_viewer(disk, copied_film):
    supervisor = disk.supervisor(look_ahead=8, ffmpeg=None, share_segments=False)
    ahead, waits = supervisor.open(copied_film), supervisor.open(copied_film)
    for number in reversed(range(5)):
        ahead.segment("video-copy", number, BOUND)
    second = ahead.presentation.renditions["video-copy"].peak // 8
    budget = peek(ahead).bytes_on_disk + second
    supervisor.reconfigure(disk_budget=budget, session_disk_budget=budget)

    assert waits.segment("video-copy", 0, BOUND).exists()

    assert sum(map(bytes_of, (ahead, waits))) <= budget


def test_a_viewer_who_waits_for_a_segment_that_never_fits_gets_an_error(disk, long_film):
    supervisor = disk.supervisor(session_disk_budget=PIECE // 2)
    session = supervisor.open(long_film)

    with pytest.raises(StorageFailed, match="session_disk_budget is less"):
        session.segment(VIDEO, 3, BOUND)
    supervisor.reconfigure(session_disk_budget=None)

    assert session.segment(VIDEO, 3, BOUND).exists()


def test_a_viewer_who_waits_for_a_smaller_segment_gets_no_error(disk, hls_clip):
    cuts = ("-force_key_frames", "0,2,4,14,16,18", "-sc_threshold", "0")
    film = hls_clip(seconds=20, size="320x180", rate="10", pixels="yuv420p", gop=10_000, audio=None, options=cuts)
    supervisor = disk.supervisor(ffmpeg=None)
    copied = supervisor.probe(film).renditions["video-copy"]
    supervisor.reconfigure(session_disk_budget=ceil(copied.peak / 8 * 8))
    session = supervisor.open(film)

    fits, never_fits = session.ask_segment("video-copy", 1), session.ask_segment("video-copy", 2)

    with pytest.raises(StorageFailed):
        never_fits.get(BOUND)
    assert fits.get(BOUND).name == "1.m4s"
    assert session.segment("video-copy", 4, BOUND).exists()


def test_a_session_at_its_own_limit_says_so_and_health_does_not(disk, long_film, until):
    supervisor = disk.supervisor(session_disk_budget=2 * PIECE)
    session = supervisor.open(long_film)
    session.segment(VIDEO, 0, BOUND)

    until(lambda: OWN_FULL in peek(session).notes)

    assert NO_ROOM not in peek(session).notes
    assert not any("hold their encoders" in reason for reason in supervisor.health().reasons)


def test_a_lower_budget_has_segments_deleted_at_once_those_of_the_idle_first(disk, long_film, hls_clock, until):
    supervisor = disk.supervisor(look_ahead=4, share_segments=False)
    idle, other = supervisor.open(long_film), supervisor.open(long_film)
    for session in (idle, other):
        watch(session, range(12))
    hls_clock.advance(60)
    other.heartbeat()
    peek(idle)
    until(lambda: not peek(idle).runs + peek(other).runs)
    kept = segments_of(idle), segments_of(other)
    budget = counted_bytes(supervisor) - peek(idle).bytes_on_disk // 2

    supervisor.reconfigure(disk_budget=budget)

    until(lambda: counted_bytes(supervisor) <= budget)
    assert set() < segments_of(idle) < kept[0]
    assert segments_of(other) == kept[1]


def test_subtitles_are_counted(disk, hls_clip):
    film = hls_clip(seconds=6, subtitles=("1\n00:00:01,000 --> 00:00:02,000\nGood morning\n",), audio=None)
    session = disk.supervisor().open(film)

    subtitles = session.segment("subtitles-0", 0, BOUND)

    assert peek(session).bytes_on_disk == subtitles.stat().st_size


def test_subtitles_take_no_more_than_the_budget(disk, hls_clip):
    cue = f"1\n00:00:00,000 --> 00:00:08,000\n{'word ' * 4000}\n"  # in every segment, as it is shown all the time
    film = hls_clip(seconds=8, size="160x90", subtitles=(cue,), audio=None)
    budget = 50_000
    session = disk.supervisor(session_disk_budget=budget).open(film)
    sizes = []

    for number in range(len(session.presentation.cuts("subtitles-0"))):
        sizes.append(session.segment("subtitles-0", number, BOUND).stat().st_size)
        assert peek(session).bytes_on_disk <= budget

    assert sum(sizes) > budget > max(sizes)


def test_a_segment_of_subtitles_that_never_fits_is_refused(disk, hls_clip):
    cue = f"1\n00:00:00,000 --> 00:00:06,000\n{'word ' * 1000}\n"
    film = hls_clip(seconds=6, size="160x90", subtitles=(cue,), audio=None)
    session = disk.supervisor(session_disk_budget=4000).open(film)

    with pytest.raises(StorageFailed, match="may take no more of the disk"):
        session.segment("subtitles-0", 0, BOUND)
    assert (peek(session).state, peek(session).bytes_on_disk) == ("active", 0)


def test_audio_gets_the_room_that_the_video_leaves(disk, film):
    supervisor = disk.supervisor()
    offered = supervisor.probe(film)
    # A video run may write two segments, and then there is no room for the audio.
    video = ceil(2 * offered.renditions[VIDEO].peak / 8 * offered.cuts(VIDEO).longest())
    supervisor.reconfigure(session_disk_budget=video + 1)
    session = supervisor.open(film)

    asked = [session.ask_segment(rendition, 0) for rendition in (VIDEO, AUDIO)]

    assert all(segment.get(BOUND).exists() for segment in asked)


def test_a_session_that_ends_makes_room(disk, long_film, until):
    supervisor = disk.supervisor(disk_budget=2 * PIECE, session_disk_budget=2 * PIECE, share_segments=False)
    first, second = supervisor.open(long_film), supervisor.open(long_film)
    first.segment(VIDEO, 0, BOUND)
    until(lambda: NO_ROOM in peek(first).notes)  # it is 30 s ahead, or as far as the budget allows
    supervisor.reconfigure(disk_budget=PIECE + 1)
    waiting = second.ask_segment(VIDEO, 0)
    until(lambda: NO_ROOM in peek(second).notes)

    first.stop()

    assert waiting.get(BOUND).exists()


def test_the_segments_of_a_crashed_actor_are_counted_by_the_next(disk, hls_clock, long_film, until):
    supervisor = disk.supervisor()
    session = supervisor.open(long_film)
    watch(session, range(5))
    is_back = crash(session)
    # No faster than its threads can follow, or it would expire before it is back.
    until(lambda: hls_clock.advance(0.1) or is_back())

    assert peek(session).bytes_on_disk == sum(file.stat().st_size for file in (session.directory / VIDEO).glob("*.m4s"))


def test_a_session_that_has_ended_is_no_longer_counted(disk, long_film):
    supervisor = disk.supervisor(keep_segments=0)
    session = supervisor.open(long_film)
    watch(session, range(3))
    assert counted_bytes(supervisor) > 0

    session.stop()

    assert counted_bytes(supervisor) == 0


# ---- a disk that is full


def test_a_full_disk_starts_no_encoder_and_says_so_until_there_is_room(disk, long_film, hls_clock, is_right):
    supervisor = disk.supervisor()
    session = supervisor.open(long_film)
    disk.free = 0

    waiting = session.ask_segment(VIDEO, 3)
    info = peek(session)
    assert (info.runs, NO_ROOM in info.notes, info.viewers_waiting) == ((), True, 1)
    assert any("1 sessions hold their encoders" in reason for reason in supervisor.health().reasons)
    hls_clock.advance(ROOM_CHECK)
    assert peek(session).runs == ()

    disk.free = PLENTY
    hls_clock.advance(ROOM_CHECK)

    assert is_right(session, VIDEO, 3, waiting.get(BOUND))
    info = peek(session)
    assert (NO_ROOM in info.notes, info.encoder_failures) == (False, 0)
    assert not any("hold their encoders" in reason for reason in supervisor.health().reasons)


def test_an_encoder_is_held_when_the_disk_becomes_full_and_goes_on_when_it_is_not(
    disk, paced, long_film, hls_clock, until
):
    supervisor = disk.supervisor(ffmpeg=str(paced(8)))
    session = supervisor.open(long_film)
    session.segment(VIDEO, 0, BOUND)
    [run] = peek(session).runs
    disk.free = 0

    until(lambda: [each.held for each in peek(session).runs] == [True])
    [held] = peek(session).runs
    assert held.pid == run.pid
    assert session.segment(VIDEO, 0, BOUND).exists()
    waiting = session.ask_segment(VIDEO, held.next)
    peek(session)
    disk.free = PLENTY
    hls_clock.advance(ROOM_CHECK)

    assert waiting.get(BOUND).exists()
    assert peek(session).encoder_failures == 0


def on_publishing(monkeypatch, number, times):
    """Have the system refuse to write segments, so many times."""
    write_bytes, left = Path.write_bytes, iter(range(times))

    def write(path, data):
        if path.name.endswith(".m4s.part") and next(left, None) is not None:
            raise OSError(number, os.strerror(number))
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", write)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_write_that_finds_no_room_is_tried_again_later_and_is_no_failure(
    disk, long_film, hls_clock, monkeypatch, number, until
):
    session = disk.supervisor().open(long_film)
    on_publishing(monkeypatch, number, times=5)

    waiting = session.ask_segment(VIDEO, 0)
    for _ in range(5):
        until(lambda: NO_ROOM in peek(session).notes and not peek(session).runs)
        assert not waiting.done()
        hls_clock.advance(ROOM_CHECK)
        until(lambda: peek(session).runs or waiting.done())

    assert waiting.get(BOUND).exists()
    assert peek(session).encoder_failures == 0


def test_an_encoder_that_finds_no_room_is_started_again_later_and_is_no_failure(
    disk, double, long_film, hls_clock, until
):
    full = double('echo "av_interleaved_write_frame(): No space left on device" >&2; exit 228', times=4)
    session = disk.supervisor(ffmpeg=str(full)).open(long_film)

    waiting = session.ask_segment(VIDEO, 0)

    def made():
        if NO_ROOM in peek(session).notes:
            hls_clock.advance(ROOM_CHECK)
        return waiting.done()

    until(made)
    assert waiting.get(BOUND).exists()
    assert peek(session).encoder_failures == 0


def test_segments_on_disk_play_on_while_the_disk_is_full(disk, long_film, hls_clock, until):
    session = disk.supervisor(look_ahead=4).open(long_film)
    watch(session, range(3))
    until(lambda: [run.held for run in peek(session).runs] == [True])
    disk.free = 0
    hls_clock.advance(1)

    for number in range(3):
        assert session.segment(VIDEO, number, BOUND).exists()
