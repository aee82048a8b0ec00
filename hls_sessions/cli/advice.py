"""What an operator can try after a refusal: the one table from kinds of errors to sentences."""

from __future__ import annotations

from typing import Final

from hls_sessions import errors

UNREACHABLE: Final = "Is it running? Start it with hls-sessions serve --media FOLDER, or name another with --url."
"""The advice where no daemon answers."""

ROOTS: Final = "hls-sessions settings shows the media roots."

LIST: Final = "hls-sessions list shows those that are open."

BY_KIND: Final = {
    "token-required": "Give it with --token, or in HLS_SESSIONS_TOKEN.",
    errors.SessionNotFound.kind: LIST,
    errors.RecordingNotFound.kind: "hls-sessions recordings shows those that are kept.",
    errors.MediaNotFound.kind: ROOTS,
    errors.OutsideRoots.kind: ROOTS,
    errors.NotPlayable.kind: "hls-sessions probe FILE shows the facts of a file.",
    errors.CapacityExceeded.kind: "Stop some with hls-sessions stop, or raise it: hls-sessions settings set.",
    errors.EncoderFailed.kind: "hls-sessions log ID shows what its encoders said.",
}


def with_advice(sentence: str, kind: str) -> str:
    """Return the sentence of an error, and after it what can be tried."""
    return f"{sentence} {BY_KIND[kind]}" if kind in BY_KIND else sentence
