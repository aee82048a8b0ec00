"""Bad input gets a clear 4xx with a sentence, and leaves nothing behind."""

from __future__ import annotations

import shutil

import pytest

from hls_sessions.errors import MediaNotFound
from hls_sessions.web import problems


@pytest.fixture
def refused(http):
    """Open what cannot be opened, and return the problem."""

    def open_(media, status, kind):
        answer = http.post("/sessions", json={"media": str(media)})
        problem = answer.json()
        assert answer.status_code == status, problem
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["type"] == f"/problems/{kind}"
        assert problem["status"] == status
        assert problem["detail"].endswith(".")
        assert http.get("/sessions").json() == []
        return problem

    return open_


def test_a_missing_file_is_404(refused):
    refused("missing.mp4", 404, "media-not-found")


def test_an_empty_file_is_415(refused, media):
    (media / "empty.mp4").touch()
    assert "empty" in refused("empty.mp4", 415, "not-playable")["detail"]


def test_text_called_mp4_is_415(refused, media):
    (media / "text.mp4").write_text("Once upon a time")
    refused("text.mp4", 415, "not-playable")


def test_a_directory_is_415(refused, media):
    (media / "folder.mp4").mkdir()
    refused("folder.mp4", 415, "not-playable")


def test_a_list_of_other_files_is_415(refused, media):
    (media / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nother.ts\n#EXT-X-ENDLIST\n")
    refused("list.m3u8", 415, "not-playable")


def test_a_film_cut_off_before_its_index_is_415(refused, media, film):
    (media / "cut.mp4").write_bytes(film.read_bytes()[:2000])
    refused("cut.mp4", 415, "not-playable")


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../../../../etc/passwd", "folder/../../../../../etc/passwd", "/nowhere"]
)
def test_a_path_outside_the_roots_is_403_whether_or_not_it_exists(refused, path):
    refused(path, 403, "outside-roots")


def test_a_symlink_that_leaves_the_roots_is_403(refused, media):
    (media / "link.mp4").symlink_to("/etc/passwd")
    refused("link.mp4", 403, "outside-roots")


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b.mp4", "", "x/" * 2000])
def test_a_name_that_no_file_can_have_is_4xx(http, name):
    answer = http.post("/sessions", json={"media": name})

    assert answer.status_code in {404, 422}
    assert http.get("/sessions").json() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"user": "anna"}',
        b'{"media": 7}',
        b'{"media": "film.mp4", "idle_timeout": -1}',
        b'{"media": "film.mp4", "start_at": "NaN"}',
        b'{"media": "film.mp4", "user": ""}',
        b"\xff\xfe",
    ],
)
def test_a_malformed_body_is_422(http, body):
    answer = http.post("/sessions", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/malformed-request"


@pytest.mark.parametrize("body", [b" " * 300_000, [b" " * 100_000] * 3], ids=["announced", "in chunks"])
@pytest.mark.parametrize("path", ["/sessions", "/resume", "/sessions/stop"])
def test_a_body_larger_than_any_order_is_413(http, path, body):
    answer = http.post(path, content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/content-too-large"
    assert http.get("/sessions").json() == []


@pytest.mark.parametrize(
    "path", ["", "/master.m3u8", "/video-90p/index.m3u8", "/video-90p/0.m4s", "/video-90p/init.mp4"]
)
@pytest.mark.parametrize("session_id", ["00000000-0000-4000-8000-000000000000", "x", "%2e%2e", "'; drop"])
def test_an_unknown_id_is_404(http, session_id, path):
    answer = http.get(f"/sessions/{session_id}{path}")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_unknown_path_and_a_wrong_method_are_problems_too(http):
    assert http.get("/nothing/here").json()["status"] == 404
    assert http.put("/sessions").json()["status"] == 405


def test_every_problem_explains_itself(http):
    problem = http.post("/sessions", json={"media": "missing.mp4"}).json()

    assert http.get(problem["type"]).text == "There is no such file under any media root."
    for kind in ("malformed-request", "content-too-large", "token-required", "not-found", "internal-server-error"):
        assert http.get(f"/problems/{kind}").status_code == 200


@pytest.mark.parametrize(
    "name", ["-version.mp4", "http:x.mp4", "a%d b'c.mp4", "фильм 映画.mp4", "file:x\ny.mp4", "[red].mp4"]
)
def test_a_real_film_plays_whatever_its_name(http, media, film, name):
    shutil.copy(film, media / name)
    session = http.post("/sessions", json={"media": name})

    assert session.status_code == 201
    for segment in (0, 3):
        address = f"/sessions/{session.json()['session_id']}/video-90p/{segment}.m4s"
        assert http.get(address).status_code == 200
    assert http.get(session.json()["player_url"]).status_code == 200


def test_an_error_of_a_kind_that_is_not_in_the_table_has_the_status_of_the_kind_above_it():
    class Moved(MediaNotFound):
        kind = "moved"

    assert problems.status_of(Moved("film.mp4")) == problems.status_of(MediaNotFound("film.mp4")) == 404
