"""A pause stops the encoders and nothing else; a session goes on as before, here or in a later daemon."""

from __future__ import annotations

import json

import pytest

from hls_sessions import Snapshot
from hls_sessions.errors import (
    IllegalTransition,
    MediaNotFound,
    OutsideRoots,
    SessionEnded,
    SnapshotRefused,
)
from hls_sessions.session import SessionServer
from hls_sessions.session.snapshot import PausedRun, ViewerPosition
from hls_sessions.testing import crash, hanging_ffmpeg, runs_of

VIDEO, AUDIO = "video-90p", "audio-0"
BOUND = 30


def peek(session):
    return session.ask_peek().get(BOUND)


def steps(session):
    return [(step.step, step.reason) for step in session.history]


@pytest.fixture
def hanging(hls_supervisor, hls_clock, tmp_path):
    """Start a supervisor whose encoders never make anything."""
    return lambda **more: hls_supervisor(clock=hls_clock, ffmpeg=str(hanging_ffmpeg(tmp_path)), **more)


# ---- the pause


def test_a_pause_stops_the_encoders_before_it_is_answered(hanging, film, ends):
    session = hanging(copy_streams=False).open(film)
    session.ask_segment(VIDEO, 0)
    session.ask_segment(AUDIO, 2)
    runs = peek(session).runs

    session.pause()

    assert all(ends(run.pid) for run in runs)
    assert len(runs) == 2
    assert (peek(session).state, peek(session).runs) == ("paused", ())


def test_the_snapshot_says_how_the_session_was(hanging, film, hls_clock):
    session = hanging(copy_streams=False).open(film, user="anna", idle_timeout=600)
    session.ask_segment(AUDIO, 2)
    peek(session)
    hls_clock.advance(1)
    session.ask_segment(VIDEO, 3)

    snapshot = session.pause()

    assert (snapshot.session_id, snapshot.user, snapshot.media) == (session.id, "anna", str(film))
    assert snapshot.position == 2.0  # segments of 0.5, 0.5, 1, 2, 2 and 2 seconds
    assert [(place.rendition, place.segment) for place in snapshot.renditions] == [(VIDEO, 3), (AUDIO, 2)]
    assert [place.time for place in snapshot.renditions] == pytest.approx([2, 1], abs=0.03)
    assert snapshot.runs == (
        PausedRun(rendition=VIDEO, next=3, held=False),
        PausedRun(rendition=AUDIO, next=2, held=False),
    )
    assert (snapshot.settings.segment_length, snapshot.settings.idle_timeout) == (2.0, 600)
    assert snapshot.taken_at.timestamp() == hls_clock.time()


def test_a_snapshot_is_json_and_comes_back_from_it(hanging, film):
    session = hanging().open(film)
    session.ask_segment(VIDEO, 3)

    snapshot = session.pause()

    assert Snapshot.model_validate_json(snapshot.model_dump_json()) == snapshot
    assert json.loads(snapshot.model_dump_json())["version"] == 1


def test_the_viewer_knows_best_where_they_are(hls_supervisor, film):
    supervisor = hls_supervisor()

    assert supervisor.open(film).pause(position=2.5).position == 2.5
    assert supervisor.open(film).pause(position=1e9).position == pytest.approx(8, abs=0.1)
    assert supervisor.open(film, start_at=3).pause().position == 3
    there = supervisor.open(film)
    there.pause(position=4.5)
    assert peek(there).position == 4.5
    for wrong in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="A position is a number of seconds"):
            supervisor.open(film).pause(position=wrong)


def test_pausing_twice_or_resuming_without_a_pause_is_refused_and_changes_nothing(hls_supervisor, film):
    session = hls_supervisor().open(film)

    with pytest.raises(IllegalTransition, match=r"^A session that is active cannot resume\.$"):
        session.resume()
    session.pause()
    with pytest.raises(IllegalTransition, match=r"^A session that is paused cannot pause\.$"):
        session.pause()

    assert peek(session).state == "paused"
    assert [step for step, _ in steps(session)] == ["start", "pause"]


def test_a_paused_session_starts_no_encoder_for_segments_on_disk(hls_supervisor, film, until):
    session = hls_supervisor().open(film)
    session.segment(VIDEO, 0, BOUND)
    session.init(VIDEO, BOUND)
    until(lambda: not peek(session).runs)
    session.pause()

    assert session.segment(VIDEO, 0, BOUND).exists()
    assert session.ask_segment(VIDEO, 0).get(BOUND).exists()
    assert session.init(VIDEO, BOUND).exists()
    assert session.media_playlist(VIDEO)
    assert peek(session).state == "paused"


