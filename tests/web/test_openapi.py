"""The description of the API is true: whatever is asked, the answer is one that it describes."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.routing import Route

from hls_sessions.web import create_app
from hls_sessions.web.openapi import PLAIN

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
FULL = {507, 503}
"""Answers of a daemon that can do no more now. They are no faults."""


@pytest.fixture
def film(hls_clip):
    return hls_clip(seconds=2, size="160x90", subtitles=("1\n00:00:00,500 --> 00:00:01,000\nFirst\n",))


ENDLESS = "events"
"""How paths end whose answers go on for ever."""


def test_every_answer_is_described(start_daemon, film):
    daemon, faults = start_daemon(), []
    api = schemathesis.openapi.from_url(f"{daemon.url}/openapi.json")
    for operation in (found.ok() for found in api.get_all_operations()):
        if operation.path.endswith(ENDLESS):
            continue

        @settings(max_examples=5, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(operation.as_strategy())
        def ask(case):
            if "session_id" in case.path_parameters and case.method != "DELETE":
                known = {"session_id": daemon.open(film, user="anna")["session_id"], "rendition": "video-90p"}
                known |= {"segment": "0", "number": "0"}
                case.path_parameters |= {name: known[name] for name in case.path_parameters if name in known}
            answer = case.call()
            if answer.status_code not in FULL:
                case.validate_response(answer, checks=CHECKS)

        try:
            ask()
        except FailureGroup as group:
            faults += [f"{operation.label}: {fault}" for fault in group.exceptions]

    assert faults == []


def test_every_plain_route_is_described(hls_supervisor):
    app = create_app(hls_supervisor())
    plain = {r.path for r in app.routes if type(r) is Route and r.include_in_schema and "/static/" not in r.path}

    assert plain == PLAIN.keys()
    assert plain <= app.openapi()["paths"].keys()
