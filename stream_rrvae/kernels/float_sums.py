"""One float32 frame, measured in float64; NaN, infinities and what lies outside the valid range have no data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.float_queue import FloatQueue, empty_row, keep_row
from stream_rrvae.kernels.float_rows import (
    BRIGHT,
    DARK,
    HIGH,
    IN_BASIS,
    LANES,
    LOW,
    MOMENT_Y,
    ROW,
    TOTAL,
    FloatRow,
    sum_float_row,
)
from stream_rrvae.kernels.layout import BASIS, FLOAT_MASKS, Layout
from stream_rrvae.kernels.memory import copy_32
from stream_rrvae.kernels.projection import MOST_WITHOUT_DATA

Scalar = Any


@compiled
def measure_float(
    frame: NDArray[Any], low: Scalar, high: Scalar, layout: Layout, room: FloatRow, queue: FloatQueue, i: int,
    moments: Any, features: Any,
) -> None:  # fmt: skip
    """Moments [5] of one frame; its features go to row `i` of `features` [B, n_features], with others' or later.

    features = sum over bins of (scale * bin / total) * weight - offset. A pixel of the basis without data is taken for
    an average one. NaN for an empty disc or one mostly without data.
    """
    room.numbers[LOW], room.numbers[HIGH] = low, high
    bins = empty_row(queue)
    total, without_data = _sums(frame, layout, room, bins, moments)
    if layout.steps.size == 0:
        return
    if not (total > 0 and without_data <= MOST_WITHOUT_DATA * layout.pixels):
        features[i] = np.nan
        return
    if without_data > 0:
        _fill(frame, low, high, layout, total / (layout.pixels - without_data), bins)
    share = np.sqrt(layout.pixels) / layout.pixels  # of an average pixel: scale / pixels
    keep_row(queue, layout, share * (layout.pixels - without_data) / total, i, features)


@compiled
def _sums(frame: NDArray[Any], layout: Layout, room: FloatRow, bins: Any, moments: Any) -> tuple[float, int]:
    """Moments and bins of one frame; gives the sum of the basis' pixels and how many usable ones have no data."""
    numbers, clean, column, sums = room.numbers, room.clean, room.column, room.sums
    frame_at, row_bytes, padded_at = frame.ctypes.data, frame.shape[1] * frame.itemsize, room.padded.ctypes.data
    masks_at, mask_bytes = layout.float_masks.ctypes.data, 8 * FLOAT_MASKS * layout.float_masks.shape[2]
    places_at, clean_at, bins_at = room.places.ctypes.data, clean.ctypes.data, bins.ctypes.data
    column[:] = 0
    sums[:] = 0
    room.missing[0] = 0
    band = 0
    for y in range(frame.shape[0]):
        source = frame_at + y * row_bytes
        if frame.shape[1] < column.size:
            room.padded[: frame.shape[1]] = frame[y]
            source = padded_at
        numbers[ROW] = y
        sum_float_row(source, places_at, masks_at + y * mask_bytes, column.size // LANES)
        while band < layout.bands.shape[0] and y >= layout.bands[band, 1]:
            band += 1
        if band < layout.bands.shape[0] and y >= layout.bands[band, 0]:
            column_0, first, count = layout.bands[band, 2], layout.bands[band, 3], layout.bands[band, 4]
            if layout.bin_px == 1:
                for j in range(0, count, 8):  # beyond the run: overwritten by the next one, or of no weight
                    copy_32(bins_at + 4 * (first + j), clean_at + 4 * (column_0 + j))
            else:
                _fold(clean, layout.basis[y], column_0, layout.bin_px, bins[first : first + count])
    _write_moments(sums, column, layout, moments)
    return sums[IN_BASIS].sum(), room.missing[0]


@compiled
def _write_moments(sums: NDArray[np.float64], column: NDArray[np.float64], layout: Layout, moments: Any) -> None:
    total = moment_y = bright = dark = moment_x = 0.0
    for i in range(LANES):
        total += sums[TOTAL, i]
        moment_y += sums[MOMENT_Y, i]
        bright += sums[BRIGHT, i]
        dark += sums[DARK, i]
    for x in range(column.size):
        moment_x += x * column[x]
    moments[0] = total
    moments[1] = moment_y / total - layout.center_y if total > 0 else np.nan
    moments[2] = moment_x / total - layout.center_x if total > 0 else np.nan
    moments[3] = bright
    moments[4] = dark


@compiled
def _fold(line: Any, basis: NDArray[np.int8], column: int, bin_px: int, bins: Any) -> None:
    """Add a row's pixels of the basis to its row of bins."""
    for j in range(bins.size):
        total = np.float32(0)
        for x in range(column + j * bin_px, min(column + (j + 1) * bin_px, basis.size)):
            total += line[x] if basis[x] != 0 else np.float32(0)
        bins[j] += total


@compiled
def _fill(frame: NDArray[Any], low: Scalar, high: Scalar, layout: Layout, value: float, bins: Any) -> None:
    """Take every pixel of the basis without data for an average one."""
    for y in range(layout.bands[0, 0], layout.bands[-1, 1]):
        for x in range(frame.shape[1]):
            valid = (frame[y, x] <= high) & (frame[y, x] >= low)
            if not valid and (layout.zones[y, x] & BASIS) != 0:
                bins[layout.bin_numbers[y, x]] += np.float32(value)
