"""What operators type: the examples that each command's help ends with. A test has the command line read each."""

from __future__ import annotations

from typing import Final

EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "serve": (
        "hls-sessions serve --media /films",
        "hls-sessions serve --media /films --cluster tv-1:8642",
        "HLS_SESSIONS_CONFIG=settings.toml hls-sessions serve --host 0.0.0.0 --token secret",
    ),
    "start": (
        "hls-sessions start film.mkv --user anna",
        "hls-sessions start film.mkv --start-at 90 --open",
        "hls-sessions start film.mkv --json | jq -r .session_id",
    ),
    "list": (
        "hls-sessions list --watch",
        "hls-sessions list --user anna --state active",
        "hls-sessions list --json | jq -r '.[].session_id'",
    ),
    "top": ("hls-sessions top", "hls-sessions top --interval 5 --url http://127.0.0.1:8642"),
    "info": ("hls-sessions info 7f3a", "hls-sessions info 7f3a --json | jq .renditions"),
    "events": ("hls-sessions events", "hls-sessions events 7f3a", "hls-sessions events --json | jq .event"),
    "history": ("hls-sessions history 7f3a", "hls-sessions history 7f3a --json"),
    "log": ("hls-sessions log 7f3a --follow", "hls-sessions log 7f3a --rendition video-720p"),
    "pause": (
        "hls-sessions pause 7f3a --position 90",
        "hls-sessions pause 7f3a --json > snapshot.json",
        "hls-sessions pause --idle-for 10m",
    ),
    "resume": ("hls-sessions resume 7f3a", "hls-sessions resume --snapshot - < snapshot.json"),
    "stop": (
        "hls-sessions stop 7f3a",
        "hls-sessions stop --user anna --older-than 1h30m",
        "hls-sessions stop --all --yes --json",
    ),
    "update": ("hls-sessions update 7f3a --idle-timeout 1h", "hls-sessions update --user anna --subscriber-ttl 5m"),
    "export": (
        "hls-sessions export film.mkv -o film.mp4",
        "hls-sessions export 7f3a --rendition video-480p --audio audio-1",
        "hls-sessions export film.mkv --rendition none -o song.m4a",
    ),
    "record": (
        "hls-sessions record film.mkv --title 'At the lake'",
        "ffmpeg -i rtsp://camera/1 -c copy -f matroska - | hls-sessions record --title Door",
        "hls-sessions record --source rtsp://camera/1",
    ),
    "recordings": ("hls-sessions recordings", "hls-sessions recordings --json | jq '.[].id'"),
    "download": (
        "hls-sessions download 5d0e -o lake.mkv",
        "hls-sessions download 5d0e --kind audio",
        "hls-sessions download 5d0e -o - | ffprobe -",
    ),
    "nodes": ("hls-sessions nodes", "hls-sessions nodes --json | jq -r '.[] | select(.alive) | .name'"),
    "drain": ("hls-sessions drain tv-2", "hls-sessions drain tv-2 --url http://tv-1:8642"),
    "undrain": ("hls-sessions undrain tv-2", "hls-sessions undrain tv-2 --url http://tv-1:8642"),
    "stats": ("hls-sessions stats", "hls-sessions stats --json | jq .viewers_waiting"),
    "health": ("hls-sessions health", "hls-sessions health --json | jq -r '.reasons[]'"),
    "settings": ("hls-sessions settings", "hls-sessions settings set idle_timeout=10m max_sessions=200"),
    "config": (
        "hls-sessions config settings.toml",
        "HLS_SESSIONS_CONFIG=settings.toml hls-sessions config",
        "hls-sessions config --json | jq .idle_timeout",
    ),
    "probe": ("hls-sessions probe film.mkv", "hls-sessions probe film.mkv --json | jq .notes"),
    "doctor": ("hls-sessions doctor", "hls-sessions doctor --ffmpeg /opt/ffmpeg/bin/ffmpeg"),
    "verify": (
        "hls-sessions verify http://127.0.0.1:8642/sessions/7f3a/master.m3u8",
        "hls-sessions verify https://example.com/film/master.m3u8 --source film.mkv --json",
    ),
    "guide": ("hls-sessions guide", "hls-sessions guide operations"),
}
"""By command."""


def epilog_of(command: str) -> str:
    """Return what the help of a command ends with."""
    # \b: the lines are shown as they are.
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in EXAMPLES[command])
