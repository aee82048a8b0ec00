"""No caller opens more sessions in a minute than it may."""

from __future__ import annotations

import pytest

from hls_sessions.web import rates
from hls_sessions.web.rates import Rates


def test_a_caller_has_as_many_as_a_minute_brings_and_then_one_at_a_time(hls_clock):
    buckets = Rates(hls_clock.monotonic)

    assert [buckets.take("anna", 3) for _ in range(4)] == [0, 0, 0, 20]
    assert buckets.take("berta", 3) == 0
    hls_clock.advance(19.5)
    assert buckets.take("anna", 3) == pytest.approx(0.5)
    hls_clock.advance(0.5)
    assert [buckets.take("anna", 3) for _ in range(2)] == [0, 20]
    hls_clock.advance(600)
    assert [buckets.take("anna", 3) for _ in range(4)] == [0, 0, 0, 20]


def test_the_callers_that_are_remembered_are_bounded(monkeypatch, hls_clock):
    monkeypatch.setattr(rates, "MOST_CALLERS", 2)
    buckets = Rates(hls_clock.monotonic)
    for caller in ("anna", "berta", "anna", "carla"):
        buckets.take(caller, 2)

    assert buckets.take("anna", 2) == 30
    assert [buckets.take("berta", 2), buckets.take("berta", 2)] == [0, 0]


def test_one_who_opens_too_many_is_told_when_to_come_back_and_others_are_not_held_up(http, film):
    http.patch("/settings", json={"max_opens_per_minute": 2})
    anna, berta, nobody = ({"media": film.name, "user": user} for user in ("anna", "berta", None))

    assert [http.post("/sessions", json=anna).status_code for _ in range(2)] == [201, 200]
    refused = http.post("/sessions", json=anna)
    assert (refused.status_code, refused.json()["type"]) == (429, "/problems/too-many-opens")
    assert 1 <= int(refused.headers["Retry-After"]) <= 30
    assert [http.post("/sessions", json=each).status_code for each in (berta, nobody)] == [201, 201]
    assert http.post("/live", json={"user": "anna"}).status_code == 429
