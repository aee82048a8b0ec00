"""The commands as an operator types them, against a running daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from streams import SOURCES, stream

from hls_sessions.cli.exits import Exit
from hls_sessions.testing import failing_ffmpeg


def test_start_prints_where_to_watch(type_, daemon, film):
    started = type_("start", str(film), "--user", "anna")

    [session] = daemon.http.get("/sessions").json()
    assert started.returncode == 0
    assert session["user"] == "anna"
    assert f"{daemon.url}{session['playlist_url']}" in started.stdout
    assert f"{daemon.url}{session['player_url']}" in started.stdout


def test_list_shows_a_row_for_every_session(type_, daemon, film):
    ids = [daemon.open(film, user=user)["session_id"] for user in ("anna", "ben")]

    rows = type_("list").stdout.splitlines()

    assert rows[0].split()[:4] == ["ID", "STATE", "USER", "MEDIA"]
    assert [row.split()[:4] for row in rows[1:]] == [
        [ids[0], "active", "anna", film.name],
        [ids[1], "active", "ben", film.name],
    ]


def test_info_shows_the_renditions_and_accepts_the_first_characters_of_an_id(run, daemon, film):
    session = daemon.open(film)

    shown = run("info", session["session_id"][:8])

    assert shown.returncode == 0
    assert session["session_id"] in shown.stdout
    assert "video-90p" in shown.stdout
    assert "0 of 5" in shown.stdout


def test_info_tells_what_a_viewer_has_waited_for_phase_by_phase(type_, daemon, film):
    session = daemon.open(film)
    assert daemon.http.get(f"/sessions/{session['session_id']}/video-90p/0.m4s").is_success

    [line] = [line for line in type_("info", session["session_id"]).stdout.splitlines() if "first awaited" in line]

    assert "video-90p 0 after" in line
    assert line.index("probe ") < line.index("request ") < line.index("fork ") < line.index("publish ")


def test_json_is_what_the_api_answers(run, daemon, film):
    session = daemon.open(film)

    listed = json.loads(run("list", "--json").stdout)
    info = json.loads(run("info", session["session_id"], "--json").stdout)
    started = json.loads(run("start", film.name, "--json").stdout)

    assert [found["session_id"] for found in listed] == [session["session_id"]]
    assert info.keys() == started.keys() == session.keys()


def test_history_shows_every_step_also_of_a_session_that_has_ended(run, daemon, film):
    session = daemon.open(film)["session_id"]
    run("stop", session)

    rows = run("history", session).stdout.splitlines()
    steps = json.loads(run("history", session, "--json").stdout)

    assert [row.split()[1:4] for row in rows[1:]] == [
        ["pending", "active", "session"],
        ["active", "completed", "viewer"],
    ]
    assert [step["step"] for step in steps] == ["start", "complete"]


def test_log_shows_how_the_encoders_of_a_session_ended_and_what_they_said(run, start_daemon, tmp_path, hls_clip):
    double = failing_ffmpeg(tmp_path, times=1, says="Out of tea")
    daemon = start_daemon(HLS_SESSIONS_FFMPEG=str(double))
    session = daemon.open(hls_clip(size="160x90", seconds=3))["session_id"]
    daemon.http.get(f"/sessions/{session}/video-90p/0.m4s")

    [said, ended, *_] = run("log", session[:8], "--url", daemon.url).stdout.splitlines()
    [entry, *_] = json.loads(run("log", session, "--json", "--url", daemon.url).stdout)

    assert said.endswith("  video-90p run 1  Out of tea")
    assert ended.endswith("  video-90p run 1  (ended with exit code 1)")
    assert (entry["process"], entry["lines"]) == ("video-90p run 1", ["Out of tea"])
    assert run("log", session, "--rendition", "audio-0", "--url", daemon.url).stdout == ""
    of_video = run("log", session, "--rendition", "video-90p", "--url", daemon.url).stdout
    assert "Out of tea" in of_video


def test_log_that_is_followed_prints_an_object_per_line_for_programs(type_, start_daemon, tmp_path, hls_clip):
    daemon = start_daemon(HLS_SESSIONS_FFMPEG=str(failing_ffmpeg(tmp_path, times=1, says="Out of tea")))
    session = daemon.open(hls_clip(size="160x90", seconds=3))["session_id"]
    daemon.http.get(f"/sessions/{session}/video-90p/0.m4s")
    command = [sys.executable, "-m", "hls_sessions", "log", session, "--follow", "--json", "--url", daemon.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as log:
        first = json.loads(log.stdout.readline())
        daemon.http.delete(f"/sessions/{session}")
        others = [json.loads(line) for line in log.stdout]

    assert (first["process"], first["line"]) == ("video-90p run 1", "Out of tea")
    assert others[0]["line"] == "(ended with exit code 1)"


def test_pause_and_resume_say_what_they_did(run, daemon, film):
    session = daemon.open(film)["session_id"]

    paused = run("pause", session[:8], "--position", "3")
    refused = run("pause", session)
    resumed = run("resume", session[:8])

    assert paused.stdout == f"paused {session} at 0:03\n"
    assert (refused.returncode, refused.stderr) == (1, "hls-sessions: A session that is paused cannot pause.\n")
    assert resumed.returncode == 0
    assert session in resumed.stdout


def test_a_snapshot_in_a_file_is_resumed_when_its_session_is_gone(run, daemon, film, tmp_path):
    session = daemon.open(film, user="anna")["session_id"]
    file = tmp_path / "snapshot.json"
    file.write_text(run("pause", session, "--json").stdout)
    run("stop", session)

    resumed = json.loads(run("resume", "--snapshot", str(file), "--json").stdout)

    assert (resumed["user"], resumed["media"]) == ("anna", str(film))
    assert resumed["session_id"] != session


def test_events_are_printed_until_the_session_ends(daemon, film):
    session = daemon.open(film)["session_id"]
    base, command = f"/sessions/{session}", [sys.executable, "-m", "hls_sessions", "events", session[:8]]
    environment = os.environ | {"HLS_SESSIONS_URL": daemon.url}
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as people,
        subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, text=True, env=environment) as programs,
    ):
        lines, objects = [people.stdout.readline()], [programs.stdout.readline()]
        daemon.http.get(f"{base}/video-90p/1.m4s")
        daemon.http.delete(base)
        lines += people.stdout
        objects += programs.stdout

    told = [json.loads(line) for line in objects]
    assert (people.returncode, programs.returncode) == (0, 0)
    assert all(f"  {session}  {event['event']}  " in line for line, event in zip(lines, told, strict=True))
    assert {"session", "segment_ready", "state_changed", "ended"} == {event["event"] for event in told}
    assert told[0]["subscriber_count"] == 0  # a reader that looks on is no subscriber
    assert lines[0].endswith("session  is active\n")
    assert lines[-1].endswith("ended  its viewer or an operator stopped it\n")


def test_stop_ends_sessions_and_says_which(run, daemon, film):
    ids = [daemon.open(film)["session_id"] for _ in range(2)]

    stopped = run("stop", *ids, "--yes")

    assert stopped.returncode == 0
    assert stopped.stdout.splitlines() == [f"stopped {session}" for session in ids]
    assert daemon.http.get("/sessions").json() == []


def test_stop_goes_on_after_one_that_is_not_there(type_, daemon, film):
    session = daemon.open(film)["session_id"]

    stopped = type_("stop", "nothing", session, "-y")

    assert stopped.returncode == 3
    assert "There is no session 'nothing'." in stopped.stderr
    assert daemon.http.get("/sessions").json() == []


def test_stats_shows_the_figures(run, start_daemon, film):
    daemon = start_daemon()
    session = daemon.open(film)["session_id"]
    daemon.http.get(f"/sessions/{session}/video-90p/0.m4s").raise_for_status()

    shown = run("stats", "--url", daemon.url)

    lines = dict(line.split("  ", 1) for line in shown.stdout.splitlines())
    assert shown.returncode == 0
    assert lines["sessions"].strip() == "1 of 100 live (1%)"
    assert lines["by state"].strip() == "1 active"
    assert lines["by age"].strip() == "1 under 1 h"
    assert lines["oldest"].strip().startswith(session)
    assert lines["first segment"].strip().endswith("(1 viewers)")
    assert (
        json.loads(run("stats", "--url", daemon.url, "--json").stdout).keys() == daemon.http.get("/stats").json().keys()
    )


def test_stats_of_a_daemon_that_has_done_nothing_yet(run, start_daemon):
    shown = run("stats", "--url", start_daemon().url)

    assert shown.returncode == 0
    assert "0 of 100 live (0%)" in shown.stdout


def test_health_says_how_the_daemon_is(run, daemon):
    shown = run("health")

    assert shown.returncode == 0
    assert shown.stdout.split()[:2] == ["status", daemon.http.get("/health").json()["status"]]
    assert json.loads(run("health", "--json").stdout).keys() == daemon.http.get("/health").json().keys()


def test_health_that_is_critical_is_an_exit_code(type_, daemon, film):
    daemon.http.patch("/settings", json={"max_sessions": 1}).raise_for_status()
    daemon.open(film)

    shown = type_("health")

    assert shown.returncode == 1
    assert "1 of 1 sessions are open." in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["stop", ""], 2, "An empty id is no session's."),
        (["info", "../health"], 3, "There is no session '../health'."),
        (["info", "a b/c?d#"], 3, "There is no session 'a b/c?d#'."),
        (["info", "no-such-session"], 3, "There is no session 'no-such-session'."),
        (["info", "no text \udcff"], 3, "There is no session 'no text \\udcff'."),
        (["list", "--user", "no text \udcff"], 2, "'no text \\udcff' is no text."),
        (["resume"], 2, "Name a session, or a snapshot."),
        (["resume", "--snapshot", __file__], 2, "is no snapshot"),
        (["events", "no-such-session"], 3, "There is no session 'no-such-session'."),
        (["events", "--url", "http://127.0.0.1:9"], 5, "cannot be reached"),
        (["pause", "no-such-session"], 3, "There is no session 'no-such-session'."),
        (["start", "missing.mp4"], 4, "There is no file 'missing.mp4' under the media roots."),
        (["start", "/etc/passwd"], 4, "outside the media roots"),
        (["list", "--url", "http://127.0.0.1:9"], 5, "cannot be reached"),
        (["list", "--url", "http://[::1"], 2, "is not an address"),
        (["list", "--url", "no address"], 5, "no address"),
        (["start", "film.mp4", "--start-at", "inf"], 2, "start_at: Input should be a finite number"),
        (["start", "no text \udcff.mp4"], 4, "There is no file 'no text \\udcff.mp4' under the media roots."),
        (["start"], 2, "Missing argument"),
        (["no-such-command"], 2, "No such command"),
        (["list", "--state", "bogus"], 2, "'pending', 'active', 'paused'"),
        (["list", "--watch"], 2, "events --json"),
        (["top"], 2, "top needs a terminal"),
        (["list", "--url", "http://127.0.0.1:9"], 5, "Is it running? Start it with hls-sessions serve --media FOLDER"),
        (["info", "no-such-session"], 3, "hls-sessions list shows those that are open."),
        (["start", "missing.mp4"], 4, "hls-sessions settings shows the media roots."),
        (["download", "no-such-recording"], 3, "hls-sessions recordings shows those that are kept."),
        (["download", "5d0e", "-o", "-", "--json"], 2, "not both"),
        (["stop", "7f3a", "91cc"], 2, "--yes ends them without a question"),
        (["stop", "--all"], 2, "--yes ends them without a question"),
    ],
)
def test_a_failure_has_a_sentence_and_an_exit_code(run, arguments, code, sentence):
    failed = run(*arguments)

    assert sentence in failed.stderr
    assert failed.returncode == code
    assert failed.stdout == ""


def test_a_name_that_is_no_text_is_refused_in_a_sentence_of_a_process_too(type_):
    failed = type_("info", "no text \udcff")

    assert failed.stderr.startswith("hls-sessions: There is no session 'no text \\udcff'. hls-sessions list shows")
    assert (failed.returncode, failed.stdout) == (3, "")


def test_a_guarded_daemon_wants_its_token(start_daemon):
    url = start_daemon("--token", "secret").url
    command = [sys.executable, "-m", "hls_sessions", "list", "--url", url]

    refused = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    listed = subprocess.run([*command, "--token", "secret"], capture_output=True, text=True, timeout=30, check=False)

    assert (refused.returncode, listed.returncode) == (6, 0)
    assert "Give it with --token, or in HLS_SESSIONS_TOKEN." in refused.stderr


def test_a_token_need_not_be_ascii(start_daemon):
    url = start_daemon("--token", "sésame").url
    command = [sys.executable, "-m", "hls_sessions", "list", "--url", url, "--token"]

    refused = subprocess.run([*command, "sèsame"], capture_output=True, text=True, timeout=30, check=False)
    listed = subprocess.run([*command, "sésame"], capture_output=True, text=True, timeout=30, check=False)

    assert (refused.returncode, listed.returncode) == (6, 0)


def test_a_full_daemon_is_an_exit_code_and_a_place(run, daemon, film):
    daemon.http.patch("/settings", json={"max_sessions": 1}).raise_for_status()
    daemon.open(film, user="anna")

    full = run("start", str(film), "--user", "ben")

    assert full.returncode == 7
    assert "There is no room for another session (max_sessions is 1): number 1 in the queue" in full.stderr


def test_a_file_is_recorded_listed_and_fetched(daemon, run, tmp_path):
    data = stream(tmp_path, SOURCES["H.264 and AAC in Matroska"])
    film = tmp_path / "sent.mkv"
    film.write_bytes(data)

    recorded = json.loads(run("record", str(film), "--title", "At the lake", "--json").stdout)
    listed = json.loads(run("recordings", "--json").stdout)
    assert (listed[-1]["id"], listed[-1]["title"]) == (recorded["session_id"], "At the lake")
    assert "At the lake" in run("recordings").stdout
    run("download", recorded["session_id"][:8], "-o", str(tmp_path / "fetched.mkv"))
    assert (tmp_path / "fetched.mkv").read_bytes() == data
    run("download", recorded["session_id"], "--kind", "audio", "-o", str(tmp_path / "sound.m4a"))
    assert (tmp_path / "sound.m4a").read_bytes()[4:8] == b"ftyp"
    told = run("download", recorded["session_id"], "-o", str(tmp_path / "again.mkv"), "--json")
    assert json.loads(told.stdout)["bytes"] == len(data)
    assert run("download", recorded["session_id"], "--part", "9").returncode == Exit.FAILED
    assert run("download", recorded["session_id"], "-o", "/nowhere/file").returncode == Exit.FAILED
    assert run("record", str(tmp_path / "nothing")).returncode == Exit.NO_MEDIA
    daemon.http.delete(f"/recordings/{recorded['session_id']}")


def test_the_guide_is_listed_and_shown(run):
    listed = run("guide").stdout
    page = run("guide", "pages")
    nothing = run("guide", "cooking")

    assert "pages" in listed
    assert page.stdout.startswith("# The pages\n")
    assert json.loads(run("guide", "--json").stdout)[0].keys() == {"page", "about"}
    assert json.loads(run("guide", "pages", "--json").stdout)["text"] == page.stdout
    assert (nothing.returncode, "Its pages are" in nothing.stderr) == (Exit.USAGE, True)
