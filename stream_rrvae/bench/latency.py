"""How long it takes from a frame's sending to its value in a published map, as a viewer sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.bench.rows import Row
from stream_rrvae.messages import ScanState, Snapshot

FloatArray = NDArray[np.float64]
GOAL_BEYOND_PERIOD_S = 0.05
WATCHED = "sum"


@dataclass(slots=True)
class Watch:
    """When each position [n] of a scan was first seen with a value; seconds of the monotonic clock, NaN = never."""

    n_positions: int
    began_s: float = float("nan")  # the first look: what was there already may have been there for long
    over: bool = False
    seen_s: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.seen_s = np.full(self.n_positions, np.nan)

    def look(self, snapshot: Snapshot, now_s: float) -> None:
        """A snapshot that came at `now_s`."""
        image = snapshot.maps.get(WATCHED)
        if image is None or image.size != self.n_positions:
            return
        if np.isnan(self.began_s):
            self.began_s = now_s
        self.seen_s[np.isfinite(image).ravel() & np.isnan(self.seen_s)] = now_s
        self.over = snapshot.state in (ScanState.COMPLETE, ScanState.ABORTED)


@dataclass(frozen=True, slots=True)
class Latencies:
    """Of the frames that were sent after the first look, at `rate_fps`; `unseen` never came into a map."""

    rate_fps: float
    period_s: float  # of publishing
    p50_s: float
    p99_s: float
    frames: int
    unseen: int


def latencies(watch: Watch, sent_s: FloatArray, rate_fps: float, period_s: float) -> Latencies:
    """Times from sending [n] to seeing; NaN when nothing was sent after the first look."""
    counted = sent_s > watch.began_s
    taken_s = (watch.seen_s - sent_s)[counted]
    unseen = int(np.isnan(taken_s).sum())
    known = taken_s[~np.isnan(taken_s)]
    p50, p99 = np.percentile(known, (50, 99)) if known.size else (np.nan, np.nan)
    return Latencies(rate_fps, period_s, float(p50), float(p99), int(counted.sum()), unseen)


def rows_of(found: Latencies) -> Iterator[Row]:
    """Median and 99th percentile, and the latter beyond the publishing period, in ms."""
    name, period = f"latency at {found.rate_fps:,.0f} frames/s", "publishing period"
    period_ms, p99_ms = 1e3 * found.period_s, 1e3 * found.p99_s
    yield Row(f"{name}: median", 1e3 * found.p50_s, "ms", period, period_ms)
    yield Row(f"{name}: 99 %", p99_ms, "ms", period, period_ms, period_ms + 1e3 * GOAL_BEYOND_PERIOD_S)
    yield Row(f"{name}: 99 % beyond the period", p99_ms - period_ms, "ms", None, None, 1e3 * GOAL_BEYOND_PERIOD_S)
    yield Row(f"{name}: frames never in a map", float(found.unseen), "frames", None, None, 0.0)


def line(found: Latencies) -> str:
    """For people."""
    beyond_ms = 1e3 * (found.p99_s - found.period_s)
    return (
        f"{found.rate_fps:10,.0f} frames/s, seen at {1 / found.period_s:.0f} Hz: median {1e3 * found.p50_s:.0f} ms, "
        f"99 % {1e3 * found.p99_s:.0f} ms ({beyond_ms:+.0f} ms beyond the period); "
        f"{found.frames:,} frames, {found.unseen} never seen"
    )
