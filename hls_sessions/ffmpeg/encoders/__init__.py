"""The encoders: a file each."""

from hls_sessions.ffmpeg.encoders.encoder import Encoder
from hls_sessions.ffmpeg.encoders.software import ENCODER as SOFTWARE

__all__ = ["SOFTWARE", "Encoder"]
