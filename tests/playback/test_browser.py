"""A viewer's browser: the player page in headless Chromium, with hls.js and natively."""

from __future__ import annotations

import base64
import re
import signal
import subprocess
from io import BytesIO

import av
import pytest
from browsing import real
from websockets.sync.client import connect

from hls_sessions.ffmpeg import find
from hls_sessions.web.pages import HLS_JS

# Playwright's own event loop closes its sockets when it is collected.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

PLAYS_ON_FROM = """async (position) => {
    const video = document.querySelector("video");
    const reached = (goal) => new Promise((resolve, reject) => {
        const look = () => {
            if (video.error) reject(new Error(video.error.message || `error ${video.error.code}`));
            else if (video.currentTime >= goal && !video.paused && video.readyState >= 3) resolve(video.currentTime);
            else return false;
            return true;
        };
        const ear = () => { if (look()) events.forEach((e) => video.removeEventListener(e, ear)); };
        const events = ["timeupdate", "playing", "error", "seeked", "canplay"];
        events.forEach((e) => video.addEventListener(e, ear));
        ear();
    });
    if (position > 0) video.currentTime = position;
    await video.play();
    return await reached(position + 1);
}"""


TEXTS = "Array.from(document.querySelector('video').textTracks).find((track) => track.kind === 'subtitles')"
SHOWN = f"Array.from({TEXTS}?.activeCues || [], (cue) => cue.text).join()"
SEEKING = "document.querySelector('video').seeking"
READ = f"Array.from({TEXTS}?.cues || [], (cue) => cue.text).join()"
PLAYS_ON_TO = PLAYS_ON_FROM.replace("if (position > 0) video.currentTime = position;", "")
"""The same without a seek: it plays through all that is before."""


needs_hls_js = pytest.mark.skipif(not HLS_JS.exists(), reason="hls.js could not be fetched")
PLAYERS = [pytest.param("hls.js", marks=needs_hls_js), "native"]


@pytest.mark.parametrize("player", PLAYERS)
def test_a_viewer_presses_play_seeks_to_the_middle_and_sees_it_go_on(daemon, hls_clip, page, player):
    film = hls_clip(seconds=40, size="320x180", rate="30000/1001", subtitles=(TALK,))
    session = daemon.open(film)

    page.goto(f"{daemon.url}{session['player_url']}?player={player}")
    begun = page.evaluate(PLAYS_ON_FROM, 0)
    middle = page.evaluate(PLAYS_ON_FROM, 20)

    assert begun >= 1
    assert 21 <= middle < 30
    assert page.evaluate("document.querySelector('video').error") is None
    assert abs(page.evaluate("document.querySelector('video').duration") - 40) < 0.5
    assert page.get_attribute("body", "data-engine") == player
    assert real(page.complaints) == []


@pytest.mark.parametrize("player", PLAYERS)
def test_a_viewer_sees_a_film_with_a_hole_go_on_after_it(daemon, hls_clip, page, player):
    film = make_hole(hls_clip(seconds=16, size="320x180", gop=25))
    session = daemon.open(film)

    page.goto(f"{daemon.url}{session['player_url']}?player={player}")
    assert page.evaluate(PLAYS_ON_FROM, 0) >= 1
    page.evaluate("document.querySelector('video').playbackRate = 4")

    assert page.evaluate(PLAYS_ON_TO, 14) >= 15
    assert page.evaluate("document.querySelector('video').error") is None
    assert real(page.complaints) == []
    assert daemon.http.get(f"/sessions/{session['session_id']}").json()["renditions"][0]["gaps"]


PLAYABLE = {"seconds": 30, "size": "320x180", "gop": 52, "pixels": "yuv420p"}
LEVELS = "document.querySelector('video').hls.levels.map((level) => level.url[0].split('/').at(-2))"
LEVEL = "document.querySelector('video').hls.currentLevel"


@needs_hls_js
def test_a_viewer_changes_between_copied_and_encoded_variants(daemon, hls_clip, page):
    session = daemon.open(hls_clip(**PLAYABLE))
    page.goto(f"{daemon.url}{session['player_url']}?player=hls.js")
    page.evaluate(PLAYS_ON_FROM, 0)
    levels = page.evaluate(LEVELS)
    assert sorted(levels) == ["video-180p", "video-copy"]
    assert page.evaluate(LEVEL) == levels.index("video-copy")

    for at, wanted in enumerate(["video-180p", "video-copy", "video-180p"]):
        # The level is loaded anew from here on, whatever is in the buffer.
        page.evaluate("(level) => { document.querySelector('video').hls.currentLevel = level; }", levels.index(wanted))
        assert page.evaluate(PLAYS_ON_TO, 5 + 4 * at) >= 6 + 4 * at
        assert page.evaluate(LEVEL) == levels.index(wanted)

    assert page.evaluate("document.querySelector('video').error") is None
    assert not page.is_visible("#notice")
    assert real(page.complaints) == []


