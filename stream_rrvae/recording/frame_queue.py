"""From the receiving thread to the one that records: a queue bounded in bytes, where the giver waits."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

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


class FrameQueue:
    """First in, first out; at most `limit_bytes` inside, or one item that is larger alone."""

    def __init__(self, limit_bytes: int, watch: Callable[[int], object]) -> None:
        self._limit_bytes = limit_bytes
        self._watch = watch
        self._items: deque[Item] = deque()
        self._size_bytes = 0
        self._finished = False
        self._abandoned = False
        self._changed = threading.Condition()

    def put(self, item: Item) -> None:
        """Give an item, waiting for room; after `abandon` it is let go."""
        size = _size_bytes(item)
        with self._changed:
            self._changed.wait_for(lambda: self._abandoned or self._fits(size))
            if self._abandoned:
                _let_go(item)
                return
            self._items.append(item)
            self._resize(size)

    def get(self, deadline_s: float | None) -> tuple[Item | None, bool]:
        """The next item, None when the deadline (monotonic) passed; and whether nothing can follow."""
        timeout_s = None if deadline_s is None else max(0.0, deadline_s - monotonic())
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._finished, timeout_s)
            if not self._items:
                return None, self._finished
            item = self._items.popleft()
            self._resize(-_size_bytes(item))
            return item, False

    def finish(self) -> None:
        """Nothing more is given; what is inside is still taken."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """Nothing more is taken: who waits is woken, and everything let go."""
        with self._changed:
            self._abandoned = True
            for item in self._items:
                _let_go(item)
            self._items.clear()
            self._resize(-self._size_bytes)

    def _fits(self, size_bytes: int) -> bool:
        return not self._items or self._size_bytes + size_bytes <= self._limit_bytes

    def _resize(self, by_bytes: int) -> None:
        self._size_bytes += by_bytes
        self._watch(self._size_bytes)
        self._changed.notify_all()


def _size_bytes(item: Item) -> int:
    return NOTE_BYTES + (item.size_bytes if isinstance(item, ReceivedFrames) else 0)


def _let_go(item: Item) -> None:
    if isinstance(item, ReceivedFrames):
        item.release()