def test_a_viewer_who_asks_for_a_missing_segment_resumes_the_session(hls_supervisor, film, is_right):
    session = hls_supervisor().open(film)
    session.pause()

    assert is_right(session, VIDEO, 3, session.segment(VIDEO, 3, BOUND))

    assert steps(session)[1:] == [
        ("pause", "its viewer asked for a pause"),
        ("resume", f"a viewer asked for segment 3 of {VIDEO}"),
    ]


def test_a_request_for_a_missing_init_segment_resumes_too(hls_supervisor, film):
    session = hls_supervisor().open(film)
    session.pause()

    assert session.init(AUDIO, BOUND).exists()
    assert steps(session)[-1] == ("resume", f"a viewer asked for the init segment of {AUDIO}")


def test_a_segment_that_does_not_exist_resumes_nothing(hls_supervisor, film):
    session = hls_supervisor().open(film)
    session.pause()

    with pytest.raises(Exception, match="there is no segment 99"):
        session.ask_segment(VIDEO, 99).get(BOUND)

    assert peek(session).state == "paused"


def test_a_viewer_who_waited_at_the_pause_is_served_after_it(hls_supervisor, film, tmp_path, until, is_right):
    ffmpeg = hanging_ffmpeg(tmp_path, times=1)
    session = hls_supervisor(ffmpeg=str(ffmpeg)).open(film)
    waiting = session.ask_segment(VIDEO, 2)
    until(lambda: runs_of(ffmpeg) == 1)

    session.pause()
    assert peek(session).viewers_waiting == 1
    session.resume()

    assert is_right(session, VIDEO, 2, waiting.get(BOUND))


# ---- its time


def test_a_paused_session_that_nobody_asks_anything_of_expires(hls_supervisor, film, hls_clock):
    session = hls_supervisor(clock=hls_clock).open(film, idle_timeout=100)
    session.pause()

    hls_clock.advance(99)
    assert peek(session).state == "paused"
    hls_clock.advance(1)

    with pytest.raises(SessionEnded, match=r"expired at .*: nothing was asked of it for 100 seconds"):
        peek(session)


def test_a_paused_session_expires_though_a_request_of_before_the_pause_is_still_held(
    hls_supervisor, film, hls_clock, tmp_path, until
):
    ffmpeg = hanging_ffmpeg(tmp_path)
    session = hls_supervisor(ffmpeg=str(ffmpeg), clock=hls_clock).open(film, idle_timeout=100)
    waiting = session.ask_segment(VIDEO, 2)
    until(lambda: runs_of(ffmpeg) == 1)
    session.pause()
    assert (peek(session).viewers_waiting, peek(session).in_vain_for) == (1, 0)

    hls_clock.advance(100)

    with pytest.raises(SessionEnded, match="expired"):
        waiting.get(BOUND)


def test_heartbeats_keep_a_paused_session(hls_supervisor, film, hls_clock):
    session = hls_supervisor(clock=hls_clock).open(film, idle_timeout=100)
    session.segment(VIDEO, 0, BOUND)
    session.pause()

    for _ in range(5):
        hls_clock.advance(90)
        session.heartbeat()

    assert peek(session).state == "paused"
    assert session.published(VIDEO, 0).exists()
    assert peek(session).seconds_in["paused"] == 450


# ---- going on


def test_going_on_restores_encoders_held_or_not_and_positions(hls_supervisor, long_film, slow_ffmpeg, is_right):
    session = hls_supervisor(ffmpeg=str(slow_ffmpeg), look_ahead=2).open(long_film)
    session.segment(VIDEO, 1, BOUND)
    while not (before := peek(session).runs)[0].held:
        session.heartbeat()

    snapshot = session.pause()
    session.resume()

    after = peek(session).runs
    assert [(run.rendition, run.next, run.held) for run in after] == [(VIDEO, before[0].next, True)]
    assert {run.pid for run in after}.isdisjoint(run.pid for run in before)
    assert session.pause().model_copy(update={"taken_at": snapshot.taken_at}) == snapshot
    session.resume()
    assert is_right(session, VIDEO, before[0].next, session.segment(VIDEO, before[0].next, BOUND))


def test_an_encoder_that_worked_works_again_though_nobody_asks(hanging, film):
    session = hanging().open(film)
    left = session.ask_segment(VIDEO, 2)
    peek(session)
    left.cancel()

    session.pause()
    session.resume()

    [run] = peek(session).runs
    assert (run.next, run.held) == (2, False)


def test_the_next_segments_come_as_if_nothing_had_been(hls_supervisor, film, is_right):
    session = hls_supervisor().open(film)
    for number in range(5):
        assert is_right(session, VIDEO, number, session.segment(VIDEO, number, BOUND))
        assert is_right(session, AUDIO, number, session.segment(AUDIO, number, BOUND))
        session.pause()
        session.resume()


