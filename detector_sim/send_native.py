"""The native protocol's sending side: many frames in a message."""

from __future__ import annotations

from collections.abc import Sequence

from detector_sim.encoding import EncodedFrame
from detector_sim.message_format import Parts
from stream_rrvae.messages import ScanEnd, ScanStart
from stream_rrvae.wire.native import encode_end, encode_frames, encode_start


class NativeFormat:
    """See MessageFormat."""

    largest_batch = 64
    clock_offset_s = 0.0  # this protocol tells no times

    def __init__(self) -> None:
        self._running = ScanEnd(0)
        self._message = 0

    def start(self, start: ScanStart) -> Parts:
        """See MessageFormat."""
        self._running, self._message = ScanEnd(start.series, start.scan_id), 0
        return encode_start(start)

    def frames(self, frames: Sequence[EncodedFrame]) -> Parts:
        """See MessageFormat."""
        numbers, payloads = [frame.number for frame in frames], [frame.payload for frame in frames]
        first = frames[0]
        series, count = self._running.series, self._message
        self._message += 1
        return encode_frames(series, numbers, payloads, first.shape, first.pixel_type, first.encoding, count)

    def end(self) -> Parts:
        """See MessageFormat."""
        return encode_end(self._running)
