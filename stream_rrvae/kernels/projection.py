"""Features from whole-number bins: rows of bytes of several frames are multiplied with the basis at once.

Bins of more than eight bits are rows of their lower and higher bytes, and pixels without data a row of their own, so
that every product is exact.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.byte_bins import LARGEST_BIN, bins_are_whole, fold_to_bytes
from stream_rrvae.kernels.byte_products import LONGEST_BYTES, ROWS, WEIGHTS, multiply_rows
from stream_rrvae.kernels.compiled import compiled, in_order, inlined
from stream_rrvae.kernels.layout import Layout
from stream_rrvae.kernels.memory import ints_at

MOST_WITHOUT_DATA = 0.5  # of the basis' pixels; beyond it a frame has no features
FEW_BINS = 1 << 15  # of 16 bits, which then have a 32-bit sum


class Queue(NamedTuple):
    """Rows that wait to be projected."""

    rows: NDArray[np.uint8]  # [ROWS + 1, padded bins]: whole vectors are written, beyond the end of a row
    frames: NDArray[np.int64]  # [ROWS] frame of each row
    factors: NDArray[np.float64]  # [ROWS] what its products are multiplied with
    held: NDArray[np.int64]  # [1] rows now waiting
    products: NDArray[np.int32]  # [WEIGHTS * ROWS]
    sums: NDArray[np.int64]  # [n_features to whole WEIGHTS, ROWS]
    takes_bytes: bool  # whether `queue_low_bytes` can be used


@compiled
def make_queue(layout: Layout) -> Queue:
    """An empty queue for frames of `layout`."""
    return Queue(
        np.zeros((ROWS + 1, layout.byte_weights.shape[1]), np.uint8),
        np.zeros(ROWS, np.int64),
        np.zeros(ROWS),
        np.zeros(1, np.int64),
        np.zeros(WEIGHTS * ROWS, np.int32),
        np.zeros((layout.byte_weights.shape[0], ROWS), np.int64),
        bins_are_whole(layout),
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
    begin_row(layout, features[frame])
    _queue_bytes(queue, layout, bins, top, frame, factor_of(layout, without_data, total), features)
    if without_data > 0:
        _queue_bytes(queue, layout, missing, without_data, frame, _share(layout), features)


@compiled
def fit_bytes(queue: Queue, layout: Layout, top: int, without_data: int) -> bool:
    """Whether `queue_low_bytes` can take a frame whose pixels are at most `top`."""
    return queue.takes_bytes and without_data == 0 and top * layout.bin_px * layout.bin_px <= LARGEST_BIN


@inlined
def queue_low_bytes(queue: Queue, layout: Layout, pixels: int, frame: int, features: Any) -> None:
    """The same for a frame that has data everywhere, from its pixels (address of bytes, 0 outside the basis)."""
    if queue.held[0] == ROWS:
        finish(queue, layout, features)
    held = queue.held[0]
    row = queue.rows[held]
    fold_to_bytes(pixels, layout, row.ctypes.data)
    total = _total_bytes(row, layout.weights.shape[1])
    if total == 0:
        features[frame] = np.nan
        return
    begin_row(layout, features[frame])
    queue.frames[held], queue.factors[held] = frame, factor_of(layout, 0, total)
    queue.held[0] += 1


@compiled
def _total_bytes(row: NDArray[np.uint8], count: int) -> np.int64:
    total = np.uint32(0)
    for j in range(count):
        total = np.uint32(total + np.uint32(row[j]))
    return np.int64(total)


@inlined
def begin_row(layout: Layout, row: NDArray[np.float32]) -> None:
    """What products are added to: the features of no modulation."""
    for f in range(row.size):
        row[f] = -layout.offset[f]


@in_order
def _share(layout: Layout) -> Any:
    """Of an average pixel: scale / pixels."""
    return np.sqrt(layout.pixels) / layout.pixels


@in_order
def factor_of(layout: Layout, without_data: int, total: Any) -> Any:
    """What sums of a frame with `total` counts are multiplied with."""
    return _share(layout) * (layout.pixels - without_data) / total


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
    for f in range(0, layout.steps.size, WEIGHTS):
        _multiply(queue, layout.byte_weights.ctypes.data + f * length, length, queue.sums.ctypes.data + 8 * f * ROWS)
    for i in range(held):
        row, factor = features[queue.frames[i]], queue.factors[i]
        for f in range(row.size):
            row[f] = add_product(row[f], queue.sums[f, i], factor, layout.steps[f])


@in_order
def add_product(so_far: float, product: Any, factor: float, step: float) -> np.float32:
    """A feature with a product of bins and weights: to be added in this way wherever it was made."""
    return np.float32(so_far + product * factor * step)


@compiled
def _multiply(queue: Queue, weights: int, length: int, to: int) -> None:
    """To the sums at `to`: all rows times WEIGHTS rows of weights."""
    rows, products = queue.rows.ctypes.data, queue.products
    sums = ints_at(to, WEIGHTS * ROWS)
    sums[:] = 0
    for begin in range(0, length, LONGEST_BYTES):
        count = min(LONGEST_BYTES, length - begin)
        multiply_rows(weights + begin, rows + begin, length, count, products.ctypes.data)
        for j in range(WEIGHTS * ROWS):
            sums[j] += products[j]
