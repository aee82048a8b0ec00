"""The sandbox: a process that a film has taken over reads, writes, reaches and starts nothing else."""

from __future__ import annotations

import os
import queue
import resource
import shutil
import socket
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from hls_sessions import Settings, Supervisor
from hls_sessions.errors import SandboxUnusable
from hls_sessions.ffmpeg import Process, find, inspect_binary, sandbox
from hls_sessions.ffmpeg.process import binder
from hls_sessions.ffmpeg.sandbox import Access, Support, describe, limit, sandbox_for, support, worker_files

HOLDS = support()
files = pytest.mark.skipif(HOLDS.landlock < 6, reason="this kernel's Landlock is too old")
calls = pytest.mark.skipif(not HOLDS.seccomp, reason="this kernel has no seccomp filters")

BOUND = 30
"""Seconds after which a process that has not ended counts as hanging."""


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_text("secret")
    return path


@pytest.fixture
def room(tmp_path):
    """The folder that a process may write to."""
    folder = tmp_path / "room"
    folder.mkdir()
    return folder


@pytest.fixture
def tries(tmp_path, room):
    """Return a function that runs Python in the sandbox, as an ffmpeg that was taken over, and returns its last line.

    The script is not in the process's command line alone: it is the film.
    """
    loaders = {str(path) for path in Path("/lib64").glob("ld-*")}
    program = Access(
        reads=(*worker_files(), sys.base_prefix, *(str(path) for path in (Path("/usr/lib"), Path("/lib")))),
        runs=(os.path.realpath(sys.executable), *([binder()] if binder() else []), *loaders),
        writes=(str(room),),
    )

    def tries(script, **changes):
        film = tmp_path / "film.py"
        film.write_text(
            "import os, sys, socket, ctypes, resource, signal\n"
            "def called(number):\n"
            "    if ctypes.CDLL(None, use_errno=True).syscall(number, 0, 0, 0, 0, 0) < 0:\n"
            "        raise OSError(ctypes.get_errno(), 'refused')\n"
            f"try:\n    print({script}, file=sys.stderr)\n"
            "except OSError as error:\n    print(type(error).__name__, file=sys.stderr)\n"
        )
        ended = queue.SimpleQueue()
        access = replace(program, reads=(*program.reads, str(film)), **changes)
        process = Process([os.path.realpath(sys.executable), "-I", str(film)], ended.put, access)
        exit_ = ended.get(timeout=BOUND)
        assert process.wait(BOUND)
        assert exit_.code == 0, exit_
        return exit_.log[-1]

    return tries


@files
@pytest.mark.parametrize(
    "script",
    [
        "open({secret!r}).read()",
        "open('/etc/passwd').read()",
        "open('/proc/{daemon}/environ').read()",
        "os.listdir({folder!r})",
        "open({folder!r} + '/new', 'w')",
        "os.unlink({secret!r})",
        "os.rename({secret!r}, {room!r} + '/mine')",
        "os.symlink({secret!r}, {room!r} + '/link')",
        "os.mkfifo({room!r} + '/fifo')",
        "os.execv('/bin/true', ['true'])",
        "os.kill({daemon}, 0)",
        "os.kill({daemon}, signal.SIGKILL)",
    ],
)
def test_it_reaches_no_other_file_and_no_other_process(tries, script, secret, room):
    script = script.format(secret=str(secret), folder=str(secret.parent), room=str(room), daemon=os.getpid())

    assert tries(script) == "PermissionError"
    assert secret.read_text() == "secret"


@files
def test_it_may_read_its_film_and_write_to_its_folder(tries, room):
    assert tries(f"(len(open(__file__).read()) > 0, open({str(room)!r} + '/0.m4s', 'w').write('made'))") == "(True, 4)"
    assert (room / "0.m4s").read_text() == "made"


@calls
@pytest.mark.parametrize(
    "script",
    [
        "socket.socket()",
        "socket.socket(socket.AF_UNIX)",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)",
        "os.pidfd_open(os.getppid())",
        *(
            f"called({numbers[os.uname().machine == 'aarch64']})"
            for name, numbers in sandbox.DENIED.items()
            if name in {"ptrace", "process_vm_readv", "bpf", "keyctl", "mount", "userfaultfd", "io_uring_setup"}
        ),
    ],
)
def test_it_has_no_network_starts_no_process_and_reaches_into_none(tries, script):
    assert tries(script) == "PermissionError"


@calls
def test_it_starts_no_process_as_if_there_were_no_more(tries):
    assert tries("os.fork()") == "BlockingIOError"


@calls
def test_nobody_is_connected_to(tries):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)

        assert tries(f"socket.create_connection(('127.0.0.1', {listener.getsockname()[1]}))") == "PermissionError"
        with pytest.raises(BlockingIOError):
            listener.accept()


