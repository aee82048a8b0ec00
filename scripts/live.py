"""Recordings as their sources and viewers meet them: how late they are, and what is lost when something is killed.

A source sends over a WebSocket at its own pace, comes back when its connection is lost, and keeps what was not
acknowledged. A viewer watches in Chromium.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import av
import httpx
import m3u8
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from hls_sessions.cli.screen import print_rows
from hls_sessions.ffmpeg import find

if TYPE_CHECKING:
    from collections.abc import Iterator

PUSHERS = 8
PUSHED_FOR = 20.0
"""Seconds."""

LOOKED_FOR = 20.0
"""Seconds that a viewer is looked at, after the first picture."""

SETTLED = 8.0
"""Seconds until a player has found its distance."""

MAKER_KILLED = 6.0
"""Seconds between two workers that are killed: a hundred in ten minutes."""

DAEMON_KILLS = 10
CUTS = (1.0, 10.0, 60.0)
"""Seconds for which a source is away."""

PATIENCE = 120.0
"""Seconds that a source may be away."""

CHUNK = 64 * 1024
BOUND = 60.0
OFFSET_BYTES = 8

VIDEO = ("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30")
SOUND = ("-f", "lavfi", "-i", "sine=sample_rate=48000")
CODED = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "0", "-g", "30", "-c:a", "aac")
STREAM = ("-f", "matroska", "-live", "1", "-flush_packets", "1", "-cluster_time_limit", "250", "pipe:1")

CLOCK = """
navigator.mediaDevices.getUserMedia = async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
  const drawn = canvas.getContext("2d");
  setInterval(() => {
    const now = Date.now() % (1 << 20);
    for (let bit = 0; bit < 20; bit += 1) {
      drawn.fillStyle = (now >> bit) & 1 ? "#fff" : "#000";
      drawn.fillRect(bit * 32, 0, 32, 360);
    }
  }, 33);
  const audio = new AudioContext();
  const tone = audio.createOscillator();
  const heard = audio.createMediaStreamDestination();
  tone.connect(heard);
  tone.start();
  const stream = canvas.captureStream(30);
  stream.addTrack(heard.stream.getAudioTracks()[0]);
  return stream;
};
"""
"""In place of a camera: a clock, whose milliseconds are drawn as twenty bars."""

READ = """() => {
  const video = document.getElementById("video");
  if (video.readyState < 2) return null;
  const drawn = Object.assign(document.createElement("canvas"), { width: 640, height: 1 }).getContext("2d");
  drawn.drawImage(video, 0, video.videoHeight / 2, video.videoWidth, 1, 0, 0, 640, 1);
  const now = Date.now() % (1 << 20);
  const bars = drawn.getImageData(0, 0, 640, 1).data;
  let shown = 0;
  for (let bit = 0; bit < 20; bit += 1) if (bars[(bit * 32 + 16) * 4] > 128) shown += 1 << bit;
  return now - shown;
}"""
"""How late a player shows the clock, in milliseconds; null before it shows anything."""


# ---- a daemon, and a browser


class Daemon:
    """A daemon that can be killed and started again at the same address."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._port = "0"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, "-m", "hls_sessions", "serve", "--port", self._port, "--media", str(self._scratch)]
        command += ["--segments-dir", str(self._scratch / "segments"), "--state-dir", str(self._scratch / "state")]
        settings = os.environ | {"HLS_SESSIONS_SOURCE_PATIENCE": str(PATIENCE), "HLS_SESSIONS_DRAIN": "false"}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=settings)
        assert self.process.stdout
        self.url = self.process.stdout.readline().split()[-1]
        self._port = self.url.rpartition(":")[2]
        self.http = httpx.Client(base_url=self.url, timeout=BOUND, trust_env=False)

    def kill(self) -> None:
        """Kill it, and start another."""
        self.process.kill()
        self.process.wait()
        self.start()

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()


