"""One child process: heard to its end, held, let go on, killed for certain, and never left behind."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from pathlib import Path

import pytest

from hls_sessions.ffmpeg import Exit, Process, ProcessId


@pytest.fixture
def start():
    """Return a function that starts a shell command as a process, which is killed after the test."""
    started = []

    def run(command, on_exit=lambda _: None) -> Process:
        argv = ["/bin/sh", "-c", command] if isinstance(command, str) else command
        started.append(Process(argv, on_exit))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        assert process.wait(10)


def end_of(start, command) -> Exit:
    """Run a command to its end, and return its exit, which was told exactly once."""
    heard = []
    assert start(command, heard.append).wait(10)
    (told,) = heard
    return told


def state(pid: int) -> str:
    """The letter of proc(5): R and S run, T is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def is_running(pid: int) -> bool:
    return ProcessId.of(pid) is not None


# Its end


@pytest.mark.parametrize("code", [0, 1, 255])
def test_the_exit_code_is_told_once(start, code):
    assert end_of(start, f"exit {code}").code == code


def test_the_processor_time_it_used_is_told(start):
    told = end_of(start, "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done")

    assert told.seconds > 0
    assert end_of(start, "exit 0").seconds < told.seconds


def test_a_signal_is_told_as_a_negative_code(start):
    told = end_of(start, "kill -TERM $$")

    assert told.code == -signal.SIGTERM
    assert str(told) == "ended by SIGTERM"


def test_an_exit_writes_its_own_sentence():
    assert str(Exit(1, ())) == "ended with exit code 1"
    assert str(Exit(-9, ())) == "ended by SIGKILL"
    assert str(Exit(-99, ())) == "ended with exit code -99"


CAUSES = {
    "before 7": (
        "[h264_nvenc @ 0x55c92bd33fc0] Cannot load libcuda.so.1",
        "Error initializing output stream 0:0 -- Error while opening encoder for output stream #0:0",
        "Conversion failed!",
    ),
    "from 7 on": (
        "[h264_nvenc @ 0x557289916d00] Cannot load libcuda.so.1",
        "[vost#0:0/h264_nvenc @ 0x5572899161c0] [enc:h264_nvenc @ 0x557289916c40] Error while opening encoder - maybe",
        "[vf#0:0 @ 0x557289918d00] Task finished with error code: -1 (Operation not permitted)",
        "[vf#0:0 @ 0x557289918d00] Terminating thread with return code -1 (Operation not permitted)",
        "[out#0/mp4 @ 0x557289915440] Nothing was written into output file, because at least one of its streams",
    ),
    "said last": ("Past duration 0.999992 too large", "Cannot load libcuda.so.1."),
}


@pytest.mark.parametrize("log", CAUSES.values(), ids=CAUSES)
def test_the_cause_of_an_exit_is_the_last_line_that_is_no_lament(log):
    assert Exit(1, log).cause == "Cannot load libcuda.so.1"


def test_the_cause_is_the_first_lament_where_there_is_nothing_else_and_empty_where_nothing_was_said():
    assert Exit(1, ("Device creation failed: -5.", "Conversion failed!")).cause == "Device creation failed: -5"
    assert Exit(1, ()).cause == ""


@pytest.mark.parametrize(("code", "killed"), [(-9, True), (-15, True), (-11, False), (0, False), (1, False)])
def test_only_a_process_that_something_else_ended_was_killed(code, killed):
    assert Exit(code, ()).was_killed is killed


def test_the_exit_is_told_after_the_last_line_was_read(start):
    assert end_of(start, "for n in 1 2 3; do echo line $n >&2; done; exit 3")[:2] == (
        3,
        ("line 1", "line 2", "line 3"),
    )


def test_only_the_last_forty_lines_are_kept(start):
    told = end_of(start, "n=0; while [ $n -lt 100 ]; do n=$((n+1)); echo $n >&2; done")

    assert told.log == tuple(str(number) for number in range(61, 101))


