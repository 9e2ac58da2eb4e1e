"""From the receiving thread to the computing one: a queue bounded in bytes.

When it is full the giver waits, stops reading its socket, and ZeroMQ holds the sender back.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

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


class HandOverClosedError(Exception):
    """The other side is gone; nothing will be taken any more."""


class HandOver:
    """First in, first out; at most `limit_bytes` inside, or one item that is larger alone.

    `watch` is told the bytes inside whenever they change.
    """

    def __init__(self, limit_bytes: int, watch: Callable[[int], object] = int) -> None:
        self._limit_bytes = limit_bytes
        self._watch = watch
        self._items: deque[Item] = deque()
        self._size_bytes = 0
        self._finished = False
        self._abandoned = False
        self._changed = threading.Condition()

    def put(self, item: Item) -> None:
        """Hand `item` over, waiting for room. Raises HandOverClosedError when nobody takes any more."""
        size = _size_bytes(item)
        with self._changed:
            self._changed.wait_for(lambda: self._abandoned or self._fits(size))
            if self._abandoned:
                raise HandOverClosedError("the computing side is gone")
            self._items.append(item)
            self._resize(size)

    def get(self, deadline_s: float | None = None) -> Item | None:
        """The next item; None when the deadline passed. Raises HandOverClosedError after `finish` and the last item."""
        timeout_s = None if deadline_s is None else max(0.0, deadline_s - monotonic())
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._finished or self._abandoned, timeout_s)
            if self._items:
                item = self._items.popleft()
                self._resize(-_size_bytes(item))
                return item
            if self._finished or self._abandoned:
                raise HandOverClosedError("nothing more is handed over")
            return None

    def finish(self) -> None:
        """The giver's last word: what is inside is still taken."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """The taker's last word: what is inside is let go, and a waiting giver is woken."""
        with self._changed:
            self._abandoned = True
            for item in self._items:
                if isinstance(item, FrameBatch):
                    item.release()
            self._items.clear()
            self._resize(-self._size_bytes)

    def _fits(self, size_bytes: int) -> bool:
        return not self._items or self._size_bytes + size_bytes <= self._limit_bytes

    def _resize(self, by_bytes: int) -> None:
        self._size_bytes += by_bytes
        self._watch(self._size_bytes)
        self._changed.notify_all()


def _size_bytes(item: Item) -> int:
    if isinstance(item, FrameBatch):
        return item.size_bytes
    if isinstance(item, Batch):
        return item.size_bytes + ITEM_BYTES * len(item.items)
    return ITEM_BYTES
