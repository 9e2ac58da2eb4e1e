"""Stored frames as messages of a detector's protocol: their bytes as they are, in the order in which they came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from stream_rrvae.messages import ScanEnd, ScanStart
from stream_rrvae.recording.stored_frames import Stored
from stream_rrvae.wire import dectris_v2_encode, native_encode

NATIVE_FRAMES, NATIVE_BYTES = 64, 1 << 20  # of one message


class ReplayMessages(Protocol):
    """One scan in one protocol; every message is a list of parts."""

    def start(self) -> Sequence[bytes]:
        """The announcement. Raises WireError when its metadata is too long to be sent."""
        ...

    def frames(self, numbers: Sequence[int], stored: Sequence[Stored]) -> Iterator[tuple[Sequence[bytes], int]]:
        """Messages, and how many of the frames each one holds."""
        ...

    def end(self) -> Sequence[bytes]:
        """Nothing follows."""
        ...


class NativeMessages:
    """See wire/native_protocol.md."""

    def __init__(self, start: ScanStart) -> None:
        self._start = start
        self._sent = 0

    def start(self) -> Sequence[bytes]:
        """See ReplayMessages."""
        return native_encode.encode_start(self._start)

    def frames(self, numbers: Sequence[int], stored: Sequence[Stored]) -> Iterator[tuple[Sequence[bytes], int]]:
        """See ReplayMessages."""
        start, begin = self._start, 0
        while begin < len(stored):
            end = _together(stored, begin)
            payloads = [one.payload for one in stored[begin:end]]
            yield (
                native_encode.encode_frames(
                    start.series,
                    numbers[begin:end],
                    payloads,
                    start.frame_shape,
                    start.pixel_type,
                    stored[begin].encoding,
                    self._sent,
                ),
                end - begin,
            )
            self._sent += 1
            begin = end

    def end(self) -> Sequence[bytes]:
        """See ReplayMessages."""
        return native_encode.encode_end(ScanEnd(self._start.series, self._start.scan_id))


class DectrisV2Messages:
    """DECTRIS Stream V2: a message a frame."""

    def __init__(self, start: ScanStart) -> None:
        self._start = start
        self._images = dectris_v2_encode.ImageEncoder(start)

    def start(self) -> Sequence[bytes]:
        """See ReplayMessages."""
        return [dectris_v2_encode.encode_start(self._start)]

    def frames(self, numbers: Sequence[int], stored: Sequence[Stored]) -> Iterator[tuple[Sequence[bytes], int]]:
        """See ReplayMessages."""
        for number, one in zip(numbers, stored, strict=True):
            yield [self._images.encode(number, one.encoding, one.payload)], 1

    def end(self) -> Sequence[bytes]:
        """See ReplayMessages."""
        return [dectris_v2_encode.encode_end(self._start)]


def messages_of(protocol: str, start: ScanStart) -> ReplayMessages:
    """The scan that `start` announces, in `protocol`: native or dectris-v2."""
    return NativeMessages(start) if protocol == "native" else DectrisV2Messages(start)


def largest_message_bytes(protocol: str, frame_bytes: int) -> int:
    """Of messages with frames that are `frame_bytes` at most when stored."""
    return max(NATIVE_BYTES, frame_bytes) if protocol == "native" else frame_bytes


def _together(stored: Sequence[Stored], begin: int) -> int:
    """The end of the frames from `begin` on that one message can hold: of one encoding, and not too many bytes."""
    end, total_bytes = begin, 0
    while end < len(stored) and end - begin < NATIVE_FRAMES and stored[end].encoding is stored[begin].encoding:
        total_bytes += stored[end].payload.nbytes
        if total_bytes > NATIVE_BYTES and end > begin:
            break
        end += 1
    return end
