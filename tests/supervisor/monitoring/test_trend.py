"""The last hour, and the tree of processes."""

from __future__ import annotations

from hls_sessions.supervisor.monitoring import trend
from hls_sessions.testing import crash, failing_ffmpeg

BOUND = 30


def test_every_ten_seconds_a_sample_is_taken(hls_supervisor, hls_clock, until):
    supervisor = hls_supervisor(clock=hls_clock)
    for samples in (1, 2, 3):
        hls_clock.advance(trend.INTERVAL)
        until(lambda samples=samples: len(supervisor._runtime.monitor.trend._samples) == samples)
        supervisor.processes()  # the sampler has set its timer again when it has answered nothing else
    hour = supervisor.hour()

    assert hour.at[1] - hour.at[0] == trend.INTERVAL
    assert hour.sessions == (0, 0)


def test_the_hour_tells_what_was_made_and_sent_and_how_long_viewers_waited(hls_supervisor, hls_clip, hls_clock, until):
    supervisor = hls_supervisor(clock=hls_clock)
    take = supervisor._runtime.monitor.trend.sample
    take()
    session = supervisor.open(hls_clip(size="160x90"))
    size = session.segment("video-90p", 0, BOUND).stat().st_size
    until(lambda: session.info().first_segment_after is not None)
    hls_clock.advance(4)
    take()
    hls_clock.advance(4)
    take()
    hour = supervisor.hour()

    assert hour.sessions == (1, 1)
    assert hour.made_bytes[0] >= size / 4
    assert hour.served_bytes == (size / 4, 0)
    assert hour.first_segment[0] is not None
    assert hour.first_segment[1] is None
    assert hour.disk_bytes[0] >= size


def test_the_hour_is_an_hour_long(hls_supervisor, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock)
    take = supervisor._runtime.monitor.trend.sample
    for _ in range(trend.SAMPLES + 10):
        take()

    assert len(supervisor.hour().at) == trend.SAMPLES


def test_the_processes_are_listed_in_the_order_of_their_start(hls_supervisor, hls_clip):
    supervisor = hls_supervisor()
    session = supervisor.open(hls_clip(size="160x90"))
    root = supervisor.processes()
    [sessions] = [child for child in root.children if child.id == "sessions"]

    assert [child.id for child in root.children] == [
        "timers",
        "segment watcher",
        "sessions",
        "reaper",
        "sampler",
        "janitor",
    ]
    assert [child.id for child in sessions.children] == [session.id]
    assert all(child.is_running and not child.restarts for child in (*root.children, *sessions.children))


def test_a_session_that_has_crashed_is_seen_among_the_processes(hls_supervisor, hls_clip, hls_clock, until):
    supervisor = hls_supervisor(clock=hls_clock)
    session = supervisor.open(hls_clip(size="160x90"))

    def child():
        [sessions] = [child for child in supervisor.processes().children if child.id == "sessions"]
        [child] = sessions.children
        return child

    is_back = crash(session)
    until(lambda: child().is_restarting)
    hls_clock.advance(1)
    until(is_back)

    assert child().restarts == 1


def test_the_log_of_a_session_tells_how_its_encoders_ended_and_what_they_said(hls_supervisor, hls_clip, tmp_path):
    supervisor = hls_supervisor(ffmpeg=failing_ffmpeg(tmp_path, times=1, says="Out of tea"))
    session = supervisor.open(hls_clip(size="160x90", seconds=3))
    session.segment("video-90p", 0, BOUND)
    entry = session.log[0]

    assert (entry.process, entry.ended) == ("video-90p run 1", "ended with exit code 1")
    assert entry.lines == ("Out of tea",)
