"""The subtitle tracks of a file as cues, read in a worker process, each file once for all callers."""

from hls_sessions.ffmpeg.subtitles.reader import SubtitleReader

__all__ = ["SubtitleReader"]
