"""Hostile files: nothing else is read, nobody is called, nothing is written elsewhere, and the daemon plays on."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import ebml
import pytest

from hls_sessions.errors import NotPlayable, SegmentImpossible, SessionError
from hls_sessions.ffmpeg import find
from tests import hostile

BOUND = 60


@pytest.fixture
def film(hls_clip):
    return hls_clip(seconds=1.0, size="160x90")


@pytest.fixture
def caller():
    """A port of loopback on which nobody may call."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0)
        yield listening.getsockname()[1]
        with pytest.raises(BlockingIOError):
            listening.accept()


@pytest.fixture
def unread():
    """Return a function that makes a file that nobody may read: the system would note the time."""
    made = []

    def make(path, content):
        forget(path, content)
        path.read_bytes()
        if path.stat().st_atime_ns == 0:
            pytest.skip("this file system does not note when a file was read")
        forget(path, content)
        made.append(path)
        return path

    def forget(path, content):
        path.write_bytes(content)
        os.utime(path, ns=(0, path.stat().st_mtime_ns))

    yield make
    assert [path.name for path in made if path.stat().st_atime_ns != 0] == [], "these were read"


@pytest.fixture
def secret(tmp_path, unread):
    """A file that nobody may read."""
    return unread(tmp_path / "secret", b"secret " * 64)


@pytest.fixture
def play(hls_supervisor, film, tmp_path):
    """Return a function that opens files under a root and plays the beginning of all they offer; then a right film.

    It returns what became of each: an error, or None when it was played.
    """
    root = tmp_path / "films"
    root.mkdir()
    supervisor = hls_supervisor(media=(root, film.parent), probe_timeout=BOUND)

    def outcome(path):
        try:
            session = supervisor.open(path)
        except SessionError as error:
            return error
        error = None
        for rendition in session.presentation.renditions:
            try:
                session.segment(rendition, 0, BOUND)
            except SessionError as failed:
                error = failed
        with suppress(SessionError):
            session.stop()
        return error

    def play(*files):
        became = {}
        for name, content in files:
            path = root / name
            if content is not None:
                path.write_bytes(content)
            before = sorted(root.iterdir())
            became[name] = outcome(path)
            assert sorted(root.iterdir()) == before
        right = supervisor.open(film)
        assert right.segment(next(iter(right.presentation.renditions)), 0, BOUND).stat().st_size > 0
        return became

    play.root = root
    return play


def test_a_playlist_under_the_name_of_a_film_is_refused(play, secret, caller):
    became = play(*hostile.playlists(secret, caller))

    assert all(isinstance(error, SessionError) for error in became.values()), became


def test_lists_descriptions_and_patterns_of_other_kinds_are_refused(play, secret, caller):
    became = play(*hostile.other_lists(secret, caller))

    assert all(isinstance(error, SessionError) for error in became.values()), became


def test_a_playlist_in_the_subtitles_of_an_avi_is_not_opened(play, tmp_path, secret, caller):
    play(("subtitles.avi", hostile.avi_with_a_list_as_subtitles(tmp_path, secret, caller)))


def test_an_mp4_whose_media_is_elsewhere_opens_nothing_else(play, film, secret, caller):
    targets = (f"file://{secret}", str(secret), f"http://127.0.0.1:{caller}/")

    play(*((f"{n}.mp4", hostile.mp4_with_its_media_elsewhere(film, target)) for n, target in enumerate(targets)))


def test_attachments_are_not_written_and_the_film_plays(play, tmp_path, film):
    assert play(("attached.mkv", hostile.matroska_with_attachments(tmp_path, film))) == {"attached.mkv": None}
    assert not Path("/tmp/hostile-font.ttf").exists()


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"{n}\n00:00:00,100 --> 23:59:59,900\n{'bomb ' * 40}\n\n" for n in range(1, 3000)),
        "1\n00:00:00,000 --> 00:00:00,900\n{\\p1}m 0 0 " + "l 999999999 -999999999 " * 4000 + "{\\p0}\n\n",
    ],
    ids=["very many at once", "a huge drawing"],
)
def test_a_film_with_too_many_subtitles_plays(play, hls_clip, text):
    path = hls_clip(seconds=1.0, size="160x90", container="mkv", subtitles=(text,))

    became = play(("texts.mkv", path.read_bytes()))

    assert became["texts.mkv"] is None or "subtitles" in str(became["texts.mkv"])


