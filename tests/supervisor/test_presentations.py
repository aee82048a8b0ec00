"""The presentations of files: each is computed once, and is never that of another file."""

from __future__ import annotations

import gc
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from hls_sessions.media import AudioTrack, Media
from hls_sessions.supervisor.presentations import Presentations

SOUND = AudioTrack(index=0, codec="aac", channels=2, sample_rate=48_000, start=Fraction(0), end=Fraction(9))


class Prober:
    """Hands out facts of one file after another, and keeps only the last."""

    def __init__(self):
        self.facts = None
        self.number = 0

    def next(self):
        self.facts = None
        self.number += 1
        self.facts = Media(Path(f"/films/{self.number}.m4a"), "mov", Fraction(0), None, (replace(SOUND),))
        return self.facts.path

    def probe(self, path):
        assert path == self.facts.path
        return self.facts


def test_facts_that_take_the_place_of_others_in_memory_are_not_taken_for_them():
    prober = Prober()
    presentations = Presentations(prober)

    for _ in range(50):
        path = prober.next()
        gc.collect(0)
        assert presentations.of(path, 2.0, copy=True).media.path == path


def test_the_same_facts_have_the_same_presentation():
    prober = Prober()
    presentations = Presentations(prober)
    path = prober.next()

    assert presentations.of(path, 2.0, copy=True) is presentations.of(path, 2.0, copy=True)
    assert presentations.of(path, 2.0, copy=True) is not presentations.of(path, 4.0, copy=True)


def test_one_that_is_larger_than_all_may_be_is_not_kept():
    prober = Prober()
    presentations = Presentations(prober, kept=1)
    path = prober.next()

    assert presentations.of(path, 2.0, copy=True) is not presentations.of(path, 2.0, copy=True)