@pytest.mark.parametrize("player", PLAYERS)
@pytest.mark.parametrize(
    "like", [{}, {"container": "mkv", "audio": "ac3", "options": ("-ac", "6")}], ids=["mp4", "mkv, 5.1"]
)
def test_a_viewer_plays_and_seeks_in_a_copied_variant(daemon, hls_clip, page, player, like):
    session = daemon.open(hls_clip(**PLAYABLE, **like))

    page.goto(f"{daemon.url}{session['player_url']}?player={player}")
    begun = page.evaluate(PLAYS_ON_FROM, 0)
    middle = page.evaluate(PLAYS_ON_FROM, 15)

    assert begun >= 1
    assert 16 <= middle < 25
    assert page.evaluate("document.querySelector('video').error") is None
    assert daemon.http.get(f"/sessions/{session['session_id']}").json()["renditions"][0]["published"] > 0
    assert real(page.complaints) == []


TALK = """1
00:00:02,000 --> 00:00:04,000
Good <i>morning</i> & welcome

2
00:00:12,500 --> 00:00:14,000
In the middle
"""
SHOWN_UNASKED = ("-disposition:s:0", "default")


@needs_hls_js
@pytest.mark.parametrize("container", ["mkv", "mp4"])
@pytest.mark.parametrize("start", ["0", "5"], ids=["from zero", "from five seconds"])
def test_a_viewer_reads_each_cue_at_its_time(daemon, hls_clip, page, until, container, start):
    options = (*SHOWN_UNASKED, "-output_ts_offset", start)
    film = hls_clip(seconds=20, size="320x180", container=container, subtitles=(TALK,), options=options)
    session = daemon.open(film)
    page.goto(f"{daemon.url}{session['player_url']}?player=hls.js")
    page.evaluate(PLAYS_ON_FROM, 0)
    page.evaluate("document.querySelector('video').pause()")
    until(lambda: "welcome" in page.evaluate(READ))

    # hls.js counts from the first decoding, and so shows video and subtitles alike a few frames late.
    first, second = "Good <i>morning</i> &amp; welcome", "In the middle"
    for position, text in [(3, first), (1.9, ""), (2.2, first), (3.9, first), (4.2, ""), (13, second), (12.4, "")]:
        page.evaluate("(position) => { document.querySelector('video').currentTime = position; }", position)
        until(lambda text=text: not page.evaluate(SEEKING) and page.evaluate(SHOWN) == text)

    assert page.evaluate(f"{TEXTS}.mode") == "showing"
    assert real(page.complaints) == []


@needs_hls_js
def test_a_film_whose_subtitles_cannot_be_read_is_shown_without(start_daemon, hls_clip, page):
    daemon = start_daemon(HLS_SESSIONS_SUBTITLE_TIMEOUT="0.000001")
    film = hls_clip(seconds=20, size="320x180", container="mkv", subtitles=(TALK,), options=SHOWN_UNASKED)
    session = daemon.open(film)
    page.goto(f"{daemon.url}{session['player_url']}?player=hls.js")

    begun = page.evaluate(PLAYS_ON_FROM, 0)
    later = page.evaluate(PLAYS_ON_FROM, 12)

    assert (begun, later) >= (1, 13)
    assert any(
        "it took too long" in note for note in daemon.http.get(f"/sessions/{session['session_id']}").json()["notes"]
    )


@pytest.mark.parametrize("player", PLAYERS)
def test_a_viewer_sees_a_film_whose_audio_begins_late_from_its_beginning(daemon, hls_clip, page, player):
    clip = hls_clip(seconds=14, size="320x180", gop=25)
    film = clip.with_name("late-audio-in-a-browser.mp4")
    inputs = ("-i", str(clip), "-itsoffset", "9", "-i", str(clip))
    maps = ("-map", "0:v", "-map", "1:a", "-t", "14", "-c", "copy")
    subprocess.run([find(), "-v", "error", "-y", *inputs, *maps, str(film)], check=True)
    session = daemon.open(film)

    page.goto(f"{daemon.url}{session['player_url']}?player={player}")

    assert 1 <= page.evaluate(PLAYS_ON_FROM, 0) < 5
    page.evaluate("document.querySelector('video').playbackRate = 4")
    assert page.evaluate(PLAYS_ON_TO, 11) >= 12
    assert real(page.complaints) == []


