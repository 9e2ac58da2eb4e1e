"""The packaged checkpoint, trained on 96x96 pixels, says the same of other detectors without any training."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from detector_sim.detector import detector_model
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation
from stream_rrvae.kernels.basis import BasisSpec, project_onto
from stream_rrvae.maps.statistics import angle_agreement, pearson
from stream_rrvae.rrvae.checkpoint import load
from stream_rrvae.rrvae.preparation import whitened

BASIS = BasisSpec()
SCAN_SHAPE = (24, 20)
ONE_CELL = (0.246 * math.sqrt(3) / SCAN_SHAPE[0], 0.246 / SCAN_SHAPE[1])
LARGEST_LOSS = 0.01  # of r, against the detector that it was trained at


@cache
def agreement(detector: str, dose: float | None) -> tuple[float, float]:
    """|r| of latent 1 with the true COM magnitude, and the angle error in degrees."""
    pixels = f"{detector}:{'float32' if dose is None else 'uint16'}"
    settings = SimulationSettings(
        detector=detector_model(pixels), scan_shape=SCAN_SHAPE, step_nm=ONE_CELL, dose_electrons=dose
    )
    simulation, grid = Simulation(settings), settings.grid
    everywhere = np.ones(grid.shape, np.bool_)
    basis = project_onto(BASIS, grid.shape, grid.beam_center_px, settings.disc_radius_px, everywhere)
    frames = np.concatenate([block.frames for block in simulation.blocks()])
    inside = frames.reshape(len(frames), -1)[:, basis.pixels].astype(np.float32)
    features = basis.scale * (inside @ basis.weights) / inside.sum(axis=1, keepdims=True) - basis.offset
    data = whitened(features, np.arange(len(frames)), dose or 1e4, 0.0 if dose is None else 1.0)
    found = load(Path("pretrained")).model("cpu").encode(data.x)
    com_y, com_x = simulation.truth().com_mrad.reshape(-1, 2).T
    magnitude = np.hypot(com_y, com_x)
    angle = angle_agreement(found.rotation, np.arctan2(com_y, com_x), magnitude)
    return abs(pearson(found.latents[:, 0], magnitude)), math.degrees(angle.error_rad)


@pytest.mark.parametrize("dose", [None, 1e5])
@pytest.mark.parametrize("detector", ["48x48", "128x128", "256x256", "96x128"])
def test_a_checkpoint_carries_over_to_another_detector(detector: str, dose: float | None) -> None:
    at_home, here = agreement("96x96", dose), agreement(detector, dose)
    print(f"{detector}, {dose or 'no'} electrons: r {here[0]:.4f} beside {at_home[0]:.4f}, angle {here[1]:.2f} degrees")
    assert at_home[0] > (0.98 if dose is None else 0.95)
    assert here[0] >= at_home[0] - LARGEST_LOSS
    assert dose is not None or here[1] <= 2.0
