"""What a detector protocol is to the rest of the program: message parts in, messages out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from stream_rrvae.messages import Message

DEFAULT_LIMIT_BYTES = 256 << 20


class DetectorProtocol(Protocol):
    """One connection's decoder; it remembers at most what the latest start announced."""

    name: str

    def decode(self, parts: Sequence[memoryview]) -> Sequence[Message]:
        """The messages in one ZeroMQ message, in order; payloads are slices of `parts`.

        No message means that this one announces what the next completes.
        A payload is copied only where the wire frames it otherwise than `Frame.encoding` promises.

        Sizes, types and versions are judged from the headers alone. What lies inside a
        compressed payload is judged by `pixels.decode_pixels`, so that one bad frame
        costs one frame. Raises WireError, and nothing else, whatever the bytes.
        """
        ...


class ProtocolFactory(Protocol):
    """What an entry point in the group `stream_rrvae.detector_protocols` names."""

    def __call__(self, channel: str | None, limit_bytes: int) -> DetectorProtocol: ...
