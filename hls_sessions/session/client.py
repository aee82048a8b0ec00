"""One session, as a media server uses it: the messages of its actor as methods, across the actor's restarts.

The callbacks that answer them are in ``server.py``.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from operator import index
from typing import TYPE_CHECKING, Any, cast

from hls_sessions.errors import (
    RenditionNotFound,
    SegmentNotFound,
    SessionEnded,
    SessionError,
    SessionNotFound,
    Unavailable,
)
from hls_sessions.media import (
    OFFSET,
    filler_of,
    first_asked,
    is_written,
    master_playlist,
    playlist,
    webvtt_segment,
)
from hls_sessions.otp import CallTimeout, Crash, NoProcess, Ref, Reply, ServerExited
from hls_sessions.segments import SegmentDirectory
from hls_sessions.session.export import Export, Exports, select
from hls_sessions.session.info import info_of
from hls_sessions.session.messages import (
    Displace,
    GetCues,
    GetInfo,
    GetInit,
    GetSegment,
    Heartbeat,
    IdleCheck,
    Pause,
    PauseIf,
    Peek,
    Prepared,
    Reap,
    Resume,
    Served,
)
from hls_sessions.session.state import State, Who

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from hls_sessions.media import CompressedText, Cue, Presentation
    from hls_sessions.otp import Registry
    from hls_sessions.session.messages import SessionInfo
    from hls_sessions.session.record import LogEntry, SessionRecord, Transition
    from hls_sessions.session.snapshot import Snapshot
    from hls_sessions.session.spec import SessionSpec, Spec

TRIES = 3
"""How often actors may crash over one request, because such a request must not use up the session's restarts."""

PREPARED = 2.0
"""Seconds of the film that are made before a player asks: as many as the ramp of short segments has."""

CALL_TIMEOUT = 15.0
"""Seconds a call to a session may take, restarts included; segments have no limit of their own."""


