"""Why a server ended: the words OTP uses for it, as values.

The rules are those of https://www.erlang.org/doc/system/ref_man_processes.html#exit-signals: a reason is
*normal* when the server finished or was shut down in order, and *abnormal* when something went wrong.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias


class Ending(Enum):
    """The reasons that carry no detail."""

    NORMAL = "normal"
    """The server had finished."""

    KILLED = "killed"
    """The server was killed. It was not asked, and its `terminate` did not run."""

    NO_PROCESS = "no process"
    """The server was dead already when it was linked to or monitored. OTP's `noproc`."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Shutdown:
    """The server was told to end, or chose to, in order. `detail` says more: OTP's `{shutdown, Term}`."""

    detail: object = None

    def __str__(self) -> str:
        return "shutdown" if self.detail is None else f"shutdown: {self.detail}"


@dataclass(frozen=True, slots=True)
class Crash:
    """A callback raised `error`."""

    error: BaseException

    def __str__(self) -> str:
        return f"crashed with {self.error!r}"


class Kill(Enum):
    """The argument of `Ref.exit` that kills at once. The server then ends as KILLED."""

    KILL = "kill"


ExitReason: TypeAlias = Ending | Shutdown | Crash

NORMAL: Final = Ending.NORMAL
KILLED: Final = Ending.KILLED
NO_PROCESS: Final = Ending.NO_PROCESS
SHUTDOWN: Final = Shutdown()
KILL: Final = Kill.KILL


def is_abnormal(reason: ExitReason) -> bool:
    """Tell whether something went wrong: anything but NORMAL, SHUTDOWN and Shutdown(detail)."""
    return reason is not NORMAL and not isinstance(reason, Shutdown)
