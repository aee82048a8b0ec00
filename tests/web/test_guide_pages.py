"""The guide as the daemon shows it."""

from __future__ import annotations

import asyncio
import re
from functools import cache
from urllib.parse import urldefrag, urljoin

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from hls_sessions import Supervisor
from hls_sessions.web import create_app
from hls_sessions.web.guide import FOLDER, names, rendered


@cache
def app(prefix: str = ""):
    """An app with a token; its supervisor is not started, because the guide needs none."""
    bare = create_app(Supervisor(), token="secret")
    return Starlette(routes=[Mount(prefix, bare)]) if prefix else bare


def asked(address: str, *, prefix: str = "", method: str = "GET", headers: dict | None = None) -> httpx.Response:
    async def ask():
        transport = httpx.ASGITransport(app(prefix))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as http:
            return await http.request(method, address, headers=headers)

    return asyncio.run(ask())


@pytest.mark.parametrize("page", ["guide", *(f"guide/{name}" for name in sorted(names()))])
def test_a_page_is_open_and_brings_no_script_and_no_style(page):
    answer = asked(f"/{page}")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self';")
    assert not re.search(r"<script|<style|\bstyle=|\bon\w+=", answer.text)


@pytest.mark.parametrize("prefix", ["", "/media/hls"])
def test_every_link_leads_to_a_page_and_to_a_heading_of_it(prefix):
    pages, left = {}, [f"http://server{prefix}/guide"]
    while left:
        address = left.pop()
        if address not in pages:
            pages[address] = asked(address, prefix=prefix)
            assert pages[address].status_code == 200, address
            if pages[address].headers["content-type"].startswith("text/html") and "/guide" in address:
                links = re.findall(r' (?:href|src)="([^"]+)"', pages[address].text)
                found = {urldefrag(urljoin(address, link)).url for link in links}
                left += [link for link in found if link.startswith("http://server/")]

    broken = [
        (address, link)
        for address, page in pages.items()
        for link in re.findall(r' href="([^"]*#[^"]+)"', page.text)
        if (to := urldefrag(urljoin(address, link))).url in pages and f' id="{to.fragment}"' not in pages[to.url].text
    ]
    assert broken == []
    assert {f"http://server{prefix}/guide/{name}" for name in names()} <= pages.keys()


def test_what_the_guide_does_not_have_is_answered_with_its_pages():
    for name in ("nope", "index", "disk.md", "%2e%2e%2fsettings.py", "<b>"):
        answer = asked(f"/guide/{name}")

        assert answer.status_code in {404, 401}, name
        assert "<b>" not in answer.text

    assert '<a href="disk">' in asked("/guide/nope").text


def test_it_is_only_read():
    assert asked("/guide", method="POST").status_code == 401
    assert asked("/guide", method="POST", headers={"Authorization": "Bearer secret"}).status_code == 405
    assert asked("/guide/disk", method="HEAD").content == b""


def test_a_page_has_the_text_of_its_markdown():
    html = rendered("settings").html

    assert "<td><code>idle_timeout</code></td>" in html
    assert 'href="disk">disk</a>' in html
    assert '<h2 id="all-settings">All settings' in html
    assert "HLS_SESSIONS_IDLE_TIMEOUT=1800" in html


def test_the_guide_has_no_html_but_comments():
    # It would not be shown.
    for path in FOLDER.glob("*.md"):
        text = re.sub(r"```.*?```|`[^`]*`|<!--.*?-->", "", path.read_text(), flags=re.DOTALL)
        assert re.findall(r"<[A-Za-z/][^>\n]*>", text) == [], path.name


@pytest.mark.parametrize(("name", "kind"), [("grafana.json", "application/json"), ("alerts.yml", "application/yaml")])
def test_what_other_programs_read_is_served_as_it_is(name, kind):
    answer = asked(f"/guide/{name}")

    assert answer.headers["content-type"].partition(";")[0] == kind
    assert answer.content == (FOLDER / name).read_bytes()
