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
FIRST_S = 1.0  # of a scan, told apart: what comes once lies there
KEPT_PACE, KEPT_PERIOD = 0.98, 0.9  # of the rate asked for, of the feed's own rate
LATE_PERIODS = 2.0  # that the last frame may take beyond the one it has to: a queue that grows is no keeping up
WATCHED = "sum"


@dataclass(slots=True)
class Watch:
    """When each position [n] of a scan was first seen with a value; seconds of the monotonic clock, NaN = never."""

    n_positions: int
    began_s: float = float("nan")  # the first look: what was there already may have been there for long
    over: bool = False
    looks_s: list[float] = field(default_factory=list)
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
        self.looks_s.append(now_s)
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
    sent_fps: float  # how fast they really were
    seen_hz: float  # snapshots a second while frames were sent
    last_s: float  # of the last frame
    p99_first_s: float  # of those of the scan's first second
    p99_later_s: float

    @property
    def kept_up(self) -> bool:
        """Whether the sender kept its pace, the feed its rate, and no queue grew."""
        pace, rate_hz = self.sent_fps / self.rate_fps, self.seen_hz * self.period_s
        late = self.last_s > (1.0 + LATE_PERIODS) * self.period_s
        return pace >= KEPT_PACE and rate_hz >= KEPT_PERIOD and not late and not self.unseen


def latencies(watch: Watch, sent_s: FloatArray, rate_fps: float, period_s: float) -> Latencies:
    """Times from sending [n] to seeing; NaN when nothing was sent after the first look."""
    counted = sent_s > watch.began_s
    taken_s = (watch.seen_s - sent_s)[counted]
    unseen = int(np.isnan(taken_s).sum())
    first = sent_s[counted] < sent_s[0] + FIRST_S
    p99, p99_first, p99_later = (_percentile(part, 99) for part in (taken_s, taken_s[first], taken_s[~first]))
    while_sent = [at for at in watch.looks_s if at <= sent_s[-1]]
    over_s = sent_s[-1] - watch.began_s
    return Latencies(
        rate_fps, period_s, _percentile(taken_s, 50), p99, int(counted.sum()), unseen,
        sent_fps=(sent_s.size - 1) / float(sent_s[-1] - sent_s[0]),
        seen_hz=len(while_sent) / over_s if over_s > 0 else float("nan"),
        last_s=float(watch.seen_s[-1] - sent_s[-1]),
        p99_first_s=p99_first, p99_later_s=p99_later,
    )  # fmt: skip


def _percentile(taken_s: FloatArray, percent: float) -> float:
    """Of those that were seen; NaN when none was."""
    known = taken_s[~np.isnan(taken_s)]
    return float(np.percentile(known, percent)) if known.size else float("nan")


def rows_of(found: Latencies) -> Iterator[Row]:
    """Median and 99th percentile, and the latter beyond the publishing period, in ms."""
    name, period = f"latency at {found.rate_fps:,.0f} frames/s", "publishing period"
    period_ms, p99_ms = 1e3 * found.period_s, 1e3 * found.p99_s
    yield Row(f"{name}: median", 1e3 * found.p50_s, "ms", period, period_ms)
    yield Row(f"{name}: 99 %", p99_ms, "ms", period, period_ms, period_ms + 1e3 * GOAL_BEYOND_PERIOD_S)
    yield Row(f"{name}: 99 % beyond the period", p99_ms - period_ms, "ms", None, None, 1e3 * GOAL_BEYOND_PERIOD_S)
    yield Row(f"{name}: snapshots seen", found.seen_hz, "1/s", "asked for", 1 / found.period_s)
    yield Row(f"{name}: frames never in a map", float(found.unseen), "frames", None, None, 0.0)


def line(found: Latencies) -> str:
    """For people."""
    beyond_ms = 1e3 * (found.p99_s - found.period_s)
    return (
        f"{found.rate_fps:10,.0f} frames/s (sent {found.sent_fps:,.0f}), seen at {found.seen_hz:.1f} of "
        f"{1 / found.period_s:.0f} Hz: median {1e3 * found.p50_s:.0f} ms, "
        f"99 % {1e3 * found.p99_s:.0f} ms ({beyond_ms:+.0f} ms beyond the period; of the first second "
        f"{1e3 * found.p99_first_s:.0f}, then {1e3 * found.p99_later_s:.0f} ms); "
        f"the last {1e3 * found.last_s:.0f} ms; {found.frames:,} frames, {found.unseen} never seen"
    )
