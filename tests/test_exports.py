"""The names that the package offers, which are imported when they are first asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import hls_sessions


@pytest.mark.parametrize("name", hls_sessions.__all__)
def test_each_name_is_there(name):
    assert getattr(hls_sessions, name).__name__ == name
    assert name in dir(hls_sessions)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'hls_sessions' has no attribute 'Supervsor'"):
        hls_sessions.Supervsor  # noqa: B018 - it is asked for


def test_all_names_can_be_imported_at_once():
    names: dict[str, object] = {}

    exec("from hls_sessions import *", names)

    assert set(hls_sessions.__all__) <= names.keys()


def test_the_commands_that_talk_to_a_daemon_do_not_load_what_the_daemon_is_made_of():
    heavy = ("av", "fastapi", "granian", "hls_sessions.ffmpeg", "hls_sessions.supervisor", "pykka", "sqlalchemy")
    script = f"import sys, hls_sessions.cli; print([name for name in {heavy} if name in sys.modules])"

    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert loaded == "[]\n"
