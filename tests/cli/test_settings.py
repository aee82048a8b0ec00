"""Settings that change while the daemon runs: by call, by SIGHUP and by changing the file."""

from __future__ import annotations

import json
import signal

import pytest


def setting(daemon, name):
    return daemon.http.get("/settings").json()["settings"][name]


# ---- by call


def test_settings_are_shown_and_changed(run, daemon):
    shown = run("settings")
    changed = run("settings", "set", "idle_timeout=60", "max-encoders=3", "--json")
    back = run("settings", "set", "max_encoders=none")

    rows = {row.split()[0]: row.split()[1:] for row in shown.stdout.splitlines()}
    assert rows["idle_timeout"] == ["1800.0", "can", "change"]
    assert rows["token"] == ["-"]
    assert json.loads(changed.stdout) | {"settings": {}} == daemon.http.get("/settings").json() | {"settings": {}}
    assert (changed.returncode, back.returncode) == (0, 0)
    assert (setting(daemon, "idle_timeout"), setting(daemon, "max_encoders")) == (60, None)


def test_times_may_be_typed_as_durations(run, daemon):
    run("settings", "set", "idle_timeout=1h30m", "max_sessions=7")

    assert (setting(daemon, "idle_timeout"), setting(daemon, "max_sessions")) == (5400, 7)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["set", "idle_timeout=soon"], 2, "idle_timeout: Input should be a valid number"),
        (["set", "idle_timeout=NaN"], 2, "idle_timeout: Input should be a finite number"),
        (["set", "port=1"], 2, "port: it cannot change while the supervisor runs"),
        (["set", "bogus=1"], 2, "bogus: there is no such setting"),
        (["set", "idle_timeout"], 2, "'idle_timeout' is not of the form NAME=VALUE."),
        (["set"], 2, 'Type "settings", or "settings set NAME=VALUE".'),
        (["idle_timeout=5"], 2, 'Type "settings", or "settings set NAME=VALUE".'),
    ],
)
def test_a_refused_change_has_a_sentence_and_changes_nothing(run, daemon, arguments, code, sentence):
    before = daemon.http.get("/settings").json()

    refused = run("settings", *arguments)

    assert sentence in refused.stderr
    assert (refused.returncode, refused.stdout) == (code, "")
    assert daemon.http.get("/settings").json() == before


# ---- by the file


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text("idle_timeout = 120\n")
    return file


@pytest.fixture
def with_file(start_daemon, file):
    return start_daemon("--log-level", "info", HLS_SESSIONS_CONFIG=str(file))


def test_a_file_that_is_changed_is_read_again(with_file, film, file, until):
    own, default = with_file.open(film, idle_timeout=900), with_file.open(film)

    file.write_text("idle_timeout = 240\nlook_ahead = 10\n")

    until(lambda: setting(with_file, "idle_timeout") == 240)
    assert setting(with_file, "look_ahead") == 10
    ids = (own["session_id"], default["session_id"])
    assert [with_file.http.get(f"/sessions/{id_}").json()["idle_timeout"] for id_ in ids] == [900, 240]


def test_a_hangup_has_the_file_read_again_and_undoes_changes_by_call(with_file, until):
    with_file.http.patch("/settings", json={"idle_timeout": 60}).raise_for_status()

    with_file.process.send_signal(signal.SIGHUP)

    until(lambda: setting(with_file, "idle_timeout") == 120)


BAD = {
    "idle_timeout = \n": "The settings cannot be read",
    "idle_timeout = -1\n": "idle_timeout: Input should be greater than 0",
    "idle_timeout = 60\ncopy_streams = false\n": "copy_streams: it cannot change while the supervisor runs",
    "idle_timeout = 60\nbogus = 1\n": "bogus: there is no such setting",
}
"""Texts of a settings file, each with the reason why it is refused."""


def test_a_bad_file_is_refused_and_nothing_changes(start_daemon, file, capfd, until):
    daemon = start_daemon(HLS_SESSIONS_CONFIG=str(file))
    before = daemon.http.get("/settings").json()

    for text, sentence in BAD.items():
        said = []
        file.write_text(text)

        until(lambda said=said: said.append(capfd.readouterr().err) or "file is refused" in "".join(said))
        assert sentence in "".join(said)
        assert "Traceback" not in "".join(said)
        assert daemon.http.get("/settings").json() == before


def test_options_and_the_environment_go_before_a_file_that_is_read_again(start_daemon, file, until):
    daemon = start_daemon("--idle-timeout", "77", HLS_SESSIONS_CONFIG=str(file), HLS_SESSIONS_LOOK_AHEAD="7")

    file.write_text("idle_timeout = 240\nlook_ahead = 10\nstuck_after = 99\n")

    until(lambda: setting(daemon, "stuck_after") == 99)
    assert (setting(daemon, "idle_timeout"), setting(daemon, "look_ahead")) == (77, 7)
