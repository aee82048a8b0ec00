"""The files on disk, of one session and of all: directory, cache, quota, budget, and the leftovers of a crash."""

from hls_sessions.segments.budget import Budget, Estimate, Likelihood, dispensable
from hls_sessions.segments.cache import Reporter, SegmentCache
from hls_sessions.segments.directory import SegmentDirectory, end_processes, record_process
from hls_sessions.segments.orphans import new_directory, orphans, remembered_directory
from hls_sessions.segments.quota import MakeRoom, Quota, RoomMade, SessionQuota, Shortage, free_bytes

__all__ = [
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
    "Shortage",
    "dispensable",
    "end_processes",
    "free_bytes",
    "new_directory",
    "orphans",
    "record_process",
    "remembered_directory",
]
