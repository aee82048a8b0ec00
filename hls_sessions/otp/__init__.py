"""Servers, supervisors, timers and names, by the rules of Erlang/OTP, on pykka.

A small library of its own: it knows nothing of video, and nothing outside it knows of pykka. From the
ground up:

- `reasons`, `address`, `errors`, `messages`: why a server ended, which one, what can go wrong, what travels;
- `shield`, `reply`, `inbox`: how a thread is told to die, an answer to come, a queue that can be closed;
- `process`, `ref`, `genserver`: a life as others see it, the address of it, and the server that lives it;
- `clock`, `timers`, `registry`: what time it is, messages for later, servers by name;
- `child`, `shutdown`, `supervision`, `base_supervisor`, `supervisor`, `dynamic`: children and their supervisors.

    class Counter(GenServer):
        def init(self, first: int) -> None:
            self.number = first

        def handle_call(self, request: str, caller: From) -> int:
            self.number += 1
            return self.number

    supervisor = Supervisor.start([ChildSpec("counter", lambda: Counter.start_link(41))])
    [child] = which_children(supervisor)
    assert child.ref.call("next") == 42         # in a thread
    assert await child.ref.ask("next") == 43    # in a coroutine
    supervisor.stop()
"""

from hls_sessions.otp.child import BRUTAL_KILL, Backoff, ChildSpec, Intensity, Restart
from hls_sessions.otp.clock import Clock, ManualClock, SystemClock
from hls_sessions.otp.dynamic import DynamicSupervisor
from hls_sessions.otp.errors import (
    AlreadyRegistered,
    AlreadyStarted,
    CallingSelf,
    CallTimeout,
    ChildRunning,
    MaxChildren,
    NeedsTimers,
    NoChild,
    NoProcess,
    NotInServer,
    NotSupported,
    OtpError,
    ReplyCancelled,
    ServerExited,
    StartError,
    StartTimeout,
    SupervisionError,
)
from hls_sessions.otp.genserver import NO_REPLY, From, GenServer
from hls_sessions.otp.messages import Down, Exit, Monitor
from hls_sessions.otp.process import Watch
from hls_sessions.otp.reasons import (
    KILL,
    KILLED,
    NO_PROCESS,
    NORMAL,
    SHUTDOWN,
    Crash,
    ExitReason,
    Shutdown,
    is_abnormal,
)
from hls_sessions.otp.ref import Ref
from hls_sessions.otp.registry import Registry
from hls_sessions.otp.reply import Reply
from hls_sessions.otp.shield import KillSignal, shielded
from hls_sessions.otp.supervision import (
    ChildCount,
    ChildInfo,
    CountChildren,
    DeleteChild,
    RestartChild,
    StartChild,
    TerminateChild,
    WhichChildren,
    count_children,
    delete_child,
    restart_child,
    start_child,
    terminate_child,
    which_children,
)
from hls_sessions.otp.supervisor import Strategy, Supervisor
from hls_sessions.otp.timers import Timer, Timers, TimerServer

__all__ = [
    "BRUTAL_KILL",
    "KILL",
    "KILLED",
    "NORMAL",
    "NO_PROCESS",
    "NO_REPLY",
    "SHUTDOWN",
    "AlreadyRegistered",
    "AlreadyStarted",
    "Backoff",
    "CallTimeout",
    "CallingSelf",
    "ChildCount",
    "ChildInfo",
    "ChildRunning",
    "ChildSpec",
    "Clock",
    "CountChildren",
    "Crash",
    "DeleteChild",
    "Down",
    "DynamicSupervisor",
    "Exit",
    "ExitReason",
    "From",
    "GenServer",
    "Intensity",
    "KillSignal",
    "ManualClock",
    "MaxChildren",
    "Monitor",
    "NeedsTimers",
    "NoChild",
    "NoProcess",
    "NotInServer",
    "NotSupported",
    "OtpError",
    "Ref",
    "Registry",
    "Reply",
    "ReplyCancelled",
    "Restart",
    "RestartChild",
    "ServerExited",
    "Shutdown",
    "StartChild",
    "StartError",
    "StartTimeout",
    "Strategy",
    "SupervisionError",
    "Supervisor",
    "SystemClock",
    "TerminateChild",
    "Timer",
    "TimerServer",
    "Timers",
    "Watch",
    "WhichChildren",
    "count_children",
    "delete_child",
    "is_abnormal",
    "restart_child",
    "shielded",
    "start_child",
    "terminate_child",
    "which_children",
]
