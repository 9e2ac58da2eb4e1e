"""The port that the pages are served on, and the names under which browsers reach it."""

from __future__ import annotations

import socket

from dashboards.options import DashboardOptions, host_text
from stream_rrvae.errors import ConfigError

DEFAULT_PORT = 80  # how Bokeh writes an origin without a port, of https too
UNTAKEN_MS = 20_000  # what is sent to a browser may lie untaken for so long; then the kernel ends the connection


def bound(options: DashboardOptions) -> socket.socket:
    """Listening where `options` say. Raises ConfigError."""
    family = socket.AF_INET6 if ":" in options.address else socket.AF_INET
    try:
        listening = socket.create_server((options.address, options.port), family=family)
    except OSError as error:
        raise ConfigError(
            f"cannot serve on {options.address}:{options.port}: {error.strerror}; choose another --port"
        ) from error
    listening.setblocking(False)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # small updates must not wait
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNTAKEN_MS)  # connections take it over
    return listening


def origins(options: DashboardOptions, port: int) -> list[str]:
    """Exactly the names under which this server is reached, each with its port."""
    own = {options.address, "localhost"} if options.address == "127.0.0.1" else {options.address}
    # A name without a port would be allowed on every port of that host.
    public = (name if ":" in name.split("]")[-1] else f"{name}:{DEFAULT_PORT}" for name in options.allow_origins)
    return [*(f"{host_text(name)}:{port}" for name in sorted(own)), *public]
