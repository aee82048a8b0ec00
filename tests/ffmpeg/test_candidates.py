"""Which ffmpeg is used, and which is the fastest."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import pytest

from hls_sessions.errors import FfmpegNotFound
from hls_sessions.ffmpeg import Candidate, compare, fastest, find, find_all
from hls_sessions.ffmpeg import candidates as module
from hls_sessions.testing import failing_ffmpeg, hanging_ffmpeg


def script(path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def wheel() -> str:
    return pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()


@pytest.fixture
def no_wheel(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)


# Which one


def test_a_setting_that_is_a_path_comes_first(tmp_path):
    chosen = script(tmp_path / "my-ffmpeg", "exit 0")

    assert find(chosen) == chosen


def test_a_setting_that_is_a_name_is_found_on_path(tmp_path, monkeypatch):
    chosen = script(tmp_path / "my-ffmpeg", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    assert find("my-ffmpeg") == chosen


def test_a_setting_may_begin_at_home(tmp_path, monkeypatch):
    chosen = script(tmp_path / "my-ffmpeg", "exit 0")
    monkeypatch.setenv("HOME", str(tmp_path))

    assert find("~/my-ffmpeg") == chosen


def test_without_a_setting_the_one_on_path_comes_before_the_wheel(tmp_path, monkeypatch, wheel):
    on_path = script(tmp_path / "ffmpeg", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find() == find("") == find(None) == on_path != wheel


def test_without_one_on_path_the_wheel_is_used(tmp_path, monkeypatch, wheel):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find() == wheel


def test_without_any_all_names_that_were_tried_are_told(tmp_path, monkeypatch, no_wheel):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(FfmpegNotFound, match=r"tried: PATH, the imageio-ffmpeg wheel") as missing:
        find()
    assert missing.value.tried == ["PATH", "the imageio-ffmpeg wheel"]


@pytest.mark.parametrize("setting", ["no-such-ffmpeg", "/no/such/ffmpeg", "/", "~/no-such-ffmpeg"])
def test_a_setting_that_names_nothing_is_an_error_and_never_passed_over(setting):
    assert find(), "there is one to fall back to"

    with pytest.raises(FfmpegNotFound) as missing:
        find(setting)
    assert missing.value.tried == [setting]


def test_a_setting_that_names_a_file_that_does_not_run_is_an_error(tmp_path):
    (tmp_path / "ffmpeg").write_text("not a program")

    with pytest.raises(FfmpegNotFound):
        find(str(tmp_path / "ffmpeg"))


# Which ones there are


def test_all_that_are_there_are_candidates_in_the_order_in_which_they_are_looked_for(tmp_path, monkeypatch, wheel):
    mine, on_path = script(tmp_path / "mine", "exit 0"), script(tmp_path / "ffmpeg", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_all(mine) == [Candidate("setting", mine), Candidate("PATH", on_path), Candidate("wheel", wheel)]
    assert find_all("fastest") == find_all() == find_all(mine)[1:]


def test_an_ffmpeg_that_is_found_twice_is_one_candidate(tmp_path, monkeypatch, wheel):
    (tmp_path / "ffmpeg").symlink_to(wheel)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_all() == [Candidate("PATH", str(tmp_path / "ffmpeg"))]


def test_without_any_there_are_no_candidates(tmp_path, monkeypatch, no_wheel):
    monkeypatch.setenv("PATH", str(tmp_path))

    for none in (find_all, lambda: find("fastest")):
        with pytest.raises(FfmpegNotFound, match="tried: PATH, the imageio-ffmpeg wheel"):
            none()


# How fast they are


def test_a_candidate_that_works_is_timed():
    [timed] = compare([Candidate("PATH", find())])

    assert timed.version
    assert timed.fault is None
    assert timed.start_up > 0
    assert timed.first_segment > 0


CRASHED = "Error: no room for a frame"


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda folder: failing_ffmpeg(folder, says=CRASHED), CRASHED),
        (lambda folder: script(folder / "ffmpeg", "exit 1"), "it does not run, or is no ffmpeg"),
        (lambda folder: script(folder / "ffmpeg", "echo avconv version 12"), "it does not run, or is no ffmpeg"),
        (
            lambda folder: script(
                folder / "ffmpeg",
                f"""case "$*" in *-codecs*) {find()} "$@" | sed "s/libx264//; s/^ DEA/ D.A/" ;;
                *) exec {find()} "$@" ;; esac""",
            ),
            "it lacks the encoder libx264 and aac",
        ),
    ],
    ids=["crashes", "does not run", "is another program", "lacks encoders"],
)
def test_a_candidate_has_a_fault_that(tmp_path, make, fault):
    [broken] = compare([Candidate("PATH", str(make(tmp_path)))])

    assert broken.fault == fault
    assert broken.first_segment is None


def test_a_candidate_that_hangs_is_given_up_and_does_not_hinder_the_others(tmp_path, monkeypatch):
    first_segment = module._first_segment
    working = find()

    def quick(path, *rest):
        monkeypatch.setattr(module, "LIMIT", 0.2)
        return 1.0 if path == working else first_segment(path, *rest)

    monkeypatch.setattr(module, "_first_segment", quick)
    hanging, other = compare([Candidate("setting", str(hanging_ffmpeg(tmp_path))), Candidate("PATH", working)])

    assert hanging.fault == "it did not encode a segment within 0.2 seconds"
    assert other.fault is None


def test_without_room_for_the_film_no_candidate_is_timed(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    [untimed] = compare([Candidate("PATH", find())])

    assert untimed.fault == "it could not be timed (No such file or directory)"


# The fastest

SLOW, QUICK = Candidate("PATH", "/usr/bin/ffmpeg", "5.1", 0.06, 0.50), Candidate("wheel", "/ffmpeg", "9.0", 0.01, 0.40)


def test_the_one_whose_first_segment_comes_first_is_the_fastest():
    assert fastest([SLOW, QUICK]) is QUICK
    assert fastest([QUICK, SLOW]) is QUICK


def test_one_that_is_hardly_faster_takes_nobodys_place():
    assert fastest([SLOW, replace(QUICK, first_segment=0.48)]) is SLOW


def test_one_with_a_fault_is_not_the_fastest():
    assert fastest([SLOW, replace(QUICK, fault=CRASHED)]) is SLOW
    assert fastest([replace(QUICK, fault=CRASHED)]) is None


@pytest.fixture
def told(monkeypatch, tmp_path):
    """Return a function that finds the fastest of given candidates, and says how often they were timed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    times = []

    def told(*found):
        monkeypatch.setattr(module, "find_all", lambda: [Candidate(each.origin, each.path) for each in found])
        monkeypatch.setattr(module, "compare", lambda _: times.append(1) or list(found))
        return find("fastest"), len(times)

    return told


