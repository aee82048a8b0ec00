"""Cuts a recording into segments while it arrives. All renditions are cut at the same times."""

from __future__ import annotations

from bisect import insort
from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

from hls_sessions.ffmpeg.recording.clock import MendedClock
from hls_sessions.ffmpeg.recording.tracks import CopiedVideo, EncodedAudio, EncodedVideo, is_copied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hls_sessions.ffmpeg.recording.tracks import Piece, Track

PATIENCE = Fraction(2)
"""Seconds by which one track may be behind another before it is taken to have stopped."""

OF_FRAGMENTS = Fraction(10)
"""The same in fragmented MP4, where a whole fragment of one track may come before that of another."""

LATE = Fraction(10)
"""Seconds that video is waited for before audio is shown alone: a camera may send its first keyframe so late."""

HELD_BACK = Fraction(1, 4)
"""Seconds of sound that a filter and an encoder may hold back. So much more is filled."""

LONGEST = Fraction(4)
"""Seconds that a segment may have. Video whose keyframes are farther apart cannot be copied."""

FIRST = Fraction(1)
"""Seconds that are wanted of the first segment of all, so that there is soon something to see."""

MOST = Fraction(445, 100)
"""Seconds that a segment may have that must end somewhere: they are rounded (RFC 8216, 4.3.3.1)."""

LEAST = Fraction(85, 100)
"""Of the length of a partial segment, what each but the last of a segment must have (RFC 8216bis-20, 4.4.4.9)."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a segmenter begins."""

    number: int
    """The first segment that it makes."""
    origin: Fraction
    """When the first of all segments begins, in seconds on the recording's clock."""
    begins: Fraction
    """When this one does."""
    kinds: tuple[str, ...]
    """The renditions that it has."""


class NotMedia(Exception):
    """The recording cannot be made into HLS; the message says why."""


class KeyframesTooFarApart(NotMedia):
    """It cannot be copied, from the first segment on that is not published."""

    def __init__(self) -> None:
        super().__init__(f"its keyframes are more than {LONGEST} seconds apart")


class Cut(NamedTuple):
    """A segment, or the next part of one, to be published. Times are on the recording's clock, in seconds."""

    number: int
    part: int
    """Counted from 0 in each segment."""
    origin: Fraction
    """When the first segment of all begins."""
    begins: Fraction
    ends: Fraction
    closes: bool
    """Whether the segment is whole with it."""


class Content(NamedTuple):
    """The content of it in one rendition."""

    track: Track
    pieces: list[Piece]


@dataclass(eq=False)
class _Rendition:
    """One rendition, and the pieces that are in no segment yet."""

    kind: str
    """``video`` or ``audio``."""
    track: Track
    pieces: deque[Piece] = field(default_factory=deque)
    reached: Fraction | None = None
    """When its last piece begins."""
    latest: Fraction = Fraction(0)
    """When the last of all its pieces begins that is shown or heard."""
    step: Fraction = Fraction(0)
    """How long a piece lasts."""

    @property
    def ends(self) -> Fraction:
        """When all that has come of it ends."""
        return self.latest + self.step

    def add(self, piece: Piece) -> None:
        """Take another piece."""
        if piece.packet.duration:
            self.step = piece.packet.duration * piece.packet.time_base
        elif self.reached is not None and piece.begins > self.latest:
            self.step = piece.begins - self.latest
        self.pieces.append(piece)
        self.reached, self.latest = piece.begins, max(piece.begins, self.latest)


class _Bound(NamedTuple):
    """Where something ends that is published at once."""

    time: Fraction
    after: Piece | None
    """The first piece behind it, of the rendition that decides where everything is cut; None while there is none."""
    closes: bool
    """Whether a segment ends there."""


