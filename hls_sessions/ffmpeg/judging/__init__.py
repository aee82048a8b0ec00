"""Media that others have made, for judging: its packets, and whether they decode, read by a confined process."""

from hls_sessions.ffmpeg.judging.packets import Packet, Track, Unreadable
from hls_sessions.ffmpeg.judging.reader import Decoded, PacketReader

__all__ = ["Decoded", "Packet", "PacketReader", "Track", "Unreadable"]
