"""What one line is about: a session, or a recording that is kept. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

WINDOW: Final = 10.0
"""Seconds over which the speed of an encoder is taken: it makes whole segments."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line. Times in seconds."""

    id: str
    state: str
    """The state of a session; ``kept`` for a recording that is over."""
    user: str | None
    title: str
    position: float | None
    length: float
    renditions: int
    encoders: int
    held: int
    speed: float | None
    """How many times as fast as its film the slowest encoder is; None while that is not known."""
    lead: float | None
    """How far the encoder that is nearest to the viewer is ahead."""
    restarts: int
    disk: int
    viewers: int
    waits: int
    expires_in: float | None
    whole: dict[str, Any]
    """What the daemon says of it."""

    @property
    def is_session(self) -> bool:
        """Whether it is a session, which can be stopped."""
        return self.state != "kept"

    @property
    def is_recording(self) -> bool:
        """Whether it is a recording, over or not."""
        return not self.is_session or self.whole.get("source") is not None


class Pace:
    """How fast encoders are, by what they had made at each look."""

    def __init__(self) -> None:
        self._looks: dict[tuple[str, str, int], deque[tuple[float, int]]] = {}

    def note(self, at: float, sessions: Iterable[dict[str, Any]]) -> None:
        """Note the encoders of all sessions at a time, in seconds."""
        known = self._looks
        self._looks = {}
        for session in sessions:
            for run in session["runs"]:
                key = (session["session_id"], run["rendition"], run["run"])
                looks = known.get(key, deque())
                # One that was held has not been slow.
                if run["held"]:
                    looks.clear()
                looks.append((at, run["next"]))
                while looks[0][0] < at - WINDOW:
                    looks.popleft()
                self._looks[key] = looks

    def speed(self, session: dict[str, Any], run: dict[str, Any]) -> float | None:
        """Return how many times as fast as its film an encoder is; None for one that is held or was just seen."""
        looks = self._looks.get((session["session_id"], run["rendition"], run["run"]))
        length = length_of_segments(session, run["rendition"])
        if run["held"] or not looks or len(looks) < 2 or length is None:  # noqa: PLR2004 - a speed has two ends
            return None
        (begun, first), (now, last) = looks[0], looks[-1]
        return (last - first) * length / (now - begun) if now > begun else None


def length_of_segments(session: dict[str, Any], rendition: str) -> float | None:
    """Return how long the segments of a rendition are on average, in seconds."""
    for each in session["renditions"]:
        if each["id"] == rendition and each["segments"]:
            return float(session["duration"]) / float(each["segments"])
    return None


def rows_of(sessions: list[dict[str, Any]], recordings: list[dict[str, Any]], pace: Pace) -> list[Row]:
    """Return the lines of all sessions, and of the recordings that are no session now."""
    live = {session["session_id"] for session in sessions}
    kept = (_of_recording(recording) for recording in recordings if recording["id"] not in live)
    return [*(_of_session(session, pace) for session in sessions), *kept]


def _of_session(session: dict[str, Any], pace: Pace) -> Row:
    runs = session["runs"]
    speeds = [speed for run in runs if (speed := pace.speed(session, run)) is not None]
    ends = [
        run["next"] * length for run in runs if (length := length_of_segments(session, run["rendition"])) is not None
    ]
    return Row(
        id=session["session_id"],
        state=session["state"],
        user=session["user"],
        title=session["title"],
        position=session["position"],
        length=session["duration"],
        renditions=len(session["renditions"]),
        encoders=len(runs),
        held=sum(run["held"] for run in runs),
        speed=min(speeds) if speeds else None,
        lead=max(0.0, min(ends) - session["position"]) if ends else None,
        restarts=sum(session["restarts"].values()),
        disk=session["bytes_on_disk"],
        viewers=session["subscriber_count"],
        waits=session["viewers_waiting"],
        expires_in=session["expires_in"],
        whole=session,
    )


def _of_recording(recording: dict[str, Any]) -> Row:
    return Row(
        id=recording["id"],
        state="kept",
        user=recording["user"],
        title=recording["title"],
        position=None,
        length=recording["duration"],
        renditions=0,
        encoders=0,
        held=0,
        speed=None,
        lead=None,
        restarts=0,
        disk=recording["size"],
        viewers=0,
        waits=0,
        expires_in=None,
        whole=recording,
    )
