"""What the actor of every session does, whatever it plays: it says how it is, and ends when nobody uses it any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hls_sessions.errors import IllegalTransition, SessionError
from hls_sessions.otp import GenServer, Shutdown, update_metadata
from hls_sessions.session.messages import Displace, GetInfo, Heartbeat, IdleCheck, PauseIf, Peek, Reap
from hls_sessions.session.record import QUIET
from hls_sessions.session.state import Circumstances, Step, Who

if TYPE_CHECKING:
    from hls_sessions.otp import From, Timer
    from hls_sessions.session.messages import SessionInfo
    from hls_sessions.session.record import SessionRecord
    from hls_sessions.session.services import Services


class BaseSessionServer(GenServer):
    """The actor of one session. Its ``init`` calls ``begin``."""

    refusals = (SessionError,)

    def begin(self, services: Services, record: SessionRecord) -> None:
        """Look from now on whether anybody uses the session."""
        update_metadata(session=record.session_id)
        self._services = services
        self._record = record
        self._idle_timer = self.remind(IdleCheck(), record.presence.due_in)

    def handle_call(self, request: Any, caller: From) -> Any:
        """Answer a request. All but Peek, Reap, Displace and PauseIf count as activity."""
        if not isinstance(request, Peek | Reap | Displace | PauseIf):
            self._record.presence.touch()
        match request:
            case GetInfo() | Peek():
                return self.info()
            case Heartbeat():
                return None
            case Reap() | Displace():
                return self._ends_for(request)
            case _:
                return self.handle_request(request, caller)

    def handle_request(self, request: Any, caller: From) -> Any:
        """Answer a request that not all sessions answer alike."""
        return super().handle_call(request, caller)

    def handle_peek(self) -> SessionInfo:
        """Return the session as it is now, as Peek does."""
        return self.info()

    def handle_info(self, message: Any) -> None:
        """Hear of timers."""
        match message:
            case IdleCheck():
                self.expire_if_idle()
            case _:
                super().handle_info(message)

    # ---- for the session

    def info(self) -> SessionInfo:
        """Return the session as it is now."""
        raise NotImplementedError

    @property
    def expecting(self) -> int:
        """How many viewers wait for something that is being made."""
        raise NotImplementedError

    def remind(self, message: Any, seconds: float) -> Timer:
        """Send a message to itself after some seconds."""
        return self._services.timers.send_after(self.ref, message, seconds)

    def expire_if_idle(self) -> None:
        """End if nobody uses it any more; else look again when that may be so."""
        presence, waiting = self._record.presence, self.expecting
        if waiting:
            presence.touch()  # a viewer who waits is there
        why = presence.overdue
        self._services.timers.cancel(self._idle_timer)
        if why is None:
            self._idle_timer = self.remind(IdleCheck(), presence.due_in)
        else:
            now = Circumstances(viewers_waiting=waiting, overdue=True)
            step, reason = self.unused(why)
            self.end(step, Who.REAPER, reason, now)

    def unused(self, why: str) -> tuple[Step, str]:
        """Return the step that ends it when nobody uses it any more, and the reason."""
        return Step.EXPIRE, why

    def end(self, step: Step, by: Who, reason: str, now: Circumstances = QUIET) -> None:
        """Take the step that ends the session, unless somebody else has just ended it."""
        try:
            taken = self._record.take(step, by, reason, now)
        except IllegalTransition:
            return
        self.stop(Shutdown(taken))

    # ---- within

    def _ends_for(self, request: Reap | Displace) -> bool:
        """End if its time has run out or, for another session, if nobody watches. Return whether it does."""
        if isinstance(request, Displace):
            idle = self._record.presence.idle
            now = Circumstances(viewers_waiting=self.expecting, watched=idle < request.unwatched_after)
            reason = f"it made room for another: nothing was asked of it for {idle:.0f} seconds"
            self.end(Step.DISPLACE, Who.SUPERVISOR, reason, now)
        else:
            self.expire_if_idle()
        return self._record.state.is_final