def test_a_last_line_without_an_end_is_a_line(start):
    assert end_of(start, "printf 'no newline' >&2").log == ("no newline",)


def test_blank_lines_are_passed_over(start):
    assert end_of(start, "printf 'one\\n\\n  \\ntwo\\n' >&2").log == ("one", "two")


def test_bytes_that_are_no_text_are_replaced(start):
    assert end_of(start, "printf 'a\\377b\\n' >&2").log == ("a\N{REPLACEMENT CHARACTER}b",)


def test_a_line_that_never_ends_does_not_fill_the_memory(start):
    told = end_of(start, [sys.executable, "-c", "import sys; sys.stderr.write('x' * 10_000_000)"])

    assert told.code == 0
    assert len(told.log) <= 40
    assert all(len(line) <= 400 for line in told.log)


def test_its_log_can_be_read_while_it_runs(start, until):
    process = start("echo begun >&2; exec sleep 60")

    until(lambda: process.log == ("begun",))


def test_its_standard_output_is_not_kept_and_does_not_block_it(start):
    assert end_of(start, "head -c 1000000 /dev/zero")[:2] == (0, ())


def test_it_reads_nothing(start):
    assert end_of(start, "read line || exit 7").code == 7


def test_a_program_that_is_not_there_is_told_as_an_error_or_an_exit(start):
    try:
        told = end_of(start, ["/no/such/program"])
    except OSError:
        return
    assert told.code != 0
    assert any("/no/such/program" in line for line in told.log)


def test_an_argument_is_never_read_by_a_shell_or_as_an_option(start):
    said = ["$HOME; exit 9", "--pdeathsig", "-x", "a b", "*"]
    program = "import sys; print(*sys.argv[1:], sep='|', file=sys.stderr)"

    assert end_of(start, [sys.executable, "-c", program, *said]).log == ("|".join(said),)


def test_waiting_for_one_that_runs_ends_in_time(start):
    assert start("exec sleep 60").wait(0.01) is False


# Killing


def test_a_killed_process_is_told_as_killed(start):
    heard = []
    process = start("exec sleep 60", heard.append)

    process.kill()

    assert process.wait(10)
    assert heard == [Exit(-signal.SIGKILL, ())]


def test_a_kill_reaches_all_it_started(start, until):
    process = start("sleep 60 & echo $! >&2; wait")
    until(lambda: process.log)
    child = int(process.log[0])

    process.kill()

    assert process.wait(10)
    until(lambda: not is_running(child))


def test_a_process_may_be_killed_twice_and_after_its_end(start):
    process = start("exit 0")
    assert process.wait(10)

    process.kill()
    process.kill()
    process.hold()
    process.go_on()


def test_a_process_that_shields_itself_from_term_is_killed_all_the_same(start, until):
    process = start("trap '' TERM INT; echo deaf >&2; while :; do sleep 1; done")
    until(lambda: process.log)

    process.kill()

    assert process.wait(10)


# Holding


def test_a_held_process_is_stopped_and_goes_on(start, until):
    process = start("exec sleep 60")

    process.hold()
    assert process.held
    until(lambda: state(process.pid) == "T")

    process.go_on()
    assert not process.held
    until(lambda: state(process.pid) in "RS")


def test_a_held_process_is_killed_without_going_on(start, until):
    heard = []
    process = start("exec sleep 60", heard.append)
    process.hold()
    until(lambda: state(process.pid) == "T")

    process.kill()

    assert process.wait(10)
    assert heard[0].code == -signal.SIGKILL


def test_the_children_of_a_held_process_are_held_too(start, until):
    process = start("sleep 60 & echo $! >&2; wait")
    until(lambda: process.log)

    process.hold()

    until(lambda: state(int(process.log[0])) == "T")


# Its owner


SLEEP = "echo begun >&2; exec sleep 60"
"""A command that says when it runs: until then it is not bound to its owner yet."""