@contextmanager
def daemon() -> Iterator[Daemon]:
    """Run a daemon in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="hls_sessions-live-") as folder:
        running = Daemon(Path(folder))
        try:
            yield running
        finally:
            running.stop()


@contextmanager
def browser() -> Iterator[Any]:
    """Run Chromium; yield a context of its own."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - not needed without Chromium

    found = shutil.which("chromium") or shutil.which("google-chrome")
    flags = ["--autoplay-policy=no-user-gesture-required", "--use-fake-ui-for-media-stream"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=found, args=flags, chromium_sandbox=os.geteuid() != 0, handle_sigint=False
        )
        with chromium.new_context() as context:
            yield context
        chromium.close()


def is_watched() -> bool:
    """Whether there is a browser to watch with."""
    return bool(shutil.which("chromium") or shutil.which("google-chrome"))


# ---- sources


class Source(Thread):
    """Sends what ffmpeg makes at its own pace, until it is stopped."""

    def __init__(self, daemon: Daemon, recording: dict[str, Any], command: list[str]) -> None:
        super().__init__(daemon=True)
        self._daemon = daemon
        self._recording = recording
        self._command = command
        self._stopping = Event()
        self._away = 0.0
        self.streams: list[bytearray] = []
        """What was made, stream by stream."""
        self.acknowledged = 0
        """Bytes of the last stream that are safe."""
        self.connections = 0
        self.start()

    def cut(self, seconds: float) -> None:
        """End the stream, and come back with another one after some seconds."""
        self._away = seconds

    def stop(self) -> None:
        """End the stream, and return when everything is safe."""
        self._stopping.set()
        self.join()

    def run(self) -> None:
        """Send one stream after another."""
        while True:
            self.streams.append(bytearray())
            self.acknowledged = 0
            with subprocess.Popen(self._command, stdout=subprocess.PIPE) as process:
                reader = Thread(target=self._read, args=(process,), daemon=True)
                reader.start()
                while not self._send(process, reader):
                    time.sleep(0.3)
            if not self._away:
                return
            time.sleep(self._away)
            self._away = 0.0

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout
        stream = self.streams[-1]
        while data := os.read(process.stdout.fileno(), CHUNK):
            stream += data

    def _send(self, process: subprocess.Popen[bytes], reader: Thread) -> bool:
        """Send over one connection; return whether the stream has ended and all of it is safe."""
        url = f"{self._daemon.url.replace('http', 'ws')}{self._recording['input_url']}"
        stream, is_new = self.streams[-1], not self.acknowledged and len(self.streams) > 1
        try:
            with connect(f"{url}?token={self._recording['input_token']}", open_timeout=BOUND) as socket:
                self.connections += 1
                socket.send(json.dumps({"type": "start", "new_stream": is_new}))
                sent = self._hear(socket, BOUND)
                while True:
                    if process.poll() is None and (self._stopping.is_set() or self._away):
                        process.terminate()
                    ended = not reader.is_alive()
                    while sent < len(stream):
                        data = bytes(stream[sent : sent + CHUNK])
                        socket.send(sent.to_bytes(OFFSET_BYTES, "big") + data)
                        sent += len(data)
                    if ended and self.acknowledged >= len(stream):
                        if not self._away:
                            socket.send('{"type": "stop"}')
                            self._hear(socket, BOUND)
                        return True
                    with suppress(TimeoutError):
                        self._hear(socket, 0.05)
        except (OSError, WebSocketException):
            return False

    def _hear(self, socket: Any, timeout: float) -> int:
        message = json.loads(socket.recv(timeout))
        if message["type"] == "error":
            raise RuntimeError(f"the source was refused: {message}")
        self.acknowledged = message.get("next", self.acknowledged)
        return self.acknowledged


def made(seconds: float | None = None) -> list[str]:
    """Return the command of a source that makes its pictures itself."""
    length = () if seconds is None else ("-t", str(seconds))
    return [find(), "-v", "fatal", "-nostdin", "-re", *VIDEO, "-re", *SOUND, *length, *CODED, *STREAM]


