"""``hls-sessions probe``: the facts of a file, and the renditions it would have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hls_sessions.cli.client import AsJson
from hls_sessions.cli.exits import exit_for
from hls_sessions.cli.options import read_settings
from hls_sessions.cli.progress import waiting
from hls_sessions.cli.screen import clock_time, complain, print_facts, print_json, print_rows
from hls_sessions.errors import SessionError

if TYPE_CHECKING:
    from hls_sessions.media import Presentation, Rendition, SubtitleRendition


def probe(
    file: Annotated[Path, typer.Argument(help="A media file on this machine.")],
    as_json: AsJson = False,
) -> None:
    """Show what is known of a file and what would be offered of it. Needs no daemon."""
    # Films are read by this command alone: the others answer sooner without what that takes.
    from hls_sessions.ffmpeg import Prober, Workers  # noqa: PLC0415
    from hls_sessions.media import Presentation  # noqa: PLC0415

    settings = read_settings()
    workers = Workers(settings.sandbox)
    prober = Prober(workers, settings.probe_timeout)
    try:
        with waiting("probing"):
            media = prober.probe(file.expanduser().resolve())
        presentation = Presentation.of(media, settings.segment_length, copy=settings.copy_streams)
    except SessionError as error:
        complain(str(error))
        raise typer.Exit(exit_for(error.kind)) from error
    finally:
        prober.close()
        workers.close()
    facts = _facts(presentation)
    if as_json:
        print_json(facts)
        return
    shown = {name: value for name, value in facts.items() if name not in {"renditions", "notes"}}
    print_facts(shown | {"length": clock_time(facts["duration"]), "notes": "; ".join(facts["notes"]) or None})
    print_rows(
        ("RENDITION", "FROM", "SIZE", "CODECS", "PEAK BIT/S", "SEGMENTS"),
        (
            (r["id"], r["source"], r["size"] or r["language"], r["codecs"], r["bandwidth"], r["segments"])
            for r in facts["renditions"]
        ),
    )


def _facts(presentation: Presentation) -> dict[str, Any]:
    from hls_sessions.media import readable  # noqa: PLC0415 - as above

    media = presentation.media
    return {
        "media": readable(str(media.path)),
        "container": media.container,
        "start": float(media.start),
        "duration": float(media.duration),
        "frame_rate": float(media.video.frame_rate) if media.video else None,
        "exact": media.video is None or media.video.frame_times is not None,
        "target_duration": presentation.target_duration,
        "renditions": [
            {
                "id": rendition.id,
                "kind": rendition.kind,
                "source": f"#{rendition.track.index} {rendition.track.codec}",
                "size": _size(rendition),
                "language": getattr(rendition.track, "language", None),
                "codecs": rendition.codecs,
                "bandwidth": rendition.peak,
                "segments": len(presentation.cuts(rendition.id)),
            }
            for rendition in presentation.offered.values()
        ],
        "notes": list(presentation.notes),
    }


def _size(rendition: Rendition | SubtitleRendition) -> str | None:
    from hls_sessions.media import CopiedVideo, VideoRendition  # noqa: PLC0415 - as above

    return f"{rendition.width}x{rendition.height}" if isinstance(rendition, VideoRendition | CopiedVideo) else None
