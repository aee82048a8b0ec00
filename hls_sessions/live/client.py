"""One recording, as a media server uses it: a session that can be written to."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from hls_sessions.errors import RenditionNotFound, SegmentImpossible, SegmentNotFound
from hls_sessions.live.exports import made_files
from hls_sessions.live.playlists import live_master_playlist, live_playlist
from hls_sessions.live.server import GetAdvanced, GetFinished, GetPartial, GetPlayable
from hls_sessions.media import CompressedText
from hls_sessions.otp import CallTimeout
from hls_sessions.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from hls_sessions.live.inlet import Input, SourceState
    from hls_sessions.live.journal import Journal
    from hls_sessions.live.ledger import Ledger
    from hls_sessions.live.spec import RecordingSpec
    from hls_sessions.media import Presentation
    from hls_sessions.otp import Registry, Reply
    from hls_sessions.session import SessionRecord


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A file that there is of a recording."""

    name: str
    kind: str
    """``original``: what has arrived, unchanged; else what was made of it."""
    size: int
    """Bytes so far."""
    seconds: float
    """How much of it can be watched."""
    path: Path
    made_from: tuple[str, ...] = ()
    """The names of the files that it was made of."""


def recorded_files(journal: Journal, ledger: Ledger) -> tuple[RecordedFile, ...]:
    """Return the files that there are of a recording: what has arrived, and then what was made of it."""
    seconds = {part.number: float(ledger.seconds_of(part.number)) for part in journal.parts}
    files = [
        RecordedFile(part.path.name, "original", part.size, seconds[part.number], part.path) for part in journal.parts
    ]
    for path, kind, of in made_files(journal.folder):
        parts = [part for part in journal.parts if of in {None, part.number}]
        with suppress(FileNotFoundError):  # another was made in its place
            size, names = path.stat().st_size, tuple(part.path.name for part in parts)
            files.append(RecordedFile(path.name, kind, size, sum(seconds[part.number] for part in parts), path, names))
    return tuple(files)


