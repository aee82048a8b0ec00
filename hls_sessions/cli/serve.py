"""``hls-sessions serve``: run the daemon."""

from __future__ import annotations

import gc
import logging
import os
import resource
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from hls_sessions.cli.exits import Exit, exit_for
from hls_sessions.cli.log_options import LogFormat, LogLevel
from hls_sessions.cli.options import fault_of, load_settings, read_settings
from hls_sessions.cli.screen import complain
from hls_sessions.cli.settings_file import SettingsFile
from hls_sessions.errors import NodeRefused, SessionError, SettingsRefused, Unavailable
from hls_sessions.user_folders import state_folder

if TYPE_CHECKING:
    from hls_sessions.supervisor import Supervisor
    from hls_sessions.web import Cluster

logger = logging.getLogger(__name__)


MOST_DESCRIPTORS: Final = 1 << 16
"""File descriptors that the daemon asks for at most: some programs that it starts close each of them one by one."""


HURRIED: Final = 3.0
"""Seconds that the stop may take after a second signal."""

SLACK: Final = 20.0
"""Seconds that a stop may take besides ``shutdown_timeout`` for requests, and again for sessions."""


def serve(
    media: Annotated[
        list[Path] | None, typer.Option("--media", help="A folder media may be opened from; may be repeated.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.  [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 for any free one.  [default: 8642]")] = None,
    token: Annotated[str | None, typer.Option(help="Protect everything but the media routes with this.")] = None,
    segments_dir: Annotated[
        Path | None, typer.Option(help="Where sessions keep their segments.  [default: /tmp]")
    ] = None,
    state_dir: Annotated[
        Path | None,
        typer.Option(help="Where history and probed files are kept.  [default: ~/.local/state/hls_sessions]"),
    ] = None,
    drain: Annotated[
        bool | None, typer.Option("--drain/--no-drain", help="End all sessions when it stops.  [default: no-drain]")
    ] = None,
    ffmpeg: Annotated[
        str | None, typer.Option(help="The ffmpeg to use; 'fastest' compares those that are there.")
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help="The video encoder, as ffmpeg spells it.  [default: auto, what works best]")
    ] = None,
    idle_timeout: Annotated[
        float | None, typer.Option(help="Seconds after which an idle session expires.  [default: 1800]")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Be a node of a cluster: new to begin one, or the address of any node.")
    ] = None,
    log_level: Annotated[
        LogLevel, typer.Option(envvar="HLS_SESSIONS_LOG_LEVEL", help="How much is logged.")
    ] = LogLevel.WARNING,
    log_format: Annotated[
        LogFormat, typer.Option(envvar="HLS_SESSIONS_LOG_FORMAT", help="A line for people, or JSON for programs.")
    ] = LogFormat.TEXT,
) -> None:
    """Run the daemon until SIGTERM or Ctrl-C, which leave its sessions to the next one, unless --drain ends them.

    A second signal makes it wait for nothing, and end with 128 plus the signal's number.

    Every setting can also be given in the environment (HLS_SESSIONS_IDLE_TIMEOUT=1800) or in the TOML file that
    HLS_SESSIONS_CONFIG names, which is read again when it changes and at SIGHUP. When it is ready, one line says so,
    with its address.
    """
    given = {
        "media": tuple(media) if media else None,
        "host": host,
        "port": port,
        "token": token,
        "segments_dir": segments_dir,
        "state_dir": state_dir,
        "drain": drain,
        "ffmpeg": ffmpeg,
        "encoder": encoder,
        "idle_timeout": idle_timeout,
        "cluster": cluster,
    }
    # A quarter of the time of loading the modules goes to looking for garbage among them, and there is none.
    gc.disable()
    try:
        _run(given, log_level, log_format)
    finally:
        gc.enable()


