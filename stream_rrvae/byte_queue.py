"""From one thread to another: a queue bounded in bytes. When it is full the giver waits, and whoever waits for him."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")


class QueueClosedError(Exception):
    """The other side is gone: nothing will be taken any more, or nothing more is given."""


class ByteQueue(Generic[T]):
    """First in, first out; at most `limit_bytes` inside, or one item that is larger alone.

    `size_bytes` tells what an item takes, `let_go` is called for one that nobody will take, `watch` is told
    the bytes inside whenever they change.
    """

    def __init__(
        self,
        limit_bytes: int,
        size_bytes: Callable[[T], int],
        let_go: Callable[[T], object],
        watch: Callable[[int], object] = int,
    ) -> None:
        self._limit_bytes = limit_bytes
        self._size_of = size_bytes
        self._let_go = let_go
        self._watch = watch
        self._items: deque[tuple[float, T]] = deque()  # with when they were put in
        self._size_bytes = 0
        self._finished = False
        self._abandoned = False
        self._changed = threading.Condition()

    def put(self, item: T) -> None:
        """Hand `item` over, waiting for room. Raises QueueClosedError when nobody takes any more."""
        size = self._size_of(item)
        with self._changed:
            self._changed.wait_for(lambda: self._abandoned or self._fits(size))
            if self._abandoned:
                raise QueueClosedError("the taking side is gone")
            self._items.append((monotonic(), item))
            self._resize(size)

    def get(self, deadline_s: float | None = None) -> T | None:
        """The next item; None when the deadline (monotonic) passed. Raises QueueClosedError behind the last one."""
        timeout_s = None if deadline_s is None else max(0.0, deadline_s - monotonic())
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._finished or self._abandoned, timeout_s)
            if self._items:
                _, item = self._items.popleft()
                self._resize(-self._size_of(item))
                return item
            if self._finished or self._abandoned:
                raise QueueClosedError("nothing more is handed over")
            return None

    @property
    def size_bytes(self) -> int:
        """What is inside."""
        return self._size_bytes

    @property
    def oldest_s(self) -> float:
        """For how long the next item has been inside; 0 when there is none."""
        with self._changed:
            return monotonic() - self._items[0][0] if self._items else 0.0

    def finish(self) -> None:
        """The giver's last word: what is inside is still taken."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """The taker's last word: what is inside is let go, and a waiting giver is woken."""
        with self._changed:
            self._abandoned = True
            for _, item in self._items:
                self._let_go(item)
            self._items.clear()
            self._resize(-self._size_bytes)

    def _fits(self, size_bytes: int) -> bool:
        return not self._items or self._size_bytes + size_bytes <= self._limit_bytes

    def _resize(self, by_bytes: int) -> None:
        self._size_bytes += by_bytes
        self._watch(self._size_bytes)
        self._changed.notify_all()
