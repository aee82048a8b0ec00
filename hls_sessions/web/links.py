"""Viewing links: the right to watch one session for some time, signed, in the place of the session's id in addresses.

``{id}.{issued}.{expires}.{number}.{signature}`` stands in the path where the id would, so that all relative addresses
of playlists and pages have it too. A link ends when it expires, when it is revoked, or with its session. The key and
what was revoked are kept in the state folder, so that links outlive the daemon.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hls_sessions.errors import StorageFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILE: Final = "links.json"

LONGEST: Final = 30 * 24 * 3600
"""Seconds for which a link can be good."""

SIGNED: Final = re.compile(r"([^/.]+)\.(\d{1,12})\.(\d{1,12})\.([0-9a-f]{16})\.([0-9a-f]{32})")


class Link(NamedTuple):
    """A viewing link."""

    session_id: str
    issued: int
    """Seconds since the epoch."""
    expires: int
    """The same."""
    number: str
    """A random one, by which it can be revoked."""


class Links:
    """Signs links, and knows them again. Any thread may use it."""

    def __init__(
        self, state_dir: Path | None = None, now: Callable[[], float] = time.time, shared: bytes | None = None
    ) -> None:
        """Use the key that is in a state folder, or make one when the first link is issued or read.

        A key that is ``shared`` by the nodes of a cluster is used instead, and each of them knows the others' links.
        """
        self._shared = shared
        self._file = None if state_dir is None else state_dir.expanduser() / FILE
        self._now = now
        self._lock = threading.Lock()
        self._key = b""
        self._revoked: dict[str, int] = {}
        """Until when each revoked link would be good, by its number."""
        self._before: dict[str, int] = {}
        """Since when the links of a session are good, if all before were revoked."""

    def issue(self, session_id: str, expires_in: float) -> tuple[str, Link]:
        """Return a new link, in the place of the session's id, that is good for so many seconds.

        Raises:
            StorageFailed: the key cannot be read or kept.
        """
        with self._lock:
            self._load()
            issued = max(int(self._now()), self._before.get(session_id, 0))
        link = Link(session_id, issued, issued + min(max(1, int(expires_in)), LONGEST), secrets.token_hex(8))
        return self._written(link), link

    def read(self, text: str) -> Link | None:
        """Return a link that was signed here, whether or not it is still good; None for any other text."""
        match = SIGNED.fullmatch(text)
        if match is None:
            return None
        link = Link(match[1], int(match[2]), int(match[3]), match[4])
        with self._lock:
            self._load()
        return link if hmac.compare_digest(self._written(link), text) else None

    def is_good(self, link: Link) -> bool:
        """Whether a link has neither expired nor been revoked."""
        with self._lock:
            was_revoked = link.number in self._revoked or link.issued < self._before.get(link.session_id, 0)
        return link.expires > self._now() and not was_revoked

    def revoke(self, session_id: str, number: str | None = None) -> None:
        """Make a link useless by its number, or all of a session that were issued until now.

        Raises:
            StorageFailed: it cannot be kept, so it would be good again in the next daemon.
        """
        now = int(self._now())
        with self._lock:
            self._load()
            if number is None:
                # Those of this very second are meant, too; one that is issued now counts as one of the next.
                self._before[session_id] = now + 1
            else:
                self._revoked[number] = now + LONGEST
            self._revoked = {number: until for number, until in self._revoked.items() if until > now}
            self._before = {session: since for session, since in self._before.items() if since > now - LONGEST}
            if self._file is not None:
                self._write(self._file)

    def _written(self, link: Link) -> str:
        text = f"{link.session_id}.{link.issued}.{link.expires}.{link.number}"
        return f"{text}.{hmac.digest(self._key, text.encode(), 'sha256').hex()[:32]}"

    def _load(self) -> None:
        if not self._key:
            self._read()
            self._key = self._shared or self._key

    def _read(self) -> None:
        if self._file is None:
            self._key = secrets.token_bytes(32)
            return
        file = self._file
        try:
            kept: dict[str, Any] = json.loads(file.read_bytes())
            self._key = bytes.fromhex(kept["key"])
            self._revoked = {str(number): int(until) for number, until in kept["revoked"].items()}
            self._before = {str(session): int(until) for session, until in kept["before"].items()}
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            self._key = secrets.token_bytes(32)  # links of an earlier key end
            self._write(file)
        except OSError as error:
            raise StorageFailed(str(file), error.strerror or str(error)) from error

    def _write(self, file: Path) -> None:
        kept = {"key": self._key.hex(), "revoked": self._revoked, "before": self._before}
        unfinished = file.with_suffix(".new")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            unfinished.touch(mode=0o600)
            unfinished.write_text(json.dumps(kept))
            unfinished.replace(file)
        except OSError as error:
            raise StorageFailed(str(file), error.strerror or str(error)) from error
