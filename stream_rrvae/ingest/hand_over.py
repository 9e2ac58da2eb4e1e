"""From the receiving thread to the computing one: a queue bounded in bytes.

When it is full the giver waits, stops reading its socket, and ZeroMQ holds the sender back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stream_rrvae.byte_queue import ByteQueue
from stream_rrvae.ingest.events import Accepted, Closed, Ended, Opened, Refused
from stream_rrvae.ingest.frame_batch import FrameBatch

ITEM_BYTES = 256  # what an item is charged for its own sake, so that empty ones are bounded too


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames and refusals of the running scan, in the order they came."""

    items: tuple[Accepted | Refused, ...]
    size_bytes: int  # of the messages they came in

    def __len__(self) -> int:
        return len(self.items)


Item = Opened | Batch | FrameBatch | Ended | Closed


class HandOver(ByteQueue[Item]):
    """Items to be measured; at most `limit_bytes` of messages inside. `watch` is told the bytes when they change."""

    def __init__(self, limit_bytes: int, watch: Callable[[int], object] = int) -> None:
        super().__init__(limit_bytes, _size_bytes, _let_go, watch)


def _size_bytes(item: Item) -> int:
    if isinstance(item, FrameBatch):
        return item.size_bytes
    if isinstance(item, Batch):
        return item.size_bytes + ITEM_BYTES * len(item.items)
    return ITEM_BYTES


def _let_go(item: Item) -> None:
    if isinstance(item, FrameBatch):
        item.release()
