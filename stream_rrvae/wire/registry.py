"""Detector protocols by name: the built-in ones, then what other packages offer as entry points."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from stream_rrvae.errors import ConfigError
from stream_rrvae.wire.dectris_v1 import DectrisV1Protocol
from stream_rrvae.wire.dectris_v2 import DectrisV2Protocol
from stream_rrvae.wire.native import NativeProtocol
from stream_rrvae.wire.protocol import DEFAULT_LIMIT_BYTES, DetectorProtocol, ProtocolFactory

GROUP = "stream_rrvae.detector_protocols"
# A table beside the entry points: the built-in ones must work from a checkout whose metadata is stale.
_BUILT_IN: dict[str, ProtocolFactory] = {
    "native": NativeProtocol,
    "dectris-v2": DectrisV2Protocol,
    "dectris-v1": DectrisV1Protocol,
}


def protocol(name: str, channel: str | None = None, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> DetectorProtocol:
    """A new decoder. `limit_bytes` bounds a message and a decoded frame. Raises ConfigError."""
    return _factory(name)(channel=channel, limit_bytes=limit_bytes)


def protocol_names() -> tuple[str, ...]:
    """Every name that `protocol` accepts, the built-in ones first."""
    return tuple(dict.fromkeys([*_BUILT_IN, *sorted(entry.name for entry in entry_points(group=GROUP))]))


def _factory(name: str) -> ProtocolFactory:
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    found = next(iter(entry_points(group=GROUP, name=name)), None)
    if found is None:
        raise ConfigError(f"no detector protocol is named {name!r}; there are {', '.join(protocol_names())}")
    return _load(found)


def _load(entry: EntryPoint) -> ProtocolFactory:
    try:
        factory: ProtocolFactory = entry.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"the detector protocol {entry.name!r} ({entry.value}) cannot be loaded: {error}") from error
    return factory
