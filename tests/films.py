"""Films of every kind, small enough to make by the dozen: their properties, and how ffmpeg makes them.

Once a second the video flashes and the audio clicks, so that decoded frames and samples tell their intended time.
"""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import astuple, dataclass

from hypothesis import strategies as st

from hls_sessions.ffmpeg import find

ENCODERS = {
    "h264": "libx264",
    "hevc": "libx265",
    "vp9": "libvpx-vp9",
    "mp3": "libmp3lame",
    "opus": "libopus",
    "pcm": "pcm_s16le",
}
"""The encoders that are not called as their codecs are."""

B_FRAMES = {"h264", "hevc", "mpeg4", "mpeg2video"}
BROADCAST_RATES = ("25", "24000/1001", "30000/1001", "50")
"""Frames per second that MPEG-2 knows (ISO/IEC 13818-2, table 6-4), of those below."""
RATES = (*BROADCAST_RATES, "12")

FITS = {
    "mp4": (("h264", "hevc", "mpeg4", "vp9", "mpeg2video"), ("aac", "mp3", "ac3", "opus", "flac")),
    "mkv": (("h264", "hevc", "mpeg4", "vp9", "mpeg2video"), ("aac", "mp3", "ac3", "opus", "flac", "pcm")),
    "ts": (("h264", "hevc", "mpeg4", "mpeg2video"), ("aac", "mp3", "ac3", "opus")),
    "avi": (("mpeg4",), ("mp3", "ac3", "pcm")),
    "webm": (("vp9",), ("opus",)),
}
"""The video and audio codecs that a container holds; no H.264 in AVI, which has no presentation times."""

LAYOUTS = {
    "plain": (),
    "faststart": ("-movflags", "+faststart"),
    "fragmented": ("-movflags", "+frag_keyframe+empty_moov+delay_moov"),
}
"""The options for each layout of an MP4."""

SIZES = ("96x64", "64x368")
"""Tiny, and narrow but high enough to be offered in two sizes."""

DAMAGES = ("1", "100", "lt(n,40)", "gt(n,40)")
"""Amounts of noise: every byte, one in a hundred, that of the first packets, or that of later ones. A packet of which
few bytes are damaged may be decoded to another number of samples, or of channels."""

FLASHES = "lutyuv=y=val/4,drawbox=t=fill:c=white:enable='between(mod(t,1),0.25,0.25+1/({rate}))'"
TONE = "0.7*sin(2*PI*300*t)"
CLICKS = "0.7*cos(2*PI*1000*(mod(t,1)-0.25))*exp(-pow((mod(t,1)-0.25)/0.002,2))"


