"""The sandbox around every process that opens a film: one film to read, one folder to write to, no network.

A film may be hostile, and decoders have holes. So a process that opens one is confined by three means of Linux that
need no privilege:

- Landlock (landlock(7), Linux 5.13) refuses every file but the film, the program with its libraries, and the folder.
- A seccomp filter (seccomp(2)) refuses sockets, new processes, and the system calls that reach into other processes or
  into the kernel's rarely used parts.
- Resource limits bound its memory, and the size of a file that it writes.

The first two hold for the *thread* that asks for them and for all that it starts, so the daemon itself is not
confined: ``Process`` starts ffmpeg in a thread of its own, and a worker is confined after it was forked. Both cannot be
undone. Landlock goes by the file and not by its name: a film that was replaced is another file, and is refused.

All is done with ctypes, because glibc has no functions for it and one library less is one less to trust. It takes about
0.3 ms.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import re
import resource
import signal
import stat
import struct
import subprocess
import sysconfig
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from hls_sessions.ffmpeg.binary_cache import LONGEST, is_script, remembered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Mode: TypeAlias = Literal["require", "try", "off"]
"""``require``: all of it holds, or nothing starts. ``try``: as much as holds here. ``off``: none of it."""

LIBC: Final = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG: Final = 1
PR_SET_SECCOMP: Final = 22
PR_SET_NO_NEW_PRIVS: Final = 38

LANDLOCK_CREATE_RULESET: Final = 444
LANDLOCK_ADD_RULE: Final = 445
LANDLOCK_RESTRICT_SELF: Final = 446
"""Numbers of system calls, the same on all architectures."""

RULE_PATH_BENEATH: Final = 1
QUERY_VERSION: Final = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_FILE, MAKE_REG, TRUNCATE, IOCTL_DEV = (
    1 << bit for bit in (0, 1, 2, 3, 5, 8, 14, 15)
)
"""Access rights of Landlock that are granted (linux/landlock.h); all others are granted to nobody."""

OF_FILES: Final = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
"""Rights that a rule for a single file may have; with any other the kernel refuses it."""

READ: Final = READ_FILE | READ_DIR
RUN: Final = READ | EXECUTE
USE: Final = READ_FILE | WRITE_FILE | IOCTL_DEV | READ_DIR
"""To use a device."""
WRITE: Final = READ | WRITE_FILE | REMOVE_FILE | MAKE_REG | TRUNCATE

FILE_RIGHTS: Final = {1: 1 << 13, 2: 1 << 14, 3: 1 << 15, 5: 1 << 16}
"""All rights of a version are those below this bit; a version between two has those of the lower one."""

NETWORK_VERSION: Final = 4
"""The version of Landlock that refuses TCP."""

SCOPE_VERSION: Final = 6
"""The version of Landlock that refuses signals to, and abstract sockets of, processes outside of the sandbox."""

COMMON: Final = ("/dev/urandom", "/etc/ld.so.cache", "/etc/fonts", "/usr/share/fonts", "/sys/devices/system/cpu")
"""Files of the system that the C library, ffmpeg and its libraries read."""

DRIVERS: Final = ("/sys", "/proc/driver", "/usr/share", "/etc/OpenCL", "/etc/vulkan", "/etc/glvnd")
"""Files of the system that the drivers of graphics cards read."""

SYSTEM: Final = ("/usr", "/bin", "/lib", "/lib64", "/opt", "/nix/store", "/gnu/store", "/etc/ld-musl-x86_64.path")
"""Where the programs and libraries of a system are, for a program that does not tell its own."""

MANY: Final = 16
"""Folders of libraries that get a rule each. Where each library has its own (Nix), all of the store does."""

MEMORY: Final = 8 * 1024**3
"""Bytes that an encoder may have written to: twice as much as any film of 8K takes, in software and on 16 threads."""

LARGEST_FILE: Final = 4 * 1024**3
"""Bytes of one file that a process may write: thirteen times the largest segment that was ever seen."""

HOSTS: Final = ("/etc", "/usr/lib", "/lib", "/usr/share/ca-certificates", "/run/systemd/resolve")
"""Where the C library finds out the address of a host, and where certificates are."""

SOCKETS: Final = frozenset({"socket", "connect", "accept", "accept4", "bind", "listen"})

DENIED: Final = {  # name: (x86_64, aarch64)
    "socket": (41, 198),
    "connect": (42, 203),
    "accept": (43, 202),
    "accept4": (288, 242),
    "bind": (49, 200),
    "listen": (50, 201),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "syslog": (103, 116),
    "personality": (135, 92),
    "modify_ldt": (154, None),
    "iopl": (172, None),
    "ioperm": (173, None),
}
"""System calls that no process in the sandbox needs."""

SIGNALS: Final = {
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "tgkill": (234, 131),
}
"""System calls that send signals to any process: refused as a whole where Landlock does not refuse them by target."""

ALONE: Final = {
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "setsid": (112, 157),
    "setpgid": (109, 154),
}
"""System calls of a process that starts another, or leaves its group."""

FORK: Final = {"fork": (57, None)}

CLONE: Final = (56, 220)
CLONE3: Final = 435
PRLIMIT: Final = (302, 261)
CLONE_VFORK: Final = 0x4000
CLONE_THREAD: Final = 0x10000

ARCHITECTURES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""For each machine, which number of a system call is its own, and how the kernel names it (linux/audit.h)."""

LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_IF_SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
"""Instructions of a filter (linux/bpf_common.h)."""

ALLOW: Final = 0x7FFF0000
ERRNO: Final = 0x00050000
X32: Final = 0x40000000
"""The first number of x86_64's second set of system calls."""

NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16
"""Where these are in the data that a filter judges (struct seccomp_data)."""


@dataclass(frozen=True, slots=True)
class Access:
    """What one process may use."""

    reads: tuple[str, ...] = ()
    """Files and folders that it may read."""
    writes: tuple[str, ...] = ()
    """Folders in which it may make, write and delete files."""
    runs: tuple[str, ...] = ()
    """Programs, or folders of programs, that it may become."""
    devices: tuple[str, ...] = ()
    """Devices that it may use."""
    files: bool = True
    """Whether all other files are refused."""
    alone: bool = False
    """Whether it may neither start a process nor become another program."""
    forks: bool = False
    """Whether it may start processes as it likes, because it is a script."""
    network: bool = False
    """Whether it may use sockets."""
    limits: dict[str, int] = field(default_factory=dict)
    """Resource limits, by the name that the module ``resource`` gives them."""


@dataclass(frozen=True, slots=True)
class Support:
    """What this kernel has."""

    landlock: int = 0
    """The version of Landlock; 0 for none."""
    seccomp: bool = False
    """Whether filters of system calls can be set."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """How the processes of one ffmpeg are confined here."""

    mode: Mode
    support: Support
    program: Access | None
    """What ffmpeg itself needs to run; None when it is not confined at all."""
    why_not: tuple[str, ...] = ()
    """What does not hold here, as sentences."""

    def __str__(self) -> str:
        if self.program is None:
            return "none"
        return describe(self.support, files=self.program.files)

    def around(self, film: Path, folder: Path, devices: Sequence[str] = ()) -> Access | None:
        """Return what an ffmpeg may use that reads a film and writes to a folder; None for everything.

        Args:
            film: what it reads.
            folder: what it writes to.
            devices: patterns of devices that its encoder uses.
        """
        if self.program is None:
            return None
        found = devices_there(devices)
        return replace(
            self.program,
            reads=(*self.program.reads, str(film), *(DRIVERS if found else ())),
            writes=(str(folder),),
            devices=found,
        )


def access_of(needs: Mapping[str, Any]) -> Access:
    """Return what a process may use, of a message that ``asdict`` has made."""
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in needs.items()}
    return Access(**fields)


def devices_there(patterns: Sequence[str]) -> tuple[str, ...]:
    """Return the devices of this machine that some patterns match."""
    return tuple(device for pattern in patterns for device in glob(pattern))  # noqa: PTH207 - patterns of text


def describe(support: Support, *, files: bool = True) -> str:
    """Say what holds: ``files and network (Landlock 7, seccomp)``, ``files only (…)``, less, or ``none``."""
    has_files = files and support.landlock > 0
    means = ", ".join(
        [*([f"Landlock {support.landlock}"] if has_files else []), *(["seccomp"] if support.seccomp else [])]
    )
    match has_files, support.seccomp:
        case True, True:
            return f"files and network ({means})"
        case True, False:
            return f"files only ({means})"
        case False, True:
            return f"network only ({means})"
        case _:
            return "none"


def sandbox_here() -> str:
    """Say what holds on this machine, whichever ffmpeg is confined."""
    return describe(support())


def sandbox_for(path: str, mode: Mode, wrappers: Sequence[str] = ()) -> Sandbox:
    """Find out how an ffmpeg can be confined here.

    It is run in the sandbox once. When it does not find all of its libraries there, it gets those of the system; when
    that is not enough either, its files are not confined.

    Args:
        path: the path of ffmpeg.
        mode: what is wanted.
        wrappers: programs that become ffmpeg.
    """
    if mode == "off":
        return Sandbox(mode, Support(), None, ("the sandbox is turned off",))
    program, why_not = _program(path, tuple(wrappers))
    return Sandbox(mode, support(), program, why_not)


def confine(access: Access) -> None:
    """Confine the calling thread, and all that it starts, for good. What the kernel does not have is left out.

    Raises:
        OSError: the kernel refuses it.
    """
    has = support()
    if not access.files and not has.seccomp:
        return
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    if access.files and has.landlock:
        _confine_files(access, has.landlock)
    if has.seccomp:
        _set_filter(_filter(access, scoped=access.files and has.landlock >= SCOPE_VERSION))


def bind_to_parent() -> None:
    """Have this process killed when the one that forked it ends (prctl(2), PR_SET_PDEATHSIG)."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def limit(access: Access, pid: int = 0) -> None:
    """Set the resource limits of a process; zero is the calling one. Limits that are lower already stay."""
    for name, most in access.limits.items():
        kind = getattr(resource, name)
        with suppress(OSError, ValueError):
            _, hard = resource.prlimit(pid, kind)
            if hard == resource.RLIM_INFINITY or hard > most:
                resource.prlimit(pid, kind, (most, most))


