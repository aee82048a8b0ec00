"""The session actor: one session, from its directory's first file to its last.

It decides nothing about encoders itself, because each rendition asks the policy. The actor keeps the state, the timers
and the answers.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from hls_sessions.encoding import (
    Equipment,
    FileClosed,
    LookForStalls,
    MadeOfFile,
    OthersChanged,
    PackagerAnswered,
    PackagerCheck,
    PackagerExited,
    Phases,
    RunExited,
    SessionPackager,
    SessionRendition,
    Sharing,
    SlotsChanged,
    Source,
    TryAgain,
)
from hls_sessions.errors import (
    IllegalTransition,
    RenditionNotFound,
    SessionError,
    SnapshotRefused,
    StorageFailed,
)
from hls_sessions.media import chapters_of
from hls_sessions.otp import NO_REPLY, Crash
from hls_sessions.segments import MakeRoom, RoomMade, SegmentDirectory, Shortage, end_processes
from hls_sessions.session.base_server import BaseSessionServer
from hls_sessions.session.info import info_of
from hls_sessions.session.messages import (
    GetCues,
    GetInit,
    GetSegment,
    Pause,
    PauseIf,
    Prepared,
    Reconfigure,
    Resume,
    Served,
)
from hls_sessions.session.snapshot import PausedRun, SessionSettings, Snapshot, ViewerPosition, judge_numbers
from hls_sessions.session.state import State, Step, Who
from hls_sessions.session.subtitles import SessionSubtitles, SubtitlesRead
from hls_sessions.session.waits import Waits

if TYPE_CHECKING:
    from pathlib import Path

    from hls_sessions.encoding import Stamps
    from hls_sessions.ffmpeg import Exit, Packaged
    from hls_sessions.otp import ExitReason, From, Reply
    from hls_sessions.session.messages import SessionInfo
    from hls_sessions.session.record import SessionRecord
    from hls_sessions.session.services import Services
    from hls_sessions.session.spec import SessionSpec

logger = logging.getLogger(__name__)

STALL_CHECK = 2.5
"""Seconds between two checks of encoders that a viewer waits for."""

ROOM_CHECK = 2.0
"""Seconds between two checks of a disk that was too full."""

NO_ROOM = {
    Shortage.SHARED: "The disk is full, or as much of it as segments may take: encoders are held until there is room.",
    Shortage.OWN: "There is as much on disk as one session may take: encoders are held until its viewer goes on.",
}
"""The notes of a session whose reservations are refused."""

SOONEST = 0.05
"""The least seconds between two checks of idle encoders, if no viewer has a position."""

PREPARED_FOR = 10.0
"""Seconds for which segments are made for a player that has not asked yet."""

KILL_TIMEOUT = 2.0
"""Seconds a killed encoder may take to be gone."""


@dataclass(frozen=True, slots=True)
class GoThere:
    """A new session's own reminder to begin at the positions of an earlier one."""

    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class NobodyCame:
    """Its reminder to give up what was prepared for a player, which needs it no more if it has asked by now."""

    requests: tuple[Reply[Path], ...]


@dataclass(frozen=True, slots=True)
class EncoderIdleCheck:
    """The session's own reminder to check whether its encoders are still wanted."""


@dataclass(frozen=True, slots=True)
class StallCheck:
    """The session's own reminder, while a viewer waits, to check whether the encoders work."""


@dataclass(frozen=True, slots=True)
class RoomCheck:
    """The session's own reminder, while the disk is too full for it, to check the disk again."""


