"""A small HLS client, which plays a part of a presentation and judges what it gets as ``hls-sessions verify`` does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx

from hls_sessions.errors import SegmentImpossible, SessionError
from hls_sessions.verify import Unreachable, play

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from hls_sessions import Session
    from hls_sessions.ffmpeg import Workers
    from hls_sessions.verify import Finding, Received

PATIENCE: Final = 120.0
"""Seconds that a session may take for a segment."""

MASTER: Final = "http://session/master.m3u8"
"""The address of a session that is in this process."""


class Faulty(AssertionError):
    """A stream is not as it should be. The message says what is wrong, a line for each finding."""

    def __init__(self, url: str, findings: tuple[Finding, ...]) -> None:
        lines = [f"{finding.where} ({finding.rule}): {finding.sentence}" for finding in findings]
        super().__init__("\n".join([f"{url} has faults:", *lines]))
        self.findings = findings


@dataclass(frozen=True, slots=True)
class Played:
    """The part of a presentation that a client has received."""

    received: tuple[Received, ...]
    """The segments, those of the variant before those of its audio."""
    findings: tuple[Finding, ...]
    """What was wrong, and allowed."""

    def of(self, rendition: str) -> list[Received]:
        """Return the segments of the renditions whose playlists have this text in their path: ``video-360p``."""
        return [each for each in self.received if rendition in each.rendition]


class HlsClient:
    """Plays one presentation."""

    def __init__(self, what: str | Session, workers: Workers | None = None) -> None:
        """Name what is played.

        Args:
            what: the URL of a master or media playlist, or a session of a supervisor in this process.
            workers: those of which one decodes what is received; its own when omitted.
        """
        self._url = what if isinstance(what, str) else MASTER
        self._transport = None if isinstance(what, str) else _Files(what)
        self._workers = workers

    def play(
        self,
        *,
        variant: str | None = None,
        start: float = 0.0,
        segments: int | None = None,
        allow: Collection[str] = (),
    ) -> Played:
        """Fetch a variant and the audio that plays with it, judge them, and return the segments.

        Args:
            variant: a part of the address of the variant's playlist, such as ``video-360p``; the first when omitted.
            start: seconds from the beginning; the first segment is the one that is shown then.
            segments: how many segments of each rendition; all that follow when omitted.
            allow: rules that may be broken, as ``hls-sessions verify`` names them: an RFC 8216 section, ``exactness``,
                ``continuity``, ``decoding``, ``delivery``, ``gap``.

        Raises:
            Faulty: something is wrong: a segment that is missing, cannot be decoded, begins at another time than the
                playlist says or with no keyframe, a tag that is missing. It is an AssertionError.
            OSError: no process can be started to decode it.
        """
        try:
            report, received = play(
                self._url,
                variant=variant,
                start=start,
                segments=segments,
                transport=self._transport,
                workers=self._workers,
            )
        except Unreachable as error:
            raise AssertionError(str(error)) from error
        faults = tuple(finding for finding in report.findings if finding.rule not in allow)
        if faults:
            raise Faulty(self._url, faults)
        return Played(tuple(received), tuple(report.findings))


class _Files(httpx.BaseTransport):
    """Answers for a session in this process as the daemon does, by paths that its playlists name."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request; an error of the session is one of fetching."""
        try:
            return self._answer(request.url.path.strip("/").split("/"))
        except SegmentImpossible as error:
            return httpx.Response(200, headers={"Segment-Impossible": error.reason.encode("ascii", "replace").decode()})
        except (SessionError, OSError) as error:
            raise httpx.ReadError(str(error), request=request) from error

    def _answer(self, path: list[str]) -> httpx.Response:
        match path:
            case ["master.m3u8"]:
                return httpx.Response(200, text=self._session.master_playlist())
            case [rendition, "index.m3u8"]:
                return httpx.Response(200, text=self._session.media_playlist(rendition))
            case [rendition, "init.mp4"]:
                return _file(self._session.init(rendition, PATIENCE))
            case [rendition, name] if (number := name.partition(".")[0]).isdecimal():
                file = self._session.segment(rendition, int(number), PATIENCE)
                empty = self._session.is_filler(rendition, int(number))
                return _file(file, **({"Segment-Empty": "its track begins later, or has ended"} if empty else {}))
        return httpx.Response(404)


def _file(path: Path, **headers: str) -> httpx.Response:
    return httpx.Response(200, content=path.read_bytes(), headers=headers)