class Segmenter:
    """Makes segments of packets. A segment is handed on when something of the next has arrived of every track.

    With a length for parts, it is handed on in parts (partial segments, RFC 8216bis-20). Each ends before a frame, as
    soon as it is long enough; where a frame lasts longer than a part may, also within the frame.
    """

    def __init__(
        self,
        container: Any,
        length: Fraction,
        start: Start | None,
        *,
        part_length: Fraction | None = None,
        copies: bool,
        publish: Callable[[Cut, dict[str, Content]], None],
    ) -> None:
        """Look at the tracks of a recording.

        Args:
            container: the recording.
            length: the wanted length of a segment, in seconds.
            start: where an earlier one has stopped; None for the beginning.
            part_length: the longest that a part may be, in seconds; None to hand segments on whole.
            copies: whether video may be copied.
            publish: is called with each segment or part that is whole, and the content of it in each rendition.

        Raises:
            NotMedia: there is neither video nor audio in it.
        """
        self._container = container
        self._patience = OF_FRAGMENTS if "mp4" in container.format.name else PATIENCE
        self._length = length
        self._part_length = part_length
        self._copies = copies
        self._publish = publish
        self.streams: list[Any] = [*container.streams.video[:1], *container.streams.audio[:1]]
        if not self.streams:
            raise NotMedia("there is neither video nor audio in it")
        self._renditions: dict[int, _Rendition] = {}
        self._number = self._part = 0
        """The segment and the part that are published next."""
        self._begun = 0
        """The last segment that has begun."""
        self._begins = self._cut = self._marked = Fraction(0)
        """When they begin, when the last segment begins that has begun, and when the last such part does."""
        self._shown: list[Fraction] = []
        """When each piece of the last segment is shown, of the rendition that decides."""
        self._bounds: deque[_Bound] = deque()
        """Where what is not published ends."""
        self._is_lost = False
        """Whether nothing can be copied behind the last of them."""
        self._early: list[Any] = []
        """Packets that came before it was known when the recording begins."""
        if start is not None:
            self.streams = [stream for stream in self.streams if stream.type in start.kinds]
            self._number = self._begun = start.number
            self._open(start.origin, start.begins)

    def run(self) -> None:
        """Make all segments, up to the end of the recording."""
        clock = MendedClock()
        for packet in self._container.demux(self.streams):
            if packet.pts is not None and packet.size:
                self._take(clock.mend(packet))
        self._open_if_known(at_the_end=True)
        self._finish()

    # ---- within

    def _take(self, packet: Any) -> None:
        if not self._renditions:
            self._early.append(packet)
            self._open_if_known()
            return
        if (rendition := self._renditions.get(packet.stream.index)) is None:
            return
        self._add(rendition, rendition.track.take(packet))
        self._fill()
        self._publish_whole()

    def _open_if_known(self, *, at_the_end: bool = False) -> None:
        """Open all renditions as soon as it is known which track begins first.

        What is heard long before there is a picture is left out, and so is video that does not come at all.
        """
        firsts: dict[int, Fraction] = {}
        for packet in self._early:
            # Before its first keyframe no video can be decoded.
            if packet.stream.type == "audio" or packet.is_keyframe:
                firsts.setdefault(packet.stream.index, packet.pts * packet.time_base)
        if self._renditions or not firsts:
            return
        origin, latest = min(firsts.values()), self._early[-1].pts * self._early[-1].time_base
        video = next((firsts.get(stream.index) for stream in self.streams if stream.type == "video"), origin)
        patience = LATE if video is None else self._patience
        if at_the_end or len(firsts) == len(self.streams) or latest - origin > patience:
            if video is None:
                self.streams = [stream for stream in self.streams if stream.type != "video"]
            elif video - origin > PATIENCE:
                origin = video
            self._open(origin, None)
            early, self._early = self._early, []
            for packet in early:
                self._take(packet)

    def _open(self, origin: Fraction, begins: Fraction | None) -> None:
        self._origin = origin
        self._begins = self._cut = self._marked = origin if begins is None else begins
        for stream in self.streams:
            track: Track
            if stream.type == "audio":
                track = EncodedAudio(stream, origin, begins)
            elif self._copies and is_copied(stream.codec_context):
                track = CopiedVideo(stream, begins)
            else:
                track = EncodedVideo(stream, begins, self._is_due)
            self._renditions[stream.index] = _Rendition(stream.type, track)

    def _finish(self) -> None:
        """Publish all that is left. All tracks are as long as the longest."""
        renditions = self._renditions.values()
        ends = max((rendition.ends for rendition in renditions), default=Fraction(0))
        for rendition in renditions:
            if rendition.ends < ends - HELD_BACK:
                if isinstance(rendition.track, CopiedVideo) and ends > self._cut + MOST:
                    self._stop_copying(None, ends)
                self._add(rendition, rendition.track.fill(ends))
            self._add(rendition, rendition.track.finish())
        if any(rendition.pieces for rendition in renditions) and not self._is_lost:
            self._join_the_last()
            self._end(None, max(rendition.ends for rendition in renditions), closes=True)
        self._publish_whole(at_the_end=True)

    def _join_the_last(self) -> None:
        """Join a last segment with the one before it, where it has nothing of a track."""
        if not self._bounds or not self._bounds[-1].closes:
            return
        last = self._bounds[-1]
        if any(rendition.latest < last.time for rendition in self._renditions.values()):
            self._bounds[-1] = last._replace(closes=False)
            if self._part_length is None:
                self._bounds.pop()

    def _is_due(self, time: Fraction) -> bool:
        """Whether a segment is to begin at a time."""
        return time >= self._cut + (self._length if self._begun else min(FIRST, self._length))

    @property
    def _decider(self) -> _Rendition:
        """The rendition that decides where everything is cut: video or, where there is none, audio."""
        return next(iter(self._renditions.values()))

    def _add(self, rendition: _Rendition, pieces: Iterator[Piece]) -> None:
        for piece in pieces:
            if piece.begins < self._begins and self._number and rendition.kind == "audio":
                continue  # its segment was published without it
            if rendition is self._decider and not self._is_lost:
                self._bound(rendition.track, piece)
            rendition.add(piece)

    def _fill(self) -> None:
        """Have tracks that are far behind others go on without their source: with silence, or the last picture."""
        reached = max((each.reached for each in self._renditions.values() if each.reached is not None), default=None)
        if reached is None:
            return
        for rendition in self._renditions.values():
            if rendition.reached is None or rendition.reached < reached - self._patience:
                if isinstance(rendition.track, CopiedVideo) and reached - self._patience >= self._cut + LONGEST:
                    self._stop_copying(None, reached)
                self._add(rendition, rendition.track.fill(reached - self._patience + HELD_BACK))

    def _bound(self, track: Track, piece: Piece) -> None:
        """Note what ends before a piece of the rendition that decides."""
        # The very first frame is shown from the beginning on, and nothing ends before it.
        if self._shown:
            is_over = piece.begins >= self._cut + (MOST if piece.opens else LONGEST)
            before = self._all_shown(track, piece)
            if isinstance(track, CopiedVideo) and is_over and (self._part_length is None or before is not None):
                self._stop_copying(piece, piece.begins if before is None else before)
            elif piece.opens and self._is_due(piece.begins):
                self._end(piece, piece.begins, closes=True)
                self._begun, self._cut, self._shown = self._begun + 1, piece.begins, []
            elif before is not None:
                self._end(piece, before, closes=False)
        insort(self._shown, piece.begins)

    def _all_shown(self, track: Track, piece: Piece) -> Fraction | None:
        """Return when all that is decoded before a piece has been shown; None where something later is among it.

        It is told by the times of a segment's own pieces, so that whoever makes the segment again finds the same.
        """
        if not track.reorders:
            return piece.begins
        if piece.begins < self._shown[-1]:
            return None
        steps = [after - earlier for earlier, after in pairwise(self._shown)]
        return self._shown[-1] + min((step for step in steps if step), default=Fraction(0))

    def _end(self, piece: Piece | None, time: Fraction, *, closes: bool) -> None:
        """Note that parts, and perhaps a segment, end before a piece, which counts as of a time."""
        if self._part_length is not None:
            while time - self._marked > self._part_length:
                self._marked += self._part_length
                self._bounds.append(_Bound(self._marked, piece, closes=False))
            if not closes and time - self._marked < LEAST * self._part_length:
                return
        elif not closes:
            return
        self._marked = time
        self._bounds.append(_Bound(time, piece, closes))

    def _stop_copying(self, piece: Piece | None, time: Fraction) -> None:
        """Have nothing copied from a piece on, which counts as of a time.

        Of a segment of which parts were shown, these stay, and it ends here. Another can still be made anew.

        Raises:
            KeyframesTooFarApart: it can be made anew.
        """
        if self._part_length is None:
            raise KeyframesTooFarApart
        if not self._is_lost:
            self._end(piece, time if time <= self._cut + MOST else self._cut + LONGEST, closes=True)
            self._is_lost = True

    def _publish_whole(self, *, at_the_end: bool = False) -> None:
        while self._bounds and (at_the_end or self._is_whole(self._bounds[0].time)):
            self._publish_up_to(self._bounds.popleft())
            if self._is_lost and not self._bounds:
                raise KeyframesTooFarApart

    def _is_whole(self, time: Fraction) -> bool:
        """Whether no track is still to bring something from before a time, or is far behind."""
        reached = [rendition.reached for rendition in self._renditions.values()]
        known = [each for each in reached if each is not None]
        return bool(known) and (
            max(known) >= time + self._patience or (len(known) == len(reached) and min(known) >= time)
        )

    def _publish_up_to(self, bound: _Bound) -> None:
        """Publish what is before a bound."""
        contents = {rendition.kind: self._content(rendition, bound) for rendition in self._renditions.values()}
        self._publish(Cut(self._number, self._part, self._origin, self._begins, bound.time, bound.closes), contents)
        self._begins = bound.time
        self._number, self._part = (self._number + 1, 0) if bound.closes else (self._number, self._part + 1)

    def _content(self, rendition: _Rendition, bound: _Bound) -> Content:
        """Take the pieces before a bound out of those of a rendition."""
        pieces: list[Piece] = []
        while rendition.pieces and not self._is_behind(bound, rendition):
            pieces.append(rendition.pieces.popleft())
        base = pieces[0].packet.time_base if pieces else Fraction(1)
        following = rendition.pieces[0].packet.dts if rendition.pieces else None
        for before, after in pairwise([*(piece.packet for piece in pieces), None]):
            until = following if after is None else after.dts
            if until is not None and before is not None:
                before.duration = until - before.dts
        if self._number == self._part == 0 and rendition.kind == "video" and pieces:
            # The first frame is shown from the beginning on.
            first = pieces[0].packet
            first.pts = min(first.pts, ceil(self._origin / base))
            first.dts = min(first.dts, first.pts)
        if pieces and rendition.kind == "video":
            self._end_last(rendition, pieces, bound, has_following=following is not None)
        return Content(rendition.track, pieces)

    def _end_last(self, rendition: _Rendition, pieces: list[Piece], bound: _Bound, *, has_following: bool) -> None:
        """Have the last frame shown up to the end of its segment, and not over a hole that comes after that."""
        closes = next((each for each in (bound, *self._bounds) if each.closes and each.after is bound.after), None)
        shown, packet = max(piece.begins for piece in pieces), pieces[-1].packet
        if closes is not None and closes.time > shown:
            lasts = max(1, round((closes.time - shown) / packet.time_base))
            packet.duration = min(packet.duration, lasts) if has_following else lasts
        elif not has_following:
            packet.duration = max(1, round(rendition.step / packet.time_base))

    def _is_behind(self, bound: _Bound, rendition: _Rendition) -> bool:
        """Whether the next piece of a rendition is behind a bound."""
        piece = rendition.pieces[0]
        return piece is bound.after if rendition is self._decider else piece.begins >= bound.time
