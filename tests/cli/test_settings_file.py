"""A change of the settings file is noticed, in whichever way a program changes it."""

from __future__ import annotations

import shutil
import threading

import pytest

from hls_sessions.cli.settings_file import SettingsFile

BOUND = 30
"""Seconds after which a change counts as never noticed."""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "etc"
    folder.mkdir()
    return folder


@pytest.fixture
def file(folder):
    file = folder / "settings.toml"
    file.write_text("idle_timeout = 60\n")
    return file


@pytest.fixture
def looking():
    """Return a settings file that is looked at when a test says so, and the texts that it was called back for."""

    def looking(path):
        heard = []
        return SettingsFile(path, lambda: heard.append(path.read_text())), heard

    return looking


def in_place(file, text):
    file.write_text(text)


def renamed_beside(file, text):
    (file.parent / ".new").write_text(text)
    (file.parent / ".new").rename(file)


def moved_from_elsewhere(file, text):
    (file.parent.parent / "new").write_text(text)
    (file.parent.parent / "new").rename(file)


def backed_up_and_written_anew(file, text):
    file.rename(file.with_suffix(".bak"))
    file.write_text(text)


def leading(link, target):
    """Have a link lead elsewhere, at one moment."""
    (link.parent / "new").symlink_to(target)
    (link.parent / "new").rename(link)


def releases(folder, *names):
    """Make releases, each with its settings; return a link to the first."""
    for name in names:
        (folder / name / "etc").mkdir(parents=True)
        (folder / name / "etc" / "settings.toml").write_text(f"release {name}\n")
    (folder / "current").symlink_to(folder / names[0])
    return folder / "current"


# The texts of a test differ in length: two versions of one file may have the same time of change, because the kernel's
# clock for files ticks every few milliseconds.


@pytest.mark.parametrize("write", [in_place, renamed_beside, moved_from_elsewhere, backed_up_and_written_anew])
def test_each_change_is_noticed_once(file, looking, write):
    settings, heard = looking(file)
    settings.look()
    assert heard == []

    write(file, "idle_timeout = 120\n")
    settings.look()
    settings.look()
    write(file, "idle_timeout = 1800\n")
    settings.look()

    assert heard == ["idle_timeout = 120\n", "idle_timeout = 1800\n"]


def test_a_change_behind_a_link_is_noticed(file, tmp_path, looking):
    link = tmp_path / "link.toml"
    link.symlink_to(file)
    settings, heard = looking(link)

    file.write_text("idle_timeout = 120\n")
    settings.look()

    assert heard == ["idle_timeout = 120\n"]


def test_a_link_that_leads_elsewhere_is_noticed_and_so_is_a_change_of_that_file(file, folder, tmp_path, looking):
    link, other = tmp_path / "link.toml", folder / "other.toml"
    link.symlink_to(file)
    other.write_text("idle_timeout = 120\n")
    settings, heard = looking(link)

    leading(link, other)
    settings.look()
    other.write_text("idle_timeout = 1800\n")
    settings.look()

    assert heard == ["idle_timeout = 120\n", "idle_timeout = 1800\n"]


def test_a_link_to_a_folder_above_the_file_that_leads_elsewhere_is_noticed(tmp_path, looking):
    current = releases(tmp_path, "1", "2")
    settings, heard = looking(current / "etc" / "settings.toml")

    leading(current, tmp_path / "2")
    settings.look()

    assert heard == ["release 2\n"]


def test_a_link_in_the_middle_of_a_chain_that_leads_elsewhere_is_noticed(tmp_path, looking):
    current = releases(tmp_path / "mounted", "1", "2")
    link = tmp_path / "link.toml"
    link.symlink_to(current / "etc" / "settings.toml")
    settings, heard = looking(link)

    leading(current, tmp_path / "mounted" / "2")
    settings.look()

    assert heard == ["release 2\n"]


def renamed_away(folder):
    folder.rename(folder.with_name("old"))


@pytest.mark.parametrize("remove", [shutil.rmtree, renamed_away])
def test_a_folder_that_takes_the_place_of_another_is_noticed_and_so_is_a_change_in_it(file, folder, looking, remove):
    settings, heard = looking(file)

    remove(folder)
    settings.look()
    folder.mkdir()
    settings.look()
    file.write_text("idle_timeout = 120\n")
    settings.look()
    file.write_text("idle_timeout = 1800\n")
    settings.look()

    assert heard == ["idle_timeout = 120\n", "idle_timeout = 1800\n"]


def test_a_folder_that_appears_later_is_noticed(tmp_path, looking):
    file = tmp_path / "mounted" / "settings.toml"
    settings, heard = looking(file)
    settings.look()

    file.parent.mkdir()
    file.write_text("idle_timeout = 120\n")
    settings.look()

    assert heard == ["idle_timeout = 120\n"]


def test_links_in_a_circle_do_no_harm(tmp_path, looking):
    link = tmp_path / "link.toml"
    link.symlink_to(link)
    settings, heard = looking(link)

    settings.look()

    assert heard == []


def test_other_files_a_missing_one_and_an_empty_one_are_ignored(file, folder, looking):
    settings, heard = looking(file)

    (folder / "other").write_text("noise")
    settings.look()
    file.write_text("")
    settings.look()
    file.unlink()
    settings.look()
    assert heard == []
    file.write_text("idle_timeout = 120\n")
    settings.look()

    assert heard == ["idle_timeout = 120\n"]


def test_a_callback_that_raises_does_not_keep_the_next_change_from_being_noticed(file, caplog):
    def fail():
        raise RuntimeError(file.read_text().strip())

    settings = SettingsFile(file, fail)

    for text in ("first", "the second"):
        file.write_text(text)
        settings.look()

    assert [str(record.exc_info[1]) for record in caplog.records] == ["first", "the second"]


def test_it_looks_by_itself_while_it_is_entered(file):
    noticed = threading.Event()

    with SettingsFile(file, noticed.set, interval=0.001):
        file.write_text("idle_timeout = 120\n")

        assert noticed.wait(BOUND)


def test_it_ends_at_once_though_the_next_look_is_far_away(file):
    with SettingsFile(file, print, interval=threading.TIMEOUT_MAX):
        before = threading.active_count()

    assert threading.active_count() == before - 1
