"""From the receiving thread to the one that records: a queue bounded in bytes, where the giver waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stream_rrvae.byte_queue import ByteQueue, QueueClosedError
from stream_rrvae.messages import ReceivedFrames, ScanStart, ScanState

NOTE_BYTES = 256  # what an item is charged for its own sake


@dataclass(frozen=True, slots=True)
class ScanOpened:
    start: ScanStart
    scan_shape: tuple[int, int]  # (y, x)


@dataclass(frozen=True, slots=True)
class ScanClosed:
    state: ScanState


Item = ScanOpened | ReceivedFrames | ScanClosed


class FrameQueue(ByteQueue[Item]):
    """Items to be recorded; at most `limit_bytes` of frames inside. `watch` is told the bytes when they change."""

    def __init__(self, limit_bytes: int, watch: Callable[[int], object]) -> None:
        super().__init__(limit_bytes, _size_bytes, _let_go, watch)

    def give(self, item: Item) -> None:
        """`put`, or let it go when nothing is recorded any more."""
        try:
            self.put(item)
        except QueueClosedError:
            _let_go(item)


def _size_bytes(item: Item) -> int:
    return NOTE_BYTES + (item.size_bytes if isinstance(item, ReceivedFrames) else 0)


def _let_go(item: Item) -> None:
    if isinstance(item, ReceivedFrames):
        item.release()
