"""One browser's page: it gets the newest frame as soon as it has painted the one before.

Without the acknowledgement a slow browser would fall behind by seconds and more while the
server sees nothing of it. A watchdog sends again when an acknowledgement was lost.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, Protocol

from dashboards.live_columns import measured_columns, model_columns
from dashboards.live_feed import LiveFeed
from dashboards.live_models import FIRST_CHOICE, LiveModels
from dashboards.readings import status
from dashboards.view_frame import ViewFrame

WATCHDOG_S = 2.0


class Schedules(Protocol):
    """The one thing of a Bokeh document that may be called without its lock."""

    def add_next_tick_callback(self, callback: Callable[[], None]) -> Any: ...


class LiveSession:
    """Pushes to `models` of `document`, at most one frame on its way; begins with `ready`."""

    def __init__(self, document: Schedules, feed: LiveFeed, models: LiveModels) -> None:
        self._document, self._feed, self._models = document, feed, models
        self._choice, self._frozen = FIRST_CHOICE, False
        self._shown: ViewFrame | None = None
        self._shown_model: tuple[str, int] | None = None
        self._scheduled = False
        self._pushes = 0
        self._unacknowledged_since_s: float | None = None
        self._display_s = math.nan
        self._ready_s = math.inf
        models.reply.on_change("data", self._replied)

    def ready(self) -> None:
        """The browser is there; what was pushed before would have gone to nobody."""
        self._ready_s = self._feed.clock()
        self._feed.listen(self.newer)
        self.tell_status()
        self.newer()

    def close(self) -> None:
        self._feed.forget(self.newer)

    def newer(self) -> None:
        """There may be a newer frame: push it unless one is on its way."""
        if self._frozen or self._feed.newest is None or self._feed.newest is self._shown:
            return
        self._schedule()

    def tell_status(self) -> None:
        """Push the status; also the page's sign that this server lives. Needs the document's lock."""
        told = status(self._feed, self._display_s) | {"frozen": self._frozen, "choice": self._choice}
        self._models.status.data = {"text": [json.dumps(told)]}
        self.newer()

    def _schedule(self) -> None:
        since_s = self._unacknowledged_since_s
        if self._scheduled or (since_s is not None and self._feed.clock() - since_s < WATCHDOG_S):
            return
        self._scheduled = True
        self._document.add_next_tick_callback(self._push)

    def _push(self) -> None:
        self._scheduled = False
        frame = self._shown if self._frozen else self._feed.newest
        if frame is None:
            return
        self._shown = frame
        self._pushes += 1
        self._unacknowledged_since_s = self._feed.clock()
        self._models.place(frame)
        self._models.colour_choice(self._choice)
        model = (frame.snapshot.scan_id, frame.model_generation)
        if model != self._shown_model:
            self._shown_model = model
            self._models.modelled.data = model_columns(frame)
            self._models.place_latents(frame)
            self._models.scatter.data = dict(frame.scatter)
        self._models.measured.data = measured_columns(frame, self._choice, self._pushes)

    def _replied(self, attribute: str, old: Any, new: Any) -> None:
        """The page said something; a page may be anybody, so only what makes sense counts."""
        push, choice, frozen = (_only(new.get(name)) for name in ("push", "map", "frozen"))
        if push == self._pushes and self._unacknowledged_since_s is not None:
            self._unacknowledged_since_s = None
            if self._shown is not None:
                self._display_s = self._feed.clock() - max(self._shown.received_s, self._ready_s)
        if isinstance(frozen, bool):
            self._frozen = frozen and self._shown is not None
        if self._shown is not None and choice in self._shown.choices and choice != self._choice:
            self._choice = choice
            self._unacknowledged_since_s = None
            self._schedule()
        self.newer()


def _only(column: Any) -> Any:
    return column[0] if isinstance(column, list) and len(column) == 1 else None
