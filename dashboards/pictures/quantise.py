"""Images to uint8 for the browser: 0 = not visited, 1 ... 255 = the range between two limits.

The limits live here and nowhere in the page's colour mappers: moving the mapper of a live
image costs a browser more than the image itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboards.pictures.palettes import LEVELS

Pixels = NDArray[np.uint8]
Values = NDArray[np.floating[Any]]
SIDE_LIMIT = 512  # px; a page's frames are not larger, so more would be sent for nothing
SAMPLE_LIMIT = 128  # px a side looked at for the limits
PERCENTILES = (1.0, 99.0)
DECADES_LIMIT = 5.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The values of the first and the last colour; low < high always."""

    low: float
    high: float


def linear_limits(values: Values, signed: bool = False, percentiles: tuple[float, float] = PERCENTILES) -> Limits:
    """Percentiles of the visited pixels, on round numbers so that they do not flicker.

    `signed` makes them symmetric about zero.
    """
    step = max(1, math.ceil(max(values.shape, default=1) / SAMPLE_LIMIT))
    visited = values[::step, ::step]
    visited = visited[np.isfinite(visited)].astype(np.float64)
    if not visited.size:
        return Limits(-1.0, 1.0) if signed else Limits(0.0, 1.0)
    low, high = (float(value) for value in np.percentile(visited, percentiles))
    if low == high == 0 and not signed:
        return Limits(0.0, 1.0)  # magnitudes and counts are not negative
    if signed:
        high = max(abs(low), abs(high))
        low = -high
    return _rounded(low, high)


def _rounded(low: float, high: float) -> Limits:
    span = high - low
    if span <= 1e-6 * max(abs(low), abs(high)):
        margin = 0.5 * max(abs(low), abs(high)) or 1.0
        return Limits(low - margin, high + margin)
    step = 10.0 ** math.floor(math.log10(span)) / 5
    return Limits(math.floor(low / step) * step, math.ceil(high / step) * step)


def quantise(values: Values, limits: Limits) -> Pixels:
    """`values` between `limits` as 1 ... 255, clipped; 0 where there is no finite value."""
    exact = np.float32 if _fit_float32(limits) else np.float64
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.subtract(values, exact(limits.low), dtype=exact)
        scaled *= exact((LEVELS - 1) / (limits.high - limits.low))
        scaled += exact(1.5)
        np.clip(scaled, 1, LEVELS, out=scaled)
    np.copyto(scaled, 0, where=~np.isfinite(values))
    return scaled.astype(np.uint8)


def _fit_float32(limits: Limits) -> bool:
    """Whether float32, four times as fast, tells levels apart: not for a narrow range far from zero, or a tiny one."""
    span, size = limits.high - limits.low, max(abs(limits.low), abs(limits.high))
    return span > 1e-3 * size and span > 1e-30 and size < 1e30


def quantise_angle(angles_rad: Values) -> Pixels:
    """Angles in (-pi, pi] as 1 ... 255 once around the circle; 0 where there is none."""
    with np.errstate(invalid="ignore"):
        turn = np.floor((angles_rad + np.pi) * (LEVELS / (2 * np.pi)) + 0.5)
        turn -= LEVELS * np.floor(turn / LEVELS)  # as %, which takes as long as all the rest
    return np.where(np.isfinite(angles_rad), turn + 1, 0).astype(np.uint8)


def log_limits(pattern: Values) -> Limits:
    """log10 limits of the positive values, at most `DECADES_LIMIT` apart, on round steps."""
    positive = pattern[np.isfinite(pattern) & (pattern > 0)]
    if not positive.size:
        return Limits(0.0, 1.0)
    high = math.ceil(5 * math.log10(float(positive.max()))) / 5
    sample = positive[:: max(1, positive.size // SAMPLE_LIMIT**2)]
    low = math.floor(2 * math.log10(float(np.percentile(sample, PERCENTILES[0])))) / 2
    return Limits(max(low, high - DECADES_LIMIT), high) if high > low else Limits(high - 1.0, high)


def quantise_log(pattern: Values, limits: Limits) -> Pixels:
    """log10 of `pattern` between `limits`; what is not positive takes the first colour."""
    with np.errstate(invalid="ignore", divide="ignore"):
        logarithm = np.log10(np.maximum(pattern, 10.0**limits.low))
    return np.where(np.isfinite(pattern), quantise(logarithm, limits), 0).astype(np.uint8)


def angle_rgba(angles_rad: Values, opacity: Values, table: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Cyclic colours with an `opacity` 0 ... 1 for each pixel; nothing where there is no angle.

    A tenth of the opacity is always there, so that "not sure" differs from "not visited".
    """
    with np.errstate(invalid="ignore"):
        turn = angles_rad / (2 * np.pi)
        turn -= np.floor(turn)
        alpha = np.round(255 * (0.1 + 0.9 * np.clip(opacity, 0.0, 1.0)))
    visited = np.isfinite(angles_rad)
    index = np.where(visited, turn * len(table), 0).astype(np.intp) % len(table)
    shade = np.where(visited, np.nan_to_num(alpha, nan=26.0), 0).astype(np.uint32)
    return np.where(visited, table[index] | (shade << np.uint32(24)), np.uint32(0)).astype(np.uint32)


def thinned(values: Values, side_limit: int = SIDE_LIMIT) -> Values:
    """Every n-th row and column, so that no side is longer than `side_limit`."""
    step = max(1, math.ceil(max(values.shape, default=1) / side_limit))
    return values[::step, ::step]


def binned(pattern: Values, side_limit: int = SIDE_LIMIT) -> Values:
    """Means over n x n pixels, so that no side is longer than `side_limit`; the rest is cut off."""
    n = max(1, math.ceil(max(pattern.shape, default=1) / side_limit))
    if n == 1:
        return pattern
    rows, columns = pattern.shape[0] // n, pattern.shape[1] // n
    blocks: Values = pattern[: rows * n, : columns * n].reshape(rows, n, columns, n)
    return np.asarray(blocks.mean(axis=(1, 3)))
