"""Frames with few counts, which are listed, among others that have too many of them: the same bits as by bins."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.kernels.frame_pass import FrameResults, reduce_frames
from stream_rrvae.kernels.packed_pass import MEASURED, PackedPass
from stream_rrvae.kernels.plan import FramePlan, make_plan
from stream_rrvae.messages import Encoding
from stream_rrvae.wire.pixels import encode_bslz4

COUNTS = (0, 100, 180, 300, 223, 0, 260, 150, 5000, 90, 255, 256, 200, 10)
SHAPE = (130, 131)


def _frames(shape: tuple[int, int], pixel_type: str, each: int) -> NDArray[np.unsignedinteger]:
    """Frames with `COUNTS`, `each` at a pixel, most of them within the disc."""
    rng = np.random.default_rng(each)
    frames = np.zeros((len(COUNTS), *shape), pixel_type)
    for frame, count in zip(frames, COUNTS, strict=True):
        y, x = (rng.normal(side / 2, side / 8, count // each).astype(int) % side for side in shape)
        np.add.at(frame, (y, x), each)
    return frames


def _assert_same(frames: NDArray[np.unsignedinteger], plan: FramePlan) -> None:
    expected, found = (FrameResults.empty(len(frames), plan.n_features) for _ in range(2))
    reduce_frames(frames, plan, expected, len(frames))
    packed = [np.frombuffer(encode_bslz4(frame), np.uint8) for frame in frames]
    addresses = np.array([payload.ctypes.data for payload in packed], np.uint64)
    sizes, outcome = np.array([payload.size for payload in packed]), np.zeros(len(frames), np.uint8)
    PackedPass(plan, frames.dtype.name, Encoding.BSLZ4, "planes").reduce(addresses, sizes, found, outcome, len(frames))
    assert (outcome == MEASURED).all()
    np.testing.assert_array_equal(found.features, expected.features)
    np.testing.assert_array_equal(found.com_x, expected.com_x)


@pytest.mark.parametrize("pixel_type", ["uint8", "uint16"])
@pytest.mark.parametrize("each", [1, 2, 7, 90])
def test_any_order_of_doses(pixel_type: str, each: int) -> None:
    frames = _frames(SHAPE, pixel_type, each)
    for bin_px in (1, 2, 3, 4, 5):
        _assert_same(frames, make_plan(SHAPE, (65.0, 65.0), 40.0, BasisSpec(3, 2, radius=1.3), bin_px=bin_px))


def test_more_features_than_are_summed_at_once() -> None:
    _assert_same(_frames((192, 192), "uint8", 1), make_plan((192, 192), (96.0, 96.0), 50.0, BasisSpec(16, 5)))


def test_pixels_without_data_and_counts_beyond_a_byte() -> None:
    frames = _frames(SHAPE, "uint16", 1)
    frames[1::4, 66, 70] = 65_535
    frames[2::4, 60, 61] = 300
    _assert_same(frames, make_plan(SHAPE, (65.0, 65.0), 40.0, BasisSpec(3, 2)))


def test_a_disc_cut_by_the_edges() -> None:
    frames = _frames(SHAPE, "uint8", 1)
    for center in ((20.0, 25.0), (125.0, 128.0), (65.0, 65.0)):
        for bin_px in (2, 3):
            _assert_same(frames, make_plan(SHAPE, center, 70.0, BasisSpec(3, 2), bin_px=bin_px))
