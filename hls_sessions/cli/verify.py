"""``hls-sessions verify``: judge a recording served as HLS, by anyone."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hls_sessions.cli.client import AsJson
from hls_sessions.cli.exits import Exit
from hls_sessions.cli.progress import counting
from hls_sessions.cli.screen import complain, print_json, print_rows


def verify(
    url: Annotated[str, typer.Argument(help="The address of a master or media playlist.")],
    source: Annotated[
        Path | None, typer.Option(help="The file it was made from: every frame is held against it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Play an HLS recording through and judge it: RFC 8216, every packet, and with its source, exactness.

    Exits with 0 when nothing is wrong, 1 when something is, 4 when the source cannot be read, 5 when there is no
    playlist.
    """
    from hls_sessions.ffmpeg.judging import Unreadable  # noqa: PLC0415 - PyAV is loaded for this command alone
    from hls_sessions.verify import Unreachable  # noqa: PLC0415 - the same
    from hls_sessions.verify import verify as judge  # noqa: PLC0415 - the same

    try:
        with counting("verifying") as line:
            report = judge(url, source, line.show)
    except Unreadable as error:
        complain(f"{source} cannot be read: {error}.")
        raise typer.Exit(Exit.NO_MEDIA) from error
    except Unreachable as error:
        complain(str(error))
        raise typer.Exit(Exit.NO_DAEMON) from error
    except OSError as error:
        complain(str(error))
        raise typer.Exit(Exit.FAILED) from error
    if as_json:
        print_json(asdict(report))
    else:
        print_rows(
            ("RENDITION", "SEGMENTS", "PACKETS", "FRAMES", "SECONDS", "BYTES", "OFF BY AT MOST"),
            (
                (
                    looked.rendition,
                    looked.segments,
                    looked.packets,
                    looked.frames,
                    f"{looked.seconds:.3f}",
                    f"{looked.bytes:,}",
                    None if looked.worst_deviation_ms is None else f"{looked.worst_deviation_ms:.3f} ms",
                )
                for looked in report.renditions
            ),
        )
        typer.echo()
        if report.findings:
            print_rows(("WHERE", "RULE", "WHAT IS WRONG"), ((f.where, f.rule, f.sentence) for f in report.findings))
        else:
            typer.echo("Nothing is wrong.")
    raise typer.Exit(Exit.FAILED if report.findings else Exit.OK)
