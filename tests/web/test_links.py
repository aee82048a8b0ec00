"""Viewing links: the right to watch one session, for some time."""

from __future__ import annotations

import re

import pytest

from hls_sessions.web.links import LONGEST, Links

TOKEN = {"Authorization": "Bearer secret"}


def test_a_link_is_good_until_it_expires(hls_clock):
    links = Links(None, hls_clock.time)
    text, link = links.issue("one", 60)

    assert links.read(text) == link
    assert links.is_good(link)
    hls_clock.advance(60)
    assert not links.is_good(link)


def test_no_link_is_good_for_longer_than_the_longest(hls_clock):
    _, link = Links(None, hls_clock.time).issue("one", 10 * LONGEST)

    assert link.expires == hls_clock.time() + LONGEST


@pytest.mark.parametrize(
    "change", [lambda t: t.replace("one", "two"), lambda t: t[:-1] + "g", lambda t: t + "0", str.upper]
)
def test_a_link_that_was_changed_is_none(change, hls_clock):
    links = Links(None, hls_clock.time)

    assert links.read(change(links.issue("one", 60)[0])) is None
    assert Links(None, hls_clock.time).read(links.issue("one", 60)[0]) is None


def test_one_link_is_revoked_or_all_of_a_session(hls_clock):
    links = Links(None, hls_clock.time)
    first, second, other = (links.issue(session, 60)[1] for session in ("one", "one", "two"))

    links.revoke("one", first.number)
    assert [links.is_good(each) for each in (first, second, other)] == [False, True, True]
    links.revoke("one")
    assert [links.is_good(each) for each in (first, second, other)] == [False, False, True]
    assert links.is_good(links.issue("one", 60)[1])


def test_links_and_their_ends_outlive_the_daemon(tmp_path, hls_clock):
    first = Links(tmp_path, hls_clock.time)
    good, revoked, all_of = first.issue("one", 60), first.issue("one", 60), first.issue("two", 60)
    first.revoke("one", revoked[1].number)
    first.revoke("two")

    second = Links(tmp_path, hls_clock.time)

    assert [second.is_good(second.read(text)) for text, _ in (good, revoked, all_of)] == [True, False, False]
    assert (tmp_path / "links.json").stat().st_mode & 0o077 == 0


def test_a_damaged_file_ends_the_links_and_nothing_else(tmp_path, hls_clock):
    text, _ = Links(tmp_path, hls_clock.time).issue("one", 60)
    (tmp_path / "links.json").write_text("[]")

    links = Links(tmp_path, hls_clock.time)

    assert links.read(text) is None
    assert links.is_good(links.issue("one", 60)[1])


@pytest.fixture(scope="module")
def strict_daemon(share_daemon):
    with share_daemon(token="secret", HLS_SESSIONS_LINKS="required") as daemon:
        yield daemon


@pytest.fixture
def strict(strict_daemon):
    """A daemon with a token, where the id of a session does not suffice."""
    yield from strict_daemon.lend()


@pytest.fixture
def opened(strict, film):
    return strict.http.post("/sessions", json={"media": film.name}, headers=TOKEN).json()


def uris(playlist: str) -> list[str]:
    return [line for line in playlist.splitlines() if line and not line.startswith("#")]


def test_a_film_is_watched_by_a_link_alone(strict, opened):
    master = strict.http.get(opened["playlist_url"])
    media = strict.http.get(str(master.url.join(uris(master.text)[0])))
    segment = strict.http.get(str(media.url.join(uris(media.text)[0])))

    assert [answer.status_code for answer in (master, media, segment)] == [200, 200, 200]
    page = strict.http.get(opened["player_url"]).text
    place = opened["player_url"].rpartition("/")[2]
    assert f'data-session="{place}"' in page
    assert opened["session_id"] not in re.sub(re.escape(place), "", page)


def test_where_links_are_required_the_id_does_not_suffice(strict, opened):
    base = f"/sessions/{opened['session_id']}"

    refused = [strict.http.get(f"{base}/{name}") for name in ("master.m3u8", "video-90p/0.m4s", "events", "download")]
    refused.append(strict.http.post(f"{base}/heartbeat"))

    assert {(answer.status_code, answer.json()["type"]) for answer in refused} == {(403, "/problems/link-required")}
    assert strict.http.get(f"{base}/master.m3u8", headers=TOKEN).status_code == 200
    assert strict.http.get("/health").status_code == 200


def test_a_link_gives_no_right_beyond_watching_its_session(strict, opened):
    place = opened["player_url"].rpartition("/")[2]

    assert strict.http.get(f"/sessions/{place}").status_code == 401
    assert strict.http.delete(f"/sessions/{place}").status_code == 401
    assert strict.http.get(f"/sessions/{place}/log").status_code == 401


def test_a_link_that_was_revoked_is_over(strict, opened):
    base = f"/sessions/{opened['session_id']}/links"
    made = strict.http.post(base, json={"expires_in": 600}, headers=TOKEN)
    link = made.json()
    assert made.status_code == 201
    assert strict.http.get(link["playlist_url"]).status_code == 200

    assert strict.http.delete(f"{base}/{link['number']}", headers=TOKEN).status_code == 204
    over = strict.http.get(link["playlist_url"])
    assert (over.status_code, over.json()["type"]) == (410, "/problems/link-over")
    assert strict.http.get(opened["playlist_url"]).status_code == 200
    assert strict.http.delete(base, headers=TOKEN).status_code == 204
    assert strict.http.get(opened["playlist_url"]).status_code == 410


@pytest.mark.parametrize("wrong", [{"expires_in": 0}, {"expires_in": "x"}, {"expires_in": 1e300}, []])
def test_a_link_for_no_time_is_refused(strict, opened, wrong):
    answer = strict.http.post(f"/sessions/{opened['session_id']}/links", json=wrong, headers=TOKEN)

    assert answer.status_code == 422


def test_links_work_where_they_are_not_required_too(guarded, film):
    session = guarded.http.post("/sessions", json={"media": film.name}, headers=TOKEN).json()
    assert session["session_id"] in session["player_url"].split("/")

    link = guarded.http.post(f"/sessions/{session['session_id']}/links", headers=TOKEN).json()

    assert guarded.http.get(link["playlist_url"]).status_code == 200


def test_links_of_a_session_that_there_is_not_are_not_made(guarded):
    answer = guarded.http.post("/sessions/nothing/links", headers=TOKEN)

    assert answer.json()["type"] == "/problems/session-not-found"


def test_a_source_needs_no_link_because_it_has_a_token_of_its_own(strict):
    recording = strict.http.post("/live", json={}, headers=TOKEN).json()

    answer = strict.http.put(f"{recording['input_url']}?token={recording['input_token']}", content=b"no media")

    assert answer.json()["type"] == "/problems/not-playable"
    strict.http.delete(f"/recordings/{recording['session_id']}", headers=TOKEN)
