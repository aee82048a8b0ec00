"""The supervisor and its sessions in an event loop."""

from __future__ import annotations

import asyncio

import pytest

from hls_sessions import AsyncSupervisor, Filter, MediaNotFound, SegmentNotFound, SessionNotFound
from hls_sessions.testing import hanging_ffmpeg

pytestmark = pytest.mark.anyio
VIDEO = "video-90p"


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def options(hls_clip_folder, hls_segments_dir, hls_shared_workers):
    return {
        "media": [hls_clip_folder],
        "segments_dir": hls_segments_dir,
        "encoder": "libx264",
        "drain": True,
        "workers": hls_shared_workers[0],
    }


@pytest.fixture
def film(hls_clip):
    return hls_clip(seconds=5, size="160x90")


async def test_a_film_is_opened_watched_and_ended(options, film, hls_segments_dir):
    async with AsyncSupervisor(**options) as supervisor:
        session = await supervisor.open(film, "anna")
        first, second = await asyncio.gather(session.segment(VIDEO, 0), session.segment("audio-0", 0))
        await session.heartbeat()

        assert (first.name, second.name) == ("0.m4s", "0.m4s")
        assert (await session.init(VIDEO)).exists()
        assert await session.segment(VIDEO, 0) == first
        assert VIDEO in await session.master_playlist()
        assert "0.m4s" in await session.media_playlist(VIDEO)
        assert [each.id for each in supervisor.sessions("anna")] == [session.id]
        assert (await supervisor.find(session.id)).user == "anna"
        assert (await session.info()).state == "active"
        await session.stop()
        with pytest.raises(SessionNotFound):
            await session.info()
    assert list(hls_segments_dir.iterdir()) == []


async def test_a_pause_is_gone_on_from_and_many_are_ended_at_once(options, film):
    async with AsyncSupervisor(**options) as supervisor:
        session = await supervisor.open(film)
        with session.subscribed():
            snapshot = await session.pause(1.5)
        assert (await session.resume(snapshot)).state == "active"
        await supervisor.open(film)

        outcomes = await supervisor.stop_many(Filter(all=True))

        assert [outcome.done for outcome in outcomes] == [True, True]
        assert (await supervisor.resume(snapshot)).id != session.id
        assert (await supervisor.stats()).by_state["active"] == 1


async def test_what_is_refused_is_raised(options, film):
    async with AsyncSupervisor(**options) as supervisor:
        with pytest.raises(MediaNotFound):
            await supervisor.open("nothing.mkv")
        session = await supervisor.open(film)
        with pytest.raises(SegmentNotFound):
            await session.segment(VIDEO, 99)


async def test_a_task_that_is_cancelled_waits_no_longer(options, film, tmp_path):
    async with AsyncSupervisor(**options, ffmpeg=str(hanging_ffmpeg(tmp_path))) as supervisor:
        session = await supervisor.open(film)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await session.segment(VIDEO, 0)

        assert (await session.info()).viewers_waiting == 0


async def test_it_can_be_started_again(options, film, tmp_path):
    supervisor = AsyncSupervisor(**options)
    for _ in range(2):
        await supervisor.start()
        session = await supervisor.open(film)
        assert (await session.export(tmp_path / "film.mp4", subtitles=["none"])).stat().st_size > 0
        await supervisor.stop()
