"""`encoder_for` frames of a file: what a checkpoint says of single frames of a file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import stream_rrvae
from detector_sim.detector import detector_model
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation
from stream_rrvae.errors import CheckpointError, FileFormatError
from stream_rrvae.kernels.basis import BasisSpec
from stream_rrvae.maps.statistics import angle_agreement, pearson
from stream_rrvae.notebook.frame_encoding import encoder_for
from stream_rrvae.rrvae.checkpoint import checkpoint_of, save
from stream_rrvae.rrvae.learner import HarmonicLearner
from stream_rrvae.rrvae.preparation import whitened

SHAPE = (16, 14)
ONE_CELL = (0.246 * math.sqrt(3) / SHAPE[0], 0.246 / SHAPE[1])
FloatArray = NDArray[np.float64]


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FloatArray]:
    """A file of simulated frames, and their true COM [n, 2] (y, x)."""
    detector = detector_model("48x48:float32")
    simulation = Simulation(SimulationSettings(detector=detector, scan_shape=SHAPE, step_nm=ONE_CELL))
    frames = np.concatenate([block.frames for block in simulation.blocks()])
    path = tmp_path_factory.mktemp("scan") / "scan.npy"
    np.save(path, frames.reshape(*SHAPE, *frames.shape[1:]))
    return path, simulation.truth().com_mrad.reshape(-1, 2)


def test_a_checkpoint_reads_frames_of_a_file_it_has_never_seen(scan: tuple[Path, FloatArray]) -> None:
    path, com = scan
    magnitude, direction = np.hypot(*com.T), np.arctan2(*com.T)
    with stream_rrvae.open(path) as opened:
        encoder = encoder_for(opened.frames)
        found = encoder.encode(opened.frames[...].reshape(-1, 48, 48))
        alone = encoder.encode(opened.frames[3, 4][None])
    angle = angle_agreement(found.rotation, direction, magnitude)
    assert math.degrees(angle.error_rad) < 2.0
    assert abs(pearson(found.latents[:, 0], magnitude)) > 0.98
    at = 3 * SHAPE[1] + 4
    np.testing.assert_allclose(alone.latents[0], found.latents[at], atol=1e-3)  # whatever is encoded beside it
    assert alone.rotation[0] == pytest.approx(found.rotation[at], abs=1e-3)


def test_files_without_light_and_checkpoints_that_are_none_are_refused(
    scan: tuple[Path, FloatArray], tmp_path: Path
) -> None:
    np.save(tmp_path / "dark.npy", np.zeros((4, 5, 16, 16), np.uint16))
    with stream_rrvae.open(tmp_path / "dark.npy") as opened, pytest.raises(FileFormatError, match="0 of 20 frames"):
        encoder_for(opened.frames)
    with stream_rrvae.open(scan[0]) as opened, pytest.raises(CheckpointError, match=r"scan\.npy"):
        encoder_for(opened.frames, scan[0])


def test_a_checkpoint_of_another_basis_is_refused(scan: tuple[Path, FloatArray], tmp_path: Path) -> None:
    basis = BasisSpec(max_order=4)
    features = np.random.default_rng(0).normal(size=(80, basis.n_features)).astype(np.float32)
    model = HarmonicLearner.create(whitened(features, np.arange(80), 1.0, 1.0), basis, 2, 0, "cpu")
    save(tmp_path / "other.safetensors", checkpoint_of(model, {}))
    with stream_rrvae.open(scan[0]) as opened, pytest.raises(CheckpointError, match="basis"):
        encoder_for(opened.frames, tmp_path / "other.safetensors")
