"""The files on disk, of one session and of all: directory, cache, shared, quota, budget, and a crash's leftovers."""

from hls_sessions.segments.budget import Budget, Estimate, Likelihood, dispensable
from hls_sessions.segments.cache import Reporter, SegmentCache
from hls_sessions.segments.directory import SegmentDirectory, end_processes, record_process
from hls_sessions.segments.orphans import SHARED, new_directory, orphans, remembered_directory
from hls_sessions.segments.quota import MakeRoom, Quota, RoomMade, SessionQuota, Shortage, free_bytes
from hls_sessions.segments.shared import Share, SharedSegments

__all__ = [
    "SHARED",
    "Budget",
    "Estimate",
    "Likelihood",
    "MakeRoom",
    "Quota",
    "Reporter",
    "RoomMade",
    "SegmentCache",
    "SegmentDirectory",
    "SessionQuota",
    "Share",
    "SharedSegments",
    "Shortage",
    "dispensable",
    "end_processes",
    "free_bytes",
    "new_directory",
    "orphans",
    "record_process",
    "remembered_directory",
]
