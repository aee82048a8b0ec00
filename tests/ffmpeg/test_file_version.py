"""Whether a file is still the one that was opened."""

from __future__ import annotations

import os
import shutil
from fractions import Fraction

import pytest

from hls_sessions.errors import MediaNotFound
from hls_sessions.ffmpeg import FileVersion, OpenedFile, Sight
from hls_sessions.media import Media

LONG_AGO = 1_000_000_000
CONTENT = bytes(range(256)) * 100


@pytest.fixture
def film(tmp_path):
    film = tmp_path / "film.ts"
    film.write_bytes(CONTENT)
    return film


def opened(film):
    """Open a file as a session does, which has samples of it from then on."""
    version = FileVersion.of(film)
    facts = {"size": version.size, "modified": version.modified, "inode": version.inode}
    file = OpenedFile(Media(film, "mpegts", Fraction(0), None, (), **facts))
    file.begin()
    return file


def append(film):
    with film.open("ab") as file:
        file.write(b"more")


def finish(film):
    """Do as a recorder that writes the length into the header at the end."""
    with film.open("r+b") as file:
        file.write(b"header")
        file.seek(0, os.SEEK_END)
        file.write(b"index")


def truncate(film):
    os.truncate(film, 1000)


def rename_a_longer_one_over(film):
    other = film.with_name("other")
    other.write_bytes(CONTENT + b"more")
    other.replace(film)


def overwrite_with_a_longer_one(film):
    film.write_bytes(CONTENT[1:] + b"more and more")


def overwrite_with_one_as_long(film):
    film.write_bytes(CONTENT[::-1])


def remount(film):
    """Give it another number on its disk, as some file systems do by themselves."""
    shutil.copy2(film, film.with_name("other"))
    film.with_name("other").replace(film)


@pytest.mark.parametrize(
    ("change", "sight"),
    [
        (lambda film: None, Sight.SAME),
        (lambda film: film.chmod(0o600), Sight.SAME),
        (remount, Sight.SAME),
        (append, Sight.SAME),
        (finish, Sight.SAME),
        (truncate, Sight.CHANGED),
        (rename_a_longer_one_over, Sight.CHANGED),
        (overwrite_with_a_longer_one, Sight.CHANGED),
        (overwrite_with_one_as_long, Sight.CHANGED),
        (os.unlink, Sight.AWAY),
    ],
)
def test_a_file_is_the_one_that_was_opened_as_long_as_what_it_held_then_stays(film, change, sight):
    file = opened(film)

    change(film)

    assert file.look() is sight


def test_a_file_that_grew_while_it_was_probed_is_the_one_that_was_opened(film):
    version = FileVersion.of(film)
    append(film)
    facts = {"size": version.size, "modified": version.modified, "inode": version.inode}
    file = OpenedFile(Media(film, "mpegts", Fraction(0), None, (), **facts))
    file.begin()
    append(film)

    assert file.look() is Sight.SAME


def test_a_file_that_nobody_has_written_to_for_long_is_no_recording(film):
    os.utime(film, (LONG_AGO, LONG_AGO))
    file = opened(film)

    append(film)

    assert file.look() is Sight.CHANGED


def test_a_file_that_is_away_is_seen_again_when_it_is_back(film):
    file = opened(film)
    film.rename(film.with_name("away"))
    assert file.look() is Sight.AWAY
    with pytest.raises(MediaNotFound):
        FileVersion.of(film)

    film.with_name("away").rename(film)

    assert file.look() is Sight.SAME
