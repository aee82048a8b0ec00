"""Write a picture of each page in each of its states: on a desktop and on a phone, light and dark."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import httpx
from playwright.sync_api import Error, sync_playwright

from hls_sessions.ffmpeg import find
from hls_sessions.testing import Clip, make

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

Scheme: TypeAlias = Literal["light", "dark"]

SIZES = {"desktop": (1280, 800), "phone": (390, 800)}
SETTLES = 1_200
"""Milliseconds after which nothing moves any more."""

CHAPTERS = """;FFMETADATA1
[CHAPTER]
TIMEBASE=1/1
START=0
END=20
title=The opening
[CHAPTER]
TIMEBASE=1/1
START=20
END=60
title=The chase
"""
TALK = "1\n00:00:01,000 --> 00:00:59,000\nWhat is said here can be read.\n"


def main() -> int:
    """Take the pictures; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/screens", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("screens"), help="where the pictures are written")
    folder = parser.parse_args().folder
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("scripts/screens: Chromium is needed.", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hls_sessions-screens-") as scratch:
        films = made(Path(scratch))
        with sync_playwright() as playwright:
            flags = ["--autoplay-policy=no-user-gesture-required", "--use-fake-device-for-media-stream"]
            browser = playwright.chromium.launch(
                executable_path=chromium, args=flags, chromium_sandbox=os.geteuid() != 0
            )
            with daemon(films, Path(scratch, "open")) as url:
                of_the_dashboard(browser, url, folder)
                of_the_player(browser, url, folder)
            with daemon(films, Path(scratch, "guarded"), "--token", "secret") as url:
                for size, page in pages(browser):
                    page.goto(f"{url}/")
                    shoot(page, folder, f"login-{size}")
            browser.close()
    print(f"{len(list(folder.glob('*.png')))} pictures are in {folder}.")
    return 0


def made(scratch: Path) -> Path:
    """Make a few films, and a file that is none."""
    folder = scratch / "films"
    (folder / "Series").mkdir(parents=True)
    (scratch / "chapters.txt").write_text(CHAPTERS)
    long = Clip(seconds=60, size="1280x720", gop=50, pixels="yuv420p", subtitles=(TALK,), container="mkv")
    film = make(long, scratch)
    sources = ["-i", str(film), "-f", "lavfi", "-t", "60", "-i", "sine=880", "-i", str(scratch / "chapters.txt")]
    options = ["-map", "0", "-map", "1", "-map_chapters", "2", "-c", "copy", "-c:a:1", "aac"]
    options += ["-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger", "-metadata:s:s:0", "language=eng"]
    subprocess.run([find(), "-v", "error", *sources, *options, str(folder / "A film with chapters.mkv")], check=True)
    for name in ("Pilot.mp4", "Second episode.mp4"):
        make(Clip(seconds=30, size="640x360", pixels="yuv420p", gop=50), folder / "Series", name)
    make(Clip(seconds=30, video=None, container="m4a"), folder, "A song.m4a")
    (folder / "Not a film.mkv").write_bytes(b"nothing")
    return folder


@contextlib.contextmanager
def daemon(films: Path, folder: Path, *options: str) -> Iterator[str]:
    """Run a daemon while its address is used."""
    (folder / "segments").mkdir(parents=True)
    command = [sys.executable, "-m", "hls_sessions", "serve", "--port", "0", "--drain", "--media", str(films)]
    command += ["--segments-dir", str(folder / "segments"), "--state-dir", str(folder / "state"), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait()


def pages(browser: Browser, scheme: Scheme = "light") -> Iterator[tuple[str, Page]]:
    """Yield a page of each size."""
    for name, (width, height) in SIZES.items():
        with browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme) as context:
            yield name, context.new_page()


def shoot(page: Page, folder: Path, name: str) -> None:
    """Write a picture of the visible part of a page."""
    page.wait_for_timeout(SETTLES)
    page.screenshot(path=str(folder / f"{name}.png"))


def of_the_dashboard(browser: Browser, url: str, folder: Path) -> None:
    """Take the pictures of the dashboard."""
    for size, page in pages(browser):
        page.goto(f"{url}/")
        page.get_by_text("No sessions yet").wait_for()
        shoot(page, folder, f"dashboard-empty-{size}")
    with httpx.Client(base_url=url, timeout=60) as http:
        for media, user in (
            ("A film with chapters.mkv", "anna"),
            ("Series/Pilot.mp4", "berta"),
            ("A song.m4a", "carl"),
        ):
            opened(http, media, user)
        session = opened(http, "Series/Second episode.mp4", "dora")
        http.post(f"/sessions/{session['session_id']}/pause", json={"position": 12})
        viewer = browser.new_page()
        viewer.goto(url + opened(http, "A film with chapters.mkv", "anna")["player_url"])
        schemes: tuple[Scheme, ...] = ("light", "dark")
        for scheme in schemes:
            for size, page in pages(browser, scheme):
                page.goto(f"{url}/")
                page.locator(".rows .row").nth(3).wait_for()
                shoot(page, folder, f"dashboard-{scheme}-{size}")
                page.get_by_role("button", name="A film with chapters.mkv", exact=True).click()
                shoot(page, folder, f"session-{scheme}-{size}")
                page.keyboard.press("Escape")
                page.get_by_role("button", name="Start a film").click()
                shoot(page, folder, f"start-{scheme}-{size}")
                page.get_by_role("button", name=re.compile("Not a film")).click()
                shoot(page, folder, f"start-not-playable-{scheme}-{size}")
                page.get_by_role("button", name="Close").click()
                page.get_by_role("button", name="Settings").click()
                shoot(page, folder, f"settings-{scheme}-{size}")
        viewer.close()
        http.patch("/settings", json={"max_sessions": 4})
        for size, page in pages(browser):
            page.goto(f"{url}/")
            page.locator("#reasons").wait_for()
            page.get_by_label("Choose all").check()
            page.locator(".tools").get_by_role("button", name="Stop").click()
            shoot(page, folder, f"dashboard-full-and-stopping-{size}")
            page.get_by_role("button", name="Undo").click()
            page.context.set_offline(offline=True)
            page.locator("#unreached").wait_for()
            shoot(page, folder, f"dashboard-unreached-{size}")
        http.patch("/settings", json={"max_sessions": 100})


def of_the_player(browser: Browser, url: str, folder: Path) -> None:
    """Take the pictures of the player page, and of the other pages that viewers see."""
    with httpx.Client(base_url=url, timeout=60) as http:
        for size, page in pages(browser):
            session = opened(http, "A film with chapters.mkv", size)
            page.goto(url + session["player_url"])
            page.locator("media-time-range").wait_for()
            page.mouse.move(100, 100)
            shoot(page, folder, f"player-{size}")
            bar = page.locator("media-time-range").bounding_box()
            assert bar is not None
            page.mouse.move(bar["x"] + bar["width"] * 0.6, bar["y"] + bar["height"] / 2)
            shoot(page, folder, f"player-seek-bar-{size}")
            page.locator("media-settings-menu-button").click()
            shoot(page, folder, f"player-menu-{size}")
            page.get_by_role("menuitem", name="Quality").click()
            shoot(page, folder, f"player-quality-{size}")
            page.keyboard.press("Escape")
            page.keyboard.press("c")
            page.keyboard.press("i")
            shoot(page, folder, f"player-statistics-and-subtitles-{size}")
            page.keyboard.press("i")
            page.keyboard.press("?")
            shoot(page, folder, f"player-keys-{size}")
            page.keyboard.press("?")
            http.delete(f"/sessions/{session['session_id']}")
            page.locator("#again").wait_for()
            shoot(page, folder, f"player-stopped-{size}")
            page.goto(url + session["player_url"])
            shoot(page, folder, f"gone-{size}")
            page.goto(f"{url}/record")
            shoot(page, folder, f"record-{size}")
            page.goto(url + opened(http, "A song.m4a", size)["player_url"])
            shoot(page, folder, f"player-audio-{size}")
            page.add_init_script("""
                delete window.MediaSource;
                HTMLMediaElement.prototype.canPlayType = () => "";
            """)
            with contextlib.suppress(Error):  # it may leave while it still loads
                page.reload()
            shoot(page, folder, f"player-unsupported-{size}")


def opened(http: httpx.Client, media: str, user: str) -> dict[str, Any]:
    """Open a session."""
    session: dict[str, Any] = http.post("/sessions", json={"media": media, "user": user}).raise_for_status().json()
    return session


if __name__ == "__main__":
    sys.exit(main())
