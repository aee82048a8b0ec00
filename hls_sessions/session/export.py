"""The whole film as one MP4 file, made of its segments while it is read, and kept nowhere.

Segments that are on disk are used as they are, and the others are made in the background: when every viewer has enough.
What is remembered is only where each segment lies in the file, and a digest of it. So a reader that breaks off costs
nothing, and another can go on where it was: the segment at that place is asked for again. Where it has other bytes now,
because it was deleted and encoded again, the rest of the old one is filled with zeros, which the file's index passes
over, and the new one follows as a whole.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias
from uuid import uuid4

from hls_sessions.errors import ExportChanged, RenditionNotFound, SegmentImpossible, SubtitlesFailed, Unavailable
from hls_sessions.media import Line, ProgressiveFile, Text, chapters_of, lines_of, media_data

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path
    from typing import Any

    from hls_sessions.media import Cue, Presentation, Rendition
    from hls_sessions.otp import Reply

    Step: TypeAlias = "bytes | Reply[Any]"
    """The next bytes, or an answer to wait for before there are any."""

NONE: Final = "none"
"""In place of an id: no such track."""

MOST_LINES: Final = 1080
"""Of the video that is taken by default, on its shorter side: phones decode as many."""

FOR_ANY: Final = "avc1."
"""How CODECS begins for the video that is taken by default, because every device decodes H.264."""

ASKED_AHEAD: Final = 6
"""Segments that are asked for at once. An encoder for which nobody asks is ended, so it must be more than one of each
track."""

KEPT: Final = 4
"""Files of one session that can be gone on with."""

ZEROS: Final = bytes(1 << 20)


@dataclass(frozen=True, slots=True)
class Selection:
    """The renditions that are in a file, by their ids."""

    video: str | None
    audio: tuple[str, ...]
    subtitles: tuple[str, ...]

    @property
    def tracks(self) -> tuple[str, ...]:
        """Those of video and audio."""
        return (*((self.video,) if self.video else ()), *self.audio)


class Progress(NamedTuple):
    """How much of a file there is."""

    etag: str
    segments: int
    """How many segments it will hold."""
    made: int
    """How many of them it holds."""
    bytes: int
    is_complete: bool

    @property
    def share(self) -> float:
        """How much of it there is, from 0 to 1."""
        return 1.0 if self.is_complete else self.made / (self.segments + 1)


def select(
    session: Film, rendition: str | None = None, audio: Sequence[str] = (), subtitles: Sequence[str] = ()
) -> Selection:
    """Return the renditions of a session's film that are in a file of it.

    Args:
        session: the session.
        rendition: the video: an id, ``none`` for audio alone, or None for the best that every phone plays.
        audio: ids of audio renditions, or ``none``; nothing for the default track in stereo.
        subtitles: ids of subtitles, or ``none``; nothing for all.

    Raises:
        RenditionNotFound: there is none of that id and kind.
    """
    presentation = session.presentation
    videos = {each.id: each for each in presentation.video}
    audios = {each.id: each for each in (*presentation.audio, *presentation.surround)}
    texts = {each.id: each for each in presentation.subtitles}
    if rendition is None:
        rendition = _for_any_device(presentation)
    if not audio:
        audio = [each.id for each in presentation.audio if each.default][:1]
    if not subtitles:
        subtitles = tuple(texts)
    chosen = [id_ for id_ in (rendition,) if id_ not in {None, NONE}]
    for known, ids in ((videos, chosen), (audios, audio), (texts, subtitles)):
        for id_ in ids:
            if id_ != NONE and id_ not in known:
                raise RenditionNotFound(session.id, id_)
    selection = Selection(
        next(iter(chosen), None),
        tuple(dict.fromkeys(id_ for id_ in audio if id_ != NONE)),
        tuple(dict.fromkeys(id_ for id_ in subtitles if id_ != NONE)),
    )
    if not selection.tracks:
        raise RenditionNotFound(session.id, NONE)
    return selection


def _for_any_device(presentation: Presentation) -> str | None:
    offered = [each for each in presentation.video if each.codecs.startswith(FOR_ANY)]
    fitting = (each for each in offered if min(each.width, each.height) <= MOST_LINES)
    found = next(fitting, offered[-1] if offered else None)
    return None if found is None else found.id


class Film(Protocol):
    """What a session is for the files of its film."""

    @property
    def id(self) -> str:
        """The session's id."""

    @property
    def presentation(self) -> Presentation:
        """How the film is offered."""

    def file_of(self, rendition: str, segment: int | None) -> Path:
        """Return the path of a segment, or of the init segment."""

    def ask_segment(self, rendition: str, segment: int, *, background: bool) -> Reply[Path]:
        """Ask for the file of a segment."""

    def ask_cues(self, rendition: str) -> Reply[list[Cue]]:
        """Ask for all cues of a subtitle track."""


