"""Media that others have made is read in a confined process, which may crash or hang without harm to the judge."""

from __future__ import annotations

from array import array
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hls_sessions.ffmpeg.judging.packets import Packet, Track, Unreadable
from hls_sessions.ffmpeg.workers import JUDGE, WorkerErred, WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hls_sessions.ffmpeg.workers import Message, Worker, Workers

SEGMENT_TIME: Final = 60.0
"""Seconds that reading and decoding a segment may take."""

START_TIME: Final = 60.0
"""Seconds that a process may take to be there."""

SOURCE_TIME: Final = 3600.0
"""Seconds that reading the packets of a whole file may take."""


class Decoded(NamedTuple):
    """A track, and how many frames a decoder makes of it."""

    track: Track
    frames: int


class PacketReader:
    """Reads the packets of segments in one process, and those of a file in one of its own. For one thread."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._worker: Worker | None = None

    def read_segment(self, data: bytes) -> list[Decoded]:
        """Read and decode every video and audio track of an init segment and the segment after it.

        Raises:
            Unreadable: it is not media, is cut off, or a decoder finds a fault, crashes or hangs.
            OSError: no process could be started.
        """
        if self._worker is None or self._worker.exit is not None:
            self._worker = self._start(None)
        return self._read(self._worker, {"media": None, "decode": True}, SEGMENT_TIME, data)

    def read_file(self, path: Path) -> list[Track]:
        """Read the packets of every video and audio track of a file.

        Raises:
            Unreadable: it is not media, or it is cut off.
            OSError: no process could be started.
        """
        absolute = str(path.absolute())
        worker = self._start(absolute)
        try:
            request = {"media": absolute, "decode": False}
            return [decoded.track for decoded in self._read(worker, request, SOURCE_TIME)]
        finally:
            worker.end()

    def close(self) -> None:
        """End the process."""
        if self._worker is not None:
            self._worker.end()

    def _start(self, file: str | None) -> Worker:
        worker = self._workers.start(JUDGE)
        try:
            # Its start is waited for here, because it is no part of the time that a segment gets.
            worker.ask({"file": file, "confined": self._workers.confined}, START_TIME)
        except WorkerFailed as error:
            raise OSError(f"The process that decodes could not be started: {error}") from error
        return worker

    def _read(self, worker: Worker, request: dict[str, Any], timeout: float, data: bytes = b"") -> list[Decoded]:
        with _faults_told(timeout):
            return list(_tracks(worker.ask(request, timeout, data)))


@contextmanager
def _faults_told(timeout: float) -> Iterator[None]:
    """Tell the end of a worker as a fault of what it read."""
    try:
        yield
    except TimeoutError as error:
        raise Unreadable(f"decoding it takes more than {timeout:g} seconds") from error
    except WorkerErred as error:
        raise Unreadable(f"the process that decodes it failed: {error}") from error
    except WorkerFailed as error:
        raise Unreadable("it crashes a decoder") from error


def _tracks(message: Message) -> Iterator[Decoded]:
    """Yield the tracks that an answer holds.

    Raises:
        Unreadable: it holds an error.
        WorkerFailed: it holds something else.
    """
    if isinstance(message.body, dict) and isinstance(why := message.body.get("error"), str):
        raise Unreadable(why)
    try:
        numbers, at = array("q", message.payload), 0
        for kind, codec, ticks, packets, frames in message.body["tracks"]:
            end = at + 3 * packets
            yield Decoded(
                Track(
                    str(kind),
                    str(codec),
                    tuple(
                        Packet(Fraction(numbers[n], ticks), Fraction(numbers[n + 1], ticks), bool(numbers[n + 2]))
                        for n in range(at, end, 3)
                    ),
                ),
                int(frames),
            )
            at = end
    except (TypeError, ValueError, KeyError, IndexError, ZeroDivisionError) as error:
        raise WorkerErred("it answered with something else") from error
