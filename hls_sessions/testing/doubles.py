"""Stand-ins for an ffmpeg that misbehaves: each is the real one, but for the runs that make segments."""

from __future__ import annotations

import shlex
import subprocess
from functools import cache
from pathlib import Path

from hls_sessions.ffmpeg import find
from hls_sessions.ffmpeg.binary import NOISE, QUESTIONS
from hls_sessions.ffmpeg.trial import FILM

_SCRIPT = """#!/bin/sh
# The real ffmpeg, but for {what}.
case "$*" in *{trial}*) ;; *segment_format_options*)
  echo run >> {runs}
  if [ {times} -lt 0 ] || [ "$(wc -l < {runs})" -le {times} ]; then
    {misbehave}
  fi
esac
{real_one}
"""


_CARD = """#!/bin/sh
# The real ffmpeg, with a card: what h264_nvenc is asked for, x264 makes.
case "$*" in
  *-codecs*) {real} "$@" | sed "s/(encoders: libx264 /&h264_nvenc /"; exit ;;
  *h264_nvenc*) ;;
  *) {real_one} ;;
esac
broken=
case "$*" in *{trial}*) ;; *)
  echo run >> {runs}
  [ {works} -lt 0 ] || [ "$(wc -l < {runs})" -le {works} ] || broken=1
esac
for word; do
  shift
  [ "$leave_out" ] && leave_out= && continue
  case "$word" in
    -rc | -cq | -forced-idr | -no-scenecut) leave_out=1; continue ;;
    h264_nvenc) word=libx264 ;;
    */%d.m4s) set -- "$@" -preset superfast -sc_threshold 0; [ $broken ] && set -- "$@" -frames:v {frames} ;;
  esac
  set -- "$@" "$word"
done
[ $broken ] || exec {real} "$@"
{real} "$@"
echo {says} >&2
exit {code}
"""


def failing_ffmpeg(folder: Path, *, times: int = -1, says: str = "Conversion failed!", code: int = 1) -> Path:
    """Make an ffmpeg whose first runs fail: ``times`` of them, or all when negative. Returns its path."""
    return _write(folder, "failing-ffmpeg", "runs that fail", times, f"echo {shlex.quote(says)} >&2; exit {code}")


def hanging_ffmpeg(folder: Path, *, times: int = -1) -> Path:
    """Make an ffmpeg whose first runs write nothing and never end: ``times`` of them, or all when negative."""
    return _write(folder, "hanging-ffmpeg", "runs that hang", times, "exec sleep 3600")


def nvenc_ffmpeg(
    folder: Path,
    *,
    works: int = -1,
    frames: int = 0,
    says: str = "OpenEncodeSessionEx failed: out of memory (10)",
    code: int = 1,
    real: str | None = None,
) -> Path:
    """Make an ffmpeg with a card of NVIDIA's that fails at run time: ``h264_nvenc`` works, and in truth it is x264.

    Args:
        folder: where it is made.
        works: how many of its runs work, or all when negative; a trial always does.
        frames: how many frames each of the others makes before it fails.
        says: the last line of one that fails.
        code: its exit code.
        real: the ffmpeg that does the work; by default the one that is found.
    """
    script = folder / "nvenc-ffmpeg"
    script.write_text(
        _CARD.format(
            trial=FILM,
            runs=shlex.quote(str(script.with_suffix(".runs"))),
            works=works,
            frames=frames,
            says=shlex.quote(says),
            code=code,
            real=shlex.quote(real or find()),
            real_one=answers_as(real or find(), folder),
        )
    )
    script.chmod(0o755)
    return script


def runs_of(double: Path) -> int:
    """Return how many runs a double has been asked for."""
    runs = double.with_suffix(".runs")
    return len(runs.read_text().splitlines()) if runs.exists() else 0


def answers_as(real: str, folder: Path) -> str:
    """Return shell commands that end a double in a folder with the answer of the real one.

    The lists that every ffmpeg is asked for come from files, because to start it takes much longer.
    """
    (answers := folder / f"answers of {Path(real).name}").mkdir(exist_ok=True)
    for words, answer in _lists_of(real).items():
        (answers / words).write_bytes(answer)
    file = f'{shlex.quote(str(answers))}/"$*"'
    return f'[ -f {file} ] && exec cat {file}; exec {shlex.quote(real)} "$@"'


@cache
def _lists_of(real: str) -> dict[str, bytes]:
    """Return what it prints, by the arguments that have it print it."""
    asked = [["-version"], *(["-hide_banner", "-nostdin", *question.split()] for question in (*QUESTIONS, NOISE))]
    return {" ".join(words): subprocess.run([real, *words], check=True, capture_output=True).stdout for words in asked}  # noqa: S603 - an argument list, no shell


def _write(folder: Path, name: str, what: str, times: int, misbehave: str) -> Path:
    script = folder / name
    script.write_text(
        _SCRIPT.format(
            what=what,
            trial=FILM,
            runs=shlex.quote(str(script.with_suffix(".runs"))),
            times=times,
            misbehave=misbehave,
            real_one=answers_as(find(), folder),
        )
    )
    script.chmod(0o755)
    return script
