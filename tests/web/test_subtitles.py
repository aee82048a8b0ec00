"""Subtitles as a player asks for them: WebVTT, soon, and never an error that would end a film."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from hls_sessions.web import create_app, media

TALK = "1\n00:00:00,500 --> 00:00:01,000\nFirst\n"
EMPTY = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:22500,LOCAL:00:00:00.000\n\nNOTE "


@pytest.fixture
def film(hls_clip):
    return hls_clip(seconds=3, size="160x90", container="mkv", audio=None, subtitles=(TALK,))


@pytest.fixture
def get(hls_supervisor, film):
    """Ask an app for a path of a session of the film."""

    def get(*paths, **settings):
        supervisor = hls_supervisor(**settings)
        base = f"/sessions/{supervisor.open(film).id}/"

        async def ask():
            transport = httpx.ASGITransport(create_app(supervisor))
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
                return [await http.get(base + path) for path in paths]

        return asyncio.run(ask())

    return get


def test_subtitles_are_served_as_webvtt_that_never_changes(get):
    waited, from_disk = get("subtitles-0/1.vtt", "subtitles-0/1.vtt")

    assert waited.text == from_disk.text
    assert "First" in waited.text
    assert {answer.headers["content-type"] for answer in (waited, from_disk)} == {"text/vtt; charset=utf-8"}
    assert {answer.headers["access-control-allow-origin"] for answer in (waited, from_disk)} == {"*"}
    assert "immutable" in waited.headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    [
        "subtitles-0/0.m4s",
        "subtitles-0/init.mp4",
        "video-90p/0.vtt",
        "subtitles-0/9.vtt",
        "subtitles-1/0.vtt",
        "subtitles-0/x.vtt",
    ],
)
def test_a_path_of_no_subtitle_segment_is_not_found(get, path):
    [answer] = get(path)

    assert answer.status_code == 404


def test_subtitles_that_cannot_be_read_are_empty_and_not_cached(get):
    [answer] = get("subtitles-0/0.vtt", subtitle_timeout=0.000001)

    assert answer.status_code == 200
    assert answer.text == EMPTY + "This cannot be read: subtitles-failed.\n"
    assert answer.headers["content-type"] == "text/vtt; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"


def test_subtitles_that_take_long_are_empty_and_not_cached(get, monkeypatch):
    monkeypatch.setattr(media, "TEXT_PATIENCE", 0)

    [answer] = get("subtitles-0/0.vtt")

    assert answer.text == EMPTY + "This has not been read yet.\n"
    assert answer.headers["cache-control"] == "no-store"