class Session:
    """One session, as seen from outside. Any thread and any event loop may use it.

    A request that the session's actor could not answer because it crashed is asked again when the actor is
    back. Its caller notices a pause at most. It fails with SessionEnded or SessionNotFound when the session has
    ended for good.
    """

    def __init__(self, spec: Spec, record: SessionRecord, registry: Registry, close: Callable[[str], None]) -> None:
        self._spec = spec
        self._record = record
        self._registry = registry
        self._close = close
        self._directory = SegmentDirectory(spec.directory)
        self._hinted: tuple[Reply[Path], ...] = ()
        """The requests that the last hint has led to."""
        self._end: SessionError | None = None
        self._waiting: set[Reply[Ref]] = set()
        self._held: set[Reply[Any]] = set()
        """Requests for files that are not answered yet."""
        self._closed: SessionError | None = None
        """The error of all further requests for files; None while files are made."""
        self.exports = Exports()
        """The files of the whole film that readers can go on with."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.title!r}>"

    # ---- fixed properties

    @property
    def id(self) -> str:
        """The session's id: a random UUID, and the right to watch."""
        return self._spec.session_id

    @property
    def user(self) -> str | None:
        """The user who opened it; None for a session that is not shared."""
        return self._spec.user

    @property
    def path(self) -> Path:
        """The file that it plays; of a recording, its folder."""
        return self._spec.path

    @property
    def title(self) -> str:
        """What it plays."""
        return self._spec.title

    @property
    def presentation(self) -> Presentation:
        """The film's facts, timeline and renditions."""
        return cast("SessionSpec", self._spec).presentation

    def extension(self, rendition: str) -> str:
        """Return the extension of the segments of a rendition, without the dot.

        Raises:
            RenditionNotFound: there is no such rendition.
        """
        offered = self.presentation.offered.get(rendition)
        if offered is None:
            raise RenditionNotFound(self.id, rendition)
        return offered.extension

    def follows(self, rendition: str, segment: int) -> bool:
        """Whether a segment is followed by another."""
        return not self.presentation.cuts(rendition).is_last(segment)

    def is_filler(self, rendition: str, segment: int) -> bool:
        """Whether a segment holds nothing of its track, which begins later or has ended."""
        return segment not in self.presentation.cuts(rendition).made

    @property
    def directory(self) -> Path:
        """Where its segments are."""
        return self._spec.directory

    @property
    def history(self) -> tuple[Transition, ...]:
        """Every step so far, the oldest first; also when it has ended."""
        return self._record.history

    @property
    def log(self) -> tuple[LogEntry, ...]:
        """What its latest encoders and packagers that have ended said last, the oldest first."""
        return tuple(self._record.log)

    @property
    def waiting(self) -> int:
        """How many requests for files are not answered yet."""
        return len(self._held)

    # ---- asking, in a thread

    def info(self) -> SessionInfo:
        """Return the session as it is now. Counts as activity.

        Raises:
            SessionEnded, SessionNotFound: it has ended.
            Unavailable: it did not answer in time.
        """
        info: SessionInfo = self._soon(self.ask_info())
        return info

    def heartbeat(self) -> None:
        """Say that the viewer is still there.

        Raises:
            SessionEnded, SessionNotFound: it has ended.
            Unavailable: its time has run out, and it did not answer in time.
        """
        self._soon(self.ask_heartbeat())

    def pause(self, position: float | None = None) -> Snapshot:
        """Stop all encoders, and return a snapshot of the session. The segments on disk can still be watched.

        A viewer who asks for a segment that must be made resumes the session; so does ``resume``.

        Args:
            position: the viewer's position, in seconds; by default the beginning of the segment asked for last.

        Raises:
            ValueError: there is no such position.
            IllegalTransition: it is paused already.
            SessionEnded, SessionNotFound: it has ended.
            Unavailable: it did not answer in time.
        """
        snapshot: Snapshot = self._soon(self.ask_pause(position))
        return snapshot

    def resume(self, snapshot: Snapshot | None = None) -> SessionInfo:
        """Go on from the pause, or from an earlier snapshot.

        Raises:
            IllegalTransition: it is not paused.
            TypeError: the snapshot is not a Snapshot.
            SnapshotRefused: the snapshot is not of this session's file.
            SessionEnded, SessionNotFound: it has ended; ``Supervisor.resume`` makes a new one.
            Unavailable: it did not answer in time.
        """
        info: SessionInfo = self._soon(self.ask_resume(snapshot))
        return info

    def master_playlist(self, variants: Collection[str] = ()) -> str:
        """Return the master playlist. Counts as activity; no encoder is needed for it.

        Args:
            variants: the ids of the video renditions to offer; all of them where none is named. A player that
                is offered ``video-copy`` alone begins with the copy.

        Raises:
            RenditionNotFound: there is no such video rendition.
        """
        if not variants:
            return str(self.playlist())
        offered = {video.id for video in self.presentation.video}
        for unknown in (variant for variant in variants if variant not in offered):
            raise RenditionNotFound(self.id, unknown)
        self._note_activity()
        return master_playlist(self.presentation, variants)

    def media_playlist(self, rendition: str) -> str:
        """Return a rendition's playlist. Counts as activity; no encoder is needed for it.

        Raises:
            RenditionNotFound: there is no such rendition.
        """
        return str(self.playlist(rendition))

    def playlist(self, rendition: str | None = None) -> CompressedText:
        """Return a rendition's playlist, or the master playlist, as it is sent. Counts as activity.

        It is written once for all sessions of a file, which takes tens of milliseconds for a long one.

        Raises:
            RenditionNotFound: there is no such rendition.
        """
        if rendition is not None:
            self._known(rendition)
        self._note_activity()
        return playlist(self.presentation, rendition, self._spec.start_at)

    def has_written(self, rendition: str | None) -> bool:
        """Whether ``playlist`` returns at once, because it is written."""
        return is_written(self.presentation, rendition, self._spec.start_at)

    def segment(self, rendition: str, segment: int, timeout: float | None = None) -> Path:
        """Return the file of a segment, once it is there, within ``timeout`` seconds. Segments of subtitles are WebVTT.

        Raises:
            RenditionNotFound, SegmentNotFound: the playlists have no such segment.
            SegmentImpossible, EncoderFailed: it cannot be made.
            SubtitlesFailed, MediaNotFound, StorageFailed: the subtitles cannot be read or written.
            SessionEnded, SessionNotFound: the session has ended.
            TimeoutError: it took longer.
        """
        return self.published(rendition, segment) or _within(self.ask_segment(rendition, segment), timeout)

    def init(self, rendition: str, timeout: float | None = None) -> Path:
        """Return the file of a rendition's init segment; like ``segment``. Subtitles have none."""
        return _within(self.ask_init(rendition), timeout)

    def gap(self, rendition: str, segment: int, init: Path) -> bytes:
        """Return a filler segment in place of an impossible one, so that players go on.

        Args:
            rendition: the rendition's id.
            segment: the number of a segment in its playlist.
            init: the rendition's init segment.

        Raises:
            OSError: the init segment is gone.
        """
        cuts, origin = self.presentation.cuts(rendition), self.presentation.timeline.origin
        return filler_of(segment, cuts, origin, init.read_bytes())

    def empty_subtitles(self, note: str) -> str:
        """Return a segment of a subtitle track without a cue, which says in a comment why that is."""
        return webvtt_segment((), self.presentation.timeline.origin, OFFSET, note=note)

    def export(
        self,
        to: Path,
        *,
        rendition: str | None = None,
        audio: Sequence[str] = (),
        subtitles: Sequence[str] = (),
        on_progress: Callable[[float], object] | None = None,
    ) -> Path:
        """Write the whole film to one MP4 file, made of its segments, and return the file when it is there.

        Segments that are on disk are used, and the others are made when every viewer of every session has enough.

        Args:
            to: the file; it has this name only when it is whole.
            rendition: the id of the video, ``none`` for audio alone; by default the best that every phone plays.
            audio: ids of audio renditions, or ``none``; by default the default track.
            subtitles: ids of subtitles, or ``none``; by default all.
            on_progress: is called with the share of it that is written, from 0 to 1.

        Raises:
            RenditionNotFound: there is no such rendition.
            EncoderFailed, StorageFailed, SegmentImpossible: the film cannot be made.
            SessionEnded, SessionNotFound: the session has ended.
            OSError: the file cannot be written.
        """
        export = Export(self, select(self, rendition, audio, subtitles))
        unfinished = to.with_name(f".{to.name}.part")
        try:
            with self.subscribed(), unfinished.open("wb") as file:
                for step in export.read():
                    if isinstance(step, bytes):
                        file.write(step)
                    else:
                        with suppress(Exception):  # the reader of the file looks at it
                            step.get()
                    if on_progress is not None:
                        on_progress(export.progress.share)
            return unfinished.replace(to)
        finally:
            unfinished.unlink(missing_ok=True)

    def stop(self) -> None:
        """End the session, and return when its encoders and files are gone. Does nothing if it has ended."""
        with suppress(SessionEnded, SessionNotFound):
            self._close(self.id)

    # ---- asking, from an event loop: await the reply

    def published(self, rendition: str, segment: int) -> Path | None:
        """Return a segment's file if it is on disk. The actor is told but not asked, so this never blocks.

        Raises:
            RenditionNotFound, SegmentNotFound: the playlists have no such segment.
        """
        path = self.file_of(rendition, segment)
        if not self._serve(path):
            return None
        ref = self._registry.whereis(self.id)
        if ref is not None:
            ref.cast(Served(rendition, segment))
        return path

    def file_of(self, rendition: str, segment: int | None, part: int = 0) -> Path:  # noqa: ARG002 - of a film there is one
        """Return the path that a segment has on disk, or the init segment (None), whether or not it is there.

        Is no activity, and asks nobody.

        Raises:
            RenditionNotFound, SegmentNotFound: the playlists have no such segment.
        """
        self._known(rendition)
        if segment is None:
            return self._directory.init(rendition)
        segment = index(segment)
        segments = len(self.presentation.cuts(rendition))
        if not 0 <= segment < segments:
            raise SegmentNotFound(rendition, segment, segments)
        return self._directory.segment(rendition, segment, self.extension(rendition))

    def made(self, rendition: str) -> list[tuple[int, int]]:
        """Return the segments of a rendition that are on disk, as stretches: the first number and the last one of each.

        Looks at the disk. Is no activity.

        Raises:
            RenditionNotFound: there is no such rendition.
        """
        stretches: list[tuple[int, int]] = []
        for number in sorted(self._directory.published(rendition, self.extension(rendition))):
            if stretches and stretches[-1][1] == number - 1:
                stretches[-1] = stretches[-1][0], number
            else:
                stretches.append((number, number))
        return stretches

    def ask_segment(self, rendition: str, segment: int, *, background: bool = False) -> Reply[Path]:
        """Ask for the file of a segment. Cancel the reply if the viewer leaves.

        In the ``background`` it is not for a viewer: it is made when every viewer of every session has enough.
        """
        answer = self._hold(GetSegment(rendition, index(segment), background), for_viewer=not background)
        answer.add_done_callback(self._count_served)
        return answer

    def sent(self, rendition: str, segment: int) -> None:
        """Note that a segment that was waited for was sent, so that the phases of its viewer's wait are complete."""
        self._record.awaited.sent(rendition, segment)

    def ask_init(self, rendition: str, part: int = 0) -> Reply[Path]:
        """Ask for the file of a rendition's init segment; of a recording, that of a part."""
        return self._hold(GetInit(rendition, part))

    def prepare(self) -> None:
        """Have the segments made that a player is expected to ask for first, in the background, before it asks."""
        wanted: list[tuple[str, int]] = []
        for rendition in first_asked(self.presentation):
            cuts = self.presentation.cuts(rendition)
            first = cuts.at(self._spec.start_at)
            wanted += [(rendition, number) for number in range(first, cuts.reaching(first, PREPARED) + 1)]
        self._make_in_the_background(wanted)

    def hint(self, at: float, renditions: Collection[str]) -> None:
        """Note where the viewer may soon seek: the segments there are made while no viewer needs the processors.

        They are given up after ten seconds, or when another hint comes. This does not wait.

        Args:
            at: the position, in seconds from the beginning.
            renditions: the ids of the renditions that the viewer's player plays.

        Raises:
            RenditionNotFound: there is no such rendition of video or audio.
        """
        for rendition in renditions:
            if rendition not in self.presentation.renditions:
                raise RenditionNotFound(self.id, rendition)
        for request in self._hinted:
            request.cancel()
        wanted = {(rendition, self.presentation.cuts(rendition).at(at)) for rendition in renditions}
        self._hinted = self._make_in_the_background(wanted)

    def _make_in_the_background(self, wanted: Iterable[tuple[str, int]]) -> tuple[Reply[Path], ...]:
        """Ask for segments in the background, for a while; return the requests."""
        requests = tuple(
            self._hold(GetSegment(rendition, number, background=True), for_viewer=False) for rendition, number in wanted
        )
        ref = self._registry.whereis(self.id)
        if ref is not None:
            ref.cast(Prepared(requests))
        return requests

    def ask_cues(self, rendition: str) -> Reply[list[Cue]]:
        """Ask for all cues of a subtitle track, on the file's clock."""
        return self._hold(GetCues(rendition), for_viewer=False)

    def ask_playable(self) -> Reply[Any]:
        """Ask to be answered as soon as its playlists can be written: at once, because all of the film is known."""
        answer: Reply[Any] = Reply()
        answer.set(None)
        return answer

    def ask_reload(self, segment: int, part: int | None) -> Reply[Any]:  # noqa: ARG002 - a film's playlist is whole
        """Ask to be answered as soon as its playlists hold a segment or a part of it: at once."""
        return self.ask_playable()

    def ask_info(self) -> Reply[SessionInfo]:
        """Ask for the session as it is now."""
        return self._ask(GetInfo())

    def ask_peek(self) -> Reply[SessionInfo]:
        """Ask for the session as it is now. Does not count as activity. The actor need not even wake if it is idle."""
        actor = self._registry.whereis(self.id)
        seen = None if actor is None else actor.peek()
        if seen is None:
            return self._ask(Peek())
        answer: Reply[SessionInfo] = Reply()
        answer.set(seen)
        return answer

    def outline(self) -> SessionInfo:
        """Return the part of ``info`` that is known without its actor. Never blocks; for an actor that is silent."""
        return info_of(self._spec, self._record)

    def did_not_answer(self) -> Unavailable:
        """Return the error for a caller whose request was not answered in ``CALL_TIMEOUT`` seconds."""
        return Unavailable(f"Session {self.id} did not answer within {CALL_TIMEOUT:g} seconds.")

    def ask_heartbeat(self) -> Reply[None]:
        """Say that the viewer is still there: at once, unless its time has run out, of which its actor judges."""
        presence = self._record.presence
        if self._end is not None or self._record.state.is_final or presence.due_in <= 0:
            return self._ask(Heartbeat())
        presence.touch()
        answer: Reply[None] = Reply()
        answer.set(None)
        return answer

    def ask_pause(self, position: float | None = None) -> Reply[Snapshot]:
        """Ask for a pause."""
        return self._ask(Pause(position))

    def ask_resume(self, snapshot: Snapshot | None = None) -> Reply[SessionInfo]:
        """Ask to go on."""
        return self._ask(Resume(snapshot))

    # ---- for the supervisor

    def ask_reap(self) -> Reply[bool]:
        """Have it expire if its time has run out; answered with whether it has expired."""
        return self._ask(Reap())

    def ask_displace(self, unwatched_after: float) -> Reply[bool]:
        """Have it end for another session, if nobody was there for so many seconds; answered with whether it does."""
        return self._ask(Displace(unwatched_after))

    def ask_pause_if(self, provided: Callable[[State], bool]) -> Reply[Snapshot]:
        """Ask for a pause in an operator's name, which is refused unless ``provided`` holds when it is taken."""
        return self._ask(PauseIf(provided))

    def reap(self) -> bool:
        """Have it end if its time has run out. True if it has ended for that, now or before, or for another session.

        Raises:
            Unavailable: it did not answer in time.
        """
        with suppress(SessionEnded, SessionNotFound):
            self._soon(self.ask_reap())
        end = self._record.end
        return end is not None and (end.to_state == State.EXPIRED.value or end.by == Who.REAPER.value)

    @contextmanager
    def subscribed(self) -> Iterator[None]:
        """Count as a subscriber, which keeps the session from expiring, until the block is left."""
        presence = self._record.presence
        presence.subscriber_came()
        try:
            yield
        finally:
            presence.subscriber_left()
            # It has less time from now on.
            if (actor := self._registry.whereis(self.id)) is not None:
                actor.send(IdleCheck())

    @property
    def is_awaited(self) -> bool:
        """Whether a caller waits for a file of it."""
        return bool(self._held)

    def take_no_more(self, error: SessionError) -> list[Reply[Path]]:
        """Answer further requests for files with an error, and return the requests that are not answered yet.

        The files on disk can still be had.
        """
        self._closed = error
        return list(self._held)

    def ended(self, error: SessionError) -> None:
        """Note that the session has ended for good, and answer the callers who wait for its actor to return."""
        self._end = error
        for waiting in tuple(self._waiting):
            waiting.fail(error)

    # ---- within

    def _soon(self, reply: Reply[Any]) -> Any:
        try:
            return reply.get(CALL_TIMEOUT)
        except CallTimeout as error:
            reply.cancel()
            raise self.did_not_answer() from error

    def _serve(self, path: Path) -> bool:
        """Count a segment as served; False if it is not there."""
        size = self._directory.size(path)
        if size is None:
            return False
        self._record.counters.add(segments_served=1, bytes_served=size)
        return True

    def _count_served(self, answer: Reply[Path]) -> None:
        with suppress(Exception):  # a caller who has left, or was refused, was served nothing
            self._serve(answer.get(0))

    def _known(self, rendition: str) -> None:
        self._not_ended()
        self.extension(rendition)

    def _note_activity(self) -> None:
        self._not_ended()
        self.ask_heartbeat()

    def _not_ended(self) -> None:
        if self._end is not None:
            # Without the traceback of earlier callers, because it would grow with each.
            raise self._end.with_traceback(None)

    def _ask(self, request: Any) -> Reply[Any]:
        answer: Reply[Any] = Reply()
        self._try(request, answer, TRIES)
        return answer

    def _hold(self, request: Any, *, for_viewer: bool = True) -> Reply[Any]:
        """Ask for something that may take long, and which a stop waits for if it is for a viewer."""
        if self._closed is not None:
            refused: Reply[Any] = Reply()
            refused.fail(self._closed.with_traceback(None))
            return refused
        answer = self._ask(request)
        if for_viewer:
            self._held.add(answer)
            answer.add_done_callback(self._held.discard)
        return answer

    def _try(self, request: Any, answer: Reply[Any], tries: int) -> None:
        """Ask the actor, as soon as there is one."""
        if (ref := self._registry.whereis(self.id)) is not None:
            self._put(ref, request, answer, tries)
            return
        self._pass_on(self._when_running(), answer, lambda ref: self._put(ref, request, answer, tries))

    def _put(self, ref: Ref, request: Any, answer: Reply[Any], tries: int) -> None:
        asked = ref.ask(request)
        # Cancelling the answer cancels the request to the actor, unless it is answered already.
        answer.add_done_callback(lambda _: _leave(asked))
        asked.add_done_callback(lambda asked: self._answered(asked, request, answer, tries))

    def _answered(self, asked: Reply[Any], request: Any, answer: Reply[Any], tries: int) -> None:
        try:
            answer.set(asked.get(0))
        except (NoProcess, ServerExited) as ended:
            # The actor died, perhaps over this request. Its supervisor restarts it, or says that the session has ended.
            crashed = isinstance(ended, ServerExited) and isinstance(ended.reason, Crash) and ended.in_hand
            if answer.done():
                return
            if crashed and tries == 1:
                answer.fail(Unavailable(f"Session {self.id} crashed {TRIES} times over this request."))
            else:
                self._try(request, answer, tries - crashed)
        except BaseException as error:  # noqa: BLE001 - every error is passed on as the answer
            answer.fail(error)

    def _when_running(self) -> Reply[Ref]:
        """Return the actor, now or as soon as it is back."""
        waiting = self._registry.wait_for(self.id)
        if not waiting.done():
            self._waiting.add(waiting)
            waiting.add_done_callback(self._waiting.discard)
            if self._end is not None:  # it ended between the two
                waiting.fail(self._end)
        return waiting

    @staticmethod
    def _pass_on(waiting: Reply[Ref], answer: Reply[Any], then: Callable[[Ref], None]) -> None:
        answer.add_done_callback(lambda _: _leave(waiting))

        def arrived(waiting: Reply[Ref]) -> None:
            try:
                ref = waiting.get(0)
            except BaseException as error:  # noqa: BLE001 - every error is the answer
                answer.fail(error)
            else:
                then(ref)

        waiting.add_done_callback(arrived)


def _leave(reply: Reply[Any]) -> None:
    reply.cancel()


def end_error(record: SessionRecord) -> SessionError:
    """Return the error for a session that has ended: SessionNotFound if it was stopped, else SessionEnded."""
    end = record.end
    if end is None or (end.to_state == State.COMPLETED.value and end.by != Who.REAPER.value):
        return SessionNotFound(record.session_id)
    return SessionEnded(record.session_id, end.to_state, end.reason, end.at.isoformat(timespec="seconds"))


def _within(reply: Reply[Path], timeout: float | None) -> Path:
    try:
        return reply.get(timeout)
    except CallTimeout as error:
        reply.cancel()
        raise TimeoutError(f"The segment was not there after {timeout:g} seconds.") from error
