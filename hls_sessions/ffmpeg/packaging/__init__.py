"""Copies: a process per session keeps the film open, and makes any copied segment in milliseconds, without a run."""

from hls_sessions.ffmpeg.packaging.packager import Packaged, Packager, film_of, request_for

__all__ = ["Packaged", "Packager", "film_of", "request_for"]
