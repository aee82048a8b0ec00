"""One rendition's encoders: the policy, the slots of all sessions, the runs and the packager, and what they publish."""

from hls_sessions.encoding.info import GapInfo, RenditionInfo, RunInfo
from hls_sessions.encoding.packager import Copier, CopierCheck, PackagerAnswered, PackagerExited
from hls_sessions.encoding.policy import Limits
from hls_sessions.encoding.rendition import Lane, Workshop
from hls_sessions.encoding.run import FileClosed, RunExited
from hls_sessions.encoding.scheduler import PaceChanged, Pacer
from hls_sessions.encoding.watcher import Watcher, WatcherServer

__all__ = [
    "Copier",
    "CopierCheck",
    "FileClosed",
    "GapInfo",
    "Lane",
    "Limits",
    "PaceChanged",
    "Pacer",
    "PackagerAnswered",
    "PackagerExited",
    "RenditionInfo",
    "RunExited",
    "RunInfo",
    "Watcher",
    "WatcherServer",
    "Workshop",
]
