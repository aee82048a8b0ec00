"""Which sessions exist: opening, finding, listing, closing, and clearing away what an earlier life left."""

from hls_sessions.supervisor.events import Subscription
from hls_sessions.supervisor.filter import Filter
from hls_sessions.supervisor.health import Health
from hls_sessions.supervisor.janitor import Round
from hls_sessions.supervisor.library import Library
from hls_sessions.supervisor.many import Changes, Outcome
from hls_sessions.supervisor.stats import Stats
from hls_sessions.supervisor.stream import Stream
from hls_sessions.supervisor.supervisor import Supervisor

__all__ = [
    "Changes",
    "Filter",
    "Health",
    "Library",
    "Outcome",
    "Round",
    "Stats",
    "Stream",
    "Subscription",
    "Supervisor",
]
