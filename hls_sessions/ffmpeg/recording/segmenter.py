"""Cuts a recording into segments while it arrives. All renditions are cut at the same times."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

from hls_sessions.ffmpeg.recording.tracks import COPIED, CopiedVideo, EncodedAudio, EncodedVideo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hls_sessions.ffmpeg.recording.tracks import Piece, Track

PATIENCE = Fraction(2)
"""Seconds by which one track may be behind another before a segment is closed without it."""

LONGEST = Fraction(4)
"""Seconds that a segment may have. Video whose keyframes are farther apart cannot be copied."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a segmenter begins."""

    number: int
    """The first segment that it makes."""
    origin: Fraction
    """When the first of all segments begins, in seconds on the recording's clock."""
    begins: Fraction
    """When this one does."""


class NotMedia(Exception):
    """The recording cannot be made into HLS; the message says why."""


class KeyframesTooFarApart(NotMedia):
    """It cannot be copied, from the first segment on that is not published."""


class Cut(NamedTuple):
    """One segment on the recording's clock, in seconds."""

    number: int
    origin: Fraction
    """When the first of all begins."""
    begins: Fraction
    ends: Fraction


class Content(NamedTuple):
    """The content of a segment of one rendition."""

    track: Track
    pieces: list[Piece]
    ends: Fraction
    """When the last of them ends, in seconds on the recording's clock."""


@dataclass(eq=False)
class _Rendition:
    """One rendition, and the pieces that are in no segment yet."""

    kind: str
    """``video`` or ``audio``."""
    track: Track
    pieces: deque[Piece] = field(default_factory=deque)
    reached: Fraction | None = None
    """When its last piece begins."""


