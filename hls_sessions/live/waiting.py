"""The callers that wait for something of a recording, by what they asked for."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from hls_sessions.otp import NO_REPLY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hls_sessions.errors import SessionError
    from hls_sessions.otp import From


class Waiting:
    """The callers that wait. Lives in the session's thread."""

    def __init__(self) -> None:
        self._callers: defaultdict[Any, list[From]] = defaultdict(list)

    def __iter__(self) -> Iterator[Any]:
        """Yield what is asked for by somebody who still waits."""
        for asked, callers in list(self._callers.items()):
            callers[:] = [caller for caller in callers if not caller.abandoned]
            if callers:
                yield asked
            else:
                del self._callers[asked]

    def count(self, counts: Callable[[Any], bool]) -> int:
        """Return how many callers wait for what counts."""
        return sum(len(self._callers[asked]) for asked in self if counts(asked))

    def add(self, asked: Any, caller: From) -> Any:
        """Have a caller wait; return what its request is answered with now."""
        self._callers[asked].append(caller)
        return NO_REPLY

    def answer(self, asked: Any, answer: Any = None) -> None:
        """Answer those that asked for something."""
        for caller in self._callers.pop(asked, ()):
            caller.reply(answer)

    def refuse(self, asked: Any, error: SessionError) -> None:
        """Answer those that asked for something with an error."""
        for caller in self._callers.pop(asked, ()):
            caller.fail(error)
