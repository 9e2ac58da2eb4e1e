"""One pass over a batch of frames: sum, centre of mass, virtual detectors and features of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.packed_loops import reduce_packed
from stream_rrvae.kernels.plan import FramePlan
from stream_rrvae.kernels.plane_frame import UNSUITED
from stream_rrvae.kernels.unpacking import PLAIN, Packed
from stream_rrvae.messages import Float32Array

ACCUMULATORS = {"uint8": np.uint32, "uint16": np.uint32, "uint32": np.uint64, "float32": np.float64}


@dataclass(frozen=True, slots=True)
class FrameResults:
    """What `reduce_frames` fills, one entry a frame.

    `com_y`, `com_x` in px from the plan's disc centre along +ky and +kx, over all usable pixels; NaN without
    counts. `features` as in `kernels.basis.Projection`; NaN when the disc is empty or mostly without data.
    """

    sum: NDArray[np.float64]  # [B] counts
    com_y: Float32Array  # [B]
    com_x: Float32Array  # [B]
    bright_field: Float32Array  # [B] counts within the disc
    annular_dark_field: Float32Array  # [B] counts in the annulus
    features: Float32Array  # [B, n_features]

    @classmethod
    def empty(cls, batch: int, n_features: int) -> Self:
        """Room for `batch` frames."""
        com_y, com_x, bright, dark = (np.empty(batch, np.float32) for _ in range(4))
        return cls(np.empty(batch), com_y, com_x, bright, dark, np.empty((batch, n_features), np.float32))

    def check_room(self, plan: FramePlan, count: int) -> None:
        """Raises ValueError unless `count` frames measured by `plan` fit: compiled code would write beyond."""
        if self.features.shape[0] < count or self.features.shape[1] != plan.n_features:
            raise ValueError(f"{count} x {plan.n_features} features do not fit {self.features.shape}")

    def take_moments(self, moments: NDArray[np.float64]) -> None:
        """The first entries from `moments` [count, 5] as the compiled loops leave them."""
        count = len(moments)
        with np.errstate(over="ignore"):
            self.sum[:count], self.com_y[:count], self.com_x[:count] = moments.T[:3]
            self.bright_field[:count], self.annular_dark_field[:count] = moments.T[3:]


def reduce_frames(frames: NDArray[Any], plan: FramePlan, results: FrameResults, count: int) -> None:
    """Measure the first `count` of `frames` [B, ky, kx] (one of PIXEL_TYPES, native) into `results`.

    A pixel that is not `plan.usable`, above the saturation, the integer type's maximum, NaN or infinite has no
    data and counts nowhere; inside the basis it is taken to be the mean of the disc's other pixels, which
    leaves the features of an evenly lit disc at 0. Holds no GIL.
    """
    if not 0 <= count <= min(len(frames), results.sum.size) or frames.shape[1:] != plan.frame_shape:
        raise ValueError(f"{count} frames of {plan.frame_shape} cannot be taken from an array of {frames.shape}")
    results.check_room(plan, count)
    batch = np.require(frames[:count], requirements=["C", "A"])
    moments, outcome = np.empty((count, 5)), np.full(count, UNSUITED, np.uint8)
    frame_bytes = plan.frame_shape[0] * plan.frame_shape[1] * batch.itemsize
    sources = np.empty((count, 2), np.int64)
    sources[:, 0] = batch.ctypes.data + frame_bytes * np.arange(count)
    sources[:, 1] = frame_bytes
    like = np.empty(plan.frame_shape, batch.dtype)
    reduce_packed(
        sources, Packed(PLAIN, frame_bytes, batch.itemsize, 0, 0, 0), like,
        bounds(batch.dtype, plan.saturation), plan.layout, moments, results.features[:count], outcome,
    )  # fmt: skip
    results.take_moments(moments)


def valid_range(dtype: np.dtype[Any], saturation: float | None) -> tuple[Any, Any]:
    """Smallest and largest valid value, in the pixel type: an integer type's maximum means no data."""
    limit = np.inf if saturation is None else saturation
    if dtype.kind == "f":
        ceiling = float(np.finfo(dtype).max)
        return dtype.type(-ceiling), dtype.type(min(limit, ceiling))
    ceiling = int(np.iinfo(dtype).max) - 1
    return dtype.type(0), dtype.type(min(limit, ceiling))


def bounds(dtype: np.dtype[Any], saturation: float | None) -> tuple[Any, Any, Any]:
    """The valid range, and 0 in the type that pixels are summed in."""
    return *valid_range(dtype, saturation), ACCUMULATORS[dtype.name](0)


def despite_full_disk(work: Callable[[], object]) -> None:
    """Do `work` again when Numba cannot keep its code: the compiled code is there all the same."""
    try:
        work()
    except OSError:
        work()