@dataclass(frozen=True, slots=True)
class Film:
    """The properties of a generated film."""

    seconds: float = 2.0
    rate: str = "25"
    """Frames per second, as ffmpeg writes it."""
    uneven: bool = False
    """Whether every seventh frame is shown for longer, on a clock of whole milliseconds."""
    size: str = "96x64"
    video: str = "h264"
    gop: int = 50
    b_frames: int = 0
    open_gop: bool = False
    audio: str = "aac"
    audio_rate: int = 48_000
    channels: int = 2
    lag: int = 0
    """Milliseconds by which the audio begins later than the video."""
    longer: int = 0
    """Milliseconds by which the audio is longer than the video."""
    damage: str = ""
    """How often a byte of a second audio track is damaged (the amount of ffmpeg's noise filter); without it, there is
    no second track."""
    opposite: bool = False
    """Whether the video is bright but for dark flashes, and the audio a tone: unlike every other film."""
    container: str = "mp4"
    layout: str = "plain"

    def command(self, path) -> list[str]:
        """Spell the command line that makes it."""
        video = f"testsrc2=size={self.size}:rate={self.rate}:duration={self.seconds},"
        video += FLASHES.format(rate=self.rate) + (",negate=components=y" if self.opposite else "")
        video += ",settb=1/1000,setpts='PTS+floor(N/7)*37'" if self.uneven else ""
        audio = f"aevalsrc='{TONE if self.opposite else CLICKS}':s={self.audio_rate}:d={self.audio_seconds}"
        second = ("-map", "1:a", "-bsf:a:1", f"noise=amount='{self.damage}'") if self.damage else ()
        return [
            *(find(), "-v", "error", "-nostdin", "-y"),
            *("-itsoffset", str(max(0, -self.lag) / 1000), "-f", "lavfi", "-i", video),
            *("-itsoffset", str(max(0, self.lag) / 1000), "-f", "lavfi", "-i", audio),
            *(
                "-map",
                "0:v",
                "-map",
                "1:a",
                *second,
                "-c:v",
                ENCODERS.get(self.video, self.video),
                "-pix_fmt",
                "yuv420p",
            ),
            *("-g", str(self.gop), *self._video_options()),
            *("-c:a", ENCODERS.get(self.audio, self.audio), "-ac", str(self.channels), "-b:a", "128k"),
            *(*(LAYOUTS[self.layout] if self.container == "mp4" else ()), "-strict", "experimental"),
            f"file:{path}",
        ]

    @property
    def audio_seconds(self) -> float:
        """How long the audio is."""
        return self.seconds + self.longer / 1000

    def _video_options(self) -> list[str]:
        options = ["-fps_mode:v", "passthrough", *(("-enc_time_base:v", "1:1000") if self.uneven else ())]
        if self.video == "vp9":
            return [*options, "-deadline", "realtime", "-cpu-used", "8", "-b:v", "100k"]
        if self.video == "hevc":
            parameters = f"log-level=none:pools=1:frame-threads=1:scenecut=0:keyint={self.gop}:min-keyint=1"
            parameters += f":bframes={self.b_frames}:open-gop={int(self.open_gop)}"
            return [*options, "-preset", "ultrafast", "-x265-params", parameters]
        options += ["-bf", str(self.b_frames), "-flags", "-cgop" if self.open_gop else "+cgop"]
        if self.video == "h264":
            return [*options, "-preset", "ultrafast", "-sc_threshold", "0"]
        return [*options, "-sc_threshold", "1000000000", "-q:v", "4"]

    def make(self, folder):
        """Make it in a folder, or return the one that is there already."""
        name = hashlib.sha256(repr(astuple(self)).encode()).hexdigest()[:12]
        path = folder / f"{name}.{self.container}"
        if not path.exists():
            part = path.with_name(f".{name}.part.{self.container}")
            subprocess.run(self.command(part), check=True)
            part.replace(path)
        return path


@st.composite
def films(draw) -> Film:
    """Generate films that can exist."""
    container = draw(st.sampled_from(list(FITS)))
    videos, audios = FITS[container]
    video, audio = draw(st.sampled_from(videos)), draw(st.sampled_from(audios))
    # An AVI has no presentation times and no time at which a track begins.
    timed = container != "avi"
    rate = draw(st.sampled_from(BROADCAST_RATES if video == "mpeg2video" else RATES))
    b_frames = draw(st.integers(0, 4)) if timed and video in B_FRAMES else 0
    # Open GOPs are long enough for frames that are shown before their keyframe, and short enough for many of these.
    open_gop = b_frames > 0 and draw(st.booleans())
    seconds = draw(st.integers(20, 140)) / 10
    # Both tracks last long enough for a flash and a click.
    longer = draw(st.just(0) | st.integers(max(-6000, 1000 - int(seconds * 1000)), 6000))
    # Other containers refuse packets that are none.
    damage = draw(st.sampled_from(["", "", *DAMAGES])) if container == "mkv" else ""
    # The first frame of late video is shown from the beginning on. x264 makes it grey, in video as small as this, if it
    # lasts nearly as long as the buffer of two seconds.
    lag = draw(st.integers(-3000, 3000)) if timed else 0
    return Film(
        seconds=seconds,
        rate=rate,
        uneven=timed and video != "mpeg2video" and draw(st.booleans()),
        size=draw(st.sampled_from(SIZES)),
        video=video,
        gop=draw(st.integers(8, 60) if open_gop else st.integers(1, 300)),
        b_frames=b_frames,
        open_gop=open_gop,
        audio=audio,
        audio_rate=48_000 if audio == "opus" else draw(st.sampled_from([48_000, 44_100])),
        channels=draw(st.sampled_from([2, 1])),
        lag=lag,
        longer=longer,
        damage=damage,
        container=container,
        layout=draw(st.sampled_from(list(LAYOUTS))) if container == "mp4" else "plain",
    )
