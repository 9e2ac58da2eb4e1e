"""A positive point charge, seen by a turned and mirrored detector: in the results the beam is drawn to it.

The frames are written here, apart from simulator and package, by `messages.Calibration`'s words: a vector v = (x, y) of
the scan appears on the detector as R(+rotation) F v.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

SIDE, CHARGE_AT = 40, (17.3, 22.6)
RADIUS_PX = 9.0


def frames_of(rotation_deg: float, flip: bool) -> NDArray[np.uint16]:
    """[y, x, ky, kx] counts: the disc is brighter where the beam is drawn to, more goes beyond it near the charge."""
    y, x = np.indices((SIDE, SIDE)) - np.array(CHARGE_AT)[:, None, None]
    distance = np.hypot(y, x)
    # A nucleus screened by its electrons, seen by a probe that is not a point.
    strength = 1.5 * distance / (1 + distance**2) * np.exp(-distance / 4)
    drawn = np.stack([-x, -y]) / (distance + 1e-9) * strength
    turn = np.radians(rotation_deg)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.diag([1, -1 if flip else 1])
    lean_x, lean_y = np.einsum("ij,j...->i...", matrix, drawn)
    ky, kx = np.indices((32, 32)) - 15.5
    inside = np.clip(RADIUS_PX + 0.5 - np.hypot(ky, kx), 0, 1)
    slope = (lean_x[..., None, None] * kx + lean_y[..., None, None] * ky) / RADIUS_PX
    beyond = np.exp(-distance / 2)[..., None, None] * (np.hypot(ky, kx) > RADIUS_PX + 2)
    mean = 60 * inside * (1 + slope) + 2 * beyond
    return np.asarray(np.random.default_rng(0).poisson(mean), np.uint16)


@pytest.mark.parametrize(("rotation_deg", "flip"), [(25.0, False), (-110.0, True)])
def test_the_field_in_the_results_file_points_to_the_charge(tmp_path: Path, rotation_deg: float, flip: bool) -> None:
    source, results = tmp_path / "frames.npy", tmp_path / "results.h5"
    np.save(source, frames_of(rotation_deg, flip))
    arguments = ("analyse", source, "--mode", "off", "--rotation", "find", "--out", results)
    done = subprocess.run(
        [sys.executable, "-m", "stream_rrvae", *map(str, arguments)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    with h5py.File(results) as file:
        maps, calibration = file["entry/maps"], json.loads(file["entry/calibration"][()])
        assert maps.attrs["vector_axes"] == "scan"
        com_y, com_x = maps["com_y"][()], maps["com_x"][()]
    assert np.degrees(calibration["detector_rotation_rad"]) == pytest.approx(rotation_deg, abs=2.0)
    assert calibration["detector_flip"] is flip
    y, x = np.indices((SIDE, SIDE)) - np.array(CHARGE_AT)[:, None, None]
    near = (np.hypot(y, x) > 1.5) & (np.hypot(y, x) < 8)
    towards = -(com_y * y + com_x * x) / (np.hypot(com_y, com_x) * np.hypot(y, x))
    assert np.median(towards[near]) > 0.97
    assert (towards[near] > 0).mean() > 0.98
