"""How maps compare: linear correlation, and agreement of angles.

Angles are compared by the weighted mean of exp(i (a - s b)), s = +1 or -1: its length says how well
they agree, its phase is the offset between them. The circular correlation of Jammalamadaka & SenGupta
is not used: it is undefined where mean directions vanish, as they do over a whole unit cell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
TURN_RAD = 2 * math.pi


@dataclass(frozen=True, slots=True)
class AngleAgreement:
    """Angles against a reference, after the best sense and offset; NaN where nothing can be compared."""

    correlation: float  # 0..1
    error_rad: float  # weighted mean of the absolute difference
    sense: int  # +1 = counted alike, -1 = counted the other way round
    offset_rad: float  # angles = sense * reference + offset


NO_AGREEMENT = AngleAgreement(math.nan, math.nan, 1, math.nan)


def pearson(first: FloatArray, second: FloatArray, weights: FloatArray | None = None) -> float:
    """Pearson's r of two arrays of one shape where both (and the weights) are finite; NaN if undefined."""
    if weights is None:
        return _pearson_unweighted(first, second)
    weight = np.asarray(weights, np.float64)
    usable = np.isfinite(first) & np.isfinite(second) & np.isfinite(weight)
    a, b, w = (np.asarray(v, np.float64)[usable] for v in (first, second, weight))
    if a.size < 2 or w.sum() <= 0:
        return math.nan
    a, b = a - np.average(a, weights=w), b - np.average(b, weights=w)
    scale = math.sqrt(float((w * a * a).sum()) * float((w * b * b).sum()))
    return float((w * a * b).sum()) / scale if scale > 0 else math.nan


def _pearson_unweighted(first: FloatArray, second: FloatArray) -> float:
    """The same with all weights 1, at half the cost: live merging asks for it twenty times a second."""
    usable = np.isfinite(first) & np.isfinite(second)
    a, b = (np.asarray(v)[usable].astype(np.float64) for v in (first, second))
    if a.size < 2:
        return math.nan
    a -= a.mean()
    b -= b.mean()
    scale = math.sqrt(float((a * a).sum()) * float((b * b).sum()))
    return float((a * b).sum()) / scale if scale > 0 else math.nan


def mean_vector(angles_rad: FloatArray, weights: FloatArray) -> complex:
    """Weighted mean of exp(i angle): its length is the resultant length, its phase the circular mean."""
    usable = np.isfinite(angles_rad) & np.isfinite(weights)
    total = float(np.sum(weights, where=usable, dtype=np.float64))
    if total <= 0:
        return complex(math.nan, math.nan)
    return complex((weights[usable] * np.exp(1j * np.asarray(angles_rad, np.float64)[usable])).sum() / total)


def wrapped(angles_rad: FloatArray, period_rad: float = TURN_RAD) -> NDArray[np.float64]:
    """`angles_rad` brought into [-period/2, period/2)."""
    half = period_rad / 2
    return np.asarray((np.asarray(angles_rad, np.float64) + half) % period_rad - half)


def angle_agreement(
    angles_rad: FloatArray, reference_rad: FloatArray, weights: FloatArray, period_rad: float = TURN_RAD
) -> AngleAgreement:
    """`angles_rad` against `reference_rad` (one shape), in the sense of counting that agrees better.

    `period_rad` below a turn compares modulo it, for patterns that look alike after such a turn.
    """
    fold = TURN_RAD / period_rad
    vectors = {sense: mean_vector(fold * (angles_rad - sense * reference_rad), weights) for sense in (1, -1)}
    sense = max(vectors, key=lambda s: abs(vectors[s]))
    if not math.isfinite(abs(vectors[sense])):
        return NO_AGREEMENT
    offset_rad = float(np.angle(vectors[sense])) / fold
    error = np.abs(wrapped(angles_rad - sense * reference_rad - offset_rad, period_rad))
    usable = np.isfinite(error) & np.isfinite(weights)
    error_rad = float(np.average(error[usable], weights=weights[usable]))
    return AngleAgreement(abs(vectors[sense]), error_rad, sense, offset_rad)
