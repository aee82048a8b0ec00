"""Every setting of the daemon and the library, with its unit and default.

A value is taken from the call, else from the environment (``HLS_SESSIONS_IDLE_TIMEOUT=1800``), else from
the TOML file named by ``HLS_SESSIONS_CONFIG``, else from the default below.
"""

from __future__ import annotations

import os
import socket
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import Field, Secret, ValidationError, ValidationInfo, field_serializer, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from hls_sessions.errors import SettingsRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 1e10
"""Seconds of the longest time that can be set: some three hundred years. A database holds no number of any size."""

PREFIX = "HLS_SESSIONS_"
"""What the names of settings begin with in the environment."""

CONFIG = f"{PREFIX}CONFIG"
"""The variable that names the file."""

Seconds = Annotated[float, Field(gt=0, le=LONGEST, allow_inf_nan=False)]


LIKENESS = 0.75
"""How like a setting a name must be, from 0 to 1, to be taken for a misspelling of it (difflib)."""


class _WhileRunning:
    """Marks a setting that may change while the supervisor runs."""


T = TypeVar("T")

Changeable = Annotated[T, _WhileRunning()]
"""A setting that may change while the supervisor runs. Its users are told of a change, or read it at each use."""


class Settings(BaseSettings):
    """All settings. Times are seconds."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, use_attribute_docstrings=True)

    media: Annotated[tuple[Path, ...], NoDecode] = ()
    """The folders media may be opened from; in the environment, separated by the system's path separator."""

    host: str = "127.0.0.1"
    """The address to listen on. Any but one of loopback needs a token."""
    port: int = Field(default=8642, ge=0, le=65535)
    """The port to listen on; 0 for any that is free."""

    tls_certificate: Path | None = None
    """A file with the certificate (PEM) under which ``serve`` answers HTTPS, and those that lead to its root. It needs
    ``tls_key``. Unset: HTTP."""

    tls_key: Path | None = None
    """The file with the key of the certificate (PEM), without a password."""

    http: Literal["auto", "1", "2"] = "auto"
    """The versions of HTTP that ``serve`` speaks: 2 where the client asks for it (browsers: over TLS alone), else 1.
    With ``2`` alone, no recording arrives over a WebSocket."""

    token: Secret[Annotated[str, Field(min_length=1)]] | None = None
    """Required as a bearer token by everything but media routes and players, when set."""

    token_file: Path | None = None
    """A file with more tokens, a line each: ``operate TOKEN``, or ``watch TOKEN`` for those that may open sessions and
    watch. It is read again when it changes."""

    links: Literal["optional", "required"] = "optional"
    """Whether the id of a session suffices to watch it. ``required``: where a token is set, it takes a viewing link,
    which is signed and expires. The addresses in answers then are such links."""

    link_ttl: Changeable[Seconds] = 43_200.0
    """How long a viewing link is good that was asked for without a time; 30 days at most."""

    cors_origins: Annotated[tuple[str, ...], NoDecode] = ("*",)
    """The sites whose pages may read the media routes (``https://tv.example``), in the environment separated by commas.
    ``*``: those of any. A site that is named may use the rest, too, with a token."""

    accel_redirect: Annotated[str, Field(pattern=r"^/")] | None = None
    """The address under which a proxy in front (nginx) has ``segments_dir`` for itself. Set, the proxy is told which
    file to send (``X-Accel-Redirect``) where it asks for that (``X-Sendfile-Type``). Unset: the daemon sends files."""

    segments_dir: Path = Path("/tmp")  # noqa: S108 - the documented default; session directories are 0700
    """Where each session makes its own directory, named by its id."""

    state_dir: Path | None = None
    """Where history and probed files are kept between starts. Unset: in memory; ``serve`` takes the user's state folder
    (``~/.local/state/hls_sessions``)."""

    drain: bool = False
    """Whether stopping ends all sessions. Without it, and with a state folder, they are left to the next start."""

    ffmpeg: str | Path | None = None
    """The ffmpeg binary: a path or a name on PATH. Unset: PATH, else the ``imageio-ffmpeg`` wheel. ``fastest``: the one
    of these two that makes a first segment soonest."""

    encoder: str = "auto"
    """The video encoder, by ffmpeg's name (``h264_vaapi``, ``libx264``); ``auto``: the best that works here."""

    sandbox: Literal["require", "try", "off"] = "try"
    """Whether each process that opens a film can read that film alone, write to its own folder alone, and use no
    network. ``try``: as far as this machine can, and what does not hold is said; ``require``: wholly, or the daemon
    does not start; ``off``: not at all."""

    probe_timeout: Seconds = 10.0
    """How long probing a file may take before it counts as not playable."""

    subtitle_timeout: Seconds = 30.0
    """How long reading a file's subtitles may make no progress before it is given up."""

    segment_length: Annotated[float, Field(ge=1, le=12)] = 2.0
    """The wanted length of a segment."""

    copy_streams: bool = True
    """Whether video and audio that players support are offered as they are in the file, without encoding."""

    prepare: Changeable[bool] = True
    """Whether the first segments of a new session are made before a player asks for them, while no viewer needs the
    processors. They are given up where no player asks within ten seconds."""

    idle_timeout: Changeable[Seconds] = 1800.0
    """A session without any request for this long expires."""

    subscriber_ttl: Changeable[Seconds] = 90.0
    """A session whose last subscriber has left expires after this long without any request."""

    reap_interval: Seconds = 10.0
    """How often the reaper looks for sessions that are overdue."""

    encoder_idle_timeout: Changeable[Seconds] = 60.0
    """The encoders of a rendition are stopped after this long without a request for a segment of it."""

    look_ahead: Changeable[Seconds] = 30.0
    """An encoder this far ahead of its viewer is held."""

    go_on_at: Changeable[Annotated[float, Field(gt=0, lt=1)]] = 0.5
    """A held encoder goes on when this share of the look-ahead is left."""

    disk_budget: Changeable[Annotated[int, Field(ge=1)] | None] = None
    """How many bytes the segments of all sessions may take. Unset: 80 % of the disk space that other files leave."""

    session_disk_budget: Changeable[Annotated[int, Field(ge=1)] | None] = None
    """How many bytes the segments of one session may take. Unset: a quarter of those of all, and more for segments
    that a viewer waits for."""

    share_segments: Changeable[bool] = True
    """Whether sessions of one film share their segments, so that each is made once. A session can be kept apart."""

    keep_segments: Changeable[Annotated[float, Field(ge=0, allow_inf_nan=False)]] = 86_400.0
    """How long a segment is kept that was shared and that no session has any more; 0 for not at all. All of them take
    at most a quarter of the bytes that segments may take, and the room that sessions need."""

    recordings_dir: Path | None = None
    """Where recordings are kept. Unset: ``recordings`` in the state folder; without one, they end with the
    supervisor."""

    max_recording_bytes: Annotated[int, Field(ge=1)] = 100 * 1000**3
    """How many bytes one recording may have."""

    source_patience: Changeable[Seconds] = 60.0
    """How long the source of a recording may be away, or send nothing, before the recording is over."""

    low_latency: Changeable[bool] = False
    """Whether recordings are offered in parts of half a second, so that viewers are some two seconds behind. Each
    viewer then asks four times a second. A recording can also ask for it by itself."""

    dvr_window: Changeable[Annotated[float, Field(ge=0, allow_inf_nan=False)]] = 0.0
    """How many seconds of a recording can be watched in its session, up to the newest; 0 for everything. A recording
    keeps what the setting was when it began."""

    live_sources: Annotated[tuple[str, ...], NoDecode] = ()
    """The sources that may be fetched, each as ``scheme://host`` or ``scheme://host:port``, with ``*`` for any host;
    in the environment, separated by commas. None unless they are named."""

    pull_patience: Changeable[Seconds] = 300.0
    """The same as ``source_patience``, of a source that is fetched."""

    keep_recordings: Changeable[Seconds] = 86_400.0
    """How long a recording is kept after anybody last used it."""

    max_runs: Changeable[Annotated[int, Field(ge=1, le=8)]] = 2
    """How many encoders one rendition may have at once: players that are far apart get one each."""

    max_sessions: Changeable[Annotated[int, Field(ge=1)]] = 100
    """How many sessions there may be at once. When there are as many, those whose time has run out are cleared away."""

    max_sessions_per_user: Changeable[Annotated[int, Field(ge=1)] | None] = None
    """How many sessions one user may have at once. Unset: no limit. A session without a user is not counted."""

    max_opens_per_minute: Changeable[Annotated[int, Field(ge=1)] | None] = None
    """How many sessions one caller of the HTTP API may open in a minute: a user, or an address where none is named.
    Unset: no limit."""

    when_full: Changeable[Literal["reject", "evict"]] = "reject"
    """The answer to a caller that opens one session too many. ``reject``: it is refused, with a place in the queue.
    ``evict``: the session that was idle longest is ended for it, unless every session is being watched."""

    max_encoders: Changeable[Annotated[int, Field(ge=1)] | None] = None
    """How many encoders of all sessions may compute at once: those whose viewers are closest to running dry. An encoder
    that a viewer waits for is never held because of it. Unset: one for each processor, four at least, and health does
    not depend on it."""

    stuck_after: Changeable[Seconds] = 30.0
    """A session counts as stuck if a viewer waits and nothing was made for this long."""

    janitor_interval: Seconds = 60.0
    """The time between two deletions of history that was kept long enough, and of files that no session owns."""

    keep_failed: Changeable[Seconds] = 3600.0
    """How long the history of a failed session is kept after its end, with the time and reason of the failure."""

    keep_completed: Changeable[Seconds] = 21_600.0
    """How long the history of a completed session is kept."""

    keep_anything: Changeable[Seconds] = 86_400.0
    """How long the history of any other session is kept, such as an expired one. None is kept longer."""

    keep_probes: Changeable[Seconds] = 2_592_000.0
    """How long the result of probing a file is kept after its last use."""

    cluster: str | None = None
    """The cluster that the daemon is a node of: ``new`` on the first machine, which begins it or goes on with it, and
    the address of any node on each further one. Unset: it runs by itself. Needs ``hls_sessions[cluster]``, a state
    folder and ``cluster_secret``."""

    cluster_secret: Secret[Annotated[str, Field(min_length=16)]] | None = None
    """What the nodes of a cluster know each other by, the same on all of them: 16 characters at least."""

    node_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")] | None = None
    """The name of this node, unique in its cluster. Unset: that of the machine."""

    node_url: Annotated[str, Field(pattern=r"^http://[^/]+$")] | None = None
    """Where the other nodes reach this daemon. Unset: where it listens."""

    ray_port: int = Field(default=6379, ge=1, le=65535)
    """The port of Ray's head, on the first machine of a cluster."""

    shutdown_timeout: Seconds = 4.0
    """How long a stopping daemon waits until its waiting viewers are answered. Then its sessions may take as long again
    to end before their processes are killed."""

    @classmethod
    def changeable(cls) -> frozenset[str]:
        """Return the names of the settings that may change while the supervisor runs."""
        fields = cls.model_fields.items()
        return frozenset(name for name, field in fields if any(isinstance(m, _WhileRunning) for m in field.metadata))

    @classmethod
    def meanings(cls) -> dict[str, str]:
        """Return what the settings mean, by name: the sentences below each."""
        return {name: " ".join((field.description or "").split()) for name, field in cls.model_fields.items()}

    def changed(self, /, **changes: Any) -> Settings:
        """Return these settings with some replaced, validated together as at the start.

        Raises:
            SettingsRefused: one does not exist, has no such value, or cannot change while the supervisor runs.
        """
        faults = {name: no_such_setting(name) for name in changes if name not in type(self).model_fields}
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

    @classmethod
    def origins(cls) -> dict[str, str]:
        """Return where the value of each setting comes from: ``environment``, ``file`` or ``default``.

        Raises:
            OSError, ValueError: the file or a variable of the environment cannot be read.
        """
        file = os.environ.get(CONFIG)
        in_file = tomllib.loads(Path(file).read_text(encoding="utf-8")) if file else {}
        in_environment = EnvSettingsSource(cls)()
        return {
            name: "environment" if name in in_environment else "file" if name in in_file else "default"
            for name in cls.model_fields
        }

    @field_serializer("token", "cluster_secret", when_used="json-unless-none")
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

    @field_validator("live_sources", "cors_origins", mode="before")
    @classmethod
    def _split_by_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @property
    def own_node(self) -> str | None:
        """The name of the node that a daemon with these settings is in its cluster; None where it runs by itself."""
        return None if self.cluster is None else self.node_name or socket.gethostname()

    @property
    def own_url(self) -> str:
        """The address of a daemon with these settings, without a slash at the end."""
        return f"{'http' if self.tls_certificate is None else 'https'}://{in_url(self.host)}:{self.port}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings fixes the signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources in order: the call, the environment, the TOML file.

        Raises:
            FileNotFoundError: HLS_SESSIONS_CONFIG names no file.
        """
        config = os.environ.get(CONFIG)
        if config and not Path(config).is_file():
            raise FileNotFoundError(f"{CONFIG} names no file: {config}")
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=config)


class _Given(Settings):
    """Settings of the call alone, without the environment and the file."""

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
    """Return the faults of settings, by name."""
    found = {}
    for fault in error.errors():
        name = ".".join(map(str, fault["loc"]))
        found[name] = no_such_setting(name) if fault["type"] == "extra_forbidden" else fault["msg"]
    return found


def faults_in(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the faults of settings that are given, by name, whatever the environment and the file hold."""
    try:
        _Given(**values)
    except ValidationError as error:
        return faults_of(error)
    return {}


def no_such_setting(name: str) -> str:
    """Return the fault of a name that no setting has, with the nearest one that there is."""
    near = get_close_matches(name.lower().replace("-", "_"), Settings.model_fields, 1, LIKENESS)
    return f"there is no such setting (did you mean {near[0]}?)" if near else "there is no such setting"


def in_url(host: str) -> str:
    """Spell a listening address as in a URL (RFC 3986, 3.2.2: an IPv6 address is in brackets)."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
