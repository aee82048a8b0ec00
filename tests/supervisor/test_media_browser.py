"""An operator looks through the media roots for a film to start."""

from __future__ import annotations

import os

import pytest

from hls_sessions.errors import MediaNotFound, NotPlayable, OutsideRoots, ThumbnailFailed, Unavailable
from hls_sessions.supervisor import MediaRoots, media_browser
from hls_sessions.supervisor.media_browser import MediaBrowser
from hls_sessions.testing import hanging_share

BOUND = 60


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "films"
    for name in ("Zorn.mkv", "series/Pilot.MP4", "series/notes.txt", "series/extras/Making of.webm", ".hidden/x.mkv"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"1234")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "secret.mkv").touch()
    return root


@pytest.fixture
def supervisor(hls_supervisor, root):
    return hls_supervisor(media=(root,))


def names(found):
    return [each.name for each in found]


def test_the_only_root_is_listed_without_being_named(supervisor, root):
    listing = supervisor.browse()

    assert (listing.path, listing.parent, listing.is_whole) == (str(root), None, True)
    assert (names(listing.folders), names(listing.files)) == (["series"], ["Zorn.mkv"])
    assert listing.files[0].size == 4


def test_a_folder_is_listed_with_what_may_be_media_alone(supervisor, root):
    listing = supervisor.browse(str(root / "series"))

    assert (listing.parent, names(listing.folders), names(listing.files)) == (str(root), ["extras"], ["Pilot.MP4"])


def test_several_roots_are_listed_as_folders(hls_supervisor, root, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    supervisor = hls_supervisor(media=(root, other))

    assert [folder.path for folder in supervisor.browse().folders] == [str(root), str(other)]
    assert supervisor.browse(str(other)).parent == ""


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("pilot", ["series/Pilot.MP4"]),
        ("series MAKING", ["series/extras/Making of.webm"]),
        ("notes", []),
        ("hidden", []),
        (" ", ["Zorn.mkv"]),
    ],
)
def test_a_search_finds_the_files_whose_path_has_all_words(supervisor, words, found):
    assert names(supervisor.browse(search=words).files) == found


def test_what_is_found_can_be_opened_by_its_path(supervisor, root):
    [found] = supervisor.browse(search="pilot").files

    with pytest.raises(NotPlayable):  # it is there, and no film
        supervisor.open(found.path)


def test_a_root_inside_another_one_is_searched_once(hls_supervisor, root):
    supervisor = hls_supervisor(media=(root, root / "series"))

    assert [file.path for file in supervisor.browse(search="pilot").files] == [str(root / "series" / "Pilot.MP4")]


def test_a_search_that_finds_too_much_says_so(supervisor, monkeypatch):
    monkeypatch.setattr(media_browser, "MOST_FOUND", 2)

    assert not supervisor.browse(search="m").is_whole
    assert len(supervisor.browse(search="m").files) == 2


def test_a_folder_with_too_many_files_is_cut_off(supervisor, monkeypatch):
    monkeypatch.setattr(media_browser, "MOST_LISTED", 1)

    assert not supervisor.browse().is_whole


@pytest.mark.parametrize("folder", ["/", "/etc", "films/..", "relative", "\0"])
def test_a_folder_outside_the_roots_is_refused(supervisor, folder):
    with pytest.raises((OutsideRoots, MediaNotFound)):
        supervisor.browse(folder)


def test_neither_dots_nor_a_symlink_lead_out_of_the_roots(supervisor, root, tmp_path):
    (root / "way out").symlink_to(tmp_path / "secret")

    assert names(supervisor.browse().folders) == ["series"]
    assert names(supervisor.browse(search="secret").files) == []
    for folder in (root / "way out", root / ".." / "secret"):
        with pytest.raises(OutsideRoots):
            supervisor.browse(str(folder))


def test_a_folder_whose_name_is_no_utf_8_is_found_by_its_bytes(supervisor, root):
    folder = root / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / "film.mkv").touch()

    assert names(supervisor.browse(f"{root}/caf%E9").files) == ["film.mkv"]


def test_a_folder_that_is_not_there_is_not_found(supervisor, root):
    with pytest.raises(MediaNotFound):
        supervisor.browse(str(root / "nowhere"))


def test_a_circle_of_symlinks_is_searched_once(supervisor, root):
    (root / "series" / "round").symlink_to(root)

    assert names(supervisor.browse(search="zorn").files) == ["Zorn.mkv"]


def test_a_share_that_does_not_answer_is_told_in_time(root):
    browser = MediaBrowser(MediaRoots([root]), prober=None, thumbnails=None, patience=0.05)
    with hanging_share(root), pytest.raises(Unavailable):
        browser.browse(str(root / "series"))


def test_a_poster_is_a_scene_of_a_film(hls_supervisor, hls_clip):
    supervisor = hls_supervisor()

    assert supervisor.ask_poster(str(hls_clip(size="160x90"))).get(BOUND).startswith(b"\xff\xd8")
    with pytest.raises(ThumbnailFailed):
        supervisor.ask_poster(str(hls_clip(video=None)))
    with pytest.raises(MediaNotFound):
        supervisor.ask_poster("nowhere.mkv")
