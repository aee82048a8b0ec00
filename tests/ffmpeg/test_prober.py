"""Opening files nobody has vouched for: their facts, or a sentence that says why not."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import struct
import termios
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hls_sessions.errors import MediaNotFound, NotPlayable, Unavailable
from hls_sessions.ffmpeg import Prober
from hls_sessions.otp import Backoff
from hls_sessions.testing import Clip, child_processes, make, out_of_resources

BOUND = 30


@pytest.fixture
def film(hls_clip):
    """A film of one second."""
    return hls_clip(seconds=1.0, size="160x90")


@pytest.fixture
def probe(hls_shared_workers):
    prober = Prober(hls_shared_workers[0], timeout=60)
    yield prober.probe
    prober.close()


def copy(film, path) -> Path:
    path.write_bytes(film.read_bytes())
    return path


def refusal(probe, path) -> str:
    """Why a file is not playable."""
    with pytest.raises(NotPlayable) as refused:
        probe(path)
    return refused.value.reason


# Files that cannot be played


def test_a_file_that_is_not_there_is_not_found(probe, tmp_path):
    with pytest.raises(MediaNotFound):
        probe(tmp_path / "nothing.mp4")


def test_an_empty_file_says_that_it_is_empty(probe, tmp_path):
    (tmp_path / "empty.mp4").touch()

    assert refusal(probe, tmp_path / "empty.mp4") == "it is empty"


def test_a_folder_is_no_regular_file(probe, tmp_path):
    assert refusal(probe, tmp_path) == "it is not a regular file"


def test_a_fifo_is_no_regular_file_and_is_not_waited_for(probe, tmp_path):
    os.mkfifo(tmp_path / "fifo.mp4")

    assert refusal(probe, tmp_path / "fifo.mp4") == "it is not a regular file"


def test_a_device_is_no_regular_file(probe):
    assert refusal(probe, Path("/dev/zero")) == "it is not a regular file"


def test_text_called_mp4_is_invalid(probe, tmp_path):
    (tmp_path / "text.mp4").write_text("To be, or not to be.\n" * 100)

    assert "Invalid data" in refusal(probe, tmp_path / "text.mp4")


def test_text_that_would_play_as_a_terminal_is_not_media(probe, tmp_path):
    (tmp_path / "notes.txt").write_text("To be, or not to be.\n" * 100)

    assert "not media" in refusal(probe, tmp_path / "notes.txt")


def test_random_bytes_are_invalid(probe, tmp_path):
    (tmp_path / "noise.mp4").write_bytes(os.urandom(5000))

    assert refusal(probe, tmp_path / "noise.mp4")


def test_subtitles_alone_are_neither_video_nor_audio(probe, tmp_path):
    (tmp_path / "film.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nTo be.\n")

    assert refusal(probe, tmp_path / "film.srt") == "it holds neither video nor audio that can be decoded"


@pytest.mark.parametrize("kind", ["jpg", "png", "bmp"])
@pytest.mark.parametrize("named", ["as it is", "mp4"])
def test_a_still_image_is_not_a_film(probe, hls_clip, tmp_path, kind, named):
    codec = {"jpg": "mjpeg", "png": "png", "bmp": "bmp"}[kind]
    only = ("-frames:v", "1", "-update", "1", "-strict", "unofficial")
    image = hls_clip(container=kind, video=codec, audio=None, seconds=1.0, options=only)
    path = copy(image, tmp_path / f"picture.{kind if named == 'as it is' else named}")

    assert refusal(probe, path) == "it is a still image"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{film}\n#EXT-X-ENDLIST\n"),
        ("list.ffconcat", "ffconcat version 1.0\nfile '{film}'\n"),
    ],
)
def test_a_list_that_names_a_film_is_not_media(probe, film, tmp_path, name, text):
    listed = copy(film, tmp_path / "film.mp4")
    (tmp_path / name).write_text(text.format(film=listed.name))

    assert "a list of other files" in refusal(probe, tmp_path / name)


def test_an_mp4_whose_index_was_cut_off_is_invalid(probe, film, tmp_path):
    whole = film.read_bytes()
    assert whole.index(b"moov") > whole.index(b"mdat"), "its index is at the end"
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])

    assert "Invalid data" in refusal(probe, tmp_path / "half.mp4")


@pytest.mark.parametrize(
    "like",
    [
        Clip(container="mkv"),
        Clip(container="ts"),
        Clip(container="mp4", options=("-movflags", "faststart")),
        Clip(container="mp4", options=("-movflags", "frag_keyframe+empty_moov"), gop=10),
    ],
    ids=["mkv", "ts", "mp4 with its index first", "fragmented mp4"],
)
def test_a_film_that_was_cut_off_plays_to_where_it_was(probe, hls_clip_folder, tmp_path, demux, like):
    whole = make(like, hls_clip_folder)
    half = tmp_path / f"half.{like.container}"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])

    media = probe(half)

    read = demux(half, 0)
    assert 2 < read.end - read.start < 4
    assert media.video.end == read.end


def test_every_cut_of_a_small_film_is_playable_or_refused(probe, hls_clip, tmp_path):
    whole = hls_clip(seconds=0.4, size="32x32", container="mkv").read_bytes()

    for length in range(0, len(whole), 311):
        path = tmp_path / f"{length}.mkv"
        path.write_bytes(whole[:length])
        try:
            assert probe(path).duration > 0
        except NotPlayable as refused:
            assert "crashed" not in refused.reason  # noqa: PT017 - either answer will do


def test_the_refusal_names_the_file_and_the_reason(probe, tmp_path):
    path = tmp_path / "empty.mp4"
    path.touch()

    with pytest.raises(NotPlayable, match=r"empty\.mp4' cannot be played: it is empty\.") as refused:
        probe(path)
    assert refused.value.media == str(path)


# Names


HOSTILE = [
    "-version.mp4",
    "--help.mp4",
    "http:x.mp4",
    "pipe:0.mp4",
    "concat:a|b.mp4",
    "a%d b'c.mp4",
    'two "quotes".mp4',
    "фильм.mp4",
    "映画 🎬.mp4",
    "two\nlines.mp4",
    " .mp4",
    "x" * 251 + ".mp4",
]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_name_is_only_a_name(probe, film, tmp_path, monkeypatch, name):
    copy(film, tmp_path / name)
    monkeypatch.chdir(tmp_path)

    media = probe(Path(name))

    assert media.duration == 1
    assert media.path == Path(name)


def test_a_name_that_is_no_utf_8_is_only_a_name(probe, film, nameless):
    assert probe(copy(film, nameless)).duration == 1


def test_a_name_with_a_line_break_does_not_shift_the_answers_of_others(single_prober, film, tmp_path):
    odd = copy(film, tmp_path / 'odd\n"empty.mp4"\n.mp4')
    (tmp_path / "empty.mp4").touch()

    assert single_prober.probe(odd).path == odd
    assert single_prober.probe(film).path == film
    with pytest.raises(NotPlayable):
        single_prober.probe(tmp_path / "empty.mp4")


# Once


def test_a_file_is_probed_once(probe, film):
    assert probe(film) is probe(film)


def test_many_callers_at_once_get_one_answer(probe, film, tmp_path):
    path = copy(film, tmp_path / "film.mp4")

    with ThreadPoolExecutor(16) as askers:
        answers = list(askers.map(probe, [path] * 64))

    assert {id(answer) for answer in answers} == {id(answers[0])}


def test_many_callers_at_once_all_hear_why_a_file_cannot_be_played(probe, tmp_path):
    path = tmp_path / "text.mp4"
    path.write_text("To be, or not to be.\n")

    with ThreadPoolExecutor(16) as askers:
        reasons = list(askers.map(lambda _: refusal(probe, path), range(32)))

    assert all("Invalid data" in reason for reason in reasons)


def test_files_are_probed_by_two_workers_at_most(probe, film, tmp_path):
    before = child_processes()
    paths = [copy(film, tmp_path / f"{number}.mp4") for number in range(8)]

    with ThreadPoolExecutor(8) as askers:
        list(askers.map(probe, paths))

    assert 1 <= len(child_processes() - before) <= 2


def test_a_file_with_another_size_is_another_file(probe, film, hls_clip, tmp_path):
    path = copy(film, tmp_path / "film.mp4")
    before = probe(path)

    copy(hls_clip(seconds=2.0, size="160x90"), path)
    os.utime(path, ns=(0, 0))

    assert (before.duration, probe(path).duration) == (1, 2)


def test_a_file_with_another_modification_time_is_another_file(probe, film, tmp_path):
    path = copy(film, tmp_path / "film.mp4")
    os.utime(path, ns=(10**18, 10**18))
    before = probe(path)

    os.utime(path, ns=(10**18, 10**18 + 1))

    assert probe(path) is not before
    assert probe(path) == before


def test_a_file_that_was_only_looked_at_is_the_same_file(probe, film, tmp_path):
    path = copy(film, tmp_path / "film.mp4")
    before = probe(path)

    os.utime(path, ns=(0, path.stat().st_mtime_ns))

    assert probe(path) is before


def test_the_facts_that_were_not_asked_for_longest_are_forgotten_where_all_take_too_much_memory(
    make_prober, film, tmp_path, monkeypatch
):
    first, second, third = (copy(film, tmp_path / f"{number}.mp4") for number in range(3))
    size = make_prober(timeout=60).probe(film).size_in_memory
    monkeypatch.setattr("hls_sessions.ffmpeg.probing.prober.KEPT", 2 * size)
    probe = make_prober(timeout=60).probe
    facts = {path: probe(path) for path in (first, second)}
    probe(first)

    probe(third)

    assert probe(first) is facts[first]
    assert probe(second) is not facts[second]


def test_facts_that_take_more_memory_than_all_may_are_told_and_not_kept(make_prober, film, monkeypatch):
    monkeypatch.setattr("hls_sessions.ffmpeg.probing.prober.KEPT", 1)
    probe = make_prober(timeout=60).probe

    first, second = probe(film), probe(film)

    assert first == second
    assert first is not second


# Workers that hang and die


@pytest.fixture
def worker(single_prober, film):
    """The pid of the only worker, which has probed a film."""
    before = child_processes()
    single_prober.probe(film)
    (command,) = child_processes() - before
    return int(command.split()[0])


@pytest.fixture
def another(film, tmp_path):
    """A film that was not probed yet."""
    return copy(film, tmp_path / "another.mp4")


def test_a_worker_that_hangs_is_given_up_after_the_time_limit(single_prober, worker, another, monkeypatch):
    os.kill(worker, signal.SIGSTOP)
    monkeypatch.setattr(single_prober, "_timeout", 0.01)

    assert refusal(single_prober.probe, another) == "reading its facts took more than 0.01 seconds"


def test_after_a_worker_that_hung_the_next_probe_works(single_prober, worker, another, monkeypatch):
    os.kill(worker, signal.SIGSTOP)
    with monkeypatch.context() as short:
        short.setattr(single_prober, "_timeout", 0.01)
        refusal(single_prober.probe, another)

    assert single_prober.probe(another).duration == 1


def test_a_worker_that_hung_is_gone(single_prober, worker, another, monkeypatch):
    os.kill(worker, signal.SIGSTOP)
    monkeypatch.setattr(single_prober, "_timeout", 0.01)
    refusal(single_prober.probe, another)

    assert not Path(f"/proc/{worker}").exists()


def is_handed_something(worker):
    """Whether a message waits for a worker: its end of the socket holds bytes."""
    descriptors = Path(f"/proc/{worker}/fd")
    sockets = [fd for fd in descriptors.iterdir() if str(fd.readlink()).startswith("socket:")]
    for number in (int(fd.name) for fd in sockets):
        copy = pidfd_getfd(worker, number)
        try:
            if struct.unpack("i", fcntl.ioctl(copy, termios.FIONREAD, bytes(4)))[0]:
                return True
        finally:
            os.close(copy)
    return False


def pidfd_getfd(pid, number):
    """Return a copy of another process's descriptor (pidfd_getfd(2))."""
    pidfd = os.pidfd_open(pid)
    try:
        copy = ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, number, 0)
        if copy < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        return copy
    finally:
        os.close(pidfd)