class Recording(Session):
    """One recording, as seen from outside. Any thread may use it; as a context manager, it is finished at the end.

    It is watched as any session is, by its playlists and segments, while it arrives and afterwards.
    """

    def __init__(
        self, spec: RecordingSpec, record: SessionRecord, registry: Registry, close: Callable[[str], None]
    ) -> None:
        super().__init__(spec, record, registry, close)
        self._input: Input | None = None
        """The hold of ``write`` on the inlet."""
        self._written: dict[str | None, tuple[tuple[int, int, bool], CompressedText]] = {}
        """The latest playlists, and how much there was then: many viewers ask for the same."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()

    # ---- writing

    @property
    def input_token(self) -> str:
        """The right to write to it."""
        return self._ledger.facts.token

    @property
    def source(self) -> SourceState:
        """What its source does."""
        return self._recording.inlet.state

    def input(self, mime: str | None = None, *, new_stream: bool = False) -> Input:
        """Begin to write at a known offset, as a source does that may lose its connection and come back.

        Args:
            mime: the media type of the stream.
            new_stream: whether it is another stream than the one that came before, and begins with its own header.

        Raises:
            InputBusy: another source writes.
            RecordingOver: the recording is over.
        """
        return self._recording.inlet.take(mime or self._ledger.facts.mime, new_stream=new_stream)

    def write(self, data: bytes) -> None:
        """Keep the next bytes of the stream. When it returns, they are in the journal.

        Raises:
            RecordingFull: the recording would be larger than it may be, and is over.
            StorageFailed: they cannot be written, or not all of them, and the recording is over.
            InputBusy: another source has taken the place of this one.
            NotPlayable: what has come so far is no media.
            RecordingOver: the recording is over.
        """
        self._input = self._input or self.input()
        self._input.write(self._input.next, data)

    def finish(self, timeout: float | None = None) -> tuple[RecordedFile, ...]:
        """End the recording, and return its files as soon as all of it can be watched.

        Raises:
            SessionEnded, SessionNotFound: the session has ended.
            TimeoutError: that took longer than ``timeout`` seconds.
        """
        self._recording.inlet.end("it was finished")
        reply = self._ask(GetFinished())
        try:
            reply.get(timeout)
        except CallTimeout as error:
            reply.cancel()
            raise TimeoutError(f"Not all of it could be watched after {timeout:g} seconds.") from error
        return self.files()

    def files(self) -> tuple[RecordedFile, ...]:
        """Return the files that there are of it now."""
        return recorded_files(self._recording.journal, self._ledger)

    # ---- watching

    @property
    def presentation(self) -> Presentation:
        """A recording has none, because it grows.

        Raises:
            AttributeError: always.
        """
        raise AttributeError("A recording has no presentation, because it grows.")

    def extension(self, rendition: str) -> str:
        """Return the extension of the segments of a rendition, without the dot.

        Raises:
            RenditionNotFound: there is no such rendition.
        """
        if not any(rendition in section.codecs for section in self._ledger.sections):
            raise RenditionNotFound(self.id, rendition)
        return "m4s"

    def follows(self, rendition: str, segment: int) -> bool:  # noqa: ARG002 - all renditions have the same segments
        """Whether a segment is followed by another, so far."""
        return segment + 1 < len(self._ledger.timeline)

    def is_filler(self, rendition: str, segment: int) -> bool:  # noqa: ARG002 - the same
        """Whether a segment is a filler. There is none."""
        return False

    def playlist(self, rendition: str | None = None) -> CompressedText:
        """Return a rendition's playlist as it is now, or the master playlist. Counts as activity.

        Raises:
            RenditionNotFound: there is no such rendition.
        """
        if rendition is not None:
            self._known(rendition)
        self._note_activity()
        timeline, window = self._ledger.timeline, self._ledger.facts.dvr_window
        now, known = self._arrived, self._written.get(rendition)
        if known is None or known[0] != now:
            if rendition is None:
                text = live_master_playlist(self._ledger)
            else:
                text = live_playlist(timeline, rendition, window, self._recording.part_target)
            known = self._written[rendition] = now, CompressedText(text)
        return known[1]

    def has_written(self, rendition: str | None) -> bool:
        """Whether ``playlist`` returns at once, because it is written and nothing has arrived since."""
        known = self._written.get(rendition)
        return known is not None and known[0] == self._arrived

    @property
    def _arrived(self) -> tuple[int, int, bool]:
        """How many segments there are, how many parts of the next one, and whether it is over."""
        timeline = self._ledger.timeline
        return len(timeline), len(timeline.partials.get(len(timeline), ())), timeline.is_over

    def gap(self, rendition: str, segment: int, init: Path) -> bytes:  # noqa: ARG002 - as of every session
        """A recording has no fillers: what its source did not send is a gap in the playlist, and not asked for.

        Raises:
            SegmentImpossible: always.
        """
        raise SegmentImpossible(rendition, segment, "its source sent nothing of it then")

    def file_of(self, rendition: str, segment: int | None, part: int = 0) -> Path:
        """Return the path that a segment has on disk, or the init segment of a part (None), whether or not it is there.

        Raises:
            RenditionNotFound, SegmentNotFound: there is no such segment yet.
        """
        self._known(rendition)
        if segment is None:
            return self._directory.init(rendition, part)
        segments = len(self._ledger.timeline)
        if not 0 <= segment < segments:
            raise SegmentNotFound(rendition, segment, segments)
        return self._directory.segment(rendition, segment)

    def partial_file(self, rendition: str, segment: int, part: int) -> Path:
        """Return the path that a part of a segment has on disk, whether or not it is there.

        Raises:
            RenditionNotFound: there is no such rendition.
        """
        self._known(rendition)
        return self._directory.partial(rendition, segment, part)

    @property
    def is_low_latency(self) -> bool:
        """Whether its segments are offered in parts."""
        return self._recording.part_target is not None

    def ask_playable(self) -> Reply[Any]:
        """Ask to be answered as soon as its playlists can be written."""
        return self._hold(GetPlayable())

    def ask_reload(self, segment: int, part: int | None) -> Reply[Any]:
        """Ask to be answered as soon as its playlists hold a segment or, if one is named, that part of it.

        The answer fails with SegmentNotFound where they will not soon.
        """
        return self._hold(GetAdvanced(segment, part)) if self.is_low_latency else self.ask_playable()

    def ask_partial(self, rendition: str, segment: int, part: int) -> Reply[Path]:
        """Ask for the file of a part of a segment; of the next part, as soon as it is there."""
        return self._hold(GetPartial(rendition, segment, part))

    # ---- within

    @property
    def _recording(self) -> RecordingSpec:
        return cast("RecordingSpec", self._spec)

    @property
    def _ledger(self) -> Ledger:
        return self._recording.ledger
