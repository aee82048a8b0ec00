"""What was found out about an ffmpeg is kept between starts, and is never a reason to fail."""

from __future__ import annotations

import json
import os
import shutil
import time
from itertools import count

import pytest

from hls_sessions.ffmpeg import binary, choose_encoder, inspect_binary, sandbox, trial
from hls_sessions.ffmpeg.binary_cache import LONGEST, remembered
from hls_sessions.ffmpeg.encoders import ENCODERS
from hls_sessions.ffmpeg.trial import AUTO, Trial


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Return the folder of a cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hls_sessions" / "ffmpeg"


@pytest.fixture
def program(tmp_path):
    """Return the path of a program that is as good as any ffmpeg, because it is not run."""
    shutil.copy(shutil.which("true"), tmp_path / "ffmpeg")
    return tmp_path / "ffmpeg"


@pytest.fixture
def ask(program):
    """Return a function that asks the program; the answer says how often it was asked."""
    asked = count(1)

    def ask(*about, question="which", path=program, **how):
        return remembered(str(path), question, lambda: next(asked), *about, **how)

    return ask


def only_file(folder):
    [file] = folder.iterdir()
    return file


def test_an_answer_is_kept(ask):
    assert [ask(), ask()] == [1, 1]


def test_each_question_has_an_answer_of_its_own(ask):
    assert [ask(question="one"), ask(question="other"), ask(question="one")] == [1, 2, 1]


def test_an_answer_is_asked_for_again_when_what_it_is_about_changes(ask):
    assert [ask("try", ("card",)), ask("try", ("card",)), ask("require", ("card",))] == [1, 1, 2]


def test_a_binary_that_was_replaced_is_asked_again(ask, program):
    ask()
    before = program.stat()
    replacement = program.with_name("new")
    shutil.copy(program, replacement)
    os.utime(replacement, ns=(before.st_atime_ns, before.st_mtime_ns))
    replacement.replace(program)

    assert ask() == 2


def test_a_binary_is_asked_again_when_libraries_are_installed(ask, tmp_path, monkeypatch):
    monkeypatch.setattr("hls_sessions.ffmpeg.binary_cache.LIBRARIES", str(tmp_path / "ld.so.cache"))
    ask()
    (tmp_path / "ld.so.cache").write_text("libx264.so.165")

    assert ask() == 2


def test_another_version_of_this_package_asks_again(ask, monkeypatch):
    ask()
    monkeypatch.setattr("hls_sessions.ffmpeg.binary_cache.source_digest", lambda *_: "another")

    assert ask() == 2


def test_an_answer_is_good_for_as_long_as_it_says(ask, monkeypatch):
    now = 1_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    ask(good_for=lambda _: 60)
    now += 59
    assert ask() == 1
    now += 2

    assert ask() == 2


def test_an_answer_of_the_future_is_asked_for_again(ask, monkeypatch):
    now = 1_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    ask()
    now -= 86_400

    assert ask() == 2


def test_an_answer_that_is_not_good_for_any_time_is_not_kept(ask, folder):
    ask(good_for=lambda _: 0)

    assert not folder.exists()


def test_answers_that_are_good_no_more_are_deleted(ask, folder):
    ask(question="old")
    os.utime(old := only_file(folder), (0, 0))

    ask(question="new")

    assert not old.exists()
    only_file(folder)


def test_an_error_is_passed_on_and_not_kept(program, folder):
    def fail():
        raise ValueError("it hangs")

    with pytest.raises(ValueError, match="it hangs"):
        remembered(str(program), "which", fail)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["snap", "mise"])
def test_a_launcher_of_many_programs_is_asked_each_time(ask, program, tmp_path, name):
    program.rename(tmp_path / name)
    program.symlink_to(tmp_path / name)

    assert [ask(), ask()] == [1, 2]


def test_a_script_is_asked_each_time(ask, program):
    program.write_text('#!/bin/sh\nexec /opt/ffmpeg "$@"\n')

    assert [ask(), ask()] == [1, 2]


