"""Small films with known frames, made by ffmpeg's own sources: every test states the properties of its file."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from dataclasses import InitVar, astuple, dataclass
from pathlib import Path

from hls_sessions.ffmpeg import find


@dataclass(frozen=True, slots=True)
class Clip:
    """The properties of a film.

    The default is an ordinary one: 25 fps, B-frames, long GOPs, audio. Its video has to be encoded, because players do
    not take 4:2:2.
    """

    seconds: float = 6.0
    rate: str = "25"
    """Frames per second, as ffmpeg writes it: ``30000/1001``."""
    size: str = "320x180"
    container: str = "mp4"
    """The file name's extension, which chooses the muxer."""
    video: str | None = "libx264"
    """The video encoder; None for audio alone."""
    pixels: str = "yuv422p"
    """The pixel format, as ffmpeg spells it; players take yuv420p as it is."""
    b_frames: int = 2
    gop: int = 77
    """Frames between keyframes at most; an odd number falls on no segment boundary."""
    audio: str | None = "aac"
    """The audio encoder; None for a silent film. Players take aac as it is."""
    audio_rate: int = 44_100
    audio_seconds: float | None = None
    """Length of the audio in seconds, where it differs from the video's."""
    subtitles: tuple[str, ...] = ()
    """The subtitle tracks, as SubRip, ASS or WebVTT writes them; surrogates stand for bytes that are no UTF-8."""
    options: tuple[str, ...] = ()
    """More output options."""
    sound_seconds: InitVar[float | None] = None
    """The former name of ``audio_seconds``."""

    def __post_init__(self, sound_seconds: float | None) -> None:
        """Take a length under its former name."""
        if sound_seconds is not None:
            object.__setattr__(self, "audio_seconds", sound_seconds)


def make(clip: Clip, folder: Path, name: str | None = None) -> Path:
    """Make a film in a folder, or return the one that is there already.

    Raises:
        subprocess.CalledProcessError: ffmpeg cannot make such a film.
    """
    digest = hashlib.sha256(repr(astuple(clip)).encode()).hexdigest()[:12]
    path = folder / (name or f"{digest}.{clip.container}")
    if path.exists():
        return path
    inputs: list[str] = []
    outputs: list[str] = []
    if clip.video:
        inputs += ["-f", "lavfi", "-i", f"testsrc2=size={clip.size}:rate={clip.rate}:duration={clip.seconds}"]
        outputs += ["-c:v", clip.video, "-pix_fmt", clip.pixels, "-g", str(clip.gop)]
        outputs += ["-preset", "ultrafast", "-bf", str(clip.b_frames)] if clip.video == "libx264" else []
    if clip.audio:
        seconds = clip.audio_seconds or clip.seconds
        inputs += ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate={clip.audio_rate}:duration={seconds}"]
        outputs += ["-c:a", clip.audio]
    with tempfile.TemporaryDirectory() as scratch:
        for number, text in enumerate(clip.subtitles):
            file = Path(scratch, str(number))
            file.write_bytes(text.encode(errors="surrogateescape"))
            inputs += ["-i", f"file:{file}"]
        if clip.subtitles:
            outputs += [argument for number in range(inputs.count("-i")) for argument in ("-map", str(number))]
            outputs += ["-c:s", "mov_text" if clip.container in {"mp4", "mov", "m4a"} else "copy"]
        part = path.with_name(f".{path.name}.part.{clip.container}")
        command = [find(), "-v", "error", "-nostdin", "-y", *inputs, *outputs, *clip.options, f"file:{part}"]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - an argument list, no shell
    part.replace(path)
    return path
