"""The ladder at work: a thread that looks at the load ten times a second and tells of every new level."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from time import monotonic

from stream_rrvae.log import event
from stream_rrvae.messages import DegradeLevel
from stream_rrvae.operations.ladder import Ladder, Load

PERIOD_S = 0.1


class Degrader:
    """`load` and `act` are called in its thread; `act` is told the new level and why, and must not wait for anybody."""

    def __init__(self, ladder: Ladder, load: Callable[[], Load], act: Callable[[DegradeLevel, str], None]) -> None:
        self._ladder = ladder
        self._load = load
        self._act = act
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ladder", daemon=True)

    @property
    def level(self) -> DegradeLevel:
        return self._ladder.level

    @property
    def reason(self) -> str:
        """Why the level is not ALL."""
        return self._ladder.reason

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(PERIOD_S):
            before = self._ladder.level
            after = self._ladder.look(self._load(), monotonic())
            if after is not before:
                self._tell(after)

    def _tell(self, level: DegradeLevel) -> None:
        try:
            self._act(level, self._ladder.reason)
        except Exception as error:
            # A level that could not be told of is told with the next; the thread has to live on.
            event("degrade_level_not_set", logging.ERROR, error=error, degrade_level=int(level))
