"""Whether the disc of a scan's first frames lies where it is said to lie."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.calibration.disc import Disc, find_disc
from stream_rrvae.errors import CalibrationError
from stream_rrvae.messages import BoolArray

TOLERANCE_PX, TOLERANCE_RADII = 0.5, 0.02  # what a fitted centre and a scan's first positions may differ by
SIGMAS = 4.0  # of the fitted centre, where electrons are few


def seen_elsewhere(told: Disc, mean_pattern: NDArray[np.float64], usable: BoolArray) -> Disc | None:
    """The disc of `mean_pattern` [ky, kx] where it is not centred as `told`; None where it is, or none is seen."""
    lit = usable & (mean_pattern > 0)
    tolerance_px = max(TOLERANCE_PX, TOLERANCE_RADII * told.radius_px)
    # A fit takes some tenths of a second, in which frames queue up: only for what this does not settle.
    if not lit.any() or _middle_is_within(mean_pattern, lit, told, tolerance_px / 2):
        return None
    try:
        seen = find_disc(mean_pattern, usable)
    except CalibrationError:
        return None
    counts = float(mean_pattern[lit].sum() / mean_pattern[lit].min())
    blur_px = SIGMAS * seen.radius_px / math.sqrt(counts)
    return seen if math.dist(seen.center_px, told.center_px) > max(tolerance_px, blur_px) else None


def _middle_is_within(mean_pattern: NDArray[np.float64], lit: BoolArray, told: Disc, distance_px: float) -> bool:
    """Whether the middle of the pixels brighter than half of the disc's usual ones is where it should be."""
    grid = np.indices(mean_pattern.shape)
    inside = lit & (np.hypot(grid[0] - told.center_px[0], grid[1] - told.center_px[1]) < told.radius_px)
    if not inside.any():
        return False
    bright = lit & (mean_pattern > np.median(mean_pattern[inside]) / 2)
    return math.dist([float(axis[bright].mean()) for axis in grid], told.center_px) <= distance_px
