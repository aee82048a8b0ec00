"""A file of settings is heard whenever its content changes, by whichever way programs change files."""

from __future__ import annotations

import pytest

from hls_sessions.supervisor.settings_file import SettingsFile


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
