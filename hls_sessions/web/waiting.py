"""Waiting for an answer as long as the client is there."""

from __future__ import annotations

import asyncio
from math import isfinite, nan
from typing import TYPE_CHECKING, TypeVar

from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.requests import Request

T = TypeVar("T")

SOON = 0.1
"""Seconds to wait for an answer before also listening whether the client has left."""

CLIENT_LEFT = 499
"""nginx's status for a client that has left; nobody reads it but the log."""

LONGEST_NUMBER = 18
"""Digits of a segment's number: more than any film has, and few enough to be read."""

_LEFT = "the client has left"
"""The message of the cancellation when the client has left."""


async def unless_left(request: Request, wanted: Awaitable[T]) -> T | None:
    """Wait for something as long as the client is there; return None when it has left.

    A short wait needs no second task that listens for the client.
    """
    loop, waiter = asyncio.get_running_loop(), asyncio.current_task()
    assert waiter is not None  # noqa: S101 - this is a coroutine
    listening: list[asyncio.Task[None]] = []

    async def listen() -> None:
        await _disconnected(request)
        waiter.cancel(_LEFT)  # which cancels the reply, and the session stops counting this viewer

    soon = loop.call_later(SOON, lambda: listening.append(loop.create_task(listen())))
    try:
        return await wanted
    except asyncio.CancelledError as cancelled:
        if cancelled.args != (_LEFT,):
            raise
        waiter.uncancel()
        return None
    finally:
        soon.cancel()
        for task in listening:
            task.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def seconds_in(text: str) -> float:
    """Return the position that a query names, in seconds.

    Raises:
        HTTPException: it names none.
    """
    try:
        at = float(text)
    except ValueError:
        at = nan
    if not isfinite(at):
        raise HTTPException(400, "at is a number of seconds from the beginning.")
    return at


def number_in(text: str) -> int:
    """Return the number that a path names.

    Raises:
        HTTPException: it names none.
    """
    if len(text) > LONGEST_NUMBER or not (text.isascii() and text.isdecimal()):
        raise HTTPException(404)
    return int(text)
