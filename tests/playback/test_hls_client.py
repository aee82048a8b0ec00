"""ffmpeg itself as the player: another's reading of the same playlists."""

from __future__ import annotations

import shutil
import subprocess

import judge

from hls_sessions.ffmpeg import find


def test_ffmpeg_plays_the_whole_url_and_decodes_as_many_frames_as_the_source_has(daemon, hls_clip):
    film = hls_clip(seconds=8, rate="24000/1001", size="320x180")
    session = daemon.open(film)

    count = ("-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framecrc", "-")
    played = subprocess.run(
        [shutil.which("ffmpeg") or find(), "-v", "error", "-i", daemon.url + session["playlist_url"], *count],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    frames = [line for line in played.stdout.splitlines() if not line.startswith("#")]
    assert len(frames) == len(judge.source_times(film))
    assert played.stderr == ""
