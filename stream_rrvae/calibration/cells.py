"""A pattern in coarser cells, so that large detectors and few electrons are as easy as small and many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stream_rrvae.messages import BoolArray

HOT = 10.0  # times its surroundings


@dataclass(frozen=True, slots=True)
class Cells:
    """Means over squares of `size_px` of the usable pixels; `weights` = usable pixels of each cell."""

    size_px: int
    means: NDArray[np.float64]  # [cy, cx], 0 where no pixel is usable
    weights: NDArray[np.float64]  # [cy, cx]

    def to_px(self, at: float) -> float:
        """A coordinate or index of cells as one of pixels."""
        return (at + 0.5) * self.size_px - 0.5

    def to_cells(self, at_px: float) -> float:
        """A coordinate of pixels as one of cells."""
        return (at_px + 0.5) / self.size_px - 0.5


def in_cells(pattern: NDArray[Any], usable: BoolArray, size_px: int) -> Cells:
    """`pattern` [ky, kx] in cells; those at the far edges may hold fewer pixels."""
    sums, weights = _summed(np.where(usable, pattern, 0.0), size_px), _summed(usable, size_px)
    return Cells(size_px, sums / np.maximum(weights, 1), weights)


def without_hot(pattern: NDArray[np.float64], usable: BoolArray) -> BoolArray:
    """`usable` [ky, kx] without pixels far brighter than the fourth brightest of the nine around them."""
    values = np.where(usable, pattern, 0.0)
    positive = values[values > 0]
    one_count = float(positive.min()) if positive.size else 0.0  # lone counts in the dark are no fault
    around = ndimage.rank_filter(values, rank=-4, size=3, mode="mirror")
    return np.asarray(usable & (values <= HOT * np.maximum(around, one_count)))


def smoothed(cells: Cells) -> NDArray[np.float64]:
    """Means smoothed over one cell, none larger than the fourth largest around it; only to look at."""
    capped = np.minimum(cells.means, ndimage.rank_filter(cells.means, rank=-4, size=3, mode="mirror"))
    there = ndimage.gaussian_filter((cells.weights > 0).astype(np.float64), 1.0)
    return np.asarray(ndimage.gaussian_filter(capped, 1.0) / np.maximum(there, 1e-6))


def _summed(values: NDArray[Any], size_px: int) -> NDArray[np.float64]:
    padded = np.pad(values.astype(np.float64), [(0, -side % size_px) for side in values.shape])
    cy, cx = padded.shape[0] // size_px, padded.shape[1] // size_px
    return np.asarray(padded.reshape(cy, size_px, cx, size_px).sum(axis=(1, 3)))
