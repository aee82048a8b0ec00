from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from watchdog.observers import Observer

from hls_sessions.encoding import Watcher
from hls_sessions.encoding.setbacks import (
    HOPELESS,
    PATIENCE,
    NoWatches,
    Setbacks,
    TryAgain,
    lacked,
    lacking,
    missed,
)


class Session:
    """A clock, and the reminders that were sent."""

    def __init__(self):
        self.now = 0.0
        self.reminders = []
        self.setbacks = Setbacks("video-90p", lambda: self.now, lambda *reminder: self.reminders.append(reminder))

    @property
    def delays(self):
        return [round(delay, 3) for _, delay in self.reminders]


@pytest.fixture
def session():
    return Session()


def test_after_the_first_kill_the_next_try_is_made_at_once(session):
    assert session.setbacks.suffer()
    assert not session.setbacks.back_off()
    assert session.reminders == []


def test_after_further_kills_the_delays_grow_up_to_a_bound(session):
    for _ in range(8):
        session.setbacks.suffer()

    assert session.delays == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert {reminder for reminder, _ in session.reminders} == {TryAgain("video-90p")}


def test_a_shortage_backs_off_the_first_time_and_is_named_until_it_is_over(session):
    session.setbacks.suffer("memory")
    assert session.setbacks.back_off()
    assert session.setbacks.lacks == "memory"

    session.now = 0.1
    assert not session.setbacks.back_off()
    session.setbacks.over()
    assert session.setbacks.lacks is None


def test_progress_makes_the_next_setback_the_first(session):
    session.setbacks.suffer()
    session.setbacks.suffer()
    session.setbacks.over()
    session.reminders.clear()

    assert session.setbacks.suffer()
    assert session.reminders == []


def test_there_is_no_hope_after_a_time_without_progress_and_then_it_begins_anew(session):
    assert session.setbacks.suffer()
    session.now = HOPELESS
    assert not session.setbacks.suffer()
    assert session.setbacks.suffer()


def test_a_segment_that_fails_backs_off_alone(session):
    session.setbacks.failed(7, 1)
    assert not session.setbacks.back_off(7)

    session.setbacks.failed(7, 2)
    assert session.setbacks.back_off(7)
    assert not session.setbacks.back_off(8)
    assert not session.setbacks.back_off()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM])
def test_a_shortage_is_told_by_its_error(number):
    assert lacking(OSError(number, os.strerror(number)))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOENT])
def test_any_other_error_is_no_shortage(number):
    assert lacking(OSError(number, os.strerror(number))) is None


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "inotify watch limit reached"), OSError(errno.EMFILE, "inotify instance limit reached")],
)
def test_a_limit_of_watches_is_told_as_such(monkeypatch, tmp_path, error):
    def refuse(*_, **__):
        raise error

    watcher = Watcher()
    watcher.start()
    monkeypatch.setattr(Observer, "schedule", refuse)
    with pytest.raises(NoWatches) as refused:
        watcher.watch(tmp_path, print)
    watcher.stop()
    assert "inotify watches" in lacking(refused.value)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (
            "Error while opening decoder for input stream #0:0 : Resource temporarily unavailable",
            "processes or threads",
        ),
        ("Error opening output files: Too many open files", "file descriptors"),
        ("Cannot allocate memory", "memory"),
        ("Invalid data found when processing input", None),
    ],
)
def test_an_encoders_log_tells_what_it_lacked(line, what):
    found = lacked(["frame=1", line, "Conversion failed!"])

    assert found == what or (what is not None and found.startswith(what))


def test_what_may_be_a_shortage_is_hoped_for_a_shorter_time(session):
    assert session.setbacks.suffer("processes or threads", PATIENCE)
    session.now = PATIENCE

    assert not session.setbacks.suffer("processes or threads", PATIENCE)


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, ""), RuntimeError("can't start new thread"), OSError(errno.EAGAIN, "")]
)
def test_an_error_that_a_shortage_has_caused_tells_what_is_lacking(error):
    outer = ValueError("the session did not start")
    outer.__cause__ = error

    assert lacking(error) is not None
    assert lacking(outer) == lacking(error)
    assert lacking(ValueError("another")) is None


def test_a_film_that_was_away_when_it_was_opened_says_nothing_about_its_segments():
    away = "subfile,,start,0,end,9,,:file:/films/one.mp4: No such file or directory"

    assert missed([away], Path("/films/one.mp4"))
    assert not missed([away], Path("/films/another.mp4"))
    assert not missed(["setpriv: failed to execute /bin/ffmpeg: No such file or directory"], Path("/films/one.mp4"))
