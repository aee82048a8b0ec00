"""The choice of some of many sessions: conditions, all of which a session must meet.

A filter comes from outside too, so pydantic checks its form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class Seen:
    """One session at one moment, as a filter judges it."""

    session_id: str
    user: str | None
    state: str
    path: Path
    age: float
    """Seconds since it was opened."""
    idle: float
    """Seconds since something was last asked of it; 0 while somebody waits for a segment or listens to its events."""


class Filter(BaseModel):
    """Which sessions are meant. A filter without conditions is refused; ``Filter(all=True)`` means all sessions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    session_id: str | None = Field(None, min_length=1)
    user: str | None = Field(None, min_length=1, max_length=256)
    state: Literal["pending", "active", "paused"] | None = None
    media: str | None = Field(None, min_length=1, max_length=4096)
    """A file: relative to a media root, or absolute under one."""
    older_than: Seconds | None = None
    """Seconds since they were opened."""
    idle_for: Seconds | None = None
    """Seconds since something was last asked of them; 0 while somebody waits for a segment or listens to events."""
    all: bool = False
    """Whether all are meant; then nothing else may be named."""

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        named = [name for name, value in self if name != "all" and value is not None]
        if self.all and named:
            raise ValueError(f"all sessions are meant, or those of a {named[0]}; not both")
        if not self.all and not named:
            raise ValueError("nothing says which sessions are meant; all=true means all of them")
        return self

    def matches(self, seen: Seen, files: Collection[Path]) -> bool:
        """Whether a session is meant. ``files`` are those that ``media`` may name."""
        conditions = (
            self.session_id in {None, seen.session_id},
            self.user in {None, seen.user},
            self.state in {None, seen.state},
            self.media is None or seen.path in files,
            self.older_than is None or seen.age >= self.older_than,
            self.idle_for is None or seen.idle >= self.idle_for,
        )
        return all(conditions)
