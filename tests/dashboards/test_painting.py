"""Limits of colours, histograms and arrows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dashboards.pictures.arrows import ARROWS_A_SIDE, arrow_segments
from dashboards.pictures.map_styles import style_of
from dashboards.pictures.painting import histogram, painted_map, painted_pattern
from dashboards.pictures.placement import Placement
from dashboards.pictures.quantise import Limits
from dashboards.pictures.wishes import Contrast
from stream_rrvae.messages import Snapshot

MakeSnapshot = Callable[..., Snapshot]
RAMP = np.arange(10000, dtype=np.float32).reshape(100, 100)


def test_locked_limits_are_taken_as_they_are_and_percentiles_follow_the_data() -> None:
    style = style_of("sum")
    locked = painted_map(RAMP, "counts", style, Contrast("locked", 100.0, 200.0))
    assert locked.limits == Limits(100.0, 200.0)
    assert locked.pixels[0, 0] == 1 and locked.pixels[-1, -1] == 255
    narrow, wide = (painted_map(RAMP, "", style, Contrast("percentiles", p, 100 - p)).limits for p in (20.0, 0.0))
    assert wide.low < narrow.low < narrow.high < wide.high
    again = painted_map(2 * RAMP, "", style, Contrast("percentiles", 20.0, 80.0)).limits
    assert again.high > 1.5 * narrow.high


def test_signed_maps_stay_symmetric_under_percentiles() -> None:
    limits = painted_map(RAMP - 1000, "", style_of("latent_1"), Contrast("percentiles", 5.0, 95.0)).limits
    assert limits.low == -limits.high


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize(
    "contrast",
    [None, Contrast("locked", 1.0, 100.0), Contrast("locked", -5.0, -1.0), Contrast("percentiles", 1.0, 99.0)],
)
@pytest.mark.parametrize("pattern", [RAMP, 0 * RAMP, np.full((3, 3), np.nan, np.float32)])
def test_any_pattern_under_any_limits_is_drawn(linear: bool, contrast: Contrast | None, pattern: np.ndarray) -> None:
    painted = painted_pattern(pattern, linear, contrast)
    assert painted.limits.low < painted.limits.high
    np.testing.assert_array_equal(painted.pixels == 0, ~np.isfinite(pattern))


def test_locked_limits_of_a_pattern_are_counts_on_both_scales() -> None:
    contrast = Contrast("locked", 10.0, 1000.0)
    assert painted_pattern(RAMP, False, contrast).limits == Limits(1.0, 3.0)
    assert painted_pattern(RAMP, True, contrast).limits == Limits(10.0, 1000.0)


def test_histograms_count_what_was_measured() -> None:
    values = np.array([[0.0, 0.0, 1.0], [np.nan, 2.0, 2.0]])
    made = histogram(values)
    assert made is not None and sum(made.counts) == 5 and (made.low, made.high) == (0.0, 2.0)
    logarithmic = histogram(np.array([[0.0, 1.0, 1000.0]]), is_log=True)
    assert logarithmic is not None and (logarithmic.low, logarithmic.high) == (0.0, 3.0)
    flat = histogram(np.zeros((3, 3)))
    assert flat is not None and flat.low < flat.high
    assert histogram(np.full((2, 2), np.nan)) is None and histogram(None) is None


def test_arrows_point_where_the_vectors_point() -> None:
    place = Placement(0.0, 0.0, 5.0, 5.0, "nm")
    com_y, com_x = np.zeros((50, 50), np.float32), np.ones((50, 50), np.float32)
    com_x[25:] = np.nan
    segments = arrow_segments(com_y, com_x, place)
    count = len(segments["x0"]) // 3
    assert 0 < count <= ARROWS_A_SIDE**2
    tips, tails = segments["x0"][:count], segments["x1"][:count]
    assert (tips > tails).all()  # to the right
    np.testing.assert_allclose(segments["y0"][:count], segments["y1"][:count])
    assert segments["y0"].max() < 2.6  # none where nothing was measured
    assert len(arrow_segments(com_y, np.full_like(com_x, np.nan), place)["x0"]) == 0