@cache
def support() -> Support:
    """Return what this kernel has. It is tried in a thread, because a kernel may list what a container forbids."""
    found: list[Support] = []

    def attempt() -> None:
        landlock, seccomp = 0, False
        with suppress(OSError):
            _prctl(PR_SET_NO_NEW_PRIVS, 1)
            version = _call(LANDLOCK_CREATE_RULESET, None, 0, QUERY_VERSION)
            _confine_files(Access(reads=("/",)), version)
            landlock = version
        with suppress(OSError, KeyError):
            _set_filter(_filter(Access(), scoped=False))
            seccomp = True
        found.append(Support(landlock, seccomp))

    _in_thread(attempt)
    return found[0]


@cache
def worker_files() -> tuple[str, ...]:
    """Return what a Python process may read that has loaded all it needs: the modules that it loads late."""
    paths = sysconfig.get_paths()
    return (*COMMON, *sorted({paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}), *_own_folder())


def confine_worker(*films: str, folder: str | None = None) -> None:
    """Confine this process, a worker that is about to open films, or bytes alone, and may write to a folder.

    Raises:
        OSError: the kernel refuses it.
    """
    access = Access(
        reads=(*worker_files(), "/proc/self", *films),
        writes=() if folder is None else (folder,),
        alone=True,
        limits={"RLIMIT_CORE": 0, "RLIMIT_FSIZE": LARGEST_FILE},
    )
    limit(access)
    confine(access)


def confine_puller(program: Access | None = None) -> None:
    """Confine this process, a worker that is about to fetch a stream: it has the network, and nothing to write to.

    Args:
        program: what the program needs that fetches it for the worker; None where the worker does so itself.

    Raises:
        OSError: the kernel refuses it.
    """
    needs = program or Access(alone=True)
    access = replace(
        needs,
        reads=(*worker_files(), "/proc/self", *HOSTS, *needs.reads),
        network=True,
        limits={"RLIMIT_CORE": 0, "RLIMIT_FSIZE": 0},
    )
    limit(access)
    confine(access)


def _own_folder() -> Iterator[str]:
    # An installation for developers is not among the site packages.
    yield str(Path(__file__).parents[2] / "hls_sessions")