class SessionServer(BaseSessionServer):
    """The actor of one session. After a restart it goes on with the files in its directory."""

    def init(self, spec: SessionSpec, services: Services, record: SessionRecord) -> None:
        """Open the directory, and go on with the files and the record of an earlier actor, if there was one."""
        self._spec = spec
        self.begin(services, record)
        self._waits = Waits(services.clock.monotonic, record.counters.segments_published, record.first_segment_after)
        self._directory = SegmentDirectory(spec.directory, services.home)
        self._directory.open()
        # A crashed actor has ended its runs. An actor that was killed, or whose thread was stuck, may not have.
        services.watcher.forget(spec.directory)
        end_processes(self._directory)
        self._directory.clear_runs()
        self._quota = services.quota.open(spec.session_id, self.ref.send, self._spare, lambda: record.presence.idle)
        self._source = Source(spec.presentation.media, self.ref)
        self._packager = SessionPackager(
            spec.presentation.media,
            self._directory,
            services.workers,
            self.ref,
            record,
            services.clock,
            services.timers,
            self._source,
            lambda wanted, file: self._renditions[wanted.rendition].request(wanted.number, file),
        )
        equipment = Equipment(
            binary=services.binary,
            presentation=spec.presentation,
            directory=self._directory,
            watcher=services.watcher,
            reporter=record,
            phases=Phases(services.clock.monotonic, self._awaited),
            owner=self._source,
            now=services.clock.monotonic,
            send_after=self.remind,
        )
        slots = services.scheduler.open(spec.session_id, self.ref.send)
        sharing = Sharing(
            services.shared, services.common_runs, spec.session_id, self.ref.send, is_apart=not spec.share
        )
        self._renditions: dict[str, SessionRendition] = {
            id_: SessionRendition(
                rendition,
                equipment,
                services.encoder,
                self._quota,
                slots,
                self._packager,
                sharing,
                services.limits,
                services.encoder_idle_timeout,
            )
            for id_, rendition in spec.presentation.renditions.items()
        }
        self._subtitles = {
            track.id: SessionSubtitles(
                track,
                spec.presentation,
                self._directory,
                services.subtitles,
                self._source,
                self._quota,
                record,
                services.clock.monotonic,
                services.encoder_idle_timeout,
            )
            for track in spec.presentation.subtitles
        }
        if record.state is State.PENDING:
            record.take(Step.START, Who.SESSION, "its directory is open and its playlists are known")
            if spec.resumed_from is not None:
                self.ref.send(GoThere(spec.resumed_from))
        self._pausing: list[tuple[From, Snapshot]] = []
        """The callers who wait for the last encoder to be gone, and their snapshots."""
        self._looks_for_stalls = False
        self._looks_for_room = False
        self._encoder_timer = self.remind(EncoderIdleCheck(), services.encoder_idle_timeout)

    def __repr__(self) -> str:
        return f"<Session {self._spec.session_id[:8]} [{self._record.state.value}, {self._waiting} waiting]>"

    def handle_request(self, request: Any, caller: From) -> Any:
        """Answer the requests for files, and those that pause and resume."""
        answer: Any = None
        match request:
            case GetSegment(id_, number) if id_ in self._subtitles:
                self._waits.asked(waiting=self._is_awaited)
                path = self._subtitles[id_].get_segment(number, caller)
                answer = NO_REPLY if path is None else path
            case GetCues(id_):
                if id_ not in self._subtitles:
                    raise RenditionNotFound(self._spec.session_id, id_)
                self._subtitles[id_].get_cues(caller)
                answer = NO_REPLY
            case GetSegment(id_, number, background):
                rendition = self._rendition(id_)
                if not background:
                    self._waits.asked(waiting=self._is_awaited)
                path = rendition.get_segment(number, caller, background=background)
                if not background:
                    self._note_position(rendition, number)
                answer = self._serve(rendition, path, f"segment {number}")
            case GetInit(id_):
                rendition = self._rendition(id_)
                self._waits.asked(waiting=self._is_awaited)
                hint = self._segment_near(rendition)
                answer = self._serve(rendition, rendition.get_init(hint, caller), "the init segment")
            case Pause() | PauseIf():
                answer = self._pause(request, caller)
            case Resume(snapshot):
                self._resume(snapshot)
                answer = self.info()
            case _:
                answer = super().handle_request(request, caller)
        return answer

    def handle_cast(self, message: Any) -> None:
        """Note that a segment was served from disk, and for how long segments are made before anybody asks."""
        match message:
            case Prepared(requests):
                self.remind(NobodyCame(requests), PREPARED_FOR)
            case Served(id_, number):
                self._record.presence.touch()
                if id_ in self._subtitles:
                    self._subtitles[id_].visit(number)
                else:
                    rendition = self._rendition(id_)
                    rendition.visit(number)
                    self._note_position(rendition, number)
                    self._act(rendition)
            case _:
                super().handle_cast(message)

    def handle_info(self, message: Any) -> None:
        """Hear of files, of processes that have ended, of other sessions, and of timers."""
        match message:
            case MadeOfFile(messages, was_away, error):
                self._heard_of_file(messages, error, was_away=was_away)
            case FileClosed() | RunExited():
                self._heard_of_run(message)
            case PackagerAnswered() | PackagerExited() | PackagerCheck():
                self._heard_of_packager(message)
            case SubtitlesRead(id_, number, cues):
                self._subtitles[id_].read(number, cues)
            case GoThere(snapshot):
                self._go_there(snapshot)
            case Reconfigure(services):
                self._reconfigure(services)
            case EncoderIdleCheck() | StallCheck():
                self._look_at_encoders(message)
            case MakeRoom() | RoomMade() | RoomCheck() | SlotsChanged() | TryAgain() | NobodyCame():
                self._heard_of_others(message)
            case OthersChanged() | LookForStalls():
                self._heard_of_other_runs(message)
            case _:
                super().handle_info(message)

    def terminate(self, reason: ExitReason) -> None:
        """End all processes. The directory is left to the next actor, unless the session has ended."""
        self._source.close()
        for track in self._subtitles.values():
            track.close()
        for rendition in self._renditions.values():
            rendition.close(KILL_TIMEOUT)
        self._packager.close(KILL_TIMEOUT)
        self._services.common_runs.close(self._spec.session_id)
        if self._record.state.is_final and not isinstance(reason, Crash):
            self._directory.destroy()
            self._services.forget(self._spec.session_id)

    # ---- within

    def _rendition(self, id_: str) -> SessionRendition:
        try:
            return self._renditions[id_]
        except KeyError:
            raise RenditionNotFound(self._spec.session_id, id_) from None

    def _reconfigure(self, services: Services) -> None:
        """Use other limits and times from now on."""
        self._services = services
        for each in self._renditions.values():
            each.reconfigure(services.limits, services.encoder_idle_timeout)
        for track in self._subtitles.values():
            track.viewers.kept_for = services.encoder_idle_timeout
        self._look_at_encoders(EncoderIdleCheck())
        self.expire_if_idle()

    def _segment_near(self, rendition: SessionRendition) -> int:
        """Guess a viewer's next segment from the latest position in any rendition of the same kind."""
        same = (other for other in self._renditions.values() if other.kind == rendition.kind)
        visits = [(since, number, other) for other in same for number, since in other.viewers.positions.items()]
        if not visits:
            return rendition.cuts.at(self._spec.start_at)
        _, number, other = max(visits, key=itemgetter(0))
        # A copied and an encoded rendition are cut at other places.
        return rendition.cuts.at(float(other.cuts.times[number] - rendition.cuts.times[0]))

    def _heard_of_run(self, message: FileClosed | RunExited) -> None:
        rendition = self._renditions[message.rendition]
        match message:
            case FileClosed(_, run, path):
                rendition.file_closed(run, path)
                self._act(rendition)
            case RunExited(_, run, exit_):
                self._run_exited(rendition, run, exit_)

    def _run_exited(self, rendition: SessionRendition, run: int, exit_: Exit) -> None:
        try:
            rendition.run_exited(run, exit_)
        except StorageFailed as error:
            self._fail(error)
        else:
            self._act(rendition)
        self._answer_the_pausing()

    def _heard_of_file(self, messages: tuple[Any, ...], error: SessionError | None, *, was_away: bool) -> None:
        """Hear what was made of the file, unless it is another file by now."""
        if error is not None:
            self._fail(error)
            return
        for message in messages:
            match message:
                case RunExited(id_, run, _) if was_away:
                    self._renditions[id_].excuse(run)
                    self.handle_info(message)
                case PackagerAnswered() | PackagerExited() if was_away:
                    self._packager_lost(message)
                case _:
                    self.handle_info(message)

    def _packager_lost(self, message: PackagerAnswered | PackagerExited) -> None:
        """Have another packager make what this one may have failed to make because the file was away."""
        match message:
            case PackagerAnswered(number, answer) if answer.error is None:
                self._packager_answered(number, answer)
                return
            case PackagerAnswered(number):
                made = self._packager.answered(number)
                wanted = None if made is None else made[0]
                self._packager.renew()
            case PackagerExited(number, exit_):
                failure = self._packager.exited(number, exit_)
                wanted = None if failure is None else failure.wanted
        if wanted is not None:
            self._renditions[wanted.rendition].copy_lost(wanted.number)
            self._act(self._renditions[wanted.rendition])
        self._packager.go_on()
        self._answer_the_pausing()

    def _heard_of_packager(self, message: PackagerAnswered | PackagerExited | PackagerCheck) -> None:
        match message:
            case PackagerAnswered(number, answer):
                self._packager_answered(number, answer)
            case PackagerExited(number, exit_):
                self._packager_exited(number, exit_)
            case PackagerCheck():
                self._packager.try_again()

    def _packager_answered(self, number: int, answer: Packaged) -> None:
        if (made := self._packager.answered(number)) is None:
            return
        (id_, number_), file = made
        rendition = self._renditions[id_]
        try:
            rendition.packaged(number_, file, answer)
        except StorageFailed as error:
            self._fail(error)
        self._act(rendition)
        self._packager.go_on()

    def _packager_exited(self, number: int, exit_: Exit) -> None:
        if (failure := self._packager.exited(number, exit_)) is not None:
            rendition = self._renditions[failure.wanted.rendition]
            rendition.copy_failed(failure.wanted.number, failure.cause, failure.reason)
            self._act(rendition)
        self._packager.go_on()
        self._answer_the_pausing()

    def _pause(self, request: Pause | PauseIf, caller: From) -> Any:
        """Stop all encoders, and answer when they are gone."""
        if request is self._record.paused_by and self._record.snapshot is not None:
            return self._record.snapshot  # the actor that took the step crashed before it could answer
        if isinstance(request, Pause):
            snapshot, why, provided = self._snapshot(request.position), "its viewer asked for a pause", None
        else:
            snapshot, why, provided = self._snapshot(None), "an operator asked for a pause", request.provided
        self._record.take(Step.PAUSE, Who.VIEWER, why, snapshot=snapshot, provided=provided)
        self._record.paused_by = request
        for rendition in self._renditions.values():
            rendition.rest()
        self._packager.rest()
        self._pausing.append((caller, snapshot))
        self._answer_the_pausing()
        return NO_REPLY

    def _answer_the_pausing(self) -> None:
        if not self._packager.is_ending and not any(
            run.stopping for rendition in self._renditions.values() for run in rendition.runs
        ):
            for caller, snapshot in self._pausing:
                caller.reply(snapshot)
            self._pausing.clear()

    def _snapshot(self, position: float | None) -> Snapshot:
        spec, renditions = self._spec, self._renditions.values()
        if position is None:
            position = self._record.position
        positions = [
            ViewerPosition(rendition=id_, segment=at, time=float(rendition.cuts.times[at] - rendition.cuts.times[0]))
            for id_, rendition in self._renditions.items()
            for at in rendition.viewers.positions
        ]
        runs = [
            PausedRun(rendition=run.rendition, next=run.next, held=run.state.held)
            for rendition in renditions
            for run in rendition.runs
            if not run.stopping
        ]
        # Not validated, because these are our own values, and a path may hold bytes that are not UTF-8.
        return Snapshot.model_construct(
            session_id=spec.session_id,
            user=spec.user,
            media=str(spec.presentation.media.path),
            taken_at=datetime.fromtimestamp(self._services.clock.time(), UTC),
            position=min(position, float(spec.presentation.media.duration)),
            renditions=tuple(positions),
            runs=tuple(runs),
            settings=SessionSettings(
                segment_length=spec.segment_length, idle_timeout=self._record.presence.idle_timeout
            ),
        )

    def _resume(self, snapshot: Snapshot | None) -> None:
        """Go on from the pause, or from an earlier snapshot of this session."""
        if snapshot is not None:
            self._is_of_this_session(snapshot)
        wanted = snapshot or self._record.snapshot
        self._record.take(Step.RESUME, Who.VIEWER, "its viewer went on")
        if wanted is not None:
            self._restore(wanted)

    def _is_of_this_session(self, snapshot: Snapshot) -> None:
        spec = self._spec
        if snapshot.user != spec.user:
            raise SnapshotRefused("it is of another user")
        if not snapshot.is_of(spec.presentation.media.path):
            raise SnapshotRefused("it is of another file")
        if snapshot.settings.segment_length != spec.segment_length:
            raise SnapshotRefused("it is of segments of another length")
        judge_numbers(snapshot, spec.presentation)

    def _go_there(self, snapshot: Snapshot) -> None:
        """Begin at the positions of an earlier session. Nothing is on disk: the policy starts an encoder at each."""
        for id_, rendition in self._renditions.items():
            # The time was rounded when it was written; half a frame later is surely within its segment.
            slack = float(rendition.cuts.slack)
            rendition.restore([rendition.cuts.at(position.time + slack) for position in snapshot.positions(id_)], ())
            self._act(rendition)

    def _restore(self, snapshot: Snapshot) -> None:
        self._record.position = snapshot.position
        try:
            for id_, rendition in self._renditions.items():
                positions = [position.segment for position in snapshot.positions(id_)]
                rendition.restore(positions, ((run.next, run.held) for run in snapshot.paused(id_)))
        except StorageFailed as error:
            self._fail(error)
        self._act_on_all()

    def _serve(self, rendition: SessionRendition, path: Path | None, wanted: str) -> Any:
        """Answer a viewer with a file, or have it made."""
        if path is None and self._record.state is State.PAUSED:
            # A player cannot know that it must resume first, and gives up if it gets nothing.
            with suppress(IllegalTransition):  # it ended a moment ago: the callers will be answered
                self._record.take(Step.RESUME, Who.VIEWER, f"a viewer asked for {wanted} of {rendition.id}")
        self._act(rendition)
        return NO_REPLY if path is None else path

    def _awaited(self, rendition: str, number: int, stamps: Stamps) -> None:
        """Note how long a viewer has waited for what. If there is video, audio is not what a viewer looks at."""
        is_shown = not self._spec.presentation.video or self._rendition(rendition).kind == "video"
        self._record.awaited.published(rendition, number, stamps, is_shown=is_shown)

    def _note_position(self, rendition: SessionRendition, number: int) -> None:
        """Note the viewer's position. If there is video, audio does not count, because it is fetched ahead of video."""
        presentation = self._spec.presentation
        if rendition.kind == "video" or not presentation.video:
            self._record.position = float(rendition.cuts.times[number] - presentation.timeline.origin)

    def _act(self, rendition: SessionRendition) -> None:
        self._waits.made(self._record.counters.segments_published)
        self._record.first_segment_after = self._waits.first
        if self._record.state is not State.ACTIVE:
            return
        try:
            rendition.act()
        except StorageFailed as error:
            self._fail(error)
        failures = [each.hopeless for each in self._renditions.values()]
        if (failure := rendition.hopeless) is not None and None not in failures:
            self._fail(failure)
        if self._quota.refused and not self._looks_for_room:
            self._looks_for_room = True
            self.remind(RoomCheck(), ROOM_CHECK)
        if rendition.viewers.has_callers and not self._looks_for_stalls:
            self._looks_for_stalls = True
            self.remind(StallCheck(), STALL_CHECK)

    def _act_on_all(self) -> None:
        for rendition in self._renditions.values():
            self._act(rendition)

    def _look_at_encoders(self, message: EncoderIdleCheck | StallCheck) -> None:
        """Check whether the encoders are still wanted, or whether they work."""
        is_for_stalls = isinstance(message, StallCheck)
        if is_for_stalls:
            self._looks_for_stalls = False
            self._packager.look_for_stalls()
        else:
            self._packager.rest_if_unused(self._services.encoder_idle_timeout)
        for rendition in self._renditions.values():
            if not is_for_stalls:
                self._act(rendition)
            elif rendition.runs or rendition.viewers.has_callers:
                rendition.look_for_stalls()
                rendition.look_at_others()
                self._act(rendition)
        if not is_for_stalls:
            self._services.timers.cancel(self._encoder_timer)
            self._encoder_timer = self.remind(message, self._encoders_idle_in())

    def _heard_of_others(self, message: MakeRoom | RoomMade | RoomCheck | SlotsChanged | TryAgain | NobodyCame) -> None:
        """Make room on the disk for another session, and act: there may be more or fewer slots, bytes and requests."""
        match message:
            case MakeRoom(size, urgent):
                self._quota.gave(size, self._spare(size, urgent=urgent), urgent=urgent)
            case RoomCheck():
                self._looks_for_room = False
                self._quota.look_again()
            case NobodyCame(requests):
                for request in requests:
                    request.cancel()
        self._act_on_all()

    def _heard_of_other_runs(self, message: OthersChanged | LookForStalls) -> None:
        rendition = self._renditions[message.rendition]
        if isinstance(message, LookForStalls):
            rendition.look_for_stalls()
        self._act(rendition)

    def _spare(self, size: int, *, urgent: bool = False) -> int:
        """Evict segments of so many bytes, first those least likely to be asked for; return how many bytes.

        ``urgent`` says that a viewer waits for the room, of this session or another.
        """
        candidates = (
            (likelihood, number, each) for each in self._offered for likelihood, number in each.evictable(urgent=urgent)
        )
        freed = 0
        for _, number, each in sorted(candidates, key=itemgetter(0)):
            if freed >= size:
                break
            freed += each.evict(number)
        return freed

    @property
    def _offered(self) -> tuple[SessionRendition | SessionSubtitles, ...]:
        return (*self._renditions.values(), *self._subtitles.values())

    @property
    def _subtitle_faults(self) -> dict[str, None]:
        """Why subtitles cannot be had, each reason once, because all tracks are read together."""
        return dict.fromkeys(track.fault for track in self._subtitles.values() if track.fault is not None)

    @property
    def _waiting(self) -> int:
        """How many viewers wait."""
        return sum(len(each.viewers) for each in self._offered)

    @property
    def _is_awaited(self) -> bool:
        """Whether any viewer waits."""
        return any(len(each.viewers) for each in self._offered)

    @property
    def expecting(self) -> int:
        """How many viewers wait for a segment that is being made. In a pause none is made, so it is 0."""
        return 0 if self._record.state is State.PAUSED else self._waiting

    def _encoders_idle_in(self) -> float:
        """Return the seconds until the next position is forgotten, or the unused packager is to be ended."""
        moments = (
            *(rendition.viewers.next_forgotten for rendition in self._renditions.values()),
            self._packager.unused_at(self._services.encoder_idle_timeout),
        )
        times = [moment for moment in moments if moment is not None]
        if not times or self._record.state is State.PAUSED:
            return max(self._services.encoder_idle_timeout, SOONEST)
        return min(times) - self._services.clock.monotonic()

    def _fail(self, error: SessionError) -> None:
        logger.error("%r gave up: %s", self, error)
        for each in self._offered:
            each.fail_waiting(error)
        self.end(Step.FAIL, Who.SESSION, str(error))

    def info(self) -> SessionInfo:
        """Return the session as it is now."""
        spec, record, renditions = self._spec, self._record, self._renditions.values()
        lacks = tuple(dict.fromkeys(what for what in (*(r.lacks for r in renditions), self._packager.lacks) if what))
        running = sum(run.seconds for rendition in renditions for run in rendition.runs) + self._packager.seconds
        return info_of(
            spec,
            record,
            viewers_waiting=self._waiting,
            in_vain_for=self._waits.in_vain(self.expecting),
            first_segment_after=self._waits.first,
            encoder_seconds=record.counters.sums.encoder_seconds + running,
            renditions=tuple(each.info for each in self._offered),
            runs=tuple(run.info for rendition in renditions for run in rendition.runs),
            bytes_on_disk=self._quota.bytes,
            packager=self._packager.pid,
            notes=(
                *spec.presentation.notes,
                *(f"{rendition.id}: {why}" for rendition in renditions for why in rendition.given_up),
                *self._subtitle_faults,
                *(NO_ROOM[lack] for lack in [self._quota.lacks] if lack is not None),
                *(f"Out of {what}: encoders are started when there is more." for what in lacks),
            ),
            lacks=lacks,
            chapters=chapters_of(spec.presentation.media),
        )
