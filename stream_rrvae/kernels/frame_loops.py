"""The loops of the frame pass, compiled. All in one file: Numba's disk cache notices changes of one file only.

Accumulators are uint32 (u8, u16), uint64 (u32) or float64 (f32): integer sums are exact. The loop along a row
has no branches and the projection reads its weights once for four frames, so that the compiler makes vector
instructions of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.compiled import compiled, compiled_entry

if TYPE_CHECKING:
    from stream_rrvae.kernels.plan import Layout

Scalar = Any  # of the pixel type or of the accumulator
FRAMES_AT_ONCE = 4
MOST_WITHOUT_DATA = 0.5  # of the basis' pixels; beyond it a frame has no features


@compiled_entry
def reduce_batch(
    frames: NDArray[Any], low: Scalar, high: Scalar, zero: Scalar, layout: Layout, moments: Any, features: Any
) -> None:
    """Measure `frames` [B, ky, kx]: `moments` f8 [B, 5] and `features` f4 [B, n_features].

    Moments are sum, com_y, com_x, bright field and annular dark field. `low` and `high` bound the valid values, in
    the pixel type; `zero` has the accumulators' type.
    """
    n_bins = layout.weights.shape[1]
    lines = np.full((2, frames.shape[2] + layout.bin_px), zero)
    bins = np.empty(n_bins)
    block = np.zeros((FRAMES_AT_ONCE, n_bins), np.float32)
    for first in range(0, frames.shape[0], FRAMES_AT_ONCE):
        last = min(first + FRAMES_AT_ONCE, frames.shape[0])
        for i in range(first, last):
            measure(frames[i], low, high, layout, lines, bins, moments[i], block[i - first])
        project(block, layout.weights, layout.offset, features[first:last])


@compiled
def measure(
    frame: NDArray[Any], low: Scalar, high: Scalar, layout: Layout, lines: Any, bins: Any, moments: Any, out: Any
) -> None:
    """One frame's moments, and its normalised bins in `out` where there is a basis."""
    without_data = _sums(frame, low, high, layout, lines, bins, moments)
    if bins.size > 0:
        _normalise(frame, low, high, layout, bins, without_data, out)


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
        moment_y += y * float(row_total)
        bright += row_bright
        dark += row_dark
        without_data += row_without
        if next_band < layout.bands.shape[0] and y == layout.bands[next_band, 1] - 1:
            _fold(band, layout.bands[next_band], layout.bin_px, bins)
            next_band += 1
    moments[0] = total
    moments[1] = moment_y / total - layout.center_y if total > 0 else np.nan
    moments[2] = _first_moment(column[: frame.shape[1]]) / total - layout.center_x if total > 0 else np.nan
    moments[3] = bright
    moments[4] = dark
    return without_data


@compiled
def _row(
    row: NDArray[Any], zones: NDArray[np.uint8], low: Scalar, high: Scalar, column: Any, band: Any
) -> tuple[Scalar, Scalar, Scalar, Scalar]:
    """Add a row to the column sums and to its row of bins; gives its total, bright, dark, and pixels without data."""
    kind = column.dtype.type
    zero = kind(0)
    total = bright = dark = zero
    without_data = np.uint32(0)
    for x in range(row.size):
        zone = zones[x]
        valid = (row[x] <= high) & (row[x] >= low)  # False for NaN
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
    # Strides known to the compiler become vector instructions; these two are the usual ones.
    if bin_px == 1:
        for j in range(count):
            row[j] = run[j]
    elif bin_px == 2:
        for j in range(count):
            row[j] = run[2 * j] + run[2 * j + 1]
    else:
        row[:] = 0.0
        for step in range(bin_px):
            for j in range(count):
                row[j] += run[step + j * bin_px]
    band[:] = 0


@compiled
def _first_moment(column: Any) -> float:
    moment = 0.0
    for x in range(column.size):
        moment += x * float(column[x])
    return moment


@compiled
def _normalise(
    frame: NDArray[Any], low: Scalar, high: Scalar, layout: Layout, bins: Any, without_data: int, out: Any
) -> None:
    """Bins as features need them: scale * bin / sum; NaN for an empty disc or one mostly without data."""
    total = 0.0
    for j in range(bins.size):
        total += bins[j]
    if not (total > 0 and without_data <= MOST_WITHOUT_DATA * layout.pixels):
        out[:] = np.nan
        return
    share = np.sqrt(layout.pixels) / layout.pixels  # of an average pixel: scale / pixels
    factor = share * (layout.pixels - without_data) / total
    for j in range(bins.size):
        out[j] = bins[j] * factor
    if without_data > 0:
        _fill(frame, low, high, layout, np.float32(share), out)


@compiled
def _fill(frame: NDArray[Any], low: Scalar, high: Scalar, layout: Layout, value: Scalar, out: Any) -> None:
    """Take every pixel of the basis without data for an average one."""
    for y in range(layout.bands[0, 0], layout.bands[-1, 1]):
        for x in range(frame.shape[1]):
            valid = (frame[y, x] <= high) & (frame[y, x] >= low)
            if not valid and (layout.zones[y, x] & 8) != 0:
                out[layout.bin_numbers[y, x]] += value


@compiled
def project(block: Any, weights: NDArray[np.float32], offset: NDArray[np.float32], features: Any) -> None:
    """Features of up to four frames from their bins [4, n_bins]."""
    results = np.empty(FRAMES_AT_ONCE, np.float32)
    for f in range(weights.shape[0]):
        row = weights[f]
        a = b = c = d = np.float32(0)
        for j in range(row.size):
            a += block[0, j] * row[j]
            b += block[1, j] * row[j]
            c += block[2, j] * row[j]
            d += block[3, j] * row[j]
        results[:] = (a, b, c, d)
        for i in range(features.shape[0]):
            features[i, f] = results[i] - offset[f]
