"""What is written down of a recording beside its journal, so that it goes on after any crash.

::

    <recordings-dir>/<id>/
        recording.json             whose it is, and what it is called; never changes
        cuts.jsonl                 one line for each thing that has become a fact: a part, a segment, an end

A line is written before anybody is told of it. A line that a crash cut short is forgotten, as if it had not happened.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from hls_sessions.errors import StorageFailed
from hls_sessions.live.timeline import GrowingTimeline

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FACTS: Final = "recording.json"
CUTS: Final = "cuts.jsonl"

TARGET: Final = 4
"""Seconds that no segment is longer than: what is copied has a keyframe that often, or is encoded."""

PART_TARGET: Final = Fraction(1, 2)
"""Seconds that no part of a segment is longer than."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a recording when it begins."""

    id: str
    user: str | None
    title: str | None
    mime: str | None
    """The media type that its source has named first."""
    token: str
    """The right to write to it."""
    created_at: float
    """Seconds since the epoch."""
    idle_timeout: float
    segment_length: float
    source: str | None = None
    """The address that it is fetched from; None where its source sends. It may hold credentials."""
    low_latency: bool = False
    """Whether segments are offered in parts."""
    dvr_window: float = 0.0
    """Seconds up to the newest segment that can be watched while it goes on, and after; 0 for everything."""

    @property
    def name(self) -> str:
        """What it is called: its title or, where it has none, when it began."""
        began = datetime.fromtimestamp(self.created_at, UTC)
        return self.title or f"Recording of {began:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of segments that are made alike: one part of the timeline."""

    file: int
    """The part of the journal that they are made of."""
    origin: Fraction
    """When the first of all segments of that file begins, in seconds on its clock."""
    first: int
    """The first segment that is made of that file."""
    copies: bool
    """Whether video was to be copied, if it could be."""
    is_copied: bool
    """Whether video is copied."""
    codecs: dict[str, str]
    """The codecs of each rendition, as playlists name them (RFC 6381)."""
    size: tuple[int, int] | None
    """Width and height of the picture."""


class Ledger:
    """The facts of one recording. One thread writes, any may read."""

    def __init__(self, folder: Path, facts: Facts | None = None) -> None:
        """Begin a recording in an empty folder or, without facts, go on with the one that is there.

        Raises:
            StorageFailed: it cannot be read or written, or there is none.
        """
        self._folder = folder
        self.timeline = GrowingTimeline(TARGET)
        """The segments so far."""
        self.sections: list[Section] = []
        """How they are made: one for each part of the timeline."""
        self.done: dict[int, str | None] = {}
        """The files of the journal of which no further segment is made; why, where not all of it could be shown."""
        self.peaks: dict[str, int] = {}
        """Bits per second of the densest segment of each rendition."""
        self.used_at = 0.0
        """When its session ended, in seconds since the epoch; 0 while it has not."""
        self.over: str | None = None
        """Why the recording is over; None while it goes on."""
        try:
            if facts is None:
                facts = Facts(**json.loads((folder / FACTS).read_text()))
                self._read()
            else:
                part = folder / f"{FACTS}.part"
                part.write_text(json.dumps(asdict(facts)))
                part.chmod(0o600)
                part.replace(folder / FACTS)
        except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
            raise StorageFailed(str(folder), getattr(error, "strerror", None) or repr(error)) from error
        self.facts = facts

    def __repr__(self) -> str:
        return f"<Ledger {self.facts.id[:8]} [{len(self.timeline)} segments{', over' if self.over else ''}]>"

    def seconds_of(self, file: int) -> Fraction:
        """Return how many seconds of a file of the journal can be watched."""
        timeline, sections = self.timeline, list(self.sections)
        firsts = [*(part.first for part in timeline.parts[: len(sections)]), len(timeline)]
        made = (range(*ends) for ends, section in zip(pairwise(firsts), sections, strict=False) if section.file == file)
        return sum((timeline.length(segment) for segments in made for segment in segments), Fraction(0))

    def begin_section(self, section: Section, begins: Fraction, began_at: datetime) -> None:
        """Note how the next segments are made.

        Args:
            section: how.
            begins: when the first of them begins, in seconds on the clock of its file.
            began_at: when that was, by the wall clock.

        Raises:
            StorageFailed: it cannot be written down.
        """
        written = asdict(section) | {"origin": str(section.origin)}
        part = {"begins": str(begins), "began_at": began_at.timestamp()}
        self._write({"section": written, "part": part})

    def add(self, end: Fraction, sizes: Mapping[str, int]) -> int:
        """Note the next segment; return its number.

        Args:
            end: when it ends, in seconds on the clock of its file.
            sizes: its bytes, by rendition.

        Raises:
            StorageFailed: it cannot be written down.
            ValueError: it is longer than players were told, or ends before it begins.
        """
        self.timeline.judge(end)
        self._write({"ends": str(end), "sizes": dict(sizes)})
        return len(self.timeline) - 1

    def finish(self, file: int, why: str | None) -> None:
        """Note that no further segment is made of a file; ``why``, where not all of it could be shown.

        Raises:
            StorageFailed: it cannot be written down.
        """
        self._write({"done": file, "why": why})

    def end(self, reason: str) -> None:
        """Note that nothing more will arrive, and why.

        Raises:
            StorageFailed: it cannot be written down.
        """
        self._write({"over": reason})

    def leave(self, at: float) -> None:
        """Note when its session ended, in seconds since the epoch.

        Raises:
            StorageFailed: it cannot be written down.
        """
        self._write({"used": at})

    def close_timeline(self) -> None:
        """Note that all segments are made. It is not written down, because it follows from what is."""
        self.timeline.is_over = True

    # ---- within

    def _write(self, line: dict[str, Any]) -> None:
        path = self._folder / CUTS
        try:
            with path.open("ab", buffering=0) as file:
                before = file.tell()
                data = json.dumps(line).encode() + b"\n"
                written = 0
                try:
                    while written < len(data):
                        written += file.write(data[written:])
                except OSError:
                    with suppress(OSError):
                        file.truncate(before)
                    raise
        except OSError as error:
            raise StorageFailed(str(path), error.strerror or str(error)) from error
        self._take(line)

    def _read(self) -> None:
        path = self._folder / CUTS
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            os.truncate(path, len(whole))
        for line in whole.splitlines():
            self._take(json.loads(line))

    def _take(self, line: dict[str, Any]) -> None:
        match line:
            case {"section": how, "part": part}:
                size = None if how["size"] is None else (how["size"][0], how["size"][1])
                origin = Fraction(how["origin"])
                copies, is_copied = how["copies"], how["is_copied"]
                section = Section(how["file"], origin, how["first"], copies, is_copied, how["codecs"], size)
                began_at = datetime.fromtimestamp(part["began_at"], UTC)
                self.timeline.begin_part(len(self.sections), Fraction(part["begins"]), began_at, list(section.codecs))
                self.sections.append(section)
            case {"ends": end, "sizes": sizes}:
                length = self.timeline.length(self.timeline.add(Fraction(end)))
                for kind, size in sizes.items():
                    self.peaks[kind] = max(self.peaks.get(kind, 0), ceil(8 * size / length))
            case {"done": file, "why": why}:
                self.done[file] = why
            case {"over": reason}:
                self.over = reason
            case {"used": at}:
                self.used_at = at
