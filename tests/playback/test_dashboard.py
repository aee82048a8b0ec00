"""An operator uses the dashboard: sees what happens, starts, pauses, stops and undoes, and logs in."""

from __future__ import annotations

import re
import signal

import psutil
import pytest
from accessibility import faults
from browsing import happens, real

from hls_sessions.web.pages import HLS_JS

pytestmark = [
    pytest.mark.skipif(not HLS_JS.exists(), reason="the libraries of the pages could not be fetched"),
    # Playwright's own event loop closes its sockets when it is collected.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

ROWS = "document.querySelectorAll('.rows .row').length"


@pytest.fixture
def film(hls_clip):
    return hls_clip(seconds=20, size="128x72", rate="10", gop=20, pixels="yuv420p")


@pytest.fixture
def dashboard(daemon, page):
    page.goto(f"{daemon.url}/")
    page.get_by_role("button", name="Start a film").first.wait_for()
    return page


def listed(daemon) -> set[str]:
    return {session["session_id"] for session in daemon.http.get("/sessions").json()}


def test_an_empty_daemon_says_how_a_session_is_made(dashboard):
    dashboard.get_by_role("heading", name="No sessions yet").wait_for()

    assert real(dashboard.complaints) == []


def test_a_film_is_found_by_its_picture_and_started_without_a_reload(daemon, dashboard, film):
    dashboard.evaluate("window.opened = true")
    dashboard.get_by_role("button", name="Start a film").first.click()
    dialog = dashboard.get_by_role("dialog", name="Start a film")
    dialog.get_by_label("Search").fill(film.stem)
    dialog.get_by_label("For user").fill("anna")
    dialog.get_by_role("button", name=re.compile(re.escape(film.name))).click()
    dialog.get_by_role("link", name="Watch it").wait_for()
    happens(dashboard, "[...document.querySelectorAll('.poster img')].some((image) => image.naturalWidth > 0)")
    dialog.get_by_role("button", name="Close").click()
    dashboard.locator(".rows .film", has_text="anna").wait_for()
    [session] = daemon.http.get("/sessions").json()

    assert session["user"] == "anna"
    assert dashboard.evaluate("window.opened")
    assert real(dashboard.complaints) == []


def test_a_session_that_others_open_pause_and_end_is_seen_as_it_happens(daemon, dashboard, film):
    session = daemon.open(film, user="anna")
    dashboard.locator(".rows .film", has_text="anna").wait_for()
    daemon.http.post(f"/sessions/{session['session_id']}/pause", json={"position": 12})
    dashboard.locator(".badge", has_text="paused").wait_for()
    dashboard.get_by_label("State").select_option("active")
    happens(dashboard, f"{ROWS} === 0")
    dashboard.get_by_label("State").select_option("paused")
    dashboard.get_by_text("0:12 / 0:20").wait_for()
    daemon.http.delete(f"/sessions/{session['session_id']}")
    dashboard.get_by_role("heading", name="No sessions yet").wait_for()


def test_ten_sessions_are_stopped_at_once_and_that_can_be_undone(daemon, dashboard, film):
    for number in range(12):
        daemon.open(film, user=f"user {number}" if number < 10 else f"other {number}")
    happens(dashboard, f"{ROWS} === 12")
    dashboard.get_by_label("Filter sessions").fill("user")
    happens(dashboard, f"{ROWS} === 10")
    dashboard.get_by_label("Choose all").check()
    dashboard.locator(".tools").get_by_role("button", name="Stop").click()
    dashboard.get_by_text("Stopping 10 sessions").wait_for()
    dashboard.get_by_role("button", name="Undo").click()
    dashboard.get_by_text("Stopping 10 sessions").wait_for(state="detached")
    assert len(listed(daemon)) == 12

    dashboard.get_by_label("Choose all").check()
    dashboard.locator(".tools").get_by_role("button", name="Stop").click()
    dashboard.get_by_label("Filter sessions").fill("")
    happens(dashboard, f"{ROWS} === 2")
    assert len(listed(daemon)) == 2
    assert real(dashboard.complaints) == []


def test_a_page_that_is_left_stops_what_it_was_about_to_stop_however_many(daemon, dashboard, film, until):
    for number in range(20):
        daemon.open(film, user=f"user {number}")
    happens(dashboard, "document.querySelector('[role=table]')?.ariaRowCount === '21'")
    dashboard.get_by_label("Choose all").check()
    dashboard.locator(".tools").get_by_role("button", name="Stop").click()
    dashboard.get_by_text("Stopping 20 sessions").wait_for()
    dashboard.goto("about:blank")

    until(lambda: not listed(daemon))


def test_a_pause_can_be_undone(daemon, dashboard, film):
    session = daemon.open(film, user="anna")
    dashboard.get_by_role("button", name=re.compile("^Pause .*anna")).click()
    dashboard.get_by_role("button", name=re.compile("^Resume .*anna")).wait_for()
    dashboard.get_by_role("button", name="Undo").click()
    dashboard.get_by_role("button", name=re.compile("^Pause .*anna")).wait_for()

    assert daemon.http.get(f"/sessions/{session['session_id']}").json()["state"] == "active"


def test_one_session_tells_its_renditions_its_history_and_its_encoders_last_words(daemon, dashboard, hls_clip):
    film = hls_clip(size="160x90")
    session = daemon.open(film, user="anna")
    base = f"/sessions/{session['session_id']}"
    daemon.http.get(f"{base}/video-90p/0.m4s")
    dashboard.get_by_role("button", name=film.name, exact=True).click()
    dialog = dashboard.get_by_role("dialog")
    dialog.get_by_role("rowheader", name="video-90p").wait_for()
    dialog.get_by_text("its directory is open").wait_for()
    dialog.get_by_text("video-90p run 1").wait_for()
    daemon.http.delete(base)
    dialog.get_by_text("This session has ended").wait_for()

    assert real(dashboard.complaints) == []


def test_a_setting_is_changed_with_its_meaning_in_sight_and_changed_back(daemon, dashboard):
    dashboard.get_by_role("button", name="Settings").click()
    dialog = dashboard.get_by_role("dialog", name="Settings")
    dialog.get_by_text("A session without any request for this long expires.").wait_for()
    dialog.get_by_label("idle_timeout", exact=True).fill("600")
    dialog.get_by_role("button", name="Save").click()
    dashboard.get_by_text("Changed idle_timeout").wait_for()
    assert daemon.http.get("/settings").json()["settings"]["idle_timeout"] == 600
    dialog.get_by_label("idle_timeout", exact=True).fill("-1")
    dialog.get_by_role("button", name="Save").click()
    dialog.get_by_text("greater than 0").wait_for()
    dashboard.keyboard.press("Escape")
    dashboard.get_by_role("button", name="Undo").click()
    happens(dashboard, "fetch('settings').then((a) => a.json()).then((all) => all.settings.idle_timeout === 1800)")


@pytest.mark.parametrize(("limit", "said"), [(1, "There is no room for another session"), (None, "cannot be played")])
def test_what_cannot_be_started_says_why(daemon, dashboard, film, limit, said):
    (daemon.media / "broken.mkv").write_bytes(b"no film")
    if limit is not None:
        daemon.http.patch("/settings", json={"max_sessions": limit})
        daemon.open(film)
    dashboard.get_by_role("button", name="Start a film").first.click()
    dialog = dashboard.get_by_role("dialog", name="Start a film")
    dialog.get_by_label("Search").fill(film.stem if limit else "broken")
    dialog.get_by_role("button", name=re.compile(re.escape(film.name if limit else "broken.mkv"))).click()

    dialog.get_by_text(said).wait_for()


def test_a_daemon_that_is_nearly_full_says_what_to_do(daemon, dashboard, film):
    daemon.http.patch("/settings", json={"max_sessions": 1})
    daemon.open(film)

    dashboard.get_by_text("1 of 1 sessions are open.").wait_for()
    dashboard.get_by_text("Stop sessions that nobody needs, or raise max_sessions.").wait_for()
    assert real(dashboard.complaints) == []


def test_an_encoder_that_is_killed_is_seen_in_the_picture_of_the_processes(start_daemon, slow_ffmpeg, page, hls_clip):
    daemon = start_daemon(HLS_SESSIONS_FFMPEG=slow_ffmpeg)  # so that it is at work when it is killed, and not held
    page.goto(f"{daemon.url}/")
    session = daemon.open(hls_clip(seconds=60, size="640x360"), user="anna")
    base = f"/sessions/{session['session_id']}"
    daemon.http.get(f"{base}/video-360p/0.m4s")
    page.locator("#tree .leaf").wait_for()
    page.locator(".rows .film", has_text="anna").wait_for()
    page.evaluate("""
        window.flashed = false;
        const look = () => { window.flashed ||= Boolean(document.querySelector("#tree .leaf.flash")); };
        new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
    """)
    [run] = [run for run in daemon.http.get(base).json()["runs"] if run["rendition"] == "video-360p"]
    psutil.Process(run["pid"]).kill()
    for number in range(run["next"], run["next"] + 6):  # it was at one of them when it was killed
        daemon.http.get(f"{base}/video-360p/{number}.m4s")

    happens(page, "window.flashed")
    assert daemon.http.get(base).json()["restarts"] == {"killed": 1}


def test_a_daemon_that_is_started_again_is_noticed_and_joined(start_daemon, page, film):
    first = start_daemon(HLS_SESSIONS_DRAIN="false")
    port = first.url.rpartition(":")[2]
    first.http.post("/sessions", json={"media": film.name, "user": "anna"})
    page.goto(f"{first.url}/")
    page.locator(".rows .film", has_text="anna").wait_for()
    page.evaluate("window.opened = true")
    first.process.send_signal(signal.SIGTERM)
    first.process.wait(30)
    page.get_by_text("The daemon cannot be reached").wait_for()
    second = start_daemon("--port", port)
    page.get_by_text("The daemon cannot be reached").wait_for(state="detached")
    second.http.post("/sessions", json={"media": film.name, "user": "berta"})
    page.locator(".rows .film", has_text="berta").wait_for()

    assert page.locator(".rows .film", has_text="anna").count() == 1
    assert page.evaluate("window.opened")


def test_an_operator_logs_in_once_and_the_token_is_in_no_address_and_in_no_script(guarded, page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{guarded.url}/")
    page.get_by_role("heading", name="Log in").wait_for()
    assert real(page.complaints) == []
    assert faults(page) == []
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("That is not the token of this daemon.").wait_for()
    page.get_by_label("Token").fill("secret")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="No sessions yet").wait_for()
    page.reload()
    page.get_by_role("heading", name="No sessions yet").wait_for()

    assert not [address for address in asked if "secret" in address]
    assert page.evaluate("document.cookie + JSON.stringify(localStorage)").count("secret") == 0
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("heading", name="Log in").wait_for()


@pytest.mark.parametrize(("size", "scheme"), [((1280, 800), "light"), ((390, 800), "dark")])
def test_axe_finds_nothing_in_any_state_of_the_dashboard(daemon, page, film, scheme, size):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(f"{daemon.url}/")
    page.get_by_role("heading", name="No sessions yet").wait_for()
    found = {"empty": faults(page)}
    daemon.open(film, user="anna")
    page.locator(".rows .row").wait_for()
    page.get_by_label(re.compile("^Choose .*anna")).check()
    page.get_by_role("button", name=re.compile("^Pause .*anna")).first.click()
    page.get_by_role("button", name="Undo").wait_for()
    found["sessions"] = faults(page)
    page.get_by_role("button", name=film.name, exact=True).click()
    page.get_by_role("dialog").get_by_text("its directory is open").wait_for()
    found["session"] = faults(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Start a film").first.click()
    page.get_by_role("dialog").get_by_label("Search").fill(film.stem)
    page.get_by_role("dialog").locator(".file").first.wait_for()
    found["start"] = faults(page)
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("dialog").get_by_label("idle_timeout", exact=True).wait_for()
    found["settings"] = faults(page)

    assert {state: wrong for state, wrong in found.items() if wrong} == {}


def test_a_browser_that_keeps_nothing_shows_the_dashboard_all_the_same(daemon, page):
    page.add_init_script("""
        Object.defineProperty(window, "localStorage", { get() { throw new DOMException("denied", "SecurityError"); } });
    """)
    page.goto(f"{daemon.url}/")
    page.get_by_role("heading", name="No sessions yet").wait_for()

    assert real(page.complaints) == []


def test_text_that_is_chosen_by_dragging_out_of_a_dialog_closes_nothing(dashboard):
    dashboard.get_by_role("button", name="Settings").click()
    field = dashboard.get_by_label("idle_timeout", exact=True)
    field.fill("600")
    box = field.bounding_box()
    dashboard.mouse.move(box["x"] + 40, box["y"] + 10)
    dashboard.mouse.down()
    dashboard.mouse.move(5, box["y"] + 10)
    dashboard.mouse.up()
    assert field.input_value() == "600"
    dashboard.mouse.click(5, 300)

    dashboard.get_by_role("dialog", name="Settings").wait_for(state="detached")


def test_without_javascript_the_dashboard_says_what_else_there_is(daemon, browser):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{daemon.url}/")
        assert "hls-sessions list" in page.text_content("noscript")
