"""Live input: what arrives is kept first, and understood afterwards."""

from hls_sessions.live.client import RecordedFile, Recording, recorded_files
from hls_sessions.live.exports import KINDS, Exports
from hls_sessions.live.inlet import Inlet, Input, SourceState
from hls_sessions.live.journal import Journal, Part
from hls_sessions.live.ledger import Facts, Ledger, Section
from hls_sessions.live.playlists import init_name, live_playlist
from hls_sessions.live.server import RecordingServer
from hls_sessions.live.sources import Puller, judge_source
from hls_sessions.live.spec import RecordingSpec
from hls_sessions.live.syncer import Syncer
from hls_sessions.live.timeline import GrowingTimeline, LivePart

__all__ = [
    "KINDS",
    "Exports",
    "Facts",
    "GrowingTimeline",
    "Inlet",
    "Input",
    "Journal",
    "Ledger",
    "LivePart",
    "Part",
    "Puller",
    "RecordedFile",
    "Recording",
    "RecordingServer",
    "RecordingSpec",
    "Section",
    "SourceState",
    "Syncer",
    "init_name",
    "judge_source",
    "live_playlist",
    "recorded_files",
]
