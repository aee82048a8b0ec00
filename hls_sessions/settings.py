"""Every setting of the daemon and the library, with its unit and default.

A value is taken from the call, else from the environment (``HLS_SESSIONS_IDLE_TIMEOUT=1800``), else from
the TOML file named by ``HLS_SESSIONS_CONFIG``, else from the default below.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, Secret, ValidationError, ValidationInfo, field_serializer, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from hls_sessions.errors import SettingsRefused

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _WhileRunning:
    """Marks what may change while the supervisor runs."""


T = TypeVar("T")

Changeable = Annotated[T, _WhileRunning()]
"""A setting that may change while the supervisor runs: whoever uses it is told, or reads it when it is used."""


class Settings(BaseSettings):
    """What can be set. Times are seconds."""

    model_config = SettingsConfigDict(env_prefix="HLS_SESSIONS_", extra="forbid", frozen=True)

    media: Annotated[tuple[Path, ...], NoDecode] = ()
    """The folders media may be opened from; in the environment, separated by the system's path separator."""

    host: str = "127.0.0.1"
    port: int = Field(default=8642, ge=0, le=65535)
    token: Secret[Annotated[str, Field(min_length=1)]] | None = None
    """Required as a bearer token by everything but media routes and players, when set."""

    segments_dir: Path = Path("/tmp")  # noqa: S108 - the documented default; session directories are 0700
    """Where each session makes its own directory, named by its id."""

    state_dir: Path | None = None
    """Where history and probed files are kept between starts. Unset: in memory; ``serve`` takes the user's state folder
    (``~/.local/state/hls_sessions``)."""

    drain: bool = False
    """Whether stopping ends all sessions. Without it, and with a state folder, they are left to the next start."""

    ffmpeg: str | Path | None = None
    """The ffmpeg binary: a path or a name on PATH. Unset: PATH, else the ``imageio-ffmpeg`` wheel."""

    encoder: str = "auto"
    """What encodes pictures, as ffmpeg spells it (``h264_vaapi``, ``libx264``); ``auto``: the best that works here."""

    probe_timeout: Seconds = 10.0
    """How long opening a file may take before it counts as not playable."""

    subtitle_timeout: Seconds = 30.0
    """How long reading a file's subtitles may get no further before it is given up."""

    segment_length: Annotated[float, Field(ge=1, le=12)] = 2.0
    """The wanted length of a segment."""

    copy_streams: bool = True
    """Whether pictures and sounds that players take are offered as they are in the file, without encoding them."""

    idle_timeout: Changeable[Seconds] = 1800.0
    """A session nobody asks anything of for this long expires."""

    subscriber_ttl: Changeable[Seconds] = 90.0
    """A session whose last subscriber has left, and which nobody asks anything of for this long, expires."""

    reap_interval: Seconds = 10.0
    """How often the reaper looks for sessions that are overdue."""

    encoder_idle_timeout: Changeable[Seconds] = 60.0
    """The encoders of a rendition that no segment was asked of for this long are stopped."""

    look_ahead: Changeable[Seconds] = 30.0
    """An encoder this far ahead of its viewer is held."""

    go_on_at: Changeable[Annotated[float, Field(gt=0, lt=1)]] = 0.5
    """A held encoder goes on when this share of the look-ahead is left."""

    disk_budget: Changeable[Annotated[int, Field(ge=1)] | None] = None
    """How many bytes the segments of all sessions may take. Unset: 80 % of the disk that others leave."""

    session_disk_budget: Changeable[Annotated[int, Field(ge=1)] | None] = None
    """How many bytes the segments of one session may take. Unset: a quarter of those of all, and more for what a viewer
    waits for."""

    max_runs: Changeable[Annotated[int, Field(ge=1, le=8)]] = 2
    """How many encoders one rendition may have at once: players that are far apart get one each."""

    max_sessions: Changeable[Annotated[int, Field(ge=1)]] = 100
    """How many sessions there may be at once. When there are as many, those whose time has run out are cleared away."""

    max_sessions_per_user: Changeable[Annotated[int, Field(ge=1)] | None] = None
    """How many sessions one user may have at once. Unset: as many as there may be; who names no user is not counted."""

    when_full: Changeable[Literal["reject", "evict"]] = "reject"
    """What becomes of who opens one session too many: they are refused, with their place in the queue (``reject``), or
    the session that was idle longest makes room (``evict``), unless every one is being watched."""

    max_encoders: Changeable[Annotated[int, Field(ge=1)] | None] = None
    """How many encoders may compute at once, of all sessions: those whose viewers are closest to running dry. One that
    somebody waits for is never held for it. Unset: one for each processor, four at least, and health is not judged by
    it."""

    stuck_after: Changeable[Seconds] = 30.0
    """A session in which somebody waits, and nothing has come for this long, counts as stuck."""

    janitor_interval: Seconds = 60.0
    """How often what was kept for long enough is forgotten, and what nobody owns is cleared away."""

    keep_failed: Changeable[Seconds] = 3600.0
    """How long the history of a failed session is kept after its end, and it says when and why it failed."""

    keep_completed: Changeable[Seconds] = 21_600.0
    """How long that of a completed one is."""

    keep_anything: Changeable[Seconds] = 86_400.0
    """How long that of any other is, an expired one; none is kept for longer."""

    keep_probes: Changeable[Seconds] = 2_592_000.0
    """How long what was read of a file is kept after its last use."""

    shutdown_timeout: Seconds = 4.0
    """How long the daemon, when it stops, waits for viewers to get what they wait for; and then, how long its sessions
    may take to end before what is left is killed."""

    @classmethod
    def changeable(cls) -> frozenset[str]:
        """Return the names of those that may change while the supervisor runs."""
        fields = cls.model_fields.items()
        return frozenset(name for name, field in fields if any(isinstance(m, _WhileRunning) for m in field.metadata))

    def changed(self, /, **changes: Any) -> Settings:
        """Return these settings with others in place of some, judged together as if they were given at the start.

        Raises:
            SettingsRefused: one does not exist, has no such value, or cannot change while the supervisor runs.
        """
        faults = {name: "there is no such setting" for name in changes if name not in type(self).model_fields}
        known = {name: value for name, value in changes.items() if name not in faults}
        try:
            judged = _Given(**self.model_dump() | known)
        except ValidationError as error:
            raise SettingsRefused(faults | faults_of(error)) from None
        new = {name: getattr(judged, name) for name in known if getattr(judged, name) != getattr(self, name)}
        fixed = sorted(new.keys() - self.changeable())
        faults |= dict.fromkeys(fixed, "it cannot change while the supervisor runs")
        if faults:
            raise SettingsRefused(faults)
        return self.model_copy(update=new)

    @field_serializer("token", when_used="json-unless-none")
    def _hidden(self, _: object) -> str:
        return "hidden"

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        # pydantic takes true for 1.
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError("it is neither true nor false")
        return value

    @field_validator("media", mode="before")
    @classmethod
    def _split_paths(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part for part in value.split(os.pathsep) if part)
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings fixes the signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Name the sources in order: the call, the environment, the TOML file.

        Raises:
            FileNotFoundError: HLS_SESSIONS_CONFIG names no file.
        """
        config = os.environ.get("HLS_SESSIONS_CONFIG")
        if config and not Path(config).is_file():
            raise FileNotFoundError(f"HLS_SESSIONS_CONFIG names no file: {config}")
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=config)


class _Given(Settings):
    """The same, from the call alone: neither the environment nor the file."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings fixes the signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def faults_of(error: ValidationError) -> dict[str, str]:
    """Return what is wrong with settings, by name."""
    return {".".join(map(str, fault["loc"])): fault["msg"] for fault in error.errors()}
