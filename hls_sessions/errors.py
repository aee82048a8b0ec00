"""The one error tree of this package: each error has its facts and its own sentence.

The edges translate these once: ``web/problems.py`` to HTTP, ``cli/exits.py`` to exit codes. ``kind`` and the names of
the facts are part of the API: programs compare them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class SessionError(Exception):
    """Anything this package refuses or fails to do. ``kind`` is a stable word for programs."""

    kind: ClassVar[str] = "session-error"

    def facts(self) -> dict[str, Any]:
        """Return the facts behind the sentence, as plain values."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


class NotFound(SessionError):
    """What was asked for is not there."""

    kind = "not-found"


class Gone(SessionError):
    """What was asked for was there, and will not come back."""

    kind = "gone"


class MediaNotFound(NotFound):
    """There is no such file under any media root."""

    kind = "media-not-found"

    def __init__(self, media: str) -> None:
        self.media = media
        super().__init__(f"There is no file {media!r} under the media roots.")


class FileChanged(Gone):
    """The file was replaced or written to since the session was opened. Opening it again plays what it holds now."""

    kind = "file-changed"

    def __init__(self, media: str) -> None:
        self.media = media
        super().__init__(f"The file {media!r} has changed since it was opened. Open it again.")


class OutsideRoots(SessionError):
    """The path, with its symlinks followed, leaves every media root."""

    kind = "outside-roots"

    def __init__(self, media: str) -> None:
        self.media = media
        super().__init__(f"{media!r} is outside the media roots.")


class NotPlayable(SessionError):
    """The file is there but holds nothing that can be played."""

    kind = "not-playable"

    def __init__(self, media: str, reason: str) -> None:
        self.media = media
        self.reason = reason
        super().__init__(f"{media!r} cannot be played: {reason}.")


class SessionNotFound(NotFound):
    """No session has this id."""

    kind = "session-not-found"

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        super().__init__(f"There is no session {session_id!r}.")


class SessionEnded(Gone):
    """The session was here and has ended by itself: it ``failed``, ``expired`` or, as a recording, ``completed``."""

    kind = "session-ended"

    def __init__(self, session_id: str, state: str, reason: str, ended_at: str) -> None:
        self.session_id = session_id
        self.state = state
        self.reason = reason
        self.ended_at = ended_at
        super().__init__(f"Session {session_id} {state} at {ended_at}: {reason}")


class RenditionNotFound(NotFound):
    """The session has no rendition of this name."""

    kind = "rendition-not-found"

    def __init__(self, session_id: str, rendition: str) -> None:
        self.session_id = session_id
        self.rendition = rendition
        super().__init__(f"Session {session_id} has no rendition {rendition!r}.")


class SegmentNotFound(NotFound):
    """The rendition's playlist has no segment of this number."""

    kind = "segment-not-found"

    def __init__(self, rendition: str, segment: int, segments: int) -> None:
        self.rendition = rendition
        self.segment = segment
        self.segments = segments
        super().__init__(f"{rendition} has {segments} segments; there is no segment {segment}.")


class SegmentImpossible(NotFound):
    """The playlist promised the segment, but the file turned out not to hold it."""

    kind = "segment-impossible"

    def __init__(self, rendition: str, segment: int, reason: str) -> None:
        self.rendition = rendition
        self.segment = segment
        self.reason = reason
        super().__init__(f"Segment {segment} of {rendition} cannot be made: {reason}.")


class ExportChanged(SessionError):
    """A segment of a whole file was made anew, with other bytes: the file is to be read from its beginning."""

    kind = "export-changed"

    def __init__(self) -> None:
        super().__init__("A segment of this file was made anew, and is another one now: read it from the beginning.")


class EncoderFailed(SessionError):
    """ffmpeg failed too often at one segment. ``log`` holds its last lines."""

    kind = "encoder-failed"

    def __init__(self, rendition: str, segment: int, failures: int, reason: str, log: Sequence[str] = ()) -> None:
        self.rendition = rendition
        self.segment = segment
        self.failures = failures
        self.reason = reason
        self.log = list(log)
        super().__init__(f"Segment {segment} of {rendition} failed {failures} times: {reason}.{quoted_log(log)}")


class SubtitlesFailed(SessionError):
    """A file's subtitle tracks cannot be read."""

    kind = "subtitles-failed"

    def __init__(self, media: str, reason: str) -> None:
        self.media = media
        self.reason = reason
        super().__init__(f"The subtitles of {media!r} cannot be read: {reason}.")


class ThumbnailFailed(NotFound):
    """A film has no picture there, or it cannot be decoded."""

    kind = "thumbnail-failed"

    def __init__(self, media: str, reason: str) -> None:
        self.media = media
        self.reason = reason
        super().__init__(f"There is no thumbnail of {media!r}: {reason}.")


class IllegalTransition(SessionError):
    """A session was asked for a step its state does not allow. Nothing has changed."""

    kind = "illegal-transition"

    def __init__(self, state: str, step: str, sentence: str) -> None:
        self.state = state
        self.step = step
        super().__init__(sentence)


