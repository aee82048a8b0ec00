"""Sources that are fetched from elsewhere: which are allowed, and a thread each that fetches one."""

from __future__ import annotations

import logging
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from hls_sessions.errors import NotPlayable, SessionError, SourceRefused
from hls_sessions.ffmpeg import PULL, Access, WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Collection

    from hls_sessions.ffmpeg import Binary, Worker, Workers
    from hls_sessions.live.inlet import Inlet, Input

logger = logging.getLogger(__name__)

PROTOCOLS: Final = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsps,rtsp,rtp,tls,tcp",
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmps,tls,tcp",
    "srt": "srt,udp",
    "http": "http,tcp",
    "https": "https,http,tls,tcp",
    "udp": "udp",
}
"""The protocols that libav may use, by the scheme of an address."""

ENDS: Final = {"http", "https"}
"""Schemes of which the end of a stream is the end of the recording: another request would bring the same again."""

BY_FFMPEG: Final = {"srt"}
"""Schemes that ffmpeg fetches, because PyAV's libav does not have them."""

ANY: Final = "*"

FIRST_PAUSE: Final = 0.5
"""Seconds until a source that was lost is tried again; twice as long after each try in vain."""

LONGEST_PAUSE: Final = 8.0

LOOK: Final = 0.5
"""Seconds between two looks whether the recording is over."""


def judge_source(url: str, allowed: Collection[str]) -> None:
    """Refuse an address that no allowed one covers: it has its scheme, its host or ``*``, and its port if it names one.

    Raises:
        SourceRefused: none does, or it is no address of a stream.
    """
    try:
        wanted = urlsplit(url)
        port = wanted.port
    except ValueError:
        raise SourceRefused from None
    # Of others, a program could read more than one address.
    is_plain = url.isascii() and url.isprintable()
    if is_plain and wanted.scheme in PROTOCOLS and wanted.hostname:
        for each in allowed:
            may = urlsplit(each)
            host = may.hostname in {wanted.hostname, ANY}
            if may.scheme == wanted.scheme and host and (may.port is None or may.port == port):
                return
    raise SourceRefused


class Puller:
    """Fetches the source of one recording, again and again until the recording is over. It has a thread of its own."""

    def __init__(self, url: str, inlet: Inlet, workers: Workers, ffmpeg: Binary) -> None:
        """Begin to fetch.

        Raises:
            RuntimeError: no thread can be started.
        """
        self._url = url
        self._inlet = inlet
        self._workers = workers
        self._ffmpeg = ffmpeg
        self._source: Input | None = None
        """The hold on the inlet; None until something has come."""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it may still fetch something."""
        return self._thread.is_alive()

    def close(self) -> None:
        """End, and return when nothing is fetched any more."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._is_over:
            worker, has_come = None, False
            try:
                worker = self._workers.start(PULL)
                scheme = urlsplit(self._url).scheme
                protocols = PROTOCOLS[scheme]
                worker.send(
                    {
                        "url": self._url,
                        "protocols": protocols,
                        "confined": self._workers.confined,
                        "program": self._program if scheme in BY_FFMPEG else None,
                    }
                )
                why = self._pass_on(worker)
                logger.info("a source was lost: %s", why or "it has ended")
                if why is None and self._source is not None and scheme in ENDS:
                    self._source.stop()
            except (OSError, WorkerFailed, SessionError) as error:
                logger.warning("a source is not fetched: %s", error)
            finally:
                if worker is not None:
                    worker.end()
                has_come = self._leave()
            pause = FIRST_PAUSE if has_come else min(2 * pause, LONGEST_PAUSE)
            self._closing.wait(pause)

    @property
    def _program(self) -> dict[str, Any]:
        """The program that fetches it, and what it needs; everything, where it does not run in a sandbox."""
        sandbox = self._ffmpeg.sandbox
        needs = None if sandbox is None else sandbox.program
        return {"path": self._ffmpeg.path, "needs": asdict(needs or Access(files=False, forks=True))}

    def _pass_on(self, worker: Worker) -> str | None:
        """Keep the bytes that come; return why no more do, None where the stream has ended."""
        while not self._is_over:
            try:
                message = worker.receive(LOOK)
            except TimeoutError:
                continue
            except WorkerFailed as error:
                return str(error)
            if "ended" in message.body:
                why: str | None = message.body["ended"]
                if message.body["for_ever"]:
                    self._inlet.end(f"it cannot be fetched: {why}", NotPlayable(urlsplit(self._url).scheme, str(why)))
                return why
            if self._source is None:
                self._source = self._inlet.take(new_stream=True)
            self._source.write(self._source.next, message.payload)
        return "the recording is over"

    def _leave(self) -> bool:
        """Leave the inlet; return whether anything has come."""
        source, self._source = self._source, None
        if source is not None:
            source.close()
        return source is not None

    @property
    def _is_over(self) -> bool:
        return self._closing.is_set() or self._inlet.over is not None
