"""Hot pixels that no mask tells of, from the mean of a scan's first frames.

What is constant in every frame leaves with the scan's mean; a hot pixel flickers, and its noise would be
taken for signal. Dead pixels are constant and may stay.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.calibration.disc import Disc
from stream_rrvae.messages import BoolArray

HOT = 3.0  # times its surroundings; below it a pixel's flicker is small against a modulation of some percent
BRIGHT = 1.5  # times the disc's plateau: what is darker does no harm wherever it lies
RANK = 4  # of the 3 x 3 pixels around, itself included: a cluster of three is still found
SMALLEST_RADIUS_PX = 4.0  # a smaller disc is itself a few bright pixels
LARGEST_SHARE = 0.01  # of the pixels; more of them are no faults but something unknown
SIGMAS = 4.0  # standard deviations of counting noise


def hot_pixels(mean_pattern: NDArray[np.float64], usable: BoolArray, disc: Disc) -> BoolArray:
    """Usable pixels [ky, kx] far brighter than those around them and than the disc; none where that makes no sense."""
    none = np.zeros(mean_pattern.shape, np.bool_)
    lit = usable & np.isfinite(mean_pattern) & (mean_pattern > 0)
    inside = lit & disc.covers(none.shape)
    if disc.radius_px < SMALLEST_RADIUS_PX or not inside.any():
        return none
    one_count = float(mean_pattern[lit].min())
    plateau = np.median(mean_pattern[inside])
    bright = lit & (mean_pattern > BRIGHT * (plateau + _noise(plateau, one_count)))
    if not 0 < np.count_nonzero(bright) <= LARGEST_SHARE * none.size:
        return none
    around = _fourth_brightest(np.where(lit, mean_pattern, 0.0), bright)
    none[bright] = mean_pattern[bright] > HOT * (around + _noise(around, one_count))
    return none


def _noise(level: Any, one_count: float) -> Any:
    """Of counts at a mean `level`, `one_count` being what one of them adds; a lone count in the dark is noise too."""
    return SIGMAS * np.sqrt(one_count * (level + one_count))


def _fourth_brightest(values: NDArray[np.float64], at: BoolArray) -> NDArray[Any]:
    """The fourth largest of the 3 x 3 `values` around each pixel of `at`."""
    padded = np.pad(values, 1)
    ky, kx = np.nonzero(at)
    near = np.stack([padded[ky + dy, kx + dx] for dy in range(3) for dx in range(3)])
    return np.asarray(np.partition(near, -RANK, axis=0)[-RANK])
