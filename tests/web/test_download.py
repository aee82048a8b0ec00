"""A film is downloaded as one file, and what breaks off is gone on with."""

from __future__ import annotations

import subprocess

import pytest

from hls_sessions.ffmpeg import find
from hls_sessions.testing import failing_ffmpeg

BOUND = 60


@pytest.fixture
def url(session) -> str:
    return f"/sessions/{session['session_id']}/download"


@pytest.fixture
def whole(http, url):
    """The whole file, as it is sent while it is made."""
    return http.get(url)


def part_of(http, url, most, **headers):
    """Ask for a file, and break off after so many bytes."""
    with http.stream("GET", url, headers=headers) as answer:
        data = b""
        for chunk in answer.iter_bytes():
            data += chunk
            if len(data) >= most:
                break
    return answer, data[:most]


def test_it_is_a_film_of_a_name(http, whole, film, tmp_path):
    assert whole.status_code == 200
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["content-disposition"] == f"attachment; filename*=UTF-8''{film.stem}.mp4"
    assert "content-length" not in whole.headers
    (tmp_path / "film.mp4").write_bytes(whole.content)
    command = [find(), "-v", "error", "-i", tmp_path / "film.mp4", "-f", "null", "-"]
    assert subprocess.run(command, check=True, capture_output=True, timeout=BOUND).stderr == b""


def test_a_part_of_a_whole_one_is_had_as_of_any_file(http, url, whole):
    size, tag = len(whole.content), whole.headers["etag"]

    for wanted, got in ({"0-9": (0, 9), "100-": (100, size - 1), f"9-{size + 5}": (9, size - 1)}).items():
        answer = http.get(url, headers={"Range": f"bytes={wanted}", "If-Range": tag})
        assert answer.status_code == 206
        assert answer.headers["content-range"] == f"bytes {got[0]}-{got[1]}/{size}"
        assert answer.headers["content-length"] == str(len(answer.content))
        assert answer.content == whole.content[got[0] : got[1] + 1]
    beyond = http.get(url, headers={"Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")


def test_one_that_is_whole_is_sent_again_with_its_length(http, url, whole):
    again = http.get(url)

    assert again.headers["etag"] == whole.headers["etag"]
    assert again.headers["content-length"] == str(len(whole.content))
    assert again.content == whole.content


@pytest.mark.parametrize("names_it", [True, False], ids=["by its tag", "as curl does"])
def test_one_that_breaks_off_is_gone_on_with(http, url, names_it):
    answer, begun = part_of(http, url, 30_000)
    condition = {"If-Range": answer.headers["etag"]} if names_it else {}

    rest = http.get(url, headers={"Range": "bytes=30000-"} | condition)

    assert rest.status_code == 206
    assert rest.headers["content-range"] == "bytes 30000-9007199254740991/*"
    assert rest.headers["etag"] == answer.headers["etag"]
    assert begun + rest.content == http.get(url).content


def test_one_of_another_film_or_of_an_earlier_daemon_is_sent_from_its_beginning(http, url):
    _, begun = part_of(http, url, 30_000)

    other = http.get(url, headers={"Range": "bytes=30000-", "If-Range": f'"{"0" * 32}"'})

    assert other.status_code == 200
    assert other.content[:30_000] == begun


@pytest.mark.parametrize("wanted", ["bytes=5-1", "bytes=-5", "bytes=0-1,4-5", "lines=1-2", "bytes=x-"])
def test_a_range_that_cannot_be_had_of_a_file_that_grows_is_ignored(http, url, wanted):
    part_of(http, url, 30_000)

    answer, _ = part_of(http, url, 10, Range=wanted)

    assert answer.status_code == 200


def test_bytes_that_it_does_not_have_yet_cannot_be_had(http, url):
    part_of(http, url, 30_000)

    answer = http.get(url, headers={"Range": "bytes=900000000-"})

    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */*")


def test_how_much_there_is_can_be_asked(http, url, whole):
    [told] = http.get(f"{url}s").json()

    assert told["made"] == told["segments"]
    assert told["bytes"] == len(whole.content)
    assert told["is_complete"]
    assert f'"{told["etag"]}"' == whole.headers["etag"]


def test_asking_for_its_head_makes_nothing(http, url):
    answer = http.head(url)

    assert (answer.status_code, answer.headers["accept-ranges"]) == (200, "bytes")
    assert http.get(f"{url}s").json() == []


@pytest.mark.parametrize("wrong", ["rendition=nothing", "audio=video-90p", "rendition=none&audio=none", "subtitles=x"])
def test_a_track_that_there_is_none_of_is_not_found(http, url, wrong):
    assert http.get(f"{url}?{wrong}").json()["type"] == "/problems/rendition-not-found"


def test_what_follows_is_ignored_where_nothing_is_named(http, url, whole):
    assert http.get(f"{url}?rendition=&audio=&subtitles=&more=1").content == whole.content


def test_a_session_that_is_no_more_has_none(http, url, session):
    http.delete(f"/sessions/{session['session_id']}")

    assert http.get(url).status_code == 404


def test_what_cannot_be_made_is_answered_with_its_problem(start_daemon, hls_clip, tmp_path):
    daemon = start_daemon(HLS_SESSIONS_FFMPEG=str(failing_ffmpeg(tmp_path)))
    session = daemon.open(hls_clip(seconds=2, size="160x90", audio=None))

    answer = daemon.http.get(f"/sessions/{session['session_id']}/download")

    assert answer.status_code >= 400
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_whole_one_whose_segments_are_others_now_is_sent_anew(http, url, whole, daemon):
    for path in daemon.segments.rglob("*.m4s"):
        with path.open("ab") as file:
            file.write(b"\0\0\0\x08free")

    again = http.get(url)

    assert (again.status_code, "content-length" in again.headers) == (200, False)
    assert again.headers["etag"] != whole.headers["etag"]
    assert again.content == whole.content
