"""The event bus: passes events from the place where they happen to hooks and streams.

Publishing never waits, and never fails because of a listener. Each hook has a thread and a bounded queue of its own. So
a slow hook misses events without delaying others. An error that a hook raises is logged, and it gets the next event.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, TypeVar

from hls_sessions.errors import Unavailable
from hls_sessions.otp import shielded
from hls_sessions.session import Event
from hls_sessions.session.events import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from hls_sessions.supervisor.stream import Stream

logger = logging.getLogger(__name__)

LIMIT = 1000
"""Events that may wait for a hook; a later one is dropped."""

E = TypeVar("E", bound=Event)


class Subscription:
    """One hook: the kind of events that it gets, and those that wait for it."""

    def __init__(self, kind: type[Event], callback: Callable[[E], object], limit: int) -> None:
        self.delivered = 0
        """Events the callback was called with."""
        self.failed = 0
        """Those of them over which it raised."""
        self.dropped = 0
        """Events that were not kept, because too many waited."""
        self._kind = kind
        self._callback: Callable[[E], object] = callback
        self._limit = limit
        self._queue: deque[Event] = deque()
        self._ending = False
        self._thread: threading.Thread | None = None
        self._arrived = threading.Condition()

    def __repr__(self) -> str:
        return f"<Subscription to {self._kind.__name__} [{len(self._queue)} waiting, {self.dropped} dropped]>"

    def cancel(self) -> None:
        """Deliver no more. Events that wait are dropped; a call that has begun is not undone."""
        with self._arrived:
            self._queue.clear()
        self.end(0)

    # ---- for the bus

    def begin(self) -> None:
        """Deliver from now on, in a thread of its own."""
        with self._arrived:
            self._ending = False
            if self._thread is None:
                name = f"hook {self._kind.__name__}"
                self._thread = threading.Thread(target=self._deliver, name=name, daemon=True)
                self._thread.start()

    def put(self, event: Event) -> None:
        """Keep an event for the callback. Never waits."""
        if not isinstance(event, self._kind):
            return
        with self._arrived:
            if self._ending:
                return
            late = len(self._queue) >= self._limit
            if late:
                self.dropped += 1
            else:
                self._queue.append(event)
                self._arrived.notify()
        if late and self.dropped == 1:
            logger.warning("%r is too slow: events are dropped", self)

    def end(self, timeout: float) -> bool:
        """Deliver the events that wait, and no more. False when that takes over ``timeout`` seconds."""
        with self._arrived:
            self._ending = True
            self._arrived.notify()
            thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def _deliver(self) -> None:
        while (event := self._next()) is not None:
            try:
                self._callback(event)  # type: ignore[arg-type] # it is of the kind that was asked for
            except BaseException:
                # BaseException, because a hook gets the next event whatever it raises.
                self.failed += 1
                logger.exception("a hook on %s raised", self._kind.__name__)
            self.delivered += 1

    def _next(self) -> Event | None:
        with self._arrived:
            self._arrived.wait_for(lambda: self._queue or self._ending)
            if self._queue:
                return self._queue.popleft()
            self._thread = None
            return None


class EventBus:
    """All hooks and streams of a supervisor. Any thread may use it."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self._streams: list[Stream] = []
        self._running = False
        self._taking = False
        """Whether streams are taken."""
        self._lock = threading.Lock()

    @shielded
    def publish(self, event: Event) -> None:
        """Pass an event to all listeners. Never waits; called in the thread in which the event happens."""
        with self._lock:
            listeners: tuple[Subscription | Stream, ...] = *self._subscriptions, *self._streams
            # Within the lock, so that all listeners get the events of different threads in one order.
            for listener in listeners:
                listener.put(event)

    def subscribe(self, kind: type[E] | str, callback: Callable[[E], object], limit: int = LIMIT) -> Subscription:
        """Have a callback called with every event of a kind, in order, in a thread of its own.

        Raises:
            ValueError: there is no such kind, or no event may wait for it.
            TypeError: it is no kind of event, or the callback cannot be called.
        """
        # All is checked here, because publishing an event must not fail over a hook.
        if isinstance(kind, str) and kind not in KINDS:
            raise ValueError(f"There is no event {kind!r}, only {', '.join(KINDS)}.")
        wanted = KINDS[kind] if isinstance(kind, str) else kind
        if wanted is not Event and wanted not in KINDS.values():
            raise TypeError(f"{kind!r} is no kind of event.")
        if not callable(callback):
            raise TypeError(f"{callback!r} cannot be called.")
        if limit < 1:
            raise ValueError(f"One event at least must be able to wait for a hook, not {limit}.")
        subscription = Subscription(wanted, callback, limit)
        with self._lock:
            self._subscriptions.append(subscription)
            if self._running:
                subscription.begin()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Call a callback no more."""
        with self._lock:
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)
        subscription.cancel()

    def join(self, stream: Stream) -> None:
        """Pass every event to a stream, until it leaves.

        Raises:
            Unavailable: all streams have been ended.
        """
        with self._lock:
            if not self._taking:
                raise Unavailable("The supervisor does not run.")
            self._streams.append(stream)

    def leave(self, stream: Stream) -> None:
        """Pass no more events to a stream."""
        with self._lock:
            if stream in self._streams:
                self._streams.remove(stream)

    def start(self) -> None:
        """Deliver from now on."""
        with self._lock:
            self._running = self._taking = True
            for subscription in self._subscriptions:
                subscription.begin()

    def end_streams(self) -> None:
        """Tell all streams to end, and take no more."""
        with self._lock:
            self._taking = False
            for stream in self._streams:
                stream.end()

    def end_streams_of(self, session_id: str) -> None:
        """End the streams of a session that goes on elsewhere."""
        with self._lock:
            for stream in self._streams:
                if stream.session_id == session_id:
                    stream.part()

    def stop(self, timeout: float) -> None:
        """Deliver the events that wait, for ``timeout`` seconds at most, and end."""
        deadline = time.monotonic() + timeout
        with self._lock:
            self._running = False
            subscriptions = list(self._subscriptions)
        for subscription in subscriptions:
            if not subscription.end(max(0.0, deadline - time.monotonic())):
                logger.error("%r was left behind: its callback does not return", subscription)
