"""The commands that need no daemon: probe, doctor, and the help."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from typer.testing import CliRunner

from hls_sessions.cli import app
from hls_sessions.cli.exits import Exit
from hls_sessions.ffmpeg import ENCODERS, find
from hls_sessions.testing import nvenc_ffmpeg


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_probe_shows_a_file_whose_name_is_no_utf_8(hls_clip, tmp_path):
    film = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    film.write_bytes(hls_clip(seconds=1.0, size="160x90").read_bytes())

    assert "caf%E9.mp4" in run("probe", str(film)).stdout
    assert json.loads(run("probe", str(film), "--json").stdout)["media"].endswith("caf%E9.mp4")


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
def test_probe_says_which_files_cannot_be_played(tmp_path, content):
    path = tmp_path / "film.mp4"
    if content is not None:
        path.write_bytes(content)

    probed = run("probe", str(path))

    assert probed.exit_code == Exit.NO_MEDIA
    assert "film.mp4" in probed.stderr


def test_an_address_of_ipv6_is_spelt_as_in_a_url(monkeypatch):
    monkeypatch.setenv("HLS_SESSIONS_HOST", "::1")
    monkeypatch.setenv("HLS_SESSIONS_PORT", "9")

    failed = run("list")

    assert failed.exit_code == Exit.NO_DAEMON
    assert "The daemon at http://[::1]:9 cannot be reached" in failed.stderr


def test_doctor_tells_which_ffmpeg_there_is_and_what_it_can_do():
    found = json.loads(run("doctor", "--json").stdout)

    assert found["ffmpeg"] == find()
    assert found["version"]
    assert found["start_up_ms"] > 0
    assert found["segment_times"] in {"from zero", "from the first packet"}
    assert found["encoders"] == ["aac", "libx264"]
    assert found["faults"] == []
    timed = {each["path"]: each for each in found["candidates"]}
    assert timed[find()]["fault"] is None
    assert all(each["first_segment_ms"] > each["start_up_ms"] for each in timed.values())


def test_doctor_says_what_the_sandbox_refuses_here_and_which_holes_this_ffmpeg_has(tmp_path):
    old = tmp_path / "ffmpeg"
    old.write_text(f'#!/bin/sh\n{find()} "$@" | sed "s/^ffmpeg version [^ ]*/ffmpeg version 5.1.9/"\n')
    old.chmod(0o755)
    found = json.loads(run("doctor", "--ffmpeg", str(old), "--json").stdout)

    assert found["sandbox"] in {"network only (seccomp)", "none"}
    assert any("is a script" in line for line in found["advice"]) or found["sandbox"] == "none"
    assert any("CVE-2026-8461" in line for line in found["advice"])


def test_doctor_fails_where_the_sandbox_is_required_and_does_not_hold(tmp_path, monkeypatch):
    monkeypatch.setenv("HLS_SESSIONS_SANDBOX", "require")
    doctor = run("doctor", "--ffmpeg", str(nvenc_ffmpeg(tmp_path)), "--json")

    assert doctor.exit_code == Exit.FAILED
    assert any("The sandbox is required" in fault for fault in json.loads(doctor.stdout)["faults"])


def test_doctor_tries_every_encoder_and_says_which_is_chosen(tmp_path):
    found = json.loads(run("doctor", "--ffmpeg", str(nvenc_ffmpeg(tmp_path)), "--json").stdout)

    assert found["encoder"] == "h264_nvenc"
    assert [tried["name"] for tried in found["video_encoders"]] == [encoder.name for encoder in ENCODERS]
    faults = {tried["name"]: tried["fault"] for tried in found["video_encoders"]}
    assert (faults["h264_nvenc"], faults["libx264"]) == (None, None)
    assert all(faults[name] for name in ("h264_vaapi", "h264_videotoolbox"))


def test_doctor_prints_a_table_of_encoders_for_people(tmp_path):
    shown = run("doctor", "--ffmpeg", str(nvenc_ffmpeg(tmp_path))).stdout.splitlines()

    rows = {row.split()[0]: row for row in shown if row}
    assert rows["h264_nvenc"].split() == ["h264_nvenc", "NVENC", "yes", "chosen"]
    assert rows["libx264"].split() == ["libx264", "x264", "yes"]
    assert rows["h264_vaapi"].split()[1:3] == ["VAAPI", "no"]


@pytest.mark.parametrize(("name", "why"), [("h264_vaapi", "No VA display"), ("h266", "none of auto, h264_nvenc")])
def test_doctor_fails_where_the_encoder_that_is_set_does_not_work(monkeypatch, without_hardware, name, why):
    monkeypatch.setenv("HLS_SESSIONS_ENCODER", name)
    doctor = run("doctor", "--ffmpeg", without_hardware)

    assert doctor.exit_code == Exit.FAILED
    assert f"The encoder '{name}' cannot be used: " in doctor.stdout
    assert why in doctor.stdout


@pytest.mark.parametrize(("name", "why"), [("h264_vaapi", "No VA display"), ("h266", "none of auto, h264_nvenc")])
def test_serve_does_not_start_with_an_encoder_that_does_not_work(without_hardware, tmp_path, name, why):
    options = ("--media", str(tmp_path), "--port", "0", "--segments-dir", str(tmp_path / "segments"))
    served = run("serve", *options, "--ffmpeg", without_hardware, "--encoder", name)

    assert served.exit_code == Exit.FAILED
    assert served.stderr.startswith(f"hls-sessions: The encoder '{name}' cannot be used: ")
    assert why in served.stderr
    assert served.stdout == ""


@pytest.fixture
def without_hardware(tmp_path):
    """An ffmpeg on a machine without a card."""
    script = tmp_path / "ffmpeg"
    script.write_text(f"""#!/bin/sh
case "$*" in *h264_vaapi*) echo "No VA display found for device /dev/dri/renderD128." >&2; exit 1 ;; esac
exec {find()} "$@"
""")
    script.chmod(0o755)
    return str(script)


def test_doctor_fails_where_there_is_no_ffmpeg(tmp_path):
    missing = run("doctor", "--ffmpeg", str(tmp_path / "ffmpeg"))

    assert missing.exit_code == Exit.FAILED
    assert "No ffmpeg was found" in missing.stderr


def test_doctor_fails_where_segments_cannot_be_written(monkeypatch, tmp_path):
    monkeypatch.setenv("HLS_SESSIONS_SEGMENTS_DIR", str(tmp_path / "missing"))
    doctor = run("doctor")

    assert doctor.exit_code == Exit.FAILED
    assert "cannot be written to" in doctor.stdout


class Page(BaseHTTPRequestHandler):
    """Answers every path with a page."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<p>Hello")

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(("command", "code"), [("list", Exit.FAILED), ("events", Exit.NO_DAEMON)])
def test_a_server_that_is_no_daemon_is_not_taken_for_one(command, code):
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        failed = run(command, "--url", f"http://127.0.0.1:{server.server_port}")
        thread.join()

    assert failed.exit_code == code
    assert failed.stderr.startswith("hls-sessions: The daemon")


def test_the_command_line_loads_only_what_its_help_needs():
    heavy = ("httpx", "pydantic", "rich.console", "fastapi", "sqlalchemy", "av", "pykka")
    script = f"import sys, hls_sessions.cli; print(*[name for name in {heavy} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)

    assert loaded.stdout.split() == []


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
