"""Settings over HTTP: seen by every caller that has the token, and changed while the daemon runs."""

from __future__ import annotations

import httpx
import pytest


def test_settings_are_shown_and_which_of_them_may_change(http, media):
    found = http.get("/settings").json()

    assert found["settings"]["idle_timeout"] == 1800
    assert found["settings"]["media"][0] == str(media)
    assert "idle_timeout" in found["changeable"]
    assert "port" not in found["changeable"]


def test_settings_are_changed_for_sessions_that_are_open(http, session):
    answer = http.patch("/settings", json={"idle_timeout": 60, "max_encoders": 3})

    assert {name: answer.json()["settings"][name] for name in ("idle_timeout", "max_encoders")} == {
        "idle_timeout": 60,
        "max_encoders": 3,
    }
    assert http.get(f"/sessions/{session['session_id']}").json()["idle_timeout"] == 60


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"idle_timeout": 60, "port": 1}, {"port": "it cannot change while the supervisor runs"}),
        ({"idle_timeout": 60, "bogus": 1}, {"bogus": "there is no such setting"}),
        ({"func": 1, "self": 1}, dict.fromkeys(("func", "self"), "there is no such setting")),
        ({"idle_timeout": -1}, {"idle_timeout": "Input should be greater than 0"}),
    ],
)
def test_a_refused_setting_is_named_and_changes_nothing(http, changes, faults):
    before = http.get("/settings").json()

    refused = http.patch("/settings", json=changes)

    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/settings-refused")
    assert refused.json()["faults"] == faults
    assert http.get("/settings").json() == before


def test_a_setting_whose_name_is_no_text_is_refused_like_any_other(http):
    answer = http.patch("/settings", content=r'{"no text \udcff": 1}', headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/settings-refused")
    assert answer.json()["faults"] == {"no text \udcff": "there is no such setting"}


@pytest.mark.parametrize("body", ["[]", "1", "{", ""])
def test_a_body_that_is_no_object_is_malformed(http, body):
    refused = http.patch("/settings", content=body, headers={"Content-Type": "application/json"})

    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/malformed-request")


def test_the_token_is_shown_to_nobody_and_nobody_without_it_sees_or_changes_settings(start_daemon):
    guarded = start_daemon("--token", "sesame")

    with httpx.Client(base_url=guarded.url, headers={"Authorization": "Bearer sesame"}, trust_env=False) as http:
        shown = http.get("/settings")

    assert shown.json()["settings"]["token"] == "hidden"
    assert "sesame" not in shown.text
    assert guarded.http.get("/settings").status_code == 401
    assert guarded.http.patch("/settings", json={"idle_timeout": 60}).status_code == 401