def test_going_on_from_an_earlier_snapshot_goes_back(hanging, film):
    session = hanging().open(film)
    session.ask_segment(VIDEO, 2).cancel()
    earlier = session.pause()
    session.resume()
    session.ask_segment(VIDEO, 4).cancel()
    later = session.pause()

    session.resume(earlier)

    assert earlier.renditions == (ViewerPosition(rendition=VIDEO, segment=2, time=1.0),)
    assert later.renditions[-1].segment == 4
    assert session.pause().renditions == earlier.renditions


def test_a_pause_survives_the_crash_of_its_actor(hls_supervisor, film, is_right):
    supervisor = hls_supervisor()
    session = supervisor.open(film)
    session.segment(VIDEO, 0, BOUND)
    snapshot = session.pause()

    crash(session)

    assert (peek(session).state, peek(session).runs) == ("paused", ())
    session.resume()
    assert session.pause().renditions == snapshot.renditions
    assert is_right(session, VIDEO, 1, session.segment(VIDEO, 1, BOUND))


def test_a_pause_whose_actor_crashes_before_it_answers_is_answered_by_the_next(
    hls_supervisor, film, monkeypatch, until
):
    session = hls_supervisor().open(film)
    session.segment(VIDEO, 2, BOUND)
    until(lambda: not peek(session).runs)  # or it would crash over the end of one
    answer = SessionServer._answer_the_pausing

    def crash_once(server):
        monkeypatch.setattr(SessionServer, "_answer_the_pausing", answer)
        raise RuntimeError("just now")

    monkeypatch.setattr(SessionServer, "_answer_the_pausing", crash_once)

    assert [place.segment for place in session.pause().renditions] == [2]

    assert peek(session).state == "paused"
    with pytest.raises(IllegalTransition):
        session.pause()


# ---- from a snapshot


def test_a_later_daemon_goes_on_at_the_position_with_its_encoders_at_work(
    hls_supervisor, long_film, slow_ffmpeg, is_right, until
):
    first = hls_supervisor()
    session = first.open(long_film, user="anna", idle_timeout=900)
    session.segment(VIDEO, 12, BOUND)
    written = session.pause().model_dump_json()
    first.stop()

    snapshot = Snapshot.model_validate_json(written)
    later, new = hls_supervisor(ffmpeg=str(slow_ffmpeg), segment_length=4).resume_or_open(snapshot)

    assert new
    assert later.id != session.id
    assert (later.user, later.info().idle_timeout) == ("anna", 900)
    assert later.presentation.cuts(VIDEO) == session.presentation.cuts(VIDEO)  # not this daemon's own length
    assert f"#EXT-X-START:TIME-OFFSET={snapshot.position:.6f}" in later.media_playlist(VIDEO)
    assert [run.first for run in peek(later).runs] == [12]
    assert is_right(later, VIDEO, 12, later.segment(VIDEO, 12, BOUND))


def test_a_snapshot_of_a_session_that_is_there_goes_on_in_it(hls_supervisor, film):
    supervisor = hls_supervisor()
    session = supervisor.open(film)
    snapshot = session.pause()

    assert supervisor.resume_or_open(snapshot) == (session, False)
    assert peek(session).state == "active"
    assert supervisor.resume(snapshot) is session  # asking twice opens one session


def test_a_snapshot_of_an_expired_session_goes_on_in_a_new_one_and_again_in_that(hls_supervisor, film, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock)
    session = supervisor.open(film, user="anna")
    snapshot = session.pause()
    hls_clock.advance(1800)
    with pytest.raises(SessionEnded):
        peek(session)

    later = supervisor.resume(snapshot)
    later.pause()

    assert later.id != session.id
    assert supervisor.resume_or_open(snapshot) == (later, False)
    assert peek(later).state == "active"


def test_resuming_a_snapshot_without_a_user_twice_makes_one_session(hls_supervisor, film):
    supervisor = hls_supervisor()
    session = supervisor.open(film)
    snapshot = session.pause()
    session.stop()

    later, new = supervisor.resume_or_open(snapshot)

    assert new
    assert supervisor.resume_or_open(snapshot) == (later, False)
    later.stop()
    assert supervisor.resume_or_open(snapshot)[1]


