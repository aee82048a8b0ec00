"""The settings, and those that may change while the supervisor runs."""

from __future__ import annotations

import pytest

from hls_sessions import Settings
from hls_sessions.errors import SettingsRefused


def test_settings_used_once_at_the_start_cannot_change_and_limits_and_times_can():
    assert {"idle_timeout", "look_ahead", "max_sessions", "max_encoders", "keep_failed"} <= Settings.changeable()
    assert Settings.changeable().isdisjoint({"media", "host", "port", "token", "segments_dir", "state_dir", "ffmpeg"})


def test_settings_are_changed_together_and_the_old_ones_stay_as_they_are():
    before = Settings(max_encoders=3)

    after = before.changed(idle_timeout="60", max_encoders=None)

    assert (after.idle_timeout, after.max_encoders, after.look_ahead) == (60, None, before.look_ahead)
    assert (before.idle_timeout, before.max_encoders) == (1800, 3)


def test_a_setting_that_stays_as_it_is_may_be_named():
    settings = Settings(port=9000)

    assert settings.changed(**settings.model_dump()) == settings


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"port": 1}, {"port": "it cannot change while the supervisor runs"}),
        ({"bogus": 1}, {"bogus": "there is no such setting"}),
        ({"idel-timeout": 1}, {"idel-timeout": "there is no such setting (did you mean idle_timeout?)"}),
        ({"self": 1, "_env_file": 1}, dict.fromkeys(("self", "_env_file"), "there is no such setting")),
        ({"idle_timeout": 0}, {"idle_timeout": "Input should be greater than 0"}),
        ({"idle_timeout": "inf"}, {"idle_timeout": "Input should be a finite number"}),
        ({"max_runs": None}, {"max_runs": "Input should be a valid integer"}),
        ({"max_runs": True}, {"max_runs": "Value error, it is neither true nor false"}),
        ({"token": ""}, {"token": "String should have at least 1 character"}),
    ],
)
def test_an_impossible_change_is_refused_by_name_and_with_it_all_the_rest(changes, faults):
    with pytest.raises(SettingsRefused) as refused:
        Settings().changed(look_ahead=5, **changes)

    assert refused.value.faults == faults
    assert all(name in str(refused.value) for name in faults)


def test_a_change_is_judged_without_the_environment_and_the_file(monkeypatch, tmp_path):
    settings = Settings()
    (tmp_path / "broken.toml").write_text("= = =")
    monkeypatch.setenv("HLS_SESSIONS_CONFIG", str(tmp_path / "broken.toml"))
    monkeypatch.setenv("HLS_SESSIONS_LOOK_AHEAD", "7")

    assert settings.changed(idle_timeout=60).look_ahead == 30


def test_the_token_is_read_as_text_and_shown_nowhere(monkeypatch, tmp_path):
    (tmp_path / "settings.toml").write_text('token = "from the file"\n')
    monkeypatch.setenv("HLS_SESSIONS_CONFIG", str(tmp_path / "settings.toml"))
    from_file = Settings()
    monkeypatch.setenv("HLS_SESSIONS_TOKEN", "from the environment")
    from_environment = Settings()

    assert [each.token.get_secret_value() for each in (from_file, from_environment, Settings(token="given"))] == [
        "from the file",
        "from the environment",
        "given",
    ]
    assert "from the file" not in f"{from_file!r} {from_file} {from_file.model_dump()} {from_file.model_dump_json()}"
    assert from_file.model_dump(mode="json")["token"] == "hidden"
    assert Settings(token=None).model_dump(mode="json")["token"] is None