def kill_in_the_middle(prober, worker, path, until):
    """Kill a worker that was handed a file; return the exception that its caller got, if any."""
    os.kill(worker, signal.SIGSTOP)
    # A worker that has not stopped yet might still read its file.
    until(lambda: Path(f"/proc/{worker}/stat").read_text().rpartition(") ")[2][0] == "T")
    with ThreadPoolExecutor(1) as asker:
        heard = asker.submit(prober.probe, path)
        until(lambda: is_handed_something(worker))
        os.kill(worker, signal.SIGKILL)
        return heard.exception()


def test_a_worker_that_is_killed_in_the_middle_is_replaced_and_its_file_asked_again(
    single_prober, worker, another, until
):
    heard = kill_in_the_middle(single_prober, worker, another, until)

    assert heard is None
    assert single_prober.probe(another).duration == 1


def test_a_file_is_asked_for_again_however_often_its_workers_are_killed_meanwhile(
    make_prober, another, tmp_path, monkeypatch
):
    (tmp_path / "killed_double.py").write_text(f"""
import os, signal
from hls_sessions.ffmpeg.probing import worker
def serve(channel):
    tries = {str(tmp_path / "tries")!r}
    with open(tries, "a") as file: file.write(".")
    if os.path.getsize(tries) <= 4: os.kill(os.getpid(), signal.SIGKILL)
    worker.serve(channel)
""")
    monkeypatch.setattr("hls_sessions.ffmpeg.probing.prober.PROBE", "killed_double:serve")

    assert make_prober().probe(another).duration == 1