HEARD = "((hls) => hls.audioTracks[hls.audioTrack].lang)(document.querySelector('video').hls)"


@needs_hls_js
def test_a_listener_hears_the_default_language_from_the_first_segment_and_the_other_when_asked(
    daemon, hls_clip_folder, page, until
):
    film = hls_clip_folder / "two-languages.m4a"
    sources = ("-f", "lavfi", "-i", "sine=frequency=440", "-f", "lavfi", "-i", "sine=frequency=880")
    languages = ("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger")
    rates = ("-c:a", "aac", "-b:a:0", "64k", "-b:a:1", "160k")
    subprocess.run(
        [find(), "-v", "error", "-y", *sources, "-t", "90", "-map", "0", "-map", "1", *rates, *languages, str(film)],
        check=True,
    )
    session = daemon.open(film)
    asked = []
    page.on("request", lambda request: asked.append("/".join(request.url.split("/")[-2:])))

    page.goto(f"{daemon.url}{session['player_url']}?player=hls.js")
    assert page.evaluate(PLAYS_ON_FROM, 0) >= 1
    assert page.evaluate(HEARD) == "en"
    assert "audio-0/0.m4s" in asked
    assert not [address for address in asked if address.startswith("audio-1/")]

    # Seconds of the first language are in the buffer. The other must not wait until they are heard.
    page.evaluate("document.querySelector('video').hls.audioTrack = 1")
    until(
        lambda: (
            page.evaluate("1") and any(address.startswith("audio-1/") and address.endswith(".m4s") for address in asked)
        )
    )
    numbers = [
        int(address.removeprefix("audio-1/").split(".")[0])
        for address in asked
        if address.startswith("audio-1/") and address.endswith(".m4s")
    ]
    assert numbers[0] < 8
    assert page.evaluate(PLAYS_ON_FROM, 40) >= 41
    assert page.evaluate(HEARD) == "de"
    assert page.evaluate("document.querySelector('video').error") is None
    assert real(page.complaints) == []


FRAME_AT = """async (position) => {
    const video = document.querySelector("video");
    video.pause();
    const shown = new Promise((resolve) => {
        const look = (_, frame) => {
            if (Math.abs(frame.mediaTime - position) < 0.1) resolve();
            else video.requestVideoFrameCallback(look);
        };
        video.requestVideoFrameCallback(look);
    });
    video.currentTime = position;
    await shown;
    const canvas = Object.assign(document.createElement("canvas"), {width: 32, height: 18});
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0, 32, 18);
    return Array.from(context.getImageData(0, 0, 32, 18).data);
}"""


@pytest.mark.parametrize(
    ("ffmpeg", "player"),
    [pytest.param("PATH", "hls.js", marks=needs_hls_js)],
    indirect=["ffmpeg"],
    scope="session",
)
def test_a_viewer_sees_the_right_frames_across_changes_between_hardware_and_software(
    half_hardware, all_hardware, page, player
):
    seen = []
    for daemon, session in (half_hardware, all_hardware):
        page.goto(f"{daemon.url}{session['player_url']}?player={player}")
        assert page.evaluate(PLAYS_ON_FROM, 0) >= 1
        # From segments of software to those of hardware, and on to software.
        assert page.evaluate(PLAYS_ON_FROM, 5.5) >= 6.5
        assert page.evaluate(PLAYS_ON_FROM, 9.5) >= 10.5
        # Back and forth between segments of the two.
        seen.append([page.evaluate(FRAME_AT, position) for position in (3.05, 9.05, 13.05, 7.05, 0.55)])

    for changed, same in zip(*seen, strict=True):
        assert sum(abs(a - b) for a, b in zip(changed, same, strict=True)) / len(same) < 4  # of 255
    assert page.evaluate("document.querySelector('video').error") is None
    assert real(page.complaints) == []


PLAYS_AT = """(goal) => new Promise((resolve) => {
    const video = document.querySelector("video");
    const look = () => {
        if (video.error || video.currentTime < goal || video.paused || video.readyState < 3) return;
        events.forEach((e) => video.removeEventListener(e, look));
        resolve(video.currentTime);
    };
    const events = ["timeupdate", "playing", "seeked", "canplay"];
    events.forEach((e) => video.addEventListener(e, look));
    look();
})"""
"""The same, and stalls and pauses on the way do not matter."""


