"""The judgement of the playback tests as a tool: anyone's recording served as HLS, packet by packet."""

from hls_sessions.verify.findings import Finding, Looked, Received, Report
from hls_sessions.verify.verify import Unreachable, play, verify

__all__ = ["Finding", "Looked", "Received", "Report", "Unreachable", "play", "verify"]
