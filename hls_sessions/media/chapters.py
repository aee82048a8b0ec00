"""The chapters of a film, as players are told of them: a WebVTT track, and the JSON that Apple's players read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

from hls_sessions.media.webvtt import Cue, plain_text, webvtt_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hls_sessions.media.facts import Media

SESSION_DATA: Final = '#EXT-X-SESSION-DATA:DATA-ID="com.apple.hls.chapters",URI="chapters.json"'
"""The line of a master playlist that names the chapters (Apple, "Providing JSON chapters")."""


class ShownChapter(NamedTuple):
    """A chapter as viewers see it. Times are seconds from the film's beginning."""

    start: float
    end: float
    title: str


def chapters_of(media: Media) -> tuple[ShownChapter, ...]:
    """Return the chapters of a file, in order. Each has a title: one without is called by its number."""
    return tuple(_shown(media))


def chapter_track(media: Media) -> str:
    """Write the chapters of a file as a WebVTT track."""
    return webvtt_file(
        Cue(int(chapter.start * 1_000_000), int(chapter.end * 1_000_000), plain_text(chapter.title))
        for chapter in _shown(media)
    )


def chapter_list(media: Media) -> str:
    """Write the chapters of a file as Apple's JSON chapters."""
    return json.dumps(
        [
            {
                "chapter": number,
                "start-time": round(chapter.start, 3),
                "duration": round(chapter.end - chapter.start, 3),
                "titles": [{"language": "und", "title": chapter.title}],
            }
            for number, chapter in enumerate(_shown(media), 1)
        ],
        ensure_ascii=False,
    )


def _shown(media: Media) -> Iterator[ShownChapter]:
    for number, chapter in enumerate(media.chapters, 1):
        start, end = chapter.start - media.start, min(chapter.end, media.end) - media.start
        yield ShownChapter(float(start), float(end), chapter.title or f"Chapter {number}")