def _run(given: dict[str, Any], log_level: LogLevel, log_format: LogFormat) -> None:
    """Run the daemon with the settings that were given on the command line."""
    # The sessions, granian, FastAPI and structlog are loaded for this command alone: the others answer sooner without.
    from hls_sessions.cli.logs import configure  # noqa: PLC0415
    from hls_sessions.supervisor import Supervisor  # noqa: PLC0415
    from hls_sessions.web import serve as serve_web  # noqa: PLC0415

    configure(log_level, log_format)
    settings = read_settings(**given)
    if not settings.media:
        complain("No media root: name at least one folder with --media.")
        raise typer.Exit(Exit.USAGE)
    if settings.state_dir is None:
        settings = settings.model_copy(update={"state_dir": _default_state_dir()})
    _raise_descriptor_limit()
    try:
        supervisor = Supervisor(settings)
        with _reread(supervisor, given | {"state_dir": settings.state_dir}) as on_hangup:
            last_resort = _LastResort(supervisor)
            hurried = serve_web(
                supervisor,
                on_ready=_say_ready,
                on_hangup=on_hangup,
                on_signal=last_resort,
                cluster=_membership(supervisor),
            )
    except NotADirectoryError as error:
        complain(str(error))
        raise typer.Exit(Exit.USAGE) from error
    except Unavailable as error:
        complain(str(error))
        _end(exit_for(error.kind))
    except SessionError as error:
        complain(str(error))
        raise typer.Exit(exit_for(error.kind)) from error
    # After a second signal the exit code is the one a shell gives to a process that a signal ended.
    _end(Exit.OK if hurried is None else 128 + hurried)


def _membership(supervisor: Supervisor) -> Cluster | None:
    """Return what makes the daemon a node of its cluster; None where it runs by itself.

    Raises:
        NodeRefused: something that it needs for that is not set or not installed.
    """
    if supervisor.settings.cluster is None:
        return None
    try:
        from hls_sessions.cluster.joining import membership  # noqa: PLC0415 - Ray and aiohttp are an extra
    except ModuleNotFoundError as error:
        name = supervisor.settings.node_name or ""
        raise NodeRefused(name, f"{error.name} is not installed: pip install 'hls_sessions[cluster]'") from error
    return membership(supervisor)


def _end(code: int) -> NoReturn:
    """End this process after its server has run, without tearing the interpreter down.

    All is stopped by now, but for granian's native threads, which end when they can. One that calls Python while the
    interpreter is torn down aborts the process (seen once in some thousand stops, and once in fifteen after a crash).
    """
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


class _LastResort:
    """Ends this process if a stop takes too long, because a system call may hang where nothing can end it.

    The processes that it has started end with it, and the next daemon clears the leftovers away.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        """Bound the stop of a supervisor."""
        self._supervisor = supervisor

    def __call__(self, number: int, hurried: bool) -> None:
        seconds = HURRIED if hurried else 2 * self._supervisor.settings.shutdown_timeout + SLACK
        timer = threading.Timer(seconds, self._end, (number, hurried))
        timer.daemon = True
        timer.start()

    @staticmethod
    def _end(number: int, hurried: bool) -> None:
        # Written by hand, because a thread that hangs may hold the lock of the logger.
        os.write(sys.stderr.fileno(), b"The stop hangs, and is cut short.\n")
        os._exit(128 + number if hurried else Exit.FAILED)


def _raise_descriptor_limit() -> None:
    """Let this process open as many files as its hard limit allows.

    The usual soft limit of 1024 is for programs that use select(2), which none of ours does, and a thousand held
    requests reach it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _say_ready(url: str) -> None:
    gc.freeze()
    gc.enable()
    print(f"hls-sessions ready on {url}", flush=True)  # noqa: T201 - the line that says it is ready


@contextmanager
def _reread(supervisor: Supervisor, given: dict[str, Any]) -> Iterator[Callable[[], None] | None]:
    """Read the settings file again whenever it changes; yield a function that does so now. None without a file.

    A setting of the command line or the environment stays; one that was set by a call does not.
    """

    def reread() -> None:
        try:
            supervisor.reconfigure(**load_settings(**given).model_dump())
        except (OSError, ValueError) as error:
            logger.error("The settings file is refused, and nothing changes: %s", fault_of(error))  # noqa: TRY400 - a fault of the file, not of ours
        except SettingsRefused as error:
            logger.error("The settings file is refused: %s", error)  # noqa: TRY400 - the same

    if config := os.environ.get("HLS_SESSIONS_CONFIG"):
        with SettingsFile(Path(config), reread):
            yield reread
    else:
        yield None


def _default_state_dir() -> Path | None:
    """Return the user's state folder; if it cannot be used, None, with a warning on standard error.

    Only a folder that was asked for must be usable. A second daemon, or one without a home, works without this one.
    """
    from hls_sessions.store import usable  # noqa: PLC0415 - as above

    folder = state_folder()
    if (reason := usable(folder)) is None:
        return folder
    complain(f"The history is kept in memory, because {folder} cannot be used: {reason}. --state-dir names another.")
    return None