def test_a_snapshot_leads_to_no_session_of_another_user_or_file(hls_supervisor, film, hls_clip):
    supervisor = hls_supervisor()
    session = supervisor.open(film, user="anna")
    snapshot = session.pause()
    session.stop()
    later = supervisor.resume(snapshot)
    other_film = hls_clip(seconds=8, size="160x90", name="another.mp4")

    others = [supervisor.resume(changed(snapshot, user=user)) for user in ("ben", None)]
    elsewhere = supervisor.resume(changed(snapshot, user=None, media=str(other_film)))

    assert [other.user for other in others] == ["ben", None]
    assert len({later.id, elsewhere.id, *(other.id for other in others)}) == 4
    assert elsewhere.presentation.media.path == other_film


def changed(snapshot, **changes):
    return Snapshot.model_validate(snapshot.model_dump() | changes)


WRONG = {
    "an unknown rendition": {"renditions": [{"rendition": "video-1p", "segment": 0, "time": 0}]},
    "a segment after the end": {"renditions": [{"rendition": VIDEO, "segment": 6, "time": 4}]},
    "a run after the end": {"runs": [{"rendition": VIDEO, "next": 6, "held": True}]},
    "a position after the end": {"position": 1000},
    "a place after the end": {"renditions": [{"rendition": VIDEO, "segment": 4, "time": 1000}]},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_snapshot_that_does_not_fit_its_session_is_refused_and_changes_nothing(hls_supervisor, film, wrong):
    session = hls_supervisor().open(film)
    snapshot = session.pause()

    with pytest.raises(SnapshotRefused, match=r"^The snapshot cannot be resumed: .*\.$"):
        session.resume(changed(snapshot, **wrong))

    assert peek(session).state == "paused"


@pytest.mark.parametrize("wrong", ["a position after the end", "a place after the end"])
def test_a_snapshot_of_a_longer_film_is_refused_and_leaves_nothing(hls_supervisor, film, hls_segments_dir, wrong):
    supervisor = hls_supervisor()
    session = supervisor.open(film)
    snapshot = session.pause()
    session.stop()

    with pytest.raises(SnapshotRefused, match=r"it is at 1000 s, and the file ends at 8"):
        supervisor.resume(changed(snapshot, **WRONG[wrong]))

    assert supervisor.sessions() == []
    assert list(hls_segments_dir.iterdir()) == []


def test_if_the_film_is_cut_differently_by_now_the_times_count(hls_supervisor, film, hanging):
    supervisor = hanging()
    session = supervisor.open(film)
    session.ask_segment(VIDEO, 2)
    snapshot = session.pause()
    session.stop()
    positions = [
        {"rendition": VIDEO, "segment": 77, "time": 4.0},
        {"rendition": "a copy that is not offered", "segment": 1, "time": 4.0},
    ]

    resumed = supervisor.resume(changed(snapshot, renditions=positions))

    assert [(run.rendition, run.first) for run in peek(resumed).runs] == [(VIDEO, 4)]


def test_a_value_that_is_no_snapshot_is_refused_and_crashes_no_actor(hls_supervisor, film):
    session = hls_supervisor().open(film)
    snapshot = session.pause()

    with pytest.raises(TypeError, match="not a dict"):
        session.resume(snapshot.model_dump())

    assert (peek(session).state, peek(session).restarts) == ("paused", {})


def test_a_snapshot_of_another_file_user_or_length_does_not_fit_a_session(hls_supervisor, film):
    supervisor = hls_supervisor()
    session = supervisor.open(film, user="anna")
    snapshot = session.pause()

    for wrong in ({"media": "/elsewhere"}, {"settings": {"segment_length": 3, "idle_timeout": 5}}):
        with pytest.raises(SnapshotRefused):
            session.resume(changed(snapshot, **wrong))
    with pytest.raises(SnapshotRefused, match="of another user"):
        supervisor.resume(changed(snapshot, user="ben"))

    assert peek(session).state == "paused"


def test_a_snapshot_opens_no_file_that_could_not_be_opened(hls_supervisor, film):
    supervisor = hls_supervisor()
    session = supervisor.open(film)
    snapshot = session.pause()
    session.stop()

    with pytest.raises(OutsideRoots):
        supervisor.resume(changed(snapshot, media="/etc/passwd"))
    with pytest.raises(MediaNotFound):
        supervisor.resume(changed(snapshot, media="gone.mp4"))


def test_a_snapshot_with_more_encoders_than_allowed_starts_no_more(hanging, film):
    supervisor = hanging(max_runs=2)
    session = supervisor.open(film)
    snapshot = session.pause()
    positions = [{"rendition": VIDEO, "segment": number, "time": 0} for number in range(5)]
    runs = [{"rendition": VIDEO, "next": number, "held": False} for number in range(5)] * 20

    session.resume(changed(snapshot, renditions=positions, runs=runs))

    assert len(peek(session).runs) <= 2
