"""What is refused for safety's sake: sockets open to a network that nobody said to trust."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from stream_rrvae.errors import SecurityError


def check_bind(url: str, allow_remote: bool = False) -> str:
    """`url` if binding it stays on this machine or was allowed. Raises SecurityError."""
    if allow_remote or is_local(url):
        return url
    raise SecurityError(
        f"{url} would be open to the network without keys: bind to 127.0.0.1, "
        "or say --allow-remote on a closed detector network"
    )


def is_local(url: str) -> bool:
    """Whether `url` (tcp, ipc or inproc) names this machine alone."""
    parts = urlsplit(url)
    if parts.scheme in ("ipc", "inproc"):
        return True
    host = parts.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