class _Piece(NamedTuple):
    """A segment of the plan, as it was put into the file."""

    at: int
    """Its offset in the file."""
    size: int
    """Its bytes in the file; none where it is impossible."""
    digest: bytes

    @property
    def end(self) -> int:
        return self.at + self.size


class Export:
    """One file. Any thread may use it; one reader at a time reads it while it is incomplete."""

    def __init__(self, session: Film, selection: Selection) -> None:
        """Begin a file that holds nothing yet."""
        self.selection = selection
        self.etag = uuid4().hex
        """Names its bytes: no other file has the same."""
        self._session = session
        self._plan = _plan(session.presentation, selection.tracks)
        self._file = ProgressiveFile()
        self._head = self._file.begin()
        self._pieces: list[_Piece] = []
        self._tail: bytes | None = None
        """The end of the file; None as long as it is incomplete."""
        self._turn = threading.Lock()
        self._reader: object = None

    @property
    def size(self) -> int | None:
        """How many bytes it has; None as long as that is not known."""
        with self._turn:
            return None if self._tail is None else self._file.size

    @property
    def reached(self) -> int:
        """Up to which offset its bytes are known."""
        with self._turn:
            return self._file.size

    @property
    def progress(self) -> Progress:
        """How much of it there is."""
        with self._turn:
            done = self._tail is not None
            return Progress(self.etag, len(self._plan), len(self._pieces), self._file.size, done)

    def read(self, start: int = 0) -> Generator[Step, None, None]:
        """Yield its bytes from an offset on, and before them the answers that have to be waited for.

        Raises:
            ExportChanged: it was complete, and a segment is another one now.
            Unavailable: it was not complete, and another reader has gone on with it.
            SessionError: a segment cannot be had, for a reason that is not its own.
        """
        me = object()
        steps = self._steps(start)
        with self._turn:
            shared = self._tail is not None
            if not shared:
                self._reader = me
        try:
            while True:
                with self._turn:
                    if shared and self._tail is None:
                        raise ExportChanged
                    if not shared and self._reader is not me:
                        raise Unavailable("Another reader has gone on with this file.")
                    step = next(steps, None)
                if step is None:
                    return
                yield step
        finally:
            steps.close()

    # ---- within

    def _steps(self, start: int) -> Generator[Step, None, None]:
        if start < len(self._head):
            yield self._head[start:]
        first = max(0, bisect_right(self._pieces, start, key=lambda piece: piece.at) - 1)
        at = max(start, len(self._head))
        asked = _Asked(self._session, self._plan)
        try:
            for number in range(first, len(self._plan)):
                at = yield from self._rest_of(number, at, asked)
        finally:
            asked.close()
        if asked.impossible is not None and not any(piece.size for piece in self._pieces):
            raise asked.impossible
        if self._tail is None:
            self._tail = self._file.end((yield from self._texts()))
        yield self._tail[at - (self._file.size - len(self._tail)) :]

    def _rest_of(self, number: int, at: int, asked: _Asked) -> Generator[Step, None, int]:
        """Yield the bytes from an offset to the end of a piece, and return the offset of that."""
        if number < len(self._pieces) and self._pieces[number].end <= at:
            return at
        content = yield from asked.content(number)
        digest = blake2b(content or b"", digest_size=16).digest()
        if number < len(self._pieces) and digest != self._pieces[number].digest:
            self._forget(number, at)
        if number == len(self._pieces):
            begin = self._file.size
            if content is not None:
                self._describe(self._plan[number])
                self._file.add(self._plan[number].track, content)
            self._pieces.append(_Piece(begin, self._file.size - begin, digest))
        piece = self._pieces[number]
        while at < piece.at:  # it follows one that was begun, and is another now
            yield ZEROS[: piece.at - at]
            at += min(len(ZEROS), piece.at - at)
        if at < piece.end and content is not None:
            yield media_data(content)[at - piece.at :]
        return piece.end

    def _forget(self, number: int, at: int) -> None:
        """Leave a piece that is another one now out of the file, and all that follow, for a reader at an offset.

        A reader that has a part of it was told how long it is, so the new one comes after it.

        Raises:
            ExportChanged: the file was complete.
        """
        old, was_complete = self._pieces[number], self._tail is not None
        self._file.forget(old.at, old.end if old.at < at else old.at)
        del self._pieces[number:]
        self._tail = None
        if was_complete:
            raise ExportChanged

    def _describe(self, wanted: _Wanted) -> None:
        if not self._file.is_described(wanted.track):
            init = self._session.file_of(wanted.rendition, None).read_bytes()
            self._file.describe(wanted.track, init, wanted.language)

    def _texts(self) -> Generator[Step, None, list[Text]]:
        """Return the subtitles and the chapters. Subtitles that cannot be read are left out."""
        session, texts = self._session, []
        presentation = session.presentation
        media, origin = presentation.media, presentation.timeline.origin
        tracks = {each.id: each for each in presentation.subtitles}
        for id_ in self.selection.subtitles:
            rendition = tracks[id_]
            reply = session.ask_cues(id_)
            yield reply
            with suppress(SubtitlesFailed):
                lines = lines_of(reply.get(0), origin)
                texts.append(Text(lines, rendition.track.language, is_shown=rendition.default))
        chapters = [Line(Fraction(each.start), Fraction(each.end), each.title) for each in chapters_of(media)]
        return [*texts, Text(chapters, is_chapters=True)]


