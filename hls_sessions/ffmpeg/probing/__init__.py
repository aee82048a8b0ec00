"""Probing: the facts of a file and the index of its video, read in a worker process, each file once.

``prober`` asks and remembers; ``cache`` is how answers outlive the daemon. ``worker`` runs in the process that opens
the file and calls the other modules, each of which reads one kind of fact.
"""

from hls_sessions.ffmpeg.probing.cache import ProbeCache
from hls_sessions.ffmpeg.probing.prober import Prober

__all__ = ["ProbeCache", "Prober"]
