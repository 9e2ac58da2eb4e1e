"""Latent space as a sample of points over the density of all positions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dashboards.pictures.quantise import Limits, Pixels, Values, quantise, thinned

POINTS_LIMIT = 65536  # the page draws them as pixels, so they cost little
EXTENT_SAMPLE = 4096
BINS = 96
DEFAULT_EXTENT = 4.0


@dataclass(frozen=True, slots=True)
class LatentPoints:
    """Latent space is a square of +-`extent`; `density` [BINS, BINS] has row 0 at its smallest y."""

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    colour: Pixels
    density: Pixels  # logarithmic; empty where every position is a point
    extent: float


def latent_points(first: Values | None, second: Values | None, colours: Values | None, limits: Limits) -> LatentPoints:
    """Points (first, second) coloured by `colours` between `limits`; all maps are [scan_y, scan_x]."""
    none = np.zeros(0, np.float32)
    if first is None or second is None or first.shape != second.shape:
        return LatentPoints(none, none, none.astype(np.uint8), np.zeros((1, 1), np.uint8), DEFAULT_EXTENT)
    where = np.flatnonzero(np.isfinite(first) & np.isfinite(second))
    sample = where[:: max(1, math.ceil(where.size / POINTS_LIMIT))]
    x, y = first.ravel()[sample].astype(np.float32), second.ravel()[sample].astype(np.float32)
    shade = quantise((first if colours is None else colours).ravel()[sample], limits)
    extent = _extent(np.concatenate([x, y]))
    many = where.size > POINTS_LIMIT
    return LatentPoints(x, y, shade, _density(first, second, extent) if many else np.zeros((1, 1), np.uint8), extent)


def _extent(values: Values) -> float:
    """Whole numbers from 3 on, for all but stray points."""
    if not values.size:
        return DEFAULT_EXTENT
    sample = values[:: max(1, values.size // EXTENT_SAMPLE)]
    return float(max(3, math.ceil(1.05 * np.percentile(np.abs(sample), 99.8))))


def _density(first: Values, second: Values, extent: float) -> Pixels:
    x, y = thinned(first).ravel(), thinned(second).ravel()
    inside = (np.abs(x) < extent) & (np.abs(y) < extent)
    column, row = (((each[inside] + extent) * (BINS / (2 * extent))).astype(np.intp) for each in (x, y))
    # A value next to the edge may be rounded onto it.
    place = np.minimum(row, BINS - 1) * BINS + np.minimum(column, BINS - 1)
    counts = np.bincount(place, minlength=BINS * BINS).reshape(BINS, BINS)
    logarithm = np.where(counts > 0, np.log1p(counts), np.nan)
    return quantise(logarithm, Limits(0.0, max(1.0, float(np.log1p(counts.max())))))