@pytest.mark.parametrize(("player", "number"), [("native", signal.SIGTERM), ("hls.js", signal.SIGKILL)])
def test_a_viewer_sees_a_pause_at_most_when_the_daemon_is_started_again(
    start_daemon, hls_clip, page, player, number, until
):
    first = start_daemon(HLS_SESSIONS_DRAIN="false")
    port = first.url.rpartition(":")[2]
    # Long enough that no player has all of it at once.
    session = first.open(hls_clip(seconds=900, size="160x90", rate="5", audio=None))
    page.goto(f"{first.url}{session['player_url']}?player={player}")
    begun = page.evaluate(PLAYS_ON_FROM, 0)
    page.evaluate("window.opened = true")
    assert first.http.get("/stats").json()["living"] == 1  # which waits until it is written

    first.stop(number)
    page.evaluate("document.querySelector('video').currentTime = 800")
    until(lambda: page.evaluate("1") and sum("ERR_CONNECTION_REFUSED" in each for each in page.complaints) > 2)
    second = start_daemon("--port", port)
    middle = page.evaluate(PLAYS_AT, 801)
    page.evaluate("document.querySelector('video').currentTime = 2")
    early = page.evaluate(PLAYS_AT, 2.5)

    assert begun >= 1
    assert 801 <= middle < 830
    assert 2.5 <= early < 10
    assert page.evaluate("window.opened")
    assert page.evaluate("document.querySelector('video').error") is None
    info = second.http.get(f"/sessions/{session['session_id']}").json()
    assert (info["state"], info["restarts"]["daemon"]) == ("active", 1)


def test_the_page_of_an_unknown_session_says_so(daemon, page):
    page.goto(f"{daemon.url}/watch/no-such-session")

    assert page.text_content("h1") == "Nothing to watch here"
    assert "no-such-session" in page.text_content("main")


def make_hole(whole):
    """Make a copy of a film, in which a quarter from the middle on is lost."""
    film = whole.with_name(f"hole-{whole.name}")
    data = bytearray(whole.read_bytes())
    middle, hole = len(data) // 2, len(data) // 4
    data[middle : middle + hole] = bytes(hole)
    film.write_bytes(data)
    return film


