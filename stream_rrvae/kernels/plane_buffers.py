"""What measuring bit planes needs beside a plan: made once for each thread and series."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_rrvae.kernels.exact_sums import N_SUMS
from stream_rrvae.kernels.lz4_block import MARGIN
from stream_rrvae.kernels.lz4_zero_runs import most_runs
from stream_rrvae.kernels.plan import FramePlan
from stream_rrvae.kernels.plane_frame import PlaneBuffers
from stream_rrvae.kernels.plane_tables import WORD_PX


def make_plane_buffers(plan: FramePlan, item_bytes: int, block_bytes: int) -> tuple[PlaneBuffers, NDArray[np.uint8]]:
    """Buffers for blocks of up to `block_bytes`, and the memory behind `PlaneBuffers.aligned`."""
    n_pixels, planes = plan.layout.flat_zones.size, 8 * item_bytes
    n_bins = plan.layout.weights.shape[1]
    aligned = np.zeros(block_bytes + 8 * planes + MARGIN, np.uint8)
    buffers = PlaneBuffers(
        aligned.ctypes.data,
        np.zeros(-(-n_pixels // WORD_PX) * WORD_PX, np.uint8),
        np.zeros((most_runs(block_bytes) + planes + 1, 3), np.int64),
        np.zeros(block_bytes // (8 * planes) + 2, np.uint64),
        np.zeros(N_SUMS, np.int64),
        np.zeros(plan.frame_shape[1] + plan.layout.bin_px, np.uint16),
        np.zeros(n_bins, np.int64),
        np.zeros(n_bins, np.int64),
    )
    return buffers, aligned
