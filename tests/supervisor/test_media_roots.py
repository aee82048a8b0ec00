from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from hls_sessions.errors import MediaNotFound, NotPlayable, OutsideRoots, Unavailable
from hls_sessions.supervisor import MediaRoots
from hls_sessions.testing import hanging_share


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "films"
    (root / "series").mkdir(parents=True)
    (root / "film.mkv").touch()
    (root / "series" / "one.mkv").touch()
    (tmp_path / "secret.mkv").touch()
    return root


@pytest.fixture
def media_roots(root):
    return MediaRoots([root])


@pytest.mark.parametrize("name", ["film.mkv", "./film.mkv", "series/one.mkv", "series/../film.mkv", "series//one.mkv"])
def test_a_path_is_relative_to_a_root(media_roots, root, name):
    assert media_roots.find(name) == (root / name).resolve()


def test_a_path_may_be_absolute_under_a_root(media_roots, root):
    assert media_roots.find(root / "film.mkv") == root / "film.mkv"
    assert media_roots.find(str(root / "film.mkv")) == root / "film.mkv"


def test_the_first_root_that_has_a_file_gives_it(root, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "film.mkv").touch()
    (other / "only here.mkv").touch()
    media_roots = MediaRoots([root, other])

    assert media_roots.find("film.mkv") == root / "film.mkv"
    assert media_roots.find("only here.mkv") == other / "only here.mkv"
    assert media_roots.find(other / "film.mkv") == other / "film.mkv"


@pytest.mark.parametrize("name", ["nothing.mkv", "", "nothing/film.mkv", "film.mkv/more", "film.mkv\0", "\0"])
def test_a_file_that_is_not_there_is_not_found(media_roots, name):
    with pytest.raises(MediaNotFound, match="There is no file"):
        media_roots.find(name)


@pytest.mark.parametrize(
    "name", ["../secret.mkv", "series/../../secret.mkv", "/etc/passwd", "..", "/", "/proc/self/environ"]
)
def test_a_path_that_leaves_the_roots_is_refused(media_roots, name):
    with pytest.raises(OutsideRoots, match="is outside the media roots"):
        media_roots.find(name)


def test_nobody_learns_whether_a_file_outside_exists(media_roots):
    with pytest.raises(OutsideRoots):
        media_roots.find("../secret.mkv")
    with pytest.raises(OutsideRoots):
        media_roots.find("../no secret.mkv")


def test_a_root_whose_name_begins_like_another_folders_does_not_open_that(root, tmp_path):
    (tmp_path / "films of others").mkdir()
    (tmp_path / "films of others" / "film.mkv").touch()

    with pytest.raises(OutsideRoots):
        MediaRoots([root]).find("../films of others/film.mkv")


def test_a_symlink_that_stays_within_the_roots_is_followed(media_roots, root):
    (root / "series" / "link.mkv").symlink_to("../film.mkv")
    (root / "link").symlink_to("series")

    assert media_roots.find("series/link.mkv") == root / "film.mkv"
    assert media_roots.find("link/one.mkv") == root / "series" / "one.mkv"


def test_a_symlink_into_another_root_is_followed(root, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "elsewhere.mkv").touch()
    (root / "link.mkv").symlink_to(other / "elsewhere.mkv")

    assert MediaRoots([root, other]).find("link.mkv") == other / "elsewhere.mkv"


def test_a_symlink_that_leaves_the_roots_is_refused(media_roots, root, tmp_path):
    (root / "link.mkv").symlink_to(tmp_path / "secret.mkv")
    (root / "link").symlink_to(tmp_path)

    with pytest.raises(OutsideRoots):
        media_roots.find("link.mkv")
    with pytest.raises(OutsideRoots):
        media_roots.find("link/secret.mkv")


def test_a_root_may_itself_be_a_symlink(root, tmp_path):
    (tmp_path / "link").symlink_to(root)

    assert MediaRoots([tmp_path / "link"]).find("film.mkv") == root / "film.mkv"
    assert MediaRoots([tmp_path / "link"]).find(tmp_path / "link" / "film.mkv") == root / "film.mkv"


@pytest.mark.parametrize("target", ["nothing.mkv", "loop.mkv"])
def test_a_symlink_that_leads_nowhere_is_not_found(media_roots, root, target):
    (root / "loop.mkv").symlink_to(target)

    with pytest.raises(MediaNotFound):
        media_roots.find("loop.mkv")


@pytest.mark.parametrize("name", ["series", ".", "series/.."])
def test_a_folder_is_not_playable(media_roots, name):
    with pytest.raises(NotPlayable, match="it is not a regular file"):
        media_roots.find(name)


def test_a_pipe_is_not_playable(media_roots, root):
    os.mkfifo(root / "pipe.mkv")

    with pytest.raises(NotPlayable, match="it is not a regular file"):
        media_roots.find("pipe.mkv")


@pytest.mark.parametrize("name", ["x" * 256, "x" * 5000, "x/" * 2100, "series/" + "y" * 300])
def test_a_name_too_long_for_the_system_is_not_found(media_roots, name):
    with pytest.raises(MediaNotFound):
        media_roots.find(name)


