"""What the guide tells operators of metrics and health is what a supervisor says."""

from __future__ import annotations

import inspect
import json
import re
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from hls_sessions.ffmpeg import find, inspect_binary
from hls_sessions.supervisor.monitoring import health
from hls_sessions.supervisor.monitoring.health import Load, Upkeep, health_of

GUIDE = Path(__file__).parents[1] / "hls_sessions" / "guide"
PAGE = (GUIDE / "monitoring.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without backticks."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").replace("`", "").split("|")] for line in lines]


@pytest.fixture
def families(hls_supervisor, hls_clip):
    """The metrics of a supervisor with everything that has a metric."""
    supervisor = hls_supervisor(max_encoders=4)
    session = supervisor.open(hls_clip(size="160x90"))
    session.segment("video-90p", 0)
    supervisor.tidy()
    return list(parse(supervisor.metrics()[0].decode()))


def full_name(family) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def test_every_metric_is_named_with_its_type_and_its_labels(families):
    told = {name: (kind, labels) for name, kind, labels, _ in rows("Metrics")}
    labels = {
        full_name(family): ", ".join(
            dict.fromkeys(label for s in family.samples for label in s.labels if label != "le")
        )
        or "none"
        for family in families
    }

    assert told.keys() == labels.keys()
    for family in families:
        name = full_name(family)
        assert told[name][0] == family.type
        # Nothing was started again, so there is no sample that shows the label.
        assert set(told[name][1].split(", ")) == set(labels[name].split(", ")) or name == "hls_sessions_restarts_total"


def asked_by_prometheus() -> list[str]:
    return re.findall(r"^ +expr: (?:>-\n)?((?:.+\n)(?: {10}.+\n)*)", (GUIDE / "alerts.yml").read_text(), re.MULTILINE)


def asked_by_grafana() -> list[str]:
    panels = json.loads((GUIDE / "grafana.json").read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.mark.parametrize("expressions", [asked_by_prometheus, asked_by_grafana])
def test_the_alerts_and_the_dashboard_ask_for_metrics_and_labels_that_there_are(families, expressions):
    there = {sample.name for family in families for sample in family.samples} | {full_name(each) for each in families}
    values = {
        (s.name, label, value) for family in families for s in family.samples for label, value in s.labels.items()
    }
    unseen = {("hls_sessions_restarts_total", "reason", "actor")}
    found = expressions()

    assert len(found) > 10
    for expression in found:
        names = set(re.findall(r"hls_sessions_\w+", expression))
        assert names, expression
        assert names <= there, expression
        for name, matchers in re.findall(r"(hls_sessions_\w+)\{([^}]*)\}", expression):
            for label, operator, value in re.findall(r"(\w+)(=~?)\"([^\"]*)\"", matchers):
                is_known = (name, label, value) in values | unseen
                assert is_known or (label, operator, value) == ("instance", "=~", "$instance"), expression


def test_the_dashboard_shows_every_metric_that_changes(families):
    shown = set(re.findall(r"hls_sessions_\w+", " ".join(asked_by_grafana())))
    left_out = {
        "hls_sessions_start_time_seconds",  # changes with the daemon alone
        "hls_sessions_sessions_kept",  # as do these two: what has ended is counted by sessions_ended
        "hls_sessions_sessions_by_age",
        "hls_sessions_session_age_seconds",
        "hls_sessions_encoders_max",  # is often missing
        "hls_sessions_history_rows_lost_total",  # alerts tell of the rest
        "hls_sessions_history_failures_total",
        "hls_sessions_history_writable",
        "hls_sessions_janitor_runs_total",
        "hls_sessions_info",
    }

    assert {full_name(f) for f in families} - left_out == {re.sub("_(bucket|sum|count)$", "", name) for name in shown}


IDLE = Load(sessions=0, max_sessions=10, encoders=0, max_encoders=10, stuck=0)
WELL = Upkeep(history="history.db", trouble=None, janitor_ran_at=None, janitor_overdue=0)


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@cache
def usual_ffmpeg():
    return inspect_binary(find())


def judged(folder, monkeypatch, *, load=IDLE, upkeep=WELL, state="running", used=0, broken=False, **changes):
    """The health of a daemon that is well but for what is given; changes are those of its ffmpeg."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100, used, 100 - used))
    binary = replace(usual_ffmpeg(), **changes)
    return health_of(binary, folder / "gone" if broken else folder, load, upkeep, state=state, uptime=1)


FAULTS = [
    {"state": "stopped"},
    {"state": "stopping"},
    {"encoders": frozenset()},
    {"path": "/nowhere/ffmpeg"},
    {"broken": True},
    *({"load": replace(IDLE, sessions=many)} for many in (7, 9)),
    *({"load": replace(IDLE, encoders=many)} for many in (7, 9)),
    *({"used": share} for share in (70, 90)),
    {"load": replace(IDLE, sessions=2, stuck=1)},
    {"load": replace(IDLE, sessions=2, without_room=1)},
    {"load": replace(IDLE, sessions=2, lacks={"memory": 1})},
    {"load": replace(IDLE, silent_roots=1)},
    {"upkeep": replace(WELL, trouble="the disk is full")},
    {"upkeep": replace(WELL, janitor_overdue=9)},
]


def test_every_reason_of_health_is_named_with_its_status_and_with_what_to_do(tmp_path, monkeypatch):
    told = {reason: (status, advice) for reason, status, advice in rows("Reasons of health")}
    found = {}
    for fault in FAULTS:
        found_ill = judged(tmp_path, monkeypatch, **fault)
        [sentence] = found_ill.reasons
        [reason] = [each for each in told if re.fullmatch(re.escape(each).replace("…", ".+"), sentence)]
        found.setdefault(reason, []).append((found_ill.status, *found_ill.advice))

    both = "warning from 70 %, critical from 90 %"
    statuses = {reason: both if len(judgements) > 1 else judgements[0][0] for reason, judgements in found.items()}
    assert judged(tmp_path, monkeypatch).reasons == ()
    assert {reason: (statuses[reason], judgements[0][1]) for reason, judgements in found.items()} == told
    for reason, judgements in found.items():
        assert [status for status, _ in judgements] in ([statuses[reason]], ["warning", "critical"])


def test_every_sentence_of_health_has_been_judged():
    # A reason that is added to the code must be added above, and so to the page.
    assert len(rows("Reasons of health")) == inspect.getsource(health).count("Reason(") - 1
