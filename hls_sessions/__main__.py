"""``python -m hls_sessions`` is ``hls-sessions``."""

from hls_sessions.cli import main

main()