def test_files_that_claim_to_be_endless_harm_nobody(play, film):
    play(*hostile.endless(film))


def test_odd_names_are_names_and_nothing_else(play, film):
    names = (
        *('it\'s "quoted".mp4', "line\nbreak.mp4", "-i.mp4", "file:x.mp4", "http:x.mp4", "%03d.mp4", "a|b.mp4"),
        *("*.mp4", "$(touch x).mp4", os.fsdecode(b"\xff\xfe.mp4"), "concat:a.mp4", "subfile,,start,0,end,1,,:x.mp4"),
    )

    assert play(*((name, film.read_bytes()) for name in names)) == dict.fromkeys(names)


def test_what_is_no_regular_file_is_refused(play, tmp_path, secret):
    os.mkfifo(play.root / "pipe.mp4")
    (play.root / "zero.mp4").symlink_to("/dev/zero")
    (play.root / "out.mp4").symlink_to(secret)
    (play.root / "folder.mp4").mkdir()

    became = play(*((name, None) for name in ("pipe.mp4", "zero.mp4", "out.mp4", "folder.mp4")))

    assert all(isinstance(error, SessionError) for error in became.values()), became


def test_a_matroska_that_is_linked_to_others_reads_none_of_them(play, unread, caller):
    names = ebml.element(0x73A4, hostile.OTHER) + ebml.element(0x3C83AB, b"linked.mkv")
    other = unread(play.root / "other.mkv", ebml.matroska(info=names))

    became = play(*hostile.matroska_that_names_others(other, caller))

    assert isinstance(became.pop("of others alone.mkv"), NotPlayable)
    assert set(became.values()) == {None}, became


def test_a_matroska_with_very_many_chapters_plays(play):
    became = play(*hostile.matroska_with_many_chapters())

    assert set(became.values()) == {None}, became


def test_a_small_file_that_claims_too_much_is_refused_at_once(play):
    began = time.monotonic()
    became = play(*hostile.huge())

    assert all(isinstance(error, NotPlayable) for error in became.values()), became
    assert "claims to last 27,777 hours" in str(became["years.mkv"])
    assert "its sample rate is 1 Hz" in str(became["slow.wav"])
    assert "more than 100 million pixels" in str(became["16000 by 16000.gif"])
    assert time.monotonic() - began < BOUND


def test_a_film_with_claims_that_are_not_true_plays(play):
    became = play(*hostile.odd())

    assert set(became.values()) == {None}, became


def test_a_picture_that_grows_in_the_middle_beyond_what_is_played_becomes_a_gap(hls_supervisor, tmp_path):
    joined = tmp_path / "grows.ts"
    for size, seconds, offset in (("128x72", 8, 0), ("12288x8704", 1, 8)):
        made = ("-f", "lavfi", "-i", f"color=size={size}:rate=10:duration={seconds}", "-c:v", "libx264", "-bf", "0")
        timed = ("-preset", "ultrafast", "-pix_fmt", "yuv420p", "-output_ts_offset", str(offset), "-f", "mpegts", "-")
        with joined.open("ab") as file:
            subprocess.run([find(), "-v", "error", *made, *timed], stdout=file, check=True, timeout=BOUND)

    session = hls_supervisor(media=[tmp_path]).open(joined)

    *before, last = range(len(session.presentation.cuts("video-72p")))
    assert all(session.segment("video-72p", number, BOUND).stat().st_size for number in before)
    with pytest.raises(SegmentImpossible):
        session.segment("video-72p", last, BOUND)
    assert session.info().state == "active"
