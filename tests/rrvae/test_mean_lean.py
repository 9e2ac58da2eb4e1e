"""A scan whose mean is not that of whole cells says so, and one whose mean is leaves it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from detector_sim.detector import detector_model
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation
from stream_rrvae.kernels.basis import BasisSpec, project_onto
from stream_rrvae.maps.statistics import wrapped
from stream_rrvae.messages import Float32Array
from stream_rrvae.rrvae.mean_lean import FEWEST_POSITIONS, LARGEST_LEAN, MeanLean, mean_lean

BASIS = BasisSpec()
CELL_NM = (0.246 * math.sqrt(3), 0.246)  # of graphene, right-angled
SIDE, CELLS = 48, 2
STEP_NM = (CELLS * CELL_NM[0] / SIDE, CELLS * CELL_NM[1] / SIDE)
SETTINGS = SimulationSettings(detector=detector_model("64x64:float32"), scan_shape=(SIDE, SIDE), step_nm=STEP_NM)
Gain = NDArray[np.float64]
EVEN: Gain = np.ones((64, 64))


@dataclass(frozen=True)
class Scan:
    """`features` [y, x, n_features] and true `com` [y, x, 2] (y, x)."""

    features: Float32Array
    com: NDArray[np.float64]

    def lean(self, rows: slice, columns: slice, noise_variance: float = 0.0) -> MeanLean:
        part = self.features[rows, columns]
        shape = (part.shape[0], part.shape[1])
        flat = part.reshape(-1, BASIS.n_features)
        return mean_lean(flat, np.arange(len(flat)), shape, BASIS, noise_variance)

    def error_deg(self, rows: slice, columns: slice) -> float:
        """By how much directions that count from the mean of this part are wrong."""
        com = self.com[rows, columns].reshape(-1, 2)
        told, true = (np.arctan2(*each.T) for each in (com - com.mean(axis=0), com))
        return math.degrees(float(np.average(np.abs(wrapped(told - true)), weights=np.hypot(*com.T))))


def scan(settings: SimulationSettings = SETTINGS, gain: Gain = EVEN, off_px: float = 0.0) -> Scan:
    """Simulated on a detector of that `gain` [ky, kx], the disc taken for `off_px` beside where it is."""
    simulation, grid = Simulation(settings), settings.grid
    ky, kx = grid.beam_center_px
    everywhere = np.ones(grid.shape, np.bool_)
    basis = project_onto(BASIS, grid.shape, (ky + off_px, kx - off_px / 2), settings.disc_radius_px, everywhere)
    frames = np.concatenate([block.frames for block in simulation.blocks()])
    inside = (frames * gain).reshape(len(frames), -1)[:, basis.pixels]
    features = basis.scale * (inside @ basis.weights) / inside.sum(axis=1, keepdims=True) - basis.offset
    com = simulation.truth().com_mrad.reshape(*settings.scan_shape, 2)
    return Scan(features.astype(np.float16).astype(np.float32).reshape(*settings.scan_shape, -1), com)


def uneven(rms: float) -> Gain:
    rng = np.random.default_rng(1)
    pixels = rng.normal(size=EVEN.shape)
    hills = ndimage.gaussian_filter(rng.normal(size=EVEN.shape), 5.0)
    return np.asarray(1 + rms / math.sqrt(2) * (pixels + hills / hills.std()))


@pytest.fixture(scope="module")
def crystal() -> Scan:
    return scan()


WHOLE = slice(None)


@pytest.mark.parametrize("dose", [None, 1e4])
def test_any_part_of_a_cell_that_turns_directions_is_told_and_no_other(crystal: Scan, dose: float | None) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=crystal.features.shape) / math.sqrt(dose) if dose else 0.0
    seen = replace(crystal, features=(crystal.features + noise).astype(np.float32))
    told: list[float] = []
    silent: list[float] = []
    for _ in range(200):
        height, width = rng.integers(6, SIDE + 1, 2)
        y, x = rng.integers(0, SIDE - height + 1), rng.integers(0, SIDE - width + 1)
        part = slice(y, y + height), slice(x, x + width)
        found = seen.lean(*part, 1.0 / dose if dose else 0.0)
        (told if found.unexplained else silent).append(crystal.error_deg(*part))
    print(f"{len(told)} told, from {min(told):.1f} degrees on; {len(silent)} not, up to {max(silent):.1f} degrees")
    assert len(told) > 30 and len(silent) > 30
    assert min(told) > 2.0
    assert max(silent) < 8.0
    assert np.quantile(silent, 0.95) < 5.0


def test_whole_cells_do_not_lean(crystal: Scan) -> None:
    one_cell = slice(SIDE // CELLS)
    for rows, columns in ((WHOLE, WHOLE), (one_cell, WHOLE), (one_cell, one_cell)):
        found = crystal.lean(rows, columns)
        assert found.ratio < 0.01 and not found.unexplained


def test_a_wrong_centre_is_no_lean() -> None:
    assert scan(off_px=0.7).lean(WHOLE, WHOLE).ratio < 0.03


def test_an_uneven_detector_is_told_only_where_the_scan_does_not_show_whole_cells() -> None:
    found = scan(gain=uneven(0.1))
    several = found.lean(WHOLE, WHOLE)
    assert several.ratio > LARGEST_LEAN and not several.unexplained
    assert found.lean(slice(SIDE // CELLS), slice(SIDE // CELLS // 2)).unexplained


@pytest.mark.parametrize("specimen", ["graphene-vacancy", "graphene-silicon", "graphene-wall"])
def test_defects_are_no_lean(specimen: str) -> None:
    found = scan(replace(SETTINGS, specimen=specimen, step_nm=(0.03, 0.03)))
    assert not found.lean(WHOLE, WHOLE).unexplained


def test_one_line_has_one_direction_at_most() -> None:
    line = scan(replace(SETTINGS, scan_shape=(1, 150), step_nm=(0.01, 0.01)))
    assert line.lean(WHOLE, WHOLE).unexplained  # the mean over a line need not be 0


def test_noise_and_a_handful_of_frames_tell_nothing(crystal: Scan) -> None:
    noise = np.random.default_rng(0).normal(size=(900, BASIS.n_features)).astype(np.float32)
    assert math.isnan(mean_lean(noise + 3.0, np.arange(900), (30, 30), BASIS, 1.0).ratio)
    few = crystal.features.reshape(-1, BASIS.n_features)[: FEWEST_POSITIONS - 1]
    assert mean_lean(few, np.arange(len(few)), (SIDE, SIDE), BASIS, 0.0).figures() == {}
    alike = np.ones((100, BASIS.n_features), np.float32)
    assert math.isnan(mean_lean(alike, np.arange(100), (10, 10), BASIS, 0.0).ratio)
