"""Features from whole-number bins: rows of bytes of several frames are multiplied with the basis at once.

Bins of more than eight bits are rows of their lower and higher bytes, and pixels without data a row of their own, so
that every product is exact.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.byte_products import LONGEST_BYTES, ROWS, WEIGHTS, multiply_rows
from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.layout import Layout

MOST_WITHOUT_DATA = 0.5  # of the basis' pixels; beyond it a frame has no features
FEW_BINS = 1 << 15  # of 16 bits, which then have a 32-bit sum


class Queue(NamedTuple):
    """Rows that wait to be projected."""

    rows: NDArray[np.uint8]  # [ROWS, padded bins]
    frames: NDArray[np.int64]  # [ROWS] frame of each row
    factors: NDArray[np.float64]  # [ROWS] what its products are multiplied with
    held: NDArray[np.int64]  # [1] rows now waiting
    products: NDArray[np.int32]  # [WEIGHTS, ROWS]
    sums: NDArray[np.int64]  # [WEIGHTS, ROWS]


@compiled
def make_queue(layout: Layout) -> Queue:
    """An empty queue for frames of `layout`."""
    return Queue(
        np.zeros((ROWS, layout.byte_weights.shape[1]), np.uint8),
        np.zeros(ROWS, np.int64),
        np.zeros(ROWS),
        np.zeros(1, np.int64),
        np.zeros((WEIGHTS, ROWS), np.int32),
        np.zeros((WEIGHTS, ROWS), np.int64),
    )


@compiled
def queue_frame(
    queue: Queue, layout: Layout, bins: NDArray[Any], missing: NDArray[np.int64], without_data: int,
    frame: int, features: Any,
) -> None:  # fmt: skip
    """Project the `bins` (uint16 or int64) of a frame, at once or with later ones, into features [B, n_features].

    features = sum over bins of (scale * bin / total) * weight - offset. A pixel of the basis without data, `missing` in
    each bin, is taken for an average one. NaN for an empty disc or one mostly without data. See `finish`.
    """
    total, top = _total_and_top(bins)
    if not (total > 0 and without_data <= MOST_WITHOUT_DATA * layout.pixels):
        features[frame] = np.nan
        return
    row, offset = features[frame], layout.offset
    for f in range(offset.size):
        row[f] = -offset[f]
    share = np.sqrt(layout.pixels) / layout.pixels  # of an average pixel: scale / pixels
    _queue_bytes(queue, layout, bins, top, frame, share * (layout.pixels - without_data) / total, features)
    if without_data > 0:
        _queue_bytes(queue, layout, missing, without_data, frame, share, features)


@compiled
def _total_and_top(bins: NDArray[Any]) -> tuple[Any, Any]:
    """Sum of the bins, and a number with all bits that any of them has."""
    total = np.int64(0)
    kind = bins.dtype.type
    top = kind(0)
    for begin in range(0, bins.size, FEW_BINS):
        part = bins[begin : begin + FEW_BINS]
        if bins.itemsize == 2:
            narrow = np.uint32(0)
            for j in range(part.size):
                narrow = np.uint32(narrow + np.uint32(part[j]))
            total += np.int64(narrow)
        else:
            for j in range(part.size):
                total += np.int64(part[j])
    for j in range(bins.size):
        top = kind(top | bins[j])
    return total, np.int64(top)


@compiled
def _queue_bytes(
    queue: Queue, layout: Layout, values: NDArray[Any], top: int, frame: int, factor: float, features: Any
) -> None:
    kind = values.dtype.type
    shift = 0
    while top >> shift != 0:
        if (top >> shift) & 0xFF != 0:
            if queue.held[0] == ROWS:
                finish(queue, layout, features)
            held = queue.held[0]
            row = queue.rows[held]
            for j in range(values.size):
                row[j] = np.uint8(kind(values[j] >> kind(shift)))
            queue.frames[held], queue.factors[held] = frame, factor * float(1 << shift)
            queue.held[0] += 1
        shift += 8


@compiled
def finish(queue: Queue, layout: Layout, features: Any) -> None:
    """Project what waits."""
    held, length = queue.held[0], queue.rows.shape[1]
    queue.held[0] = 0
    if held == 0:
        return
    sums, frames, factors, steps = queue.sums, queue.frames, queue.factors, layout.steps
    for f in range(0, steps.size, WEIGHTS):
        _multiply(queue, layout.byte_weights.ctypes.data + f * length, length)
        for w in range(min(WEIGHTS, steps.size - f)):
            for i in range(held):
                value = sums[w, i] * factors[i] * steps[f + w]
                features[frames[i], f + w] = np.float32(features[frames[i], f + w] + value)


@compiled
def _multiply(queue: Queue, weights: int, length: int) -> None:
    """queue.sums: all rows times WEIGHTS rows of weights."""
    rows, products, sums = queue.rows.ctypes.data, queue.products, queue.sums
    sums[:] = 0
    for begin in range(0, length, LONGEST_BYTES):
        count = min(LONGEST_BYTES, length - begin)
        multiply_rows(weights + begin, rows + begin, length, count, products.ctypes.data)
        for w in range(WEIGHTS):
            for i in range(ROWS):
                sums[w, i] += products[w, i]
