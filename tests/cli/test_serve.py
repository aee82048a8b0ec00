"""The daemon: it says when it is ready, and leaves nothing, whichever way it ends."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from hls_sessions.cli import app
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


@pytest.fixture
def player():
    """Ask for something in a thread; returns a function that gives the answer."""
    with ThreadPoolExecutor(4) as threads:
        yield lambda daemon, path: threads.submit(daemon.http.get, path).result


def test_a_player_that_waits_when_it_is_signalled_gets_its_segment(start_daemon, film, paced, player, until):
    daemon = start_daemon("--ffmpeg", str(paced(1)), HLS_SESSIONS_SHUTDOWN_TIMEOUT="20")
    base = f"/sessions/{daemon.open(film)['session_id']}"
    answer = player(daemon, f"{base}/video-360p/9.m4s")
    until(lambda: daemon.http.get(base).json()["viewers_waiting"])

    assert daemon.stop() == 0
    assert answer(30).status_code == 200


def test_it_takes_no_session_and_ends_the_streams_while_a_player_waits(start_daemon, film, tmp_path, player, until):
    hanging = str(hanging_ffmpeg(tmp_path))
    daemon = start_daemon("--ffmpeg", hanging, HLS_SESSIONS_SHUTDOWN_TIMEOUT="60")
    base = f"/sessions/{daemon.open(film)['session_id']}"
    waits = player(daemon, f"{base}/video-360p/0.m4s")
    until(lambda: daemon.http.get(base).json()["viewers_waiting"])
    with daemon.http.stream("GET", "/events") as events:
        lines = events.iter_lines()
        next(lines)
        daemon.process.send_signal(signal.SIGTERM)
        assert "event: stopping" in list(lines)

    refused = daemon.http.post("/sessions", json={"media": str(film)})
    asked_late = daemon.http.get(f"{base}/video-360p/5.m4s")

    assert (refused.status_code, asked_late.status_code) == (503, 503)
    assert refused.json()["detail"] == "The supervisor is stopping."
    assert refused.headers["retry-after"]
    assert daemon.http.get(f"{base}/video-360p/index.m3u8").is_success
    # A second signal hurries: 60 seconds would fail the wait for its end.
    assert daemon.stop(signal.SIGTERM) == 128 + signal.SIGTERM
    assert waits(30).status_code == 503


def test_a_player_that_cannot_be_answered_in_time_is_told_to_come_again(start_daemon, film, tmp_path, player, until):
    hanging = str(hanging_ffmpeg(tmp_path))
    daemon = start_daemon("--ffmpeg", hanging, HLS_SESSIONS_SHUTDOWN_TIMEOUT="0.5")
    base = f"/sessions/{daemon.open(film)['session_id']}"
    answer = player(daemon, f"{base}/video-360p/0.m4s")
    until(lambda: daemon.http.get(base).json()["viewers_waiting"])

    assert daemon.stop() == 0
    assert answer(30).status_code == 503
    assert answer(30).headers["retry-after"]


def test_a_second_signal_still_leaves_the_sessions_to_the_next_daemon(start_daemon, film, tmp_path, player, until):
    hanging = str(hanging_ffmpeg(tmp_path))
    daemon = start_daemon("--ffmpeg", hanging, HLS_SESSIONS_SHUTDOWN_TIMEOUT="60", HLS_SESSIONS_DRAIN="false")
    session = daemon.open(film)
    base = f"/sessions/{session['session_id']}"
    answer = player(daemon, f"{base}/video-360p/0.m4s")
    until(lambda: daemon.http.get(base).json()["viewers_waiting"])
    [run] = daemon.http.get(base).json()["runs"]
    encoder = ProcessId.of(run["pid"])
    daemon.process.send_signal(signal.SIGTERM)
    until(lambda: daemon.http.post("/sessions", json={"media": str(film)}).status_code == 503)

    assert daemon.stop(signal.SIGINT) == 128 + signal.SIGINT

    assert answer(30).status_code == 503
    until(lambda: not encoder.is_running())
    assert start_daemon().http.get(f"{base}/video-360p/0.m4s").is_success


def test_killed_it_leaves_no_encoder_and_a_daemon_without_its_state_clears_its_directories_away_in_the_end(
    start_daemon, film, hls_segments_dir, until, tmp_path
):
    first = start_daemon()
    running = encoders(first, first.open(film))
    stranger = hls_segments_dir / "a stranger's"
    stranger.mkdir()

    first.stop(signal.SIGKILL)

    until(lambda: not any(process.is_running() for process in running))
    assert len(session_directories(hls_segments_dir)) == 1
    long_ago = time.time() - 3600
    for path in hls_segments_dir.rglob("*"):
        os.utime(path, (long_ago, long_ago))
    second = start_daemon("--state-dir", str(tmp_path / "another"))
    assert session_directories(hls_segments_dir) == set()
    assert stranger.is_dir()
    assert second.http.get("/sessions").json() == []


def test_two_daemons_may_share_a_segments_directory(start_daemon, film, hls_segments_dir):
    first = start_daemon()
    session = first.open(film)

    start_daemon()

    [directory] = session_directories(hls_segments_dir)
    assert directory == Path(session["directory"]).name
    assert first.http.get(f"/sessions/{session['session_id']}/video-360p/0.m4s").is_success


def test_one_whose_own_processes_crash_too_often_ends_with_a_word(tmp_path):
    script = """
