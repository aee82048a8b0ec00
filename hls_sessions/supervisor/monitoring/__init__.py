"""How the supervisor and its sessions are: a look at all of them, figures, health, and metrics."""

from hls_sessions.supervisor.monitoring.health import Health
from hls_sessions.supervisor.monitoring.stats import Stats
from hls_sessions.supervisor.monitoring.trend import Hour

__all__ = ["Health", "Hour", "Stats"]
