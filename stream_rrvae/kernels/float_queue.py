"""Features of float32 frames: bins of several frames wait and are multiplied with the basis at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.compiled import compiled
from stream_rrvae.kernels.float_products import FLOAT_ROWS, multiply_float_rows
from stream_rrvae.kernels.layout import FLOAT_WEIGHTS, Layout


class FloatQueue(NamedTuple):
    """Rows that wait to be projected."""

    rows: NDArray[np.float32]  # [FLOAT_ROWS and one that a copy may reach into, padded bins]
    frames: NDArray[np.int64]  # [FLOAT_ROWS] frame of each row
    factors: NDArray[np.float64]  # [FLOAT_ROWS] what its products are multiplied with
    held: NDArray[np.int64]  # [1] rows now waiting
    products: NDArray[np.float32]  # [FLOAT_WEIGHTS, FLOAT_ROWS]


@compiled
def make_float_queue(layout: Layout) -> FloatQueue:
    """An empty queue for frames of `layout`."""
    return FloatQueue(
        np.zeros((FLOAT_ROWS + 1, layout.float_weights.shape[1]), np.float32),
        np.zeros(FLOAT_ROWS, np.int64),
        np.zeros(FLOAT_ROWS),
        np.zeros(1, np.int64),
        np.zeros((FLOAT_WEIGHTS, FLOAT_ROWS), np.float32),
    )


@compiled
def empty_row(queue: FloatQueue) -> NDArray[np.float32]:
    """Room for the bins of the next frame, which `keep_row` then keeps."""
    row: NDArray[np.float32] = queue.rows[queue.held[0]]
    row[:] = 0
    return row


@compiled
def keep_row(queue: FloatQueue, layout: Layout, factor: float, frame: int, features: Any) -> None:
    """Project the row, times `factor`, into features [B, n_features], at once or with later ones.

    See `finish_floats`.
    """
    held = queue.held[0]
    queue.frames[held], queue.factors[held] = frame, factor
    queue.held[0] = held + 1
    if held + 1 == FLOAT_ROWS:
        finish_floats(queue, layout, features)


@compiled
def finish_floats(queue: FloatQueue, layout: Layout, features: Any) -> None:
    """Project what waits."""
    held, stride = queue.held[0], 4 * queue.rows.shape[1]
    queue.held[0] = 0
    if held == 0:
        return
    offset, products, frames, factors = layout.offset, queue.products, queue.frames, queue.factors
    weights_at, rows_at, to = layout.float_weights.ctypes.data, queue.rows.ctypes.data, products.ctypes.data
    for f in range(0, offset.size, FLOAT_WEIGHTS):
        multiply_float_rows(weights_at + f * stride, rows_at, stride, to)
        for w in range(min(FLOAT_WEIGHTS, offset.size - f)):
            for i in range(held):
                features[frames[i], f + w] = np.float32(products[w, i] * factors[i] - offset[f + w])
