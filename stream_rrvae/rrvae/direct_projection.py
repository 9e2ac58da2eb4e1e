"""Raw frames straight into the few numbers that a model sees of them: one product of matrices, and one division.

Features are sqrt(p) W'x / total - offset over the p usable pixels of the disc (`kernels.basis.Projection`), total the
counts in them; prepared ones are these less their mean, scaled. Since the pixels' shares of the total sum up to 1, all
of it is linear in x / total, the model's axes as well: multiplied out beforehand, a frame costs p x (k + 1)
multiply-adds. It is for who wants only what a model says: centre of mass, detectors and the features that a store
keeps are the frame pass's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.errors import CalibrationError
from stream_rrvae.kernels.frame_pass import FrameResults, reduce_frames, valid_range
from stream_rrvae.kernels.plan import FramePlan
from stream_rrvae.messages import PIXEL_TYPES, BoolArray, Float32Array
from stream_rrvae.rrvae.preparation import Centring

CHUNK_BYTES = 1 << 19  # of pixels taken to float32 at once: they stay in cache


class DirectProjection:
    """For frames that `plan` measures, of a scan prepared by `centring`, along `axes` [n_features, k]."""

    def __init__(self, plan: FramePlan, centring: Centring, axes: Float32Array) -> None:
        basis = plan.projection
        if basis is None:
            raise CalibrationError("a plan without a basis has no features to project onto")
        self._plan, self._centring, self._axes = plan, centring, axes
        self._pixels = basis.pixels
        self._span = slice(int(basis.pixels[0]), int(basis.pixels[-1]) + 1)  # row-major: no copy of whole frames
        level = (basis.offset.astype(np.float64) + centring.mean) / basis.scale
        weights = centring.scale * basis.scale * ((basis.weights - level) @ axes.astype(np.float64))
        self._matrix = np.zeros((self._span.stop - self._span.start, axes.shape[1] + 1), np.float32)
        self._matrix[basis.pixels - self._span.start, :-1] = weights
        self._matrix[basis.pixels - self._span.start, -1] = 1.0

    def of(self, frames: NDArray[Any]) -> Float32Array:
        """Coordinates [n, k] of `frames` [n, ky, kx], one of PIXEL_TYPES; NaN for a frame that has no features.

        Frames with pixels that have no data are measured by the frame pass. Raises ValueError for others' frames.
        """
        if frames.shape[1:] != self._plan.frame_shape or frames.dtype.name not in PIXEL_TYPES:
            raise ValueError(f"frames of {frames.dtype} {frames.shape[1:]} are not those of the plan")
        flat = np.ascontiguousarray(frames).reshape(len(frames), self._plan.usable.size)
        products = self._products(flat)
        unusual = ~((products[:, -1] > 0) & (products[:, -1] < np.inf)) | self._beyond_range(flat)
        with np.errstate(divide="ignore", invalid="ignore"):
            seen: Float32Array = products[:, :-1] / products[:, -1:]
        if unusual.any():
            seen[unusual] = self._measured(frames[unusual])
        return seen

    def _products(self, flat: NDArray[Any]) -> Float32Array:
        products = np.empty((len(flat), self._matrix.shape[1]), np.float32)
        step = max(1, CHUNK_BYTES // (4 * len(self._matrix)))
        with np.errstate(invalid="ignore", over="ignore"):  # NaN and infinities are looked for in the totals
            for begin in range(0, len(flat), step):
                part = flat[begin : begin + step, self._span].astype(np.float32, copy=False)
                np.matmul(part, self._matrix, out=products[begin : begin + step])
        return products

    def _beyond_range(self, flat: NDArray[Any]) -> BoolArray:
        """Which frames [n] have usable pixels of the disc above the largest value that is data."""
        if flat.dtype.kind == "f" and self._plan.saturation is None:
            return np.zeros(len(flat), np.bool_)
        _, largest = valid_range(flat.dtype, self._plan.saturation)
        suspects = np.flatnonzero(flat[:, self._span].max(axis=1) > largest)
        beyond = np.zeros(len(flat), np.bool_)
        beyond[suspects] = [(flat[row, self._pixels] > largest).any() for row in suspects]
        return beyond

    def _measured(self, frames: NDArray[Any]) -> Float32Array:
        results = FrameResults.empty(len(frames), self._plan.n_features)
        reduce_frames(frames, self._plan, results, len(frames))
        return np.asarray(self._centring.applied(results.features) @ self._axes, np.float32)
