"""Servers, supervisors, timers and a registry of names, by the rules of Erlang/OTP, on pykka.

A small library of its own: it knows nothing of video, and nothing outside it knows of pykka. Each line imports from
those above it only:

- `reasons`, `address`, `errors`, `messages`: exit reasons, a server as messages name it, errors, messages;
- `metadata`: what lines of the log are about;
- `shield`, `reply`, `inbox`: how a thread is killed, an answer to come, a queue that can be closed;
- `process`, `ref`, `genserver`: links, monitors and the end of a server; its address; the server itself;
- `clock`, `timers`, `registry`: a clock for tests, delayed messages, servers by name;
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

from hls_sessions.otp.child import Backoff, ChildSpec, Intensity, Restart
from hls_sessions.otp.clock import Clock, ManualClock, SystemClock
from hls_sessions.otp.dynamic import DynamicSupervisor
from hls_sessions.otp.errors import AlreadyStarted, CallTimeout, NoChild, NoProcess, ServerExited, StartError
from hls_sessions.otp.genserver import NO_REPLY, From, GenServer
from hls_sessions.otp.metadata import REQUEST, MetadataFilter, metadata, on_behalf_of, update_metadata
from hls_sessions.otp.reasons import Crash, ExitReason, Shutdown
from hls_sessions.otp.ref import Ref
from hls_sessions.otp.registry import Registry
from hls_sessions.otp.reply import Reply
from hls_sessions.otp.shield import shielded
from hls_sessions.otp.supervision import ChildInfo, start_child, terminate_child, which_children
from hls_sessions.otp.supervisor import Strategy, Supervisor
from hls_sessions.otp.timers import Timer, Timers, TimerServer

__all__ = [
    "NO_REPLY",
    "REQUEST",
    "AlreadyStarted",
    "Backoff",
    "CallTimeout",
    "ChildInfo",
    "ChildSpec",
    "Clock",
    "Crash",
    "DynamicSupervisor",
    "ExitReason",
    "From",
    "GenServer",
    "Intensity",
    "ManualClock",
    "MetadataFilter",
    "NoChild",
    "NoProcess",
    "Ref",
    "Registry",
    "Reply",
    "Restart",
    "ServerExited",
    "Shutdown",
    "StartError",
    "Strategy",
    "Supervisor",
    "SystemClock",
    "Timer",
    "TimerServer",
    "Timers",
    "metadata",
    "on_behalf_of",
    "shielded",
    "start_child",
    "terminate_child",
    "update_metadata",
    "which_children",
]
