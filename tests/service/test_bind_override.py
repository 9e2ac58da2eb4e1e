from __future__ import annotations

import pytest

from stream_rrvae.config import load
from stream_rrvae.errors import SecurityError
from stream_rrvae.service import Service

OPEN_FEED = {"source": "native+pull://127.0.0.1:1", "feed": {"url": "tcp://0.0.0.0:5556"}}


def test_an_open_feed_needs_the_override_and_gets_by_with_it() -> None:
    with pytest.raises(SecurityError, match="--allow-remote"):
        Service(load(None, OPEN_FEED))
    Service(load(None, {**OPEN_FEED, "allow_remote": True}))
