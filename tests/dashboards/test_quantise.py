"""uint8 images: 0 says "not visited" and nothing else, and every colour keeps its meaning."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dashboards.pictures.palettes import ROTATION, rgb_table
from dashboards.pictures.quantise import (
    Limits,
    angle_rgba,
    binned,
    linear_limits,
    log_limits,
    quantise,
    quantise_angle,
    quantise_log,
    thinned,
)

IMAGES = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9),
                    elements=st.floats(width=32))  # fmt: skip


@given(IMAGES, st.booleans())
@example(np.array([[1e-36, 0.0, 0.0]], np.float32), False)
@example(np.array([[-3.4e38, 3.4e38]], np.float32), True)
def test_any_image_has_limits_and_zero_only_where_nothing_was_measured(image: np.ndarray, signed: bool) -> None:
    limits = linear_limits(image, signed)
    assert limits.low < limits.high
    assert np.isfinite([limits.low, limits.high]).all()
    if signed:
        assert limits.low == -limits.high
    np.testing.assert_array_equal(quantise(image, limits) == 0, ~np.isfinite(image))


@given(IMAGES)
@example(np.array([[0.5, 2.220446e-16, 2.220446e-16]], np.float32))  # -5.2 + 5 is not quite -0.2
def test_any_pattern_has_log_limits_and_zero_only_where_nothing_was_measured(pattern: np.ndarray) -> None:
    limits = log_limits(pattern)
    assert limits.low < limits.high <= limits.low + 5 + 1e-9
    np.testing.assert_array_equal(quantise_log(pattern, limits) == 0, ~np.isfinite(pattern))


def test_the_limits_are_the_first_and_the_last_colour_and_beyond_is_clipped() -> None:
    image = np.array([[-5.0, 0.0, 5.0, 10.0, 99.0]])
    np.testing.assert_array_equal(quantise(image, Limits(0.0, 10.0)), [[1, 1, 128, 255, 255]])


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.full((3, 3), np.nan), Limits(0.0, 1.0)),
        (np.array([[7.0]]), Limits(3.5, 10.5)),
        (np.zeros((3, 3)), Limits(0.0, 1.0)),
        (np.zeros((0, 0)), Limits(0.0, 1.0)),
    ],
)
def test_empty_single_and_flat_images_have_limits(image: np.ndarray, expected: Limits) -> None:
    assert linear_limits(image) == expected


def test_limits_hold_still_under_noise_and_leave_out_stray_pixels() -> None:
    noise = np.random.default_rng(1)
    images = [noise.uniform(0, 4.55, (64, 64)) for _ in range(5)]
    images[0][3, 3] = 1e6
    assert len({linear_limits(image) for image in images}) == 1


def test_unvisited_pixels_do_not_move_the_limits() -> None:
    half = np.random.default_rng(2).normal(50, 2, (40, 40))
    whole = np.vstack([half, np.full((40, 40), np.nan)])
    assert linear_limits(whole).low > 40


def test_angles_go_once_around_and_meet() -> None:
    angles = np.array([[-np.pi + 1e-9, -np.pi / 2, 0.0, np.pi / 2, np.pi, np.nan]])
    levels = quantise_angle(angles)
    assert levels[0, 0] == levels[0, 4]  # -180 deg is 180 deg
    assert levels[0, 5] == 0
    around = levels[0, :4].astype(int)
    np.testing.assert_allclose(np.diff(around), 255 / 4, atol=1)


def test_confidence_is_opacity_and_unsure_differs_from_unvisited() -> None:
    angles = np.array([[0.0, 0.0, 0.0, np.nan]])
    rgba = angle_rgba(angles, np.array([[1.0, 0.0, np.nan, 1.0]]), rgb_table(ROTATION))
    opacity = rgba >> 24
    assert opacity[0, 0] == 255
    assert 0 < opacity[0, 1] == opacity[0, 2] < 40
    assert rgba[0, 3] == 0
    red, green, blue = (int(ROTATION[0][i : i + 2], 16) for i in (1, 3, 5))
    assert [int(rgba[0, 0] >> shift & 255) for shift in (0, 8, 16)] == [red, green, blue]


def test_counts_of_zero_take_the_first_colour_of_a_log_image() -> None:
    pattern = np.array([[0.0, 1.0, 10.0, 1000.0, np.nan]])
    limits = log_limits(pattern)
    levels = quantise_log(pattern, limits)
    assert levels[0, 0] == 1
    assert levels[0, 3] == 255
    assert levels[0, 4] == 0
    assert np.all(np.diff(levels[0, 1:4].astype(int)) > 0)


def test_large_images_are_thinned_and_patterns_averaged_to_the_display() -> None:
    image = np.arange(1100 * 600, dtype=np.float32).reshape(1100, 600)
    assert thinned(image).shape == (367, 200)
    assert thinned(image)[1, 1] == image[3, 3]
    assert binned(image).shape == (366, 200)
    assert binned(image)[0, 0] == image[:3, :3].mean()
    assert binned(image[:4, :4]).shape == (4, 4)