def played(film: Path) -> list[str]:
    """Return the command of a source that plays a film."""
    return [find(), "-v", "fatal", "-nostdin", "-re", "-i", str(film), "-c", "copy", *STREAM]


# ---- measures


def frames(data: bytes) -> int:
    """Return how many frames of video there are."""
    container: Any
    with av.open(io.BytesIO(data)) as container:
        return sum(packet.size > 0 for packet in container.demux(video=0))


def shown(http: httpx.Client, session: str) -> list[int]:
    """Return how many frames a viewer gets of each part of a recording."""
    playlist = m3u8.loads(http.get(f"/sessions/{session}/video/index.m3u8").text)
    parts: list[tuple[str, bytearray]] = []
    for segment in playlist.segments:
        if segment.uri is None:
            continue
        init = segment.init_section.uri
        if not parts or parts[-1][0] != init:
            parts.append((init, bytearray(fetched(http, f"/sessions/{session}/video/{init}"))))
        parts[-1][1].extend(fetched(http, f"/sessions/{session}/video/{segment.uri}"))
    return [frames(bytes(data)) for _, data in parts]


def fetched(http: httpx.Client, path: str) -> bytes:
    """Fetch something."""
    return http.get(path).raise_for_status().content


def lateness(*, low: bool) -> tuple[str, ...]:
    """Have a page record a clock, and read it from the page of a viewer; return a row of the table."""
    with daemon() as running, browser() as context:
        recorder = context.new_page()
        recorder.add_init_script(CLOCK)
        recorder.goto(f"{running.url}/record")
        if low:
            recorder.check("#low-latency")
        begun = time.monotonic()
        recorder.click("#start")
        link = recorder.get_by_role("link", name="Watch it live")
        link.wait_for()
        viewer = context.new_page()
        viewer.goto(link.get_attribute("href"))
        while viewer.evaluate(READ) is None:
            time.sleep(0.02)
        first = time.monotonic() - begun
        time.sleep(SETTLED)
        late = []
        while time.monotonic() - begun < first + SETTLED + LOOKED_FOR:
            if (each := viewer.evaluate(READ)) is not None:
                late.append(each / 1000)
            time.sleep(0.1)
        recorder.click("#stop")
        recorder.get_by_text("Recorded.").wait_for()
    figures = (first, statistics.median(late), max(late))
    return ("low latency" if low else "plain", *(f"{seconds:.1f} s" for seconds in figures))


def pushers() -> tuple[tuple[str, str], ...]:
    """Have many sources send at once what can be copied; return the rows of the table."""
    with daemon() as running, ExitStack() as stack:
        film = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "film.mkv"
        command = [find(), "-v", "error", *VIDEO, *SOUND, "-t", str(PUSHED_FOR), *CODED, "-b:v", "3M", str(film)]
        subprocess.run(command, check=True)
        expected = frames(film.read_bytes())
        recordings = [running.http.post("/live", json={"low_latency": True}).json() for _ in range(PUSHERS)]
        begun = time.monotonic()
        sources = [Source(running, recording, played(film)) for recording in recordings]
        lags: list[float] = []
        while time.monotonic() - begun < PUSHED_FOR - 1:
            time.sleep(0.5)
            if time.monotonic() - begun > SETTLED:
                lags += [lag(running.http, recording, time.monotonic() - begun) for recording in recordings]
        for source in sources:
            source.join()
        found = [sum(shown(running.http, recording["session_id"])) for recording in recordings]
        safe = [source.acknowledged == len(source.streams[0]) for source in sources]
    return (
        (f"{PUSHERS} sources at once, copied", f"{sum(safe)} of {PUSHERS} all safe"),
        ("frames of each, sent and shown", f"{expected}, {min(found)} to {max(found)}"),
        ("newest part behind the source", f"median {statistics.median(lags):.2f} s, at most {max(lags):.2f} s"),
    )


