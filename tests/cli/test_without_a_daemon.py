"""The commands that need no daemon: probe, doctor, and the help."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from hls_sessions.cli import app
from hls_sessions.cli.exits import Exit
from hls_sessions.ffmpeg import find


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_probe_shows_what_would_be_offered(hls_clip):
    film = hls_clip(seconds=5, size="852x480", rate="30000/1001")

    facts = json.loads(run("probe", str(film), "--json").stdout)

    assert facts["duration"] == pytest.approx(5, abs=0.1)
    assert facts["frame_rate"] == pytest.approx(29.97, abs=0.01)
    assert [rendition["id"] for rendition in facts["renditions"]] == ["video-480p", "video-360p", "audio-0"]


def test_probe_prints_a_table_for_people(hls_clip):
    shown = run("probe", str(hls_clip(seconds=5, size="160x90"))).stdout

    assert "video-90p" in shown
    assert "160x90" in shown


@pytest.mark.parametrize("content", [b"", b"Once upon a time", None])
def test_probe_says_what_cannot_be_played(tmp_path, content):
    path = tmp_path / "film.mp4"
    if content is not None:
        path.write_bytes(content)

    probed = run("probe", str(path))

    assert probed.exit_code == Exit.NO_MEDIA
    assert "film.mp4" in probed.stderr


def test_doctor_tells_which_ffmpeg_there_is_and_what_it_can_do():
    found = json.loads(run("doctor", "--json").stdout)

    assert found["ffmpeg"] == find()
    assert found["version"]
    assert found["start_up_ms"] > 0
    assert found["segment_times"] in {"from zero", "from the first packet"}
    assert found["encoders"] == ["aac", "libx264"]
    assert found["faults"] == []


def test_doctor_fails_where_there_is_no_ffmpeg(tmp_path):
    missing = run("doctor", "--ffmpeg", str(tmp_path / "ffmpeg"))

    assert missing.exit_code == Exit.FAILED
    assert "No ffmpeg was found" in missing.stderr


def test_doctor_fails_where_segments_cannot_be_written(monkeypatch, tmp_path):
    monkeypatch.setenv("HLS_SESSIONS_SEGMENTS_DIR", str(tmp_path / "missing"))
    doctor = run("doctor")

    assert doctor.exit_code == Exit.FAILED
    assert "cannot be written to" in doctor.stdout


def test_help_names_every_command():
    shown = run("--help").stdout

    assert all(command in shown for command in ("serve", "start", "list", "info", "stop", "probe", "doctor"))


@pytest.mark.parametrize(
    ("name", "value"), [("HLS_SESSIONS_LOOK_AHEAD", "abc"), ("HLS_SESSIONS_CONFIG", "/nowhere/settings.toml")]
)
def test_a_setting_that_cannot_be_is_said_in_a_sentence(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    doctor = run("doctor")

    assert doctor.exit_code == Exit.USAGE
    assert doctor.stderr.startswith("hls-sessions: ")
