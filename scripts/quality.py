"""What a film looks like after it was encoded, and what that costs: each step of the ladder against its source.

A film is played through a session, as a viewer plays it: every segment of every step is asked for, and they are joined
with their init segment. Each frame is then compared with the frame of the source that it was made of, scaled to the
same size. So a change of the encoder's settings, or of where a film is cut, shows what it costs: the first seconds,
whose segments are short, have figures of their own.
"""

from __future__ import annotations

import re
import statistics
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hls_sessions import Supervisor
from hls_sessions.cli.screen import print_rows
from hls_sessions.ffmpeg import find_all, inspect_binary

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from hls_sessions import Session

SECONDS: Final = 10
RATE: Final = 25

FILMS: Final = {
    # Sharp edges, letters and flat colours that move: of a kind that is easy to encode, and where faults are seen.
    "drawn": f"testsrc2=size=1280x720:rate={RATE}:duration={SECONDS}",
    # Fine detail that moves, under grain: a codec's hard case.
    "grained": (
        f"mandelbrot=size=1280x720:rate={RATE}:maxiter=200:start_scale=0.3:end_scale=0.1:end_pts={SECONDS * RATE},"
        f"noise=alls=12:allf=t,trim=duration={SECONDS}"
    ),
}
"""Sources of ffmpeg (lavfi), by name: two films of different nature."""

BEGINNING: Final = 3.5
"""The segments up to that of this second are also judged alone, because they are shorter."""

PATIENCE: Final = 300.0
"""Seconds that a segment may take."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One rendition, or its beginning, against its source."""

    bytes_per_second: float
    ssim: float
    psnr: float
    """In dB, of the whole film's mean square error."""
    vmaf: float | None
    """From 0 to 100; None where no ffmpeg has libvmaf."""
    worst: float
    """The SSIM of the worst frame."""

    def cells(self) -> tuple[str, ...]:
        """Return its figures for a table."""
        vmaf = "" if self.vmaf is None else f"{self.vmaf:.1f}"
        return f"{self.bytes_per_second:,.0f}", f"{self.ssim:.4f}", f"{self.worst:.4f}", f"{self.psnr:.2f}", vmaf


def options(parser: argparse.ArgumentParser) -> None:
    """Add what can be chosen."""
    parser.add_argument(
        "--segment-length", type=float, nargs="+", default=[2.0], metavar="SECONDS", help="quality: for each of these"
    )


def run(film: Path | None, lengths: Sequence[float], scratch: Path) -> None:
    """Judge a film, or two that are generated, cut into segments of some lengths; print the tables."""
    films = {film.name: film} if film else {name: _made(name, scratch) for name in FILMS}
    for name, path in films.items():
        rows: list[tuple[str, ...]] = []
        for length in lengths:
            settings: dict[str, Any] = {"segments_dir": scratch / "segments", "segment_length": length}
            with Supervisor(media=[path.parent], copy_streams=False, **settings) as supervisor:
                session = supervisor.open(path)
                rows += [row for each in session.presentation.video for row in _rows(session, each.id, length, scratch)]
        print()
        print_rows((name.upper(), "SEGMENTS", "BYTES/S", "SSIM", "WORST FRAME", "PSNR", "VMAF"), rows)


def judge(session: Session, rendition: str, segments: Sequence[int], scratch: Path) -> Judged:
    """Compare some consecutive segments of a rendition with the source.

    Raises:
        ValueError: there are not as many frames as in the source, or the source is changed by more than its size.
    """
    cuts = session.presentation.cuts(rendition)
    offered = next(each for each in session.presentation.video if each.id == rendition)
    if offered.track.interlaced or offered.track.hdr:
        raise ValueError(
            "A film that is interlaced or HDR has other frames before it is encoded, and cannot be compared."
        )
    start, end = cuts.start(segments[0]), cuts.end(segments[-1])
    joined = scratch / "joined.mp4"
    files = [session.segment(rendition, number, timeout=PATIENCE) for number in segments]
    joined.write_bytes(b"".join(each.read_bytes() for each in (session.init(rendition), *files)))
    # Frames are compared by their number, because a container may round times. The source is scaled as it was for the
    # encoder, because the scaling is not to be judged.
    numbered = f"settb=AVTB,setpts=N/({RATE}*TB),setsar=1"
    half = 1 / (2 * offered.track.frame_rate)
    source = (
        f"[1:v]trim=start={float(start - half):.6f}:end={float(end - half):.6f},"
        f"scale={offered.width}:{offered.height}:flags=bicubic:out_range=tv,format=yuv420p,{numbered}"
    )
    measures = ["ssim", "psnr", *(["libvmaf"] if "libvmaf" in inspect_binary(_judge()).filters else [])]
    many = len(measures)
    split = [f"[0:v]{numbered},split={many}" + "".join(f"[made{n}]" for n in range(many))]
    split.append(f"{source},split={many}" + "".join(f"[source{n}]" for n in range(many)))
    log = scratch / "ssim.log"
    options = {"ssim": f"=stats_file={log}:shortest=1", "libvmaf": "=n_threads=2:shortest=1", "psnr": "=shortest=1"}
    compare = [f"[made{n}][source{n}]{name}{options[name]}[out{n}]" for n, name in enumerate(measures)]
    argv = [_judge(), "-hide_banner", "-nostdin", "-i", str(joined), "-i", str(session.presentation.media.path)]
    argv += ["-filter_complex", ";".join(split + compare)]
    for number in range(many):
        argv += ["-map", f"[out{number}]", "-f", "null", "-"]
    said = subprocess.run(argv, check=True, capture_output=True, text=True).stderr
    frames = [float(each) for each in re.findall(r"All:([\d.]+)", log.read_text())]
    wanted = sum(cuts.counts[number] for number in segments) if cuts.counts is not None else len(frames)
    if len(frames) != wanted:
        raise ValueError(f"{len(frames)} frames were compared, and the source has {wanted}")
    vmaf = re.search(r"VMAF score: ([\d.]+)", said)
    psnr = re.search(r"PSNR .*average:([\d.]+|inf)", said)
    return Judged(
        sum(each.stat().st_size for each in files) / float(end - start),
        statistics.mean(frames),
        float(psnr[1]) if psnr else float("nan"),
        float(vmaf[1]) if vmaf else None,
        min(frames),
    )


def _rows(session: Session, rendition: str, length: float, scratch: Path) -> list[tuple[str, ...]]:
    cuts = session.presentation.cuts(rendition)
    lengths = [f"{float(length):.3g}" for length in cuts.lengths()]
    beginning = range(cuts.at(BEGINNING) + 1)
    return [
        (rendition, f"all, of {length:g} s", *judge(session, rendition, range(len(cuts)), scratch).cells()),
        ("", f"first: {'+'.join(lengths[: len(beginning)])} s", *judge(session, rendition, beginning, scratch).cells()),
    ]


def _judge() -> str:
    """Return an ffmpeg with libvmaf; any other where there is none."""
    able = [each.path for each in find_all() if "libvmaf" in inspect_binary(each.path).filters]
    return able[0] if able else find_all()[0].path


def _made(name: str, scratch: Path) -> Path:
    """Make a film without loss, so that nothing but the encoder of the session changes it."""
    path = scratch / f"{name}.mkv"
    argv = [find_all()[0].path, "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", FILMS[name]]
    argv += ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", str(path)]
    subprocess.run(argv, check=True)
    return path
