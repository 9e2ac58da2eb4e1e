from __future__ import annotations

import numpy as np
import pytest

from stream_rrvae.bench.com import CASES, com_rows, frames_of, numpy_com
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.kernels.frame_pass import FrameResults, reduce_frames
from stream_rrvae.kernels.plan import make_plan


def test_the_numpy_reference_computes_what_the_frame_pass_does() -> None:
    plan = make_plan((64, 64), (31.0, 32.5), 19.0, BasisSpec())
    frames, results = frames_of(plan, "uint16", 8), FrameResults.empty(8, plan.n_features)
    reduce_frames(frames, plan, results, 8)
    found = numpy_com(frames) - plan.disc_center_px
    np.testing.assert_allclose(found, np.stack([results.com_y, results.com_x], 1), atol=1e-4)


@pytest.mark.slow
def test_every_case_is_beside_a_reference() -> None:
    rows = com_rows(count=64, rounds=1)
    assert len(rows) == 3 * len(CASES)
    assert all(row.ratio is not None and row.ratio > 0 for row in rows)
