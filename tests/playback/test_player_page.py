"""A viewer uses the player page: its menus, its seek bar, its keys; and has a bad day."""

from __future__ import annotations

import re
import subprocess

import judge
import pytest
from accessibility import faults
from browsing import happens, real

from hls_sessions.ffmpeg import find
from hls_sessions.web.pages import HLS_JS

pytestmark = [
    pytest.mark.skipif(not HLS_JS.exists(), reason="the libraries of the pages could not be fetched"),
    # Playwright's own event loop closes its sockets when it is collected.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

BOUND = 30
CHAPTERS = """;FFMETADATA1
[CHAPTER]
TIMEBASE=1/1
START=0
END=10
title=The opening
[CHAPTER]
TIMEBASE=1/1
START=10
END=40
title=The chase
"""
TALK = "1\n00:00:00,500 --> 00:00:39,000\nHello\n"

OFFERED = """(menu) => [...document.querySelector(menu).shadowRoot.querySelectorAll("[role=menuitemradio]")]
    .map((item) => item.textContent.trim())"""


def plays(goal: float) -> str:
    return f"!video.paused && video.readyState >= 3 && video.currentTime >= {goal}"


@pytest.fixture(scope="module")
def film(hls_clip_folder):
    """A film of forty seconds with two languages, subtitles and chapters."""
    film = hls_clip_folder / "player.mkv"
    if not film.exists():
        texts = {"chapters.txt": CHAPTERS, "talk.srt": TALK}
        for name, text in texts.items():
            (hls_clip_folder / name).write_text(text)
        sources = ["testsrc2=size=256x144:rate=10", "sine=440", "sine=880"]
        inputs = [word for source in sources for word in ("-f", "lavfi", "-t", "40", "-i", source)]
        inputs += [word for name in ("talk.srt", "chapters.txt") for word in ("-i", str(hls_clip_folder / name))]
        maps = [word for number in range(4) for word in ("-map", str(number))]
        codecs = [
            "-c:v",
            "libx264",
            "-pix_fmt",
            "yuv420p",
            "-g",
            "20",
            "-preset",
            "ultrafast",
            "-c:a",
            "aac",
            "-ac",
            "2",
        ]
        names = ["-metadata:s:a:0", "language=eng", "-metadata:s:a:0", "title=Original cast"]
        names += ["-metadata:s:a:1", "language=ger", "-metadata:s:s:0", "language=fre"]
        command = [find(), "-v", "error", "-y", *inputs, *maps, "-map_chapters", "4", *codecs, "-c:s", "srt", *names]
        subprocess.run([*command, str(film)], check=True)
    return film


@pytest.fixture
def watched(daemon, film, page):
    """The film, on the page and playing."""
    session = daemon.open(film, user="anna")
    page.goto(f"{daemon.url}{session['player_url']}")
    happens(page, plays(1))
    happens(page, "player.hasAttribute('mediaduration')")
    return session


def choose(page, menu: str, item: str) -> None:
    """Choose something in a menu of the settings, as with the mouse."""
    page.mouse.move(100, 100)
    if page.locator("media-settings-menu").get_attribute("hidden") is not None:
        page.locator("media-settings-menu-button").click()
    page.get_by_role("menuitem", name=menu).click()
    page.get_by_role("menuitemradio", name=item, exact=True).click()


def test_quality_sound_subtitles_and_speed_are_offered_by_the_files_own_names(watched, page):
    assert page.evaluate(OFFERED, "media-rendition-menu")[:1] == ["Original (144p)"]
    assert page.evaluate(OFFERED, "media-audio-track-menu") == ["Original cast (English)", "German"]
    assert page.evaluate(OFFERED, "media-captions-menu")[1:] == ["fre"]
    assert "1.5x" in page.evaluate(OFFERED, "media-playback-rate-menu")


def test_the_page_asks_nothing_of_any_other_site(daemon, film, page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{daemon.url}{daemon.open(film)['player_url']}")
    happens(page, plays(1))

    assert {address for address in asked if not address.startswith((daemon.url, "blob:", "data:"))} == set()


def test_a_film_that_is_copied_begins_with_the_copy_though_its_bit_rate_is_high(daemon, hls_clip, page):
    rate = ("-b:v", "9M", "-minrate", "9M", "-maxrate", "9M", "-bufsize", "9M", "-x264-params", "nal-hrd=cbr")
    film = hls_clip(seconds=4, size="852x480", gop=50, pixels="yuv420p", audio=None, options=rate)
    asked = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto(f"{daemon.url}{daemon.open(film)['player_url']}")
    happens(page, plays(1))

    assert {re.search(r"video-\w+", url)[0] for url in asked if url.endswith(".m4s")} == {"video-copy"}


def test_a_chosen_language_is_heard_and_remembered_for_the_next_film_too(daemon, watched, page, hls_clip, film):
    choose(page, "Sound", "German")
    happens(page, "video.hls.audioTrack === 1")
    page.reload()
    happens(page, plays(1))

    assert page.evaluate("video.hls.audioTracks[video.hls.audioTrack].lang") == "de"
    assert real(page.complaints) == []


def test_a_chosen_quality_is_played_and_remembered(watched, page):
    choose(page, "Quality", "Original (144p)")
    happens(page, "!video.hls.autoLevelEnabled")
    page.reload()
    happens(page, plays(1))

    assert page.evaluate("video.hls.levels[video.hls.nextLevel].uri").endswith("video-copy/index.m3u8")
    choose(page, "Quality", page.evaluate(OFFERED, "media-rendition-menu")[-1])
    happens(page, "video.hls.autoLevelEnabled")


def test_a_viewer_comes_back_to_where_they_were_with_the_volume_they_had(watched, page):
    page.keyboard.press("5")
    happens(page, plays(20.5))
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    page.reload()
    happens(page, plays(20))

    assert page.evaluate("video.currentTime") < 30
    assert page.evaluate("video.volume") == pytest.approx(0.9)
    assert page.text_content("#toast").startswith("Going on at 0:2")


def test_a_viewer_takes_the_film_along(watched, page, film, tmp_path):
    page.mouse.move(100, 100)
    with page.expect_download() as downloading:
        page.click("#download")
    downloading.value.save_as(tmp_path / "film.mp4")

    assert downloading.value.suggested_filename == f"{film.stem}.mp4"
    assert (
        judge.worst_deviation(judge.source_times(tmp_path / "film.mp4"), judge.shown_times(film)) <= judge.MILLISECOND
    )
    happens(page, plays(3))  # the page has gone nowhere
    assert real(page.complaints) == []


def test_an_address_may_say_where_to_begin(daemon, film, page):
    session = daemon.open(film)
    page.goto(f"{daemon.url}{session['player_url']}?t=30")
    happens(page, plays(30))

    assert page.evaluate("video.currentTime") < 35


@pytest.mark.parametrize("kept", ['{"volume": 2, "speed": 99, "muted": "no", "position": "x"}', "[1]", "nonsense"])
def test_what_is_kept_may_be_anything(daemon, film, page, kept):
    page.add_init_script(f"localStorage.setItem('hls_sessions.all', {kept!r});")
    page.goto(f"{daemon.url}{daemon.open(film)['player_url']}?t=1e9")
    happens(page, plays(1))
    page.keyboard.press("i")

    assert page.is_visible("#statistics")
    assert real(page.complaints) == []


@pytest.mark.parametrize("user", ["{{ tracks }}", '"><script>alert(1)</script>', "\U0001f600"])
def test_a_user_may_be_called_anything(daemon, film, page, user):
    page.goto(f"{daemon.url}{daemon.open(film, user=user)['player_url']}")
    happens(page, plays(1))

    assert page.evaluate("JSON.parse(document.body.dataset.film).user") == user
    assert real(page.complaints) == []


def test_subtitles_that_were_switched_off_stay_off(watched, page):
    if page.evaluate("video.hls.subtitleTrack") == -1:
        page.keyboard.press("c")
        happens(page, "video.hls.subtitleTrack === 0")
    page.keyboard.press("c")
    happens(page, "video.hls.subtitleTrack === -1")
    page.reload()
    happens(page, plays(1))

    assert page.evaluate("[...video.textTracks].every(({ kind, mode }) => kind !== 'subtitles' || mode !== 'showing')")


def test_the_seek_bar_shows_a_picture_and_the_chapter_of_where_the_pointer_is(watched, page):
    bar = page.locator("media-time-range").bounding_box()
    shown = "document.querySelector('media-time-range').getAttribute"
    page.mouse.move(bar["x"] + bar["width"] * 0.75, bar["y"] + bar["height"] / 2)
    happens(page, f"{shown}('mediapreviewchapter') === 'The chase'")
    happens(page, f"{shown}('mediapreviewimage')?.includes('/thumbnails/sheet-')")
    happens(
        page,
        """() => {
        const image = document.querySelector("media-time-range").shadowRoot.querySelector("media-preview-thumbnail");
        return image.shadowRoot.querySelector("img").naturalWidth > 0;
    }""",
    )

    assert real(page.complaints) == []


def test_where_the_pointer_rests_on_the_seek_bar_is_made_before_the_viewer_seeks(daemon, watched, page, until):
    bar = page.locator("media-time-range").bounding_box()

    page.mouse.move(bar["x"] + bar["width"] * 0.75, bar["y"] + bar["height"] / 2)

    address = f"/sessions/{watched['session_id']}/made?rendition=video-copy"
    until(lambda: any(first <= 16 <= last for first, last in daemon.http.get(address).json()))
    assert page.evaluate("video.currentTime") < 20


def test_the_seek_bar_shows_what_the_server_has_made(watched, page):
    choose(page, "Quality", "Original (144p)")
    happens(
        page,
        """() => document.querySelector("media-time-range").style
        .getPropertyValue("--media-range-track-background").includes("var(--made)")""",
    )


def test_statistics_tell_what_plays(watched, page):
    page.keyboard.press("i")
    happens(page, "document.getElementById('statistics').textContent.includes('hls.js')")
    shown = page.text_content("#statistics")

    assert "144p" in shown
    assert "Buffer ahead" in shown
    assert "Encoder" in shown
    page.keyboard.press("i")
    assert page.is_hidden("#statistics")


def test_a_network_that_is_cut_is_waited_for(daemon, film, page):
    late = re.compile(r"/1\d\.m4s")
    page.context.route(late, lambda route: route.abort("internetdisconnected"))
    page.goto(daemon.url + daemon.open(film)["player_url"])
    happens(page, plays(1))
    page.keyboard.press("8")
    happens(page, "player.hasAttribute('medialoading') && video.readyState < 3")
    page.context.unroute(late)
    happens(page, plays(33))

    assert page.is_hidden("#notice")


def test_a_session_that_an_operator_stops_says_so_at_once_and_can_be_opened_again(daemon, watched, page):
    daemon.http.delete(f"/sessions/{watched['session_id']}")
    page.get_by_text("The session was stopped").wait_for()
    assert faults(page) == []
    page.click("#again")
    page.wait_for_url(lambda url: watched["session_id"] not in url)
    happens(page, plays(1))

    assert page.locator("#notice.error").count() == 0


def test_a_browser_that_cannot_play_is_told_what_can(daemon, film, page):
    page.add_init_script("""
        delete window.MediaSource;
        delete window.ManagedMediaSource;
        HTMLMediaElement.prototype.canPlayType = () => "";
    """)
    page.goto(f"{daemon.url}{daemon.open(film)['player_url']}")
    page.get_by_text("This browser cannot play HLS").wait_for()

    assert page.locator("#notice.error").count() == 1


def test_without_javascript_the_page_names_the_playlist(daemon, film, browser):
    session = daemon.open(film)
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{daemon.url}{session['player_url']}")
        address = page.get_by_role("link", name="here").get_attribute("href")
        assert daemon.http.get(f"/watch/{address}").text.startswith("#EXTM3U")


def test_a_page_of_a_session_that_has_ended_says_what_became_of_it(daemon, film, page, until):
    session = daemon.open(film, idle_timeout=0.1)
    until(lambda: session["session_id"] not in daemon.http.get("/sessions").text)  # which is no activity
    page.goto(f"{daemon.url}{session['player_url']}")

    assert page.text_content("h1") == "Session timed out"
    assert faults(page) == []


@pytest.mark.parametrize("size", [(1280, 720), (390, 780)])
def test_axe_finds_nothing_in_any_state_of_the_page(watched, page, size):
    page.set_viewport_size({"width": size[0], "height": size[1]})
    found = {"plain": faults(page)}
    page.locator("media-settings-menu-button").click()
    page.get_by_role("menuitem", name="Speed").click()
    page.get_by_role("menuitemradio", name="1.5x").wait_for()
    found["menu"] = faults(page)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    found["keys"] = faults(page)
    page.keyboard.press("?")
    page.keyboard.press("i")
    found["statistics"] = faults(page)

    assert {state: wrong for state, wrong in found.items() if wrong} == {}


def test_everything_can_be_reached_by_the_keyboard_alone(watched, page):
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.localName"))

    assert {"media-play-button", "media-time-range", "media-settings-menu-button", "media-fullscreen-button"} <= reached
    page.locator("media-settings-menu-button").focus()
    page.keyboard.press("Enter")
    happens(page, "document.activeElement.closest('media-settings-menu')")
