"""A virtual detector's map is the sum over its usable pixels, as plain numpy has it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stream_rrvae.detectors.area import DetectorArea
from stream_rrvae.errors import RequestError
from stream_rrvae.kept.binned import binned
from stream_rrvae.kept.frames import KeptFrames
from stream_rrvae.kept.view import KeptView
from stream_rrvae.kept.virtual_detector import detector_map
from stream_rrvae.messages import Encoding
from stream_rrvae.wire.pixels import encode_lz4

if TYPE_CHECKING:
    from tests.kept.conftest import Pack, Scan

DETECTORS = [
    DetectorArea((11.0, 12.0), 0.0, 8.0),
    DetectorArea((3.5, 20.25), 2.0, 6.5),
    DetectorArea((11.0, 12.0), 3.0, 40.0, math.radians(170.0), math.radians(60.0)),
]


def kept_of(scan: Scan, raw: Pack) -> KeptView:
    kept = KeptFrames(8 << 20, float("inf"))
    scan.begin(kept)
    scan.give(kept, range(100))
    scan.give(kept, range(100, 150), raw, Encoding.NONE)
    scan.give(kept, range(160, 200), encode_lz4, Encoding.LZ4)
    view = kept.view()
    assert view is not None
    return view


@pytest.mark.parametrize("detector", DETECTORS)
def test_counts_are_those_of_numpy(scan: Scan, raw: Pack, detector: DetectorArea) -> None:
    made = detector_map(kept_of(scan, raw), detector, lambda: True)
    ky, kx = np.indices((24, 24)) - np.array(detector.center_px)[:, None, None]
    inside = (np.hypot(ky, kx) >= detector.inner_px) & (np.hypot(ky, kx) < detector.outer_px) & scan.usable
    if detector.width_rad < math.tau:
        inside &= np.cos(np.arctan2(ky, kx) - detector.angle_rad) >= math.cos(detector.width_rad / 2)
    valid = scan.frames < 65535
    expected = np.where(inside & valid, scan.frames, 0).sum(axis=(1, 2)).astype(np.float32)
    expected[150:160] = expected[200:] = np.nan
    np.testing.assert_array_equal(made.counts.ravel(), expected)
    assert (made.positions, made.coverage) == (190, 190 / 256)


def test_a_damaged_frame_is_a_hole(scan: Scan, raw: Pack) -> None:
    view = kept_of(scan, raw)
    chunk, _ = next(piece for piece in view.chunks if piece[0].encoding is Encoding.BSLZ4)
    number, offset, size = chunk.notes[0].tolist()
    chunk.memory[offset + 12 : offset + size] = 255
    counts = detector_map(view, DETECTORS[0], lambda: True).counts.ravel()
    assert np.isnan(counts[number])
    assert np.isfinite(counts).sum() == 189


def test_a_detector_without_pixels_is_refused_and_one_not_wanted_is_left(scan: Scan, raw: Pack) -> None:
    view = kept_of(scan, raw)
    with pytest.raises(RequestError, match="no usable pixel"):
        detector_map(view, DetectorArea((-50.0, 0.0), 0.0, 8.0), lambda: True)
    with pytest.raises(RequestError, match="not wanted"):
        detector_map(view, DETECTORS[0], lambda: False)


def test_way_is_given_between_the_frames(scan: Scan, raw: Pack) -> None:
    view = kept_of(scan, raw)
    looks: list[int] = []
    made = detector_map(view, DETECTORS[0], lambda: True, lambda: looks.append(1))
    assert len(looks) >= 3  # one packing after the other
    np.testing.assert_array_equal(made.counts, detector_map(view, DETECTORS[0], lambda: True).counts)


def test_a_pattern_is_summed_in_squares_and_gaps_are_filled_in() -> None:
    pattern = np.ones((5, 6), np.float32)
    pattern[0, 0] = np.nan
    pattern[2:4, 2:4] = np.nan
    small, side = binned(pattern, 3)
    assert side == 2
    expected = np.full((3, 3), 4.0)
    expected[1, 1] = np.nan
    np.testing.assert_array_equal(small, expected)
    same, side = binned(pattern, 6)
    assert side == 1 and same is pattern
