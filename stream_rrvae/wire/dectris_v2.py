"""DECTRIS Stream V2."""

from __future__ import annotations

from collections.abc import Sequence

from stream_rrvae.errors import WireError
from stream_rrvae.messages import Message, Refusal
from stream_rrvae.wire.protocol import DEFAULT_LIMIT_BYTES


class DectrisV2Protocol:
    """Being built."""

    name = "dectris-v2"

    def __init__(self, channel: str | None = None, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._channel = channel

    def decode(self, parts: Sequence[memoryview]) -> Sequence[Message]:
        """See DetectorProtocol."""
        raise WireError(Refusal.TYPE, "not yet decoded")
