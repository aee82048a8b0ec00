"""The daemon's life: it says when it is ready, and leaves nothing, whichever way it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading

import pytest

from hls_sessions.ffmpeg import ProcessId
from hls_sessions.testing import hanging_ffmpeg, session_directories


@pytest.fixture
def film(hls_clip):
    return hls_clip(seconds=30, size="640x360")


def encoders(daemon, session) -> list[ProcessId]:
    """Ask for a segment, and return the encoders that run then."""
    base = f"/sessions/{session['session_id']}"
    assert daemon.http.get(f"{base}/video-360p/0.m4s").is_success
    runs = daemon.http.get(base).json()["runs"]
    return [identity for run in runs if (identity := ProcessId.of(run["pid"]))]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_well_and_leaves_no_process_and_no_directory(
    start_daemon, film, hls_segments_dir, number, until
):
    daemon = start_daemon()
    running = encoders(daemon, daemon.open(film))

    assert daemon.stop(number) == 0
    until(lambda: not any(process.is_running() for process in running))
    assert session_directories(hls_segments_dir) == set()


def test_a_signal_answers_the_players_that_wait(start_daemon, film, tmp_path, until):
    daemon = start_daemon("--ffmpeg", str(hanging_ffmpeg(tmp_path)))
    base = f"/sessions/{daemon.open(film)['session_id']}"
    answers = []
    player = threading.Thread(target=lambda: answers.append(daemon.http.get(f"{base}/video-360p/0.m4s")))
    player.start()
    until(lambda: daemon.http.get(base).json()["viewers_waiting"])

    assert daemon.stop() == 0
    player.join()
    assert [answer.status_code for answer in answers] == [503]
    assert answers[0].headers["retry-after"]


def test_killed_it_leaves_no_encoder_and_the_next_one_clears_its_directories_away(
    start_daemon, film, hls_segments_dir, until
):
    first = start_daemon()
    running = encoders(first, first.open(film))
    stranger = hls_segments_dir / "a stranger's"
    stranger.mkdir()

    first.stop(signal.SIGKILL)

    until(lambda: not any(process.is_running() for process in running))
    assert len(session_directories(hls_segments_dir)) == 1
    second = start_daemon()
    assert session_directories(hls_segments_dir) == set()
    assert stranger.is_dir()
    assert second.http.get("/sessions").json() == []


def test_two_daemons_may_share_a_segments_directory(start_daemon, film, hls_segments_dir):
    first = start_daemon()
    session = first.open(film)

    start_daemon()

    assert session_directories(hls_segments_dir) == {session["session_id"]}
    assert first.http.get(f"/sessions/{session['session_id']}/video-360p/0.m4s").is_success


def serve(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hls_sessions", "serve", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_a_port_that_is_taken_is_said_and_nothing_is_started(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = serve("--media", str(tmp_path), "--port", str(taken.getsockname()[1]))

    assert refused.returncode == 1
    assert "cannot be listened on" in refused.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "No media root"),
        (["--media", "/nowhere"], "is not a folder"),
        (["--media", "/", "--port", "99999"], "port"),
        (["--media", "/", "--idle-timeout", "0"], "idle_timeout"),
        (["--media", "/", "--log-level", "bogus"], "bogus"),
    ],
)
def test_a_setting_that_cannot_be_is_a_usage_error(options, sentence):
    refused = serve(*options)

    assert refused.returncode == 2
    assert sentence in refused.stderr
    assert "Traceback" not in refused.stderr


def test_settings_come_from_the_environment_and_a_file(start_daemon, hls_clip, tmp_path):
    config = tmp_path / "settings.toml"
    config.write_text("idle_timeout = 120\nlook_ahead = 10\n")
    film = hls_clip(size="160x90")

    from_file = start_daemon(HLS_SESSIONS_CONFIG=str(config)).open(film)
    from_environment = start_daemon(HLS_SESSIONS_CONFIG=str(config), HLS_SESSIONS_IDLE_TIMEOUT="240").open(film)
    from_option = start_daemon("--idle-timeout", "360", HLS_SESSIONS_IDLE_TIMEOUT="240").open(film)

    assert [s["idle_timeout"] for s in (from_file, from_environment, from_option)] == [120, 240, 360]
