"""Requests that wait for something slow delay no others."""

from __future__ import annotations

import asyncio
import errno
import os
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from threading import Event

import httpx
import pytest

from hls_sessions.ffmpeg import Prober
from hls_sessions.testing import busy, hanging_share
from hls_sessions.web import create_app

OPENS = 100
"""More than there are threads of any kind."""


@asynccontextmanager
async def client_of(supervisor):
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(create_app(supervisor)), base_url="http://test", timeout=None
    ) as client:
        yield client


async def every_other_request_of(client, session):
    """Make each kind of request that a viewer or a load balancer makes, and return the answers."""
    url = f"/sessions/{session.id}"
    return await asyncio.gather(
        client.post(f"{url}/heartbeat"),
        client.get(url),
        client.get("/sessions"),
        client.get("/health"),
        client.get("/stats"),
        client.get(f"{url}/history"),
        client.get(f"{url}/video-90p/index.m3u8"),
        client.get(f"{url}/video-90p/0.m4s"),
        client.get(f"{url}/video-90p/0.m4s", headers={"Range": "bytes=0-99"}),
    )


@pytest.fixture
def share(tmp_path):
    """A media root that will not answer."""
    share = tmp_path / "share"
    share.mkdir()
    return share


async def gather_when_released(opens, release):
    """Have all opens end, and return their answers."""
    assert not any(opened.done() for opened in opens)
    release()
    return await asyncio.gather(*opens)


@pytest.fixture
def slow_probes(monkeypatch):
    """Have all probes wait until the function that is returned is called."""
    go_on, probe = Event(), Prober.probe

    def wait(prober, path):
        go_on.wait()
        return probe(prober, path)

    monkeypatch.setattr(Prober, "probe", wait)
    yield go_on.set
    go_on.set()


def test_opens_on_a_share_that_does_not_answer_delay_nobody_else(hls_supervisor, film, tmp_path):
    share = tmp_path / "share"
    share.mkdir()
    supervisor = hls_supervisor(media=(share, film.parent))
    session = supervisor.open(film)

    async def play():
        async with client_of(supervisor) as client:
            with ExitStack() as hanging:
                hanging.enter_context(hanging_share(share))
                bodies = [{"media": str(share / f"{number}.mkv")} for number in range(OPENS)]
                opens = [asyncio.ensure_future(client.post("/sessions", json=body)) for body in bodies]
                await asyncio.sleep(0)
                answers = await every_other_request_of(client, session)
                return answers, await gather_when_released(opens, hanging.close)

    answers, opened = asyncio.run(play())

    assert {answer.status_code for answer in answers} == {200, 204, 206}
    assert {answer.status_code for answer in opened} == {404}


def test_opens_that_wait_for_the_prober_delay_nobody_else(hls_supervisor, film, request):
    supervisor = hls_supervisor(max_sessions=OPENS)
    session = supervisor.open(film)
    release = request.getfixturevalue("slow_probes")

    async def play():
        async with client_of(supervisor) as client:
            bodies = [{"media": film.name, "user": "anna"}] * OPENS
            opens = [asyncio.ensure_future(client.post("/sessions", json=body)) for body in bodies]
            await asyncio.sleep(0)
            answers = await every_other_request_of(client, session)
            return answers, await gather_when_released(opens, release)

    answers, opened = asyncio.run(play())

    assert {answer.status_code for answer in answers} == {200, 204, 206}
    assert {answer.status_code for answer in opened} == {200, 201}


def test_a_session_that_does_not_answer_is_listed_and_delays_no_list(hls_supervisor, film):
    supervisor = hls_supervisor()
    stuck, other = supervisor.open(film, "anna"), supervisor.open(film, "ben")

    async def play():
        async with client_of(supervisor) as client:
            return (await client.get("/sessions")).json()

    with busy(stuck):
        first, second = asyncio.run(play())

    assert (first["session_id"], first["state"], first["user"]) == (stuck.id, "active", "anna")
    assert first["notes"][-1] == "It does not answer."
    assert second["session_id"] == other.id
    assert "It does not answer." not in second["notes"]


def test_a_heartbeat_and_a_playlist_need_no_answer_of_the_session(hls_supervisor, film):
    supervisor = hls_supervisor()
    session = supervisor.open(film)

    async def play():
        async with client_of(supervisor) as client:
            heartbeat = await client.post(f"/sessions/{session.id}/heartbeat")
            return heartbeat, await client.get(f"/sessions/{session.id}/master.m3u8")

    with busy(session):
        heartbeat, playlist = asyncio.run(play())

    assert (heartbeat.status_code, heartbeat.content) == (204, b"")
    assert playlist.text.startswith("#EXTM3U")


@pytest.mark.parametrize("request_", [("GET", ""), ("POST", "/pause"), ("POST", "/resume")])
def test_a_caller_of_a_session_that_does_not_answer_is_told_so(hls_supervisor, film, monkeypatch, request_):
    monkeypatch.setattr("hls_sessions.web.api.CALL_TIMEOUT", 0.05)
    supervisor = hls_supervisor()
    session = supervisor.open(film)
    method, path = request_

    async def play():
        async with client_of(supervisor) as client:
            return await client.request(method, f"/sessions/{session.id}{path}")

    with busy(session):
        answer = asyncio.run(play())

    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unavailable")
    assert "did not answer" in answer.json()["detail"]


def test_a_segment_is_sent_when_a_descriptor_is_there_again(hls_supervisor, film, monkeypatch):
    supervisor = hls_supervisor(copy_streams=False)
    session = supervisor.open(film)
    opened, refusals = Path.open, iter(range(2))

    def refuse(path, *how, **more):
        if path.suffix == ".m4s" and how == ("rb",) and next(refusals, None) is not None:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return opened(path, *how, **more)

    async def play():
        async with client_of(supervisor) as client:
            return await client.get(f"/sessions/{session.id}/video-90p/0.m4s")

    monkeypatch.setattr(Path, "open", refuse)
    answer = asyncio.run(play())

    assert answer.status_code == 200
    assert len(answer.content) == int(answer.headers["content-length"])
