"""Where frames come from: the source URL taken apart.

`native+sub://host:port`, `native+pull://host:port`, `dectris-v2://host:port`, `dectris-v1://host:port`:
the detector's side binds, we connect. A detector that deals its frames over several endpoints has several, with
commas between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import SplitResult, urlsplit

from stream_rrvae.config import CurveSettings
from stream_rrvae.curve import ClientKeys, client_keys
from stream_rrvae.errors import ConfigError


class SocketKind(StrEnum):
    """Our side of the connection."""

    SUB = "sub"  # the sender publishes; a slow receiver loses frames
    PULL = "pull"  # the sender pushes; a slow receiver holds it back


@dataclass(frozen=True, slots=True)
class Source:
    protocol: str  # name of the wire protocol in its registry
    socket: SocketKind
    endpoint: str  # for ZeroMQ, such as tcp://host:port


_SCHEMES = {
    "native+sub": ("native", SocketKind.SUB),
    "native+pull": ("native", SocketKind.PULL),
    "dectris-v2": ("dectris-v2", SocketKind.PULL),
    "dectris-v1": ("dectris-v1", SocketKind.PULL),
}
_FORMS = "native+pull://HOST:PORT, native+sub://HOST:PORT, dectris-v2://HOST:31001 or dectris-v1://HOST:9999"
_INSTEAD = {
    "native": "say whether it pushes or publishes: native+pull://HOST:PORT or native+sub://HOST:PORT",
    "tcp": f"name the protocol in place of tcp: {_FORMS}",
    "dectris": "write dectris-v2://HOST:31001, or dectris-v1://HOST:9999 when its stream format is legacy",
}
_USUAL_PORT = {"dectris-v1": 9999}


def parse_source(url: str) -> Source:
    """`url` as a Source. Raises ConfigError that says what to write instead."""
    if not url:
        raise ConfigError(f"no source is given: write {_FORMS}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"source {url}: {error}; write {_FORMS}") from error
    if parts.scheme not in _SCHEMES:
        advice = _INSTEAD.get(parts.scheme, f"write {_FORMS}")
        raise ConfigError(f"source {url}: {parts.scheme or 'no scheme'} is not a protocol known here; {advice}")
    _check_address(url, parts, port)
    protocol, socket = _SCHEMES[parts.scheme]
    return Source(protocol, socket, f"tcp://{_bracketed(parts.hostname or '')}:{port}")


def parse_sources(urls: str) -> tuple[Source, ...]:
    """The sources of one detector, whose URLs have commas between. Raises ConfigError."""
    sources = tuple(parse_source(url.strip()) for url in urls.split(","))
    if len({(source.protocol, source.socket) for source in sources}) > 1:
        raise ConfigError(f"source {urls}: all endpoints of a detector speak one protocol; start one service for each")
    if len(set(sources)) < len(sources):
        raise ConfigError(f"source {urls} names an endpoint twice")
    return sources


def source_keys(curve: CurveSettings, sources: Sequence[Source]) -> ClientKeys | None:
    """The keys that `sources` are asked for; None = none. Raises ConfigError or SecurityError."""
    if curve.source is not None and any(source.protocol != "native" for source in sources):
        raise ConfigError("curve.source is for the native protocol: detectors of DECTRIS know no keys")
    return client_keys(curve.key, curve.source)


def _check_address(url: str, parts: SplitResult, port: int | None) -> None:
    example = f"{parts.scheme}://{_bracketed(parts.hostname or 'HOST')}:{port or _USUAL_PORT.get(parts.scheme, 31001)}"
    if not parts.hostname or not port:
        raise ConfigError(f"source {url} needs a host and a port: write {example}")
    if parts.hostname == "*" or parts.username is not None:
        raise ConfigError(f"source {url} must name the one host to connect to: write {parts.scheme}://HOST:{port}")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ConfigError(f"source {url} has something after the port: write {example}")


def _bracketed(host: str) -> str:
    """IPv6 addresses go in brackets, in URLs and in ZeroMQ alike."""
    return f"[{host}]" if ":" in host else host
