"""What sessions share, without sessions: the files, their owners and their bytes."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hls_sessions.segments import SHARED, Budget, Quota, SegmentDirectory, SharedSegments

KEY, OTHER_KEY = "a" * 64, "b" * 64
DAY = 86_400.0
VIDEO = "video-90p"


@dataclass
class Place:
    """A segments directory, with the daemon that uses it."""

    path: object
    home: object
    now: float = 1_700_000_000.0
    budget: Budget = field(default_factory=Budget)

    def start(self, *, keep=DAY, lasts=True):
        self.quota = Quota(self.budget, lambda: None)
        self.shared = SharedSegments(self.path, self.home, self.quota, lambda: self.now, keep=keep, lasts=lasts)
        return self.shared

    def session(self, name):
        directory = SegmentDirectory(self.path / name)
        directory.open()
        return directory

    def publish(self, name, number, data=b"segment", key=KEY, init=b"init"):
        """Have a session publish a segment, and share it."""
        directory, share = self.session(name), self.shared.share(key, name)
        share.agree(init, may_begin=True)
        directory.publish(VIDEO, number, data)
        return share.put(number, directory.segment(VIDEO, number), len(data))

    def take(self, name, number, key=KEY):
        directory, share = self.session(name), self.shared.share(key, name)
        return share.take(number, lambda file, _: directory.link(directory.segment(VIDEO, number), file))

    def end(self, name):
        self.session(name).destroy()
        self.shared.close_session(name)


@pytest.fixture
def place(tmp_path):
    (tmp_path / "segments").mkdir()
    place = Place(tmp_path / "segments", tmp_path / "state")
    place.start()
    yield place
    for name in ("one", "two"):
        place.session(name).destroy()
    place.shared.keep = 0
    place.shared.close()


def test_a_content_has_one_init_segment_and_a_session_with_another_shares_nothing(place):
    place.publish("one", 0)
    other = place.shared.share(KEY, "two")

    other.agree(b"another init", may_begin=True)

    assert other.is_over
    assert (list(other.numbers), other.init) == ([], None)
    assert other.take(0, lambda *_: None) is None


def test_an_init_segment_that_is_no_good_for_others_does_not_become_theirs(place):
    share = place.shared.share(KEY, "one")

    share.agree(b"made by an encoder in place of copies", may_begin=False)

    assert share.is_over
    assert place.shared.share(KEY, "two").init is None


def test_a_content_that_is_played_keeps_its_init_segment_when_it_has_no_segment(place):
    place.publish("one", 0)
    place.session("one").segment(VIDEO, 0).unlink()
    place.shared.share(KEY, "one").release(0)
    place.shared.free(10**9)
    place.shared.forget_unused()

    assert place.shared.share(KEY, "two").init == b"init"

    place.end("one")
    place.end("two")
    place.shared.forget_unused()
    assert not list(place.shared.directory.glob("*/init.mp4"))


def test_contents_with_different_keys_share_nothing(place):
    place.publish("one", 0)

    assert place.take("two", 0, key=OTHER_KEY) is None


def test_a_segment_that_two_have_made_at_the_same_time_is_the_second_ones_own(place):
    assert place.publish("one", 0)

    assert not place.publish("two", 0, b"the same again")


def test_a_file_that_somebody_has_deleted_is_made_again(place):
    place.publish("one", 0)
    next(place.shared.directory.glob("*/0.m4s")).unlink()

    assert place.take("two", 0) is None
    assert list(place.shared.share(KEY, "two").numbers) == []
    place.end("one")
    assert place.quota.bytes == 0


def test_a_file_that_somebody_has_cut_off_is_made_again(place):
    place.publish("one", 0)
    file = next(place.shared.directory.glob("*/0.m4s"))
    file.unlink()
    file.write_bytes(b"seg")

    assert place.take("two", 0) is None


def test_nothing_is_taken_through_a_symlink_in_the_place_of_the_directory(place):
    place.publish("one", 0)
    place.shared.directory.rename(place.path / "elsewhere")
    place.shared.directory.symlink_to(place.path / "elsewhere")

    assert place.take("two", 0) is None

    place.shared.directory.unlink()


def test_the_end_of_a_session_keeps_only_what_it_had_from_getting_old(place):
    place.publish("one", 0)
    place.publish("two", 0, key=OTHER_KEY)
    folder = place.shared.directory / KEY
    os.utime(folder, (1, 1))

    place.end("two")

    assert folder.stat().st_mtime == 1


def test_a_whole_directory_that_somebody_has_tidied_up_costs_nothing_but_time(place):
    place.publish("one", 0)
    place.shared.directory.rename(place.path / "elsewhere")

    assert place.take("two", 0) is None
    assert place.publish("two", 1)
    assert place.take("one", 1)


def test_a_segment_that_cannot_be_linked_is_made_by_the_session_itself(place):
    place.publish("one", 0)
    share = place.shared.share(KEY, "two")

    def refuse(*_):
        raise OSError("too many links")

    assert share.take(0, refuse) is None
    assert list(share.numbers) == []


def test_those_that_were_used_last_are_freed_last(place):
    for name in ("one", "two"):
        place.publish(name, ord(name[0]))
    place.end("two")
    place.now += 1
    place.end("one")

    assert place.shared.free(1) == len(b"segment")

    assert list(place.shared.share(KEY, "three").numbers) == [ord("o")]


def test_nothing_that_a_session_has_is_freed(place):
    place.publish("one", 0)

    assert place.shared.free(10**9) == 0


def test_the_next_daemon_goes_on_with_what_was_kept_and_has_it_checked(place):
    place.publish("one", 0)
    place.publish("one", 1)
    place.end("one")
    place.shared.close()
    directory = place.shared.directory
    (directory / "owner").write_bytes(b"1 1 " + (directory / "owner").read_bytes().split(maxsplit=2)[2])

    place.start()

    assert place.shared.directory == directory
    assert place.quota.bytes == 2 * len(b"segment")
    assert place.take("two", 0) == (len(b"segment"), False)
    share = place.shared.share(KEY, "two")
    share.checked(0, is_sound=True)
    share.checked(1, is_sound=False)
    assert place.take("three", 0) == (len(b"segment"), True)
    assert list(share.numbers) == [0]
    place.end("three")


def test_what_a_session_has_that_is_not_back_yet_after_a_restart_is_not_freed(place):
    place.publish("one", 0)
    place.shared.close()
    place.start()
    place.now += DAY + 60

    place.shared.forget_unused()

    assert place.shared.free(10**9) == 0
    assert place.quota.bytes == len(b"segment")
    place.session("one").destroy()
    assert place.shared.free(10**9) == len(b"segment")


def test_a_daemon_with_another_state_folder_does_not_touch_it(place):
    place.publish("one", 0)
    place.shared.close()

    other = SharedSegments(place.path, place.path, Quota(Budget()), lambda: 0.0, keep=DAY, lasts=True)

    assert other.directory != place.shared.directory
    assert list(other.share(KEY, "two").numbers) == []


@pytest.mark.parametrize(("keep", "lasts"), [(DAY, False), (0, True)])
def test_a_daemon_whose_sessions_do_not_go_on_or_that_keeps_nothing_leaves_nothing(place, keep, lasts):
    place.start(keep=keep, lasts=lasts)
    place.publish("one", 0)
    place.end("one")

    place.shared.close()

    assert list(place.path.glob(f"{SHARED}*")) == []


class Sharing(RuleBasedStateMachine):
    """Sessions that publish, take, evict and end, in any order: what is counted is what is on disk."""

    @initialize(keep=st.sampled_from([0, DAY]))
    def begin(self, keep):
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name)
        self.place = Place(path, path / "state")
        self.place.start(keep=keep)
        self.sessions = {}

    def teardown(self):
        for name in self.sessions:
            self.place.session(name).destroy()
        self.place.shared.keep = 0
        self.place.shared.close()
        self.folder.cleanup()

    names = st.sampled_from(["one", "two", "three"])
    numbers = st.integers(0, 3)

    @rule(name=names, number=numbers)
    def publish(self, name, number):
        has = self.sessions.setdefault(name, {})
        if number in has:
            return
        has[number] = self.place.publish(name, number, data=bytes(number + 1))

    @rule(name=names, number=numbers)
    def take(self, name, number):
        has = self.sessions.setdefault(name, {})
        if number not in has and self.place.take(name, number) is not None:
            has[number] = True

    @precondition(lambda self: any(self.sessions.values()))
    @rule(data=st.data())
    def evict(self, data):
        name = data.draw(st.sampled_from(sorted(name for name, has in self.sessions.items() if has)))
        number = data.draw(st.sampled_from(sorted(self.sessions[name])))
        is_shared = self.sessions[name].pop(number)
        self.place.session(name).segment(VIDEO, number).unlink()
        if is_shared:
            self.place.shared.share(KEY, name).release(number)

    @rule(name=names)
    def end(self, name):
        self.sessions.pop(name, None)
        self.place.end(name)

    @rule(size=st.integers(0, 10))
    def free(self, size):
        self.place.shared.free(size)

    @invariant()
    def what_is_counted_is_on_disk_once(self):
        if not hasattr(self, "place"):
            return
        files = {path.stat().st_ino: path.stat() for path in self.place.path.rglob("*.m4s")}
        shared = {path.stat().st_ino for path in self.place.shared.directory.rglob("*.m4s")}
        assert self.place.quota.bytes == sum(stat.st_size for ino, stat in files.items() if ino in shared)
        used = {path.stat().st_ino for name in self.sessions for path in (self.place.path / name).rglob("*.m4s")}
        assert self.place.shared.kept_bytes == sum(files[ino].st_size for ino in shared - used)

    @invariant()
    def every_session_has_what_it_has(self):
        for name, has in getattr(self, "sessions", {}).items():
            assert all((self.place.path / name / VIDEO / f"{number}.m4s").exists() for number in has)


TestSharing = Sharing.TestCase
TestSharing.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
