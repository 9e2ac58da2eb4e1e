"""One frame, measured: moments and features, for every pixel type.

Whole-number pixels are summed exactly, float32 in float64. FLOAT frames have no other path than this.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from stream_rrvae.kernels.compiled import FAST_MATH
from stream_rrvae.kernels.exact_sums import WITHOUT_DATA, write_moments
from stream_rrvae.kernels.float_sums import measure_float
from stream_rrvae.kernels.frame_sums import Scalar, SumBuffers, sum_frame
from stream_rrvae.kernels.plan import Layout
from stream_rrvae.kernels.projection import Queue, queue_frame

Bounds = tuple[Scalar, Scalar, Scalar]  # smallest and largest valid value in the pixel type, 0 in the accumulators'


def measure(
    frame: NDArray[Any], bounds: Bounds, layout: Layout, buffers: SumBuffers, queue: Queue, i: int,
    moments: Any, features: Any,
) -> None:  # fmt: skip
    """Measure a frame [ky, kx] as number `i` of `moments` f8 [B, 5] and `features` f4 [B, n_features].

    Features may wait in the queue for others. For compiled code only.
    """
    raise NotImplementedError


def _measure_whole_numbers(
    frame: NDArray[Any], bounds: Bounds, layout: Layout, buffers: SumBuffers, queue: Queue, i: int,
    moments: Any, features: Any,
) -> None:  # fmt: skip
    sum_frame(frame, bounds[1], layout, buffers)
    write_moments(buffers.sums, layout, moments[i])
    if layout.steps.size > 0:
        queue_frame(queue, layout, buffers.bins, buffers.missing, buffers.sums[WITHOUT_DATA], i, features)


def _measure_float(
    frame: NDArray[Any], bounds: Bounds, layout: Layout, buffers: SumBuffers, _queue: Queue, i: int,
    moments: Any, features: Any,
) -> None:  # fmt: skip
    measure_float(frame, bounds[0], bounds[1], layout, buffers.lines, moments[i], features[i])


@overload(measure, jit_options={"nogil": True, "fastmath": FAST_MATH}, strict=False)
def _chosen(frame: Any, *_others: Any) -> Any:
    return _measure_float if isinstance(frame.dtype, types.Float) else _measure_whole_numbers