class Segmenter:
    """Makes segments of packets. A segment is handed on when something of the next has arrived of every track."""

    def __init__(
        self,
        container: Any,
        length: Fraction,
        start: Start | None,
        *,
        copies: bool,
        publish: Callable[[Cut, dict[str, Content]], None],
    ) -> None:
        """Look at the tracks of a recording.

        Args:
            container: the recording.
            length: the wanted length of a segment, in seconds.
            start: where an earlier one has stopped; None for the beginning.
            copies: whether video may be copied.
            publish: is called with each segment that is whole, and the content of it in each rendition.

        Raises:
            NotMedia: there is neither video nor audio in it.
        """
        self._container = container
        self._length = length
        self._copies = copies
        self._publish = publish
        self.streams: list[Any] = [*container.streams.video[:1], *container.streams.audio[:1]]
        if not self.streams:
            raise NotMedia("there is neither video nor audio in it")
        self._renditions: dict[int, _Rendition] = {}
        self._number = 0
        self._begins = self._cut = Fraction(0)
        """When the first segment that is not published begins, and when the last one does that has begun."""
        self._cuts: deque[Fraction] = deque()
        """When the segments after the first of these begin."""
        self._early: list[Any] = []
        """Packets that came before it was known when the recording begins."""
        if start is not None:
            self._number = start.number
            self._open(start.origin, start.begins)

    def run(self) -> None:
        """Make all segments, up to the end of the recording."""
        for packet in self._container.demux(self.streams):
            if packet.pts is not None and packet.size:
                self._take(packet)
        self._open_if_known(at_the_end=True)
        for rendition in self._renditions.values():
            self._add(rendition, rendition.track.finish())
        self._publish_whole(at_the_end=True)

    # ---- within

    def _take(self, packet: Any) -> None:
        if not self._renditions:
            self._early.append(packet)
            self._open_if_known()
            return
        rendition = self._renditions[packet.stream.index]
        self._add(rendition, rendition.track.take(packet))
        self._publish_whole()

    def _open_if_known(self, *, at_the_end: bool = False) -> None:
        """Open all renditions as soon as it is known which track begins first."""
        firsts: dict[int, Fraction] = {}
        for packet in self._early:
            # Before its first keyframe no video can be decoded.
            if packet.stream.type == "audio" or packet.is_keyframe:
                firsts.setdefault(packet.stream.index, packet.pts * packet.time_base)
        if self._renditions or not firsts:
            return
        origin, latest = min(firsts.values()), self._early[-1].pts * self._early[-1].time_base
        if at_the_end or len(firsts) == len(self.streams) or latest - origin > PATIENCE:
            self._open(origin, None)
            early, self._early = self._early, []
            for packet in early:
                self._take(packet)

    def _open(self, origin: Fraction, begins: Fraction | None) -> None:
        self._origin = origin
        self._begins = self._cut = origin if begins is None else begins
        for stream in self.streams:
            track: Track
            if stream.type == "audio":
                track = EncodedAudio(stream, origin, begins)
            elif self._copies and stream.codec_context.name in COPIED:
                track = CopiedVideo(stream, begins)
            else:
                track = EncodedVideo(stream, begins, self._is_due)
            self._renditions[stream.index] = _Rendition(stream.type, track)

    def _is_due(self, time: Fraction) -> bool:
        """Whether a segment is to begin at a time."""
        return time >= self._cut + self._length

    def _add(self, rendition: _Rendition, pieces: Iterator[Piece]) -> None:
        # Video decides where everything is cut; where there is none, audio does.
        decides = rendition is next(iter(self._renditions.values()))
        for piece in pieces:
            if piece.begins < self._begins and self._number and rendition.kind == "audio":
                continue  # its segment was published without it
            if decides and piece.opens and self._is_due(piece.begins):
                self._cut = piece.begins
                self._cuts.append(piece.begins)
            elif decides and piece.begins >= self._cut + LONGEST and isinstance(rendition.track, CopiedVideo):
                raise KeyframesTooFarApart(f"its keyframes are more than {LONGEST} seconds apart")
            rendition.pieces.append(piece)
            rendition.reached = piece.begins

    def _publish_whole(self, *, at_the_end: bool = False) -> None:
        while self._cuts and (at_the_end or self._is_whole(self._cuts[0])):
            self._publish_up_to(self._cuts.popleft())
        if at_the_end and any(rendition.pieces for rendition in self._renditions.values()):
            self._publish_up_to(None)

    def _is_whole(self, cut: Fraction) -> bool:
        """Whether no track is still to bring something from before a cut, or is far behind."""
        reached = [rendition.reached for rendition in self._renditions.values()]
        known = [time for time in reached if time is not None]
        return bool(known) and (max(known) >= cut + PATIENCE or (len(known) == len(reached) and min(known) >= cut))

    def _publish_up_to(self, cut: Fraction | None) -> None:
        contents = {rendition.kind: self._content(rendition, cut) for rendition in self._renditions.values()}
        ends = cut
        if ends is None:
            ends = max(content.ends for content in contents.values() if content.pieces)
        self._publish(Cut(self._number, self._origin, self._begins, ends), contents)
        self._number, self._begins = self._number + 1, ends

    def _content(self, rendition: _Rendition, cut: Fraction | None) -> Content:
        """Take the pieces of a segment out of those of a rendition."""
        pieces: list[Piece] = []
        while rendition.pieces and not (
            cut is not None and rendition.pieces[0].opens and rendition.pieces[0].begins >= cut
        ):
            pieces.append(rendition.pieces.popleft())
        base = pieces[0].packet.time_base if pieces else Fraction(1)
        following = rendition.pieces[0].packet.dts if rendition.pieces else None
        for before, after in pairwise([*(piece.packet for piece in pieces), None]):
            until = following if after is None else after.dts
            if until is not None and before is not None:
                before.duration = until - before.dts
        if self._number == 0 and rendition.kind == "video" and pieces:
            # The first frame is shown from the beginning on.
            first = pieces[0].packet
            first.pts = min(first.pts, ceil(self._origin / base))
            first.dts = min(first.dts, first.pts)
        ends = max(((piece.packet.pts + (piece.packet.duration or 0)) * base for piece in pieces), default=Fraction(0))
        return Content(rendition.track, pieces, rendition.track.clock + ends)
