"""Encoding of renditions: the policy, the slots of all sessions, the runs, the packager, and the published output."""

from hls_sessions.encoding.common_runs import CommonRuns, LookForStalls, OthersChanged
from hls_sessions.encoding.info import AwaitedSegment, GapInfo, RenditionInfo, RunInfo
from hls_sessions.encoding.packager import PackagerAnswered, PackagerCheck, PackagerExited, SessionPackager
from hls_sessions.encoding.phases import OPEN, PHASES, PROBE, REQUEST, SEND, TIMELINE, Phases, Stamps
from hls_sessions.encoding.policy import Limits
from hls_sessions.encoding.rendition import SessionRendition
from hls_sessions.encoding.run import FileClosed, RunExited
from hls_sessions.encoding.runs import Equipment
from hls_sessions.encoding.scheduler import Scheduler, SlotsChanged
from hls_sessions.encoding.setbacks import TryAgain, lacking
from hls_sessions.encoding.sharing import Sharing
from hls_sessions.encoding.source import MadeOfFile, Source
from hls_sessions.encoding.viewers import Viewers
from hls_sessions.encoding.watcher import Watcher, WatcherServer

__all__ = [
    "OPEN",
    "PHASES",
    "PROBE",
    "REQUEST",
    "SEND",
    "TIMELINE",
    "AwaitedSegment",
    "CommonRuns",
    "Equipment",
    "FileClosed",
    "GapInfo",
    "Limits",
    "LookForStalls",
    "MadeOfFile",
    "OthersChanged",
    "PackagerAnswered",
    "PackagerCheck",
    "PackagerExited",
    "Phases",
    "RenditionInfo",
    "RunExited",
    "RunInfo",
    "Scheduler",
    "SessionPackager",
    "SessionRendition",
    "Sharing",
    "SlotsChanged",
    "Source",
    "Stamps",
    "TryAgain",
    "Viewers",
    "Watcher",
    "WatcherServer",
    "lacking",
]
