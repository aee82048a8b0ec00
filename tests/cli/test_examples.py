"""The examples in the help of each command are true."""

from __future__ import annotations

import re
import shlex

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from hls_sessions.cli import COMMANDS, app
from hls_sessions.cli.examples import EXAMPLES


def words_of(example: str) -> list[str]:
    """Return the words that a shell gives to hls-sessions in an example."""
    for part in re.split(r" \| ", example):
        words = shlex.split(re.split(r" [<>] ", part)[0])
        while words and "=" in words[0]:
            words.pop(0)
        if words and words[0] == "hls-sessions":
            return words[1:]
    raise AssertionError(f"no hls-sessions in {example!r}")


def test_every_command_has_two_or_three():
    assert EXAMPLES.keys() == COMMANDS.keys()
    assert {len(examples) for examples in EXAMPLES.values()} <= {2, 3}


@pytest.mark.parametrize(
    ("command", "example"), [(command, example) for command, lines in EXAMPLES.items() for example in lines]
)
def test_the_command_line_understands_it(command, example):
    name, *words = words_of(example)
    assert name == command
    group = get_command(app)

    # This reads all options and arguments, and does not run the command.
    group.commands[name].make_context(name, words, parent=group.make_context("hls-sessions", [name]))


def test_the_help_ends_with_them_each_in_its_line():
    said = CliRunner().invoke(app, ["stop", "--help"], prog_name="hls-sessions").stdout

    assert said.endswith("Examples:\n" + "".join(f"    {example}\n" for example in EXAMPLES["stop"]))
