from __future__ import annotations

import pytest

from stream_rrvae.errors import SecurityError
from stream_rrvae.security import check_bind

LOCAL = [
    "tcp://127.0.0.1:5556",
    "tcp://127.0.0.1:*",
    "tcp://localhost:1",
    "tcp://[::1]:1",
    "ipc:///tmp/feed",
    "tcp://127.8.8.8:1",
]
REMOTE = [
    "tcp://0.0.0.0:5556",
    "tcp://*:5556",
    "tcp://192.168.0.4:1",
    "tcp://eth0:1",
    "tcp://[::]:1",
    "tcp://127.0.0.1.evil.example:1",
    "",
]


@pytest.mark.parametrize("url", LOCAL)
def test_loopback_is_bound(url: str) -> None:
    assert check_bind(url) == url


@pytest.mark.parametrize("url", REMOTE)
def test_anything_else_needs_the_override(url: str) -> None:
    with pytest.raises(SecurityError, match="--allow-remote"):
        check_bind(url)
    assert check_bind(url, allow_remote=True) == url
