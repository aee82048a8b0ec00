"""The sessions that exist: opening, finding, listing, closing them, and clearing away leftovers of earlier daemons."""

from hls_sessions.supervisor.awaitable import AsyncSession, AsyncSupervisor
from hls_sessions.supervisor.bulk import Changes, Outcome
from hls_sessions.supervisor.bus import Subscription
from hls_sessions.supervisor.filter import Filter
from hls_sessions.supervisor.janitor import Sweep
from hls_sessions.supervisor.media_browser import Listing
from hls_sessions.supervisor.media_roots import MediaRoots
from hls_sessions.supervisor.monitoring.health import Health
from hls_sessions.supervisor.monitoring.stats import Stats
from hls_sessions.supervisor.monitoring.trend import Hour
from hls_sessions.supervisor.stream import Stream
from hls_sessions.supervisor.supervisor import Supervisor
from hls_sessions.supervisor.tree import ProcessNode

__all__ = [
    "AsyncSession",
    "AsyncSupervisor",
    "Changes",
    "Filter",
    "Health",
    "Hour",
    "Listing",
    "MediaRoots",
    "Outcome",
    "ProcessNode",
    "Stats",
    "Stream",
    "Subscription",
    "Supervisor",
    "Sweep",
]
