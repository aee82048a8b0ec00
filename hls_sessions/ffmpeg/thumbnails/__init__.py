"""Thumbnails of films, made from keyframes in confined processes of low priority."""

from hls_sessions.ffmpeg.thumbnails.maker import ThumbnailMaker

__all__ = ["ThumbnailMaker"]
