"""The pytest plugin: fixtures for tests that drive ffmpeg through hls_sessions.

``hls_clip`` makes small films, ``hls_supervisor`` starts supervisors and ``hls_daemon`` daemons that are stopped after
the test, ``hls_client`` plays and judges HLS, ``hls_fake_ffmpeg`` makes an ffmpeg that is quick and misbehaves on
request, ``hls_live_source`` is a source of live input that can be cut and stalled, ``hls_clock`` is a clock that the
test advances, ``hls_nothing_left`` fails a test that leaves something behind.

Nothing is shared by the processes of pytest-xdist: each has folders, films and ports of its own.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from hls_sessions import Supervisor
from hls_sessions.ffmpeg import Workers
from hls_sessions.ffmpeg.workers import PROBE
from hls_sessions.otp import ManualClock
from hls_sessions.testing import clips, leftovers
from hls_sessions.testing.client import HlsClient
from hls_sessions.testing.daemon import Daemon, serve, variables
from hls_sessions.testing.fake_ffmpeg import FakeRun, fake_ffmpeg
from hls_sessions.testing.live_source import LiveSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from hls_sessions import Session


PATIENCE = 5.0
"""Seconds that all threads of a test together may take to end after it."""


class MakeClip(Protocol):
    """Makes a film like the default Clip, but for what is given. The same film is made once per test run."""

    def __call__(self, *, name: str | None = None, **like: Any) -> Path:
        """Return the film's path."""
        ...


class StartSupervisor(Protocol):
    """Starts a supervisor, with any settings, whose segments are the test's own."""

    def __call__(self, *, clock: ManualClock | None = None, **settings: Any) -> Supervisor:
        """Return the running supervisor."""
        ...


class MakeFakeFfmpeg(Protocol):
    """Makes a fake ffmpeg whose runs behave as they are told; by default they make all segments at once."""

    def __call__(self, *runs: FakeRun, **behaviour: Any) -> Path:
        """Return its path; ``behaviour`` are the fields of a FakeRun, in place of ``runs``."""
        ...