HIDE = """(hidden) => {
    const get = () => (hidden ? "hidden" : "visible");
    Object.defineProperty(document, "visibilityState", { configurable: true, get });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


@needs_hls_js
def test_a_page_that_was_hidden_for_long_says_so_calmly_and_opens_the_film_again_at_its_place(
    daemon, page, hls_clip, until
):
    film = hls_clip(seconds=20, size="128x72", rate="10", gop=20, pixels="yuv420p")
    session = daemon.open(film, user="anna", idle_timeout=1)
    page.clock.install()
    page.goto(f"{daemon.url}{session['player_url']}")
    page.evaluate(PLAYS_ON_FROM, 8)

    page.evaluate("video.pause()")
    page.evaluate(HIDE, True)
    page.clock.fast_forward("05:01")  # it listens no longer, and so does not keep its session
    until(lambda: session["session_id"] not in {each["session_id"] for each in daemon.http.get("/sessions").json()})
    page.evaluate(HIDE, False)
    page.get_by_text("Session timed out").wait_for()
    at = page.evaluate("video.currentTime")
    assert page.locator("#notice.error").count() == 0
    page.click("#again")
    page.wait_for_url(lambda url: session["session_id"] not in url)

    assert page.evaluate(PLAYS_ON_TO, 8) >= at


@needs_hls_js
def test_the_screen_stays_awake_while_it_plays_and_only_then(daemon, page, hls_clip):
    page.add_init_script("""
        window.awake = [];
        Object.defineProperty(navigator, "wakeLock", { value: { request: async () => {
            const lock = new EventTarget();
            lock.release = () => { window.awake.push("released"); lock.dispatchEvent(new Event("release")); };
            window.awake.push("held");
            return lock;
        } } });
    """)
    session = daemon.open(hls_clip(seconds=20, size="128x72", rate="10", gop=20, pixels="yuv420p"))
    page.goto(f"{daemon.url}{session['player_url']}")
    page.evaluate(PLAYS_ON_FROM, 0)

    page.evaluate("video.pause()")
    page.evaluate("new Promise((seen) => setTimeout(seen))")
    paused = page.evaluate("awake")
    page.evaluate(PLAYS_ON_FROM, 2)

    assert paused == ["held", "released"]
    assert page.evaluate("awake") == ["held", "released", "held"]


@needs_hls_js
def test_the_keyboard_of_players_works_wherever_the_focus_is(daemon, page, hls_clip):
    session = daemon.open(hls_clip(seconds=20, size="128x72", rate="10", gop=20, pixels="yuv420p", subtitles=(TALK,)))
    page.goto(f"{daemon.url}{session['player_url']}")
    page.evaluate(PLAYS_ON_FROM, 0)

    def after(key, what):
        page.keyboard.press(key)
        return page.evaluate(what)

    assert after(" ", "video.paused") is True
    assert after("5", "video.currentTime") == pytest.approx(10, abs=0.1)
    assert after("l", "video.currentTime") == pytest.approx(20, abs=0.1)
    assert after("j", "video.currentTime") == pytest.approx(10, abs=0.1)
    assert after("ArrowLeft", "video.currentTime") == pytest.approx(5, abs=0.1)
    assert after("ArrowRight", "video.currentTime") == pytest.approx(10, abs=0.1)
    assert after("0", "video.currentTime") == pytest.approx(0, abs=0.1)
    assert after("m", "video.muted") is True
    assert after("ArrowDown", "video.volume") == pytest.approx(0.9)
    assert after(">", "video.playbackRate") == 1.25
    assert after("<", "video.playbackRate") == 1
    assert after("c", f"{TEXTS}.mode") == "disabled"
    assert after("c", f"{TEXTS}.mode") == "showing"
    assert after("?", "document.getElementById('keys').open") is True
    assert after("k", "video.paused") is False
    assert after("f", "document.fullscreenElement?.id") == "player"
    assert page.complaints == []


def frames(data) -> int:
    with av.open(BytesIO(data)) as container:
        return sum(packet.size > 0 for packet in container.demux(video=0))


@needs_hls_js
def test_what_a_page_records_is_watched_by_another_and_goes_on_when_the_daemon_was_killed(start_daemon, page, until):
    first = start_daemon(HLS_SESSIONS_DRAIN="false")
    page.goto(f"{first.url}/record")
    page.click("#start")
    link = page.get_by_role("link", name="Watch it live")
    link.wait_for()
    session = link.get_attribute("href").rpartition("/")[2]
    viewer = page.context.new_page()
    viewer.goto(f"{first.url}/watch/{session}")
    assert viewer.evaluate(PLAYS_ON_FROM, 0) >= 1

    first.stop(signal.SIGKILL)
    second = start_daemon("--port", first.url.rpartition(":")[2])
    page.get_by_text("Recording", exact=True).wait_for()
    kept = page.evaluate("uplink.kept")
    until(lambda: page.evaluate("uplink.kept") > kept + 100_000)
    assert viewer.evaluate(PLAYS_AT, 5) >= 5
    page.click("#stop")
    page.get_by_text("Recorded.").wait_for()

    base = f"/sessions/{session}"
    made = page.evaluate("uplink.made")
    original = second.http.get(f"{base}/files/original").content
    playlist = second.http.get(f"{base}/video/index.m3u8").text
    names = ["init.mp4", *re.findall(r"^\d+\.m4s$", playlist, re.MULTILINE)]
    shown = b"".join(second.http.get(f"{base}/video/{name}").raise_for_status().content for name in names)
    assert len(original) == made
    assert frames(shown) == frames(original) > 0
    assert viewer.evaluate("document.querySelector('video').error") is None


RELOADS = """(times) => new Promise((resolve) => {
    video.hls.on("hlsLevelUpdated", () => { times -= 1; if (!times) resolve(); });
})"""


TIMES_OUT = """new Promise((resolve) => {
    video.hls.on("hlsError", (_, error) => { if (/levelLoadTimeOut/i.test(error.details)) resolve(); });
})"""


@pytest.fixture(scope="module")
def minute(tmp_path_factory) -> bytes:
    """What a source sends in 40 seconds."""
    path = tmp_path_factory.mktemp("source") / "minute.mkv"
    film = ("-f", "lavfi", "-i", "testsrc2=size=128x72:rate=20:duration=40")
    encoded = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "20", "-f", "matroska")
    subprocess.run([find(), "-v", "error", *film, *encoded, path], check=True, timeout=60)
    return path.read_bytes()


def test_a_viewer_may_watch_the_beginning_of_a_recording_that_goes_on_and_go_live_again(daemon, page, minute, until):
    recording = daemon.http.post("/live", json={}).json()
    url = f"{daemon.url.replace('http', 'ws')}{recording['input_url']}?token={recording['input_token']}"
    with connect(url, max_size=None) as source:
        source.send('{"type": "start"}')
        source.send(bytes(8) + minute)
        until(lambda: daemon.http.get(f"/sessions/{recording['session_id']}").json()["duration"] > 30)
        page.goto(f"{daemon.url}/watch/{recording['session_id']}")
        live = page.evaluate(PLAYS_ON_TO, 20)
        assert live > 25
        assert 3 <= page.evaluate(PLAYS_ON_FROM, 2) < 20
        page.evaluate(RELOADS, 2)
        assert page.evaluate("video.currentTime") < 20
        page.click("#live")
        assert page.evaluate(PLAYS_ON_TO, 20) > 25
    daemon.http.delete(f"/recordings/{recording['session_id']}")


SENDS = """async ([url, film, at, more]) => {
    const bytes = Uint8Array.from(atob(film), (character) => character.charCodeAt(0));
    const space = new Uint8Array(8 + more); // an element of Matroska that says nothing
    new DataView(space.buffer).setBigUint64(0, (0xEC01n << 48n) | BigInt(more));
    const whole = await new Blob([bytes.subarray(0, at), space, bytes.subarray(at)]).arrayBuffer();
    return await new Promise((resolve) => {
        const uplink = new Uplink(url, "video/x-matroska", (news) => {
            if (news.recorded || news.failed) resolve([whole.byteLength, news.recorded ?? news.failed]);
        });
        uplink.add(whole);
        uplink.stop();
    });
}"""


def test_a_browser_whose_chunks_are_larger_than_a_message_may_be_loses_nothing(daemon, page, minute):
    recording = daemon.http.post("/live", json={}).json()
    url = f"{daemon.url.replace('http', 'ws')}{recording['input_url']}?token={recording['input_token']}"
    page.goto(f"{daemon.url}/record")
    film, at = base64.b64encode(minute).decode(), minute.index(b"\x1fC\xb6u")

    made, files = page.evaluate(SENDS, [url, film, at, 70_000_000])

    assert [file["bytes"] for file in files] == [made]
    assert files[0]["seconds"] == pytest.approx(40, abs=0.1)
    daemon.http.delete(f"/recordings/{recording['session_id']}")


def test_a_viewer_waits_for_a_source_that_sends_nothing_for_a_while(daemon, page, minute, until):
    recording = daemon.http.post("/live", json={"low_latency": True}).json()
    url = f"{daemon.url.replace('http', 'ws')}{recording['input_url']}?token={recording['input_token']}"
    pieces = [minute[at : at + len(minute) // 4 + 1] for at in range(0, len(minute), len(minute) // 4 + 1)]
    with connect(url, max_size=None) as source:
        source.send('{"type": "start"}')
        for number, piece in enumerate(pieces):
            source.send((number * len(pieces[0])).to_bytes(8, "big") + piece)
            if number == 0:
                page.goto(f"{daemon.url}/watch/{recording['session_id']}")
                page.evaluate(PLAYS_ON_TO, 2)
            elif number == 1:
                page.evaluate(TIMES_OUT)
        until(lambda: page.evaluate("video.hls.levels[0].details.edge") > 35)
    assert not page.is_visible("#notice")
    daemon.http.delete(f"/recordings/{recording['session_id']}")


def test_a_recording_of_low_latency_is_watched_in_parts(daemon, page):
    asked = []
    page.goto(f"{daemon.url}/record")
    page.check("#low-latency")
    page.click("#start")
    link = page.get_by_role("link", name="Watch it live")
    link.wait_for()
    viewer = page.context.new_page()
    viewer.on("request", lambda request: asked.append(request.url))

    viewer.goto(link.get_attribute("href"))
    assert viewer.evaluate(PLAYS_ON_TO, 3) >= 4

    assert viewer.evaluate("video.hls.targetLatency") == 1.5
    assert any(re.search(r"/video/\d+\.\d+\.m4s$", url) for url in asked)
    assert any("_HLS_part=" in url for url in asked)
    assert viewer.evaluate("video.error") is None
    page.click("#stop")
    page.get_by_text("Recorded.").wait_for()
    daemon.http.delete(f"/recordings/{link.get_attribute('href').rpartition('/')[2]}")
