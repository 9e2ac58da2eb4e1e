"""One frame, measured: moments and features, for every pixel type.

Whole-number pixels are summed exactly, float32 in float64. FLOAT frames have no other path than this.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from stream_rrvae.kernels.binning import Bins, bin_pixels, fit_narrow, make_bins
from stream_rrvae.kernels.byte_bins import MOST_BEHIND, WIDEST_PX
from stream_rrvae.kernels.compiled import INLINED, compiled
from stream_rrvae.kernels.exact_sums import TOP, WITHOUT_DATA, write_moments
from stream_rrvae.kernels.float_queue import FloatQueue, make_float_queue
from stream_rrvae.kernels.float_rows import FloatRow, make_float_row
from stream_rrvae.kernels.float_sums import measure_float
from stream_rrvae.kernels.frame_sums import Scalar, SumBuffers, make_sum_buffers, sum_frame
from stream_rrvae.kernels.layout import WORD_PX, Layout
from stream_rrvae.kernels.low_bytes import WIDEST_BIN_PX, fold_low_bytes, keep_low_bytes
from stream_rrvae.kernels.projection import Queue, fit_bytes, queue_frame, queue_low_bytes


class Room(NamedTuple):
    """What measuring a frame needs beside it."""

    clean: NDArray[Any]  # [ky, kx] of the pixel type
    buffers: SumBuffers
    bins: Bins
    low_bytes: NDArray[np.uint8]  # of the pixels of the basis
    float_row: FloatRow
    floats: FloatQueue


@compiled
def make_room(layout: Layout, pixel: Scalar, zero: Scalar) -> Room:
    """Room for frames of the type of `pixel`; `zero` has the accumulators' type."""
    behind = WIDEST_PX * layout.zones.shape[1] + MOST_BEHIND
    low_bytes = np.zeros(layout.basis_words.size * WORD_PX + behind, np.uint8)
    clean, sums = np.full(layout.zones.shape, pixel), make_sum_buffers(layout, zero)
    return Room(clean, sums, make_bins(layout), low_bytes, make_float_row(layout), make_float_queue(layout))


Bounds = tuple[Scalar, Scalar, Scalar]  # smallest and largest valid value in the pixel type, 0 in the accumulators'


def measure(
    frame: NDArray[Any], bounds: Bounds, layout: Layout, room: Room, queue: Queue, i: int,
    moments: Any, features: Any,
) -> None:  # fmt: skip
    """Measure a frame [ky, kx] as number `i` of `moments` f8 [B, 5] and `features` f4 [B, n_features].

    Features may wait in the queue for others. For compiled code only.
    """
    raise NotImplementedError


def _measure_whole_numbers(
    frame: NDArray[Any], bounds: Bounds, layout: Layout, room: Room, queue: Queue, i: int,
    moments: Any, features: Any,
) -> None:  # fmt: skip
    sums, missing = room.buffers.sums, room.buffers.missing
    pixels = room.clean if sum_frame(frame, room.clean, bounds[1], layout, room.buffers) else frame
    write_moments(sums, layout, moments[i])
    if layout.steps.size == 0:
        return
    if sums[TOP] <= 255 and pixels.itemsize <= 2 and layout.bin_px <= WIDEST_BIN_PX:
        keep_low_bytes(pixels, layout, room.low_bytes)
        if fit_bytes(queue, layout, sums[TOP], sums[WITHOUT_DATA]):
            queue_low_bytes(queue, layout, room.low_bytes.ctypes.data, i, features)
            return
        fold_low_bytes(room.low_bytes.ctypes.data, frame.shape[1], layout, room.buffers.narrow[0], room.bins.narrow)
        queue_frame(queue, layout, room.bins.narrow, missing, sums[WITHOUT_DATA], i, features)
    elif fit_narrow(sums[TOP], layout.bin_px):
        bin_pixels(pixels, layout, room.buffers.narrow[0], room.bins.narrow)
        queue_frame(queue, layout, room.bins.narrow, missing, sums[WITHOUT_DATA], i, features)
    else:
        bin_pixels(pixels, layout, room.buffers.wide[0], room.bins.wide)
        queue_frame(queue, layout, room.bins.wide, missing, sums[WITHOUT_DATA], i, features)


def _measure_float(
    frame: NDArray[Any], bounds: Bounds, layout: Layout, room: Room, _queue: Queue, i: int,
    moments: Any, features: Any,
) -> None:  # fmt: skip
    measure_float(frame, bounds[0], bounds[1], layout, room.float_row, room.floats, i, moments[i], features)


@overload(measure, jit_options=INLINED, strict=False)
def _chosen(frame: Any, *_others: Any) -> Any:
    return _measure_float if isinstance(frame.dtype, types.Float) else _measure_whole_numbers
