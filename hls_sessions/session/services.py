"""The services that all sessions share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hls_sessions.encoding import CommonRuns, Limits, Scheduler, Watcher
    from hls_sessions.ffmpeg import Binary, Encoder, SubtitleReader, Workers
    from hls_sessions.otp import Clock, Timers
    from hls_sessions.segments import Quota, SharedSegments


@dataclass(frozen=True, slots=True)
class Services:
    """The services and limits that all sessions share."""

    binary: Binary
    encoder: Encoder
    """The video encoder to use as long as it works."""
    watcher: Watcher
    subtitles: SubtitleReader
    workers: Workers
    """The source of packager processes."""
    clock: Clock
    timers: Timers
    limits: Limits
    quota: Quota
    shared: SharedSegments
    common_runs: CommonRuns
    scheduler: Scheduler
    encoder_idle_timeout: float
    """Seconds without a request for a segment after which a rendition's encoders are stopped."""
    source_patience: float = 60.0
    """Seconds for which the source of a recording may be away before the recording is over."""
    pull_patience: float = 300.0
    """The same of a source that is fetched."""
    home: Path | None = None
    """The state folder from which sessions go on in the next daemon; None if they do not."""

    def forget(self, session_id: str) -> None:
        """Forget a session that has ended and whose directory is gone."""
        self.quota.close(session_id)
        self.shared.close_session(session_id)
        self.common_runs.close(session_id)
        self.scheduler.close(session_id)
