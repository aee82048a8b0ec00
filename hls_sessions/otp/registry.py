"""Servers by name."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from hls_sessions.otp.errors import AlreadyRegistered
from hls_sessions.otp.process import Watch
from hls_sessions.otp.reply import Reply
from hls_sessions.otp.shield import shielded

if TYPE_CHECKING:
    from collections.abc import Hashable

    from hls_sessions.otp.ref import Ref


class _Holder(NamedTuple):
    ref: Ref
    watch: Watch


class Registry:
    """A dictionary from names to live servers, for any thread.

    Looking up is a dictionary look-up and sends no message; pykka's own registry is a list that is searched
    from end to end. A name is freed when its server ends, whichever way that happens.
    """

    def __init__(self) -> None:
        self._holders: dict[Hashable, _Holder] = {}
        self._waiting: dict[Hashable, list[Reply[Ref]]] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Registry [{len(self._holders)} names]>"

    @shielded
    def register(self, name: Hashable, ref: Ref) -> None:
        """Give a server a name, and answer the replies that wait for it.

        Raises:
            AlreadyRegistered: if a live server, even this one, has the name

        """
        watch = Watch(ref.process, lambda _: self._forget(name, watch))
        with self._lock:
            if (holder := self.whereis(name)) is not None:
                raise AlreadyRegistered(name, holder)
            self._holders[name] = _Holder(ref, watch)
            waiting = self._waiting.pop(name, [])
        # Outside the lock, because a server that is dead already is forgotten within this call.
        ref.process.watch(watch)
        for reply in waiting:
            reply.set(ref)

    @shielded
    def unregister(self, name: Hashable) -> None:
        """Free a name. Nothing happens if no server has it."""
        with self._lock:
            holder = self._holders.pop(name, None)
        if holder is not None:
            holder.watch.cancel()

    def whereis(self, name: Hashable) -> Ref | None:
        """Find the live server of this name, or None."""
        holder = self._holders.get(name)
        return holder.ref if holder is not None and holder.ref.is_alive() else None

    def names(self) -> list[Hashable]:
        """List the names of all live servers, in the order in which they were registered."""
        return [name for name, holder in list(self._holders.items()) if holder.ref.is_alive()]

    @shielded
    def wait_for(self, name: Hashable) -> Reply[Ref]:
        """Ask for the server of this name, now or whenever it is registered next.

        So a server can wait for the restart of another. Cancel the reply to wait no longer.
        """
        reply: Reply[Ref] = Reply()
        with self._lock:
            ref = self.whereis(name)
            if ref is None:
                self._waiting.setdefault(name, []).append(reply)
        if ref is not None:
            reply.set(ref)
        else:
            reply.add_done_callback(lambda reply: self._remove_waiter(name, reply))
        return reply

    @shielded
    def _forget(self, name: Hashable, watch: Watch) -> None:
        with self._lock:
            # The name may have been given to another server since.
            holder = self._holders.get(name)
            if holder is not None and holder.watch is watch:
                del self._holders[name]

    @shielded
    def _remove_waiter(self, name: Hashable, reply: Reply[Ref]) -> None:
        with self._lock:
            waiting = self._waiting.get(name, [])
            if reply in waiting:
                waiting.remove(reply)
            if not waiting:
                self._waiting.pop(name, None)
