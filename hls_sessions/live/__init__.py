"""Live input: what arrives is kept first, and understood afterwards."""

from hls_sessions.live.journal import Journal, Part
from hls_sessions.live.playlists import init_name, live_playlist
from hls_sessions.live.syncer import Syncer
from hls_sessions.live.timeline import GrowingTimeline, LivePart

__all__ = ["GrowingTimeline", "Journal", "LivePart", "Part", "Syncer", "init_name", "live_playlist"]
