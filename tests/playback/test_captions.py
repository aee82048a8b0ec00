"""Closed captions: every variant has them where the film has, and none where the playlists say that there are none."""

from __future__ import annotations

from captions import captioned

PLAYABLE = {"seconds": 2.0, "size": "320x180", "gop": 25, "pixels": "yuv420p", "audio": None, "b_frames": 0}


def test_captions_of_a_film_are_in_its_copy_and_in_what_is_encoded_of_it(hls_supervisor, hls_clip, hls_clip_folder):
    session = hls_supervisor().open(captioned(hls_clip(**PLAYABLE), hls_clip_folder / "captioned.mp4"))

    assert session.master_playlist().count('CLOSED-CAPTIONS="cc"') == 2
    for rendition in ("video-copy", "video-180p"):
        numbers = range(len(session.presentation.cuts(rendition)))
        files = [session.segment(rendition, number, timeout=60).read_bytes() for number in numbers]
        assert sum(file.count(b"GA94\x03") for file in files) == 50


def test_a_film_without_captions_says_so_in_every_variant(hls_supervisor, hls_clip):
    text = hls_supervisor().open(hls_clip(**PLAYABLE)).master_playlist()

    assert text.count("CLOSED-CAPTIONS=NONE") == text.count("#EXT-X-STREAM-INF") == 2
