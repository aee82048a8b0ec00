"""A server of RTSP (RFC 2326) on this machine. It sends one stream as fast as its client takes it, and hangs up."""

from __future__ import annotations

import re
import socket
import socketserver
import subprocess
from contextlib import contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING

from hls_sessions.ffmpeg import find

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BOUND = 60
SPEED = "4"
"""Times the natural speed at which ffmpeg sends a stream, so that none of its datagrams is lost."""


class Stream:
    """A description of a stream (SDP), and its packets of RTP, each with the number of its track."""

    def __init__(self, description: str, packets: list[tuple[int, bytes]]) -> None:
        self.description = description
        self.packets = packets

    @classmethod
    def of(cls, film: Path) -> Stream:
        """Have ffmpeg make packets of a film's video and audio."""
        with socket.socket(type=socket.SOCK_DGRAM) as video, socket.socket(type=socket.SOCK_DGRAM) as audio:
            urls = []
            for receiver in (video, audio):
                receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
                receiver.bind(("127.0.0.1", 0))
                urls.append(f"rtp://127.0.0.1:{receiver.getsockname()[1]}?rtcpport={receiver.getsockname()[1]}")
            description = film.with_suffix(".sdp")
            tracks = [argument for kind, url in zip("va", urls, strict=True) for argument in _track(kind, url)]
            command = [find(), "-v", "error", "-readrate", SPEED, "-i", film, *tracks, "-sdp_file", description]
            with subprocess.Popen(command, stdin=subprocess.DEVNULL) as sender:
                packets = []
                while sender.poll() is None or packets[-1:] != [None]:
                    ended = sender.poll() is not None
                    packets += [*_received(video, 0), *_received(audio, 1), *([None] if ended else [])]
        text = description.read_text()
        sections = text.partition("SDP:\n")[2] or text
        controlled = [f"{part}a=control:track={number}\r\n" for number, part in enumerate(_sections(sections))]
        return cls("".join(controlled), [packet for packet in packets if packet is not None])


def _track(kind: str, url: str) -> list[str]:
    return ["-map", f"0:{kind}", "-c", "copy", "-f", "rtp", url]


def _sections(text: str) -> Iterator[str]:
    head, *media = re.split(r"^(?=m=)", text, flags=re.MULTILINE)
    for number, each in enumerate(media):
        yield ((head if number == 0 else "") + each).replace("\r\n", "\n").strip().replace("\n", "\r\n") + "\r\n"


def _received(receiver: socket.socket, track: int) -> list[tuple[int, bytes]]:
    receiver.settimeout(0.02)
    packets = []
    with suppress(TimeoutError):
        while True:
            packets.append((track, receiver.recv(1 << 16)))
    # Reports (RTCP) come to the same port, and are of no use here.
    return [(number, packet) for number, packet in packets if not 200 <= packet[1] <= 204]


@contextmanager
def serving(stream: Stream) -> Iterator[str]:
    """Serve a stream; yield its address."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                while self.answer():
                    pass

        def answer(self) -> bool:
            request = []
            while line := self.rfile.readline().strip():
                request.append(line.decode())
            if not request:
                return False
            method, headers = request[0].split()[0], dict(line.split(": ", 1) for line in request[1:])
            more, body = {}, ""
            if method == "DESCRIBE":
                more, body = {"Content-Type": "application/sdp"}, stream.description
            elif method == "SETUP":
                more = {"Transport": headers["Transport"].replace("mode=play", ""), "Session": "1"}
            lines = {"CSeq": headers["CSeq"], "Content-Length": len(body), **more}
            head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
            self.wfile.write(f"RTSP/1.0 200 OK\r\n{head}\r\n{body}".encode())
            if method == "PLAY":
                for track, packet in stream.packets:
                    self.wfile.write(b"$" + bytes([2 * track]) + len(packet).to_bytes(2, "big") + packet)
            return method not in {"PLAY", "TEARDOWN"}

    with answering(Handler) as port:
        yield f"rtsp://127.0.0.1:{port}/film"


@contextmanager
def answering(handler: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    """Have each connection answered by a handler; yield the port."""

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
