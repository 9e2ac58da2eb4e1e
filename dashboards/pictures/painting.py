"""Maps and patterns as the browser gets them: uint8 between limits that are automatic, percentiles or locked."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dashboards.pictures.map_styles import MapStyle
from dashboards.pictures.palettes import LEVELS
from dashboards.pictures.quantise import (
    SAMPLE_LIMIT,
    SIDE_LIMIT,
    Limits,
    Pixels,
    Values,
    binned,
    linear_limits,
    log_limits,
    quantise,
    quantise_angle,
    quantise_log,
    thinned,
)
from dashboards.pictures.wishes import Contrast

EMPTY: Pixels = np.zeros((1, 1), np.uint8)
ENLARGED_SIDE = 2048  # px of the one panel that fills the page
ENLARGED_RGBA_SIDE = 1024  # four bytes a pixel: no push may be longer than what a viewer that stops may cost
ANGLE_LIMITS = Limits(-180.0, 180.0)
BINS = 48
SMALLEST_DECADES = 6.0  # below the upper limit, where a lower one of a logarithm is not positive


@dataclass(frozen=True, slots=True)
class Painted:
    """An image as the browser gets it, and what its colours mean."""

    pixels: Pixels
    limits: Limits
    unit: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts in bins of equal width from `low` to `high`; log10 of the values where `is_log`."""

    counts: list[int]
    low: float
    high: float
    is_log: bool = False


def painted_map(
    values: Values | None, unit: str, style: MapStyle, contrast: Contrast | None = None, side: int = SIDE_LIMIT
) -> Painted:
    """A map [scan_y, scan_x], or an empty image where there is none."""
    if values is None or not values.size:
        return Painted(EMPTY, Limits(0.0, 1.0), "")
    shown = thinned(values, side)
    if style.cyclic:
        return Painted(quantise_angle(shown), ANGLE_LIMITS, "deg")
    limits = map_limits(values, style, contrast)
    return Painted(quantise(shown, limits), limits, unit)


def map_limits(values: Values, style: MapStyle, contrast: Contrast | None) -> Limits:
    """The limits of a map's colours."""
    if contrast is None:
        return linear_limits(thinned(values), style.signed)
    if contrast.mode == "locked":
        return Limits(contrast.low, contrast.high)
    return linear_limits(thinned(values), style.signed, (contrast.low, contrast.high))


def painted_pattern(pattern: Values | None, linear: bool, contrast: Contrast | None = None) -> Painted:
    """A pattern [ky, kx], saturated (inf) pixels as LEVELS; the limits are log10 counts unless it is `linear`."""
    if pattern is None or not pattern.size:
        return Painted(EMPTY, Limits(0.0, 1.0), "counts")
    shown = binned(pattern)
    limits = pattern_limits(shown, linear, contrast)
    pixels = np.minimum((quantise if linear else quantise_log)(shown, limits), LEVELS - 1)
    pixels[np.isposinf(shown)] = LEVELS
    return Painted(pixels, limits, "counts")


def saturated_px(pattern: Values | None) -> int:
    """How many pixels of a pattern are saturated."""
    return 0 if pattern is None else int(np.count_nonzero(np.isposinf(pattern)))


def pattern_limits(shown: Values, linear: bool, contrast: Contrast | None) -> Limits:
    """The limits of a pattern's colours, log10 counts unless `linear`."""
    if contrast is None:
        return linear_limits(shown, percentiles=(0.0, 99.9)) if linear else log_limits(shown)
    if contrast.mode == "percentiles":
        if linear:
            return linear_limits(shown, percentiles=(contrast.low, contrast.high))
        positive = shown[np.isfinite(shown) & (shown > 0)]
        return linear_limits(np.log10(positive)[None], percentiles=(contrast.low, contrast.high))
    if linear:
        return Limits(contrast.low, contrast.high)
    high = math.log10(contrast.high) if contrast.high > 0 else 0.0
    low = math.log10(contrast.low) if contrast.low > 0 else high - SMALLEST_DECADES
    return Limits(low, high) if low < high else Limits(high - 1.0, high)


def histogram(values: Values | None, is_log: bool = False) -> Histogram | None:
    """Of a sample of `values`; None where there is nothing to count."""
    if values is None or not values.size:
        return None
    step = max(1, math.ceil(max(values.shape) / SAMPLE_LIMIT))
    sample = values[::step, ::step]
    sample = sample[np.isfinite(sample)].astype(np.float64)
    if is_log:
        sample = np.log10(sample[sample > 0])
    if not sample.size:
        return None
    low, high = float(sample.min()), float(sample.max())
    if not math.isfinite(high - low) or high - low <= 1e-9 * max(abs(low), abs(high), 1e-300):
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    counts, _ = np.histogram(sample, BINS, (low, high))
    return Histogram([int(count) for count in counts], low, high, is_log)
