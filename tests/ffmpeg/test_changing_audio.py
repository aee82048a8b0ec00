"""Audio that changes its channels, its rate or its sample format: ffmpeg builds its filters anew in mid-run."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from typing import NamedTuple

import judge
import pytest

from hls_sessions.ffmpeg import Prober, Workers, commands, find, methods, plan_run
from hls_sessions.media import OFFSET, Presentation, check_segment, read_segment

LOW, HIGH = 400, 1500
"""The tones of the pieces in turn, in hertz."""

FFMPEGS_IN_TURN = ()
NEAR = Fraction(1, 20)
"""Seconds around a change in which either tone may be heard, or silence."""


class Piece(NamedTuple):
    """A part of a film's audio: its length in seconds, and how it is encoded."""

    length: Fraction
    rate: int = 48_000
    channels: int = 2
    options: tuple[str, ...] = ("-c:a", "ac3", "-b:a", "192k")


# Whole frames of AC-3: 1536 samples.
LENGTH, LENGTH_44, SHORT = Fraction(99 * 1536, 48_000), Fraction(91 * 1536, 44_100), Fraction(15 * 1536, 48_000)
PCM = "-c:a", "s302m", "-strict", "-2", "-sample_fmt"

FILMS = {
    "stereo, 5.1, stereo": [Piece(LENGTH), Piece(LENGTH, channels=6), Piece(LENGTH)],
    "5.1, stereo, 5.1": [Piece(LENGTH, channels=6), Piece(LENGTH), Piece(LENGTH, channels=6)],
    "stereo, mono, stereo": [Piece(LENGTH), Piece(LENGTH, channels=1), Piece(LENGTH)],
    "48,000, 44,100, 48,000 Hz": [Piece(LENGTH), Piece(LENGTH_44, rate=44_100), Piece(LENGTH)],
    "16, 24, 16 bits": [Piece(LENGTH, options=(*PCM, bits)) for bits in ("s16", "s32", "s16")],
    "many changes": [Piece(SHORT, channels=2 + 4 * (number % 2)) for number in range(16)],
}


@pytest.fixture(scope="module", params=FILMS)
def film(request, tmp_path_factory):
    """A film of sound whose pieces are tones in turn: how it is offered, and when each piece ends."""
    folder = tmp_path_factory.mktemp("film")
    pieces, joined, ends, end = FILMS[request.param], b"", [], Fraction(0)
    kind = "ac3" if "ac3" in pieces[0].options else "mpegts"
    for number, piece in enumerate(pieces):
        tone = "|".join([f"0.1*sin({(LOW, HIGH)[number % 2]}*2*PI*t)"] * piece.channels)
        source = f"aevalsrc='{tone}':s={piece.rate}:d={float(piece.length):.6f}"
        part = folder / f"{number}.{kind}"
        ffmpeg("-f", "lavfi", "-i", source, *piece.options, *shifted(kind, end), "-f", kind, part)
        joined += part.read_bytes()
        end += piece.length
        ends.append(end)
    whole, path = folder / f"joined.{kind}", folder / f"film.{'mkv' if kind == 'ac3' else 'ts'}"
    whole.write_bytes(joined)
    ffmpeg("-f", kind, "-i", whole, "-c", "copy", path)
    workers = Workers()
    prober = Prober(workers)
    try:
        return Presentation.of(prober.probe(path)), ends
    finally:
        prober.close()
        workers.close()


def shifted(kind, seconds):
    return ("-output_ts_offset", f"{float(seconds):.6f}") if kind == "mpegts" else ()


def ffmpeg(*arguments):
    subprocess.run([find(), "-v", "error", "-nostdin", "-y", *map(str, arguments)], check=True, timeout=60)


@pytest.fixture
def encode(binary, film, tmp_path_factory):
    """Return a function that makes segments of a rendition in one run, and returns them by number."""

    def encode(rendition, segment, until=None):
        folder = tmp_path_factory.mktemp("run")
        planned = plan_run(binary, film[0], rendition, methods(rendition)[0], segment, folder, until)
        subprocess.run(planned.argv, check=True, timeout=60, stdin=subprocess.DEVNULL)
        return {int(file.stem): file.read_bytes() for file in folder.iterdir() if int(file.stem) >= segment}

    return encode


def see_that_all_is_right(film, rendition, segments):
    """See that segments are as the timeline announces them, and that at each time the tone of its piece is heard."""
    shown, ends = film
    cuts = shown.cuts(rendition.id)
    for number, data in segments.items():
        check_segment(read_segment(data), number, cuts, shown.timeline.origin, None)
    data = b"".join(segments[number] for number in sorted(segments))
    for written, tone in judge.tones(data):
        time = written - OFFSET
        # An encoder adds a frame to the end, and needs one to begin.
        if time < NEAR or time > ends[-1] - NEAR or any(abs(time - end) < NEAR for end in ends):
            continue
        expected = (LOW, HIGH)[sum(end <= time for end in ends) % 2]
        assert tone == pytest.approx(expected, rel=0.1), f"at {float(time):.2f} s"


def test_a_run_from_the_beginning_goes_on_over_every_change(film, encode):
    for rendition in (*film[0].audio, *film[0].surround):
        segments = encode(rendition, 0)

        assert sorted(segments) == list(film[0].cuts(rendition.id).made)
        see_that_all_is_right(film, rendition, segments)


def test_a_run_from_any_segment_goes_on_over_every_change_and_all_runs_fit_together(film, encode):
    rendition = film[0].audio[0]

    made = film[0].cuts(rendition.id).made
    # Each run goes on to the end of the film, so some are enough to have each change in several, and joints beside it.
    runs = {number: encode(rendition, number) for number in made[::3]}

    for segments in runs.values():
        see_that_all_is_right(film, rendition, segments)
    joined = {
        number: segments[number]
        for first, segments in runs.items()
        for number in range(first, first + 3)
        if number in segments
    }
    see_that_all_is_right(film, rendition, joined)


def test_a_change_long_after_the_beginning_of_a_run_is_no_different(film, encode, monkeypatch):
    monkeypatch.setattr(commands, "LATEST_AUDIO", (1, 3600))
    monkeypatch.setattr(commands, "SILENCE_BEFORE_CHANGE", 1)
    rendition = film[0].audio[0]

    see_that_all_is_right(film, rendition, encode(rendition, 0))