@pytest.mark.parametrize("name", ["\ud800.mkv", "film\udfff.mkv", "series/\udbff\udbff"])
def test_a_name_no_file_can_have_is_not_found(media_roots, name):
    with pytest.raises(MediaNotFound):
        media_roots.find(name)


@pytest.mark.parametrize(
    "name", ["naïve.mkv", "映画.mkv", "-i.mkv", "file:x.mkv", "a b%d.mkv", "it's.mkv", "\n.mkv", "~"]
)
def test_a_name_is_taken_literally(media_roots, root, name):
    (root / name).touch()

    assert media_roots.find(name) == root / name


def test_a_name_that_is_not_unicode_is_found(media_roots, root):
    path = os.fsdecode(os.fsencode(root) + b"/\xff.mkv")
    os.close(os.open(path, os.O_CREAT))

    assert os.fspath(media_roots.find("\udcff.mkv")) == path


def test_without_roots_there_are_no_files(root):
    with pytest.raises(MediaNotFound):
        MediaRoots([]).find(root / "film.mkv")


def test_a_root_that_is_not_a_folder_is_an_error_from_the_start(root, tmp_path):
    for path in (tmp_path / "nothing", root / "film.mkv"):
        with pytest.raises(NotADirectoryError, match=f"The media root {path} is not a folder"):
            MediaRoots([path])


def test_a_root_may_be_named_from_home(root, monkeypatch):
    monkeypatch.setenv("HOME", str(root.parent))

    assert MediaRoots(["~/films"]).find("film.mkv") == root / "film.mkv"


# ---- a root that does not answer

BOUND = 30
"""Seconds after which an answer that has not come never will."""


@pytest.fixture
def two_roots(root, tmp_path):
    """A root, and another that will not answer."""
    share = tmp_path / "share"
    for folder in ("series", "films"):
        (share / folder).mkdir(parents=True)
        (share / folder / "two.mkv").touch()
    (share / "film.mkv").touch()
    return MediaRoots([root, share], patience=0.05), root, share


def test_a_file_of_a_root_that_does_not_answer_is_unavailable(two_roots):
    media_roots, _, share = two_roots

    with hanging_share(share), pytest.raises(Unavailable, match="does not answer"):
        media_roots.find(share / "film.mkv")


def test_the_files_of_other_roots_are_found_meanwhile_under_relative_names_too(two_roots):
    media_roots, root, share = two_roots

    with hanging_share(share):
        assert media_roots.find("film.mkv") == root / "film.mkv"
    with hanging_share(root):
        assert media_roots.find("series/two.mkv") == share / "series" / "two.mkv"


def test_however_many_ask_for_files_that_do_not_answer_few_threads_wait_for_them(two_roots):
    media_roots, _, share = two_roots

    def find(number):
        with pytest.raises(Unavailable):
            media_roots.find(share / "series" / f"{number}.mkv")

    with hanging_share(share), ThreadPoolExecutor(50) as callers:
        list(callers.map(find, range(200), timeout=BOUND))
        lookups = [thread for thread in threading.enumerate() if thread.name == "lookup"]
        assert len(lookups) == 4


def test_a_folder_that_does_not_answer_costs_no_other_folder_of_its_root(two_roots):
    media_roots, _, share = two_roots

    with hanging_share(share / "series"):
        for number in range(8):
            with pytest.raises(Unavailable):
                media_roots.find(share / "series" / f"{number}.mkv")
        assert media_roots.find("films/two.mkv") == share / "films" / "two.mkv"


def test_a_root_that_answers_again_is_asked_again(two_roots):
    media_roots, _, share = two_roots
    with hanging_share(share):
        for number in range(8):
            with pytest.raises(Unavailable):
                media_roots.find(share / "series" / f"{number}.mkv")
        assert media_roots.silent == 1

    for thread in threading.enumerate():
        if thread.name == "lookup":
            thread.join(BOUND)
    assert media_roots.find("series/two.mkv") == share / "series" / "two.mkv"
    assert media_roots.silent == 0


def test_a_filter_finds_the_sessions_of_a_file_whose_root_does_not_answer(two_roots):
    media_roots, _, share = two_roots

    with hanging_share(share):
        assert media_roots.named(str(share / "series" / ".." / "film.mkv")) == {share / "film.mkv"}


def test_callers_that_wait_for_a_root_are_answered_when_it_is_abandoned(root, tmp_path, until):
    share = tmp_path / "share"
    share.mkdir()
    media_roots = MediaRoots([share], patience=600)

    with hanging_share(share), ThreadPoolExecutor(8) as callers:
        asked = [callers.submit(media_roots.find, f"{number}.mkv") for number in range(8)]
        until(lambda: sum(thread.name == "lookup" for thread in threading.enumerate()) == 8)
        media_roots.abandon()
        for answer in asked:
            with pytest.raises(Unavailable, match="is stopping"):
                answer.result(BOUND)
