"""The loops of the frame pass, compiled. All in one file: Numba's disk cache sees changes of one file only.

Accumulators are uint32 (u8, u16), uint64 (u32) or float64 (f32); integer sums are exact. Loops run along a
row without branches, so that the compiler makes vector instructions of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stream_rrvae.kernels.compiled import compiled

FRAMES_AT_ONCE = 4  # share one read of the weights


@compiled
def reduce_batch(
    frames: Any, low: Any, high: Any, usable: Any, center: Any, spans: Any, bands: Any, bin_px: Any, numbers: Any,
    weights: Any, offset: Any, scale: Any, zero: Any, moments: Any, fields: Any, features: Any,
) -> None:  # fmt: skip
    """Moments [B, 3] (sum, com_y, com_x), fields [B, 2] (bright, dark) and features [B, F] of frames [B, ky, kx]."""
    n_bins, n_features = weights.shape
    block = np.zeros((FRAMES_AT_ONCE, n_bins + (-n_bins) % 4), np.float32)
    rows = np.full((3, frames.shape[2] + bin_px), zero)
    bins = np.full(n_bins, zero)
    for first in range(0, frames.shape[0], FRAMES_AT_ONCE):
        last = min(first + FRAMES_AT_ONCE, frames.shape[0])
        for i in range(first, last):
            bad = _reduce_frame(
                frames[i], low, high, usable, center, spans, bands, bin_px, rows, bins, moments[i], fields[i]
            )
            _normalise(frames[i], low, high, usable, spans, numbers, bins, bad, scale, block[i - first])
        if n_features > 0:
            _project(block, weights, offset, features[first:last])


@compiled
def _reduce_frame(
    frame: Any, low: Any, high: Any, usable: Any, center: Any, spans: Any, bands: Any, bin_px: Any,
    rows: Any, bins: Any, moments: Any, fields: Any,
) -> Any:  # fmt: skip
    """Sums of one frame and of its bins; gives the number of usable pixels of the basis without data."""
    clean, column, band = rows[0], rows[1], rows[2]
    column[:] = 0
    total = 0.0
    moment_y = 0.0
    bright = 0.0
    dark = 0.0
    bad = 0
    k = 0
    for y in range(frame.shape[0]):
        _clean_row(frame[y], low, high, usable[y], clean)
        _add(column, clean, 0, frame.shape[1])
        row = float(_sum(clean, 0, frame.shape[1]))
        total += row
        moment_y += y * row
        bright += _sum(clean, spans[y, 0], spans[y, 1])
        dark += float(_sum(clean, spans[y, 2], spans[y, 3])) + float(_sum(clean, spans[y, 4], spans[y, 5]))
        if k < bands.shape[0] and bands[k, 0] <= y:
            if y == bands[k, 0]:
                band[:] = 0
            _add(band, clean, spans[y, 6], spans[y, 7])
            bad += _count_bad(frame[y], low, high, usable[y], spans[y, 6], spans[y, 7])
            if y == bands[k, 1] - 1:
                _fold(band, bands[k, 2], bands[k, 3], bin_px, bins[bands[k, 4] :])
                k += 1
    moment_x = 0.0
    for x in range(frame.shape[1]):
        moment_x += x * float(column[x])
    moments[0] = total
    moments[1] = moment_y / total - center[0] if total > 0 else np.nan
    moments[2] = moment_x / total - center[1] if total > 0 else np.nan
    fields[0] = bright
    fields[1] = dark
    return bad


@compiled
def _clean_row(row: Any, low: Any, high: Any, usable: Any, clean: Any) -> None:
    for x in range(row.size):
        value = row[x]
        clean[x] = value if (value <= high) & (value >= low) & usable[x] else 0


@compiled
def _add(target: Any, source: Any, begin: Any, end: Any) -> None:
    for x in range(begin, end):
        target[x] += source[x]


@compiled
def _sum(values: Any, begin: Any, end: Any) -> Any:
    total = values.dtype.type(0)
    for x in range(begin, end):
        total = values.dtype.type(total + values[x])
    return total


@compiled
def _count_bad(row: Any, low: Any, high: Any, usable: Any, begin: Any, end: Any) -> Any:
    bad = np.uint32(0)
    for x in range(begin, end):
        value = row[x]
        bad = np.uint32(bad + np.uint32(usable[x] & (not ((value <= high) & (value >= low)))))
    return bad


@compiled
def _fold(band: Any, begin: Any, count: Any, bin_px: Any, bins: Any) -> None:
    for j in range(count):
        total = band.dtype.type(0)
        for x in range(begin + j * bin_px, begin + (j + 1) * bin_px):
            total = band.dtype.type(total + band[x])
        bins[j] = total


@compiled
def _normalise(
    frame: Any, low: Any, high: Any, usable: Any, spans: Any, numbers: Any, bins: Any, bad: Any, scale: Any, out: Any
) -> None:
    """Bins over the disc's sum, times `scale`; NaN for an empty disc or one that is mostly without data."""
    total = 0.0
    for j in range(bins.size):
        total += bins[j]
    pixels = scale * scale
    if not total > 0 or 2 * bad > pixels:
        out[: bins.size] = np.nan
        return
    mean = total / (pixels - bad)
    factor = scale / (mean * pixels)
    for j in range(bins.size):
        out[j] = bins[j] * factor
    if bad > 0:
        _fill(frame, low, high, usable, spans, numbers, np.float32(mean * factor), out)


@compiled
def _fill(frame: Any, low: Any, high: Any, usable: Any, spans: Any, numbers: Any, value: Any, out: Any) -> None:
    """`value` for every usable pixel of the basis without data."""
    for y in range(frame.shape[0]):
        for x in range(spans[y, 6], spans[y, 7]):
            if usable[y, x] and not (frame[y, x] <= high and frame[y, x] >= low):
                out[numbers[y, x]] += value


@compiled
def _project(block: Any, weights: Any, offset: Any, features: Any) -> None:
    for i in range(features.shape[0]):
        for f in range(offset.size):
            features[i, f] = -offset[f]
        for j in range(weights.shape[0]):
            for f in range(offset.size):
                features[i, f] += block[i, j] * weights[j, f]