def test_a_file_that_crashes_every_worker_is_told_of(make_prober, another, monkeypatch):
    monkeypatch.setattr("hls_sessions.ffmpeg.probing.prober.PROBE", "os:abort")

    with pytest.raises(NotPlayable, match="reading its facts crashed the prober"):
        make_prober().probe(another)


def test_a_file_whose_workers_are_all_killed_is_not_called_unplayable(make_prober, another, tmp_path, monkeypatch):
    (tmp_path / "killed_double.py").write_text(
        "import os, signal\ndef serve(channel):\n    channel.receive()\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    monkeypatch.setattr("hls_sessions.ffmpeg.probing.prober.PROBE", "killed_double:serve")
    monkeypatch.setattr("hls_sessions.ffmpeg.probing.prober.BACKOFF", Backoff())

    with pytest.raises(Unavailable, match="cannot be probed now"):
        make_prober().probe(another)


def test_a_file_that_no_worker_can_be_started_for_is_not_called_unplayable(make_prober, another):
    prober = make_prober()
    with out_of_resources(), pytest.raises(Unavailable, match="cannot be probed now: Too many open files"):
        prober.probe(another)

    assert prober.probe(another).duration == 1


def test_a_whole_reading_that_was_cut_short_is_made_anew(make_prober, film, tmp_path, monkeypatch):
    prober = make_prober()
    with out_of_resources():
        prober.read_whole(film).result(BOUND)
    again = prober.read_whole(film)
    again.result(BOUND)

    assert prober.read_whole(film) is not again  # it went well, and is over


def test_a_file_that_cannot_be_read_whole_is_not_read_again(make_prober, tmp_path):
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(bytes(1000))
    prober = make_prober()
    first = prober.read_whole(broken)
    first.result(BOUND)

    assert prober.read_whole(broken) is first


def test_a_worker_that_died_between_two_files_is_replaced_unnoticed(single_prober, worker, another, until):
    os.kill(worker, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{worker}").exists())

    assert single_prober.probe(another).duration == 1


def test_a_known_file_needs_no_worker(single_prober, worker, film):
    os.kill(worker, signal.SIGSTOP)

    assert single_prober.probe(film).duration == 1


# The end


def test_a_closed_prober_leaves_no_worker(make_prober, film):
    before = child_processes()
    prober = make_prober()
    prober.probe(film)

    prober.close()

    assert child_processes() == before


def test_a_closed_prober_says_so(make_prober, film):
    prober = make_prober()
    prober.close()

    with pytest.raises(Unavailable, match="closed"):
        prober.probe(film)


def test_a_prober_can_be_closed_twice(make_prober, film):
    prober = make_prober()
    prober.probe(film)

    prober.close()
    prober.close()


def test_a_caller_that_waits_for_a_prober_that_is_closed_is_told(single_prober, worker, film, tmp_path, until):
    paths = [copy(film, tmp_path / f"{number}.mp4") for number in range(4)]
    os.kill(worker, signal.SIGSTOP)

    with ThreadPoolExecutor(4) as askers:
        heard = [askers.submit(single_prober.probe, path) for path in paths]
        until(lambda: is_handed_something(worker))
        single_prober.close()

    assert all(isinstance(one.exception(), NotPlayable | Unavailable) for one in heard)
