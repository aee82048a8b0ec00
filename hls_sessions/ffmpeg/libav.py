"""The libraries of ffmpeg that PyAV brings, and that read files in this package."""

from __future__ import annotations


def libav_versions() -> dict[str, str]:
    """Return the versions of those that read containers and decode, by name."""
    import av  # noqa: PLC0415 - the daemon itself never loads it; its workers do

    return {name: ".".join(map(str, av.library_versions[name])) for name in ("libavformat", "libavcodec")}
