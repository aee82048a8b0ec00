"""The actor of one recording: what arrives is in the journal already, and here it becomes HLS.

One maker follows the journal and makes each segment as soon as it is whole. A segment that is asked for and is no
longer on disk is made again by another, from the journal. So the disk is a cache, as it is of every session.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from hls_sessions.encoding import RenditionInfo
from hls_sessions.errors import (
    IllegalTransition,
    NotPlayable,
    RenditionNotFound,
    SegmentImpossible,
    SegmentNotFound,
    SessionError,
    StorageFailed,
)
from hls_sessions.ffmpeg import WorkerFailed
from hls_sessions.live.cache import RecordingCache
from hls_sessions.live.inlet import SourceState
from hls_sessions.live.ledger import Section
from hls_sessions.live.maker import Maker, MakerExited, MakerSaid, start_at
from hls_sessions.live.timeline import PartialSegment
from hls_sessions.live.waiting import Waiting
from hls_sessions.media import PLAIN_AAC, BrokenSegment, read_codec, read_track
from hls_sessions.otp import Crash
from hls_sessions.segments import MakeRoom, RoomMade, SegmentDirectory, end_processes
from hls_sessions.session import (
    BaseSessionServer,
    GetInit,
    GetSegment,
    Pause,
    PauseIf,
    Reconfigure,
    Resume,
    Served,
    State,
    Step,
    Who,
)
from hls_sessions.session.info import info_of

if TYPE_CHECKING:
    from pathlib import Path

    from hls_sessions.ffmpeg import Exit
    from hls_sessions.live.journal import Part
    from hls_sessions.live.spec import RecordingSpec
    from hls_sessions.otp import ExitReason, From
    from hls_sessions.session import Services, SessionInfo, SessionRecord

logger = logging.getLogger(__name__)

KILL_TIMEOUT: Final = 2.0
"""Seconds a killed maker may take to be gone."""

IN_VAIN: Final = 5
"""Makers in a row that crash at one segment before the rest of its file is given up."""

BACKOFF: Final = 0.1
"""Seconds until the second of them is started; twice as long for each after it."""

LONGEST_BACKOFF: Final = 2.0


@dataclass(frozen=True, slots=True)
class GetPlayable:
    """Ask for nothing; answered as soon as there is a first segment. Refused with NotPlayable where none will be."""


@dataclass(frozen=True, slots=True)
class GetFinished:
    """Ask for nothing; answered as soon as all segments of a recording that is over are made."""


@dataclass(frozen=True, slots=True)
class GetAdvanced:
    """Ask for nothing; answered as soon as a segment is there or, where a part of it is named, that one."""

    segment: int
    part: int | None


@dataclass(frozen=True, slots=True)
class GetPartial:
    """Ask for the file of a part of a segment; that of the next is answered as soon as it is there."""

    rendition: str
    segment: int
    part: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """Something has arrived, or the source has come or gone."""


@dataclass(frozen=True, slots=True)
class SourceCheck:
    """The recording's own reminder to check whether its source has been away for too long."""


@dataclass(frozen=True, slots=True)
class MakerCheck:
    """The recording's own reminder to start a maker again."""


