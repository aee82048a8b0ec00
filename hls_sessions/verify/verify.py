"""Judge a recording served as HLS, as a player would meet it: every playlist, every segment, every packet."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

import httpx
import m3u8

from hls_sessions.ffmpeg import Workers
from hls_sessions.ffmpeg.judging import PacketReader, Track, Unreadable
from hls_sessions.verify.findings import Looked, Received, Report
from hls_sessions.verify.rules import judge_master, judge_media, judge_text, judge_webvtt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from m3u8 import M3U8

TIMEOUT = 120.0
"""Seconds a segment may take: a server that encodes on demand holds the request."""

LARGEST = 256 * 1024**2
"""Bytes that a segment or a playlist may have: more than players hold."""

LONGEST = 600.0
"""Seconds that fetching one may take in all."""

TOLERANCE = Fraction(11, 10_000)
"""Seconds a packet may be off the source's time: Matroska's times are whole milliseconds, so a packet may be half a one
off, the time it is counted from as well, and a tick of the written time scale comes on top."""

EMPTY = "Segment-Empty"
"""The header with which a server says that its track begins later."""

IMPOSSIBLE = "Segment-Impossible"
"""The header with which a server says why it answers with a gap in place of a segment."""

HALF_TARGET = Fraction(1, 2)
"""A peak is taken over segments of at least half a target duration (RFC 8216, 4.3.4.2)."""


class Unreachable(Exception):
    """The first playlist cannot be fetched, or is none."""


@dataclass(frozen=True, slots=True)
class _Rendition:
    """One media playlist of the presentation."""

    url: str
    bandwidth: int | None
    """The bandwidth that its variant announces; None without a variant."""
    is_subtitles: bool = False
    """Whether it is subtitles."""


@dataclass(frozen=True, slots=True)
class _Part:
    """The part of a presentation that is played, and kept."""

    start: float
    """Seconds from the beginning of the playlist; it begins with the segment that is shown then."""
    segments: int | None
    """How many segments of each rendition; None for all that follow."""

    def of(self, playlist: M3U8) -> Iterator[tuple[int, float, m3u8.Segment]]:
        """Yield its segments, each with its index in the playlist and the time at which it begins."""
        return islice(self._from_start(playlist), self.segments)

    def _from_start(self, playlist: M3U8) -> Iterator[tuple[int, float, m3u8.Segment]]:
        begins = 0.0
        last = len(playlist.segments) - 1
        for index, segment in enumerate(playlist.segments):
            if begins + segment.duration > self.start or index == last:
                yield index, begins, segment
            begins += segment.duration


_WHOLE: Final = _Part(0.0, None)


def verify(
    url: str,
    source: Path | None = None,
    on_segment: Callable[[str, int, int], object] = lambda *_: None,
    *,
    workers: Workers | None = None,
) -> Report:
    """Fetch and judge all of a presentation; with the file it was made from, compare the time of every frame with it.

    What is fetched is decoded by a process that can neither read files nor use the network.

    Args:
        url: the address of a master or media playlist.
        source: the file it was made from.
        on_segment: called before each segment with its playlist, its number, and how many the playlist has.
        workers: those of which one decodes what is fetched; its own when omitted.

    Raises:
        Unreachable: there is no playlist at that address.
        Unreadable: the source cannot be read.
        OSError: no process can be started to decode it.
    """
    report = Report(url)
    with ExitStack() as open_:
        workers = workers or open_.enter_context(closing(Workers()))
        reader = open_.enter_context(closing(PacketReader(workers)))
        truth = {track.kind: track for track in reversed(reader.read_file(source))} if source else {}
        http = open_.enter_context(httpx.Client(timeout=TIMEOUT, follow_redirects=True, trust_env=False))
        _judge(_Player(http, reader, report, on_segment=on_segment), truth, report)
    return report


def play(
    url: str,
    *,
    variant: str | None = None,
    start: float = 0.0,
    segments: int | None = None,
    transport: httpx.BaseTransport | None = None,
    workers: Workers | None = None,
) -> tuple[Report, list[Received]]:
    """Fetch and judge a part of a presentation as a player would: one variant, and the audio that plays with it.

    Returns:
        The judgement, and the segments that were received.

    Args:
        url: a master playlist, or a media playlist.
        variant: a part of the address of the variant's playlist; the first variant when omitted.
        start: seconds from the beginning; the first segment is the one that is shown then.
        segments: how many segments of each rendition; all that follow when omitted.
        transport: how it is fetched; over the network when omitted.
        workers: those of which one decodes what is fetched; its own when omitted.

    Raises:
        Unreachable: there is no playlist at that address, or no such variant.
        OSError: no process can be started to decode it.
    """
    report = Report(url)
    with ExitStack() as open_:
        workers = workers or open_.enter_context(closing(Workers()))
        reader = open_.enter_context(closing(PacketReader(workers)))
        http = open_.enter_context(
            httpx.Client(timeout=TIMEOUT, follow_redirects=True, trust_env=False, transport=transport)
        )
        player = _Player(http, reader, report, keeps=True)
        beginnings: list[_Beginning] = []
        for rendition in player.chosen(url, variant):
            player.play(rendition, {}, [], beginnings, _Part(start, segments))
        _judge_beginnings(beginnings, report)
    return report, player.received


def _judge(player: _Player, truth: dict[str, Track], report: Report) -> None:
    """Judge each rendition, and then all of them together."""
    beginnings: list[_Beginning] = []
    offsets: list[_Offset] = []
    targets: set[int] = set()
    for rendition in player.renditions(report.url):
        target = player.play(rendition, truth, offsets, beginnings)
        targets |= {target} if target else set()
    if len(targets) > 1:
        where = _path(report.url)
        report.add(where, "6.2.4", f"The renditions announce different target durations: {sorted(targets)}.")
    _judge_offsets(offsets, report)
    _judge_beginnings(beginnings, report)


class _TooMuch(Exception):
    """A server sends more, or for longer, than anything of a recording takes."""


class _Answer(NamedTuple):
    """What a server has sent."""

    headers: httpx.Headers
    content: bytes


def _read(answer: httpx.Response) -> bytes:
    data, begun = bytearray(), time.monotonic()
    for piece in answer.iter_bytes():
        data += piece
        if len(data) > LARGEST:
            raise _TooMuch(f"it has more than {LARGEST:,} bytes")
        if time.monotonic() - begun > LONGEST:
            raise _TooMuch(f"it takes more than {LONGEST:g} seconds")
    return bytes(data)


class _Player:
    """Fetches playlists and segments, and judges them."""

    def __init__(
        self,
        http: httpx.Client,
        reader: PacketReader,
        report: Report,
        *,
        keeps: bool = False,
        on_segment: Callable[[str, int, int], object] = lambda *_: None,
    ) -> None:
        self._on_segment = on_segment
        self._http = http
        self._reader = reader
        self._report = report
        self._keeps = keeps
        self.received: list[Received] = []
        """The segments that were fetched, if they are kept; those of a whole film are too many to hold."""

    def renditions(self, url: str) -> Iterator[_Rendition]:
        """Yield every rendition of a presentation once."""
        playlist = self._first_playlist(url)
        if not playlist.is_variant:
            yield _Rendition(url, None)
            return
        seen = set()
        for variant in playlist.playlists:
            if variant.absolute_uri not in seen:
                # A variant's bandwidth includes the audio that plays with it: an upper bound for the video alone.
                yield _Rendition(variant.absolute_uri, variant.stream_info.bandwidth)
            seen.add(variant.absolute_uri)
        for media in playlist.media:
            if media.uri and media.type in {"AUDIO", "VIDEO", "SUBTITLES"} and media.absolute_uri not in seen:
                seen.add(media.absolute_uri)
                yield _Rendition(media.absolute_uri, None, media.type == "SUBTITLES")

    def chosen(self, url: str, variant: str | None) -> Iterator[_Rendition]:
        """Yield the renditions that a player plays together: a variant, and the default of its group of audio."""
        playlist = self._first_playlist(url)
        if not playlist.is_variant:
            yield _Rendition(url, None)
            return
        found = [each for each in playlist.playlists if variant is None or variant in each.absolute_uri]
        if not found:
            raise Unreachable(f"No variant at {url} has {variant!r} in its address.")
        info = found[0].stream_info
        yield _Rendition(found[0].absolute_uri, info.bandwidth)
        audio = [each for each in playlist.media if each.type == "AUDIO" and each.group_id == info.audio]
        for media in sorted(audio, key=lambda each: each.default != "YES")[:1]:
            if media.uri and media.absolute_uri != found[0].absolute_uri:
                yield _Rendition(media.absolute_uri, None)

    def play(
        self,
        rendition: _Rendition,
        truth: dict[str, Track],
        offsets: list[_Offset],
        beginnings: list[_Beginning],
        part: _Part = _WHOLE,
    ) -> int | None:
        """Judge one rendition from its first segment to its last; return its target duration.

        The playlist of a part need not have an end.
        """
        where = _path(rendition.url)
        looked = Looked(where)
        self._report.renditions.append(looked)
        text = self._playlist(rendition.url)
        if text is None:
            return None
        playlist = m3u8.loads(text, uri=rendition.url)
        judge_media(playlist, where, self._report, whole=part.segments is None)
        tracks: dict[str, dict[int, Track]] = {}
        gaps: set[int] = set()
        for number, begins, segment in part.of(playlist):
            self._on_segment(where, number, len(playlist.segments))
            address = _path(segment.absolute_uri)
            init = self._bytes(segment.init_section.absolute_uri) if segment.init_section else b""
            answer = self._fetch(segment.absolute_uri)
            if answer is None or init is None or EMPTY in answer.headers:
                continue
            if (reason := answer.headers.get(IMPOSSIBLE)) is not None:
                gaps.add(number)
                self._report.add(address, "gap", f"The server cannot make it, and has sent a gap: {reason}.")
                continue
            data = answer.content
            looked.segments += 1
            looked.bytes += len(data)
            looked.seconds += segment.duration
            if rendition.is_subtitles:
                if not segment.init_section:  # else the subtitles are in fragments of MP4
                    self._judge_cues(address, data)
                continue
            self._judge_rate(address, len(data), segment.duration, playlist.target_duration, rendition.bandwidth)
            decoded = self._tracks(address, init + data, looked)
            for track in decoded:
                tracks.setdefault(track.kind, {})[number] = track
            self._keep(playlist, where, (number, begins), init, data, decoded)
        for kind, pieces in tracks.items():
            lengths = [Fraction(segment.duration) for segment in playlist.segments]
            is_exact = (
                kind in truth
                and not gaps
                and self._judge_exactness(where, kind, list(pieces.values()), truth[kind], looked, offsets)
            )
            self._judge_joins(where, kind, pieces, lengths, gaps, is_exact=is_exact)
            if 0 in pieces:
                beginnings.append(_Beginning.of(where, kind, pieces, lengths[0]))
        return int(playlist.target_duration) if playlist.target_duration else None

    def _keep(
        self, playlist: M3U8, where: str, place: tuple[int, float], init: bytes, data: bytes, decoded: list[Track]
    ) -> None:
        """Keep a segment at a place: its index in the playlist, and when it begins."""
        if self._keeps:
            index, begins = place
            number, seconds = (playlist.media_sequence or 0) + index, playlist.segments[index].duration
            times = {track.kind: tuple(map(float, track.times)) for track in decoded}
            self.received.append(Received(where, number, begins, seconds, data, init, times))

    def _first_playlist(self, url: str) -> M3U8:
        text = self._playlist(url)
        if text is None:
            raise Unreachable(f"There is no playlist at {url}.")
        playlist = m3u8.loads(text, uri=url)
        if playlist.is_variant:
            judge_master(playlist, _path(url), self._report)
        return playlist

    def _playlist(self, url: str) -> str | None:
        data = self._bytes(url)
        if data is None:
            return None
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self._report.add(_path(url), "4.1", "It is not UTF-8.")
            return None
        judge_text(text, _path(url), self._report)
        return text

    def _bytes(self, url: str) -> bytes | None:
        answer = self._fetch(url)
        return None if answer is None else answer.content

    def _fetch(self, url: str) -> _Answer | None:
        why: str
        try:
            with self._http.stream("GET", url) as answer:
                if answer.is_success:
                    return _Answer(answer.headers, _read(answer))
                why = f"It is answered with {answer.status_code} {answer.reason_phrase}."
        except (httpx.HTTPError, httpx.InvalidURL, _TooMuch) as error:
            why = f"It could not be fetched: {error}."
        self._report.add(_path(url), "delivery", why)
        return None

    def _tracks(self, where: str, data: bytes, looked: Looked) -> list[Track]:
        try:
            decoded = self._reader.read_segment(data)
        except Unreadable as error:
            self._report.add(where, "decoding", f"It cannot be decoded: {error}.")
            return []
        for track, frames in decoded:
            looked.packets += len(track.packets)
            looked.frames += frames
            if track.kind == "video" and not track.packets[0].keyframe:
                self._report.add(where, "6.2.1", "It does not begin with a keyframe.")
            if track.kind == "video" and frames != len(track.packets):
                self._report.add(where, "decoding", f"{frames} of {len(track.packets)} frames could be decoded.")
        return [track for track, _ in decoded]

    def _judge_cues(self, where: str, data: bytes) -> None:
        try:
            judge_webvtt(data.decode(), where, self._report)
        except UnicodeDecodeError:
            self._report.add(where, "3.5", "It is not UTF-8, as WebVTT is.")

    def _judge_rate(self, where: str, size: int, seconds: float, target: float | None, bandwidth: int | None) -> None:
        if bandwidth and target and seconds >= target * HALF_TARGET and size * 8 > bandwidth * seconds:
            rate = size * 8 / seconds
            self._report.add(
                where, "4.3.4.2", f"It has {rate:,.0f} bit/s; its variant announces {bandwidth:,} at most."
            )

    def _judge_joins(
        self,
        where: str,
        kind: str,
        pieces: dict[int, Track],
        lengths: list[Fraction],
        gaps: set[int],
        *,
        is_exact: bool,
    ) -> None:
        """Check that each segment goes on where the one before it ended, and lasts as long as its EXTINF says.

        The length of the first segment is judged with the beginnings of all renditions. A hole in a rendition that has
        every frame of its source is the source's own.
        """
        joined = Fraction(0)
        for (number, before), (following, after) in pairwise(pieces.items()):
            previous, joined = joined, after.times[0] - before.times[-1]
            if gaps.intersection(range(number, following)):
                continue  # the gap was reported
            step = _usual_step([*before.times, *after.times])
            if joined <= 0:
                self._report.add(where, "continuity", f"The {kind} of segment {following} repeats what was before it.")
            elif joined > 2 * max(step, _longest_step(before, after)) and not is_exact:
                self._report.add(
                    where,
                    "continuity",
                    f"{float(joined - step):.3f} s of {kind} are missing before segment {following}.",
                )
            if following == number + 1 and number:
                off = after.times[0] - before.times[0] - lengths[number]
                # A frame is shown until the next one. So a boundary at which none begins is nearer to the last.
                if abs(off) > max(step, previous, joined) + TOLERANCE:
                    self._report.add(
                        where, "4.3.2.1", f"Segment {number} lasts {float(off):+.3f} s other than EXTINF says."
                    )

    def _judge_exactness(
        self,
        where: str,
        kind: str,
        pieces: list[Track],
        truth: Track,
        looked: Looked,
        offsets: list[_Offset],
    ) -> bool:
        """Compare the time of every frame with the source, and return whether all are there at their times.

        Of audio only the first packet is compared, because encoded packets differ. The first frame of video that begins
        late may be shown from the beginning on, and its last frame again, once a segment, after it has ended.
        """
        found = sorted(time for piece in _without_held(pieces, len(truth.times)) for time in piece.times)
        second = 1 if kind == "video" and min(len(found), len(truth.times)) > 1 else 0
        offset = found[second] - truth.times[second]
        offsets.append(_Offset(where, offset, found[0]))
        if kind != "video":
            return False
        if len(found) != len(truth.times):
            self._report.add(where, "exactness", f"It has {len(found)} frames; the source has {len(truth.times)}.")
            return False
        late = [ours - theirs - offset for ours, theirs in zip(found, truth.times, strict=True)]
        worst = max([Fraction(0), late[0], *map(abs, late[1:])])
        looked.worst_deviation_ms = float(worst * 1000)
        if worst > TOLERANCE:
            self._report.add(where, "exactness", f"A frame is {float(worst * 1000):.3f} ms off the source's time.")
        return worst <= TOLERANCE


@dataclass(frozen=True, slots=True)
class _Beginning:
    """The first segment of one rendition. Times in seconds."""

    where: str
    kind: str
    first: Fraction
    """When its first packet is shown or heard."""
    next: Fraction | None
    """When the first packet of the second segment is; None when there is none."""
    length: Fraction
    """The length of the first segment that EXTINF announces."""
    step: Fraction
    """The longest distance between two packets at its end."""

    @classmethod
    def of(cls, where: str, kind: str, pieces: dict[int, Track], length: Fraction) -> _Beginning:
        own, after = pieces[0], pieces.get(1)
        if after is None:
            return cls(where, kind, own.times[0], None, length, Fraction(0))
        step = max(_usual_step([*own.times, *after.times]), after.times[0] - own.times[-1])
        return cls(where, kind, own.times[0], after.times[0], length, step)


def _judge_beginnings(beginnings: list[_Beginning], report: Report) -> None:
    """Check that the first segment of each rendition ends where EXTINF says.

    All begin together, with the first packet of any of them (RFC 8216, 6.2.4). A track that begins later does so within
    its first segment. An encoder's priming comes before the beginning.
    """
    if not beginnings:
        return
    earliest = min(beginnings, key=lambda each: each.first)
    for each in beginnings:
        if each.next is None:
            continue
        off = each.next - earliest.first - each.length
        priming = _LONGEST_PRIMING if earliest.kind == "audio" else Fraction(0)
        if not -each.step - TOLERANCE <= off <= each.step + TOLERANCE + priming:
            report.add(each.where, "4.3.2.1", f"Segment 0 lasts {float(off):+.3f} s other than EXTINF says.")


def _without_held(pieces: list[Track], frames: int) -> list[Track]:
    """Return the segments without those at the end that hold one frame each, more than the source has."""
    surplus = sum(len(piece.packets) for piece in pieces) - frames
    while surplus > 0 and len(pieces) > 1 and len(pieces[-1].packets) == 1:
        pieces, surplus = pieces[:-1], surplus - 1
    return pieces


@dataclass(frozen=True, slots=True)
class _Offset:
    """By how much the times of one rendition differ from its source's, in seconds."""

    where: str
    seconds: Fraction
    first: Fraction
    """When its first packet is shown or heard."""


def _judge_offsets(offsets: list[_Offset], report: Report) -> None:
    """Check that all renditions are moved by the same constant, up to the priming of an audio encoder.

    Silence may come before audio that begins late. It is then there from the beginning on.
    """
    if not offsets:
        return
    beginning = min(offset.first for offset in offsets)
    for offset in offsets:
        apart = offset.seconds - offsets[0].seconds
        fills = apart < 0 and offset.first <= beginning + _LONGEST_PRIMING
        if abs(apart) > _LONGEST_PRIMING and not fills:
            report.add(offset.where, "exactness", f"It is {float(apart):+.3f} s apart from the first rendition.")


_LONGEST_PRIMING = Fraction(2 * 2048, 44_100)


def _longest_step(*pieces: Track) -> Fraction:
    """Return the longest distance between two packets within these segments; not that between the segments."""
    return max((after - before for piece in pieces for before, after in pairwise(piece.times)), default=Fraction(0))


def _usual_step(times: list[Fraction]) -> Fraction:
    steps = [after - before for before, after in pairwise(sorted(times))]
    return Fraction(median(steps)) if steps else Fraction(0)


def _path(url: str) -> str:
    return urlsplit(url).path or url
