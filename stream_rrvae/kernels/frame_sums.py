"""Exact sums of one frame of whole-number pixels: in one pass over its rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.exact_sums import (
    BRIGHT_FIELD,
    DARK_FIELD,
    HIGH_BITS,
    HIGH_X,
    HIGH_Y,
    MOMENT_X,
    MOMENT_Y,
    N_SUMS,
    TOTAL,
    WITHOUT_DATA,
)
from stream_rrvae.kernels.plan import BASIS, Layout

Scalar = Any  # of the pixel type or of the accumulator


class SumBuffers(NamedTuple):
    """Room for the sums of one frame; `lines` has the accumulators' type."""

    lines: NDArray[Any]  # [2, kx + bin_px]
    sums: NDArray[np.int64]  # exact_sums.N_SUMS
    bins: NDArray[np.int64]  # [n_bins]
    missing: NDArray[np.int64]  # [n_bins] pixels of the basis without data


@compiled
def make_sum_buffers(layout: Layout, zero: Scalar) -> SumBuffers:
    """Buffers for frames of `layout`; `zero` has the accumulators' type."""
    n_bins, width = layout.weights.shape[1], layout.zones.shape[1]
    lines = np.full((2, width + layout.bin_px), zero)
    return SumBuffers(lines, np.zeros(N_SUMS, np.int64), np.zeros(n_bins, np.int64), np.zeros(n_bins, np.int64))


@compiled
def sum_frame(frame: NDArray[Any], high: Scalar, layout: Layout, buffers: SumBuffers) -> None:
    """Sum the pixels of `frame` up to `high`: everything in `buffers`."""
    sums, column, band = buffers.sums, buffers.lines[0], buffers.lines[1]
    sums[:] = 0
    column[:] = 0
    next_band = 0
    for y in range(frame.shape[0]):
        total, bright, dark, without_data = _row(frame[y], layout.zones[y], high, column, band)
        sums[TOTAL] += np.int64(total)
        sums[MOMENT_Y] += y * (np.int64(total) & 0xFFFFFFFF)
        sums[HIGH_Y] += y * (np.int64(total) >> 32) << HIGH_BITS
        sums[BRIGHT_FIELD] += np.int64(bright)
        sums[DARK_FIELD] += np.int64(dark)
        sums[WITHOUT_DATA] += np.int64(without_data)
        if next_band < layout.bands.shape[0] and y == layout.bands[next_band, 1] - 1:
            _fold(band, layout.bands[next_band], layout.bin_px, buffers.bins)
            next_band += 1
    for x in range(frame.shape[1]):
        sums[MOMENT_X] += x * (np.int64(column[x]) & 0xFFFFFFFF)
        sums[HIGH_X] += x * (np.int64(column[x]) >> 32) << HIGH_BITS
    if sums[WITHOUT_DATA] > 0:
        _find_missing(frame, high, layout, buffers.missing)


@compiled
def _row(
    row: NDArray[Any], zones: NDArray[np.uint8], high: Scalar, column: Any, band: Any
) -> tuple[Scalar, Scalar, Scalar, Scalar]:
    """Add a row to the column sums and to its row of bins; gives its total, bright, dark, and pixels without data."""
    kind = column.dtype.type
    zero = kind(0)
    total = bright = dark = zero
    without_data = np.uint32(0)
    for x in range(row.size):
        zone = zones[x]
        valid = row[x] <= high
        value = kind(row[x]) if valid & ((zone & 1) != 0) else zero
        column[x] = kind(column[x] + value)
        band[x] = kind(band[x] + (value if (zone & 8) != 0 else zero))
        total = kind(total + value)
        bright = kind(bright + (value if (zone & 2) != 0 else zero))
        dark = kind(dark + (value if (zone & 4) != 0 else zero))
        without_data = np.uint32(without_data + (np.uint32(0) if valid else np.uint32(zone >> 3)))
    return total, bright, dark, without_data


@compiled
def _fold(band: Any, place: NDArray[np.int32], bin_px: int, bins: Any) -> None:
    """Sum a row of bins along the row, and empty it for the next."""
    count, run = place[4], band[place[2] :]
    row = bins[place[3] : place[3] + count]
    # Strides known to the compiler become vector instructions; these are the usual ones.
    if bin_px == 1:
        for j in range(count):
            row[j] = run[j]
    elif bin_px == 2:
        for j in range(count):
            row[j] = run[2 * j] + run[2 * j + 1]
    else:
        row[:] = 0
        for step in range(bin_px):
            for j in range(count):
                row[j] += run[step + j * bin_px]
    band[:] = 0


@compiled
def _find_missing(frame: NDArray[Any], high: Scalar, layout: Layout, missing: NDArray[np.int64]) -> None:
    """Count the pixels of the basis without data in each bin."""
    missing[:] = 0
    for y in range(layout.bands[0, 0], layout.bands[-1, 1]):
        for x in range(frame.shape[1]):
            if frame[y, x] > high and (layout.zones[y, x] & BASIS) != 0:
                missing[layout.bin_numbers[y, x]] += 1
