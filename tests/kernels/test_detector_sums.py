"""Counts of virtual detectors, however frames are packed and measured, are the sums of their pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.errors import CalibrationError
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.kernels.frame_pass import FrameResults, reduce_frames
from stream_rrvae.kernels.packed_pass import MEASURED, PackedPass, Path
from stream_rrvae.kernels.plan import FramePlan, make_plan
from stream_rrvae.messages import PIXEL_TYPES, Encoding
from stream_rrvae.wire.pixels import encode_bslz4, encode_lz4, encode_raw

SHAPE = (67, 131)  # pixels beyond the last whole group of eight lie raw in bslz4
PACK = {Encoding.NONE: encode_raw, Encoding.LZ4: encode_lz4, Encoding.BSLZ4: encode_bslz4}
RNG = np.random.default_rng(5)


def plan_of(**more: Any) -> FramePlan:
    masks = np.stack([RNG.random(SHAPE) < 0.3, np.zeros(SHAPE, np.bool_), np.ones(SHAPE, np.bool_)])
    masks[1, 20:40, 30:90] = True
    usable = RNG.random(SHAPE) < 0.97
    return make_plan(SHAPE, (33.0, 66.0), 25.0, BasisSpec(2, 2), usable, masks=masks, **more)


def frames_of(pixel_type: str, mean: float, count: int = 5) -> NDArray[Any]:
    frames = RNG.poisson(mean, (count, *SHAPE)).astype(pixel_type)
    frames[0, 5, 7] = frames[1, 30, 60] = np.nan if pixel_type == "float32" else np.iinfo(pixel_type).max
    return frames


def expected(frames: NDArray[Any], plan: FramePlan) -> NDArray[np.float64]:
    top = np.inf if frames.dtype.kind == "f" else np.iinfo(frames.dtype).max
    values = np.where(np.isfinite(frames) & (frames < top), frames, 0).astype(np.float64)
    if plan.saturation is not None:
        values[frames > plan.saturation] = 0
    return np.asarray(np.einsum("byx,kyx->bk", values, plan.detectors.masks.astype(np.float64)))


def measured(frames: NDArray[Any], plan: FramePlan, encoding: Encoding, path: Path | None) -> NDArray[np.float32]:
    payloads = [np.frombuffer(PACK[encoding](frame), np.uint8) for frame in frames]
    results = FrameResults.empty(len(frames), plan.n_features, plan.detectors.count)
    outcome = np.full(len(frames), 9, np.uint8)
    addresses = np.array([payload.ctypes.data for payload in payloads], np.uint64)
    sizes = np.array([payload.size for payload in payloads])
    PackedPass(plan, frames.dtype.name, encoding, path).reduce(addresses, sizes, results, outcome, len(frames))
    assert (outcome == MEASURED).all()
    return results.detectors


@pytest.mark.parametrize("mean", [0.05, 3.0, 90.0])
@pytest.mark.parametrize("pixel_type", PIXEL_TYPES)
def test_counts_are_sums_of_pixels(pixel_type: str, mean: float) -> None:
    frames, plan = frames_of(pixel_type, mean), plan_of(saturation=110.0)
    wanted = expected(frames, plan)
    results = FrameResults.empty(len(frames), plan.n_features, plan.detectors.count)
    reduce_frames(frames, plan, results, len(frames))
    np.testing.assert_array_equal(results.detectors, wanted)
    for encoding in Encoding:
        for path in ("plain", "planes") if encoding is Encoding.BSLZ4 else (None,):
            np.testing.assert_array_equal(measured(frames, plan, encoding, path), wanted)


def test_other_values_do_not_depend_on_them() -> None:
    frames, plan = frames_of("uint16", 2.0), plan_of()
    without = make_plan(SHAPE, (33.0, 66.0), 25.0, BasisSpec(2, 2), plan.usable)
    one = FrameResults.empty(len(frames), plan.n_features, 3)
    other = FrameResults.empty(len(frames), plan.n_features)
    reduce_frames(frames, plan, one, len(frames))
    reduce_frames(frames, without, other, len(frames))
    for name in ("sum", "com_y", "com_x", "bright_field", "annular_dark_field", "features"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_room_that_does_not_fit_is_refused() -> None:
    frames, plan = frames_of("uint8", 1.0), plan_of()
    with pytest.raises(ValueError, match="detectors do not fit"):
        reduce_frames(frames, plan, FrameResults.empty(5, plan.n_features, 2), 5)
    with pytest.raises(CalibrationError, match="do not fit frames"):
        make_plan(SHAPE, (33.0, 66.0), 25.0, None, masks=np.ones((1, 4, 4), np.bool_))


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("pixel_type", ["uint16", "float32"])
def test_a_flat_field_evens_out_every_value(pixel_type: str, encoding: Encoding) -> None:
    even = RNG.poisson(200.0, (3, *SHAPE)).astype(np.float64)
    gain = RNG.choice([0.5, 1.0, 2.0], SHAPE).astype(np.float32)
    frames = (even / gain).round().astype(pixel_type)
    frames[0, 30, 60] = np.nan if pixel_type == "float32" else 65535
    plan, flat = plan_of(gain=gain), plan_of()
    plan = make_plan(SHAPE, (33.0, 66.0), 25.0, BasisSpec(2, 2), flat.usable, masks=flat.detectors.masks, gain=gain)
    wanted = FrameResults.empty(3, plan.n_features, 3)
    corrected = frames.astype(np.float32) * gain
    if pixel_type != "float32":
        corrected[frames == 65535] = np.nan
    reduce_frames(corrected, flat, wanted, 3)
    payloads = [np.frombuffer(PACK[encoding](frame), np.uint8) for frame in frames]
    found, outcome = FrameResults.empty(3, plan.n_features, 3), np.full(3, 9, np.uint8)
    addresses = np.array([payload.ctypes.data for payload in payloads], np.uint64)
    sizes = np.array([payload.size for payload in payloads])
    PackedPass(plan, pixel_type, encoding).reduce(addresses, sizes, found, outcome, 3)
    assert (outcome == MEASURED).all()
    for name in ("sum", "com_y", "com_x", "bright_field", "annular_dark_field", "detectors", "features"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
    again = FrameResults.empty(3, plan.n_features, 3)
    reduce_frames(frames, plan, again, 3)
    np.testing.assert_array_equal(again.com_x, wanted.com_x)