def test_the_fastest_is_found_once_and_again_when_another_candidate_comes(told, tmp_path, wheel):
    first, second = replace(SLOW, path=find()), replace(QUICK, path=wheel)
    third = tmp_path / "ffmpeg-new"
    third.write_bytes(b"\x7fELF")

    assert told(first, second) == told(first, second) == (wheel, 1)
    assert told(first, second, Candidate("setting", str(third), "10.0", 0.01, 0.1)) == (str(third), 2)


def test_of_scripts_the_fastest_is_found_each_time(told, tmp_path):
    first = replace(SLOW, path=script(tmp_path / "ffmpeg", "exit 0"))

    assert [told(first, QUICK)[1], told(first, QUICK)[1]] == [1, 2]


def test_one_alone_is_the_fastest_untimed(told):
    assert told(SLOW) == (SLOW.path, 0)


def test_where_none_works_the_error_says_why(told):
    with pytest.raises(FfmpegNotFound) as missing:
        told(replace(SLOW, fault=CRASHED), replace(QUICK, fault="it ended by SIGSEGV"))

    assert missing.value.tried == [f"/usr/bin/ffmpeg: {CRASHED}", "/ffmpeg: it ended by SIGSEGV"]


def test_a_program_of_that_name_is_set_by_its_path(tmp_path):
    chosen = script(tmp_path / "fastest", "exit 0")

    assert find(chosen) == chosen


def test_a_supervisor_takes_the_fastest_where_that_is_set(told, hls_supervisor, wheel):
    told(replace(SLOW, path=find()), replace(QUICK, path=wheel))

    assert hls_supervisor(ffmpeg="fastest").binary.path == wheel
