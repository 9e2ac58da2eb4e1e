"""LiberTEM and py4DSTEM make the same maps of the same frames, once their signs are ours.

Each runs in a Python of its own: STREAM_RRVAE_PEER_PYTHON has LiberTEM, STREAM_RRVAE_PY4DSTEM_PYTHON py4DSTEM.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from detector_sim.detector import detector_model
from detector_sim.settings import SimulationSettings
from detector_sim.simulation import Simulation
from stream_rrvae.batch.analyse import analyse
from stream_rrvae.config import CalibrationSettings, LearnSettings, Settings
from stream_rrvae.recording.frame_file import open_frames

SCRIPT = Path(__file__).with_name("peer_fields.py")
PYTHONS = {"libertem": "STREAM_RRVAE_PEER_PYTHON", "py4DSTEM": "STREAM_RRVAE_PY4DSTEM_PYTHON"}
INNER = (slice(1, -1), slice(1, -1))  # at the edge LiberTEM takes one-sided differences, we none
Maps = dict[str, NDArray[np.floating]]
Ask = Callable[[str, NDArray[np.float32], float, bool], Maps]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    def answer(package: str, frames: NDArray[np.float32], rotation_deg: float, flip: bool) -> Maps:
        python = os.environ.get(PYTHONS[package], sys.executable)
        probe = subprocess.run([python, "-c", f"import {package}"], capture_output=True, timeout=100)
        if probe.returncode:
            pytest.skip(f"NOT CHECKED against {package}: {python} does not have it ({PYTHONS[package]} may)")
        told, made = tmp_path / "told.npz", tmp_path / "made.npz"
        np.savez(told, frames=frames, center_px=(15.5, 15.5), rotation_deg=rotation_deg, flip=flip)
        command = [python, "-W", "ignore", str(SCRIPT), package, str(told), str(made)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=110)
        assert done.returncode == 0, done.stderr
        with np.load(made) as found:
            return {name: found[name] for name in found}

    return answer


def frames_of(rotation_deg: float, flip: bool) -> NDArray[np.float32]:
    """Graphene without noise [y, x, ky, kx], as a turned and mirrored detector sees it."""
    settings = SimulationSettings(
        detector=detector_model("32x32:float32"), scan_shape=(48, 56), rotation_deg=rotation_deg, flip=flip
    )
    return np.concatenate([block.frames for block in Simulation(settings).blocks()]).reshape(48, 56, 32, 32)


def our_maps(frames: NDArray[np.float32], rotation_deg: float, flip: bool, folder: Path) -> Maps:
    np.save(folder / "frames.npy", frames)
    calibration = CalibrationSettings(
        mrad_per_px=3.2,
        beam_center_px=(15.5, 15.5),
        scan_step_nm=(0.02, 0.02),
        detector_rotation_deg=rotation_deg,
        detector_flip=flip,
        beam_energy_ev=60e3,
    )
    with open_frames(str(folder / "frames.npy"), None, None) as opened:
        settings = Settings(calibration=calibration, learn=LearnSettings(mode="off"))
        path = analyse(opened, settings, folder / "results.h5", lambda _done: None)
    with h5py.File(path) as file:
        return {name: data[()] for name, data in file["entry/maps"].items()}


@pytest.mark.peers
@pytest.mark.parametrize(("rotation_deg", "flip"), [(0.0, False), (25.0, False), (-110.0, True)])
@pytest.mark.parametrize("package", PYTHONS)
def test_peers_make_the_same_maps(ask: Ask, tmp_path: Path, package: str, rotation_deg: float, flip: bool) -> None:
    frames = frames_of(rotation_deg, flip)
    theirs = ask(package, frames, rotation_deg, flip)
    ours = our_maps(frames, rotation_deg, flip, tmp_path)
    correlation = {
        name: float(np.corrcoef(image[INNER].ravel(), ours[name][INNER].ravel())[0, 1])
        for name, image in theirs.items()
    }
    print(package, rotation_deg, flip, correlation)
    weakest = {name: value for name, value in correlation.items() if value < 0.999}
    assert not weakest
