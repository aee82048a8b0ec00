"""The facts of a file and how it is offered: timeline, renditions, playlists, segments.

Pure: values in, values out. Nothing here reads a file by name, starts a process or keeps time.
"""

from hls_sessions.media.chapters import ShownChapter, chapter_list, chapter_track, chapters_of
from hls_sessions.media.codecs import NotCopied, audio_codecs, video_codecs
from hls_sessions.media.compressed_text import CompressedText
from hls_sessions.media.facts import AudioCopy, AudioTrack, Chapter, Media, SubtitleTrack, VideoCopy, VideoTrack
from hls_sessions.media.file_names import readable, spellings
from hls_sessions.media.filler import PLAIN_AAC, filler_of, filler_segment
from hls_sessions.media.fingerprint import fingerprint
from hls_sessions.media.fmp4 import (
    BrokenSegment,
    Segment,
    read_codec,
    read_segment,
    read_time_scale,
    read_track,
    same_audio,
    same_codec,
    same_form,
)
from hls_sessions.media.nal import recovery_frames, refreshes
from hls_sessions.media.playlists import (
    VERSION,
    first_asked,
    is_written,
    master_playlist,
    media_playlist,
    playlist,
)
from hls_sessions.media.progressive import Line, ProgressiveFile, Text, lines_of, media_data
from hls_sessions.media.renditions import (
    SURROUND_CHANNELS,
    AudioRendition,
    CopiedVideo,
    Presentation,
    Rendition,
    VideoRendition,
)
from hls_sessions.media.segment_check import Refused, check_segment, check_text, is_short
from hls_sessions.media.subtitles import SubtitleRendition
from hls_sessions.media.thumbnails import FOLDER as THUMBNAILS
from hls_sessions.media.thumbnails import Sheet, Thumbnails, thumbnails_of
from hls_sessions.media.timeline import AAC_FRAME, AUDIO_RATE, OFFSET, Cuts, Timeline, aac_frame_at, timeline
from hls_sessions.media.webvtt import Cue, cue_text, webvtt_file, webvtt_segment

__all__ = [
    "AAC_FRAME",
    "AUDIO_RATE",
    "OFFSET",
    "PLAIN_AAC",
    "SURROUND_CHANNELS",
    "THUMBNAILS",
    "VERSION",
    "AudioCopy",
    "AudioRendition",
    "AudioTrack",
    "BrokenSegment",
    "Chapter",
    "CompressedText",
    "CopiedVideo",
    "Cue",
    "Cuts",
    "Line",
    "Media",
    "NotCopied",
    "Presentation",
    "ProgressiveFile",
    "Refused",
    "Rendition",
    "Segment",
    "Sheet",
    "ShownChapter",
    "SubtitleRendition",
    "SubtitleTrack",
    "Text",
    "Thumbnails",
    "Timeline",
    "VideoCopy",
    "VideoRendition",
    "VideoTrack",
    "aac_frame_at",
    "audio_codecs",
    "chapter_list",
    "chapter_track",
    "chapters_of",
    "check_segment",
    "check_text",
    "cue_text",
    "filler_of",
    "filler_segment",
    "fingerprint",
    "first_asked",
    "is_short",
    "is_written",
    "lines_of",
    "master_playlist",
    "media_data",
    "media_playlist",
    "playlist",
    "read_codec",
    "read_segment",
    "read_time_scale",
    "read_track",
    "readable",
    "recovery_frames",
    "refreshes",
    "same_audio",
    "same_codec",
    "same_form",
    "spellings",
    "thumbnails_of",
    "timeline",
    "video_codecs",
    "webvtt_file",
    "webvtt_segment",
]
