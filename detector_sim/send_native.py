"""The native protocol's sending side: many frames in a message."""

from __future__ import annotations

from collections.abc import Sequence

from detector_sim.encoding import EncodedFrame
from detector_sim.message_format import Parts
from stream_rrvae.messages import ScanEnd, ScanStart
from stream_rrvae.wire.native import encode_end, encode_frames, encode_start

MOST_FRAMES = 64
MESSAGE_BYTES = 640 << 10  # then what sends, copies and measures a message finds it in a core's own cache


def frames_a_message(frame_bytes: int) -> int:
    """As many as a message holds of frames that are sent with so many bytes: a power of two."""
    fitting = min(MOST_FRAMES, MESSAGE_BYTES // max(1, frame_bytes))
    return 1 << max(0, fitting.bit_length() - 1)


class NativeFormat:
    """See MessageFormat; `frame_bytes` are those of a frame that is sent as it is."""

    clock_offset_s = 0.0  # this protocol tells no times

    def __init__(self, frame_bytes: int = 0) -> None:
        self.largest_batch = frames_a_message(frame_bytes)
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