class _Wanted(NamedTuple):
    """A segment of the plan."""

    track: int
    """The number of its track in the file."""
    rendition: str
    number: int
    language: str | None


class _Asked:
    """The segments of a plan that one reader asks for, some ahead."""

    def __init__(self, session: Film, plan: Sequence[_Wanted]) -> None:
        self._session = session
        self._plan = plan
        self._replies: dict[int, Reply[Path]] = {}
        self.impossible: SegmentImpossible | None = None
        """Why the last segment that is impossible is so."""

    def content(self, number: int) -> Generator[Step, None, bytes | None]:
        """Return the bytes of a segment; None if it is impossible.

        Raises:
            SessionError: it cannot be had.
        """
        for each in range(number, min(number + ASKED_AHEAD, len(self._plan))):
            if each not in self._replies:
                self._replies[each] = self._ask(each)
        while True:
            reply = self._replies.pop(number)
            yield reply
            try:
                return reply.get(0).read_bytes()
            except SegmentImpossible as error:
                self.impossible = error
                return None
            except FileNotFoundError:  # it was deleted, to make room
                self._replies[number] = self._ask(number)

    def close(self) -> None:
        """Ask for nothing any more."""
        for reply in self._replies.values():
            reply.cancel()

    def _ask(self, number: int) -> Reply[Path]:
        wanted = self._plan[number]
        return self._session.ask_segment(wanted.rendition, wanted.number, background=True)


class Exports:
    """The files of one session that can be gone on with: the latest few."""

    def __init__(self) -> None:
        self._kept: dict[str, Export] = {}
        self._turn = threading.Lock()

    def begin(self, session: Film, selection: Selection) -> Export:
        """Return a new file."""
        export = Export(session, selection)
        with self._turn:
            self._kept[export.etag] = export
            while len(self._kept) > KEPT:
                del self._kept[next(iter(self._kept))]
        return export

    def find(self, selection: Selection, etag: str | None) -> Export | None:
        """Return a file of a selection by its tag, or without one the latest; None if it is not kept any more."""
        with self._turn:
            kept = [each for each in self._kept.values() if each.selection == selection]
            found = next((each for each in reversed(kept) if etag in {None, each.etag}), None)
            if found is not None:
                self._kept[found.etag] = self._kept.pop(found.etag)
            return found

    def all(self) -> list[Export]:
        """Return all that are kept, the one that was used last comes last."""
        with self._turn:
            return list(self._kept.values())


def _plan(presentation: Presentation, ids: Sequence[str]) -> list[_Wanted]:
    """Return all segments of these renditions that hold anything, in the order of their times."""
    wanted = [
        (presentation.cuts(id_).times[number], _Wanted(track, id_, number, _language(presentation.renditions[id_])))
        for track, id_ in enumerate(ids)
        for number in presentation.cuts(id_).made
    ]
    return [each for _, each in sorted(wanted, key=lambda pair: (pair[0], pair[1].track))]


def _language(rendition: Rendition) -> str | None:
    return getattr(rendition.track, "language", None)