def lag(http: httpx.Client, recording: dict[str, Any], played_for: float) -> float:
    """Return how many seconds the newest part of a playlist is behind what was sent by now."""
    text = http.get(f"/sessions/{recording['session_id']}/video/index.m3u8").text
    whole = sum(map(float, re.findall(r"#EXTINF:([\d.]+)", text)))
    tail = text.rpartition("#EXTINF")[2]
    return played_for - whole - sum(map(float, re.findall(r"#EXT-X-PART:DURATION=([\d.]+)", tail)))


def bench() -> None:
    """Measure, and print the tables."""
    if is_watched():
        head = ("FROM PAGE TO PAGE", "FIRST PICTURE", "LATE, MEDIAN", "LATE, AT MOST")
        print_rows(head, [lateness(low=True), lateness(low=False)])
        print()
    print_rows(("WHAT", "FIGURE"), pushers())


# ---- a soak


def soak(seconds: float) -> int:
    """Kill workers and daemons, and cut the source, while a recording is watched; 1 when anything was lost of it."""
    with daemon() as running, ExitStack() as stack:
        recording = running.http.post("/live", json={"low_latency": True}).json()
        session = recording["session_id"]
        source = Source(running, recording, made())
        page = None
        if is_watched():
            page = stack.enter_context(browser()).new_page()
            page.goto(f"{running.url}/watch/{session}")
        begun, killed, daemons = time.monotonic(), 0, 0
        cuts = deque(cut for cut in CUTS if 3 * cut < seconds)
        wanted, was_shown = len(cuts), []
        next_kill, next_daemon, next_cut = MAKER_KILLED, seconds / (DAEMON_KILLS + 1), seconds / 5
        while (now := time.monotonic() - begun) < seconds:
            time.sleep(0.25)
            if now > next_kill:
                next_kill += MAKER_KILLED
                killed += kill_worker(running, session)
            if now > next_daemon:
                next_daemon += seconds / (DAEMON_KILLS + 1)
                running.kill()
                daemons += 1
            if cuts and now > next_cut:
                next_cut = now + cuts[0] + seconds / 5
                source.cut(cuts.popleft())
            if page is not None:
                was_shown.append(page.evaluate("[video.currentTime, document.getElementById('status').textContent]"))
        source.stop()
        sent = [frames(bytes(stream)) for stream in source.streams]
        files = running.http.get(f"/sessions/{session}/files").json()
        kept = [fetched(running.http, f"/sessions/{session}/files/original?part={part}") for part in range(len(files))]
        found = shown(running.http, session)
        text = running.http.get(f"/sessions/{session}/video/index.m3u8").text
    failed = [status for _, status in was_shown if "failed" in status]
    is_same = kept == [bytes(stream) for stream in source.streams]
    rows: list[tuple[str, str, bool]] = [
        ("workers killed", str(killed), True),
        ("daemons killed, connections of the source", f"{daemons}, {source.connections}", True),
        ("the source cut, discontinuities", f"{wanted}, {text.count('DISCONTINUITY')}", True),
        ("bytes sent, kept the same", f"{sum(map(len, source.streams)):,}, {'all' if is_same else 'NOT ALL'}", is_same),
        ("frames sent, shown", f"{sum(sent)}, {sum(found)}", sum(sent) == sum(found)),
        ("the playlist is over", str("#EXT-X-ENDLIST" in text), "#EXT-X-ENDLIST" in text),
    ]
    if was_shown:
        rows.append(("the viewer has seen", f"{was_shown[-1][0]:.0f} of {seconds:.0f} s", True))
        rows.append(("the viewer's errors", ", ".join(sorted(set(failed))) or "none", not failed))
    print_rows(("WHAT", "FIGURE", ""), [(what, figure, "" if right else "WRONG") for what, figure, right in rows])
    return 0 if all(right for *_, right in rows) else 1


def kill_worker(running: Daemon, session: str) -> int:
    """Kill the process that makes the segments; return how many were."""
    with suppress(httpx.HTTPError, ProcessLookupError):
        pid = running.http.get(f"/sessions/{session}").json().get("packager")
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            return 1
    return 0
