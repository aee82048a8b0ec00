"""A worker that makes the segments of one file of a journal, as the session's actor sees it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hls_sessions.ffmpeg import RECORD
from hls_sessions.segments import record_process

if TYPE_CHECKING:
    from fractions import Fraction
    from pathlib import Path

    from hls_sessions.ffmpeg import Exit, Message, Worker, Workers
    from hls_sessions.live.journal import Part
    from hls_sessions.live.ledger import Section
    from hls_sessions.live.timeline import GrowingTimeline
    from hls_sessions.otp import Ref
    from hls_sessions.segments import SegmentDirectory

FOLDER: Final = "maker"
"""The name of the folder, in the session's directory, that makers write to."""

TRANSPORT: Final = 188, 0x47
"""The length of a packet of MPEG-TS, and the byte that each begins with."""


@dataclass(frozen=True, slots=True)
class MakerSaid:
    """A maker has said something."""

    maker: int
    message: Message


@dataclass(frozen=True, slots=True)
class MakerExited:
    """A maker's process has ended."""

    maker: int
    exit: Exit


class Maker:
    """Makes the segments of one file, from one of them on. Lives in the session's thread."""

    def __init__(
        self,
        number: int,
        part: Part,
        *,
        first: int,
        start: dict[str, Any] | None,
        copies: bool,
        length: float,
        part_length: Fraction | None,
        workers: Workers,
        directory: SegmentDirectory,
        owner: Ref,
    ) -> None:
        """Start the process.

        Args:
            number: its own; its messages carry it.
            part: the file, of which at least one byte has come.
            first: the number of the file's first segment.
            start: where to begin, as the worker is told; None for the beginning.
            copies: whether video may be copied.
            length: the wanted length of a segment, in seconds.
            part_length: the longest that a part of one may be, in seconds; None to make them whole.
            workers: starts the process.
            directory: the session's directory.
            owner: hears MakerSaid and MakerExited.

        Raises:
            OSError: it cannot be started now.
            WorkerFailed: no worker is started any more.
        """
        self.number, self.file, self.first, self.copies = number, part.number, first, copies
        self._folder: Path = directory.new_run(FOLDER, number)
        self._read: int | None = None
        """How many bytes it has read, while it waits for more."""
        self.why: tuple[str | None, bool] | None = None
        """How it has ended, in its own words: why not all could be shown, and whether it could if it were encoded."""
        try:
            self._worker: Worker = workers.start_heard(
                RECORD,
                lambda identity: record_process(self._folder, identity),
                lambda message: owner.send(MakerSaid(number, message)),
                lambda exit_: owner.send(MakerExited(number, exit_)),
            )
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._worker.send(
            {
                "path": str(part.path),
                "confined_to": str(self._folder) if workers.confined else None,
                "demuxer": _demuxer_of(part.path),
                "length": str(length),
                "part_length": part_length and str(part_length),
                "start": start,
                "copies": copies,
                "folder": str(self._folder),
            }
        )

    def __repr__(self) -> str:
        return f"<Maker {self.number} of part {self.file} [pid {self._worker.pid}]>"

    @property
    def pid(self) -> int | None:
        """The id of its process."""
        return self._worker.pid

    def output(self, kind: str, number: int) -> Path:
        """Return the file in which it has made a segment, by the number that the segment has in the whole recording."""
        return self._folder / f"{kind}-{number - self.first}.m4s"

    def partial_output(self, kind: str, number: int, part: int) -> Path:
        """Return the file in which it has made a part of a segment."""
        return self._folder / f"{kind}-{number - self.first}.{part}.m4s"

    def has_read(self, size: int) -> None:
        """Note that it waits for more than so many bytes."""
        self._read = size

    def feed(self, size: int, *, ended: bool) -> None:
        """Say how many bytes there are, and whether no more will come, if it waits for that."""
        if self._read is None:
            return
        if size > self._read:
            self._worker.send({"size": size})
        elif ended:
            self._worker.send({"ended": True})
        else:
            return
        self._read = None

    def kill(self) -> None:
        """Have its process killed."""
        self._worker.kill()

    def close(self, timeout: float) -> None:
        """Kill its process, wait so many seconds until it is gone, and delete what it has left."""
        self._worker.kill()
        self._worker.wait(timeout)
        self.clear()

    def clear(self) -> None:
        """Delete what it has left. Its channel is closed by whoever listens to it."""
        shutil.rmtree(self._folder, ignore_errors=True)


def start_at(section: Section, timeline: GrowingTimeline, number: int) -> dict[str, Any] | None:
    """Return where a maker is to begin to make a segment that is, or comes next, in a section."""
    if number == section.first:
        return None
    begins = timeline.begins(number)
    return {
        "number": number - section.first,
        "origin": str(section.origin),
        "begins": str(begins),
        "kinds": list(section.codecs),
    }


def _demuxer_of(path: Path) -> str | None:
    """Return the demuxer of a stream that has no header by which libav would know it at once."""
    size, sync = TRANSPORT
    with path.open("rb") as file:
        data = file.read(3 * size)
    if len(data) <= size:
        return "mpegts" if data[:1] == bytes([sync]) else None
    # It may have been joined within a packet.
    begins = (at for at in range(size) if set(data[at::size]) == {sync} and len(data[at::size]) > 1)
    return "mpegts" if next(begins, None) is not None else None
