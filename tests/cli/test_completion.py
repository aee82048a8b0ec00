"""What the shells complete, asked as they ask: in a process, by variables of the environment."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

MAIN = "import sys; sys.argv[0] = 'hls-sessions'; from hls_sessions.cli import main; main()"


@pytest.fixture
def complete(daemon):
    """Return what a shell is told for a line that is typed so far."""

    def complete(line: str, shell: str = "bash", url: str = daemon.url) -> str:
        words = line.split()
        place = len(words) if line.endswith(" ") else len(words) - 1
        asked = {
            "_HLS_SESSIONS_COMPLETE": f"complete_{shell}",
            "COMP_WORDS": line,
            "COMP_CWORD": str(place),
            "_TYPER_COMPLETE_ARGS": line,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            "HLS_SESSIONS_URL": url,
        }
        done = subprocess.run(
            [sys.executable, "-c", MAIN],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env=os.environ | asked,
        )
        assert done.stderr == ""
        return done.stdout

    return complete


def test_ids_of_sessions_are_completed(complete, daemon, film):
    ids = [daemon.open(film, user=user)["session_id"] for user in ("anna", "ben")]

    assert complete("hls-sessions info ").split() == ids
    assert complete(f"hls-sessions pause {ids[0][:8]}").split() == [ids[0]]
    assert complete(f"hls-sessions stop {ids[0]} ").split() == [ids[1]]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("hls-sessions reco", ["record", "recordings"]),
        ("hls-sessions stop --state ", ["pending", "active", "paused"]),
        ("hls-sessions list --state pa", ["paused"]),
        ("hls-sessions guide op", ["operations"]),
        ("hls-sessions settings max_s", ["max_sessions=", "max_sessions_per_user="]),
        ("hls-sessions download --kind w", ["wav"]),
    ],
)
def test_words_are_completed(complete, line, words):
    assert complete(line).split() == words


def test_users_and_renditions_are_completed(complete, daemon, film):
    session = daemon.open(film, user="anna")["session_id"]

    assert complete("hls-sessions list --user an").split() == ["anna"]
    assert complete(f"hls-sessions log {session} --rendition vi").split() == ["video-90p"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_name_is_nothing_that_a_shell_evaluates(complete, daemon, hls_clip, shell):
    odd = r"""\"; $(touch x) `y` '&"""
    film = daemon.media / f"{odd}.mp4"
    film.write_bytes(hls_clip(seconds=5, size="160x90").read_bytes())
    session = daemon.open(film, user=odd)["session_id"]

    told = complete("hls-sessions info ", shell)

    assert session in told
    assert not set("$`\\&;") & set(told.replace("'*: :", ""))
    assert complete("hls-sessions stop --user ").split() == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "no address", "http://[::1"])
def test_without_a_daemon_nothing_is_completed_and_nothing_is_said(complete, url):
    assert complete("hls-sessions info ", url=url).strip() == ""