def test_a_binary_whose_name_is_no_utf_8_is_asked_once(ask, tmp_path):
    path = tmp_path / os.fsdecode(b"ffmpeg-\xff")
    shutil.copy(shutil.which("true"), path)

    assert [ask(path=path), ask(path=path)] == [1, 1]


# Files that are not to be trusted


SPOILED = {
    "is empty": lambda file: file.write_bytes(b""),
    "is cut": lambda file: file.write_bytes(file.read_bytes()[:-5]),
    "is no text": lambda file: file.write_bytes(b"\xff\xfe\x00"),
    "is no object": lambda file: file.write_text("[1, 2]"),
    "is nested without end": lambda file: file.write_text("[" * 100_000),
    "lacks its time": lambda file: file.write_text(json.dumps(json.loads(file.read_text()) | {"until": None})),
    "is larger than any": lambda file: file.write_bytes(b" " * 2_000_000 + file.read_bytes()),
    "may be written by a group": lambda file: file.chmod(0o620),
    "may be written by all": lambda file: file.chmod(0o606),
    "is a link": lambda file: file.symlink_to(file.rename(file.with_suffix(".other"))),
    "is in a folder that all may write to": lambda file: file.parent.chmod(0o777),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_a_file_is_ignored_that(ask, folder, spoil):
    ask()
    spoil(only_file(folder))

    assert ask() == 2


def test_a_file_of_another_user_is_ignored(ask, monkeypatch):
    ask()
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)

    assert ask() == 2


def test_a_pipe_in_the_place_of_a_file_does_not_hang(ask, folder):
    ask()
    (file := only_file(folder)).unlink()
    os.mkfifo(file)

    assert ask() == 2


def test_without_a_place_for_the_cache_all_is_asked_each_time(ask, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    assert [ask(), ask()] == [1, 2]


def test_without_a_home_all_is_asked_each_time(ask, monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("hls_sessions.ffmpeg.binary_cache.cache_folder", homeless)

    assert [ask(), ask()] == [1, 2]


# What is kept


def test_a_binary_that_was_inspected_is_not_run_again(monkeypatch):
    path = shutil.which("ffmpeg")
    monkeypatch.setattr(sandbox, "_program", sandbox._program.__wrapped__)  # as in a process that has asked nothing
    first = inspect_binary.__wrapped__(path).confined("try")
    monkeypatch.setattr(binary, "_ask", None)
    monkeypatch.setattr("subprocess.run", None)

    assert inspect_binary.__wrapped__(path).confined("try") == first


@pytest.fixture
def tried(monkeypatch):
    """Have trials end as is told; return how many there were."""
    trials = []

    def tried(fault, *devices, others=()):
        monkeypatch.setattr(trial, "devices_there", lambda patterns: devices if patterns else ())
        monkeypatch.setattr(
            trial, "try_encoders", lambda *_: trials.append(1) or [*map(Trial, ENCODERS, (fault, *others))]
        )
        choose_encoder(inspect_binary(shutil.which("ffmpeg")), AUTO)
        return len(trials)

    return tried


def test_an_encoder_that_worked_is_not_tried_again(tried):
    assert [tried(None, "/dev/null"), tried("no card", "/dev/null")] == [1, 1]


def test_an_encoder_is_tried_again_when_its_device_has_gone(tried):
    assert [tried(None, "/dev/null"), tried(None)] == [1, 2]


def test_an_encoder_that_failed_at_its_device_is_tried_at_each_start(tried):
    assert [tried("it is busy", "/dev/null"), tried("it is busy", "/dev/null")] == [1, 2]


def test_an_encoder_that_would_not_be_chosen_need_not_work(tried):
    assert [tried(None, "/dev/null", others=["it is busy"]), tried(None, "/dev/null")] == [1, 1]


def test_where_there_is_no_device_none_is_tried_again_for_an_hour(tried, monkeypatch):
    assert LONGEST > trial.WHILE
    assert [tried("no card"), tried("no card")] == [1, 1]
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + trial.WHILE + 1)

    assert tried("no card") == 2
