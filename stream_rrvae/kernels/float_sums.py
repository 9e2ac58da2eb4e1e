"""One float32 frame, measured in float64; NaN, infinities and what lies outside the valid range have no data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.layout import Layout
from stream_rrvae.kernels.projection import MOST_WITHOUT_DATA

Scalar = Any


@compiled
def measure_float(
    frame: NDArray[Any], low: Scalar, high: Scalar, layout: Layout, lines: Any, moments: Any, features: Any
) -> None:
    """Moments [5] and features [n_features] of one frame."""
    bins = np.empty(layout.weights.shape[1])
    without_data = _sums(frame, low, high, layout, lines, bins, moments)
    if layout.steps.size > 0:
        _normalise(frame, low, high, layout, bins, without_data)
        _project(bins.astype(np.float32), layout, features)


@compiled
def _sums(
    frame: NDArray[Any], low: Scalar, high: Scalar, layout: Layout, lines: Any, bins: Any, moments: Any
) -> Scalar:
    """Moments and bins of one frame; gives the number of usable pixels of the basis without data."""
    column, band = lines[0], lines[1]
    column[:] = 0
    total = moment_y = bright = dark = 0.0
    without_data = 0
    next_band = 0
    for y in range(frame.shape[0]):
        row_total, row_bright, row_dark, row_without = _row(frame[y], layout.zones[y], low, high, column, band)
        total += row_total
        moment_y += y * row_total
        bright += row_bright
        dark += row_dark
        without_data += row_without
        if next_band < layout.bands.shape[0] and y == layout.bands[next_band, 1] - 1:
            _fold(band, layout.bands[next_band], layout.bin_px, bins)
            next_band += 1
    moment_x = 0.0
    for x in range(frame.shape[1]):
        moment_x += x * column[x]
    moments[0] = total
    moments[1] = moment_y / total - layout.center_y if total > 0 else np.nan
    moments[2] = moment_x / total - layout.center_x if total > 0 else np.nan
    moments[3] = bright
    moments[4] = dark
    return without_data


@compiled
def _row(
    row: NDArray[Any], zones: NDArray[np.uint8], low: Scalar, high: Scalar, column: Any, band: Any
) -> tuple[float, float, float, Scalar]:
    """Add a row to the column sums and to its row of bins; gives its total, bright, dark, and pixels without data."""
    total = bright = dark = 0.0
    without_data = np.uint32(0)
    for x in range(row.size):
        zone = zones[x]
        valid = (row[x] <= high) & (row[x] >= low)  # False for NaN
        value = float(row[x]) if valid & ((zone & 1) != 0) else 0.0
        column[x] += value
        band[x] += value if (zone & 8) != 0 else 0.0
        total += value
        bright += value if (zone & 2) != 0 else 0.0
        dark += value if (zone & 4) != 0 else 0.0
        without_data = np.uint32(without_data + (np.uint32(0) if valid else np.uint32(zone >> 3)))
    return total, bright, dark, without_data


@compiled
def _fold(band: Any, place: NDArray[np.int32], bin_px: int, bins: Any) -> None:
    """Sum a row of bins along the row, and empty it for the next."""
    row = bins[place[3] : place[3] + place[4]]
    row[:] = 0.0
    for step in range(bin_px):
        for j in range(row.size):
            row[j] += band[place[2] + step + j * bin_px]
    band[:] = 0


@compiled
def _normalise(frame: NDArray[Any], low: Scalar, high: Scalar, layout: Layout, bins: Any, without_data: int) -> None:
    """Bins as features need them: scale * bin / sum; NaN for an empty disc or one mostly without data."""
    total = bins.sum()
    if not (total > 0 and without_data <= MOST_WITHOUT_DATA * layout.pixels):
        bins[:] = np.nan
        return
    share = np.sqrt(layout.pixels) / layout.pixels  # of an average pixel: scale / pixels
    bins *= share * (layout.pixels - without_data) / total
    if without_data > 0:
        _fill(frame, low, high, layout, share, bins)


@compiled
def _fill(frame: NDArray[Any], low: Scalar, high: Scalar, layout: Layout, value: float, bins: Any) -> None:
    """Take every pixel of the basis without data for an average one."""
    for y in range(layout.bands[0, 0], layout.bands[-1, 1]):
        for x in range(frame.shape[1]):
            valid = (frame[y, x] <= high) & (frame[y, x] >= low)
            if not valid and (layout.zones[y, x] & 8) != 0:
                bins[layout.bin_numbers[y, x]] += value


@compiled
def _project(bins: NDArray[np.float32], layout: Layout, features: Any) -> None:
    for f in range(layout.offset.size):
        row = layout.weights[f]
        total = np.float32(0)
        for j in range(row.size):
            total += bins[j] * row[j]
        features[f] = total - layout.offset[f]
