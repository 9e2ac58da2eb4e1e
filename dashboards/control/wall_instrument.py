"""One instrument on the wall: its state now, its rate over the last minutes, two small pictures."""

from __future__ import annotations

from collections import deque
from typing import Any

from dashboards.control.alarms import Condition
from dashboards.control.conditions import conditions
from dashboards.feeds.feed_state import FeedState, clock_text, feed_state, last_good_unix_s
from dashboards.feeds.live_feed import LiveFeed
from dashboards.feeds.pattern_means import PatternMean
from dashboards.feeds.readings import status
from dashboards.feeds.thumbnails import direction_thumbnail, mean_thumbnail
from dashboards.feeds.view_frame import EMPTY
from dashboards.views.labels import log_bar
from stream_rrvae.messages import Snapshot

TREND_POINTS = 60
TREND_STEP_S = 5.0
_TOLD = ("instrument", "scan", "percent", "fraction")
_NUMBERS = ("rate", "latency", "missing")


class WallInstrument:
    """What the wall shows of `feed`, the instrument at `place` (from 1); looks at it when told to."""

    def __init__(self, place: int, feed: LiveFeed) -> None:
        self.place, self.feed = place, feed
        self._mean: PatternMean | None = None
        self._pattern = mean_thumbnail(None)
        self.told: dict[str, Any] = {}
        self.wrong: list[Condition] = []
        self._began_s = feed.clock()
        self._trend: deque[float] = deque(maxlen=TREND_POINTS)
        self._next_point_s = self._began_s
        self._best_fps = 0.0

    def look(self) -> None:
        """Bring `told`, `wrong` and the pictures up to date."""
        state, frame = self._state(), self.feed.newest
        snapshot = None if frame is None else frame.snapshot
        mean = self.feed.patterns.of_scan()
        if mean is not self._mean:
            self._mean, self._pattern = mean, mean_thumbnail(mean)
        self._note_rate(0.0 if snapshot is None or state.stale else snapshot.health.rate_fps)
        self.wrong = conditions(state, snapshot)
        self.told = self._tell(state, snapshot)

    def pictures(self) -> tuple[Any, Any]:
        """COM direction and mean pattern as palette indices [rows, columns]; 1 x 1 of nothing before the first."""
        frame = self.feed.newest
        return (EMPTY if frame is None else direction_thumbnail(frame)), self._pattern.pixels

    def _state(self) -> FeedState:
        """As on the instrument's own page, but for one: a wall is told of instruments that should be there."""
        state, waited_s = feed_state(self.feed), self.feed.clock() - self._began_s
        if self.feed.newest is None and waited_s > self.feed.thresholds.unreachable_s:
            reason = f"nothing heard on {self.feed.url} since this server started; trying on"
            return FeedState("UNREACHABLE", "◆", "invalid", reason, stale=True)
        return state

    def _note_rate(self, rate_fps: float) -> None:
        """A point of the trend every TREND_STEP_S: the highest rate since the one before."""
        self._best_fps = max(self._best_fps, rate_fps)
        if self.feed.newest is not None and self.feed.clock() >= self._next_point_s:
            self._trend.append(self._best_fps)
            self._best_fps = 0.0
            self._next_point_s = self.feed.clock() + TREND_STEP_S

    def _tell(self, state: FeedState, snapshot: Snapshot | None) -> dict[str, Any]:
        told = status(self.feed)
        numbers, ends = {name: told["cells"].get(name) for name in _NUMBERS}, log_bar(self._pattern)
        if state.stale:
            numbers |= {"rate": None, "latency": None}
        return {
            "place": self.place,
            "word": state.word,
            "shape": state.shape,
            "kind": state.kind,
            "reason": state.reason,
            "stale": state.stale,
            "last": "" if snapshot is None else clock_text(last_good_unix_s(snapshot)),
            "numbers": numbers,
            "trend": [round(rate, 3) for rate in self._trend],
            "seen": 0 if self._mean is None else self._mean.patterns,
            "ends": [ends["low_text"], ends["high_text"]],
            "has_map": snapshot is not None and "com_direction" in snapshot.maps,
            "aspect": _aspect(self.feed),
            **{name: told.get(name) for name in _TOLD},
        }


def _aspect(feed: LiveFeed) -> float:
    """Width of the scan over its height, in nm."""
    if feed.newest is None:
        return 1.0
    box = feed.newest.map_placement
    return box.width / box.height if box.height > 0 else 1.0
