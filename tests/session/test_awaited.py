"""A session tells how long its viewers waited for what, and traces it."""

from __future__ import annotations

import sys

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hls_sessions.encoding import PHASES, Stamps
from hls_sessions.session import tracing
from hls_sessions.session.awaited import UNSENT, AwaitedSegments

VIDEO, AUDIO = "video-90p", "audio-0"
BOUND = 30
MADE = ("schedule", "command", "fork", "file", "look", "check", "publish")
FIRST_PACKET = "first_packet"
"""Is not told of an encoder that ends before the system has told of its files, as those of these tests may."""


def without_first_packet(awaited) -> tuple[str, ...]:
    return tuple(phase for phase in awaited.phases if phase != FIRST_PACKET)


@pytest.fixture
def session(hls_supervisor, hls_fake_ffmpeg, film):
    return hls_supervisor(ffmpeg=str(hls_fake_ffmpeg())).open(film)


@pytest.fixture
def told():
    return []


@pytest.fixture
def awaited(hls_clock, told):
    return AwaitedSegments("7f3a", hls_clock, told.append)


@pytest.fixture
def made(hls_clock):
    """Return the stamps of a segment that was made in so many seconds."""

    def made(seconds):
        stamps = Stamps(hls_clock.monotonic())
        hls_clock.advance(seconds)
        stamps.reach("file", hls_clock.monotonic())
        return stamps

    return made


# ---- in a session


def test_the_start_of_a_session_is_told_from_its_opening_on(session):
    session.segment(VIDEO, 0, BOUND)

    first = session.info().first_awaited

    assert (first.rendition, first.segment) == (VIDEO, 0)
    assert without_first_packet(first) == ("probe", "timeline", "open", "request", *MADE)
    assert first.seconds == pytest.approx(sum(first.phases.values()))
    assert session.info().last_awaited == first


def test_a_player_that_waits_for_the_init_segment_waits_for_the_segment_that_it_comes_with(session):
    session.init(VIDEO, BOUND)
    session.segment(VIDEO, 0, BOUND)

    first = session.info().first_awaited

    assert (first.rendition, first.segment) == (VIDEO, 0)
    assert without_first_packet(first)[-len(MADE) :] == MADE


def test_a_seek_is_told_as_the_last_one(session):
    session.segment(VIDEO, 3, BOUND)
    session.segment(VIDEO, 0, BOUND)

    info = session.info()

    assert info.first_awaited.segment == 3
    assert info.last_awaited.segment == 0
    assert without_first_packet(info.last_awaited) == MADE


def test_a_segment_on_disk_is_waited_for_by_nobody(session):
    session.segment(VIDEO, 3, BOUND)
    session.segment(VIDEO, 0, BOUND)
    session.segment(VIDEO, 3, BOUND)

    assert session.info().last_awaited.segment == 0


def test_audio_is_not_what_a_viewer_of_video_waits_for(session):
    session.segment(AUDIO, 0, BOUND)

    assert session.info().first_awaited is None


def test_a_copied_segment_is_told_without_an_encoder(hls_supervisor, hls_clip):
    session = hls_supervisor().open(hls_clip(seconds=4, size="160x90", gop=25, pixels="yuv420p", audio=None))
    session.segment("video-copy", 1, BOUND)

    last = session.info().last_awaited

    assert tuple(last.phases)[-5:] == ("schedule", "fork", "file", "check", "publish")


def test_metrics_count_each_phase(hls_supervisor, hls_fake_ffmpeg, film):
    supervisor = hls_supervisor(ffmpeg=str(hls_fake_ffmpeg()))
    supervisor.open(film).segment(VIDEO, 0, BOUND)

    metrics = supervisor.metrics()[0].decode().splitlines()

    for phase in set(PHASES) - {FIRST_PACKET}:
        assert f'hls_sessions_start_phase_seconds_count{{phase="{phase}"}} {float(phase != "send")}' in metrics


# ---- by itself


def test_the_time_until_it_is_sent_is_added(awaited, made, told, hls_clock):
    awaited.published(VIDEO, 0, made(2), is_shown=True)
    hls_clock.advance(1)
    awaited.sent(VIDEO, 0)
    awaited.sent(VIDEO, 0)

    assert awaited.first is awaited.last
    assert (awaited.first.seconds, awaited.first.phases) == (3, {"file": 2, "send": 1})
    assert told == [{"file": 2}, {"send": 1}]


def test_a_segment_that_was_on_disk_is_sent_without_notice(awaited, told):
    awaited.sent(VIDEO, 0)

    assert told == []


def test_segments_that_are_never_sent_are_forgotten(awaited, made, told):
    for number in range(UNSENT + 1):
        awaited.published(VIDEO, number, made(1), is_shown=True)
    awaited.sent(VIDEO, 0)

    assert told == [{"file": 1}] * (UNSENT + 1)


# ---- traces


@pytest.fixture
def spans(monkeypatch):
    """The spans that are exported."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield exporter.get_finished_spans
    provider.shutdown()


def test_each_awaited_segment_is_a_span_and_each_phase_one_within_it(awaited, made, spans, hls_clock):
    began = hls_clock.time()
    awaited.published(VIDEO, 7, made(2), is_shown=True)
    hls_clock.advance(1)
    awaited.sent(VIDEO, 7)

    by_name = {span.name: span for span in spans()}
    times = {name: (span.start_time / 1e9 - began, span.end_time / 1e9 - began) for name, span in by_name.items()}

    assert by_name.keys() == {"segment", "file", "send"}
    assert times["segment"] == times["file"] == pytest.approx((0, 2), abs=1e-3)
    assert times["send"] == pytest.approx((2, 3), abs=1e-3)
    assert {by_name[name].parent.span_id for name in ("file", "send")} == {by_name["segment"].context.span_id}
    assert by_name["segment"].attributes == {
        "hls_sessions.session": "7f3a",
        "hls_sessions.rendition": VIDEO,
        "hls_sessions.segment": 7,
    }


def test_without_opentelemetry_there_are_no_traces_and_all_else_is_told(awaited, made, told, monkeypatch):
    tracing._api.cache_clear()
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    try:
        awaited.published(VIDEO, 7, made(2), is_shown=True)
        awaited.sent(VIDEO, 7)
    finally:
        tracing._api.cache_clear()

    assert told == [{"file": 2}, {"send": 0}]
