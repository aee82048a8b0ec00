"""The abilities of an ffmpeg."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from hls_sessions.errors import FfmpegNotFound
from hls_sessions.ffmpeg import find, inspect_binary


def script(path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


# Version and encoders


def test_a_binary_tells_its_version(binary):
    banner = subprocess.run([binary.path, "-version"], check=True, capture_output=True, text=True).stdout

    assert binary.version
    assert banner.startswith(f"ffmpeg version {binary.version} ")


def test_a_binary_has_the_encoders_we_need(binary):
    assert {"libx264", "aac"} <= binary.encoders
    assert binary.missing_encoders == ()


def test_encoders_are_names_and_nothing_else(binary):
    assert all(name.isascii() and name.replace("_", "").replace("-", "").isalnum() for name in binary.encoders)


def test_a_binary_without_an_encoder_we_need_is_known_by_it(tmp_path):
    less = script(
        tmp_path / "ffmpeg",
        f'case "$*" in *-codecs*) {find()} "$@" | sed s/libx264// ;; *) exec {find()} "$@" ;; esac',
    )

    assert inspect_binary(less).missing_encoders == ("libx264",)


def test_a_binary_is_asked_once(binary):
    assert inspect_binary(binary.path) is binary


def test_a_binary_has_the_encoders_that_it_lists(binary):
    listed = subprocess.run(
        [binary.path, "-v", "error", "-encoders"], check=True, capture_output=True, text=True
    ).stdout

    assert binary.encoders == {row.split()[1] for row in listed.partition("------\n")[2].splitlines()}


# The option that repeats and drops frames


def test_a_binary_that_knows_fps_mode_is_asked_for_it(binary):
    assert binary.sync_option == "fps_mode"


def test_an_older_binary_is_asked_for_vsync(tmp_path, binary):
    older = script(tmp_path / "ffmpeg", f'case "$*" in *-fps_mode*) exit 1 ;; *) exec {find()} "$@" ;; esac')

    assert inspect_binary(older).sync_option == "vsync"


# The origin of segment times


def test_up_to_5_segment_times_count_from_zero_and_from_7_on_from_the_first_packet(binary):
    major = binary.version.lstrip("n").partition(".")[0]
    if not major.isdecimal() or major == "6":
        pytest.skip(f"version {binary.version} is left to the other tests")

    assert binary.absolute_segment_times == (int(major) <= 5)


def test_segment_times_count_as_was_found_out(binary, tmp_path):
    # Ten seconds that begin at 100, cut at the time that this binary is said to take for 104.
    cut = "104" if binary.absolute_segment_times else "4"
    source = ("-itsoffset", "100", "-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono:d=10", "-c:a", "pcm_s16le")
    how = ("-f", "segment", "-segment_format", "wav", "-segment_times", cut)
    command = [binary.path, "-v", "error", "-nostdin", "-copyts", *source, *how, str(tmp_path / "%d.wav")]
    subprocess.run(command, check=True)

    sizes = [(tmp_path / f"{number}.wav").stat().st_size / 16_000 for number in range(2)]
    assert sizes == pytest.approx([4, 6], abs=0.2)


# Programs that are no ffmpeg


@pytest.mark.parametrize("program", ["true", "false", "cat"])
def test_another_program_is_no_ffmpeg(program):
    with pytest.raises(FfmpegNotFound):
        inspect_binary(shutil.which(program))


def test_a_program_that_says_something_else_is_no_ffmpeg(tmp_path):
    other = script(tmp_path / "ffmpeg", "echo avconv version 12")

    with pytest.raises(FfmpegNotFound) as missing:
        inspect_binary(other)
    assert missing.value.tried == [other]


def test_an_ffmpeg_that_fails_at_everything_else_is_no_usable_one(tmp_path):
    broken = script(tmp_path / "ffmpeg", 'test "$1" = -version && echo ffmpeg version 5.1 Copyright')

    with pytest.raises(FfmpegNotFound):
        inspect_binary(broken)


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"\xff" * 100])
def test_a_file_that_is_no_program_is_no_ffmpeg(tmp_path, content):
    path = tmp_path / "ffmpeg"
    path.write_bytes(content)
    path.chmod(0o755)

    with pytest.raises(FfmpegNotFound):
        inspect_binary(str(path))


def test_a_binary_that_is_gone_is_no_ffmpeg(tmp_path):
    with pytest.raises(FfmpegNotFound):
        inspect_binary(str(tmp_path / "ffmpeg"))


def test_a_binary_that_was_no_ffmpeg_is_asked_again(tmp_path):
    path = script(tmp_path / "ffmpeg", "exit 1")
    with pytest.raises(FfmpegNotFound):
        inspect_binary(path)

    script(tmp_path / "ffmpeg", f'exec {find()} "$@"')

    assert inspect_binary(path).version


def test_packets_are_dropped_on_a_condition_from_5_0_on(binary):
    assert binary.drops_packets == (binary.release >= (5, 0))
