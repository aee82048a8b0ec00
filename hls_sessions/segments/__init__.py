"""What is on disk, of one session and of all: directory, cache, quota, budget, and what a crash has left behind."""

from hls_sessions.segments.budget import Budget, Estimate, Likelihood, dispensable
from hls_sessions.segments.cache import Reporter, SegmentCache
from hls_sessions.segments.directory import SegmentDirectory, end_processes, orphans, record_process
from hls_sessions.segments.quota import Account, Lack, Ledger, MakeRoom, RoomMade, free_bytes

__all__ = [
    "Account",
    "Budget",
    "Estimate",
    "Lack",
    "Ledger",
    "Likelihood",
    "MakeRoom",
    "Reporter",
    "RoomMade",
    "SegmentCache",
    "SegmentDirectory",
    "dispensable",
    "end_processes",
    "free_bytes",
    "orphans",
    "record_process",
]
