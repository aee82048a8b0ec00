"""The promise as a whole, for films and orders nobody thought of: hypothesis generates both.

In a usual run they are few, and always the same. ``scripts/soak`` goes on with ever new ones: with every property whose
name holds "every_packet".
"""

from __future__ import annotations

import shlex
import shutil
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import count, pairwise

import judge
import pytest
from films import Film, films
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from orders import (
    ALONE,
    BOUND,
    Interrupted,
    Order,
    Screening,
    orders,
    replacements,
    screen,
    screen_replaced,
    zigzag,
)

from hls_sessions.errors import FileChanged, SessionEnded
from hls_sessions.media import OFFSET, read_segment
from hls_sessions.testing import session_directories

FFMPEGS_IN_TURN = ()

FEW = settings(
    max_examples=8,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
MANY = settings(FEW, max_examples=25, derandomize=False)
"""One round of a soak. It is short, because a failure is found again by repeating its whole round."""

AAC_FRAME = Fraction(1024, 48_000)

JOINT = Fraction(1, 20)
"""Seconds that may be missing between two segments of audio; every player passes such a hole."""

MOST_CLICKS = 0.03
"""How much of a segment is loud at most, if it holds clicks and no tone."""

SHORTEST_LAST = Fraction(2, 5)
"""Seconds by which a rendition may be shorter than its film."""


class TimeOver(BaseException):
    """A soak has lasted as long as it was told to. No Exception, so hypothesis takes it for no failure."""


@dataclass(slots=True)
class Tally:
    """How much was tried, and the worst differences that were seen, in seconds."""

    films: int = 0
    segments: int = 0
    refused: int = 0
    killed: int = 0
    packet: Fraction = Fraction(0)
    skew: Fraction = Fraction(0)

    def __str__(self) -> str:
        return (
            f"{self.films} films, {self.segments} segments, {self.refused} refused, {self.killed} encoders killed;"
            f" worst packet {float(self.packet * 1000):.3f} ms off,"
            f" worst audio {float(self.skew * 1000):.3f} ms off its video"
        )


FOUND = {
    "frames shown for longer after a cut than before it": (
        Film(rate="30000/1001", uneven=True, video="vp9", gop=1, audio="opus", container="webm"),
        Order("reverse"),
    ),
    "a first frame that is not where it was expected": (
        Film(seconds=9.2, rate="12", uneven=True, video="hevc", gop=119, b_frames=3, lag=-337, container="mkv"),
        Order("two screens", seed=183, at_once=3),
    ),
    "ticks as long as frames": (Film(rate="12", video="mpeg4", gop=1, audio="mp3", container="avi"), Order()),
    "a container that starts earlier for the encoder": (
        Film(rate="50", uneven=True, video="vp9", gop=1, audio="opus", container="webm"),
        Order("reverse"),
    ),
    "frames shown before a keyframe that are decoded after it": (
        Film(seconds=4.0, rate="24000/1001", video="hevc", gop=25, b_frames=4, open_gop=True),
        Order(ALONE),
    ),
    "the same in fragments, whose index tells less": (
        Film(seconds=4.0, rate="24000/1001", video="hevc", gop=25, b_frames=4, open_gop=True, layout="fragmented"),
        Order(ALONE),
    ),
    "a copied track of audio that ends a little earlier than the film": (Film(gop=1, lag=-20), Order()),
}
"""Faults that broke the promise once, each with the smallest film and order that did."""


def test_every_packet_is_there_once_at_its_time_for_any_film_any_viewers_and_any_order(tries, holds):
    tries(holds, st.tuples(films(), orders()), soaked=st.tuples(films(), orders(ALONE)))


def test_every_packet_is_of_the_film_that_was_opened_though_its_file_is_replaced_meanwhile(tries, holds_replaced):
    tries(holds_replaced, st.tuples(films_and_others(), orders(), replacements), few=3)


@st.composite
def films_and_others(draw) -> tuple[Film, Film]:
    """Generate a film and one that may replace it, often with all the same times."""
    film = replace(draw(films()), damage="")
    return film, replace(draw(st.just(film) | films()), opposite=True, damage="")


@pytest.mark.parametrize(("film", "order"), FOUND.values(), ids=FOUND.keys())
def test_a_film_and_order_that_once_broke_the_promise_keep_it(film, order, holds):
    holds(film, order)


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
def holds(supervise, hls_clip_folder, hls_segments_dir, tally):
    """Return a function that makes a film, has it watched in an order, and judges the segments that viewers got."""

    def holds(film, order):
        path = film.make(hls_clip_folder)
        options = {"media": [path.parent], "segments_dir": hls_segments_dir, "look_ahead": order.look_ahead}
        try:
            with supervise(**options) as supervisor:
                screening = screen(supervisor, path, order)
            tally.films += 1
            tally.killed += screening.killed
            for session in range(len(screening.segments)):
                tally.segments += len(screening.segments[session])
                judge_session(screening, session, path, tally)
            assert all(inits == screening.inits[0] for inits in screening.inits)
        except Exception as failure:
            failure.add_note(f"The film: {shlex.join(film.command(path))}")
            raise

    return holds


@pytest.fixture
def holds_replaced(supervise, hls_clip_folder, hls_segments_dir, tmp_path, tally):
    """Return a function that has a film watched, replaces its file meanwhile, and judges the answers to viewers."""

    def holds(two, order, replacement):
        original, other = (film.make(hls_clip_folder) for film in two)
        (roots := tmp_path / "media").mkdir(exist_ok=True)
        path = shutil.copy(original, roots / original.name)
        options = {"media": [roots, hls_clip_folder], "segments_dir": hls_segments_dir, "look_ahead": order.look_ahead}
        with supervise(**options) as supervisor:
            told = screen_replaced(supervisor, path, other, order, replacement)
            judge_opened_anew(supervisor.open(path), other)
            beside = supervisor.open(original)
            inits = {id_: beside.init(id_, BOUND).read_bytes() for id_ in told.presentation.renditions}
        tally.films += 1
        tally.segments += len(told.segments)
        tally.refused += len(told.refusals)
        judge_interrupted(told, inits, original)
        assert session_directories(hls_segments_dir) == set()

    return holds


@pytest.fixture
def tries(request, soak_end, tally):
    """Return a function that tries a property: on few examples; in a soak, on many until its share of time is over.

    A soak may try other examples.
    """
    say = request.config.pluginmanager.get_plugin("terminalreporter").write_line

    def tries(holds, examples, soaked=None, few=4):
        if soak_end is None:
            settings(FEW, max_examples=few)(given(examples)(lambda example: holds(*example)))()
        else:
            left = len(request.session.items) - request.session.items.index(request.node)
            now = time.monotonic()
            soak(holds, examples if soaked is None else soaked, until=now + max(0, soak_end - now) / left)

    def soak(holds, examples, until):
        failed = False

        def holds_until_time_is_over(example):
            nonlocal failed
            if time.monotonic() > until and not failed:
                raise TimeOver
            try:
                holds(*example)
            except Exception:
                failed = True  # hypothesis then shrinks it, for as long as that takes
                raise

        for number in count(request.config.getoption("--soak-seed")):
            try:
                seed(number)(MANY(given(examples)(holds_until_time_is_over)))()
            except TimeOver:
                return
            except Exception as failure:
                failure.add_note(f"Repeat it with: scripts/soak --seed {number}")
                raise
            finally:
                say(f"\nseed {number}: {tally}")

    return tries


def judge_session(screening: Screening, session: int, film, tally: Tally) -> None:
    """Compare all segments that the viewers of one session got with the source."""
    presentation = screening.presentation
    assert screening.states == ["active"] * len(screening.states)
    late = {"video": [], "audio": []}
    for id_, rendition in presentation.renditions.items():
        pieces = [screening.piece(session, id_, number) for number in range(len(presentation.cuts(id_)))]
        found = [time for piece in pieces for time in judge.times(piece)]
        data = screening.joined(session, id_, range(len(pieces)))
        # A track after the first audio is damaged.
        whole = rendition.kind == "video" or rendition.track == presentation.media.audio[0]
        with judge.silence() if whole else nullcontext():
            assert judge.frames(data) == len(found)
        assert judge.is_increasing(found)
        judge_length(pieces, rendition.kind, presentation)
        if rendition.kind == "video":
            cuts = presentation.cuts(id_)
            judge_cuts(pieces, cuts, presentation.timeline.origin)
            judge_frames(found, film, presentation, id_, tally)
            own = screening.joined(session, id_, range(len(cuts) - cuts.held))
            late["video"] += differences(judge.flashes(own), judge.flashes(film), presentation)
        elif whole:
            # Silence before and after a track is on a grid of its own.
            made = screening.joined(session, id_, presentation.cuts(id_).made)
            late["audio"] += judge_audio(found, data, made, film, presentation, rendition, tally)
    skew = max(abs(audio - video) for audio in late["audio"] for video in late["video"])
    tally.skew = max(tally.skew, skew)
    assert skew <= judge.MILLISECOND
    seen = [time for each in zigzag(presentation) for time in judge.times(screening.piece(session, *each))]
    judge_frames(seen, film, presentation, presentation.video[-1].id, tally)


def judge_length(pieces, kind, presentation) -> None:
    """See that a rendition lasts from the film's beginning to its end, and that no audio is missing between segments.

    That holds for damaged audio too, and where a track begins later or ends earlier than the film.
    """
    segments = [read_segment(piece) for piece in pieces]
    assert segments[0].first - OFFSET <= JOINT
    length = segments[-1].end - OFFSET
    assert abs(length - presentation.media.duration) <= SHORTEST_LAST
    if kind == "audio":
        assert all(abs(after.first - before.end) <= JOINT for before, after in pairwise(segments))


def judge_frames(found, film, presentation, rendition, tally: Tally) -> None:
    """See that each frame of the source is there once, at its time, and shown on where another track is longer.

    The first frame is shown from the beginning on, and the last one again in each segment after the video has ended.
    """
    held = presentation.cuts(rendition).held
    found = found[: len(found) - held]
    source = judge.source_times(film)
    assert 0 <= found[0] <= max(judge.MILLISECOND, presentation.media.video.time_base)
    judge_packets(found[1:], source[1:], presentation, tally)


def judge_packets(found, source, presentation, tally: Tally) -> None:
    """See that each packet of the source is there exactly once, at its time."""
    assert len(found) == len(source)
    worst = judge.worst_difference(found, [time - presentation.timeline.origin for time in source])
    tally.packet = max(tally.packet, worst)
    assert worst <= judge.MILLISECOND


def judge_cuts(pieces, cuts, origin) -> None:
    """See that each segment of video begins at its boundary with a keyframe, and decodes on its own."""
    for number, piece in enumerate(pieces):
        packets = judge.packets(piece)
        first = min(packet.time for packet in packets)
        assert packets[0].keyframe
        assert packets[0].time == first
        late = first - judge.OFFSET + origin - cuts.start(number)
        # Where no index tells the times of frames, a boundary is near one, and the next one after it is the first.
        early, tardy = (0, 0) if cuts.exact else (cuts.slack, cuts.end(number) - cuts.start(number))
        assert -early - judge.MILLISECOND <= late <= tardy + judge.MILLISECOND
        with judge.silence():
            assert judge.frames(piece) == len(packets)


def judge_audio(found, data, made, film, presentation, rendition, tally: Tally) -> list[Fraction]:
    """See that audio goes on from the source's first sample to its last; return how late each click is."""
    (clicks, _), (_, end), (source_clicks, source_end) = judge.hear(made), judge.hear(data), judge.hear(film)
    begins = presentation.cuts(rendition.id).first
    # Audible packets count, not the priming that may precede them, and not the silence before late audio.
    heard = [time for time in found if time >= begins - presentation.timeline.origin - judge.MILLISECOND]
    if rendition.copied:
        source = [time for time in judge.source_times(film, "audio") if time >= begins - judge.MILLISECOND]
        judge_packets(heard[: len(source)], source, presentation, tally)
    else:
        assert {after - before for before, after in pairwise(heard)} == {AAC_FRAME}
    # An encoder's last frame is filled up, and may be followed by one that empties the encoder.
    # Silence follows until the film ends; not after a copy that ends only a little earlier.
    film_end = presentation.media.end
    is_short = not rendition.copied or film_end - source_end >= SHORTEST_LAST
    [longer] = differences([end], [max(source_end, film_end) if is_short else source_end], presentation)
    assert -AAC_FRAME <= longer < 2 * AAC_FRAME
    return differences(clicks, source_clicks, presentation)


def differences(found, source, presentation) -> list[Fraction]:
    """Return how late each of some moments is, in seconds."""
    assert len(found) == len(source)
    constant = judge.OFFSET - presentation.timeline.origin
    return [ours - theirs - constant for ours, theirs in zip(found, source, strict=True)]


def judge_interrupted(told: Interrupted, inits, film) -> None:
    """See that each answer to the viewers of a replaced film is a segment of this film, or says that it has changed.

    The other film is bright where this one is dark, and loud where this one is silent.
    """
    for refusal in told.refusals:
        assert isinstance(refusal, FileChanged | SessionEnded)
        assert "has changed since it was opened" in str(refusal)
    constant = OFFSET - told.presentation.timeline.origin
    frames, bright = judge.source_times(film), judge.flashes(film)
    for id_, number, data in told.segments:
        piece, cuts = inits[id_] + data, told.presentation.cuts(id_)
        if told.presentation.renditions[id_].kind == "audio":
            assert judge.loud_share(piece) < MOST_CLICKS
        elif number <= cuts.last_of_track:
            # The first frame is shown from the beginning on, which is not its time.
            own = judge.times(piece)[number == 0 :]
            assert all(is_among(time + told.presentation.timeline.origin, frames) for time in own)
            assert all(is_among(time - constant, bright) for time in judge.flashes(piece))


def is_among(time, moments) -> bool:
    """Whether a time is one of some others."""
    return min(abs(time - moment) for moment in moments) <= judge.MILLISECOND


def judge_opened_anew(session, film) -> None:
    """See that a film that was opened after it had replaced another one is itself."""
    presentation = session.presentation
    assert presentation.media.size == film.stat().st_size
    for id_, rendition in presentation.renditions.items():
        init, cuts = session.init(id_, BOUND).read_bytes(), presentation.cuts(id_)
        pieces = (init + session.segment(id_, number, BOUND).read_bytes() for number in cuts.made)
        if rendition.kind == "video":
            piece = next(pieces)
            assert len(judge.flashes(piece)) > judge.frames(piece) / 2
        else:
            assert any(judge.loud_share(piece) > MOST_CLICKS for piece in pieces)
