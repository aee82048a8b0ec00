from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from hls_sessions.ffmpeg import Prober, Workers, find, inspect_binary, methods, plan_run
from hls_sessions.media import Presentation
from hls_sessions.testing import Clip, make

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class EncodedSegments:
    """The unchecked files of an encoder run, whole, by segment number."""

    presentation: Presentation
    video: dict[int, Path]
    audio: dict[int, Path]


@pytest.fixture(scope="session")
def encoded(hls_clip_folder, tmp_path_factory) -> EncodedSegments:
    """Encode a film of three seconds, once."""
    film = make(Clip(seconds=3.0, size="160x90"), hls_clip_folder)
    workers = Workers()
    prober = Prober(workers)
    try:
        shown = Presentation.of(prober.probe(film))
    finally:
        prober.close()
        workers.close()
    made = {}
    for rendition in (shown.video[0], shown.audio[0]):
        folder = tmp_path_factory.mktemp(rendition.kind)
        subprocess.run(
            plan_run(inspect_binary(find()), shown, rendition, methods(rendition)[0], 0, folder).argv, check=True
        )
        made[rendition.kind] = {int(file.stem): file for file in folder.iterdir()}
    return EncodedSegments(shown, **made)
