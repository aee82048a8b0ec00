"""The encoders: a file each, which is found by being here. The preferred one comes first, software last."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from hls_sessions.ffmpeg.encoders.encoder import Encoder, Hardware
from hls_sessions.ffmpeg.encoders.software import ENCODER as SOFTWARE


def _all() -> tuple[Encoder, ...]:
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    found: list[Encoder] = [module.ENCODER for module in modules if hasattr(module, "ENCODER")]
    return tuple(sorted(found, key=lambda encoder: encoder.preference))


ENCODERS = _all()

__all__ = ["ENCODERS", "SOFTWARE", "Encoder", "Hardware"]
