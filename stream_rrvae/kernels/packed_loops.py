"""From packed frames to results in one call without the GIL: unpack each into a buffer, measure it while in cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.compiled import compiled, compiled_entry, sources_stamp
from stream_rrvae.kernels.frame_loops import FRAMES_AT_ONCE, Scalar, measure, project
from stream_rrvae.kernels.plan import Layout
from stream_rrvae.kernels.unpacking import MEASURED, Packed, unpack_frame

Reduce = Callable[..., None]


def _entries(stamp: int) -> tuple[Reduce, Callable[[Packed, int, int], int]]:
    @compiled_entry
    def reduce_packed(
        sources: NDArray[Any], packed: Packed, image: NDArray[Any], bounds: tuple[Scalar, Scalar, Scalar],
        layout: Layout, moments: Any, features: Any, outcome: NDArray[np.uint8],
    ) -> None:  # fmt: skip
        """Measure the packed frames at `sources` [B, 2] (address, bytes); `image` is the array at packed.pixels.

        `bounds` are low, high and zero as `reduce_batch` takes them; `outcome` [B] tells which frames were measured.
        """
        _ = stamp
        low, high, zero = bounds
        n_bins = layout.weights.shape[1]
        lines = np.full((2, image.shape[1] + layout.bin_px), zero)
        bins = np.empty(n_bins)
        block = np.zeros((FRAMES_AT_ONCE, n_bins), np.float32)
        rows, held = np.empty(FRAMES_AT_ONCE, np.int64), 0
        for i in range(sources.shape[0]):
            outcome[i] = unpack_frame(packed, sources[i, 0], sources[i, 1])
            if outcome[i] != MEASURED:
                continue
            measure(image, low, high, layout, lines, bins, moments[i], block[held])
            rows[held] = i
            held += 1
            if held == FRAMES_AT_ONCE:
                _project_rows(block, layout, features, rows, held)
                held = 0
        _project_rows(block, layout, features, rows, held)

    @compiled_entry
    def unpack_one(packed: Packed, source: int, size: int) -> int:
        """Unpack one frame into the buffer; MEASURED or why not."""
        _ = stamp
        return unpack_frame(packed, source, size)

    return reduce_packed, unpack_one


reduce_packed, unpack_one = _entries(sources_stamp())


@compiled
def _project_rows(block: Any, layout: Layout, features: Any, rows: NDArray[np.int64], count: int) -> None:
    """Features of the first `count` frames of a block, to their `rows`."""
    found = np.empty((FRAMES_AT_ONCE, features.shape[1]), np.float32)
    project(block, layout.weights, layout.offset, found[:count])
    for k in range(count):
        features[rows[k]] = found[k]