@calls
def test_it_may_have_threads(tries):
    assert tries("__import__('concurrent.futures').futures.ThreadPoolExecutor().submit(int, 7).result()") == "7"


def test_it_is_not_told_the_settings_of_the_daemon(tries, monkeypatch):
    monkeypatch.setenv("HLS_SESSIONS_TOKEN", "secret")

    assert tries("'HLS_SESSIONS_TOKEN' in os.environ") == "False"


def test_its_limits_are_set_and_lower_ones_stay():
    ended = threading.Event()
    process = Process(["sleep", "60"], lambda _: ended.set())
    try:
        limit(Access(limits={"RLIMIT_FSIZE": 4096}), process.pid)
        limit(Access(limits={"RLIMIT_FSIZE": 8192, "RLIMIT_CORE": 0}), process.pid)

        assert resource.prlimit(process.pid, resource.RLIMIT_FSIZE) == (4096, 4096)
        assert resource.prlimit(process.pid, resource.RLIMIT_CORE) == (0, 0)
    finally:
        process.kill()
        assert process.wait(BOUND)


@files
def test_a_film_is_read_through_a_symbolic_link(tmp_path, hls_clip, make_prober):
    film = shutil.copy(hls_clip(seconds=1.0, size="160x90"), tmp_path / "film.mp4")
    (tmp_path / "link.mp4").symlink_to(film)

    assert make_prober(timeout=60).probe(tmp_path / "link.mp4").duration == 1


def test_the_daemon_itself_is_not_confined(tries, secret):
    tries("1")

    assert secret.read_text() == "secret"
    with socket.create_server(("127.0.0.1", 0)):
        pass
    assert (secret.parent / "new").write_text("written")


@pytest.mark.parametrize(
    ("has", "with_files", "said"),
    [
        (Support(7, True), True, "files and network (Landlock 7, seccomp)"),
        (Support(1, False), True, "files only (Landlock 1)"),
        (Support(0, True), True, "network only (seccomp)"),
        (Support(7, True), False, "network only (seccomp)"),
        (Support(), True, "none"),
    ],
)
def test_what_holds_is_said_in_a_few_words(has, with_files, said):
    assert describe(has, files=with_files) == said


@files
@calls
def test_every_ffmpeg_here_is_confined_wholly(binary):
    confined = binary.confined("require").sandbox

    assert confined.why_not == ()
    assert str(confined) == f"files and network (Landlock {HOLDS.landlock}, seccomp)"


@pytest.fixture
def old_kernel(monkeypatch):
    """A kernel without Landlock."""
    monkeypatch.setattr(sandbox, "support", lambda: Support(0, HOLDS.seccomp))
    sandbox._program.cache_clear()
    yield
    sandbox._program.cache_clear()


def test_a_kernel_without_landlock_is_told_of_and_refused_where_the_sandbox_is_required(old_kernel):
    binary = inspect_binary(find())

    assert "has no Landlock" in binary.confined("try").sandbox.why_not[0]
    with pytest.raises(SandboxUnusable, match="Landlock"):
        Supervisor(Settings(sandbox="require"))


def test_a_script_may_open_what_it_needs_and_is_told_of(tmp_path):
    script = tmp_path / "ffmpeg"
    script.write_text(f'#!/bin/sh\nexec {find()} "$@"\n')
    script.chmod(0o755)

    confined = sandbox_for(str(script), "try")

    assert not confined.program.files
    assert confined.why_not == (f"{script} is a script or does not run without other files: it may read them",)


def test_without_a_sandbox_everything_may_be_opened():
    assert inspect_binary(find()).confined("off").sandbox.around(Path("/film"), Path("/folder")) is None


@pytest.fixture
def curious(workers, tmp_path):
    """Return a worker that confines itself to a film when it is told of one, and then opens what it is asked to."""
    (tmp_path / "curious.py").write_text(
        "from hls_sessions.ffmpeg.sandbox import confine_worker\n"
        "def serve(channel):\n"
        "    confine_worker(channel.receive().body)\n"
        "    channel.send('confined')\n"
        "    while True:\n"
        "        try: channel.send(open(channel.receive().body).read())\n"
        "        except OSError as error: channel.send(error.strerror)\n"
    )
    worker = workers.start("curious:serve")
    yield worker
    worker.end()


@files
def test_a_worker_opens_its_film_alone(curious, tmp_path, secret):
    film = tmp_path / "film"
    film.write_text("film")
    curious.ask(str(film), BOUND)

    assert curious.ask(str(film), BOUND).body == "film"
    assert curious.ask(str(secret), BOUND).body == "Permission denied"


@files
def test_a_film_that_was_replaced_is_another_file_to_its_worker(curious, tmp_path, secret):
    film = tmp_path / "film"
    film.write_text("film")
    curious.ask(str(film), BOUND)
    secret.rename(film)

    assert curious.ask(str(film), BOUND).body == "Permission denied"
