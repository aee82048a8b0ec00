"""Pictures and chapters of a film over HTTP: whoever knows the id of a session may see them."""

from __future__ import annotations

import os
import subprocess

import m3u8
import pytest

from hls_sessions.ffmpeg import find
from hls_sessions.testing import Clip, make

CHAPTERS = """;FFMETADATA1
[CHAPTER]
TIMEBASE=1/1000
START=0
END=2000
title=One & <two>
[CHAPTER]
TIMEBASE=1/1000
START=2000
END=9000
[CHAPTER]
TIMEBASE=1/1000
START=20000
END=30000
title=After the end
"""


@pytest.fixture(scope="module")
def film(hls_clip_folder):
    plain = make(Clip(seconds=5, size="160x90"), hls_clip_folder)
    text, film = hls_clip_folder / "chapters.txt", hls_clip_folder / "chapters.mkv"
    text.write_text(CHAPTERS)
    inputs = ["-i", str(plain), "-i", str(text)]
    subprocess.run([find(), "-v", "error", "-y", *inputs, "-map_chapters", "1", "-c", "copy", str(film)], check=True)
    return film


def test_the_chapters_are_told_in_the_session_as_a_track_and_in_the_master_playlist(http, session):
    base = f"/sessions/{session['session_id']}"
    chapters = session["chapters"]
    track = http.get(f"{base}/chapters.vtt")
    [data] = m3u8.loads(http.get(f"{base}/master.m3u8").text).session_data
    listed = http.get(f"{base}/{data.uri}").json()

    assert [title for _, _, title in chapters] == ["One & <two>", "Chapter 2"]
    assert chapters[0][:2] == [0, pytest.approx(2, abs=0.05)]
    assert chapters[1][1] == pytest.approx(session["duration"])
    assert track.headers["content-type"].startswith("text/vtt")
    assert "One &amp; &lt;two&gt;\n" in track.text
    assert data.data_id == "com.apple.hls.chapters"
    assert [chapter["titles"][0]["title"] for chapter in listed] == ["One & <two>", "Chapter 2"]
    assert listed[1]["start-time"] == pytest.approx(chapters[1][0], abs=0.001)


def test_a_film_without_chapters_promises_none(http, hls_clip):
    session = http.post("/sessions", json={"media": hls_clip(seconds=5, size="160x90").name}).json()

    assert session["chapters"] == []
    assert "SESSION-DATA" not in http.get(session["playlist_url"]).text


@pytest.mark.parametrize("name", ["thumbnail", "thumbnail?at=3.5", "thumbnail?at=-1", "thumbnail?at=1e300"])
def test_a_thumbnail_is_a_jpeg(http, session, name):
    answer = http.get(f"/sessions/{session['session_id']}/{name}")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.content.startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("thumbnail?at=x", 400),
        ("thumbnail?at=nan", 400),
        ("thumbnails/6.jpg", 404),
        ("thumbnails/-1.jpg", 404),
        ("thumbnails/99999999999999999999.jpg", 404),
        ("thumbnails/sheet-1.jpg", 404),
        ("thumbnails/sheet-x.jpg", 404),
    ],
)
def test_a_picture_that_there_is_not_is_refused(http, session, name, status):
    assert http.get(f"/sessions/{session['session_id']}/{name}").status_code == status


def test_every_picture_that_the_playlist_and_the_track_name_is_there(http, session):
    folder = f"/sessions/{session['session_id']}/thumbnails"
    [images] = m3u8.loads(http.get(session["playlist_url"]).text).iframe_playlists
    playlist = m3u8.loads(http.get(f"/sessions/{session['session_id']}/{images.uri}").text)
    track = http.get(f"{folder}/index.vtt").text
    names = [segment.uri for segment in playlist.segments]
    names += [line.partition("#")[0] for line in track.splitlines() if "#xywh" in line]

    assert images.iframe_stream_info.codecs == "mjpg"
    assert len(names) == 2 * len(playlist.segments) == 12
    assert {http.get(f"{folder}/{name}").headers["content-type"] for name in names} == {"image/jpeg"}


@pytest.mark.parametrize("name", ["thumbnail", "thumbnails/index.m3u8", "thumbnails/index.vtt", "thumbnails/0.jpg"])
def test_a_film_without_video_has_no_pictures(http, hls_clip, name):
    session = http.post("/sessions", json={"media": hls_clip(video=None).name}).json()

    assert http.get(f"/sessions/{session['session_id']}/{name}").status_code == 404
    assert "I-FRAME" not in http.get(session["playlist_url"]).text


@pytest.mark.parametrize("name", ["thumbnail", "thumbnails/index.vtt", "chapters.vtt", "chapters.json"])
def test_a_session_that_there_is_not_has_no_pictures(http, name):
    assert http.get(f"/sessions/nobody/{name}").status_code == 404


def test_looking_at_pictures_is_no_activity(http, session):
    before = http.get("/sessions").json()[-1]["last_activity_at"]
    http.get(f"/sessions/{session['session_id']}/thumbnail")

    assert http.get("/sessions").json()[-1]["last_activity_at"] == before


def test_a_recording_that_goes_on_has_no_pictures(http):
    recording = http.post("/live", json={}).json()

    for name in ("thumbnail", "thumbnails/index.m3u8", "chapters.vtt"):
        assert http.get(f"/sessions/{recording['session_id']}/{name}").status_code == 404


def test_the_files_are_listed_searched_and_shown_by_posters(http, film, hls_clip):
    listing = http.get("/media", params={"search": film.name}).json()
    [found] = listing["files"]
    poster = http.get("/media/poster", params={"media": found["path"]})

    assert found["path"] == str(film)
    assert (poster.status_code, poster.headers["content-type"]) == (200, "image/jpeg")
    assert http.get("/media/poster", params={"media": "nowhere.mkv"}).status_code == 404
    assert http.get("/media/poster", params={"media": str(hls_clip(video=None))}).status_code == 204
    assert http.get("/media", params={"folder": "/etc"}).status_code == 403


def test_the_processes_the_hour_and_the_log_are_told(http, session):
    http.get(f"/sessions/{session['session_id']}/video-90p/0.m4s")
    [running] = http.get(f"/sessions/{session['session_id']}/log").json() or [None]

    assert [child["id"] for child in http.get("/processes").json()["children"]][2] == "sessions"
    assert http.get("/stats/hour").json().keys() >= {"at", "sessions", "encoders", "first_segment"}
    assert running is None or running["process"] == "video-90p run 1"


def test_files_whose_names_are_no_utf_8_are_listed_and_can_be_opened(http, media, film):
    name = os.fsdecode(b"caf\xe9.mkv")
    (media / name).symlink_to(film)
    [found] = http.get("/media", params={"search": "caf", "folder": str(media)}).json()["files"]

    assert found["name"] == "caf%E9.mkv"
    assert http.get("/media/poster", params={"media": found["path"]}).status_code == 200
    assert http.post("/sessions", json={"media": found["path"]}).status_code == 201
