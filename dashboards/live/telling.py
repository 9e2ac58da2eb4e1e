"""What one page is told in words: its status and the last minutes, of which only what is new is sent."""

from __future__ import annotations

import json
import math
from typing import Any, Protocol

from dashboards.feeds.live_feed import LiveFeed
from dashboards.live.packed import packed
from dashboards.live.pushes import Pushes
from dashboards.pictures.numbers_text import seconds

TRENDS_S = 1.0


class Line(Protocol):
    """The way to the page; what is sent on it is not waited for."""

    @property
    def is_free(self) -> bool: ...

    def send(self, message: bytes) -> None: ...

    def close(self) -> None: ...


class Telling:
    """On a line of its own: a page that opens another one begins anew."""

    def __init__(self, line: Line, feed: LiveFeed, pushes: Pushes) -> None:
        self._line, self._feed, self._pushes = line, feed, pushes
        self._told: dict[str, Any] = {}
        self._trends_told_s = -math.inf

    def status(self, own: dict[str, Any], display_s: float) -> None:
        """The feed's status and the page's `own`; `display_s` is from a snapshot's arrival until it was painted."""
        told = self._pushes.status(self._feed) | own
        told["cells"] = told["cells"] | {"display": seconds(display_s)}
        new = {name: value for name, value in told.items() if name not in self._told or self._told[name] != value}
        if self._tell("status", new):
            self._told = told

    def trends(self) -> None:
        """The last five minutes, if they are due."""
        now_s = self._feed.clock()
        if now_s - self._trends_told_s >= TRENDS_S and self._tell("trends", self._feed.trends.told(now_s)):
            self._trends_told_s = now_s

    def _tell(self, name: str, told: dict[str, Any]) -> bool:
        """Whether it could be sent: nothing waits here for a page that does not read."""
        if not self._line.is_free:
            return False
        self._line.send(packed({name: {"text": [json.dumps(told)]}}))
        return True
