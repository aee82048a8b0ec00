"""The errors between a caller and a server, one class for each.

An error carries its facts as attributes and writes its own sentence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pykka

from hls_sessions.otp.reasons import Crash, ExitReason

if TYPE_CHECKING:
    from hls_sessions.otp.address import Address


class OtpError(Exception):
    """The root of every error this package raises on purpose."""


class CallTimeout(OtpError, pykka.Timeout):
    """The answer, or the end of a server, did not come in time. It may still come.

    A `pykka.Timeout` too, because the `get` of a pykka future promises that.
    """

    def __init__(self, awaited: object, seconds: float | None) -> None:
        super().__init__(f"{awaited} took longer than {seconds} s")
        self.awaited = awaited
        self.seconds = seconds


class ReplyCancelled(OtpError):
    """The caller gave up waiting before an answer came."""

    def __init__(self) -> None:
        super().__init__("the reply was cancelled by its caller")


class NoProcess(OtpError, pykka.ActorDeadError):
    """The server was dead already when it was asked."""

    def __init__(self, ref: Address) -> None:
        super().__init__(f"{ref} is not alive")
        self.ref = ref


class ServerExited(OtpError, pykka.ActorDeadError):
    """The server ended, for `reason`, before it had answered. A crash has its error chained as the cause.

    `in_hand` tells whether it ended while it handled this very request, and so perhaps because of it.
    """

    def __init__(self, ref: Address, reason: ExitReason, *, in_hand: bool = False) -> None:
        super().__init__(f"{ref} ended before it answered: {reason}")
        self.ref = ref
        self.reason = reason
        self.in_hand = in_hand
        self.__cause__ = reason.error if isinstance(reason, Crash) else None


class CallingSelf(OtpError):
    """A server waited for itself, which would never end."""

    def __init__(self, ref: Address) -> None:
        super().__init__(f"{ref} cannot wait for itself; inside a callback use the server's own methods")
        self.ref = ref


class NotInServer(OtpError):
    """`start_link` was called by code that runs in no server, so there is nothing to link to."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}.start_link() links to the calling server, and no server is calling: use start()")


class StartError(OtpError):
    """`init` did not succeed. The server is gone, and the error that `init` raised is chained as the cause."""

    def __init__(self, name: object, reason: ExitReason) -> None:
        super().__init__(f"{name} did not start: {reason}")
        self.name = name
        self.reason = reason
        self.__cause__ = reason.error if isinstance(reason, Crash) else None


class StartTimeout(StartError):
    """`init` did not return within the given seconds. The server was killed."""


class AlreadyRegistered(OtpError):
    """A live server, `ref`, holds the name."""

    def __init__(self, name: object, ref: Address) -> None:
        super().__init__(f"the name {name!r} is held by {ref}")
        self.name = name
        self.ref = ref


class SupervisionError(OtpError):
    """A supervisor refused a request; nothing has changed."""


class MaxChildren(SupervisionError):
    """The dynamic supervisor has as many children as it may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the supervisor has {limit} children and may have no more")
        self.limit = limit


class AlreadyStarted(SupervisionError):
    """A child of this id is there. `ref` is that child, or None while it waits to be restarted."""

    def __init__(self, child_id: object, ref: Address | None) -> None:
        super().__init__(f"a child {child_id!r} is there already: {ref or 'about to be restarted'}")
        self.child_id = child_id
        self.ref = ref


class NoChild(SupervisionError):
    """The supervisor has no child of this id."""

    def __init__(self, child_id: object) -> None:
        super().__init__(f"the supervisor has no child {child_id!r}")
        self.child_id = child_id


class ChildRunning(SupervisionError):
    """The child runs, or is about to be restarted, and must be terminated first."""

    def __init__(self, child_id: object) -> None:
        super().__init__(f"the child {child_id!r} must be terminated first")
        self.child_id = child_id


class NeedsTimers(SupervisionError):
    """The child has a backoff, and the supervisor was given no timers to wait with."""

    def __init__(self, child_id: object) -> None:
        super().__init__(f"child {child_id!r} has a backoff, for which its supervisor needs timers")
        self.child_id = child_id


class NotSupported(SupervisionError):
    """This kind of supervisor does not know the request."""

    def __init__(self, request: object) -> None:
        super().__init__(f"this supervisor cannot do {request!r}")
        self.request = request
