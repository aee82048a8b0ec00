from __future__ import annotations

import pytest

from hls_sessions.errors import SessionEnded


def test_a_session_that_nobody_asks_anything_of_expires(hls_supervisor, hls_clip, hls_clock):
    supervisor = hls_supervisor(clock=hls_clock, idle_timeout=1800)
    session = supervisor.open(hls_clip(), user="anna")

    hls_clock.advance(1801)

    with pytest.raises(SessionEnded, match="nothing was asked of it for 1800 seconds"):
        session.info()
    session.directory.exists()
