from __future__ import annotations

import numpy as np
import pytest

from stream_rrvae.maps.phase import integrate, wavelength_nm


def test_wavelength_at_60_kv() -> None:
    assert wavelength_nm(60e3) == pytest.approx(4.866e-3, rel=1e-3)  # Kirkland, Advanced Computing in EM, table 2.2


@pytest.mark.parametrize("step", [(1.0, 1.0), (0.2, 0.5)])
def test_integral_of_a_gradient_is_the_map(step: tuple[float, float]) -> None:
    phase = np.cos(2 * np.pi * (np.arange(48) + 0.5) / 48)[:, None] + 0.3 * np.cos(
        4 * np.pi * (np.arange(64) + 0.5) / 64
    )
    gradient_y, gradient_x = (
        np.asarray(np.gradient(phase, step[0], axis=0)),
        np.asarray(np.gradient(phase, step[1], axis=1)),
    )
    found = integrate(gradient_y, gradient_x, *step)
    expected = phase - phase.mean()
    assert np.abs(found - expected).max() < 0.02 * np.ptp(expected)


def test_a_ramp_does_not_wrap_at_the_edges() -> None:
    found = integrate(np.zeros((32, 40)), np.ones((32, 40)), 1.0, 1.0)
    rise = np.diff(found.mean(axis=0))
    np.testing.assert_allclose(rise[1:-1], 1.0, atol=0.1)


def test_unmeasured_positions_stay_unmeasured() -> None:
    gradient = np.ones((8, 8))
    gradient[2:4] = np.nan
    found = integrate(gradient, gradient, 1.0, 1.0)
    assert np.isnan(found[2:4]).all()
    assert np.isfinite(np.delete(found, [2, 3], axis=0)).all()
    assert np.isnan(integrate(gradient * np.nan, gradient, 1.0, 1.0)).all()
