"""Fields and charges of known truth, from the COM in detector pixels to the results file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from stream_rrvae.cli import cli
from stream_rrvae.maps.derived import volts_per_radian
from stream_rrvae.maps.results import Provenance, write_results
from stream_rrvae.maps.results_summary import results_lines
from stream_rrvae.messages import Calibration
from stream_rrvae.scan_store import ScanStore

SHAPE, STEP_NM = (64, 72), (0.012, 0.015)
CENTRE = (31.3, 36.8)  # off the grid
CHARGE_E, WIDTH_NM = 6.0, 0.1
EPS0_E_PER_V_NM = 0.0552635
PV_60_KEV_V = 113.69e3  # gamma m v^2 / e with v / c = 0.44622 and gamma = 1.11742
CALIBRATION = Calibration(
    mrad_per_px=0.5,
    scan_step_nm=STEP_NM,
    detector_rotation_rad=0.9,
    detector_flip=True,
    beam_energy_ev=60e3,
    thickness_nm=2.5,
)
DERIVED = {"electric_field_x", "electric_field_y", "electric_field_magnitude", "charge_density", "divergence", "curl"}


@dataclass(frozen=True)
class Truth:
    """A Gaussian charge, integrated along the beam: E t (V) [y, x] and rho t (e/nm^2)."""

    field_y: NDArray[np.float64]
    field_x: NDArray[np.float64]
    charge: NDArray[np.float64]


@pytest.fixture(scope="module")
def truth() -> Truth:
    y, x = (
        np.arange(n)[(slice(None), None) if i == 0 else (None, slice(None))] * s
        for i, (n, s) in enumerate(zip(SHAPE, STEP_NM, strict=True))
    )
    y, x = y - CENTRE[0] * STEP_NM[0], x - CENTRE[1] * STEP_NM[1]
    squared = y**2 + x**2
    bell = np.exp(-squared / (2 * WIDTH_NM**2))
    per_distance = CHARGE_E * (1 - bell) / (2 * np.pi * EPS0_E_PER_V_NM * squared)  # Gauss's law around the axis
    return Truth(per_distance * y, per_distance * x, CHARGE_E * bell / (2 * np.pi * WIDTH_NM**2))


@pytest.fixture
def charged(make_store: Callable[..., ScanStore], truth: Truth) -> Callable[[Calibration], ScanStore]:
    def make(calibration: Calibration) -> ScanStore:
        """A store as it is after all frames: COM in detector pixels, R(+rotation) F v."""
        store = make_store(SHAPE, calibration=calibration)
        mrad_y, mrad_x = -1e3 * truth.field_y / PV_60_KEV_V, -1e3 * truth.field_x / PV_60_KEV_V
        turn = calibration.detector_rotation_rad or 0.0
        y, x = (-mrad_y if calibration.detector_flip else mrad_y), mrad_x
        scale = calibration.mrad_per_px or 1.0
        store.com_x[:] = ((np.cos(turn) * x - np.sin(turn) * y) / scale).ravel()
        store.com_y[:] = ((np.sin(turn) * x + np.cos(turn) * y) / scale).ravel()
        store.coverage[:] = 1
        return store

    return make


def written(store: ScanStore, folder: Path) -> h5py.File:
    return h5py.File(write_results(folder / "a.results.h5", store, Provenance(1e9, 1e9 + 5, {})))


def test_deflection_per_field_at_60_and_300_kev() -> None:
    assert volts_per_radian(60e3) == pytest.approx(PV_60_KEV_V, rel=1e-3)
    assert volts_per_radian(300e3) == pytest.approx(1.587072 * 0.776526**2 * 510998.95, rel=1e-4)


@pytest.mark.parametrize(("rotation_rad", "flip"), [(0.0, False), (0.9, True), (-2.2, False)])
def test_field_and_charge_of_a_gaussian_charge(
    charged: Callable[[Calibration], ScanStore], truth: Truth, tmp_path: Path, rotation_rad: float, flip: bool
) -> None:
    calibration = replace(CALIBRATION, detector_rotation_rad=rotation_rad, detector_flip=flip)
    with written(charged(calibration), tmp_path) as file:
        maps = file["entry/maps"]
        assert maps["electric_field_x"].attrs["units"] == "V/nm"
        assert maps["charge_density"].attrs["units"] == "e/nm^3"
        assert maps["divergence"].attrs["units"] == maps["curl"].attrs["units"] == "mrad/nm"
        strongest = np.hypot(truth.field_y, truth.field_x).max() / 2.5
        for name, expected in (("electric_field_y", truth.field_y), ("electric_field_x", truth.field_x)):
            np.testing.assert_allclose(maps[name][()], expected / 2.5, atol=0.01 * strongest)
        charge = maps["charge_density"][()]
        inner = (slice(1, -1), slice(1, -1))
        np.testing.assert_allclose(charge[inner], truth.charge[inner] / 2.5, atol=0.01 * truth.charge.max() / 2.5)
        total = np.nansum(charge) * STEP_NM[0] * STEP_NM[1] * 2.5
        assert total == pytest.approx(CHARGE_E, rel=0.01)
        assert np.nanmax(np.abs(maps["curl"][()])) < 0.01 * np.nanmax(np.abs(maps["divergence"][()]))
        assert maps["dpc_phase"][31, 37] == np.nanmax(maps["dpc_phase"][()])  # a positive charge draws electrons in


def test_without_a_thickness_the_maps_are_projected_and_say_so(
    charged: Callable[[Calibration], ScanStore], truth: Truth, tmp_path: Path
) -> None:
    with written(charged(replace(CALIBRATION, thickness_nm=None)), tmp_path) as file:
        maps = file["entry/maps"]
        assert maps["electric_field_magnitude"].attrs["units"] == "V"
        assert maps["charge_density"].attrs["units"] == "e/nm^2"
        strongest = np.hypot(truth.field_y, truth.field_x).max()
        np.testing.assert_allclose(maps["electric_field_x"][()], truth.field_x, atol=0.01 * strongest)
        assert np.nansum(maps["charge_density"][()]) * STEP_NM[0] * STEP_NM[1] == pytest.approx(CHARGE_E, rel=0.01)


@pytest.mark.parametrize(
    ("unknown", "reason", "absent"),
    [
        ("detector_rotation_rad", "the rotation of the detector is not known", DERIVED),
        ("mrad_per_px", "mrad per pixel is not known", DERIVED),
        ("scan_step_nm", "the scan step is not known", {"charge_density", "divergence", "curl"}),
        ("beam_energy_ev", "the beam energy is not known", DERIVED - {"divergence", "curl"}),
    ],
)
def test_what_cannot_be_made_is_left_out_and_says_why(
    charged: Callable[[Calibration], ScanStore], tmp_path: Path, unknown: str, reason: str, absent: set[str]
) -> None:
    calibration = replace(CALIBRATION, **{unknown: None})  # type: ignore[arg-type]
    with written(charged(calibration), tmp_path) as file:
        said = {name: text[()].decode() for name, text in file["entry/maps_not_made"].items()}
        assert said == dict.fromkeys(absent, reason)
        assert not absent & set(file["entry/maps"])
    told = [line.split() for line in results_lines(tmp_path / "a.results.h5") if "not made" in line]
    assert {words[0] for words in told} == absent


def test_what_the_file_does_not_say_is_said_on_the_command_line(tmp_path: Path) -> None:
    source, results = tmp_path / "frames.npy", tmp_path / "results.h5"
    np.save(source, np.random.default_rng(0).poisson(20, (5, 6, 16, 16)).astype(np.uint16))
    options = "--mode off --mrad-per-px 2 --scan-step-nm 0.03 --beam-energy-kev 80 --detector-rotation-deg 10"
    command = ["analyse", str(source), "--out", str(results), *options.split()]
    assert CliRunner().invoke(cli, command).exit_code == 0
    told = CliRunner().invoke(cli, [*command, "--thickness-nm", "2"])
    assert told.exit_code == 0, told.output
    with h5py.File(results) as file:
        assert file["entry/maps/charge_density"].attrs["units"] == "e/nm^3"
        expected = 1e-3 * volts_per_radian(80e3) / 2 * file["entry/maps/com_magnitude"][()]
        np.testing.assert_allclose(file["entry/maps/electric_field_magnitude"][()], expected, rtol=1e-5)
        assert json.loads(file["entry/calibration"][()])["scan_step_nm"] == [0.03, 0.03]
        np.testing.assert_allclose(file["entry/maps/scan_x"], 0.03 * np.arange(6), rtol=1e-6)


def test_positions_without_a_frame_are_nobodys_neighbours(
    charged: Callable[[Calibration], ScanStore], truth: Truth, tmp_path: Path
) -> None:
    store = charged(CALIBRATION)
    gone = np.zeros(SHAPE, bool)
    gone[40:], gone[20, 30] = True, True
    store.com_y[gone.ravel()] = store.com_x[gone.ravel()] = np.nan
    with written(store, tmp_path) as file:
        maps = file["entry/maps"]
        assert (np.isnan(maps["electric_field_x"][()]) == gone).all()
        beside = gone.copy()
        for axis in (0, 1):
            beside |= np.roll(gone, 1, axis) | np.roll(gone, -1, axis)
        beside[[0, -1]] = beside[:, [0, -1]] = True
        charge = maps["charge_density"][()]
        assert (np.isnan(charge) == beside).all()
        peak = truth.charge.max() / 2.5
        np.testing.assert_allclose(charge[~beside], truth.charge[~beside] / 2.5, atol=0.01 * peak)
        assert maps["dpc_phase"].attrs["note"].startswith(f"{gone.sum()} of {gone.size} positions were not measured")
