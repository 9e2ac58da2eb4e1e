"""Rate, latency and missing frames of the last five minutes, a point a second."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from stream_rrvae.messages import Snapshot

SPAN_S = 300.0
PERIOD_S = 1.0


@dataclass(frozen=True, slots=True)
class Point:
    at_s: float
    rate_fps: float
    latency_ms: float
    missing: int  # since the point before


class Trends:
    """`now_s` is the feed's monotonic clock."""

    def __init__(self) -> None:
        self._points: deque[Point] = deque(maxlen=round(SPAN_S / PERIOD_S))
        self._scan_id = ""
        self._missing_told: int | None = None  # nothing is new at the first look

    def take(self, snapshot: Snapshot, now_s: float) -> None:
        """A point, if it is time for one."""
        if self._points and now_s - self._points[-1].at_s < PERIOD_S:
            return
        health, missing = snapshot.health, snapshot.counters.missing
        if self._missing_told is None:
            self._missing_told = missing
        elif snapshot.scan_id != self._scan_id:
            self._missing_told = 0
        self._scan_id = snapshot.scan_id
        newly = max(0, missing - self._missing_told)
        self._missing_told = missing
        self._points.append(Point(now_s, health.rate_fps, 1000 * health.latency_p95_s, newly))

    def told(self, now_s: float) -> dict[str, list[float | None]]:
        """Lists of one length: age in s, and None for what was not a number then."""
        recent = [point for point in self._points if now_s - point.at_s <= SPAN_S]
        return {
            "age": [round(now_s - point.at_s, 1) for point in recent],
            "rate": [_number(point.rate_fps) for point in recent],
            "latency": [_number(point.latency_ms) for point in recent],
            "missing": [point.missing for point in recent],
        }


def _number(value: float) -> float | None:
    return float(f"{value:.4g}") if math.isfinite(value) else None