@cache
def _program(path: str, wrappers: tuple[str, ...]) -> tuple[Access | None, tuple[str, ...]]:
    """Return what a program needs to run, and what of a sandbox does not hold for it."""

    def ask() -> tuple[Any, tuple[str, ...]]:
        needs, why_not = _tried(path, wrappers)
        return None if needs is None else asdict(needs), why_not

    def good_for(answer: tuple[Any, tuple[str, ...]]) -> float:
        # A sandbox that does not hold wholly is tried anew, because it may have been for want of time or of processes.
        return 0.0 if answer[1] else LONGEST

    about = wrappers, asdict(support()), platform.release()
    needs, why_not = remembered(path, "sandbox", ask, *about, good_for=good_for)
    return None if needs is None else access_of(needs), tuple(why_not)


def _tried(path: str, wrappers: tuple[str, ...]) -> tuple[Access | None, tuple[str, ...]]:
    """Find out what ``_program`` returns."""
    has = support()
    if not has.landlock and not has.seccomp:
        return None, (f"{_kernel()} has neither Landlock nor seccomp filters: a hostile film is not confined",)
    why_not = []
    if not has.landlock:
        why_not.append(f"{_kernel()} has no Landlock (it is in Linux 5.13): a hostile film may read other files")
    if not has.seccomp:
        why_not.append(f"{_kernel()} has no seccomp filters here: a hostile film may use the network")
    for needs in _needs(path, wrappers):
        if _runs_in(needs, path, wrappers):
            if has.landlock and not needs.files:
                why_not.append(f"{path} is a script or does not run without other files: it may read them")
            return needs, tuple(why_not)
    return None, (f"{path} does not run in a sandbox: a hostile film is not confined",)


def _needs(path: str, wrappers: tuple[str, ...]) -> Iterator[Access]:
    """Yield what a program may need to run, the least first."""
    limits = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": LARGEST_FILE, "RLIMIT_DATA": MEMORY}
    if is_script(path):
        yield Access(files=False, forks=True, limits=limits)
        return
    programs = tuple(os.path.realpath(each) for each in (path, *wrappers))
    libraries = {library for program in programs for library in _libraries(program)}
    loaders = tuple(sorted(library for library in libraries if re.match(r"ld[-.6]", os.path.basename(library))))  # noqa: PTH119 - no object needed
    yield Access(reads=(*COMMON, *_folders(libraries)), runs=(*programs, *loaders), limits=limits)
    yield Access(reads=(*COMMON, *SYSTEM, os.path.dirname(programs[0])), runs=(*programs, *SYSTEM), limits=limits)  # noqa: PTH120 - the same
    yield Access(files=False, limits=limits)
    yield Access(files=False, forks=True, limits=limits)


