"""What is known of a file and what is offered of it: facts, timeline, renditions, playlists.

Pure: values in, text out.
"""

from hls_sessions.media.boxes import BrokenSegment, Segment, read_segment, read_track
from hls_sessions.media.facts import AudioTrack, Media, VideoTrack
from hls_sessions.media.playlists import master_playlist, media_playlist
from hls_sessions.media.renditions import AudioRendition, Presentation, Rendition, VideoRendition
from hls_sessions.media.timeline import AAC_FRAME, AUDIO_RATE, Cuts, Timeline, timeline

__all__ = [
    "AAC_FRAME",
    "AUDIO_RATE",
    "AudioRendition",
    "AudioTrack",
    "BrokenSegment",
    "Cuts",
    "Media",
    "Presentation",
    "Rendition",
    "Segment",
    "Timeline",
    "VideoRendition",
    "VideoTrack",
    "master_playlist",
    "media_playlist",
    "read_segment",
    "read_track",
    "timeline",
]
