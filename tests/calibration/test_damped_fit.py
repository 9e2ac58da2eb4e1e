"""The small least-squares solver beside SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import least_squares

from stream_rrvae.calibration.damped_fit import damped_fit

Vector = NDArray[np.float64]
PLACES = np.linspace(0.0, 4.0, 400)
TRUE = np.array([2.0, 1.3, 0.5])
FREE = np.full(3, np.inf)


class Decay:
    """height * exp(-rate * place) + floor, seen with noise and some outliers."""

    def __init__(self, seed: int, outliers: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.seen = self._of(TRUE) + 0.05 * rng.standard_normal(PLACES.size)
        self.seen[rng.choice(PLACES.size, outliers, replace=False)] += 4.0

    def __call__(self, numbers: Vector) -> tuple[Vector, Vector]:
        falls = np.exp(-numbers[1] * PLACES)
        slopes = np.stack([falls, -numbers[0] * PLACES * falls, np.ones(PLACES.size)]) / 0.05
        return self.residuals(numbers), slopes

    def residuals(self, numbers: Vector) -> Vector:
        return np.asarray((self._of(numbers) - self.seen) / 0.05)

    @staticmethod
    def _of(numbers: Vector) -> Vector:
        return np.asarray(numbers[0] * np.exp(-numbers[1] * PLACES) + numbers[2])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("robust", [False, True])
def test_it_ends_where_scipy_ends(seed: int, robust: bool) -> None:
    decay, start = Decay(seed, outliers=20 if robust else 0), np.array([1.0, 0.5, 0.0])
    wanted = least_squares(decay.residuals, start, loss="soft_l1" if robust else "linear", xtol=1e-12, ftol=1e-12)
    found = damped_fit(decay, start, -FREE, FREE, 1e-9, 200, robust)
    assert found == pytest.approx(wanted.x, abs=1e-4)


def test_bounds_hold_and_the_rest_is_fitted_within_them() -> None:
    decay, low, high = Decay(7), np.array([-np.inf, 1.6, -np.inf]), np.array([np.inf, 3.0, np.inf])
    start = np.array([1.0, 2.0, 0.0])
    wanted = least_squares(decay.residuals, start, bounds=(low, high), xtol=1e-12, ftol=1e-12)
    found = damped_fit(decay, start, low, high, 1e-9, 200)
    assert found[1] == pytest.approx(1.6, abs=1e-6)
    assert found == pytest.approx(wanted.x, abs=1e-3)


def test_what_nothing_tells_of_stays_where_it_was() -> None:
    decay = Decay(1)

    def with_one_that_does_nothing(numbers: Vector) -> tuple[Vector, Vector]:
        residuals, slopes = decay(numbers[:3])
        return residuals, np.concatenate([slopes, np.zeros((1, PLACES.size))])

    bounds = np.full(4, np.inf)
    found = damped_fit(with_one_that_does_nothing, np.array([1.0, 0.5, 0.0, 0.25]), -bounds, bounds, 1e-9, 200)
    assert found[3] == 0.25
    assert found[:3] == pytest.approx(TRUE, abs=0.05)


def test_a_start_of_which_nothing_can_be_said_ends() -> None:
    start = np.array([np.nan, 1.0, 0.0])
    assert np.isnan(damped_fit(Decay(2), start, -FREE, FREE, 1e-9, 200)[0])
