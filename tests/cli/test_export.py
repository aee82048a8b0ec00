"""A film becomes a file from the command line."""

from __future__ import annotations

import json
import subprocess

import httpx
import pytest

from hls_sessions.cli.exits import Exit
from hls_sessions.ffmpeg import find


def plays(path) -> bool:
    command = [find(), "-v", "error", "-i", str(path), "-f", "null", "-"]
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stderr == b""


def test_a_file_becomes_one_that_every_phone_plays_and_no_session_is_left(run, daemon, film, tmp_path):
    done = run("export", str(film), "-o", str(tmp_path / "film.mp4"))

    assert (done.returncode, done.stdout) == (0, f"wrote {tmp_path / 'film.mp4'}\n")
    assert plays(tmp_path / "film.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]
    assert daemon.http.get("/sessions").json() == []


def test_a_session_is_exported_and_goes_on(run, daemon, film, tmp_path):
    session = daemon.open(film)["session_id"]

    done = run("export", session[:8], "-o", str(tmp_path / "film.mp4"), "--audio", "audio-0", "--json")

    assert json.loads(done.stdout) == {
        "file": str(tmp_path / "film.mp4"),
        "bytes": (tmp_path / "film.mp4").stat().st_size,
    }
    assert [each["session_id"] for each in daemon.http.get("/sessions").json()] == [session]


def test_one_that_was_begun_is_gone_on_with(run, daemon, film, tmp_path):
    session = daemon.open(film)["session_id"]
    with httpx.stream("GET", f"{daemon.url}/sessions/{session}/download") as answer:
        begun = next(answer.iter_bytes(20_000))
        tag = answer.headers["etag"].strip('"')
    (tmp_path / f"film.mp4.{tag}.part").write_bytes(begun)

    run("export", session, "-o", str(tmp_path / "film.mp4"))

    [told] = daemon.http.get(f"/sessions/{session}/downloads").json()
    assert (told["etag"], told["bytes"]) == (tag, (tmp_path / "film.mp4").stat().st_size)
    assert plays(tmp_path / "film.mp4")


def test_one_of_which_nothing_is_known_any_more_is_made_from_its_beginning(run, daemon, film, tmp_path):
    session = daemon.open(film)["session_id"]
    (tmp_path / f"film.mp4.{'0' * 32}.part").write_bytes(b"of another film" * 1000)

    run("export", session, "-o", str(tmp_path / "film.mp4"))

    assert plays(tmp_path / "film.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["missing.mkv"], Exit.NO_MEDIA),
        (["00000000-0000-4000-8000-000000000000"], Exit.NO_SESSION),
        (["{film}", "--rendition", "video-9p"], Exit.FAILED),
        (["{film}", "-o", "/nowhere/film.mp4"], Exit.FAILED),
    ],
)
def test_what_cannot_be_exported_is_said_and_leaves_nothing(run, daemon, film, tmp_path, monkeypatch, arguments, code):
    monkeypatch.chdir(tmp_path)

    done = run("export", *(argument.format(film=film) for argument in arguments))

    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("hls-sessions: ")
    assert list(tmp_path.iterdir()) == []
    assert daemon.http.get("/sessions").json() == []
