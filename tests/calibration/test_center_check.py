"""A centre that the first frames contradict is told from one that they support."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.calibration.center_check import seen_elsewhere
from stream_rrvae.calibration.disc import Disc

SHAPE = (64, 72)
TRUE = Disc((30.3, 37.8), 18.0)
ALL = np.ones(SHAPE, np.bool_)


def pattern(counts: float, seed: int = 0) -> NDArray[np.float64]:
    """The mean of 32 frames of `counts` electrons."""
    ky, kx = np.indices(SHAPE)
    disc = np.hypot(ky - TRUE.center_px[0], kx - TRUE.center_px[1]) < TRUE.radius_px
    return np.asarray(np.random.default_rng(seed).poisson(32 * counts * disc / disc.sum()) / 32)


def told(dy: float, dx: float) -> Disc:
    return Disc((TRUE.center_px[0] + dy, TRUE.center_px[1] + dx), TRUE.radius_px)


@pytest.mark.parametrize("counts", [1e3, 1e5])
@pytest.mark.parametrize(("dy", "dx"), [(3.0, 0.0), (0.0, -1.0), (-2.1, 2.1)])
def test_a_centre_off_the_disc_is_contradicted(counts: float, dy: float, dx: float) -> None:
    seen = seen_elsewhere(told(dy, dx), pattern(counts), ALL)
    assert seen is not None
    assert seen.center_px == pytest.approx(TRUE.center_px, abs=0.2)


@pytest.mark.parametrize("counts", [1e3, 1e5])
@pytest.mark.parametrize(("dy", "dx"), [(0.0, 0.0), (0.2, -0.2)])
def test_a_centre_on_the_disc_is_not(counts: float, dy: float, dx: float) -> None:
    assert seen_elsewhere(told(dy, dx), pattern(counts), ALL) is None


def test_hot_and_masked_pixels_contradict_nothing() -> None:
    frames, usable = pattern(1e4), ALL.copy()
    frames[5:8, 60:63] = 1e6
    frames[50:60, 2:4] = 1e9
    usable[50:60, 2:4] = False
    assert seen_elsewhere(told(0.0, 0.0), frames, usable) is None


@pytest.mark.parametrize("seed", range(5))
def test_a_handful_of_electrons_contradicts_nothing(seed: int) -> None:
    assert seen_elsewhere(told(0.9, 0.0), pattern(10.0, seed), ALL) is None


@pytest.mark.parametrize("dark", [np.zeros(SHAPE), np.ones(SHAPE)])
def test_where_no_disc_is_seen_the_centre_stands(dark: NDArray[np.float64]) -> None:
    assert seen_elsewhere(told(0.0, 0.0), dark, ALL) is None
