"""The benchmark of the kernels: every contestant computes the same, every case stands beside a reference."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rrvae.bench.com import CASES, com_lines, com_rows, frames_of
from stream_rrvae.bench.com_others import FUNCTIONS, installed, missing
from stream_rrvae.kernels.frame_pass import FrameResults, reduce_frames
from stream_rrvae.kernels.plan import make_plan


@pytest.mark.parametrize("name", FUNCTIONS)
def test_other_programs_compute_what_the_frame_pass_does(name: str) -> None:
    if name in missing():
        pytest.skip(f"{name} is not installed")
    plan = make_plan((64, 64), (31.0, 32.5), 19.0, None, detectors=False)
    frames, results = frames_of(plan, "uint16", 8), FrameResults.empty(8, 0)
    reduce_frames(frames, plan, results, 8)
    found = installed()[name](frames) - plan.disc_center_px
    np.testing.assert_allclose(found, np.stack([results.com_y, results.com_x], 1), atol=1e-3)


@pytest.mark.slow
def test_every_case_is_beside_a_reference() -> None:
    rows = com_rows(count=64, rounds=1)
    assert len(rows) == len(CASES) * (7 + len(installed()))
    assert all(row.ratio is not None and row.ratio > 0 for row in rows)
    assert len(com_lines(rows)) == len(rows) + len(missing())
