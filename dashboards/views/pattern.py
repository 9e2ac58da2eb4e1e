"""The pattern that a session sees: the latest of the feed, or that of a position which it pinned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dashboards.pictures.placement import Placement, pattern_placement
from stream_rrvae.messages import Calibration, Float32Array, Snapshot


@dataclass(frozen=True, slots=True, eq=False)
class LivePattern:
    """`values` [ky, kx] are sums over squares of `binning` detector pixels; `position` is (y, x)."""

    values: Float32Array | None
    position: tuple[int, int] | None
    binning: int = 1
    source: str = ""  # "kept", "recording" or "mean"; "" = the latest of the feed
    seen: int = 0  # of a mean: of so many patterns

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Detector pixels (ky, kx)."""
        rows, columns = (1, 1) if self.values is None else (self.values.shape[0], self.values.shape[1])
        return rows * self.binning, columns * self.binning

    def placement(self, calibration: Calibration) -> Placement:
        return pattern_placement(self.frame_shape, calibration)

    @property
    def com_px(self) -> tuple[float, float] | None:
        """COM (ky, kx) in detector pixels of what is shown; None where it holds no counts."""
        if self.values is None:
            return None
        counts = np.where(np.isfinite(self.values), self.values, 0.0).astype(np.float64)
        total = float(counts.sum())
        if total <= 0:
            return None
        sums = counts.sum(axis=1), counts.sum(axis=0)
        ky, kx = (float(each @ np.arange(each.size)) / total for each in sums)
        return (ky + 0.5) * self.binning - 0.5, (kx + 0.5) * self.binning - 0.5


def latest_pattern(snapshot: Snapshot) -> LivePattern:
    """The latest pattern of the feed."""
    return LivePattern(snapshot.pattern, snapshot.pattern_position)
