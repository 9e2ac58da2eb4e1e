"""Descan is found in the COM of simulated scans, whatever lattice, defects and gaps are in it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_rrvae.calibration.descan import fit_descan, shifts_px, terms
from stream_rrvae.found import DescanFound
from tests.calibration.conftest import Moments, Simulated, SimulatedScan

Float = NDArray[np.float64]
ELECTRONS = 10_000


def left_of_descan(found: DescanFound | None, scan: Simulated) -> float:
    """What of the true descan the surface does not take, over the COM's own signal; both r.m.s. in px."""
    assert found is not None
    shape = scan.settings.scan_shape
    left = np.stack(shifts_px(found, shape), axis=1) - scan.shifts_px
    signal = scan.truth.com_detector_px.reshape(-1, 2) - scan.shifts_px
    return float(np.sqrt(np.square(left - left.mean(0)).sum() / np.square(signal - signal.mean(0)).sum()))


def fit(seen: Moments, scan: Simulated) -> DescanFound | None:
    return fit_descan(seen.com_y.ravel(), seen.com_x.ravel(), scan.settings.scan_shape)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("descan_px", [(-2.0, 3.0)])
def test_three_pixels_over_the_field_leave_less_than_five_percent_of_the_signal(
    simulated: SimulatedScan, descan_px: tuple[float, float], seed: int
) -> None:
    scan = simulated(detector="64x64:float32", descan_px=descan_px, max_angle_mrad=70.0)
    found = fit(scan.moments(ELECTRONS, seed), scan)
    assert left_of_descan(found, scan) < 0.05
    assert found is not None
    assert found.certain


def test_defects_and_gaps_have_no_say(simulated: SimulatedScan) -> None:
    scan = simulated(detector="64x64:float32", descan_px=(-2.0, 3.0), max_angle_mrad=70.0)
    seen, rng = scan.moments(ELECTRONS, 0), np.random.default_rng(1)
    wild = rng.random(seen.com_y.shape) < 0.03
    seen.com_y[wild], seen.com_x[wild] = rng.uniform(-30, 30, (2, int(wild.sum())))
    gaps = rng.random(seen.com_y.shape) < 0.1
    seen.com_y[gaps] = seen.com_x[gaps] = np.nan
    assert left_of_descan(fit(seen, scan), scan) < 0.05


def test_no_descan_is_found_where_there_is_none(simulated: SimulatedScan) -> None:
    scan = simulated(detector="64x64:float32", max_angle_mrad=70.0)
    assert left_of_descan(fit(scan.moments(ELECTRONS, 0), scan), scan) < 0.05


def test_a_scan_of_less_than_a_cell_is_not_certain(simulated: SimulatedScan) -> None:
    scan = simulated(scan_shape=(24, 24), step_nm=(0.006, 0.006))
    found = fit(scan.moments(1e6, 0), scan)
    assert found is not None
    assert not found.certain


def surface_of(coefficients: Float, shape: tuple[int, int]) -> Float:
    return np.asarray(terms(np.arange(shape[0] * shape[1]), shape, "quadratic") @ coefficients)


def test_a_curved_walk_is_taken_whole_by_the_quadratic_surface() -> None:
    shape, true = (40, 56), np.random.default_rng(0).normal(size=(5, 2))
    com = surface_of(true, shape) + np.random.default_rng(1).normal(size=(40 * 56, 2)) * 0.05
    found = fit_descan(com[:, 0], com[:, 1], shape, "quadratic")
    assert found is not None
    np.testing.assert_allclose(found.terms_px, true, atol=0.05)


def test_the_walk_is_zero_on_average_and_keeps_the_centre() -> None:
    shape = (12, 17)
    com = surface_of(np.ones((5, 2)), shape) + 7.0
    found = fit_descan(com[:, 0], com[:, 1], shape, "quadratic")
    assert found is not None
    for walk in shifts_px(found, shape):
        assert walk.mean() == pytest.approx(0.0, abs=1e-9)
        assert np.ptp(walk) > 0.5


@pytest.mark.parametrize("rows", [1, 5])
def test_a_walk_along_an_axis_of_which_little_is_measured_is_not_guessed(rows: int) -> None:
    shape = (64, 48)
    com = np.full((2, 64, 48), np.nan)
    com[:, :rows] = 0.3 + 2.0 * (np.arange(48) / 47 - 0.5)
    found = fit_descan(com[0].ravel(), com[1].ravel(), shape)
    assert found is not None
    np.testing.assert_allclose(found.terms_px, [(0.0, 0.0), (2.0, 2.0)], atol=1e-6)
    assert not found.certain


def test_nothing_measured_is_no_descan() -> None:
    assert fit_descan(np.full(400, np.nan), np.full(400, np.nan), (20, 20)) is None


def test_of_a_large_scan_a_part_is_looked_at() -> None:
    shape = (512, 600)
    com = terms(np.arange(512 * 600), shape, "plane") @ np.array([[1.0, -2.0], [0.5, 3.0]])
    com += np.random.default_rng(0).normal(size=com.shape)
    found = fit_descan(com[:, 0], com[:, 1], shape)
    assert found is not None
    np.testing.assert_allclose(found.terms_px, [(1.0, -2.0), (0.5, 3.0)], atol=0.2)
    assert found.certain
