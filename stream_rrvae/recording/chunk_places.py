"""Where the chunks of a dataset of frames lie in its file, asked of HDF5 in one pass.

Asked chunk by chunk (`get_chunk_info_by_coord`), HDF5 goes through its index from the beginning every time.
"""

from __future__ import annotations

from typing import Self

import h5py
import numpy as np
from numpy.typing import NDArray

LARGEST_CHUNK_BYTES = (1 << 32) - 1


class ChunkPlaces:
    """Offset and size in bytes and skipped filters of `count` frames, one a chunk; size 0 = not there."""

    def __init__(self, count: int) -> None:
        self.offset: NDArray[np.uint64] = np.zeros(count, np.uint64)
        self.size: NDArray[np.uint32] = np.zeros(count, np.uint32)
        self.skipped: NDArray[np.uint32] = np.zeros(count, np.uint32)  # bit i: the i-th filter

    def find(self, dataset: h5py.Dataset) -> Self:
        """Fill them for the first frames of `dataset` [n, ky, kx] or [scan_y, scan_x, ky, kx].

        What HDF5 raises over a damaged index comes out; the frames before the damage are found by then.
        """
        columns = dataset.shape[1] if dataset.ndim == 4 else 1

        def note(chunk: h5py.h5d.StoreInfo) -> None:
            at = chunk.chunk_offset[0] * columns + (chunk.chunk_offset[1] if dataset.ndim == 4 else 0)
            if at < len(self.size) and chunk.byte_offset is not None:
                self.offset[at], self.skipped[at] = chunk.byte_offset, chunk.filter_mask
                self.size[at] = min(chunk.size, LARGEST_CHUNK_BYTES)

        dataset.id.chunk_iter(note)
        return self
