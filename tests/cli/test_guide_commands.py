"""Every command that the guide and the README name is one, and those that can be run do what they say."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from hls_sessions.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "hls_sessions" / "guide").glob("*.md"))]

FILM = "/films/big_buck_bunny.mp4"
DAEMON = "http://127.0.0.1:8642"


def lines(page: Path) -> list[list[str]]:
    """The lines of a page's shell blocks, as words."""
    blocks = re.findall(r"^```(?:sh|console|bash)\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    whole = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [words for line in whole if (words := shlex.split(line, comments=True))]


def commands(page: Path) -> list[list[str]]:
    """The arguments of every hls-sessions in a page: in a shell, in a unit, in a container, and within a sentence."""
    text = page.read_text()
    units = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)
    boxed = re.findall(r"^(?:HEALTHCHECK )?CMD \[(.+)\]$", text, re.MULTILINE)
    within = re.findall(r"`(hls-sessions [^`]+)`", text)
    found = [
        *lines(page),
        *map(shlex.split, [*units, *within]),
        *(shlex.split(each.replace(",", " ")) for each in boxed),
    ]
    ours = [words for words in found if Path(words[0]).name == "hls-sessions"]
    return [[word for word in words[1:] if word != "&"] for words in ours]


def parse(command, arguments: list[str], parent=None) -> None:
    """Parse arguments as the command line does, without running anything."""
    context = command.make_context(command.name or "hls-sessions", list(arguments), parent=parent)
    with context:
        rest = [*context._protected_args, *context.args]
        if hasattr(command, "resolve_command") and rest:
            _, found, left = command.resolve_command(context, rest)
            parse(found, left, context)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_has_these_options(page):
    for arguments in commands(page):
        if len(arguments) == 1:  # a sentence may name a command alone
            assert arguments[0] in {*get_command(app).commands, "--version", "--install-completion"}
        elif arguments[0] != "COMMAND":
            parse(get_command(app), arguments)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("list --nope", "No such option"),
        ("nope", "No such command"),
        ("info ID more", "unexpected extra argument"),
    ],
)
def test_a_command_that_there_is_not_would_be_noticed(wrong, why):
    with pytest.raises(Exception, match=why):
        parse(get_command(app), wrong.split())


def curl(http, words: list[str]):
    """Ask what a line of curl asks."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-X")
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-d")
    parser.add_argument("-o")
    parser.add_argument("address")
    asked = parser.parse_args(words)
    headers = dict(header.split(": ") for header in asked.H)
    method = asked.X or ("GET" if asked.d is None else "POST")
    return http.request(method, asked.address.removeprefix(DAEMON), headers=headers, content=asked.d)


ENDLESS = {"serve", "events"}
# Other tests run them: one asks no daemon, one needs a terminal, and two a cluster.
ELSEWHERE = {"doctor", "top", "drain", "undrain"}
RUNNABLE = [page for page in PAGES if any(words[0] in {"curl", "hls-sessions"} for words in lines(page))]


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.name)
def test_every_line_that_can_be_run_succeeds(page, run, daemon, hls_clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write a file
    film = daemon.media / Path(FILM).name
    film.symlink_to(hls_clip(size="160x90"))
    opened = daemon.open(film)["session_id"]
    before = daemon.http.get("/settings").json()["settings"]
    places = {FILM: str(film), "ID": opened}
    for name, *words in lines(page):
        if name == "curl":
            answer = curl(daemon.http, [word.replace("/ID/", f"/{opened}/") for word in words])
            assert answer.is_success, (words, answer.text)
        elif name == "hls-sessions" and words[0] not in ENDLESS | ELSEWHERE:
            unasked = ["--yes"] if words[0] == "stop" else []  # there is no terminal to ask on
            ended = run(*(places.get(word, word) for word in words), *unasked)
            assert ended.returncode == 0, (words, ended.stderr)
    assert before == daemon.http.get("/settings").json()["settings"] or page.name == "settings.md"
