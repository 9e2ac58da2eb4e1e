"""Frames wide enough for vectors, against NumPy's whole numbers: every digit, whatever shape, values and mask."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rrvae.kernels.frame_pass import FrameResults, reduce_frames
from stream_rrvae.kernels.plan import make_plan

# One block of columns, blocks that overlap, one row, rows left over, more than a strip of them, a wide frame.
SHAPES = ((1, 64), (7, 65), (130, 127), (192, 192), (258, 200), (513, 96), (2, 5000))
# The last values of the 8-bit type, of 16-bit sums, of signed products, and of the 16-bit type; one without data.
LARGEST = {"uint8": (1, 254, 255), "uint16": (2340, 2341, 32767, 32768, 65534, 65535)}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("pixel_type", "largest"), [(kind, top) for kind, tops in LARGEST.items() for top in tops])
@pytest.mark.parametrize("share", [1.0, 0.9])
def test_sums_and_moments(shape: tuple[int, int], pixel_type: str, largest: int, share: float) -> None:
    rng = np.random.default_rng(largest)
    center, radius = (shape[0] / 2, shape[1] / 2), shape[1] / 4 + 0.123  # no pixel lies on an edge
    usable = rng.random(shape) < share
    frame = rng.integers(0, largest, shape, endpoint=True).astype(pixel_type)
    values = np.where(usable & (frame < np.iinfo(frame.dtype).max), frame, 0).astype(np.int64)
    ky, kx = np.indices(shape)
    distance = np.hypot(ky - center[0], kx - center[1]) / radius
    total = values.sum()
    for detectors in (True, False):
        plan = make_plan(shape, center, radius, None, usable, detectors=detectors)
        results = FrameResults.empty(1, 0)
        reduce_frames(frame[None], plan, results, 1)
        assert results.sum[0] == total
        assert results.com_y[0] == np.float32((ky * values).sum() / total - center[0])
        assert results.com_x[0] == np.float32((kx * values).sum() / total - center[1])
        if detectors:
            assert results.bright_field[0] == np.float32(values[distance < 1].sum())
            assert results.annular_dark_field[0] == np.float32(values[(distance >= 1.1) & (distance < 2.5)].sum())
        else:
            assert np.isnan([results.bright_field[0], results.annular_dark_field[0]]).all()
