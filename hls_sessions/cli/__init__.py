"""The command line, a file per command.

All but serve, config, probe, doctor, verify and guide talk to a daemon over HTTP.
"""

from collections.abc import Callable
from typing import Annotated

import typer

from hls_sessions.cli.config import config
from hls_sessions.cli.doctor import doctor
from hls_sessions.cli.download import download
from hls_sessions.cli.events import events
from hls_sessions.cli.examples import epilog_of
from hls_sessions.cli.export import export
from hls_sessions.cli.guide import guide
from hls_sessions.cli.health import health
from hls_sessions.cli.history import history
from hls_sessions.cli.info import info
from hls_sessions.cli.list import list_sessions
from hls_sessions.cli.log import log
from hls_sessions.cli.nodes import drain, nodes, undrain
from hls_sessions.cli.pause import pause
from hls_sessions.cli.probe import probe
from hls_sessions.cli.record import record
from hls_sessions.cli.recordings import recordings
from hls_sessions.cli.resume import resume
from hls_sessions.cli.serve import serve
from hls_sessions.cli.settings import settings
from hls_sessions.cli.start import start
from hls_sessions.cli.stats import stats
from hls_sessions.cli.stop import stop
from hls_sessions.cli.top import top
from hls_sessions.cli.update import update
from hls_sessions.cli.verify import verify
from hls_sessions.cli.version import print_version

app = typer.Typer(
    name="hls-sessions",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def hls_sessions(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=print_version, is_eager=True, help="Print the versions of all that matters, and end."
        ),
    ] = False,
) -> None:
    """On-demand HLS sessions: run the daemon, and look after its sessions."""


COMMANDS: dict[str, Callable[..., None]] = {
    "serve": serve,
    "start": start,
    "list": list_sessions,
    "top": top,
    "info": info,
    "events": events,
    "history": history,
    "log": log,
    "pause": pause,
    "resume": resume,
    "stop": stop,
    "update": update,
    "export": export,
    "record": record,
    "recordings": recordings,
    "download": download,
    "nodes": nodes,
    "drain": drain,
    "undrain": undrain,
    "stats": stats,
    "health": health,
    "settings": settings,
    "config": config,
    "probe": probe,
    "doctor": doctor,
    "verify": verify,
    "guide": guide,
}
"""In the order in which --help lists them."""

for name, command in COMMANDS.items():
    app.command(name, epilog=epilog_of(name))(command)


def main() -> None:
    """Run the command line."""
    app()


__all__ = ["app", "main"]
