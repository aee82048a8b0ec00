"""WebVTT (https://www.w3.org/TR/webvtt1/): from a decoder's text to a cue, and from cues to a segment.

Decoders of all text formats give ASS (SubStation Alpha) text. Players can show its line breaks, bold, italics and
underlining, which are kept; other styling, positions and drawings are left out.

The tags are read here rather than by pysubs2, which knows no weights of bold text and no escaped braces, and whose time
grows with the square of the number of tags.
"""

from __future__ import annotations

import re
from fractions import Fraction
from html import unescape
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MICROSECOND = Fraction(1, 1_000_000)

MPEG_CLOCK = 90_000
"""Ticks per second of X-TIMESTAMP-MAP's MPEGTS (RFC 8216, 3.5)."""

MPEG_CLOCK_TICKS = 1 << 33
"""After how many the clock begins again."""

_STYLES = ("b", "i", "u")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_BREAKS = re.compile(r"\r\n|[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_PIECE = re.compile(r"\{(?P<override>[^{}]*)\}|\\(?P<escape>[Nnh{}])|(?P<text>[^{\\]+|.)", re.DOTALL)
_OVERRIDE = re.compile(r"\\(?:(?P<style>[biu])(?P<on>\d*)(?![a-z])|p(?P<drawing>\d+)|(?P<reset>r))")
_TAGS = re.compile(r"<[^>]*>")
_UNSEEN = {"\0", "\u2060", "\ufeff"}
"""Characters that are left out: NUL, which WebVTT does not allow, the word joiner that ffmpeg puts after a backslash,
and byte order marks."""


class Cue(NamedTuple):
    """A text, and when it is shown."""

    start: int
    """Microseconds on the file's clock."""
    end: int
    text: str
    """As WebVTT writes it: escaped, its tags closed, without an empty line."""


def cue_text(ass: str) -> str:
    """Return the text of an ASS event as that of a cue; empty when it has none."""
    lines = ("".join(_tagged(line)) for line in _lines(_runs(ass)))
    return "\n".join(line for line in lines if line)


def shown_text(cue: str) -> str:
    """Return the characters of a cue's text that are shown, without its tags."""
    return unescape(_TAGS.sub("", cue))


def plain_text(text: str) -> str:
    """Return text that has no styles as that of a cue, on one line."""
    return " ".join("".join(c for c in text if c not in _UNSEEN).split()).translate(_ESCAPES)


def webvtt_segment(cues: Iterable[Cue], origin: Fraction, offset: Fraction, note: str = "") -> str:
    """Write one segment (RFC 8216, 3.5).

    Args:
        cues: those that are shown while the segment plays, with their whole times, even outside of the segment.
        origin: the file's time at which the presentation begins, in seconds.
        offset: seconds that are added to every time in the segments of the same presentation.
        note: a comment, which no player shows.
    """
    mpegts = round(offset * MPEG_CLOCK) % MPEG_CLOCK_TICKS
    blocks = ["WEBVTT", f"\nX-TIMESTAMP-MAP=MPEGTS:{mpegts},LOCAL:00:00:00.000\n"]
    if note:
        blocks.append(f"\nNOTE {cue_text(note)}\n")
    return "".join([*blocks, *_blocks(cues, origin)])


def webvtt_file(cues: Iterable[Cue]) -> str:
    """Write a file of its own, whose times count from the beginning."""
    return "".join(["WEBVTT\n", *_blocks(cues, Fraction(0))])


def _blocks(cues: Iterable[Cue], origin: Fraction) -> Iterator[str]:
    for cue in sorted(cues):
        start, end = (_milliseconds(time, origin) for time in (cue.start, cue.end))
        if end > 0:
            # A cue must end after it starts, and must not start before the presentation.
            start = max(start, 0)
            yield f"\n{_clock(start)} --> {_clock(max(end, start + 1))}\n{cue.text}\n"


class _Run(NamedTuple):
    """Text of one style."""

    text: str
    styles: frozenset[str]


def _runs(ass: str) -> Iterator[_Run]:
    """Yield an event's text, style by style, each of its line breaks a line feed."""
    styles: frozenset[str] = frozenset()
    drawing = False
    for piece in _PIECE.finditer(_BREAKS.sub("\n", ass)):
        if piece["override"] is not None:
            for tag in _OVERRIDE.finditer(piece["override"]):
                if tag["reset"]:
                    styles = frozenset()
                elif tag["style"]:
                    # \b takes a weight, and \b0 as \b alone ends it.
                    styles = styles | {tag["style"]} if tag["on"].strip("0") else styles - {tag["style"]}
                else:
                    drawing = bool(tag["drawing"].strip("0"))
        elif not drawing:
            yield _Run(_written(piece), styles)


def _written(piece: re.Match[str]) -> str:
    escape = piece["escape"]
    if escape is None:
        return "".join(c for c in piece["text"] if c not in _UNSEEN)
    return {"N": "\n", "n": " ", "h": "\u00a0"}.get(escape, escape)


def _lines(runs: Iterable[_Run]) -> Iterator[list[_Run]]:
    line: list[_Run] = []
    for run in runs:
        first, *others = run.text.split("\n")
        line.append(_Run(first, run.styles))
        for other in others:
            yield line
            line = [_Run(other, run.styles)]
    yield line


def _tagged(line: list[_Run]) -> Iterator[str]:
    """Yield a line with its tags, each closed where its run ends; nothing for one that is all space."""
    if not any(run.text.strip() for run in line):
        return
    merged: list[_Run] = []
    for run in line:
        if merged and merged[-1].styles == run.styles:
            merged[-1] = _Run(merged[-1].text + run.text, run.styles)
        elif run.text:
            merged.append(run)
    for run in merged:
        styles = [style for style in _STYLES if style in run.styles]
        yield "".join(f"<{style}>" for style in styles)
        yield run.text.translate(_ESCAPES)
        yield "".join(f"</{style}>" for style in reversed(styles))


def _milliseconds(time: int, origin: Fraction) -> int:
    return round((time * MICROSECOND - origin) * 1000)


def _clock(milliseconds: int) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}"
