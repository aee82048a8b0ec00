"""Sources that are fetched: allowed ones alone, again and again, and their credentials are told to nobody."""

from __future__ import annotations

import logging

import m3u8
import pytest

from hls_sessions import NotPlayable, SourceRefused
from hls_sessions.live import judge_source

BOUND = 60
ALLOWED = ("rtsp://camera.example", "rtmp://127.0.0.1:1935", "udp://*")


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://camera.example/stream",
        "rtsp://user:secret@camera.example:8554/stream",
        "RTSP://Camera.Example/stream",
        "rtmp://127.0.0.1:1935/live/film",
        "udp://239.0.0.1:1234",
    ],
)
def test_a_source_with_an_allowed_scheme_host_and_port_may_be_fetched(url):
    judge_source(url, ALLOWED)


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://other.example/stream",
        "rtsp://camera.example.evil.example/stream",
        "rtsp://camera.example@evil.example/stream",
        "rtsps://camera.example/stream",
        "rtmp://127.0.0.1/live/film",
        "rtmp://127.0.0.1:1936/live/film",
        "http://camera.example/stream",
        "file:///etc/passwd",
        "concat:/etc/passwd",
        "/etc/passwd",
        "udp://",
        "rtsp://[::1",
        "rtsp://camera.example:port/",
        "",
    ],
)
def test_any_other_is_refused(url):
    with pytest.raises(SourceRefused):
        judge_source(url, ALLOWED)


def test_without_a_setting_nothing_is_fetched(hls_supervisor):
    supervisor = hls_supervisor()

    with pytest.raises(SourceRefused):
        supervisor.record(source="rtmp://127.0.0.1/live/film")
    assert supervisor.sessions() == []


def test_a_source_that_is_cut_is_fetched_again_as_another_part(hls_supervisor, hls_live_source, until, caplog):
    caplog.set_level(logging.DEBUG)
    supervisor = hls_supervisor(live_sources=["rtmp://127.0.0.1"])
    url = hls_live_source.url.replace("://", "://anna:secret@")
    hls_live_source.start()

    recording = supervisor.record(source=url)
    recording.ask_playable().get(BOUND)
    assert recording.source.value == "arriving"
    hls_live_source.cut()
    until(lambda: recording.source.value == "lost")
    hls_live_source.start()
    until(lambda: len(recording.files()) == 2 and recording.files()[1].size > 50_000)
    hls_live_source.cut()
    recording.finish(BOUND)

    segments = m3u8.loads(str(recording.playlist("video"))).segments
    assert [segment.discontinuity for segment in segments].count(True) == 1
    assert "secret" not in caplog.text
    assert "secret" not in repr(recording.info())
    assert "secret" not in repr(supervisor.recordings())


def test_a_source_that_never_comes_ends_its_recording(hls_supervisor, hls_clock, hls_live_source):
    supervisor = hls_supervisor(clock=hls_clock, live_sources=["rtmp://*"], pull_patience=30)
    recording = supervisor.record(source=hls_live_source.url)
    recording.info()

    hls_clock.advance(31)

    recording.info()
    recording.finish(BOUND)
    assert recording.source.value == "ended"


def test_a_source_of_which_no_more_may_be_kept_ends_its_recording(hls_supervisor, hls_live_source, until):
    supervisor = hls_supervisor(live_sources=["rtmp://*"], max_recording_bytes=20_000)
    hls_live_source.start()

    recording = supervisor.record(source=hls_live_source.url)
    until(lambda: recording.source.value == "ended")

    recording.finish(BOUND)
    assert len(recording.files()) == 1
    assert recording.files()[0].size <= 20_000
    assert "no more can be kept" in supervisor.recordings()[0].over


def test_a_source_whose_protocol_libav_does_not_know_ends_its_recording_at_once(hls_supervisor):
    # PyAV's wheels come without SRT.
    supervisor = hls_supervisor(live_sources=["srt://127.0.0.1"])

    recording = supervisor.record(source="srt://127.0.0.1:9")

    with pytest.raises(NotPlayable, match="does not know its protocol"):
        recording.ask_playable().get(BOUND)
    assert recording.source.value == "ended"