@pytest.fixture
def owned(start, until):
    """Return two functions: one starts a process in a thread of its own, one ends that thread."""
    done = threading.Event()
    threads = []

    def own(on_exit=lambda _: None) -> Process:
        started = queue.SimpleQueue()
        threads.append(threading.Thread(target=lambda: (started.put(start(SLEEP, on_exit)), done.wait())))
        threads[-1].start()
        process = started.get(timeout=10)
        until(lambda: process.log)
        return process

    def end():
        done.set()
        for thread in threads:
            thread.join()

    yield own, end
    end()


def test_it_is_killed_when_the_thread_that_started_it_ends(owned):
    own, end_owner = owned
    heard = []
    process = own(heard.append)

    end_owner()

    assert process.wait(10)
    assert heard == [Exit(-signal.SIGKILL, ("begun",))]


def test_it_is_killed_with_its_owner_also_when_it_is_held(owned, until):
    own, end_owner = owned
    process = own()
    process.hold()
    until(lambda: state(process.pid) == "T")

    end_owner()

    assert process.wait(10)


def test_the_end_of_another_thread_is_nothing_to_it(owned, until):
    own, _ = owned
    process = own()

    other = threading.Thread(target=lambda: None)
    other.start()
    other.join()

    # A process that can be stopped is alive.
    process.hold()
    until(lambda: state(process.pid) == "T")


def test_it_has_a_group_of_its_own_so_that_a_terminals_interrupt_is_for_the_daemon(start):
    process = start("exec sleep 60")

    assert os.getpgid(process.pid) == process.pid != os.getpgid(0)


# Its identity


def test_a_process_is_known_by_its_pid_and_start(start):
    process = start("exec sleep 60")

    assert process.identity == ProcessId.of(process.pid)
    assert process.identity.is_running()


def test_an_identity_can_be_written_down_and_read_again(start):
    identity = start("exec sleep 60").identity

    assert ProcessId.parse(str(identity)) == identity
    assert ProcessId.parse(f"{identity}\n") == identity


@pytest.mark.parametrize(
    "text",
    ["", " ", "1", "1 ", "x y", "1 2 3", "-1 5", "1.5 2", "None", "\0", f"1 {'9' * 5000}", f"{'9' * 5000} 1"],
)
def test_text_that_is_no_identity_is_none(text):
    assert ProcessId.parse(text) is None


def test_a_process_of_the_past_is_nobody(start):
    process = start("exec sleep 60")
    process.kill()
    assert process.wait(10)

    assert not process.identity.is_running()
    assert process.identity.kill() is False
    assert ProcessId.of(process.pid) is None


def test_a_process_that_ended_and_was_not_reaped_is_nobody(until):
    pid = os.posix_spawn("/bin/true", ["true"], {})
    try:
        until(lambda: state(pid) == "Z")

        assert ProcessId.of(pid) is None
    finally:
        os.waitpid(pid, 0)


def test_a_process_whose_name_looks_like_its_state_is_known(start, tmp_path, until):
    odd = tmp_path / ") Z 1 (x"
    odd.symlink_to("/bin/sleep")

    process = start([str(odd), "60"])

    until(lambda: ") Z 1 (x" in Path(f"/proc/{process.pid}/stat").read_text())
    assert ProcessId.of(process.pid) == process.identity


def test_a_pid_that_another_process_has_now_is_not_killed(start, until):
    process = start("exec sleep 60")
    before = process.identity._replace(started=process.identity.started - 1)

    assert not before.is_running()
    assert before.kill() is False
    # A process that can be stopped is alive.
    process.hold()
    until(lambda: state(process.pid) == "T")


def test_this_very_process_is_killed_with_its_group(start, until):
    process = start("sleep 60 & echo $! >&2; wait")
    until(lambda: process.log)
    child = int(process.log[0])

    assert process.identity.kill() is True

    assert process.wait(10)
    until(lambda: not is_running(child))
