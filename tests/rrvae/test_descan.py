"""A walk of the disc over the detector is found and leaves the features; what a specimen does stays, in any scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from detector_sim.detector import detector_model
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation
from stream_rrvae.kernels.basis import BasisSpec, project_onto
from stream_rrvae.messages import Float32Array
from stream_rrvae.rrvae.descan import Descan, without_descan

BASIS = BasisSpec()
SETTINGS = SimulationSettings(detector=detector_model("96x96:float32"), scan_shape=(20, 24), step_nm=(0.0213, 0.01025))
COUNTS = detector_model("96x96:uint16")


def features(settings: SimulationSettings) -> Float32Array:
    """As a scan store keeps them [n, n_features]."""
    grid = settings.grid
    usable = np.ones(grid.shape, np.bool_)
    basis = project_onto(BASIS, grid.shape, grid.beam_center_px, settings.disc_radius_px, usable)
    parts = []
    for block in Simulation(settings).blocks():
        inside = block.frames.reshape(len(block.frames), -1)[:, basis.pixels].astype(np.float32)
        parts.append(basis.scale * (inside @ basis.weights) / inside.sum(axis=1, keepdims=True) - basis.offset)
    return np.concatenate(parts).astype(np.float16).astype(np.float32)


def positions(settings: SimulationSettings) -> NDArray[np.int64]:
    return np.arange(settings.scan_shape[0] * settings.scan_shape[1])


def freed(settings: SimulationSettings, found: Float32Array) -> tuple[Float32Array, Descan]:
    return without_descan(found, positions(settings), settings.scan_shape, BASIS, settings.disc_radius_px)


@pytest.mark.parametrize("dose", [None, 1e5, 1e4])
@pytest.mark.parametrize(("ky", "kx"), [(0.5, -0.3), (0.0, 1.0)])
def test_the_walk_is_found(dose: float | None, ky: float, kx: float) -> None:
    detector = SETTINGS.detector if dose is None else COUNTS
    walking = replace(SETTINGS, detector=detector, dose_electrons=dose, descan_px=(ky, kx))
    _, found = freed(walking, features(walking))
    print(found)
    # The soft edge of a pixelated disc moves by about a tenth more than that of an ideal one.
    assert found.over_rows_px == pytest.approx((ky, 0.0), abs=0.15 * abs(ky) + 0.03)
    assert found.over_columns_px == pytest.approx((0.0, kx), abs=0.15 * abs(kx) + 0.03)


def test_the_features_are_those_of_a_scan_that_does_not_walk() -> None:
    walking = replace(SETTINGS, descan_px=(0.5, -0.5))
    still, walked = features(SETTINGS), features(walking)
    away = [found - found.mean(axis=0) for found in (still, walked, freed(walking, walked)[0])]
    scale = np.linalg.norm(away[0])
    before, after = (np.linalg.norm(found - away[0]) / scale for found in away[1:])
    print(f"difference from a still scan: {before:.3f} before, {after:.3f} after")
    assert before > 0.3
    assert after < 0.12


SCANS = {
    "one cell": {},
    "half a cell": {"scan_shape": (16, 16), "step_nm": (0.0133, 0.00769)},
    "a seventh of a cell": {"scan_shape": (20, 20), "step_nm": (0.003, 0.002)},
    "one line": {"scan_shape": (1, 200)},
    "a vacancy": {"specimen": "graphene-vacancy", "scan_shape": (24, 24), "step_nm": (0.04, 0.04)},
    "a silicon atom": {"specimen": "graphene-silicon", "scan_shape": (24, 24), "step_nm": (0.04, 0.04)},
    "a wall": {"specimen": "graphene-wall", "scan_shape": (24, 24), "step_nm": (0.04, 0.04)},
    "a defocused probe's": {"optics": replace(SETTINGS.optics, defocus_nm=5.0)},
}


@pytest.mark.parametrize("scan", SCANS)
def test_a_scan_that_does_not_walk_keeps_its_features(scan: str) -> None:
    settings = replace(SETTINGS, **SCANS[scan])  # type: ignore[arg-type]  # names and values belong together
    found = features(settings)
    kept, descan = freed(settings, found)
    assert descan == Descan()
    np.testing.assert_array_equal(kept, found)


def test_noise_alone_does_not_walk() -> None:
    noise = np.random.default_rng(0).normal(size=(20, 400, BASIS.n_features)).astype(np.float32) / 100
    shape = (20, 20)
    found = [without_descan(one, np.arange(400), shape, BASIS, 29.0)[1] for one in noise]
    assert sum(one != Descan() for one in found) <= 1


def test_shifts_are_told_where_they_were_measured() -> None:
    walk = Descan(over_rows_px=(1.0, 0.0), over_columns_px=(0.0, -2.0))
    at = np.array([0, 2, 3, 5])  # the corners of 2 rows, 3 columns
    np.testing.assert_allclose(walk.shifts_px(at, (2, 3)), [[-0.5, 1.0], [-0.5, -1.0], [0.5, 1.0], [0.5, -1.0]])
    assert walk.figures() == {"descan_px": [1.0, 0.0, 0.0, -2.0]}
    assert Descan().figures() == {}


@pytest.mark.parametrize("count", [0, 1, 15])
def test_a_handful_of_positions_stays_as_it_is(count: int) -> None:
    found = np.ones((count, BASIS.n_features), np.float32)
    kept, descan = without_descan(found, np.arange(count), (4, 5), BASIS, 29.0)
    assert descan == Descan()
    np.testing.assert_array_equal(kept, found)


def test_frames_that_are_all_alike_do_not_walk() -> None:
    alike = np.ones((20, BASIS.n_features), np.float32)
    assert without_descan(alike, np.arange(20), (4, 5), BASIS, 29.0)[1] == Descan()
