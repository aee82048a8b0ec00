"""Which sessions a filter means, as a rule over the facts of one session."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from hls_sessions import Filter
from hls_sessions.supervisor.filter import Seen

FILM = Path("/films/film.mkv")
SEEN = Seen(session_id="7f3a", user="anna", state="paused", path=FILM, age=3600, idle=60)


def means(wanted: Filter, seen: Seen = SEEN) -> bool:
    return wanted.matches(seen, {FILM})


@pytest.mark.parametrize(
    ("condition", "other"),
    [
        ({"session_id": "7f3a"}, {"session_id": "91cc"}),
        ({"user": "anna"}, {"user": "ben"}),
        ({"user": "anna"}, {"user": None}),
        ({"state": "paused"}, {"state": "active"}),
        ({"media": "film.mkv"}, {"path": Path("/films/other.mkv")}),
        ({"older_than": 3600}, {"age": 3599}),
        ({"idle_for": 60}, {"idle": 59}),
    ],
)
def test_each_condition_means_those_that_meet_it_alone(condition, other):
    assert means(Filter(**condition))
    assert not means(Filter(**condition), replace(SEEN, **other))


def test_all_conditions_must_be_met():
    assert means(Filter(user="anna", state="paused"))
    assert not means(Filter(user="anna", state="active"))


def test_all_means_all():
    assert means(Filter(all=True), replace(SEEN, user=None))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "nothing says which sessions are meant"),
        ({"all": False}, "nothing says which sessions are meant"),
        ({"all": True, "user": "anna"}, "not both"),
        ({"state": "expired"}, "pending"),
        ({"older_than": -1}, "greater than or equal to 0"),
        ({"idle_for": float("nan")}, "finite"),
        ({"name": "anna"}, "Extra inputs"),
    ],
)
def test_a_filter_of_nothing_or_nonsense_is_refused(given, sentence):
    with pytest.raises(ValidationError, match=sentence):
        Filter(**given)


def test_zero_seconds_is_a_condition_too():
    assert means(Filter(idle_for=0), replace(SEEN, idle=0))
