"""Frames as they came over the wire, measured: one call without the GIL for a batch of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.bit_planes import SPREAD_MARGIN
from stream_rrvae.kernels.flat_field import even_out, in_parts
from stream_rrvae.kernels.frame_pass import FrameResults, bounds, reduce_frames
from stream_rrvae.kernels.lz4_block import MARGIN
from stream_rrvae.kernels.lz4_zero_runs import most_runs
from stream_rrvae.kernels.packed_loops import reduce_packed, reduce_planes, unpack_one
from stream_rrvae.kernels.path_choice import PathChoice
from stream_rrvae.kernels.plan import FramePlan
from stream_rrvae.kernels.plane_frame import UNSUITED
from stream_rrvae.kernels.plane_tables import PlaneMemory, can_measure_planes
from stream_rrvae.kernels.unpacking import BSLZ4, DECODE, LZ4, MAX_BSLZ4_BLOCK_BYTES, MEASURED, PLAIN, SIZE, Packed
from stream_rrvae.messages import Encoding, Float32Array

__all__ = ["DECODE", "MEASURED", "SIZE", "PackedPass", "Path"]

Path = Literal["planes", "plain"]
PACKINGS = {Encoding.NONE: PLAIN, Encoding.LZ4: LZ4, Encoding.BSLZ4: BSLZ4}
BUFFER_MARGIN = MARGIN + SPREAD_MARGIN


class PackedPass:
    """Measures packed frames of one series; owns its buffers, so each thread needs one of its own.

    `path`: how bslz4 frames of whole numbers are measured, as pixels or as bit planes; None = by trying both on some
    frames of the series. The results are the same to the last bit.
    """

    def __init__(self, plan: FramePlan, pixel_type: str, encoding: Encoding, path: Path | None = None) -> None:
        dtype = np.dtype(pixel_type)
        frame_bytes = plan.frame_shape[0] * plan.frame_shape[1] * dtype.itemsize
        block_bytes = min(frame_bytes, MAX_BSLZ4_BLOCK_BYTES)
        self._plan = plan
        self._evened = replace(plan, gain=None, saturation=None)
        self._buffer = np.zeros(frame_bytes + BUFFER_MARGIN, np.uint8)
        self._block = np.zeros(MARGIN + block_bytes + BUFFER_MARGIN, np.uint8)
        self._image: NDArray[Any] = self._buffer[:frame_bytes].view(dtype).reshape(plan.frame_shape)
        self._bounds = bounds(dtype, plan.saturation)
        self._runs = np.zeros((most_runs(block_bytes), 2), np.int64)
        self._packed = Packed(
            PACKINGS[encoding],
            frame_bytes,
            dtype.itemsize,
            self._buffer.ctypes.data,
            self._block.ctypes.data + MARGIN,
            self._runs.ctypes.data,
        )
        suited = encoding is Encoding.BSLZ4 and can_measure_planes(plan, pixel_type) and plan.gain is None
        if suited and path != "plain":
            self._planes = PlaneMemory(plan, dtype.itemsize, int(self._bounds[1]), block_bytes)
        self._path = path if suited else "plain"
        self._choice = PathChoice()

    def reduce(
        self,
        addresses: NDArray[np.uint64],
        sizes: NDArray[np.int64],
        results: FrameResults,
        outcome: NDArray[np.uint8],
        count: int,
    ) -> None:
        """Measure the first `count` payloads (`addresses`, `sizes` in bytes) into `results`.

        `outcome` says MEASURED, or why a frame is not: SIZE, its sizes do not fit; DECODE, it is damaged. The row of
        such a frame is undefined. Nothing outside the payloads is read. Raises ValueError when an array is too short.
        """
        if not 0 <= count <= min(addresses.size, sizes.size, outcome.size, results.sum.size):
            raise ValueError(f"{count} frames do not fit the arrays that are to hold them")
        results.check_room(self._plan, count)
        sources = np.stack([addresses[:count].astype(np.int64), sizes[:count]], axis=1)
        moments = np.zeros((count, 5))
        detected = np.zeros((count, self._plan.detectors.count))
        if self._plan.gain is None:
            self._measure(sources, moments, results.features[:count], detected, outcome[:count])
        else:
            self._measure_evened(sources, self._plan.gain, results, outcome)
            return
        results.take_moments(moments, detected)

    def _measure_evened(
        self, sources: NDArray[np.int64], gain: Float32Array, results: FrameResults, outcome: NDArray[np.uint8]
    ) -> None:
        """The same of frames that a flat field evens out, one unpacked after the other."""
        low, high, _zero = self._bounds

        def measure(part: slice, room: Float32Array) -> None:
            for at, out in zip(range(part.start, part.stop), room, strict=True):
                outcome[at] = unpack_one(self._packed, sources[at, 0], sources[at, 1])
                if outcome[at] == MEASURED:
                    even_out(self._image, low, high, gain, out)
            reduce_frames(room, self._evened, results.rows(part), len(room))

        in_parts(len(sources), self._plan.frame_shape, measure)

    def _measure(
        self,
        sources: NDArray[np.int64],
        moments: NDArray[np.float64],
        features: NDArray[np.float32],
        detected: NDArray[np.float64],
        outcome: NDArray[np.uint8],
    ) -> None:
        def plain(part: slice) -> None:
            outcome[part] = UNSUITED
            reduce_packed(
                sources[part], self._packed, self._image, self._bounds, self._plan.layout,
                self._plan.detectors.runs, moments[part], features[part], detected[part], outcome[part],
            )  # fmt: skip

        def planes(part: slice) -> None:
            reduce_planes(
                sources[part], self._packed, self._planes.tables, self._plan.layout,
                moments[part], features[part], detected[part], outcome[part],
            )  # fmt: skip
            if (outcome[part] == UNSUITED).any():
                plain(part)

        if self._path is None:
            self._choice.run((plain, planes), len(sources))
        else:
            (planes if self._path == "planes" else plain)(slice(0, len(sources)))

    def unpack(self, address: int, size: int, out: NDArray[Any]) -> None:
        """One frame as pixels, to `out` [ky, kx]. Raises ValueError when it is damaged or `out` does not fit it."""
        if out.shape != self._image.shape or out.dtype != self._image.dtype:
            raise ValueError(f"`out` is {out.dtype} {out.shape}, the frame {self._image.dtype} {self._image.shape}")
        if unpack_one(self._packed, address, size) != MEASURED:
            raise ValueError("the frame cannot be unpacked")
        out[...] = self._image
