"""What a protocol is to the sender: announcements and encoded frames in, ZeroMQ message parts out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from detector_sim.encoding import EncodedFrame
from stream_rrvae.messages import ScanStart

Parts = list[bytes]


class MessageFormat(Protocol):
    """A protocol's sending side; it remembers the running scan."""

    largest_batch: int
    clock_offset_s: float  # by which the times that it tells are wrong

    def start(self, start: ScanStart) -> Parts:
        """The announcement of a scan, which is the running one from now on."""
        ...

    def frames(self, frames: Sequence[EncodedFrame]) -> Parts:
        """One message with 1 to `largest_batch` frames of one shape, pixel type and encoding."""
        ...

    def end(self) -> Parts:
        """The end of the running scan."""
        ...
