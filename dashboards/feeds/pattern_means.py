"""Means of the patterns that a feed showed: of its scan so far, and of the latest few.

A feed shows one pattern with a snapshot, whatever the frame rate, so these are means of a sample that is even in time.
"""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.messages import Float32Array, Snapshot

APART_S = 0.1  # at least, between two patterns of a scan's mean: it is made whether somebody looks at it or not
LATEST = 16
LATEST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, eq=False)
class PatternMean:
    """`values` [ky, kx] are counts, NaN where no pattern has data, inf where one is saturated."""

    values: Float32Array
    patterns: int


@dataclass(slots=True, eq=False)
class PatternSum:
    """`total`, `known` and `saturated` [ky, kx]: sums of counts, patterns with data there, and saturated ones."""

    scan_id: str
    total: NDArray[np.float64]
    known: NDArray[np.int32]
    saturated: NDArray[np.int32]
    patterns: int = 0

    def add(self, pattern: Float32Array) -> None:
        finite = np.isfinite(pattern)
        np.add(self.total, pattern, out=self.total, where=finite)
        self.known += finite
        self.saturated += np.isposinf(pattern)
        self.patterns += 1

    def mean(self, since: PatternSum | None) -> PatternMean:
        """Of those that came after `since`, an earlier state of this sum."""
        total, known, saturated, patterns = self.total, self.known, self.saturated, self.patterns
        if since is not None:
            total, known = total - since.total, known - since.known
            saturated, patterns = saturated - since.saturated, patterns - since.patterns
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.where(saturated > 0, np.inf, total / known)
        return PatternMean(values.astype(np.float32), patterns)


class PatternMeans:
    """Of one feed. What comes again, as the last pattern of a scan that is over, counts once."""

    def __init__(self) -> None:
        self._sum: PatternSum | None = None
        self._latest: deque[Float32Array] = deque(maxlen=LATEST)
        self._taken_s = -np.inf
        self._position: tuple[int, int] | None = None
        self._made: dict[int, PatternMean] = {}  # of the latest so many; 0 = of the scan

    def take(self, snapshot: Snapshot, now_s: float) -> None:
        """The pattern of a snapshot that came now."""
        pattern, total = snapshot.pattern, self._sum
        if total is None or total.scan_id != snapshot.scan_id or (pattern is not None and not _fits(total, pattern)):
            self._begin(snapshot)
        elif snapshot.pattern_position is not None and snapshot.pattern_position == self._position:
            return
        if pattern is None or not pattern.size or self._sum is None:
            return
        self._position = snapshot.pattern_position
        self._made.clear()
        self._latest.append(pattern)
        while len(self._latest) > 1 and len(self._latest) * pattern.nbytes > LATEST_BYTES:
            self._latest.popleft()
        if now_s - self._taken_s >= APART_S:
            self._taken_s = now_s
            self._sum.add(pattern)

    def _begin(self, snapshot: Snapshot) -> None:
        self._latest.clear()
        self._made.clear()
        self._taken_s, self._position, self._sum = -np.inf, None, None
        if snapshot.pattern is not None and snapshot.pattern.size:
            shape = snapshot.pattern.shape
            known, saturated = (np.zeros(shape, np.int32) for _ in range(2))
            self._sum = PatternSum(snapshot.scan_id, np.zeros(shape), known, saturated)

    def of_scan(self, since: PatternSum | None = None) -> PatternMean | None:
        """Of the scan so far, or of what came after `since`; None before the first."""
        if self._sum is None or not self._sum.patterns:
            return None
        if since is not None and since.scan_id == self._sum.scan_id and since.total.shape == self._sum.total.shape:
            return self._sum.mean(since) if self._sum.patterns > since.patterns else None
        if 0 not in self._made:
            self._made[0] = self._sum.mean(None)
        return self._made[0]

    def of_latest(self, count: int) -> PatternMean | None:
        """Of the latest `count` of the scan, or of those there are; None before the first."""
        if self._sum is None or not self._latest:
            return None
        if count not in self._made:
            blank = np.zeros_like(self._sum.known)
            some = PatternSum("", np.zeros_like(self._sum.total), blank, blank.copy())
            for pattern in list(self._latest)[-count:]:
                some.add(pattern)
            self._made[count] = some.mean(None)
        return self._made[count]

    def so_far(self) -> PatternSum | None:
        """The sum as it is now, for `of_scan` to begin at."""
        return copy.deepcopy(self._sum)

    def held(self) -> PatternMeans:
        """The same, as it is now and stays."""
        held = PatternMeans()
        held._sum, held._latest, held._made = self.so_far(), self._latest.copy(), dict(self._made)
        return held


def _fits(total: PatternSum, pattern: Float32Array) -> bool:
    return total.total.shape == pattern.shape
