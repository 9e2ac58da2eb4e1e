"""A frame as it is shown: no data and saturated are two things."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rrvae.kept.binned import binned
from stream_rrvae.maps.gaps import shown_frame


@pytest.mark.parametrize("pixel_type", ["uint8", "uint16", "uint32", "float32"])
def test_saturated_pixels_are_infinite_and_gaps_are_nan(pixel_type: str) -> None:
    dtype = np.dtype(pixel_type)
    no_data = np.nan if dtype.kind == "f" else np.iinfo(dtype).max
    frame = np.array([[0, 100, 101], [no_data, 7, 200]], dtype)
    usable = np.array([[True, True, True], [True, False, True]])
    shown = shown_frame(frame, usable, 100.0)
    np.testing.assert_array_equal(shown, np.array([[0, 100, np.inf], [np.nan, np.nan, np.inf]], np.float32))
    plain = shown_frame(frame, None, None)
    np.testing.assert_array_equal(plain, np.array([[0, 100, 101], [np.nan, 7, 200]], np.float32))


def test_a_square_with_a_saturated_pixel_is_saturated() -> None:
    pattern = np.ones((4, 4), np.float32)
    pattern[0, 0], pattern[0, 1], pattern[3, 3] = np.inf, np.nan, np.nan
    small, side = binned(pattern, 2)
    assert side == 2
    np.testing.assert_allclose(small, np.array([[np.inf, 4.0], [4.0, 4.0]]), rtol=1e-6)
