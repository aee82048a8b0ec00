"""How long a viewer waits for a moving picture, after the click and after a seek, in real players.

Each player is measured in turn with the plain file over the same server, which is its limit, and with a session of the
film, copied and encoded. Encoded films are also compared with ffmpeg itself.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import threading
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

import hatch_build
import live
import plain_files
import raw_ffmpeg
from playwright.sync_api import Error

from hls_sessions import Supervisor
from hls_sessions.cli.screen import print_rows
from hls_sessions.encoding import PHASES
from hls_sessions.testing import Clip, Daemon, make, serve
from hls_sessions.web.pages import HLS_JS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

FILM = Clip(
    seconds=120,
    size="1920x1080",
    gop=50,
    pixels="yuv420p",
    options=("-b:v", "5M", "-maxrate", "5M", "-bufsize", "5M", "-movflags", "+faststart"),
)
"""Can be copied. As a plain file, it has its index at the beginning, so that players start as soon as they can."""

SHAKA = hatch_build.Package(
    "shaka-player",
    "5.2.12",
    "vEsuVDI3+oLh+yqpjXexQZlg2XMUBI0VrqatDuKWacPaxAud6Uph5uCowUPLhUgNG5XKWCpoM4l1r8qYzWH+zg==",
    {"package/dist/shaka-player.compiled.js": "shaka.js"},
)

SOURCES = ("plain", "copied", "copy alone", "encoded")
"""The film as a file, and the sessions of daemons that copy, with and without other variants, and that encode."""

QUERY = {"copy alone": "?variants=video-copy"}
"""What the address of the master playlist ends with."""

SEEKS = (0.1, 0.5, 0.9, 0.1)
"""Where a viewer seeks, as shares of the film: forwards, and back to where they have been."""

MOST = 2
"""How many segments of one rendition a player should ask for before it shows anything."""

WAITS = {"the start": "first_awaited", "last awaited": "last_awaited"}
"""The segments whose phases a session tells."""

BOUND = 60.0
"""Seconds that a picture may take."""

SEGMENT = re.compile(r"/sessions/[^/]+/([^/]+)/(\d+)\.m4s")

PAGE = "<!doctype html><meta charset=utf-8><title>bench</title><video muted autoplay playsinline></video>"

SCRIPT = """
const video = document.querySelector("video");
const players = {
  "Chromium's own": (url) => { video.src = url; },
  "hls.js": (url, isFile) => {
    if (isFile) { video.src = url; return; }
    const hls = new Hls();
    hls.loadSource(url);
    hls.attachMedia(video);
  },
  "Shaka": async (url, isFile) => {
    shaka.polyfill.installAll();
    const player = new shaka.Player();
    await player.attach(video);
    await player.load(url, null, isFile ? "video/mp4" : undefined);
  },
};
const moving = (from) => new Promise((resolve, reject) => {
  let shown = null;
  const look = (_, { mediaTime }) => {
    if (mediaTime > from - 0.1 && mediaTime < from + 10) {
      if (shown !== null && mediaTime !== shown) { resolve(performance.now()); return; }
      shown = mediaTime;
    }
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  setTimeout(() => reject(new Error("nothing is shown")), BOUND);
  video.addEventListener("error", () => reject(new Error(video.error.message || `error ${video.error.code}`)));
});
const opened = async (media) => {
  const headers = { "Content-Type": "application/json" };
  return await (await fetch("/sessions", { method: "POST", headers, body: JSON.stringify({ media }) })).json();
};
window.start = async ({ player, media, file, query }) => {
  const begun = performance.now(), picture = moving(0);
  const session = file ? null : await opened(media);
  const broken = new Promise((_, reject) => {
    Promise.resolve(players[player](file ?? session.playlist_url + query, Boolean(file))).catch(reject);
  });
  const at = await Promise.race([picture, broken]);
  return { took: (at - begun) / 1000, at: (performance.timeOrigin + at) / 1000, session: session?.session_id };
};
window.seek = async (to) => {
  const begun = performance.now(), picture = moving(to);
  video.currentTime = to;
  return (await picture - begun) / 1000;
};
"""
"""A picture moves when two with different times were shown."""


@dataclass(slots=True)
class View:
    """One viewer. Times in seconds."""

    first: float
    """From the click to the first moving picture; the click opens the session."""
    asked: dict[str, list[int]]
    """The segments that were asked for before, of each rendition; none if its player does not tell."""
    seeks: list[float] = field(default_factory=list)
    session: dict[str, Any] = field(default_factory=dict)
    """The session, as the daemon describes it then; empty of a plain file."""

    @property
    def video(self) -> str | None:
        """The rendition of the video that was asked for first."""
        return next((rendition for rendition in self.asked if rendition.startswith("video")), None)


class Film(NamedTuple):
    """The film, and where it is served."""

    path: Path
    seconds: float
    files: str
    """The address of the server that has the plain file."""
    daemons: dict[str, Daemon]
    """By the source that each is."""

    @property
    def file(self) -> str:
        """An address of the plain file that no player has asked for, so that none has it in its cache."""
        return f"{self.files}/{self.path.name}?{time.monotonic_ns()}"

    def server(self, source: str) -> str:
        """Return the address of the server of a source."""
        return self.daemons[source].url if source in self.daemons else self.files


class Command(NamedTuple):
    """A player that is a program.

    It does not seek: the libav of Debian 12 (ffmpeg 5.1), which these use, reads to the end after a seek in fragmented
    MP4, in what its own HLS muxer has written, too.
    """

    name: str
    options: tuple[str, ...]
    """What it is called with, the address in the place of URL."""
    picture: re.Pattern[str]
    """What it says of each picture; the group differs as soon as pictures move."""


COMMANDS = (
    Command(
        "ffplay",
        ("-hide_banner", "-loglevel", "verbose", "-stats", "-sync", "video", "URL"),
        re.compile(r"(\d+\.\d\d) [AMV]-[AMV]"),
    ),
    Command(
        "mpv",
        ("--no-config", "--vo=null", "--ao=null", "--msg-level=ffmpeg=v", "--term-status-msg=AT ${=time-pos} ", "URL"),
        re.compile(r"AT (\d+\.\d+) "),
    ),
    Command(
        "gst-launch-1.0",
        ("-v", "playbin", "uri=URL", "video-sink=fakesink sync=true silent=false", "audio-sink=fakesink sync=true"),
        re.compile(r"last-message = chain .* pts: ([\d:.]+)"),
    ),
)


ENVIRONMENT = {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy", "GST_DEBUG": "souphttpsrc:6"}
"""Has ffplay show its pictures to nobody, and GStreamer tell what it asks for."""


# ---- the daemons


@contextmanager
def daemon(film: Path, scratch: Path, source: str) -> Iterator[Daemon]:
    """Run a daemon that copies what can be copied, or that encodes all."""
    own = scratch / source
    settings = {
        "HLS_SESSIONS_COPY_STREAMS": str(source != "encoded").lower(),
        "HLS_SESSIONS_SHARE_SEGMENTS": "false",  # each session is to make what it is asked for
    }
    running = serve(own / "segments", [film.parent], "--state-dir", str(own / "state"), environment=settings)
    try:
        yield running
    finally:
        running.close()


# ---- players in Chromium


class Page:
    """A page of its own for one viewer, with the libraries loaded.

    It is of the server that is asked, because Chromium lets a page ask no other server of this machine.
    """

    def __init__(self, context: Any, server: str, libraries: Sequence[str]) -> None:
        self._page = context.new_page()
        self._requests: list[tuple[float, str]] = []
        network = context.new_cdp_session(self._page)
        network.send("Network.enable")
        network.on("Network.requestWillBeSent", self._asked)
        address = f"{server}/bench"
        self._page.route(address, lambda route: route.fulfill(body=PAGE, content_type="text/html"))
        self._page.goto(address)
        self._page.unroute_all()  # because a page with a route has all its requests looked at
        for library in (*libraries, SCRIPT.replace("BOUND", f"{BOUND * 1000}")):
            self._page.add_script_tag(content=library)

    def watch(self, player: str, film: Film, source: str) -> View:
        """Start a player, and have it seek."""
        file = film.file if source == "plain" else None
        wanted = {"player": player, "media": str(film.path), "file": file, "query": QUERY.get(source, "")}
        started = self._page.evaluate("(wanted) => window.start(wanted)", wanted)
        asked = [url for at, url in self._requests if at <= started["at"]]
        view = View(started["took"], segments(asked))
        try:
            view.seeks = [self._page.evaluate("(to) => window.seek(to)", film.seconds * share) for share in SEEKS]
        finally:
            if started["session"] is not None:
                view.session = left(film.daemons[source], started["session"])
        return view

    def close(self) -> None:
        """Close it."""
        self._page.close()

    def _asked(self, event: dict[str, Any]) -> None:
        self._requests.append((event["wallTime"], event["request"]["url"]))


def watched_in_chromium(context: Any, libraries: Sequence[str], player: str, film: Film, source: str) -> View:
    """Watch in a new page."""
    page = Page(context, film.server(source), libraries)
    try:
        return page.watch(player, film, source)
    finally:
        page.close()


# ---- players that are programs


def watched_by_command(player: Command, film: Film, source: str) -> View:
    """Watch with a program, which is started by the click."""
    running = film.daemons.get(source)
    begun = time.monotonic()
    session = None if running is None else running.open(film.path)
    address = film.file if session is None else film.server(source) + session["playlist_url"] + QUERY.get(source, "")
    said = picture_of(player, address)
    view = View(time.monotonic() - begun, segments(said.splitlines()))
    if running is not None and session is not None:
        view.session = left(running, session["session_id"])
    return view


def picture_of(player: Command, url: str) -> str:
    """Run a program until its pictures move, and return what it has said.

    Raises:
        RuntimeError: they never do.
    """
    command = [player.name, *(option.replace("URL", url) for option in player.options)]
    environment = os.environ | ENVIRONMENT
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment
    ) as process:
        assert process.stdout
        bound = threading.Timer(BOUND, process.kill)
        bound.start()
        said = ""
        try:
            while len(set(player.picture.findall(said))) < 2:  # noqa: PLR2004 - two make a moving picture
                if not (more := os.read(process.stdout.fileno(), 1 << 16)):
                    raise RuntimeError(f"{player.name} shows nothing: {said[-500:]}")
                said += more.decode(errors="replace")
        finally:
            bound.cancel()
            process.kill()
    return said


# ---- measures


def segments(lines: Sequence[str]) -> dict[str, list[int]]:
    """Return the segments that are named in lines, by rendition, in the order of their names."""
    found: dict[str, list[int]] = defaultdict(list)
    for line in lines:
        for rendition, number in SEGMENT.findall(line):
            if int(number) not in found[rendition]:
                found[rendition].append(int(number))
    return dict(found)


def left(running: Daemon, session_id: str) -> dict[str, Any]:
    """End a session, and return how it was."""
    path = f"/sessions/{session_id}"
    session: dict[str, Any] = running.http.get(path).raise_for_status().json()
    running.http.delete(path)
    return session


class Limits:
    """What ffmpeg itself takes for the beginning of a rendition, and after seeks. Seconds."""

    def __init__(self, supervisor: Supervisor, film: Path, scratch: Path) -> None:
        self._supervisor = supervisor
        self._film = film
        self._scratch = scratch
        presentation = supervisor.probe(film)
        assert presentation.media.video
        self._half_a_second = ceil(presentation.media.video.frame_rate / 2)
        self._seconds = float(presentation.media.duration)
        self.of: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        """By rendition, and by what it makes."""

    def measure(self, rendition: str) -> None:
        """Measure each once."""
        cuts, found = self._supervisor.probe(self._film).cuts(rendition), self.of[rendition]
        to = partial(raw_ffmpeg.seconds_to, self._supervisor, self._film, rendition)
        found["half"].append(to(0, self._scratch, until=0, frames=self._half_a_second))
        found["first"].append(to(0, self._scratch, until=0))
        found["going on"].append(to(0, self._scratch))
        for share in set(SEEKS):
            number = cuts.at(self._seconds * share)
            found[f"{share}"].append(to(number, self._scratch, until=number))


def milliseconds(seconds: float) -> str:
    """Return a time as it is shown."""
    return f"{seconds * 1000:.0f} ms"


def beside(seconds: float, limit: float) -> str:
    """Return a time and its ratio to a limit."""
    return f"{milliseconds(seconds)} ({seconds / limit:.2f})"


class Report:
    """What all views have shown."""

    def __init__(self, players: Iterable[str], limits: Limits) -> None:
        self._all = players
        self._limits = limits
        self.views: dict[tuple[str, str], list[View]] = defaultdict(list)
        """By player and source."""

    @property
    def _players(self) -> list[str]:
        """Those that have shown something of each source."""
        return [player for player in self._all if all(self.views[player, source] for source in SOURCES)]

    def print(self) -> None:
        """Print all tables."""
        head: tuple[str, ...] = ("FIRST MOVING PICTURE", "PLAIN FILE", *(source.upper() for source in SOURCES[1:]))
        print_rows(head, map(self._starts, self._players))
        print()
        head = ("ENCODED", "FIRST MOVING PICTURE", "RAW HALF SECOND", "OVER IT", "RAW FIRST SEGMENT", "IF IT GOES ON")
        print_rows(head, [row for player in self._players if (row := self._against_ffmpeg(player))])
        print()
        head = ("AFTER A SEEK TO", "", *(f"{share:.0%}" for share in SEEKS[:-1]), f"BACK TO {SEEKS[-1]:.0%}")
        print_rows(head, [*self._all_seeks(), *self._raw_seeks()])
        print()
        head = ("ASKED FOR BEFORE THE FIRST PICTURE", "", "SEGMENTS", f"AT MOST {MOST} OF EACH")
        print_rows(head, self._all_asked())
        print()
        head = ("PHASES", *(f"{source}, {which}" for source in SOURCES[1:] for which in WAITS))
        print_rows(head, self._phases())

    def _first(self, player: str, source: str) -> float:
        return statistics.median(view.first for view in self.views[player, source])

    def _starts(self, player: str) -> tuple[str, ...]:
        limit = self._first(player, "plain")
        return player, milliseconds(limit), *(beside(self._first(player, source), limit) for source in SOURCES[1:])

    def _against_ffmpeg(self, player: str) -> tuple[str, ...] | None:
        rendition, first = self.views[player, "encoded"][-1].video, self._first(player, "encoded")
        if rendition is None:
            return None
        half, whole, more = (
            statistics.median(self._limits.of[rendition][each]) for each in ("half", "first", "going on")
        )
        figures = milliseconds(half), f"{(first - half) * 1000:+.0f} ms ({first / half:.2f})", beside(whole, half)
        return f"{player}, {rendition}", milliseconds(first), *figures, beside(more, half)

    def _all_seeks(self) -> Iterator[tuple[str, ...]]:
        for player in self._players:
            limits = self._seeks(player, "plain")
            if limits:
                yield player, "plain file", *map(milliseconds, limits)
                for source in SOURCES[1:]:
                    yield player, source, *map(beside, self._seeks(player, source), limits)

    def _seeks(self, player: str, source: str) -> list[float]:
        return [
            statistics.median(each) for each in zip(*(view.seeks for view in self.views[player, source]), strict=True)
        ]

    def _raw_seeks(self) -> Iterator[tuple[str, ...]]:
        for rendition, found in self._limits.of.items():
            times = (statistics.median(found[f"{share}"]) for share in SEEKS[:-1])
            yield "raw ffmpeg", rendition, *map(milliseconds, times), "on disk"

    def _phases(self) -> Iterator[tuple[str, ...]]:
        """Yield for each phase its median in the first and the last segments that viewers waited for."""
        columns = [self._awaited(source, wait) for source in SOURCES[1:] for wait in WAITS.values()]
        for phase in PHASES:
            times = [
                [awaited["phases"][phase] for awaited in column if phase in awaited["phases"]] for column in columns
            ]
            if any(times):
                yield phase, *(f"{statistics.median(each) * 1000:.1f} ms" if each else "" for each in times)
        sums = [[awaited["seconds"] for awaited in column] for column in columns]
        yield "all", *(milliseconds(statistics.median(each)) if each else "" for each in sums)

    def _awaited(self, source: str, wait: str) -> list[dict[str, Any]]:
        sessions = (view.session for player in self._players for view in self.views[player, source])
        return [awaited for session in sessions if (awaited := session[wait]) is not None]

    def _all_asked(self) -> Iterator[tuple[str, ...]]:
        for player in self._players:
            for source in SOURCES[1:]:
                views = self.views[player, source]
                most = max((len(numbers) for view in views for numbers in view.asked.values()), default=None)
                last = "; ".join(f"{name} {', '.join(map(str, of))}" for name, of in views[-1].asked.items())
                told = "it does not tell" if most is None else "" if most <= MOST else f"NO: {most}"
                yield player, source, last, told


def bench(file: Path | None, scratch: Path, rounds: int) -> None:
    """Have all players that there are start and seek, in turn, and print the tables."""
    path = file.resolve() if file is not None else make(FILM, scratch, "players.mp4")
    with ExitStack() as stack:
        daemons = {source: stack.enter_context(daemon(path, scratch, source)) for source in SOURCES[1:]}
        files = stack.enter_context(plain_files.served(path.parent))
        settings: dict[str, Any] = {"media": [path.parent], "segments_dir": scratch / "segments", "copy_streams": False}
        supervisor = stack.enter_context(Supervisor(**settings))
        seconds = float(supervisor.probe(path).media.duration)
        film = Film(path, seconds, files, daemons)
        watch: dict[str, Callable[[Film, str], View]] = {
            each.name: partial(watched_by_command, each) for each in COMMANDS if is_here(each.name)
        }
        if live.is_watched():
            watch = in_chromium(stack, scratch) | watch
        report = Report(watch, limits := Limits(supervisor, path, scratch))
        for number in range(rounds + 1):
            for player, start in watch.items():
                for source in SOURCES:
                    try:
                        view = start(film, source)
                    except (Error, RuntimeError) as error:
                        print(f"{player} shows nothing of the film that is {source}: {error}")
                        continue
                    if number:  # not the first, in which films are probed and programs loaded
                        report.views[player, source].append(view)
            for rendition in {views[-1].video for (_, source), views in report.views.items() if source == "encoded"}:
                if rendition is not None:
                    limits.measure(rendition)
        report.print()


def is_here(program: str) -> bool:
    """Whether a program is installed; say so where it is not."""
    if shutil.which(program):
        return True
    print(f"{program} is not installed, and is left out.")
    return False


def in_chromium(stack: ExitStack, scratch: Path) -> dict[str, Callable[[Film, str], View]]:
    """Run Chromium, and return the players that there are in it."""
    libraries = {"Chromium's own": ""}
    if HLS_JS.exists():
        libraries["hls.js"] = HLS_JS.read_text()
    try:
        hatch_build.fetch(SHAKA, scratch)
        libraries["Shaka"] = (scratch / "shaka.js").read_text()
    except (OSError, subprocess.SubprocessError) as error:
        print(f"Shaka is left out: {error}")
    context = stack.enter_context(live.browser())
    return {
        player: partial(watched_in_chromium, context, [library] if library else [], player)
        for player, library in libraries.items()
    }
