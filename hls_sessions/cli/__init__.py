"""The command line, a file per command. All but serve, probe, doctor, verify and guide talk to a daemon over HTTP."""

import typer

from hls_sessions.cli.doctor import doctor
from hls_sessions.cli.download import download
from hls_sessions.cli.events import events
from hls_sessions.cli.export import export
from hls_sessions.cli.guide import guide
from hls_sessions.cli.health import health
from hls_sessions.cli.history import history
from hls_sessions.cli.info import info
from hls_sessions.cli.list import list_sessions
from hls_sessions.cli.log import log
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
from hls_sessions.cli.update import update
from hls_sessions.cli.verify import verify

app = typer.Typer(
    name="hls-sessions",
    help="On-demand HLS sessions: run the daemon, and look after its sessions.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(serve)
app.command()(start)
app.command("list")(list_sessions)
app.command()(info)
app.command()(events)
app.command()(history)
app.command()(log)
app.command()(pause)
app.command()(resume)
app.command()(stop)
app.command()(update)
app.command()(export)
app.command()(record)
app.command()(recordings)
app.command()(download)
app.command()(stats)
app.command()(health)
app.command()(settings)
app.command()(probe)
app.command()(doctor)
app.command()(verify)
app.command()(guide)


def main() -> None:
    """Run the command line."""
    app()


__all__ = ["app", "main"]