class RecordingServer(BaseSessionServer):
    """The actor of one recording. After a restart, also of the daemon, it goes on with its journal and its ledger."""

    def init(self, spec: RecordingSpec, services: Services, record: SessionRecord) -> None:
        """Open the directory, and go on where an earlier actor has stopped."""
        self._spec = spec
        self.begin(services, record)
        self._ledger, self._timeline = spec.ledger, spec.ledger.timeline
        self._directory = SegmentDirectory(spec.directory, services.home)
        self._directory.open()
        end_processes(self._directory)
        self._directory.clear_runs()
        self._cache = RecordingCache(
            self._directory,
            self._timeline,
            record,
            lambda spare: services.quota.open(spec.session_id, self.ref.send, spare, lambda: record.presence.idle),
        )
        self._numbers = count(1)
        self._newest: Maker | None = None
        """Follows the journal."""
        self._again: Maker | None = None
        """Makes segments again that viewers wait for."""
        self._in_vain = self._again_in_vain = 0
        """How many makers in a row were lost before they had made anything."""
        self._crashes = 0
        """How many of the newest ones by their own fault."""
        self._backs_off = False
        self._encoded: set[int] = {section.file for section in self._ledger.sections if not section.copies}
        """The files of which video cannot be copied."""
        self._waiting = Waiting()
        self._source: SourceState | None = None
        self._looks_at_source = False
        self._is_told = False
        if record.state is State.PENDING:
            record.take(Step.START, Who.SESSION, "its directory is open")
        spec.inlet.changed = self._tell
        self._go_on()

    def __repr__(self) -> str:
        segments = len(self._timeline)
        return f"<Recording {self._spec.session_id[:8]} [{self._spec.inlet.state.value}, {segments} segments]>"

    def handle_request(self, request: Any, caller: From) -> Any:
        """Answer the requests for files. A recording cannot be paused, because its source would go on."""
        match request:
            case GetSegment(kind, number):
                return self._get_segment(kind, number, caller)
            case GetInit(kind, part):
                return self._get_init(kind, part, caller)
            case GetPartial(kind, number, part):
                return self._get_partial(kind, number, part, caller)
            case GetAdvanced(number, part):
                return self._get_advanced(number, part, caller)
            case GetPlayable() | GetFinished():
                return self._get_ready(request, caller)
            case Pause() | PauseIf():
                raise IllegalTransition(self._record.state.value, "pause", "A recording cannot be paused.")
            case Resume():
                raise IllegalTransition(self._record.state.value, "resume", "A recording is never paused.")
            case _:
                return super().handle_request(request, caller)

    def handle_cast(self, message: Any) -> None:
        """Hear that something arrived, or that a segment was served from disk."""
        match message:
            case Arrived():
                self._is_told = False
                self._go_on()
            case Served(kind, number):
                self._record.presence.touch()
                self._cache.positions[kind] = number
            case _:
                super().handle_cast(message)

    def handle_info(self, message: Any) -> None:
        """Hear of makers, of other sessions, and of timers."""
        match message:
            case MakerSaid(number, said):
                for maker in (self._newest, self._again):
                    if maker is not None and maker.number == number:
                        self._heard(maker, said.body, said.payload)
            case MakerExited(number):
                self._exited(number, message.exit)
            case SourceCheck():
                self._check_source()
            case MakerCheck():
                self._backs_off = False
                self._go_on()
                self._make_again()
            case Reconfigure(services):
                self._services = services
                self.expire_if_idle()
            case MakeRoom(size, urgent):
                self._cache.quota.gave(size, self._cache.spare(size, urgent=urgent), urgent=urgent)
            case RoomMade():
                pass
            case _:
                super().handle_info(message)

    def terminate(self, reason: ExitReason) -> None:
        """End all processes. The directory is left to the next actor, unless the session has ended."""
        for maker in (self._newest, self._again):
            if maker is not None:
                maker.close(KILL_TIMEOUT)
        if self._record.state.is_final and not isinstance(reason, Crash):
            end = self._record.end
            self._end_source("its session has ended" if end is None else end.reason)
            with suppress(StorageFailed):
                self._spec.journal.close()
            with suppress(StorageFailed):  # it counts from its beginning, then
                self._ledger.leave(self._services.clock.time())
            self._directory.destroy()
            self._services.quota.close(self._spec.session_id)
            self._services.scheduler.close(self._spec.session_id)

    # ---- as every session

    @property
    def expecting(self) -> int:
        """How many viewers wait."""
        return self._waiting.count(lambda asked: not isinstance(asked, GetFinished))

    def expire_if_idle(self) -> None:
        """End if nobody sends and nobody watches any more."""
        if self._spec.inlet.state is SourceState.ARRIVING:
            self._record.presence.touch()
        super().expire_if_idle()

    def unused(self, why: str) -> tuple[Step, str]:
        """A recording that is over is completed; one that waits for its source expires like any session."""
        over = self._spec.inlet.over
        return (Step.EXPIRE, why) if over is None else (Step.COMPLETE, over)

    def info(self) -> SessionInfo:
        """Return the recording as it is now."""
        return info_of(
            self._spec,
            self._record,
            viewers_waiting=self.expecting,
            renditions=tuple(map(self._rendition_info, self._kinds)),
            bytes_on_disk=self._cache.quota.bytes,
            packager=None if self._newest is None else self._newest.pid,
            notes=self._spec.notes,
            source=self._spec.inlet.state.value,
        )

    # ---- the source

    def _tell(self) -> None:
        """Tell the actor, from any thread, that something arrived; it is told once for all that it has not seen."""
        if not self._is_told:
            self._is_told = True
            self.ref.cast(Arrived())

    def _go_on(self) -> None:
        """Do what follows from what has arrived."""
        self._note_source()
        over = self._spec.inlet.over  # looked at first: if it is, no part is added to those that are looked at next
        self._start_newest()
        if self._newest is not None:
            self._feed(self._newest)
        elif over is not None and not self._backs_off:
            self._ledger.close_timeline()
            self._waiting.answer(GetFinished())
            self._answer_advanced()
            if not len(self._timeline):
                self._waiting.refuse(GetPlayable(), self._unplayable())

    def _note_source(self) -> None:
        inlet = self._spec.inlet
        before, self._source = self._source, inlet.state
        if inlet.over is not None and self._ledger.over is None:
            with suppress(StorageFailed):  # it is over all the same, and found to be when nothing comes any more
                self._ledger.end(inlet.over)
        if self._source is before:
            return
        if before is not None and self._source is not SourceState.WAITING:
            self._record.source_changed(self._source.value, inlet.over)
        self._look_at_source_in(self._patience)

    @property
    def _is_expected(self) -> bool:
        """Whether the source is there or was; one that is fetched should be from the beginning."""
        state = self._spec.inlet.state
        waits = state is SourceState.WAITING and self._ledger.facts.source is not None
        return waits or state in {SourceState.LOST, SourceState.ARRIVING}

    @property
    def _patience(self) -> float:
        services = self._services
        return services.source_patience if self._ledger.facts.source is None else services.pull_patience

    def _look_at_source_in(self, seconds: float) -> None:
        if not self._looks_at_source and self._is_expected:
            self._looks_at_source = True
            self.remind(SourceCheck(), seconds)

    def _check_source(self) -> None:
        self._looks_at_source = False
        inlet = self._spec.inlet
        left = self._patience - inlet.silent_for
        if left > 0:
            self._look_at_source_in(left)
        elif self._is_expected:
            self._end_source(f"its source was lost, and did not come back within {self._patience:g} s")

    def _end_source(self, reason: str, error: SessionError | None = None) -> None:
        self._spec.inlet.end(reason, error)
        self._note_source()

    def _part(self, file: int) -> Part:
        return next(part for part in self._spec.journal.parts if part.number == file)

    def _is_whole(self, file: int) -> bool:
        """Whether nothing more will come of a part."""
        return self._spec.inlet.over is not None or file != self._spec.journal.parts[-1].number

    def _feed(self, maker: Maker) -> None:
        ended = self._is_whole(maker.file)  # asked first: if it is, the size is the last one
        maker.feed(self._part(maker.file).size, ended=ended)

    # ---- makers

    def _start_newest(self) -> None:
        """Start a maker for the first file of which something is to be made, unless one is at work."""
        if self._newest is not None or self._backs_off:
            return
        for part in self._spec.journal.parts:
            if part.number in self._ledger.done:
                continue
            if not part.size and not self._is_whole(part.number):
                return
            if not self._part(part.number).size:
                self._finish(part.number, None)
                continue
            number = len(self._timeline)
            sections = [section for section in self._ledger.sections if section.file == part.number]
            copies = part.number not in self._encoded
            start = start_at(sections[-1], self._timeline, number) if sections else None
            first = sections[0].first if sections else number
            try:
                self._newest = self._maker(part, first, start, copies=copies)
            except (OSError, WorkerFailed) as error:
                logger.warning("no maker could be started: %s", error)
                self._back_off()
            return

    def _maker(self, part: Part, first: int, start: dict[str, Any] | None, *, copies: bool) -> Maker:
        return Maker(
            next(self._numbers),
            part,
            first=first,
            start=start,
            copies=copies,
            length=self._spec.segment_length,
            part_length=self._spec.part_target,
            workers=self._services.workers,
            directory=self._directory,
            owner=self.ref,
        )

    def _heard(self, maker: Maker, body: dict[str, Any], payload: bytes) -> None:
        match body:
            case {"read": size}:
                maker.has_read(size)
                self._feed(maker)
            case {"cut": cut}:
                self._made(maker, cut, payload)
            case {"ended": why}:
                maker.why = why, bool(body.get("encode"))
                maker.kill()  # it waits for that, because nothing more can be asked of it
            case _:
                pass

    def _made(self, maker: Maker, cut: dict[str, Any], payload: bytes) -> None:
        """Take over a segment, or a part of one."""
        number, inits, at = maker.first + cut["number"], {}, 0
        for kind, made in cut["made"].items():
            inits[kind], at = payload[at : at + made["init"]], at + made["init"]
        if maker is self._again:
            self._again_in_vain = 0
            self._publish_inits(inits, self._timeline.part_of(number).number)
            if cut["closes"]:
                self._publish(maker, number, cut)
                self._rest_if_unwanted()
        elif number != len(self._timeline):
            logger.error("%r has made segment %d in place of %d", maker, number, len(self._timeline))
            maker.kill()
        else:
            self._add(maker, number, cut, inits)

    def _add(self, maker: Maker, number: int, cut: dict[str, Any], inits: dict[str, bytes]) -> None:
        """Take over the newest segment, or its next part: it is published, then written down, and only then shown."""
        begins, ends = Fraction(cut["begins"]), Fraction(cut["ends"])
        try:
            if not cut["part"] and not self._goes_on_at(maker, begins):
                self._begin_section(maker, cut, inits, begins)
            partial = None if self._spec.part_target is None else self._publish_partial(maker, number, cut)
            if cut["closes"]:
                self._publish(maker, number, cut)
                # A stretch without a frame is not shown: what follows it is another section.
                longest = self._timeline.begins(number) + self._timeline.longest
                self._ledger.add(min(ends, longest), cut["sizes"])
            # A maker that goes on for another makes the parts again that were there.
            if partial is not None and cut["part"] >= len(self._timeline.partials.get(number, ())):
                self._timeline.add_partial(number, partial)
        except (StorageFailed, BrokenSegment, ValueError) as error:
            # Without a line in the ledger no segment counts: the recording cannot be shown any farther.
            logger.error("%r ends: %s", self, error)  # noqa: TRY400 - the disk's fault, or the source's
            refusal = error if isinstance(error, SessionError) else None
            self._end_source(f"it could not be written down: {error}", refusal)
            maker.kill()
            return
        self._in_vain = self._crashes = 0
        self._answer_advanced()
        if cut["closes"]:
            self._waiting.answer(GetPlayable())
            self._cache.forget_partials()
            self._services.quota.enforce()
            if self._cache.quota.bytes > self._cache.quota.most:
                self._cache.spare(int(self._cache.quota.bytes - self._cache.quota.most), urgent=False)

    def _goes_on_at(self, maker: Maker, begins: Fraction) -> bool:
        """Whether a segment that begins then belongs to the last section."""
        if not self._ledger.sections:
            return False
        section = self._ledger.sections[-1]
        same = (section.file, section.copies) == (maker.file, maker.copies)
        return same and self._timeline.begins(len(self._timeline)) == begins

    def _begin_section(self, maker: Maker, cut: dict[str, Any], inits: dict[str, bytes], begins: Fraction) -> None:
        origin, section = Fraction(cut["origin"]), len(self._ledger.sections)
        earlier = [
            part
            for part, each in zip(self._timeline.parts, self._ledger.sections, strict=True)
            if each.file == maker.file
        ]
        if earlier:
            began_at = earlier[0].began_at + timedelta(seconds=float(begins - earlier[0].origin))
        else:
            # It has arrived up to now. What is before it took as long to arrive, as far as anybody knows.
            now = datetime.fromtimestamp(self._services.clock.time(), UTC)
            began_at = now - timedelta(seconds=float(Fraction(cut["ends"]) - begins))
        self._publish_inits(inits, section)
        codecs = {kind: PLAIN_AAC if kind == "audio" else read_codec(read_track(init)) for kind, init in inits.items()}
        size = None if cut["picture"] is None else tuple(cut["picture"])
        described = Section(maker.file, origin, maker.first, maker.copies, cut["copied"], codecs, size)
        self._ledger.begin_section(described, begins, began_at)

    def _publish_inits(self, inits: dict[str, bytes], section: int) -> None:
        for kind, init in inits.items():
            if (path := self._cache.publish_init(kind, section, init)) is not None:
                self._waiting.answer(GetInit(kind, section), path)

    def _publish_partial(self, maker: Maker, number: int, cut: dict[str, Any]) -> PartialSegment:
        """Make a part of the segment that follows visible. One that the disk has no room for is missing."""
        part, opens = cut["part"], {}
        for kind, made in cut["made"].items():
            file = maker.partial_output(kind, number, part)
            if self._cache.publish_partial(kind, number, part, file, made["size"]) is not None:
                opens[kind] = made["opens"]
        return PartialSegment(Fraction(cut["ends"]), opens)

    def _publish(self, maker: Maker, number: int, cut: dict[str, Any]) -> None:
        """Make a segment visible. If the disk has no room for it, it is made again when somebody asks for it."""
        for kind, size in cut["sizes"].items():
            if (path := self._cache.publish(kind, number, maker.output(kind, number), size)) is not None:
                self._waiting.answer(GetSegment(kind, number), path)

    def _exited(self, number: int, how: Exit) -> None:
        if self._again is not None and self._again.number == number:
            maker, self._again = self._again, None
            maker.clear()
            self._refuse_hopeless(maker, how)
            if self._again_in_vain > 1:
                self._back_off()
            self._make_again()
        elif self._newest is not None and self._newest.number == number:
            maker, self._newest = self._newest, None
            maker.clear()
            self._newest_exited(maker, how)
            self._go_on()

    def _newest_exited(self, maker: Maker, how: Exit) -> None:
        if maker.why is not None:
            why, could_be_encoded = maker.why
            if could_be_encoded:
                self._encoded.add(maker.file)
            else:
                self._finish(maker.file, why)
            return
        self._in_vain += 1
        self._crashes += not how.was_killed  # what was killed by others is no fault of the file
        logger.warning("%r was lost at segment %d: it %s", maker, len(self._timeline), how)
        if self._crashes >= IN_VAIN:
            self._in_vain = self._crashes = 0
            self._finish(maker.file, f"its makers crashed {IN_VAIN} times at segment {len(self._timeline)}")
            return
        cause = "killed" if how.was_killed else "crashed"
        self._record.replaced("video", len(self._timeline), cause, what="packager")
        if self._in_vain > 1:
            self._back_off()

    def _back_off(self) -> None:
        self._backs_off = True
        self.remind(MakerCheck(), min(LONGEST_BACKOFF, BACKOFF * 2 ** max(self._in_vain, self._again_in_vain)))

    def _finish(self, file: int, why: str | None) -> None:
        """Note that no further segment is made of a file. One of which none could be made at all was no media."""
        try:
            self._ledger.finish(file, why)
        except StorageFailed as error:
            self._ledger.done[file] = str(error)
        if why is not None and not any(section.file == file for section in self._ledger.sections):
            self._end_source(f"what arrives cannot be played: {why}", NotPlayable(self._spec.title, why))

    # ---- viewers

    @property
    def _kinds(self) -> list[str]:
        return list(dict.fromkeys(kind for part in self._timeline.parts for kind in part.kinds))

    def _unplayable(self) -> NotPlayable:
        """Return why there is nothing to play."""
        why = next((why for why in self._ledger.done.values() if why), self._spec.inlet.over)
        return NotPlayable(self._spec.title, why or "nothing has arrived")

    def _get_ready(self, request: GetPlayable | GetFinished, caller: From) -> Any:
        is_over = self._timeline.is_over
        if isinstance(request, GetPlayable) and is_over and not len(self._timeline):
            raise self._unplayable()
        is_ready = is_over if isinstance(request, GetFinished) else len(self._timeline)
        return None if is_ready else self._waiting.add(request, caller)

    def _get_segment(self, kind: str, number: int, caller: From) -> Any:
        if kind not in self._kinds:
            raise RenditionNotFound(self._spec.session_id, kind)
        if not 0 <= number < len(self._timeline):
            raise SegmentNotFound(kind, number, len(self._timeline))
        if kind not in self._timeline.part_of(number).kinds:
            raise SegmentImpossible(kind, number, "its source sent nothing of it then")
        self._cache.positions[kind] = number
        if (path := self._cache.find(kind, number)) is not None:
            return path
        answer = self._waiting.add(GetSegment(kind, number), caller)
        self._make_again()
        return answer

    def _get_partial(self, kind: str, number: int, part: int, caller: From) -> Any:
        if kind not in self._kinds:
            raise RenditionNotFound(self._spec.session_id, kind)
        self._cache.positions[kind] = number
        return self._partial(kind, number, part) or self._waiting.add(GetPartial(kind, number, part), caller)

    def _partial(self, kind: str, number: int, part: int) -> Path | None:
        """Return the file of a part of a segment; None if it is the one that comes next."""
        parts, following = self._timeline.partials.get(number, ()), len(self._timeline)
        if part < len(parts):
            if kind not in parts[part].opens:
                raise SegmentImpossible(kind, number, "there is nothing of it in this part")
            return self._directory.partial(kind, number, part)
        if self._timeline.is_over or (number, part) != (following, len(parts)):
            raise SegmentNotFound(kind, number, following)
        return None

    def _get_advanced(self, number: int, part: int | None, caller: From) -> Any:
        if self._timeline.is_over or self._timeline.reaches(number, part):
            return None
        if number > len(self._timeline) + 1:  # the last one is a part of that which follows (RFC 8216bis-20, 6.2.5.2)
            raise SegmentNotFound("any rendition", number, len(self._timeline))
        return self._waiting.add(GetAdvanced(number, part), caller)

    def _answer_advanced(self) -> None:
        """Answer those that wait for the timeline to go on."""
        for asked in self._waiting:
            match asked:
                case GetAdvanced(number, part) if self._timeline.is_over or self._timeline.reaches(number, part):
                    self._waiting.answer(asked)
                case GetPartial(kind, number, part):
                    try:
                        if (path := self._partial(kind, number, part)) is not None:
                            self._waiting.answer(asked, path)
                    except SessionError as error:
                        self._waiting.refuse(asked, error)

    def _get_init(self, kind: str, part: int, caller: From) -> Any:
        if kind not in self._kinds:
            raise RenditionNotFound(self._spec.session_id, kind)
        if not 0 <= part < len(self._timeline.parts) or kind not in self._timeline.parts[part].kinds:
            raise SegmentNotFound(kind, part, len(self._timeline.parts))
        if (path := self._cache.find_init(kind, part)) is not None:
            return path
        answer = self._waiting.add(GetInit(kind, part), caller)
        self._make_again()
        return answer

    def _make_again(self) -> None:
        """Start a maker at the first segment that is waited for and not on disk, unless one is at work."""
        if self._again is not None or self._backs_off:
            return
        wanted = self._wanted()
        if not wanted:
            return
        number = min(wanted)
        section = self._ledger.sections[self._timeline.part_of(number).number]
        start = start_at(section, self._timeline, number)
        try:
            self._again = self._maker(self._part(section.file), section.first, start, copies=section.copies)
        except (OSError, WorkerFailed) as error:
            self._refuse_all(wanted[number], StorageFailed(str(self._directory.path), str(error)))

    def _wanted(self) -> dict[int, list[Any]]:
        """Return the requests that wait for a segment or an init segment, by the segment that they wait for."""
        wanted: dict[int, list[Any]] = {}
        for asked in self._waiting:
            match asked:
                case GetSegment(_, number):
                    wanted.setdefault(number, []).append(asked)
                case GetInit(_, part):
                    wanted.setdefault(self._timeline.parts[part].first, []).append(asked)
        return wanted

    def _rest_if_unwanted(self) -> None:
        """End the maker that makes segments again when nobody waits for one that it will make soon."""
        maker = self._again
        if maker is not None and not self._wanted():
            maker.kill()

    def _refuse_hopeless(self, maker: Maker, how: Exit) -> None:
        """Refuse what a maker has not made: it came to the end of its file, or several were lost in a row."""
        if maker.why is None and self._wanted():
            self._again_in_vain += 1
            if self._again_in_vain < IN_VAIN:
                return  # it was killed: another makes the rest
        self._again_in_vain = 0
        why = (maker.why or (None, False))[0]
        for number, asked in self._wanted().items():
            if self._ledger.sections[self._timeline.part_of(number).number].file == maker.file:
                for each in asked:
                    kind = each.rendition
                    self._waiting.refuse(
                        each, SegmentImpossible(kind, number, why or f"it could not be made again: it {how}")
                    )

    def _refuse_all(self, asked: list[Any], error: SessionError) -> None:
        for each in asked:
            self._waiting.refuse(each, error)

    def _rendition_info(self, kind: str) -> RenditionInfo:
        section = next(each for each in reversed(self._ledger.sections) if kind in each.codecs)
        width, height = (section.size or (None, None)) if kind == "video" else (None, None)
        return RenditionInfo(
            id=kind,
            kind=kind,
            codecs=section.codecs[kind],
            bandwidth=self._ledger.peaks.get(kind, 0),
            segments=len(self._timeline),
            published=self._cache.published(kind),
            width=width,
            height=height,
            encoder="copy" if kind == "video" and section.is_copied else None,
        )
