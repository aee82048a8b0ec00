"""A file of settings is heard whenever its content changes, by whichever way programs change files."""

from __future__ import annotations

import shutil

import pytest
from watchdog.observers.api import BaseObserver

from hls_sessions.supervisor.settings_file import SettingsFile, folders_on_the_way


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


def lead(link, target):
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


@pytest.mark.parametrize("write", [in_place, renamed_beside, moved_from_elsewhere, backed_up_and_written_anew])
def test_a_change_is_heard(file, until, write):
    heard = []
    with SettingsFile(file, lambda: heard.append(file.read_text())):
        write(file, "idle_timeout = 90\n")

        until(lambda: "idle_timeout = 90\n" in heard)
        write(file, "idle_timeout = 120\n")
        until(lambda: "idle_timeout = 120\n" in heard)


def test_a_change_behind_a_link_is_heard(file, tmp_path, until):
    link = tmp_path / "link.toml"
    link.symlink_to(file)
    heard = []
    with SettingsFile(link, lambda: heard.append(link.read_text())):
        file.write_text("idle_timeout = 90\n")

        until(lambda: "idle_timeout = 90\n" in heard)


def test_a_link_that_leads_elsewhere_is_heard(file, folder, tmp_path, until):
    link, other = tmp_path / "link.toml", folder / "other.toml"
    link.symlink_to(file)
    other.write_text("idle_timeout = 90\n")
    heard = []
    with SettingsFile(link, lambda: heard.append(link.read_text())):
        (tmp_path / "new").symlink_to(other)
        (tmp_path / "new").rename(link)

        until(lambda: heard == ["idle_timeout = 90\n"])


def test_the_file_that_a_changed_link_leads_to_is_heard(file, folder, tmp_path, until):
    link, elsewhere = tmp_path / "link.toml", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "settings.toml").write_text("idle_timeout = 90\n")
    link.symlink_to(file)
    heard = []
    with SettingsFile(link, lambda: heard.append(link.read_text())):
        lead(link, elsewhere / "settings.toml")
        until(lambda: "idle_timeout = 90\n" in heard)
        (elsewhere / "settings.toml").write_text("idle_timeout = 120\n")

        until(lambda: "idle_timeout = 120\n" in heard)


def test_a_link_to_a_folder_above_the_file_that_leads_elsewhere_is_heard(tmp_path, until):
    current = releases(tmp_path, "1", "2")
    file, heard = current / "etc" / "settings.toml", []
    with SettingsFile(file, lambda: heard.append(file.read_text())):
        lead(current, tmp_path / "2")

        until(lambda: heard == ["release 2\n"])


def test_a_link_in_the_middle_of_a_chain_that_leads_elsewhere_is_heard(tmp_path, until):
    current = releases(tmp_path / "mounted", "1", "2")
    link, heard = tmp_path / "link.toml", []
    link.symlink_to(current / "etc" / "settings.toml")
    with SettingsFile(link, lambda: heard.append(link.read_text())):
        lead(current, tmp_path / "mounted" / "2")

        until(lambda: heard == ["release 2\n"])


def renamed_away(folder):
    folder.rename(folder.with_name("old"))


@pytest.mark.parametrize("remove", [shutil.rmtree, renamed_away])
def test_a_folder_that_another_takes_the_place_of_is_heard_and_so_is_what_is_written_in_it(file, folder, until, remove):
    heard = []
    with SettingsFile(file, lambda: heard.append(file.read_text())):
        remove(folder)
        folder.mkdir()
        file.write_text("idle_timeout = 90\n")
        until(lambda: "idle_timeout = 90\n" in heard)

        file.write_text("idle_timeout = 120\n")
        until(lambda: "idle_timeout = 120\n" in heard)


def test_a_folder_above_that_cannot_be_watched_is_done_without(file, folder, until, monkeypatch):
    schedule, heard = BaseObserver.schedule, []

    def refuse(observer, handler, path, **more):
        if path != str(folder):
            raise PermissionError(path)
        return schedule(observer, handler, path, **more)

    monkeypatch.setattr(BaseObserver, "schedule", refuse)
    with SettingsFile(file, lambda: heard.append(file.read_text())):
        file.write_text("idle_timeout = 90\n")

        until(lambda: "idle_timeout = 90\n" in heard)


def test_where_something_on_the_way_is_missing_its_folder_is_watched_until_it_appears(tmp_path):
    link, late = tmp_path / "link.toml", tmp_path / "mounted" / "late"
    late.parent.mkdir()
    link.symlink_to(late / "settings.toml")
    assert folders_on_the_way(link) == {tmp_path, late.parent}
    late.mkdir()
    assert folders_on_the_way(link) == {tmp_path, late}


def test_links_in_a_circle_do_no_harm(tmp_path):
    link = tmp_path / "link.toml"
    link.symlink_to(link)
    with SettingsFile(link, print):
        pass


def test_other_files_a_missing_one_and_an_empty_one_are_not_heard(file, folder, until):
    heard = []
    with SettingsFile(file, lambda: heard.append(file.read_text())):
        (folder / "other").write_text("noise")
        file.touch()
        file.write_text("")
        file.unlink()
        file.write_text("idle_timeout = 90\n")

        until(lambda: "idle_timeout = 90\n" in heard)
    assert set(heard) <= {"idle_timeout = 60\n", "idle_timeout = 90\n"}


def test_what_the_callback_raises_keeps_nobody_from_hearing_the_next_change(file, until):
    heard = []

    def fail():
        heard.append(file.read_text())
        raise RuntimeError("no")

    with SettingsFile(file, fail):
        file.write_text("first\n")
        until(lambda: "first\n" in heard)
        file.write_text("second\n")
        until(lambda: "second\n" in heard)


def test_nobody_can_listen_to_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError), SettingsFile(tmp_path / "nowhere" / "settings.toml", print):
        pass


def test_a_folder_that_cannot_be_watched_leaves_no_thread(file, monkeypatch):
    def full(*_, **__):
        raise OSError("inotify watch limit reached")

    monkeypatch.setattr("watchdog.observers.api.BaseObserver.schedule", full)
    with pytest.raises(OSError, match="limit reached"), SettingsFile(file, print):
        pass