class SnapshotRefused(SessionError):
    """The snapshot is not of the session or the file it is to be resumed with."""

    kind = "snapshot-refused"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The snapshot cannot be resumed: {reason}.")


class CapacityExceeded(SessionError):
    """The limit of sessions is reached, and none can be displaced. A caller that asks again in time keeps its place."""

    kind = "capacity-exceeded"

    def __init__(self, limit: str, most: int, place: int, retry_after: float) -> None:
        self.limit = limit
        self.most = most
        self.place = place
        self.retry_after = retry_after
        super().__init__(
            f"There is no room for another session ({limit} is {most}): number {place} in the queue, ask again in "
            f"{retry_after:.0f} seconds."
        )


class SettingsRefused(SessionError):
    """Settings cannot be as they were asked to be. None of them has changed."""

    kind = "settings-refused"

    def __init__(self, faults: Mapping[str, str]) -> None:
        self.faults = dict(faults)
        """The faults, by the setting's name."""
        super().__init__(f"The settings stay as they are: {'; '.join(f'{n}: {why}' for n, why in faults.items())}.")


class FfmpegNotFound(SessionError):
    """No usable ffmpeg binary."""

    kind = "ffmpeg-not-found"

    def __init__(self, tried: Sequence[str]) -> None:
        self.tried = list(tried)
        super().__init__(
            "No ffmpeg was found (tried: "
            + ", ".join(self.tried)
            + "). Install ffmpeg, or the package's 'ffmpeg' extra, or set HLS_SESSIONS_FFMPEG."
        )


class EncoderUnusable(SessionError):
    """The encoder that was asked for does not work here."""

    kind = "encoder-unusable"

    def __init__(self, encoder: str, reason: str) -> None:
        self.encoder = encoder
        self.reason = reason
        super().__init__(f"The encoder {encoder!r} cannot be used: {reason}.")


class SandboxUnusable(SessionError):
    """The sandbox is required, and something of it does not hold here."""

    kind = "sandbox-unusable"

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__(f"The sandbox is required and does not hold: {'; '.join(reasons)}.")


class WrongOffset(SessionError):
    """These bytes of a recording do not belong at its end, where its source is to go on."""

    kind = "wrong-offset"

    def __init__(self, offset: int, expected: int) -> None:
        self.offset = offset
        self.expected = expected
        super().__init__(f"These bytes belong at {offset}, but {expected} have arrived.")


class InputBusy(SessionError):
    """Another source writes to the recording."""

    kind = "input-busy"

    def __init__(self) -> None:
        super().__init__("Another source writes to this recording.")


class InputRefused(SessionError):
    """The token that gives the right to write to a recording is missing or wrong."""

    kind = "input-refused"

    def __init__(self) -> None:
        super().__init__("This needs the recording's input token.")


class SourceRefused(SessionError):
    """The settings do not allow to fetch from there."""

    kind = "source-refused"

    def __init__(self) -> None:
        super().__init__("The settings (live_sources) do not allow this source.")


class RecordingOver(Gone):
    """The recording has ended, and takes no more."""

    kind = "recording-over"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The recording is over: {reason}.")


class RecordingNotFound(NotFound):
    """There is no recording of this id."""

    kind = "recording-not-found"

    def __init__(self, recording_id: str) -> None:
        self.recording_id = recording_id
        super().__init__(f"There is no recording {recording_id!r}.")


class RecordingFull(SessionError):
    """A recording has as many bytes as it may have."""

    kind = "recording-full"

    def __init__(self, most: int) -> None:
        self.most = most
        super().__init__(f"A recording may have {most} bytes, and not more.")


class StorageFailed(SessionError):
    """A directory of segments or of a recording cannot be made or written (permissions, a full disk)."""

    kind = "storage-failed"

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"The directory or file {path} cannot be used: {reason}.")


class StateUnusable(SessionError):
    """The folder for what outlives the daemon cannot be used (permissions, another daemon)."""

    kind = "state-unusable"

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"The state directory {path} cannot be used: {reason}.")


class Unavailable(SessionError):
    """The supervisor is stopping, or the session's actor did not come back in time."""

    kind = "unavailable"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class CannotListen(SessionError):
    """The address is taken, not this machine's, or would be open to others without a token."""

    kind = "cannot-listen"

    def __init__(self, address: str, reason: str) -> None:
        self.address = address
        self.reason = reason
        super().__init__(f"{address} cannot be listened on: {reason}.")


class NodeRefused(SessionError):
    """A node cannot be one of the cluster."""

    kind = "node-refused"

    def __init__(self, node: str, reason: str) -> None:
        self.node = node
        self.reason = reason
        super().__init__(f"The node {node!r} cannot be one of this cluster: {reason}.")


class NodeNotFound(NotFound):
    """The cluster has no node of this name."""

    kind = "node-not-found"

    def __init__(self, node: str) -> None:
        self.node = node
        super().__init__(f"There is no node {node!r}.")


def quoted_log(log: Sequence[str]) -> str:
    """Quote ffmpeg's last log lines as a sentence that follows another; nothing when there are none."""
    return f" ffmpeg said: {' | '.join(log[-3:])}" if any(log) else ""