class StartDaemon(Protocol):
    """Starts a daemon, with any options of ``hls-sessions serve`` and any settings, whose segments are the test's own.

    It serves this run's films unless other roots are given.
    """

    def __call__(
        self,
        *options: str,
        media: Sequence[Path] | None = None,
        environment: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> Daemon:
        """Return the running daemon."""
        ...


class MakeClient(Protocol):
    """Makes a client of a master or media playlist, or of a session of a supervisor in this process."""

    def __call__(self, what: str | Session) -> HlsClient:
        """Return the client."""
        ...


@pytest.fixture(scope="session")
def hls_clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of all films of this test run."""
    return tmp_path_factory.mktemp("clips")


@pytest.fixture
def hls_clip(hls_clip_folder: Path) -> MakeClip:
    """Return a function that makes a film: ``hls_clip(rate="24000/1001", container="mkv")``."""

    def make(*, name: str | None = None, **like: Any) -> Path:
        return clips.make(clips.Clip(**like), hls_clip_folder, name)

    return make


@pytest.fixture
def hls_clock() -> ManualClock:
    """Return a clock that stands still until the test advances it."""
    return ManualClock()


@pytest.fixture
def hls_segments_dir(tmp_path: Path) -> Path:
    """Return the folder in which this test's sessions keep their segments."""
    folder = tmp_path / "segments"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def hls_shared_workers() -> Iterator[tuple[Workers, str | None]]:
    """Return the workers that the supervisors of all tests share, and the PYTHONPATH that they import from."""
    workers = Workers()
    workers.warm_up()
    workers.start(PROBE).end()  # its parent is there from now on
    yield workers, os.environ.get("PYTHONPATH")
    workers.close()


@pytest.fixture
def hls_supervisor(
    request: pytest.FixtureRequest,
    hls_clip_folder: Path,
    hls_segments_dir: Path,
    hls_shared_workers: tuple[Workers, str | None],
) -> Iterator[StartSupervisor]:
    """Return a function that starts a supervisor; it serves this run's films unless other roots are given."""
    if "hls_nothing_left" in request.fixturenames:
        # The fixture that looks for leftovers must be torn down after this one, which stops the supervisors.
        request.getfixturevalue("hls_nothing_left")
    workers, path = hls_shared_workers
    with ExitStack() as running:

        def start(*, clock: ManualClock | None = None, **settings: Any) -> Supervisor:
            # Software, unless the test asks for more, because its result must not depend on the machine. Nothing stays.
            options: dict[str, Any] = {
                "media": (hls_clip_folder,),
                "segments_dir": hls_segments_dir,
                "encoder": "libx264",
                "drain": True,
                "prepare": False,  # no encoder runs unless the test asks for something
                # A test that gives workers another path to import from needs workers of its own.
                "workers": workers if os.environ.get("PYTHONPATH") == path else None,
            } | settings
            return running.enter_context(Supervisor(clock=clock, **options))

        yield start


@pytest.fixture
def hls_fake_ffmpeg(tmp_path_factory: pytest.TempPathFactory) -> MakeFakeFfmpeg:
    """Return a function that makes a fake ffmpeg: ``hls_fake_ffmpeg(stall_after=2)``."""

    def make(*runs: FakeRun, **behaviour: Any) -> Path:
        told = (*runs, FakeRun(**behaviour)) if behaviour or not runs else runs
        return fake_ffmpeg(tmp_path_factory.mktemp("fake-ffmpeg"), *told)

    return make


@pytest.fixture
def hls_daemon(
    request: pytest.FixtureRequest,
    hls_clip_folder: Path,
    hls_segments_dir: Path,
    tmp_path: Path,
) -> Iterator[StartDaemon]:
    """Return a function that starts a daemon. One that still runs after the test is stopped, and must end well."""
    if "hls_nothing_left" in request.fixturenames:
        request.getfixturevalue("hls_nothing_left")  # as in hls_supervisor
    daemons: list[Daemon] = []

    def start(
        *options: str,
        media: Sequence[Path] | None = None,
        environment: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> Daemon:
        # Nothing stays, and what stays on request is the test's own.
        defaults = {"XDG_STATE_HOME": str(tmp_path / "state-home")}
        defaults |= variables({"drain": True, "prepare": False})
        roots = [hls_clip_folder] if media is None else media
        given = defaults | variables(settings) | dict(environment or {})
        daemon = serve(hls_segments_dir, roots, *options, environment=given)
        daemons.append(daemon)
        if token := settings.get("token"):
            daemon.http.headers["Authorization"] = f"Bearer {token}"
        return daemon

    yield start
    codes = [daemon.close() for daemon in daemons]
    if any(codes):
        pytest.fail(f"the daemons of the test ended with the exit codes {codes}")


@pytest.fixture
def hls_client(hls_shared_workers: tuple[Workers, str | None]) -> MakeClient:
    """Return a function that makes a client: ``hls_client(url).play(start=10, segments=2)``."""
    workers, _ = hls_shared_workers
    return lambda what: HlsClient(what, workers)


@pytest.fixture
def hls_live_source(request: pytest.FixtureRequest, hls_clip: MakeClip) -> Iterator[LiveSource]:
    """Return a source of ten seconds of live input, which sends nothing until it is started."""
    if "hls_nothing_left" in request.fixturenames:
        request.getfixturevalue("hls_nothing_left")  # as in hls_supervisor
    film = hls_clip(seconds=10, size="160x90", rate="20", gop=20, audio="aac", pixels="yuv420p")
    source = LiveSource(film)
    yield source
    source.cut()


@pytest.fixture
def hls_nothing_left(tmp_path: Path, hls_shared_workers: object) -> Iterator[None]:  # noqa: ARG001 - they are no leftovers
    """Fail the test when it leaves a process, a thread or a session directory behind."""
    before, segments = (leftovers.threads(), leftovers.child_processes()), tmp_path / "segments"
    yield
    # A thread that has done its work may still be on its way out.
    deadline = time.monotonic() + PATIENCE
    for thread in leftovers.threads() - before[0]:
        thread.join(max(0.0, deadline - time.monotonic()))
    left = {
        "threads": {thread.name for thread in leftovers.threads() - before[0]},
        "processes": leftovers.child_processes() - before[1],
        "directories": leftovers.session_directories(segments) | leftovers.shared_directories(segments),
    }
    found = {kind: sorted(things) for kind, things in left.items() if things}
    if found:
        pytest.fail(f"the test left behind: {found}")


__all__ = ["MakeClient", "MakeClip", "MakeFakeFfmpeg", "StartDaemon", "StartSupervisor"]