import sys
from hls_sessions.cli import main
from hls_sessions.otp import Timers

def crash(timers):
    raise RuntimeError("the clock is broken")

def on_ready(url):
    Timers.fire = crash

sys.modules["hls_sessions.cli.serve"]._say_ready = on_ready
main()
"""
    command = [sys.executable, "-c", script, "serve", "--media", str(tmp_path), "--port", "0"]
    environment = os.environ | {"HLS_SESSIONS_REAP_INTERVAL": "0.2"}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)

    assert ended.returncode == 5
    assert "own processes crashed too often" in ended.stderr


HANGING = """
import sys, threading
from hls_sessions import Supervisor
from hls_sessions.cli import main

def stop(supervisor):
    print("stopping", flush=True)
    threading.Event().wait()

Supervisor.stop = stop
serve = sys.modules["hls_sessions.cli.serve"]
serve.SLACK = float(sys.argv.pop())
main()
"""


@pytest.mark.parametrize(
    ("slack", "signals", "code"),
    [(3600, [signal.SIGTERM, signal.SIGINT], 128 + signal.SIGINT), (0.1, [signal.SIGTERM], 1)],
)
def test_a_stop_that_hangs_is_cut_short_at_once_by_a_second_signal_and_in_the_end_without(
    tmp_path, slack, signals, code
):
    serving = ["serve", "--media", str(tmp_path), "--port", "0", "--segments-dir", str(tmp_path)]
    environment = os.environ | {"HLS_SESSIONS_SHUTDOWN_TIMEOUT": "0.1", "HLS_SESSIONS_ENCODER": "libx264"}
    with subprocess.Popen(
        [sys.executable, "-c", HANGING, *serving, str(slack)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as daemon:
        assert daemon.stdout.readline().startswith("hls-sessions ready")
        for number in signals:
            # One at a time: of two that are pending at once, the system chooses which is first.
            daemon.send_signal(number)
            if number is signals[0]:
                assert daemon.stdout.readline() == "stopping\n"
        _, said = daemon.communicate(timeout=30)

    assert daemon.returncode == code
    assert "The stop hangs, and is cut short." in said


def test_it_may_open_as_many_files_as_its_hard_limit_allows(start_daemon):
    soft, hard = resource.prlimit(start_daemon().process.pid, resource.RLIMIT_NOFILE)

    assert soft == min(hard, 65536)


def test_viewers_are_served_when_descriptors_are_there_again(start_daemon, film, until):
    daemon = start_daemon()
    base = f"/sessions/{daemon.open(film)['session_id']}"
    assert daemon.http.get(f"{base}/video-360p/0.m4s").is_success
    limits = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
    in_use = max(int(each.name) for each in Path(f"/proc/{daemon.process.pid}/fd").iterdir()) + 1

    with ThreadPoolExecutor(1) as viewers, httpx.Client(base_url=daemon.url, timeout=60, trust_env=False) as viewer:
        viewer.get("/health")  # it is connected from now on
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (in_use, limits[1]))
        last = viewers.submit(viewer.get, f"{base}/video-360p/14.m4s")
        until(lambda: any("file descriptors" in reason for reason in daemon.http.get("/health").json()["reasons"]))
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, limits)
        assert last.result(60).is_success

    assert daemon.http.get(base).json()["encoder_failures"] == 0


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
    refused = CliRunner().invoke(app, ["serve", *options], catch_exceptions=False)

    assert refused.exit_code == 2
    assert sentence in refused.stderr


def test_a_process_whose_setting_cannot_be_ends_without_a_traceback():
    refused = serve("--media", "/nowhere")

    assert refused.returncode == 2
    assert "is not a folder" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_settings_come_from_the_environment_and_a_file(start_daemon, hls_clip, tmp_path):
    config = tmp_path / "settings.toml"
    config.write_text("idle_timeout = 120\nlook_ahead = 10\n")
    film = hls_clip(size="160x90")

    from_file = start_daemon(HLS_SESSIONS_CONFIG=str(config)).open(film)
    from_environment = start_daemon(HLS_SESSIONS_CONFIG=str(config), HLS_SESSIONS_IDLE_TIMEOUT="240").open(film)
    from_option = start_daemon("--idle-timeout", "360", HLS_SESSIONS_IDLE_TIMEOUT="240").open(film)

    assert [s["idle_timeout"] for s in (from_file, from_environment, from_option)] == [120, 240, 360]


# ---- history and sessions that outlive it


def test_the_next_daemon_remembers_the_sessions_of_the_last(start_daemon, film, tmp_path):
    first = start_daemon()
    first.http.delete(f"/sessions/{first.open(film)['session_id']}")
    assert first.stop() == 0

    second = start_daemon()

    assert second.http.get("/stats").json()["by_state"]["completed"] == 1
    assert second.http.get("/health").json()["history"] == str(tmp_path / "state-home" / "hls_sessions" / "history.db")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_session_goes_on_in_the_next_daemon(start_daemon, film, number):
    first = start_daemon(HLS_SESSIONS_DRAIN="false")
    session = first.open(film)
    base = f"/sessions/{session['session_id']}"
    running = encoders(first, session)
    told = first.http.get(f"{base}/video-360p/index.m3u8").text
    assert first.http.get("/stats").json()["living"] == 1  # this waits until it is written
    assert first.stop(number) == (0 if number == signal.SIGTERM else -number)

    second = start_daemon()

    assert not any(process.is_running() for process in running)
    assert second.http.get(f"{base}/video-360p/index.m3u8").text == told
    assert second.http.get(f"{base}/video-360p/0.m4s").is_success
    assert second.http.get(f"{base}/video-360p/9.m4s").is_success
    assert [each["session_id"] for each in second.http.get("/sessions").json()] == [session["session_id"]]
    assert second.http.get(base).json()["restarts"]["daemon"] == 1


def test_a_second_daemon_in_the_default_folder_remembers_nothing_and_says_so(start_daemon, film, capfd):
    first = start_daemon()
    second = start_daemon()

    assert second.http.get("/health").json()["history"] == "memory"
    assert f"another daemon uses it (process {first.process.pid})" in capfd.readouterr().err
    assert second.open(film)["state"] == "active"


def test_a_daemon_without_a_home_remembers_nothing_and_says_so(start_daemon, tmp_path, capfd):
    (tmp_path / "file").touch()

    daemon = start_daemon(XDG_STATE_HOME=str(tmp_path / "file"))

    assert daemon.http.get("/health").json()["history"] == "memory"
    assert "The history is kept in memory" in capfd.readouterr().err


def test_a_state_folder_that_was_asked_for_must_be_usable(start_daemon, tmp_path):
    first = start_daemon("--state-dir", str(tmp_path / "state"))

    refused = serve("--media", str(tmp_path), "--port", "0", "--state-dir", str(tmp_path / "state"))

    assert refused.returncode == 1
    assert f"another daemon uses it (process {first.process.pid})" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_damaged_history_does_not_keep_a_daemon_from_starting(start_daemon, tmp_path, capfd):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "history.db").write_bytes(b"noise" * 1000)

    daemon = start_daemon("--state-dir", str(tmp_path / "state"))

    assert daemon.http.get("/health").status_code == 200
    assert "cannot be used: file is not a database. It was set aside as" in capfd.readouterr().err
