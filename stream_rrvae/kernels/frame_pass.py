"""One pass over a batch of frames: sum, centre of mass, virtual detectors and features of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.flat_field import even_out, in_parts
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
    detectors: Float32Array  # [B, n_detectors] counts in each of the plan's virtual detectors

    @classmethod
    def empty(cls, batch: int, n_features: int, n_detectors: int = 0) -> Self:
        """Room for `batch` frames."""
        com_y, com_x, bright, dark = (np.empty(batch, np.float32) for _ in range(4))
        features, detectors = (np.empty((batch, n), np.float32) for n in (n_features, n_detectors))
        return cls(np.empty(batch), com_y, com_x, bright, dark, features, detectors)

    def check_room(self, plan: FramePlan, count: int) -> None:
        """Raises ValueError unless `count` frames measured by `plan` fit: compiled code would write beyond."""
        if self.features.shape[0] < count or self.features.shape[1] != plan.n_features:
            raise ValueError(f"{count} x {plan.n_features} features do not fit {self.features.shape}")
        if self.detectors.shape[0] < count or self.detectors.shape[1] != plan.detectors.count:
            raise ValueError(f"{count} x {plan.detectors.count} detectors do not fit {self.detectors.shape}")

    def rows(self, part: slice) -> Self:
        """The same frames' entries, as views."""
        return type(self)(*(getattr(self, name)[part] for name in self.__dataclass_fields__))

    def take_moments(self, moments: NDArray[np.float64], detected: NDArray[np.float64]) -> None:
        """The first entries from `moments` [count, 5] and `detected` [count, K] as the compiled loops leave them."""
        count = len(moments)
        with np.errstate(over="ignore"):
            self.sum[:count], self.com_y[:count], self.com_x[:count] = moments.T[:3]
            self.bright_field[:count], self.annular_dark_field[:count] = moments.T[3:]
            self.detectors[:count] = detected


def reduce_frames(frames: NDArray[Any], plan: FramePlan, results: FrameResults, count: int) -> None:
    """Measure the first `count` of `frames` [B, ky, kx] (one of PIXEL_TYPES, native) into `results`.

    A pixel that is not `plan.usable`, above the saturation, the integer type's maximum, NaN or infinite has no
    data and counts nowhere; inside the basis it is taken to be the mean of the disc's other pixels, which
    leaves the features of an evenly lit disc at 0. Holds no GIL.
    """
    if not 0 <= count <= min(len(frames), results.sum.size) or frames.shape[1:] != plan.frame_shape:
        raise ValueError(f"{count} frames of {plan.frame_shape} cannot be taken from an array of {frames.shape}")
    results.check_room(plan, count)
    detected, moments = np.zeros((count, plan.detectors.count)), np.empty((count, 5))
    if plan.gain is None:
        _reduce(frames[:count], plan, plan.saturation, moments, results.features[:count], detected)
    else:
        _reduce_evened(frames[:count], plan, plan.gain, moments, results.features[:count], detected)
    results.take_moments(moments, detected)


def _reduce_evened(
    frames: NDArray[Any], plan: FramePlan, gain: Float32Array, moments: NDArray[np.float64], features: Float32Array,
    detected: NDArray[np.float64],
) -> None:  # fmt: skip
    low, high = valid_range(frames.dtype, plan.saturation)

    def measure(part: slice, room: Float32Array) -> None:
        for frame, out in zip(frames[part], room, strict=True):
            even_out(frame, low, high, gain, out)
        _reduce(room, plan, None, moments[part], features[part], detected[part])

    in_parts(len(frames), plan.frame_shape, measure)


def _reduce(
    frames: NDArray[Any], plan: FramePlan, saturation: float | None, moments: NDArray[np.float64],
    features: Float32Array, detected: NDArray[np.float64],
) -> None:  # fmt: skip
    count, batch = len(frames), np.require(frames, requirements=["C", "A"])
    outcome, sources = np.full(count, UNSUITED, np.uint8), np.empty((count, 2), np.int64)
    frame_bytes = plan.frame_shape[0] * plan.frame_shape[1] * batch.itemsize
    sources[:, 0] = batch.ctypes.data + frame_bytes * np.arange(count)
    sources[:, 1] = frame_bytes
    like = np.empty(plan.frame_shape, batch.dtype)
    reduce_packed(
        sources, Packed(PLAIN, frame_bytes, batch.itemsize, 0, 0, 0), like, bounds(batch.dtype, saturation),
        plan.layout, plan.detectors.runs, moments, features, detected, outcome,
    )  # fmt: skip


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
