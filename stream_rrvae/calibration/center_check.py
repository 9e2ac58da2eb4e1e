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
    blur_px = SIGMAS * seen.radius_px / math.sqrt(_counts(mean_pattern, usable, seen))
    return seen if math.dist(seen.center_px, told.center_px) > max(tolerance_px, blur_px) else None


def _middle_is_within(mean_pattern: NDArray[np.float64], lit: BoolArray, told: Disc, distance_px: float) -> bool:
    """Whether the middle of the pixels brighter than half of the disc's usual ones is where it should be."""
    inside = lit & told.covers(mean_pattern.shape)
    if not inside.any():
        return False
    rows, columns = np.nonzero(lit & (mean_pattern > np.median(mean_pattern[inside]) / 2))
    return math.dist((float(rows.mean()), float(columns.mean())), told.center_px) <= distance_px


def _counts(mean_pattern: NDArray[np.float64], usable: BoolArray, disc: Disc) -> float:
    """Electrons that made the pattern, at least: one adds no more than the darkest pixel, nor than the Fano factor."""
    lit = mean_pattern[usable & (mean_pattern > 0)]
    inside = usable & disc.covers(mean_pattern.shape, disc.radius_px - 1)
    steps = np.diff(mean_pattern, axis=1)[inside[:, 1:] & inside[:, :-1]]
    one = float(lit.min())
    if steps.any():
        one = min(one, float(np.square(steps).mean() / (2 * mean_pattern[inside].mean())))
    return float(lit.sum()) / one
