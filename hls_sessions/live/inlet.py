"""The inlet of a recording: where its source writes. One source writes at a time; any thread may.

A source that has lost its connection comes back with another and goes on where the journal ends, while the daemon may
not have noticed yet that the first one is dead. So a source that sends nothing for a while may be replaced.
"""

from __future__ import annotations

import threading
from enum import Enum
from typing import TYPE_CHECKING, Final

from hls_sessions.errors import InputBusy, RecordingFull, RecordingOver, StorageFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from hls_sessions.errors import SessionError
    from hls_sessions.live.journal import Journal
    from hls_sessions.otp import Clock

SILENT: Final = 2.0
"""Seconds without a byte after which another source may take the place of the one that is connected."""

EXTENSIONS: Final = {
    "webm": "webm",
    "x-matroska": "mkv",
    "matroska": "mkv",
    "mp4": "mp4",
    "quicktime": "mp4",
    "mp2t": "ts",
}
"""The extension of a part's file, by the subtype of its media type."""

MAGIC: Final = (
    (0, b"\x1aE\xdf\xa3", "mkv"),
    (4, b"ftyp", "mp4"),
    (0, b"G", "ts"),
)
"""How streams begin whose source has not told their media type: where, with what, and their extension."""


class SourceState(Enum):
    """What the source of a recording does."""

    WAITING = "waiting"
    """It has not come yet."""
    ARRIVING = "arriving"
    """It is connected."""
    LOST = "lost"
    """It has gone, and may come back."""
    ENDED = "ended"
    """Nothing more will come."""


class Input:
    """A source's hold on the inlet, from its start to its end. Made by ``Inlet.take``."""

    def __init__(self, inlet: Inlet, offset: int, begins: str | None) -> None:
        self._inlet = inlet
        self.next = offset
        """The offset in the stream from which it is to go on."""
        self.begins = begins
        """The media type of the stream that begins with its first bytes; None where it goes on with one."""

    def write(self, offset: int, data: bytes | memoryview) -> int:
        """Keep bytes of the stream; return the offset that follows. When it returns, they are acknowledged.

        Raises:
            WrongOffset: they do not follow what is there.
            RecordingFull: the recording would be larger than it may be, and is over.
            StorageFailed: they cannot be written, and the recording is over; the journal says how many are.
            InputBusy: another source has taken the place of this one.
            RecordingOver: the recording is over.
        """
        self.next = self._inlet.write(self, offset, data)
        return self.next

    def judge(self) -> None:
        """Raise the error that ``write`` would raise now, if any."""
        self._inlet.judge(self)

    def stop(self) -> None:
        """End the recording: all has come. Does nothing if this source was replaced."""
        self._inlet.leave(self, stopped=True)

    def close(self) -> None:
        """Leave; the source may come back. Does nothing if this source was replaced, or has stopped."""
        self._inlet.leave(self, stopped=False)


class Inlet:
    """Lets one source at a time write into a journal."""

    def __init__(self, journal: Journal, clock: Clock, *, over: str | None = None) -> None:
        """Wait for a source; for none where the recording is over."""
        self._journal = journal
        self._clock = clock
        self._current: Input | None = None
        self._lock = threading.Lock()
        self._heard_at = clock.monotonic()
        self.over = over
        """Why nothing more will come; None while something may."""
        self._refusal: SessionError | None = None
        """The error for whoever writes now, where it says more than that it is over."""
        self.changed: Callable[[], object] = lambda: None
        """Is called after each change, in any thread; it must be quick."""

    def __repr__(self) -> str:
        return f"<Inlet [{self.state.value}]>"

    @property
    def state(self) -> SourceState:
        """What the source does."""
        if self.over is not None:
            return SourceState.ENDED
        if self._current is not None:
            return SourceState.ARRIVING
        return SourceState.LOST if self._journal.parts else SourceState.WAITING

    @property
    def silent_for(self) -> float:
        """Seconds since something last came, or a source did."""
        return self._clock.monotonic() - self._heard_at

    def take(self, mime: str | None = None, *, new_stream: bool = False) -> Input:
        """Begin to write.

        Args:
            mime: the media type of the stream.
            new_stream: whether it is another stream than the one that came before, and begins with its own header.

        Raises:
            InputBusy: another source writes.
            RecordingOver: the recording is over.
        """
        with self._lock:
            self._judge()
            if self._current is not None and self.silent_for < SILENT:
                raise InputBusy
            parts = self._journal.parts
            goes_on = parts and not new_stream
            self._heard_at = self._clock.monotonic()
            taken = self._current = Input(self, parts[-1].size, None) if goes_on else Input(self, 0, mime or "")
        self.changed()
        return taken

    def end(self, reason: str, error: SessionError | None = None) -> None:
        """Take nothing more. What was acknowledged stays.

        Args:
            reason: why the recording is over.
            error: what whoever writes now is answered; by default, that it is over.
        """
        with self._lock:
            if self.over is not None:
                return
            self.over, self._current = reason, None
            self._refusal = self._refusal or error
        self.changed()

    def close(self, error: SessionError) -> None:
        """Take nothing more in this daemon, and answer whoever writes with an error. The recording is not over."""
        with self._lock:
            self._refusal, self._current = error, None

    # ---- for Input

    def write(self, source: Input, offset: int, data: bytes | memoryview) -> int:
        """Write for a source, if it is still the one. Where no more can be kept, the recording is over."""
        try:
            with self._lock:
                self._judge(source)
                self._heard_at = self._clock.monotonic()
                if source.begins is not None:
                    self._journal.begin(extension_of(source.begins, data))
                    source.begins = None
                following = self._journal.append(offset, data)
        except (RecordingFull, StorageFailed) as error:
            self.end(f"no more can be kept of it: {error}", error)
            raise
        self.changed()
        return following

    def judge(self, source: Input) -> None:
        """Raise the error that a source would be answered with, if any."""
        with self._lock:
            self._judge(source)

    def leave(self, source: Input, *, stopped: bool) -> None:
        """Note that a source has left."""
        with self._lock:
            if self._current is not source:
                return
            self._current = None
            self._heard_at = self._clock.monotonic()
        if stopped:
            self.end("its source has ended it")
        else:
            self.changed()

    # ---- within

    def _judge(self, source: Input | None = None) -> None:
        if self._refusal is not None:
            raise self._refusal.with_traceback(None)
        if self.over is not None:
            raise RecordingOver(self.over)
        if source is not None and self._current is not source:
            raise InputBusy


def extension_of(mime: str, data: bytes | memoryview) -> str:
    """Return the extension for the file of a stream, by its media type or else by how it begins."""
    subtype = mime.partition(";")[0].rpartition("/")[2].strip().lower()
    if subtype in EXTENSIONS:
        return EXTENSIONS[subtype]
    head = bytes(data[:64])
    if b"webm" in head:
        return "webm"
    # The first bytes may be few: MediaRecorder sends one.
    begun = ((extension, magic, head[at : at + len(magic)]) for at, magic, extension in MAGIC)
    return next((extension for extension, magic, first in begun if first and magic.startswith(first)), "bin")
