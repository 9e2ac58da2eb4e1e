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
from stream_rrvae.kernels.plan import Layout

MOST_WITHOUT_DATA = 0.5  # of the basis' pixels; beyond it a frame has no features


class Queue(NamedTuple):
    """Rows that wait to be projected."""

    rows: NDArray[np.uint8]  # [ROWS, padded bins]
    frames: NDArray[np.int64]  # [ROWS] frame of each row
    factors: NDArray[np.float64]  # [ROWS] what its products are multiplied with
    held: NDArray[np.int64]  # [1] rows now waiting
    products: NDArray[np.int32]  # [WEIGHTS, ROWS]


@compiled
def make_queue(layout: Layout) -> Queue:
    """An empty queue for frames of `layout`."""
    return Queue(
        np.zeros((ROWS, layout.byte_weights.shape[1]), np.uint8),
        np.zeros(ROWS, np.int64),
        np.zeros(ROWS),
        np.zeros(1, np.int64),
        np.zeros((WEIGHTS, ROWS), np.int32),
    )


@compiled
def queue_frame(
    queue: Queue,
    layout: Layout,
    bins: NDArray[Any],
    missing: NDArray[Any],
    without_data: int,
    frame: int,
    features: Any,
) -> None:
    """Project the `bins` of a frame, at once or with later ones, into features [B, n_features]; see `finish`.

    features = sum over bins of (scale * bin / total) * weight - offset. A pixel of the basis without data, `missing` in
    each bin, is taken for an average one. NaN for an empty disc or one mostly without data.
    """
    total = top = 0
    for j in range(bins.size):
        total += bins[j]
        top |= bins[j]
    if not (total > 0 and without_data <= MOST_WITHOUT_DATA * layout.pixels):
        features[frame] = np.nan
        return
    features[frame] = -layout.offset
    share = np.sqrt(layout.pixels) / layout.pixels  # of an average pixel: scale / pixels
    _queue_bytes(queue, layout, bins, top, frame, share * (layout.pixels - without_data) / total, features)
    if without_data > 0:
        _queue_bytes(queue, layout, missing, without_data, frame, share, features)


@compiled
def _queue_bytes(
    queue: Queue, layout: Layout, values: NDArray[np.int64], top: int, frame: int, factor: float, features: Any
) -> None:
    shift = 0
    while top >> shift != 0:
        if queue.held[0] == ROWS:
            finish(queue, layout, features)
        held = queue.held[0]
        row = queue.rows[held]
        if (top >> shift) & 0xFF != 0:
            for j in range(values.size):
                row[j] = np.uint8(values[j] >> shift)
            queue.frames[held], queue.factors[held] = frame, factor * float(1 << shift)
            queue.held[0] += 1
        shift += 8


@compiled
def finish(queue: Queue, layout: Layout, features: Any) -> None:
    """Project what waits."""
    held = queue.held[0]
    length = queue.rows.shape[1]
    for f in range(0, layout.steps.size, WEIGHTS):
        products = np.zeros((WEIGHTS, ROWS))
        for begin in range(0, length, LONGEST_BYTES):
            multiply_rows(
                layout.byte_weights.ctypes.data + f * length + begin,
                queue.rows.ctypes.data + begin,
                length,
                min(LONGEST_BYTES, length - begin),
                queue.products.ctypes.data,
            )
            products += queue.products
        for w in range(min(WEIGHTS, layout.steps.size - f)):
            for i in range(held):
                value = products[w, i] * queue.factors[i] * layout.steps[f + w]
                features[queue.frames[i], f + w] = np.float32(features[queue.frames[i], f + w] + value)
    queue.held[0] = 0
