"""The check of a settings file, and the settings in effect with where they come from."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from hls_sessions.cli import app
from hls_sessions.settings import Settings


@pytest.fixture
def file(tmp_path):
    return tmp_path / "settings.toml"


def run(*arguments: str, **environment: str):
    return CliRunner().invoke(app, ["config", *arguments], env=environment, catch_exceptions=False)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (b"idle_timeout = -1\n", ["1: idle_timeout: Input should be greater than 0."]),
        (
            b"# mine\nidel_timeout = 5\n\n  'look_ahead'=\"x\"\n",
            [
                "2: idel_timeout: there is no such setting (did you mean idle_timeout?).",
                "4: look_ahead: Input should be a valid number, unable to parse string as a number.",
            ],
        ),
        (b"port = 1\n[web]\nport = 1\n", ["2: web: there is no such setting."]),
        (b"media = [1]\n", ["1: media.0: Input is not a valid path for <class 'pathlib.Path'>."]),
        (b"port = 1\nidle_timeout = \n", ["2: It is no TOML: Invalid value."]),
        (b"port = 1\nhost = '", ["2: It is no TOML: "]),
        (b"port = 1\n# caf\xe9\n", ["2: It is not UTF-8."]),
    ],
)
def test_each_fault_is_said_with_its_line(file, text, faults):
    file.write_bytes(text)

    checked = run(str(file))

    said = checked.stderr.splitlines()
    assert (checked.exit_code, checked.stdout, len(said)) == (2, "", len(faults))
    for line, fault in zip(said, faults, strict=True):
        assert line.startswith(f"hls-sessions: {file}:{fault}")


def test_a_file_without_faults_is_said_to_have_none(file):
    file.write_text('idle_timeout = 60\ntoken = "abc"\n')

    checked, told = run(str(file)), json.loads(run(str(file), "--json").stdout)

    assert (checked.exit_code, checked.stdout) == (0, f"{file}: 2 settings, no fault\n")
    assert told == {"file": str(file), "settings": {"idle_timeout": 60, "token": "hidden"}, "faults": []}


def test_faults_are_told_to_programs(file):
    file.write_text("bogus = 1\n")

    checked = run(str(file), "--json")

    assert (checked.exit_code, checked.stderr) == (2, "")
    assert json.loads(checked.stdout)["faults"] == [
        {"line": 1, "setting": "bogus", "sentence": "bogus: there is no such setting."}
    ]


def test_it_judges_the_file_alone(file):
    file.write_text("idle_timeout = 60\n")

    assert run(str(file), HLS_SESSIONS_LOOK_AHEAD="soon").exit_code == 0


def test_a_file_that_is_not_there_is_said(file):
    missing = run(str(file))

    assert (missing.exit_code, "No such file" in missing.stderr) == (2, True)


def test_the_settings_in_effect_are_shown_with_where_they_come_from(file):
    file.write_text('\ntoken = "abc"\nlook_ahead = 10\n')
    given = {"HLS_SESSIONS_CONFIG": str(file), "HLS_SESSIONS_LOOK_AHEAD": "12", "HLS_SESSIONS_MEDIA": "/a:/b"}

    rows = {row.split()[0]: row.split()[1:] for row in run(**given).stdout.splitlines()}
    told = json.loads(run("--json", **given).stdout)

    assert rows["look_ahead"] == ["12.0", "environment", "(HLS_SESSIONS_LOOK_AHEAD)"]
    assert rows["token"][0] == "hidden"
    assert rows["port"] == ["8642", "default"]
    assert told.keys() == Settings.model_fields.keys()
    assert told["token"] == {"value": "hidden", "from": "file", "line": 2}
    assert told["media"] == {"value": ["/a", "/b"], "from": "environment", "line": None}


def test_a_variable_that_is_no_setting_is_said_to_have_no_effect():
    shown = run(HLS_SESSIONS_IDEL_TIMEOUT="5", HLS_SESSIONS_URL="http://127.0.0.1:9")

    assert (
        "HLS_SESSIONS_IDEL_TIMEOUT has no effect: there is no such setting (did you mean idle_timeout?)."
        in shown.stderr
    )
    assert "HLS_SESSIONS_URL" not in shown.stderr
    assert shown.exit_code == 0


@pytest.mark.parametrize("text", ["bogus = 1\n", "idle_timeout = \n"])
def test_settings_that_cannot_be_are_no_settings_in_effect(file, text):
    file.write_text(text)

    shown = run(HLS_SESSIONS_CONFIG=str(file))

    assert (shown.exit_code, shown.stdout) == (2, "")
    assert f"{file}:1: " in shown.stderr
    assert run(HLS_SESSIONS_CONFIG="", HLS_SESSIONS_PORT="x").exit_code == 2
