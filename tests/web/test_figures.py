"""Figures, metrics and health, as an operator's tools ask for them."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from hls_sessions import Supervisor
from hls_sessions.web import create_app


def families(answer):
    """The metrics of an answer, by name."""
    return {family.name: family for family in parse(answer.text)}


def value(found, name, **labels):
    """The one sample of this name with these labels."""
    samples = [s for family in found.values() for s in family.samples if s.name == name and s.labels == labels]
    assert len(samples) == 1, (name, labels, samples)
    return samples[0].value


def play(http, film, **more):
    session = http.post("/sessions", json={"media": film.name, "share": False, **more}).json()
    got = http.get(f"/sessions/{session['session_id']}/video-90p/0.m4s")
    assert got.status_code == 200
    return session["session_id"], len(got.content)


def test_stats_count_living_and_ended_sessions(http, film):
    before = http.get("/stats").json()
    lives, size = play(http, film)
    ends, _ = play(http, film)
    http.delete(f"/sessions/{ends}")

    stats = http.get("/stats").json()

    assert (stats["living"], stats["max_sessions"], stats["utilisation"]) == (1, 100, 0.01)
    assert stats["sessions"] == before["sessions"] + 2
    assert stats["by_state"]["active"] == 1
    assert stats["by_state"]["completed"] == before["by_state"]["completed"] + 1
    assert stats["by_age"]["under 1 h"] == stats["sessions"]
    assert stats["newest"]["session_id"] in {lives, ends}
    assert stats["segments_made"] >= before["segments_made"] + 2
    assert stats["bytes_made"] >= before["bytes_made"] + 2 * size
    assert stats["first_segment"]["count"] == before["first_segment"]["count"] + 2


def test_metrics_are_what_prometheus_reads(http, film):
    before = families(http.get("/metrics"))
    _, size = play(http, film)
    ends, _ = play(http, film)
    http.delete(f"/sessions/{ends}")

    answer = http.get("/metrics")
    found = families(answer)

    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert value(found, "hls_sessions_sessions", state="active") == 1
    assert value(found, "hls_sessions_sessions_max") == 100

    def grown(name, **labels):
        return value(found, name, **labels) - value(before, name, **labels)

    assert grown("hls_sessions_sessions_opened_total") == 2
    assert grown("hls_sessions_sessions_ended_total", state="completed") == 1
    assert grown("hls_sessions_segments_made_total") >= 2
    assert grown("hls_sessions_made_bytes_total") >= 2 * size
    assert grown("hls_sessions_first_segment_seconds_count") == 2
    assert grown("hls_sessions_first_segment_seconds_bucket", le="+Inf") == 2
    assert value(found, "hls_sessions_history_writable") == 1
    [info] = found["hls_sessions_info"].samples
    assert info.labels.keys() == {"version", "ffmpeg"}
    health = {sample.labels["status"]: sample.value for sample in found["hls_sessions_health"].samples}
    assert sum(health.values()) == 1
    assert health[http.get("/health").json()["status"]] == 1


def test_metrics_come_as_openmetrics_if_asked_for(http):
    answer = http.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert {"hls_sessions_restarts", "hls_sessions_encoders"} <= {
        family.name for family in parse_openmetrics(answer.text)
    }


def test_every_metric_has_a_name_of_ours_and_says_what_it_is(http):
    found = families(http.get("/metrics"))

    assert all(name.startswith("hls_sessions") and family.documentation for name, family in found.items())


def test_health_is_answered_with_503_where_no_viewer_should_be_sent(start_daemon, film):
    daemon = start_daemon(HLS_SESSIONS_MAX_SESSIONS="2")
    assert daemon.http.get("/health").status_code == 200
    ids = [daemon.open(film)["session_id"] for _ in range(2)]

    health = daemon.http.get("/health")

    assert (health.status_code, health.json()["status"]) == (503, "critical")
    assert health.json()["reasons"] == ["2 of 2 sessions are open."]
    assert not any(session_id in health.text for session_id in ids)


@pytest.mark.parametrize("path", ["/stats", "/metrics"])
def test_figures_want_the_token_and_health_does_not(start_daemon, path):
    daemon = start_daemon("--token", "secret")

    assert daemon.http.get(path).status_code == 401
    assert daemon.http.get(path, headers={"Authorization": "Bearer secret"}).status_code == 200
    assert daemon.http.get("/health").status_code == 200


@pytest.mark.parametrize("path", ["/stats", "/metrics"])
def test_a_supervisor_that_does_not_run_has_no_figures(hls_segments_dir, path):
    app = create_app(Supervisor(segments_dir=hls_segments_dir))

    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.get(path)

    assert asyncio.run(ask()).status_code == 503


def test_supervisors_of_one_process_share_no_metrics(hls_supervisor, film):
    first, second = hls_supervisor(), hls_supervisor()
    first.open(film)

    counts = [
        value(
            {family.name: family for family in parse(one.metrics()[0].decode())}, "hls_sessions_sessions_opened_total"
        )
        for one in (first, second)
    ]

    assert counts == [1, 0]