def _libraries(program: str) -> list[str]:
    """Return the libraries that the dynamic linker loads for a program, its own included (ld.so(8))."""
    try:
        listed = subprocess.run(  # noqa: S603 - an argument list, no shell
            [program, "-version"],
            env=os.environ | {"LD_TRACE_LOADED_OBJECTS": "1"},
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=30,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    return re.findall(r"(/\S+) \(0x[0-9a-f]+\)", listed)


def _folders(libraries: Iterable[str]) -> list[str]:
    """Return the folders of libraries, as few as possible."""
    named = {os.path.dirname(each) for library in libraries for each in (library, os.path.realpath(library))}  # noqa: PTH120 - paths of text
    found = {os.path.realpath(folder) for folder in named}
    if len(found) > MANY:
        found = {"/".join(folder.split("/")[:3]) for folder in found}
    return sorted(folder for folder in found if not any(folder.startswith(f"{other}/") for other in found))


def _runs_in(access: Access, path: str, wrappers: tuple[str, ...]) -> bool:
    """Whether a program runs in a sandbox."""
    argv = [*(w for wrapper in wrappers for w in (wrapper, "--pdeathsig", "KILL", "--")), path, "-version"]
    codes: list[int] = []

    def attempt() -> None:
        with suppress(OSError, subprocess.TimeoutExpired):
            confine(access)
            codes.append(
                subprocess.run(  # noqa: S603 - an argument list, no shell
                    argv, capture_output=True, stdin=subprocess.DEVNULL, timeout=30, check=False
                ).returncode
            )

    _in_thread(attempt)
    return codes == [0]


def _kernel() -> str:
    return f"this kernel ({platform.release()}), or the container's rules,"


def _in_thread(attempt: Callable[[], None]) -> None:
    """Call a function in a thread of its own, which may confine itself."""
    thread = threading.Thread(target=attempt, name="sandbox")
    thread.start()
    thread.join()


# ---- Landlock


def _confine_files(access: Access, version: int) -> None:
    rights = FILE_RIGHTS[max(each for each in FILE_RIGHTS if each <= version)] - 1
    network = 3 if version >= NETWORK_VERSION and not access.network else 0
    scope = 3 if version >= SCOPE_VERSION else 0
    attributes = struct.pack("=QQQ", rights, network, scope)
    # A kernel refuses fields that it does not know unless they are zero, which they are.
    ruleset = _call(LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for paths, granted in (
            (access.reads, READ),
            (access.runs, RUN),
            (access.writes, WRITE),
            (access.devices, USE),
            (("/dev/null",), READ_FILE | WRITE_FILE),
        ):
            for path in paths:
                _grant(ruleset, path, granted & rights)
        _call(LANDLOCK_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _grant(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)  # a symbolic link is followed: the rule is on what it leads to
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return  # it is not there, so there is nothing to grant
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= OF_FILES
        _call(LANDLOCK_ADD_RULE, ruleset, RULE_PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)


# ---- seccomp


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _set_filter(instructions: bytes) -> None:
    program = _Program(len(instructions) // 8, instructions)
    _prctl(PR_SET_SECCOMP, 2, ctypes.byref(program))


def _filter(access: Access, *, scoped: bool) -> bytes:
    """Return a filter of system calls.

    Args:
        access: what the process may do.
        scoped: whether Landlock refuses signals to processes outside of the sandbox.

    Raises:
        KeyError: it is not known for this machine.
    """
    return _assembled(
        *ARCHITECTURES[platform.machine()],
        alone=access.alone,
        forks=access.forks,
        network=access.network,
        scoped=scoped,
    )


@cache
def _assembled(own: int, architecture: int, *, alone: bool, forks: bool, network: bool, scoped: bool) -> bytes:
    denied: list[tuple[int | None, ...]] = [
        numbers for name, numbers in DENIED.items() if not (network and name in SOCKETS)
    ]
    if alone:
        denied += ALONE.values()
    if not forks:
        denied += FORK.values()
        denied += [] if scoped else SIGNALS.values()
    refuse = (RETURN, 0, 0, ERRNO | errno.EPERM)
    allow = (RETURN, 0, 0, ALLOW)
    program: list[tuple[int, int, int, int]] = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_EQUAL, 1, 0, architecture),
        refuse,
        (LOAD, 0, 0, NUMBER),
        (JUMP_AT_LEAST, 0, 1, X32),
        refuse,
    ]
    for number in sorted({number for numbers in denied if (number := numbers[own]) is not None}):
        program += [(JUMP_EQUAL, 0, 1, number), refuse]
    if not forks:
        # Its arguments are in memory, which a filter does not see. The C library then takes the other one.
        program += [(JUMP_EQUAL, 0, 1, CLONE3), (RETURN, 0, 0, ERRNO | errno.ENOSYS)]
        started = CLONE_THREAD if alone else CLONE_THREAD | CLONE_VFORK
        program += [
            (JUMP_EQUAL, 0, 4, CLONE[own]),
            (LOAD, 0, 0, FIRST_ARGUMENT),
            (JUMP_IF_SET, 0, 1, started),
            allow,
            # As if there were no more processes: where there are none, Python tries this after vfork.
            (RETURN, 0, 0, ERRNO | errno.EAGAIN),
        ]
    # Its own limits only: it could take the descriptors of any other process of this user.
    program += [(JUMP_EQUAL, 0, 4, PRLIMIT[own]), (LOAD, 0, 0, FIRST_ARGUMENT), (JUMP_EQUAL, 1, 0, 0), refuse, allow]
    program.append(allow)
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


# ---- system calls


def _call(number: int, *arguments: Any) -> int:
    result = int(LIBC.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _prctl(option: int, *arguments: Any) -> None:
    if LIBC.prctl(option, *arguments, *[0] * (4 - len(arguments))) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
