"""Hot pixels are found on the mean of a few frames, and nothing else is taken for one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.calibration.disc import Disc
from stream_rrvae.calibration.hot_pixels import hot_pixels

DISC = Disc((31.0, 33.0), 15.0)
FRAMES = 32


def pattern(counts_per_px: float, seed: int = 0, disc: Disc = DISC) -> NDArray[np.float64]:
    ky, kx = np.indices((64, 64))
    inside = np.hypot(ky - disc.center_px[0], kx - disc.center_px[1]) < disc.radius_px
    expected = counts_per_px * (inside + 0.003)
    return np.asarray(np.random.default_rng(seed).poisson(expected * FRAMES) / FRAMES)


ALL = np.ones((64, 64), np.bool_)


@pytest.mark.parametrize("counts_per_px", [0.05, 1.0, 300.0])
def test_hot_pixels_are_found_in_the_disc_and_beside_it(counts_per_px: float) -> None:
    mean = pattern(counts_per_px)
    places = np.zeros_like(ALL)
    for at in ((30, 30), (31, 30), (35, 41), (2, 60), (0, 0)):
        places[at] = True
    mean[places] = 40 * counts_per_px
    assert np.array_equal(hot_pixels(mean, ALL, DISC), places)


@pytest.mark.parametrize("counts_per_px", [0.001, 0.01, 0.1, 1.0, 10.0, 1000.0])
def test_noise_alone_is_not_hot(counts_per_px: float) -> None:
    assert not any(hot_pixels(pattern(counts_per_px, seed), ALL, DISC).any() for seed in range(20))


def test_masked_pixels_and_those_without_a_number_are_not_counted() -> None:
    mean, usable = pattern(10.0), ALL.copy()
    mean[30, 30], mean[20, 30] = 1e6, np.nan
    usable[30, 30] = False
    assert not hot_pixels(mean, usable, DISC).any()


def test_a_disc_of_a_few_pixels_is_left_alone() -> None:
    small = Disc((31.0, 33.0), 2.0)
    mean = pattern(10.0, disc=small)
    mean[31, 33] = 1000.0
    assert not hot_pixels(mean, ALL, small).any()


def test_many_bright_pixels_are_something_else() -> None:
    mean = pattern(10.0)
    mean[::5, ::5] = 1000.0
    assert not hot_pixels(mean, ALL, DISC).any()


def test_an_empty_mean_has_none() -> None:
    assert not hot_pixels(np.zeros((64, 64)), ALL, DISC).any()
