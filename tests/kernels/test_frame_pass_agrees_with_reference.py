"""The compiled pass against NumPy in float64, over shapes, pixel types, masks, saturation and frames without data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_rrvae.errors import CalibrationError
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.kernels.frame_pass import FrameResults, reduce_frames
from stream_rrvae.kernels.plan import FramePlan, make_plan
from stream_rrvae.messages import PIXEL_TYPES

Reference = Callable[[NDArray[Any], FramePlan], FrameResults]
SPEC = BasisSpec(max_order=2, n_radial=2)
FILLS = ("poisson", "full range", "empty", "all without data", "one pixel")


@dataclass(frozen=True)
class Case:
    frames: NDArray[Any]
    plan: FramePlan


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Any frame size down to one pixel, the disc anywhere near it, every eighth pixel dead, some without data."""
    shape = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    dtype = np.dtype(draw(st.sampled_from(PIXEL_TYPES)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    usable = _mask(draw(st.sampled_from(("all", "most", "few", "none"))), shape, rng)
    center = tuple(draw(st.floats(-3, side + 3)) for side in shape)
    radius = draw(st.floats(0.6, 60))
    saturation = draw(st.sampled_from((None, 1.0, 3.5, 200.0, 1e9)))
    spec = draw(st.sampled_from((SPEC, None, BasisSpec(1, 1, radius=1.4))))
    bin_px = draw(st.sampled_from((None, 1, 2, 3, 7)))
    frames = np.stack([_frame(draw(st.sampled_from(FILLS)), shape, dtype, rng) for _ in range(draw(st.integers(1, 6)))])
    try:
        plan = make_plan(shape, (center[0], center[1]), radius, spec, usable, saturation, bin_px)
    except CalibrationError:
        plan = make_plan(shape, (center[0], center[1]), radius, None, usable, saturation)
    return Case(frames, plan)


def _mask(kind: str, shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.bool_]:
    return rng.random(shape) < {"all": 2.0, "most": 7 / 8, "few": 1 / 8, "none": -1.0}[kind]


def _frame(kind: str, shape: tuple[int, int], dtype: np.dtype[Any], rng: np.random.Generator) -> NDArray[Any]:
    nothing = np.nan if dtype.kind == "f" else np.iinfo(dtype).max
    if kind == "empty":
        return np.zeros(shape, dtype)
    if kind == "all without data":
        return np.full(shape, nothing, dtype)
    if kind == "one pixel":
        frame = np.zeros(shape, dtype)
        frame[rng.integers(shape[0]), rng.integers(shape[1])] = 1
        return frame
    top = 1000 if dtype.kind == "f" else np.iinfo(dtype).max
    frame = rng.poisson(2, shape).astype(dtype) if kind == "poisson" else (rng.random(shape) * top).astype(dtype)
    frame[rng.random(shape) < 0.03] = nothing
    if dtype.kind == "f":
        frame[rng.random(shape) < 0.02] = np.inf
        frame[rng.random(shape) < 0.02] = -np.inf
    return frame


@given(cases())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_frames_agree_with_reference(reference: Reference, case: Case) -> None:
    count = len(case.frames)
    results = FrameResults.empty(count, case.plan.n_features)
    reduce_frames(case.frames, case.plan, results, count)
    expected = reference(case.frames, case.plan)
    exact = {"rtol": 0} if case.frames.dtype.kind == "u" else {"rtol": 1e-6}
    np.testing.assert_allclose(results.sum, expected.sum, **exact)
    np.testing.assert_allclose(results.bright_field, expected.bright_field, **exact)
    np.testing.assert_allclose(results.annular_dark_field, expected.annular_dark_field, **exact)
    np.testing.assert_allclose(results.com_y, expected.com_y, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(results.com_x, expected.com_x, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(results.features, expected.features, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pixel_type", PIXEL_TYPES)
def test_brightest_large_frames_do_not_overflow(reference: Reference, pixel_type: str) -> None:
    top = 1e30 if pixel_type == "float32" else np.iinfo(pixel_type).max - 1
    frames = np.full((1, 700, 1100), top, pixel_type)
    plan = make_plan((700, 1100), (350.0, 500.0), 300.0, SPEC)
    results = FrameResults.empty(1, plan.n_features)
    reduce_frames(frames, plan, results, 1)
    expected = reference(frames, plan)
    np.testing.assert_allclose(results.sum, expected.sum, rtol=1e-12)
    np.testing.assert_allclose(results.com_y, expected.com_y, atol=1e-4)
    np.testing.assert_allclose(results.com_x, expected.com_x, atol=1e-4)
    np.testing.assert_allclose(results.features, 0, atol=1e-3)


def test_float_sums_keep_a_millionth_beside_large_values(reference: Reference) -> None:
    frames = np.random.default_rng(0).random((3, 200, 200), np.float32)
    frames[:, 0, 0] = 1e6
    plan = make_plan((200, 200), (99.5, 99.5), 60.0, None)
    results = FrameResults.empty(3, 0)
    reduce_frames(frames, plan, results, 3)
    np.testing.assert_allclose(results.sum, reference(frames, plan).sum, rtol=1e-12)


@pytest.mark.parametrize("width", [16, 33])
def test_features_of_float_frames_do_not_depend_on_their_company(reference: Reference, width: int) -> None:
    frames = np.random.default_rng(0).random((15, 24, width), np.float32)
    frames[2], frames[7] = 0.0, np.nan
    frames[9, 10, 12] = np.inf
    plan = make_plan((24, width), (11.5, width / 2), 7.0, SPEC)
    results, alone = FrameResults.empty(15, plan.n_features), FrameResults.empty(1, plan.n_features)
    reduce_frames(frames, plan, results, 15)
    np.testing.assert_allclose(results.features, reference(frames, plan).features, rtol=1e-4, atol=1e-5)
    for frame, features in zip(frames, results.features, strict=True):
        reduce_frames(frame[None], plan, alone, 1)
        np.testing.assert_array_equal(alone.features[0], features)


def test_rows_beyond_count_are_left_alone() -> None:
    plan = make_plan((8, 8), (3.5, 3.5), 3.0, SPEC)
    results = FrameResults.empty(5, plan.n_features)
    for values in (results.sum, results.com_y, results.com_x, results.bright_field, results.features):
        values.fill(-7.0)
    reduce_frames(np.ones((5, 8, 8), np.uint8), plan, results, 3)
    assert results.sum.tolist() == [64, 64, 64, -7, -7]
    assert (results.features[3:] == -7).all()
    assert not (results.features[:3] == -7).any()


def test_frames_between_other_data_are_read_where_they_lie() -> None:
    wide = np.zeros((3, 8, 16), np.uint16)
    wide[:, :, 8:] = 500
    plan = make_plan((8, 8), (3.5, 3.5), 3.0, None)
    results = FrameResults.empty(3, 0)
    reduce_frames(wide[:, :, :8], plan, results, 3)
    assert results.sum.tolist() == [0, 0, 0]


def test_frames_of_another_shape_are_refused() -> None:
    plan = make_plan((8, 8), (3.5, 3.5), 3.0, None)
    with pytest.raises(ValueError, match="frames of"):
        reduce_frames(np.ones((1, 8, 9), np.uint8), plan, FrameResults.empty(1, 0), 1)
    with pytest.raises(ValueError, match="frames of"):
        reduce_frames(np.ones((1, 8, 8), np.uint8), plan, FrameResults.empty(1, 0), 2)
