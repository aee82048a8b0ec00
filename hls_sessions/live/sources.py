"""Sources that are fetched from elsewhere: which are allowed, and a thread each that fetches one."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from hls_sessions.errors import SessionError, SourceRefused
from hls_sessions.ffmpeg import PULL, WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Collection

    from hls_sessions.ffmpeg import Worker, Workers
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
    if wanted.scheme in PROTOCOLS and wanted.hostname:
        for each in allowed:
            may = urlsplit(each)
            host = may.hostname in {wanted.hostname, ANY}
            if may.scheme == wanted.scheme and host and (may.port is None or may.port == port):
                return
    raise SourceRefused


class Puller:
    """Fetches the source of one recording, again and again until the recording is over. It has a thread of its own."""

    def __init__(self, url: str, inlet: Inlet, workers: Workers) -> None:
        """Begin to fetch.

        Raises:
            RuntimeError: no thread can be started.
        """
        self._url = url
        self._inlet = inlet
        self._workers = workers
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
            worker = None
            source: Input | None = None
            try:
                worker = self._workers.start(PULL)
                scheme = urlsplit(self._url).scheme
                protocols = PROTOCOLS[scheme]
                worker.send({"url": self._url, "protocols": protocols, "confined": self._workers.confined})
                source, why = self._pass_on(worker)
                logger.info("a source was lost: %s", why or "it has ended")
                if why is None and source is not None and scheme in ENDS:
                    source.stop()
            except (OSError, WorkerFailed, SessionError) as error:
                logger.warning("a source is not fetched: %s", error)
            finally:
                if worker is not None:
                    worker.end()
                if source is not None:
                    source.close()
            pause = FIRST_PAUSE if source is not None else min(2 * pause, LONGEST_PAUSE)
            self._closing.wait(pause)

    def _pass_on(self, worker: Worker) -> tuple[Input | None, str | None]:
        """Keep what comes; return the hold on the inlet, if anything came, and why no more does."""
        source: Input | None = None
        while not self._is_over:
            try:
                message = worker.receive(LOOK)
            except TimeoutError:
                continue
            except WorkerFailed as error:
                return source, str(error)
            if "ended" in message.body:
                return source, message.body["ended"]
            if source is None:
                source = self._inlet.take(new_stream=True)
            source.write(source.next, message.payload)
        return source, "the recording is over"

    @property
    def _is_over(self) -> bool:
        return self._closing.is_set() or self._inlet.over is not None
