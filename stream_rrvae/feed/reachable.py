"""Where a service that tells on its feed where it answers is asked from another machine."""

from __future__ import annotations

from urllib.parse import urlsplit

from stream_rrvae.errors import RequestError
from stream_rrvae.security import is_local

EVERYWHERE = ("0.0.0.0", "::", "*")
SCHEMES = ("tcp", "ipc", "inproc")


def reachable(told: str, feed_url: str) -> str:
    """Where the service that told `told` on `feed_url` is asked from here. Raises RequestError."""
    try:
        parts, feed = urlsplit(told), urlsplit(feed_url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise RequestError("the service told of an address that is none") from error
    if parts.scheme not in SCHEMES:
        raise RequestError("the service told of an address that is none")
    if is_local(told) and not is_local(feed_url):
        raise RequestError("this service takes requests on its own machine alone")
    if host in EVERYWHERE and feed.hostname:
        name = f"[{feed.hostname}]" if ":" in feed.hostname else feed.hostname
        return f"tcp://{name}:{port}"
    return told
