"""Work that is begun in order, done in any order by several threads, and told of in the order it was begun."""

from __future__ import annotations

import threading
from collections.abc import Callable


class TurnsFailedError(Exception):
    """A piece of work failed; nothing more is begun or told of."""


class Turns:
    """At most `ahead` pieces of work are begun and not told of."""

    def __init__(self, ahead: int) -> None:
        self._ahead = ahead
        self._begun = 0
        self._told = 0
        self._done: dict[int, Callable[[], None]] = {}
        self._telling = False
        self._failed = False
        self._changed = threading.Condition()

    def begin(self) -> int:
        """The turn of a piece of work, once there is room for one. Raises TurnsFailedError."""
        with self._changed:
            self._wait_for(lambda: self._begun - self._told < self._ahead)
            self._begun += 1
            return self._begun - 1

    def done(self, turn: int, tell: Callable[[], None]) -> None:
        """Work is done; `tell` is called when all before has been told of, by this thread or the one that is at it."""
        with self._changed:
            self._done[turn] = tell
            if self._telling:
                return
            self._telling = True
        while (next_one := self._next()) is not None:
            next_one()
            with self._changed:
                self._told += 1
                self._changed.notify_all()

    def wait(self) -> None:
        """Until all that was begun has been told of. Raises TurnsFailedError."""
        with self._changed:
            self._wait_for(lambda: self._told == self._begun)

    def fail(self) -> None:
        """A piece of work failed: who waits is told so."""
        with self._changed:
            self._failed = True
            self._done.clear()
            self._changed.notify_all()

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        self._changed.wait_for(lambda: self._failed or condition())
        if self._failed:
            raise TurnsFailedError("another thread failed")

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            tell = None if self._failed else self._done.pop(self._told, None)
            self._telling = tell is not None
            return tell
